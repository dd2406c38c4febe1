//! The published ledger: it survives crashes, and every change behind its back is found and located.

use std::{
    fs,
    path::{Path, PathBuf},
};

use sqlx::{AssertSqlSafe, Connection as _};
use windlass_kinds::{
    Digest,
    record::{Actor, DatasetVersionState, LedgerKind, PipelineRunState, StepState},
};
use windlass_store::{
    Store, StoreError, StoreUrl, Tx,
    ledger::{BlobCheck, Hashed, LedgerError, Sequencer, VerifyReport, verify},
};
use windlass_testkit::{TestStore, store_tests};

use crate::samples::{NOW, dataset_version, name, revision, run, step};

/// Runs one statement as somebody who has the database's password.
pub(crate) async fn tamper(store: &TestStore, sql: &str) {
    let changed = match store.url() {
        StoreUrl::Sqlite(path) => rusqlite::Connection::open(path).unwrap().execute(sql, []).unwrap() as u64,
        StoreUrl::Postgres(url) => {
            let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
            sqlx::query(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap().rows_affected()
        }
    };
    assert_eq!(changed, 1, "the test changes one row");
}

async fn append(store: &Store, count: u32) {
    store
        .write(move |tx| {
            Box::pin(async move {
                for number in 0..count {
                    let (actor, body) = (Actor::system(), serde_json::json!({"number": number}));
                    tx.ledger_append(&name("default"), &actor, LedgerKind::Event, "event", &body, NOW).await?;
                }
                Ok(())
            })
        })
        .await
        .unwrap();
}

/// Writes one record of each covered table, as the control loop does.
async fn write_records(tx: &mut Tx) -> Result<(), StoreError> {
    let (project, actor) = (name("default"), Actor::system());
    for number in [1, 2] {
        let revision = revision("default", "a", number);
        tx.revision_insert(&revision).await?;
        let subject = format!("Model/a@{number}");
        tx.ledger_append(&project, &actor, LedgerKind::Revision, &subject, &revision, NOW).await?;
    }
    let version = dataset_version("flights", 1, DatasetVersionState::Rejected);
    tx.dataset_version_insert(&version).await?;
    tx.ledger_append(&project, &actor, LedgerKind::DatasetVersion, "Dataset/flights@1", &version, NOW).await?;
    tx.content_refs_add(&project, "Dataset/flights@1", &[version.files[0].digest.clone()]).await?;
    let ended = run("train", 7, PipelineRunState::Succeeded);
    let step = step(&ended, "fit", StepState::Succeeded);
    tx.pipeline_run_save(&ended).await?;
    tx.step_run_insert(&step, 0).await?;
    let steps = serde_json::json!([{"step": "fit", "state": step.state, "key": null, "outputs": step.outputs}]);
    let body = serde_json::json!({"run": ended, "steps": steps});
    tx.ledger_append(&project, &actor, LedgerKind::RunEnded, "run train-7", &body, NOW).await
}

/// A published ledger of 606 entries: two full tiles, one that is not.
async fn published(store: &TestStore) -> PathBuf {
    append(store, 300).await;
    store.write(|tx| Box::pin(write_records(tx))).await.unwrap();
    append(store, 302).await;
    let sequenced = sequencer(store).await.sequence().await.unwrap();
    assert_eq!((sequenced.added, sequenced.size), (606, 606));
    store.folder().join("ledger")
}

async fn sequencer(store: &TestStore) -> Sequencer {
    Sequencer::open((**store).clone(), store.folder()).await.unwrap()
}

async fn check(store: &TestStore, kept: Option<&[u8]>) -> VerifyReport {
    verify(&store.folder().join("ledger"), Some(store), kept, None).await.unwrap()
}

fn places(report: &VerifyReport) -> Vec<&str> {
    let mut places: Vec<_> = report.damage.iter().map(|damage| damage.place.as_str()).collect();
    places.dedup();
    places
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target)
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(files_below(&path)) } else { files.push(path) }
    }
    files.sort();
    files
}

