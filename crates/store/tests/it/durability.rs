//! What was answered stays: after `kill -9`, on a full disk; and clear words where nothing can be kept.

use std::{
    collections::BTreeMap,
    env, fs,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    str::FromStr as _,
};

use futures_util::future::join_all;
use windlass_store::{Store, StoreError, StoreUrl};
use windlass_testkit::{TestStore, run, store_tests};

/// Tells a copy of this test program to be the writer that gets killed.
const WRITER: &str = "WINDLASS_TEST_WRITER";

const TASKS: u32 = 8;

async fn put(store: &Store, name: String, content: String) -> Result<(), StoreError> {
    store
        .write(move |tx| {
            let (name, content) = (name.clone(), content.clone());
            Box::pin(async move {
                tx.meta_set(&name, &content).await?;
                tx.meta_set(&format!("{name} again"), &content).await
            })
        })
        .await
}

async fn get(store: &Store, name: String) -> Option<String> {
    let read = store.read(move |tx| {
        let name = name.clone();
        Box::pin(async move { tx.meta_get(&name).await })
    });
    read.await.unwrap()
}

/// Not a test: the process that is killed. It counts in several tasks at once and says each number once it is stored.
#[test]
fn writer_process() {
    let Ok(url) = env::var(WRITER) else { return };
    let url = match url.strip_prefix("file:") {
        Some(path) => StoreUrl::Sqlite(path.into()),
        None => StoreUrl::from_str(&url).unwrap(),
    };
    run(async move {
        let store = Store::open(&url).await.unwrap();
        let start = get(&store, "start".to_owned()).await.map_or(0, |text| text.parse().unwrap());
        join_all((0..TASKS).map(|task| {
            let store = store.clone();
            tokio::spawn(async move {
                for number in start.. {
                    put(&store, format!("task {task}"), number.to_string()).await.unwrap();
                    let line = format!("\nstored {task} {number}\n");
                    std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
                }
            })
        }))
        .await;
    });
}

/// Starts the writer, kills it after `lines` answers, and returns the last number that each task was answered.
fn run_and_kill(url: &str, lines: usize) -> BTreeMap<u32, u32> {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["durability::writer_process", "--exact", "--nocapture"])
        .env(WRITER, url)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut answered = BTreeMap::new();
    let mut seen = 0;
    // To the end: what was said before the kill may still lie in the pipe.
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let Some((task, number)) = line.strip_prefix("stored ").and_then(|rest| rest.split_once(' ')) else { continue };
        answered.insert(task.parse().unwrap(), number.parse().unwrap());
        seen += 1;
        if seen == lines {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(seen >= lines, "the writer ended by itself after {seen} answers");
    answered
}

store_tests! {
    async fn what_was_answered_survives_a_kill(store) {
        let url = match store.url() {
            StoreUrl::Sqlite(path) => format!("file:{}", path.display()),
            StoreUrl::Postgres(url) => url.clone(),
        };
        store.close().await;
        for (round, lines) in [1, 40, 97, 250].into_iter().enumerate() {
            let answered = run_and_kill(&url, lines);
            let store = Store::open(store.url()).await.unwrap();
            let mut highest = 0;
            for (task, number) in answered {
                let name = format!("task {task}");
                let stored = get(&store, name.clone()).await;
                let stored: u32 = stored.unwrap_or_else(|| panic!("round {round}: task {task} is gone")).parse().unwrap();
                // The write that was under way may have become durable without an answer; no more than that.
                assert!(stored == number || stored == number + 1, "round {round}: answered {number}, stored {stored}");
                assert_eq!(get(&store, format!("{name} again")).await, Some(stored.to_string()), "half a transaction");
                highest = highest.max(stored);
            }
            put(&store, "start".to_owned(), (highest + 1).to_string()).await.unwrap();
            store.close().await;
        }
    }

    async fn a_newer_schema_is_refused_and_left_alone(store) {
        store.close().await;
        crate::ledger::tamper(&store, "INSERT INTO schema_migration (number, name) VALUES (999, 'of the future')").await;
        let answer = Store::open(store.url()).await;
        assert!(matches!(answer, Err(StoreError::Newer { found: 999, known: 1.. })), "{answer:?}");
    }

    async fn servers_that_start_together_take_turns(store) {
        let opened = join_all((0..6).map(|_| Store::open(store.url()))).await;
        for (store, number) in opened.into_iter().zip(1..) {
            let store = store.unwrap();
            let counted = store.write(|tx| Box::pin(async move { tx.counter_next("n").await })).await;
            assert_eq!(counted.unwrap(), number);
        }
    }
}

/// A small file system of its own, for those who may mount one.
struct Tmpfs(PathBuf);

impl Tmpfs {
    fn mount(folder: &Path, size: &str) -> Option<Self> {
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(folder)
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        if !mounted {
            eprintln!("SKIPPED: a tmpfs cannot be mounted here (it takes root)");
        }
        mounted.then(|| Self(folder.to_owned()))
    }

    fn read_only(&self) {
        let status = Command::new("mount").args(["-o", "remount,ro"]).arg(&self.0).status().unwrap();
        assert!(status.success());
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        // Lazily: SQLite's threads may hold files a moment longer.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_loses_nothing_and_recovers() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let Some(_mount) = Tmpfs::mount(folder.path(), "16m") else { return };
        let filler = folder.path().join("filler");
        fs::write(&filler, vec![1; 12 << 20]).unwrap();
        let url = StoreUrl::Sqlite(folder.path().join("windlass.db"));
        let store = Store::open(&url).await.unwrap();
        let big = "x".repeat(20_000);
        let mut kept = Vec::new();
        let mut full = false;
        for round in 0..200 {
            let names: Vec<_> = (0..4).map(|number| format!("{round}.{number}")).collect();
            let answers = join_all(names.iter().map(|name| put(&store, name.clone(), big.clone()))).await;
            for (name, answer) in names.into_iter().zip(answers) {
                match answer {
                    Ok(()) => kept.push(name),
                    Err(StoreError::DiskFull) => full = true,
                    Err(other) => panic!("{other:?}"),
                }
            }
            if full {
                break;
            }
        }
        assert!(full && kept.len() > 8, "full: {full}, kept: {}", kept.len());
        let check = async |store: &Store| {
            for name in &kept {
                assert_eq!(get(store, name.clone()).await.as_ref(), Some(&big), "{name}");
            }
        };
        check(&store).await;
        fs::remove_file(&filler).unwrap();
        put(&store, "after".to_owned(), "room".to_owned()).await.unwrap();
        store.close().await;
        let again = Store::open(&url).await.unwrap();
        check(&again).await;
        assert_eq!(get(&again, "after".to_owned()).await.as_deref(), Some("room"));
        again.close().await;
    });
}

#[test]
fn a_disk_that_is_full_from_the_start_is_said_early() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let Some(_mount) = Tmpfs::mount(folder.path(), "64k") else { return };
        let _ = fs::write(folder.path().join("filler"), vec![1; 1 << 20]);
        let answer = Store::open(&StoreUrl::Sqlite(folder.path().join("windlass.db"))).await;
        assert!(matches!(answer, Err(StoreError::DiskFull)), "{answer:?}");
    });
}

#[test]
fn a_read_only_folder_is_said_early() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let Some(mount) = Tmpfs::mount(folder.path(), "4m") else { return };
        let url = StoreUrl::Sqlite(folder.path().join("windlass.db"));
        for with_database in [false, true] {
            if with_database {
                let status = Command::new("mount").args(["-o", "remount,rw"]).arg(folder.path()).status().unwrap();
                assert!(status.success());
                Store::open(&url).await.unwrap().close().await;
            }
            mount.read_only();
            let answer = Store::open(&url).await;
            assert!(matches!(answer, Err(StoreError::ReadOnly)), "{answer:?}");
        }
    });
}

#[test]
fn what_is_no_database_is_said() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("windlass.db");
        fs::write(&path, "not a database, but long enough to have a header: ".repeat(40)).unwrap();
        let answer = Store::open(&StoreUrl::Sqlite(path.clone())).await;
        assert!(matches!(&answer, Err(StoreError::Damaged { file, .. }) if *file == path), "{answer:?}");
        let answer = Store::open(&StoreUrl::Sqlite(path.join("below/windlass.db"))).await;
        assert!(matches!(answer, Err(StoreError::Open { .. })), "{answer:?}");
        let answer =
            Store::open(&StoreUrl::Postgres("postgres://nobody@localhost/none?host=/nonexistent".to_owned())).await;
        assert!(matches!(answer, Err(StoreError::Unreachable(_))), "{answer:?}");
    });
}

#[test]
fn a_damaged_page_is_said_and_what_is_whole_is_still_answered() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("windlass.db");
        let url = StoreUrl::Sqlite(path.clone());
        let store = Store::open(&url).await.unwrap();
        for number in 0..200 {
            put(&store, format!("name {number:03}"), "x".repeat(2000)).await.unwrap();
        }
        store.write(|tx| Box::pin(async move { tx.counter_next("whole").await })).await.unwrap();
        assert_eq!(store.damage(), None);
        store.close().await;
        // Every page that holds what was put, and no page of another table.
        let mut bytes = fs::read(&path).unwrap();
        let damaged: Vec<usize> = (1..bytes.len() / 4096)
            .filter(|page| bytes[page * 4096..(page + 1) * 4096].ends_with(&[b'x'; 500]))
            .collect();
        assert!(damaged.len() > 100, "{damaged:?}");
        for page in damaged {
            bytes[page * 4096..page * 4096 + 200].fill(0xA5);
        }
        fs::write(&path, bytes).unwrap();
        let store = Store::open(&url).await.unwrap();
        let read = store.read_one(|tx| Box::pin(tx.meta_get("name 100"))).await;
        assert!(matches!(&read, Err(StoreError::Damaged { file, .. }) if *file == path), "{read:?}");
        let written = store.write_here(|tx| Box::pin(tx.meta_set("name 100", "y"))).await;
        assert!(matches!(&written, Err(StoreError::Damaged { file, .. }) if *file == path), "{written:?}");
        assert!(store.damage().unwrap().contains(path.to_str().unwrap()));
        let counted = store.write(|tx| Box::pin(async move { tx.counter_next("whole").await })).await;
        assert_eq!(counted.unwrap(), 2);
        store.close().await;
    });
}

#[test]
fn folders_are_made() {
    run(async {
        let store = TestStore::sqlite().await;
        let deep = store.folder().join("a/b/windlass.db");
        Store::open(&StoreUrl::Sqlite(deep.clone())).await.unwrap().close().await;
        assert!(deep.exists());
    });
}