store_tests! {
    async fn an_honest_ledger_holds(store) {
        let folder = published(&store).await;
        append(&store, 1).await;
        let kept = fs::read(folder.join("checkpoint")).unwrap();
        let report = check(&store, Some(&kept)).await;
        assert_eq!(report.damage, []);
        assert_eq!((report.entries, report.rows, report.unpublished, report.records), (606, 607, 1, 5));
        let names: Vec<_> =
            files_below(&folder).iter().map(|path| path.strip_prefix(&folder).unwrap().display().to_string()).collect();
        assert_eq!(names, [
            "checkpoint", "key.pub", "tile/0/000", "tile/0/001", "tile/0/002.p/94", "tile/1/000.p/2",
            "tile/entries/000", "tile/entries/001", "tile/entries/002.p/94",
        ]);
        // Without the database the files hold by themselves.
        assert_eq!(verify(&folder, None, Some(&kept), None).await.unwrap().damage, []);
    }

    async fn batches_of_any_size_and_restarts_make_the_same_tree(store) {
        let mut sequencer = sequencer(&store).await;
        let mut kept = Vec::new();
        for (number, count) in [1, 0, 1, 254, 1, 255, 2, 700, 3].into_iter().enumerate() {
            append(&store, count).await;
            if number % 2 == 1 {
                sequencer = self::sequencer(&store).await;
            }
            assert_eq!(sequencer.sequence().await.unwrap().added, u64::from(count));
            kept.push(fs::read(store.folder().join("ledger/checkpoint")).unwrap());
        }
        for kept in &kept {
            assert_eq!(check(&store, Some(kept)).await.damage, []);
        }
    }

    async fn a_crash_between_its_steps_is_repaired(store) {
        append(&store, 250).await;
        let mut sequencer = sequencer(&store).await;
        sequencer.sequence().await.unwrap();
        let (folder, before) = (store.folder().join("ledger"), store.folder().join("before"));
        copy(&folder, &before);
        append(&store, 20).await;
        sequencer.sequence().await.unwrap();
        let checkpoint = fs::read(folder.join("checkpoint")).unwrap();
        // Rows have their places; some or none of the files were written, the checkpoint was not.
        for written in [vec![], vec!["tile/entries/000"], vec!["tile/entries/000", "tile/0/000", "tile/entries/001.p/14"]] {
            let after = store.folder().join("after");
            copy(&folder, &after);
            fs::remove_dir_all(&folder).unwrap();
            copy(&before, &folder);
            for name in &written {
                fs::create_dir_all(folder.join(name).parent().unwrap()).unwrap();
                fs::copy(after.join(name), folder.join(name)).unwrap();
            }
            self::sequencer(&store).await.sequence().await.unwrap();
            assert_eq!(fs::read(folder.join("checkpoint")).unwrap(), checkpoint, "{written:?}");
            assert_eq!(check(&store, None).await.damage, [], "{written:?}");
        }
        // The same where everything but the key is gone.
        fs::remove_dir_all(&folder).unwrap();
        self::sequencer(&store).await.sequence().await.unwrap();
        assert_eq!(check(&store, Some(&checkpoint)).await.damage, []);
    }

    async fn a_checkpoint_of_a_leader_that_woke_up_late_does_not_stay(store) {
        let (term, path) = (std::time::Duration::from_secs(3600), store.folder().join("ledger/checkpoint"));
        let lead = async |holder: &'static str| {
            let taken = store.write(move |tx| Box::pin(tx.lease_take(holder, "here:1", term))).await.unwrap();
            (taken, sequencer(&store).await)
        };
        let (before, mut old) = lead("one").await;
        append(&store, 3).await;
        old.sequence_under(before).await.unwrap();
        let late = fs::read(&path).unwrap();
        let ended = store.write(move |tx| Box::pin(tx.lease_release(before.unwrap()))).await;
        ended.unwrap();
        let (fence, mut new) = lead("other").await;
        append(&store, 300).await;
        assert_eq!(new.sequence_under(fence).await.unwrap().size, 303);
        let published = fs::read(&path).unwrap();
        append(&store, 1).await;
        let refused = old.sequence_under(before).await;
        assert!(matches!(refused, Err(LedgerError::Store(StoreError::Fenced))), "{refused:?}");
        assert_eq!(fs::read(&path).unwrap(), published);

        new.sequence_under(fence).await.unwrap();
        let published = fs::read(&path).unwrap();
        fs::write(&path, late).unwrap();
        new.sequence_under(fence).await.unwrap();
        assert_eq!(fs::read(&path).unwrap(), published);
        assert_eq!(check(&store, None).await.damage, []);
    }

    async fn open_tiles_that_were_lost_are_written_again(store) {
        let folder = published(&store).await;
        fs::remove_file(folder.join("tile/0/002.p/94")).unwrap();
        fs::write(folder.join("tile/entries/002.p/94"), b"torn").unwrap();
        append(&store, 1).await;
        assert_eq!(sequencer(&store).await.sequence().await.unwrap().size, 607);
        assert_eq!(check(&store, None).await.damage, []);
    }

    async fn every_changed_row_is_found(store) {
        published(&store).await;
        for (sql, undo, expected) in [
            (
                "UPDATE revision SET body = replace(body, 'text 1', 'text 9') WHERE number = 1",
                "UPDATE revision SET body = replace(body, 'text 9', 'text 1') WHERE number = 1",
                vec!["row of revision, default: Model/a@1"],
            ),
            (
                "UPDATE revision SET body = replace(body, '{\"actor', '{ \"actor') WHERE number = 2",
                "UPDATE revision SET body = replace(body, '{ \"actor', '{\"actor') WHERE number = 2",
                vec!["row of revision, default: Model/a@2"],
            ),
            (
                "UPDATE revision SET actor = 'token:eve' WHERE number = 2",
                "UPDATE revision SET actor = 'token:local' WHERE number = 2",
                vec!["row of revision, default: Model/a@2"],
            ),
            (
                "UPDATE dataset_version SET state = 'accepted'",
                "UPDATE dataset_version SET state = 'rejected'",
                vec!["row of dataset_version, default: Dataset/flights@1"],
            ),
            (
                "UPDATE dataset_version SET number = 2",
                "UPDATE dataset_version SET number = 1",
                vec![
                    "row of dataset_version, default: Dataset/flights@2",
                    "row of dataset_version, default: Dataset/flights@1",
                ],
            ),
            (
                "UPDATE pipeline_run SET body = replace(body, '0.30000000000000004', '0.3')",
                "UPDATE pipeline_run SET body = replace(body, '0.3', '0.30000000000000004')",
                vec!["row of pipeline_run, default: run train-7"],
            ),
            (
                "UPDATE pipeline_run SET state = 'failed'",
                "UPDATE pipeline_run SET state = 'succeeded'",
                vec!["row of pipeline_run, default: run train-7"],
            ),
            (
                "UPDATE step_run SET body = replace(body, '\"size\":1', '\"size\":2')",
                "UPDATE step_run SET body = replace(body, '\"size\":2', '\"size\":1')",
                vec!["row of pipeline_run, default: run train-7, step fit"],
            ),
            (
                "UPDATE ledger SET entry = replace(entry, 'event', 'evens') WHERE leaf = 3",
                "UPDATE ledger SET entry = replace(entry, 'evens', 'event') WHERE leaf = 3",
                vec!["row of ledger, place 4, index 3", "row of ledger, index 3"],
            ),
            (
                "UPDATE ledger SET body = '{\"number\":8}' WHERE leaf = 7",
                "UPDATE ledger SET body = '{\"number\":7}' WHERE leaf = 7",
                vec!["row of ledger, place 8, index 7"],
            ),
            (
                "UPDATE ledger SET subject = 'other' WHERE leaf = 600",
                "UPDATE ledger SET subject = 'event' WHERE leaf = 600",
                vec!["row of ledger, place 601, index 600"],
            ),
            (
                "UPDATE ledger SET leaf = 1000 WHERE leaf = 5",
                "UPDATE ledger SET leaf = 5 WHERE leaf = 1000",
                vec!["row of ledger, index 5"],
            ),
        ] {
            tamper(&store, sql).await;
            let report = check(&store, None).await;
            assert_eq!(places(&report), expected, "{sql}: {:#?}", report.damage);
            tamper(&store, undo).await;
            assert_eq!(check(&store, None).await.damage, [], "{undo}");
        }
        // An erased body is no damage: the entry stays.
        tamper(&store, "UPDATE ledger SET body = NULL WHERE leaf = 7").await;
        let report = check(&store, None).await;
        assert_eq!((report.erased, report.damage), (1, vec![]));
        for (sql, expected) in [
            ("DELETE FROM ledger WHERE leaf = 9", "row of ledger, index 9"),
            ("DELETE FROM dataset_version", "row of dataset_version, default: Dataset/flights@1"),
        ] {
            tamper(&store, sql).await;
            let report = check(&store, None).await;
            assert!(places(&report).contains(&expected), "{sql}: {:#?}", report.damage);
        }
    }

    async fn every_changed_byte_of_a_file_is_found(store) {
        let folder = published(&store).await;
        for path in files_below(&folder) {
            let honest = fs::read(&path).unwrap();
            let name = path.strip_prefix(&folder).unwrap().display().to_string();
            for place in (0..honest.len()).step_by(honest.len().div_ceil(5)).chain([honest.len() - 1]) {
                let mut changed = honest.clone();
                changed[place] ^= 1;
                fs::write(&path, &changed).unwrap();
                for with_rows in [true, false] {
                    let report = verify(&folder, with_rows.then_some(&*store), None, None).await.unwrap();
                    assert!(places(&report).contains(&name.as_str()), "{name}, byte {place}: {:#?}", report.damage);
                    assert!(places(&report).len() == 1, "{name}, byte {place}: {:#?}", report.damage);
                }
            }
            fs::write(&path, &honest).unwrap();
            fs::rename(&path, path.with_extension("gone")).unwrap();
            let report = check(&store, None).await;
            assert!(places(&report).contains(&name.as_str()), "{name} missing: {:#?}", report.damage);
            fs::rename(path.with_extension("gone"), &path).unwrap();
        }
        assert_eq!(check(&store, None).await.damage, []);
    }

    async fn a_row_changed_with_its_copies_is_found(store) {
        let folder = published(&store).await;
        // The entry, and the bundle it stands in: two of three copies agree, but the tile above speaks for the third.
        tamper(&store, "UPDATE ledger SET entry = replace(entry, 'event', 'evens') WHERE leaf = 3").await;
        let path = folder.join("tile/entries/000");
        let bundle = fs::read(&path).unwrap();
        let start = bundle.windows(5).enumerate().filter(|(_, word)| *word == b"event").map(|(at, _)| at).nth(7).unwrap();
        let mut changed = bundle.clone();
        changed[start..start + 5].copy_from_slice(b"evens");
        fs::write(&path, changed).unwrap();
        let report = check(&store, None).await;
        for place in ["tile/entries/000", "row of ledger, index 3"] {
            assert!(places(&report).contains(&place), "{:#?}", report.damage);
        }
        assert!(!places(&report).contains(&"tile/0/000"), "{:#?}", report.damage);
    }

    async fn history_that_was_rewritten_and_signed_anew_is_found(store) {
        let folder = published(&store).await;
        let kept = fs::read(folder.join("checkpoint")).unwrap();
        // Somebody with the database, the folder and the key.
        let body = Digest::sha256("{\"number\":4}");
        let forged = Digest::sha256("{\"number\":5}");
        tamper(&store, &format!("UPDATE ledger SET entry = replace(entry, '{body}', '{forged}'), body = '{{\"number\":5}}' WHERE leaf = 4")).await;
        fs::remove_dir_all(&folder).unwrap();
        sequencer(&store).await.sequence().await.unwrap();
        assert_eq!(check(&store, None).await.damage, [], "nothing inside can tell");
        let report = check(&store, Some(&kept)).await;
        assert_eq!(places(&report), ["the checkpoint kept elsewhere"]);
        assert!(report.damage[0].what.contains("rewritten"), "{:?}", report.damage);
    }

    async fn a_store_older_than_its_ledger_is_refused(store) {
        published(&store).await;
        tamper(&store, "DELETE FROM ledger WHERE leaf = 605").await;
        let answer = sequencer(&store).await.sequence().await;
        assert!(matches!(answer, Err(LedgerError::Diverged { .. })), "{answer:?}");
    }

    async fn another_key_is_refused(store) {
        published(&store).await;
        fs::remove_file(store.folder().join("keys/ledger")).unwrap();
        let answer = sequencer(&store).await.sequence().await;
        assert!(matches!(answer, Err(LedgerError::Diverged { .. })), "{answer:?}");
    }

    async fn changed_content_is_found_with_its_holder(store) {
        let folder = published(&store).await;
        let digest = Digest::sha256("1");
        fn as_it_is(digest: Digest) -> Hashed {
            Hashed { digest, files: Vec::new() }
        }
        let honest = |digest: &Digest| Ok(Some(as_it_is(digest.clone())));
        let report = verify(&folder, Some(&*store), None, Some(&honest as &BlobCheck)).await.unwrap();
        assert_eq!((report.blobs, report.damage), (1, vec![]));
        let changed = |_: &Digest| Ok(Some(as_it_is(Digest::sha256("other"))));
        let missing = |_: &Digest| Ok(None);
        for blobs in [&changed as &BlobCheck, &missing] {
            let report = verify(&folder, Some(&*store), None, Some(blobs)).await.unwrap();
            assert_eq!(places(&report), [format!("content {digest}, needed by default: Dataset/flights@1")]);
        }
        // What is referred to is a folder, one file of which is damaged.
        let (good, bad) = (Digest::sha256("good"), Digest::sha256("bad"));
        let (folder_itself, damaged, files) = (digest.clone(), bad.clone(), vec![good, bad.clone(), bad.clone()]);
        let folded = move |asked: &Digest| {
            let files = if *asked == folder_itself { files.clone() } else { Vec::new() };
            Ok((*asked != damaged).then(|| Hashed { digest: asked.clone(), files }))
        };
        let report = verify(&folder, Some(&*store), None, Some(&folded as &BlobCheck)).await.unwrap();
        assert_eq!(report.blobs, 3);
        assert_eq!(places(&report), [format!("content {bad}, a file of the folder {digest}")]);
    }

    async fn the_secret_is_for_its_owner_alone(store) {
        use std::os::unix::fs::PermissionsExt as _;
        sequencer(&store).await;
        let mode = fs::metadata(store.folder().join("keys/ledger")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
