//! Records: what goes in comes out, in the order promised, and a repeat changes nothing.

use std::collections::BTreeMap;

use windlass_kinds::{
    Digest, EventId, Kind, Micros, Name, StepRunId, TokenId,
    manifest::Role,
    record::{
        Action, ActionBody, Actor, AttemptState, CacheEntry, DatasetVersionState, Event, EventBody, HeldEvent,
        LedgerKind, PipelineRunState, StepState, Token, TriggerFacts, TriggerState,
    },
};
use windlass_store::{RunQuery, StoreError, ledger::LedgerQuery};
use windlass_testkit::{TestStore, store_tests};

use crate::samples::{NOW, attempt, dataset_version, name, observed, revision, run, step};

/// Runs statements of a test in one write transaction; what it captures is cloned for a repeat.
macro_rules! write {
    ($store:expr, |$tx:ident| $body:expr) => {
        $store.write(move |$tx| Box::pin(async move { $body })).await
    };
}

async fn names(store: &TestStore) -> Vec<String> {
    write!(store, |tx| {
        let current = tx.revisions_current(Some(&name("default")), Some(Kind::Model)).await?;
        Ok(current.into_iter().map(|revision| format!("{}@{}", revision.name, revision.number)).collect())
    })
    .unwrap()
}

store_tests! {
    async fn projects_are_made_once(store) {
        let listed = write!(store, |tx| {
            for text in ["zeta", "default", "default"] {
                tx.project_ensure(&name(text), NOW).await?;
                tx.lock_project(&name(text)).await?;
            }
            tx.projects().await
        });
        assert_eq!(listed.unwrap(), [name("default"), name("zeta")]);
    }

    async fn revisions_count_without_gaps(store) {
        for (project, model, number) in [("default", "b", 1), ("default", "b", 2), ("default", "a", 1), ("other", "a", 1)] {
            write!(store, |tx| tx.revision_insert(&revision(project, model, number)).await).unwrap();
        }
        for number in [1, 2, 4] {
            let answer = write!(store, |tx| tx.revision_insert(&revision("default", "b", number)).await);
            assert!(matches!(answer, Err(StoreError::Conflict { .. })), "{number}: {answer:?}");
        }
        assert_eq!(names(&store).await, ["a@1", "b@2"]);
        write!(store, |tx| {
            let mut gone = revision("default", "b", 3);
            gone.deleted = true;
            tx.revision_insert(&gone).await
        })
        .unwrap();
        assert_eq!(names(&store).await, ["a@1"]);
        let (current, first, missing, history, all) = write!(store, |tx| {
            let (project, kind, object) = (name("default"), Kind::Model, name("b"));
            Ok((
                tx.revision_current(&project, kind, &object).await?,
                tx.revision_get(&project, kind, &object, 1).await?,
                tx.revision_get(&project, kind, &object, 9).await?,
                tx.revision_history(&project, kind, &object).await?,
                tx.revisions_current(None, None).await?,
            ))
        })
        .unwrap();
        assert!(current.unwrap().deleted);
        assert_eq!(first, Some(revision("default", "b", 1)));
        assert_eq!(missing, None);
        assert_eq!(history.len(), 3);
        assert_eq!(all.len(), 2);
    }

    async fn dataset_versions_and_files(store) {
        use DatasetVersionState::{Accepted, Rejected};
        for (number, state) in [(1, Accepted), (2, Rejected), (10, Rejected)] {
            write!(store, |tx| tx.dataset_version_insert(&dataset_version("flights", number, state)).await).unwrap();
        }
        let twice = write!(store, |tx| tx.dataset_version_insert(&dataset_version("flights", 1, Accepted)).await);
        assert!(matches!(twice, Err(StoreError::Conflict { .. })), "{twice:?}");
        let (last, accepted, second, all) = write!(store, |tx| {
            let (project, dataset) = (name("default"), name("flights"));
            Ok((
                tx.dataset_version_last(&project, &dataset, None).await?,
                tx.dataset_version_last(&project, &dataset, Some(Accepted)).await?,
                tx.dataset_version_get(&project, &dataset, 2).await?,
                tx.dataset_versions(&project, &dataset).await?,
            ))
        })
        .unwrap();
        assert_eq!(last.unwrap().number, 10);
        assert_eq!(accepted, Some(dataset_version("flights", 1, Accepted)));
        assert_eq!(second.unwrap().state, Rejected);
        assert_eq!(all.iter().map(|version| version.number).collect::<Vec<_>>(), [1, 2, 10]);

        for files in [vec![("b", 1), ("a", 1)], vec![("a", 2), ("c", 1)], vec![]] {
            let expected: BTreeMap<_, _> = files.iter().map(|(path, size)| ((*path).to_owned(), *size)).collect();
            let files: Vec<_> = files.into_iter().map(|(path, size)| observed(path, size)).collect();
            let kept = store
                .write(move |tx| {
                    let files = files.clone();
                    Box::pin(async move {
                        tx.observed_files_replace(&name("default"), &name("flights"), &files).await?;
                        tx.observed_files(&name("default"), &name("flights")).await
                    })
                })
                .await
                .unwrap();
            let kept: BTreeMap<_, _> = kept.into_iter().map(|file| (file.path, file.stamp.size)).collect();
            assert_eq!(kept, expected);
        }
    }

    async fn runs_steps_and_attempts(store) {
        use PipelineRunState::{Pending, Running, Succeeded};
        let one = run("train", 1, Running);
        write!(store, |tx| {
            assert_eq!(tx.pipeline_run_next_number(&name("default"), &name("train")).await?, 1);
            for run in [run("train", 1, Running), run("world", 1, Running), run("train", 2, Pending)] {
                tx.pipeline_run_save(&run).await?;
            }
            tx.pipeline_run_save(&run("world", 1, Succeeded)).await?;
            assert_eq!(tx.pipeline_run_next_number(&name("default"), &name("train")).await?, 3);
            let one = run("train", 1, Running);
            // The order of places, not of names or time.
            for (text, ordinal) in [("z", 0), ("b", 1), ("a", 10), ("c", 2)] {
                tx.step_run_insert(&step(&one, text, StepState::Waiting), ordinal).await?;
            }
            tx.step_run_update(&step(&one, "b", StepState::Running)).await?;
            let id = step(&one, "b", StepState::Running).id;
            for (number, state) in [(1, AttemptState::Running), (2, AttemptState::Running), (1, AttemptState::Lost)] {
                tx.attempt_save(&attempt(&id, &one.id, number, state)).await?;
            }
            Ok(())
        })
        .unwrap();
        let query = RunQuery { pipeline: Some(name("train")), active_only: true, limit: 1 };
        let (active, listed, newest, found, steps, attempts, running) = write!(store, |tx| {
            let one = run("train", 1, Running);
            let query = RunQuery { pipeline: Some(name("train")), active_only: true, limit: 1 };
            Ok((
                tx.pipeline_runs_active().await?,
                tx.pipeline_runs(&name("default"), &RunQuery::default()).await?,
                tx.pipeline_runs(&name("default"), &query).await?,
                tx.pipeline_run_find(&name("default"), &name("train"), 1).await?,
                tx.step_runs(&one.id).await?,
                tx.attempts_of(&step(&one, "b", StepState::Running).id).await?,
                tx.attempts_running().await?,
            ))
        })
        .unwrap();
        assert_eq!(query.limit, 1);
        let display = |runs: &[windlass_kinds::record::PipelineRun]| -> Vec<String> {
            runs.iter().map(windlass_kinds::record::PipelineRun::display_name).collect()
        };
        assert_eq!(display(&active), ["train-1", "train-2"]);
        assert_eq!(display(&listed), ["train-2", "world-1", "train-1"]);
        assert_eq!(display(&newest), ["train-2"]);
        assert_eq!(found, Some(one.clone()));
        let places: Vec<_> = steps.iter().map(|step| (step.step.as_str(), step.state)).collect();
        let expected =
            [("z", StepState::Waiting), ("b", StepState::Running), ("c", StepState::Waiting), ("a", StepState::Waiting)];
        assert_eq!(places, expected);
        assert_eq!(attempts.iter().map(|attempt| (attempt.number, attempt.state)).collect::<Vec<_>>(), [
            (1, AttemptState::Lost),
            (2, AttemptState::Running)
        ]);
        assert_eq!(running.len(), 1);
        let lost = write!(store, |tx| tx.step_run_update(&step(&run("train", 9, Running), "a", StepState::Ready)).await);
        assert!(matches!(lost, Err(StoreError::NotFound { .. })), "{lost:?}");
        let lost = write!(store, |tx| tx.step_run_insert(&step(&run("train", 9, Running), "a", StepState::Ready), 0).await);
        assert!(matches!(lost, Err(StoreError::NotFound { .. })), "{lost:?}");
    }

    async fn the_first_result_under_a_key_stays(store) {
        let kept = write!(store, |tx| {
            for text in ["first", "second"] {
                let entry = CacheEntry { step_run: StepRunId::new(text), outputs: BTreeMap::new() };
                tx.cache_put(&name("default"), &Digest::sha256("key"), &entry).await?;
            }
            assert_eq!(tx.cache_get(&name("other"), &Digest::sha256("key")).await?, None);
            tx.cache_get(&name("default"), &Digest::sha256("key")).await
        });
        assert_eq!(kept.unwrap().unwrap().step_run.as_str(), "first");
    }

    async fn triggers_are_remembered(store) {
        let (fresh, kept, all, held) = write!(store, |tx| {
            let (project, pipeline, trigger) = (name("default"), name("train"), name("labels"));
            let fresh = tx.trigger_state(&project, &pipeline, &trigger).await?;
            let event = HeldEvent {
                event: EventId::new("e"),
                facts: TriggerFacts::default(),
                reason: "cooling down".to_owned(),
                until: Some(NOW),
            };
            for state in [TriggerState { fired: 1, ..TriggerState::default() }, TriggerState { held: Some(event), ..TriggerState::default() }] {
                tx.trigger_state_save(&project, &pipeline, &trigger, &state).await?;
            }
            tx.trigger_state_save(&project, &pipeline, &name("quiet"), &TriggerState::default()).await?;
            Ok((
                fresh,
                tx.trigger_state(&project, &pipeline, &trigger).await?,
                tx.trigger_states(&project).await?,
                tx.trigger_states_held().await?,
            ))
        })
        .unwrap();
        assert_eq!(fresh, TriggerState::default());
        assert_eq!(kept.held.unwrap().until, Some(NOW));
        assert_eq!(all.iter().map(|(_, trigger, _)| trigger.as_str()).collect::<Vec<_>>(), ["labels", "quiet"]);
        assert_eq!(held.len(), 1);
    }

    async fn queues_take_each_identity_once_in_order(store) {
        let event = |identity: &str| {
            Event::new(name("default"), identity.to_owned(), Actor::system(), EventBody::Idle { epoch: 1 }, NOW)
        };
        let action = |key: &str| {
            let body = ActionBody::StartAttempt { attempt: windlass_kinds::AttemptId::new(key) };
            Action { key: key.to_owned(), project: name("default"), body }
        };
        let (events, actions) = (["z", "a", "z", "m"].map(event), ["z", "a", "z", "m"].map(action));
        let (pushed, pending, after, counts) = store
            .write(move |tx| {
                let (events, actions) = (events.clone(), actions.clone());
                Box::pin(async move {
                    let mut pushed = Vec::new();
                    for (event, action) in events.iter().zip(&actions) {
                        pushed.push((tx.inbox_push(event).await?, tx.outbox_push(action).await?));
                    }
                    let pending = (tx.inbox_pending(2).await?, tx.outbox_pending(2).await?);
                    tx.inbox_done(&events[0].id).await?;
                    tx.outbox_done("z").await?;
                    assert!(!tx.inbox_push(&events[0]).await?, "an answered event stays known");
                    let after = (tx.inbox_pending(9).await?, tx.outbox_pending(9).await?);
                    Ok((pushed, pending, after, (tx.inbox_count_pending().await?, tx.outbox_count_pending().await?)))
                })
            })
            .await
            .unwrap();
        assert_eq!(pushed, [(true, true), (true, true), (false, false), (true, true)]);
        let order = |(events, actions): (Vec<Event>, Vec<Action>)| -> (Vec<String>, Vec<String>) {
            (events.into_iter().map(|event| event.identity).collect(), actions.into_iter().map(|action| action.key).collect())
        };
        let both = |list: &[&str]| (list.iter().map(ToString::to_string).collect(), list.iter().map(ToString::to_string).collect());
        assert_eq!(order(pending), both(&["z", "a"]));
        assert_eq!(order(after), both(&["a", "m"]));
        assert_eq!(counts, (2, 2));
    }

    async fn references_are_asked_by_digest_and_by_holder(store) {
        let (a, b) = (Digest::sha256("a"), Digest::sha256("b"));
        let digests = [a.clone(), b.clone()];
        let (holders, all, left) = store
            .write(move |tx| {
                let digests = digests.clone();
                Box::pin(async move {
                    let project = name("default");
                    tx.content_refs_add(&project, "step/1", &digests).await?;
                    tx.content_refs_add(&project, "step/1", &digests).await?;
                    tx.content_refs_add(&project, "model/flights/1", &digests[..1]).await?;
                    let holders = tx.content_ref_holders(&digests[0]).await?;
                    let all = tx.content_ref_digests(None, 9).await?;
                    tx.content_refs_drop(&project, "step/1").await?;
                    Ok((holders, all, tx.content_ref_digests(None, 9).await?))
                })
            })
            .await
            .unwrap();
        assert_eq!(holders, [(name("default"), "model/flights/1".to_owned()), (name("default"), "step/1".to_owned())]);
        let mut expected = vec![a.clone(), b];
        expected.sort();
        assert_eq!(all, expected);
        assert_eq!(left, [a]);
    }

    async fn tokens_are_found_by_hash(store) {
        let token = |id: &str, project: Option<Name>, expires_at: Option<Micros>| Token {
            id: TokenId::new(id),
            name: format!("name of {id}"),
            role: Role::Maintainer,
            user: project.is_none().then(|| "ann".to_owned()),
            project,
            created_at: NOW,
            expires_at,
            last_used_at: None,
            revoked_at: None,
        };
        let (one, two) = (token("1", None, None), token("2", Some(name("default")), Some(NOW)));
        let tokens = [one.clone(), two.clone()];
        let (found, all, nobody, revoked) = store
            .write(move |tx| {
                let tokens = tokens.clone();
                Box::pin(async move {
                    tx.token_insert(&tokens[0], &[1; 32]).await?;
                    tx.token_insert(&tokens[1], &[2; 32]).await?;
                    let found = tx.token_by_hash(&[2; 32]).await?;
                    let all = tx.tokens().await?;
                    tx.token_used(&tokens[0].id, Micros(NOW.0 + 1)).await?;
                    for token in &tokens {
                        assert_eq!(tx.token_get(&token.id).await?.as_ref().map(|found| &found.name), Some(&token.name));
                    }
                    assert_eq!(tx.token_get(&TokenId::new("3")).await?, None);
                    let named = |found: Vec<Token>| found.into_iter().map(|token| token.id).collect::<Vec<_>>();
                    assert_eq!(named(tx.tokens_named("name of 1").await?), [TokenId::new("1")]);
                    assert!(tx.tokens_named("name of 3").await?.is_empty());
                    let revoked = (tx.token_revoke(&tokens[0].id, NOW).await?, tx.token_revoke(&tokens[0].id, NOW).await?);
                    assert!(tx.tokens_named("name of 1").await?.is_empty());
                    Ok((found, all, tx.token_by_hash(&[3; 32]).await?, (revoked, tx.token_by_hash(&[1; 32]).await?)))
                })
            })
            .await
            .unwrap();
        assert_eq!(found, Some(two.clone()));
        assert_eq!(all, [one.clone(), two]);
        assert_eq!(nobody, None);
        let ((first, second), used) = revoked;
        assert_eq!((first, second), (true, false));
        assert_eq!(used, Some(Token { last_used_at: Some(Micros(NOW.0 + 1)), revoked_at: Some(NOW), ..one }));
    }

    async fn the_ledger_lists_by_project_kind_and_subject(store) {
        write!(store, |tx| {
            for (project, kind, subject) in [
                ("default", LedgerKind::Revision, "Model/a@1"),
                ("other", LedgerKind::Revision, "Model/a@1"),
                ("default", LedgerKind::Access, "token x"),
            ] {
                tx.ledger_append(&name(project), &Actor::system(), kind, subject, &serde_json::json!({"b": 1, "a": 2}), NOW).await?;
            }
            let long = "x".repeat(20_000);
            let answer = tx.ledger_append(&name("default"), &Actor::system(), LedgerKind::Alias, &long, &(), NOW).await;
            assert!(matches!(answer, Err(StoreError::Invalid { .. })), "{answer:?}");
            Ok(())
        })
        .unwrap();
        let all = LedgerQuery::default();
        let by_project = LedgerQuery { project: Some(name("default")), ..all.clone() };
        let by_kind = LedgerQuery { kind: Some(LedgerKind::Revision), ..all.clone() };
        let by_subject = LedgerQuery { subject: Some("token x".to_owned()), ..all.clone() };
        let after = LedgerQuery { after: 2, ..all.clone() };
        let limited = LedgerQuery { limit: 1, ..all.clone() };
        for (query, expected) in [(all, 3), (by_project, 2), (by_kind, 2), (by_subject, 1), (after, 1), (limited, 1)] {
            let rows = store
                .read(move |tx| {
                    let query = query.clone();
                    Box::pin(async move { tx.ledger_list(&query).await })
                })
                .await
                .unwrap();
            assert_eq!(rows.len(), expected);
            assert!(rows.iter().all(|row| row.index.is_none()));
        }
        let body = store.read(|tx| Box::pin(async move { tx.ledger_body(1).await })).await.unwrap();
        assert_eq!(body.as_deref(), Some(r#"{"a":2,"b":1}"#));
    }

    async fn text_sorts_by_bytes(store) {
        // PostgreSQL's cluster in these tests has a linguistic collation, under which "b" would come before "B".
        let sorted = write!(store, |tx| {
            for path in ["b", "B", "a", "_", "ä"] {
                tx.content_refs_add(&name("default"), path, &[Digest::sha256("x")]).await?;
            }
            tx.content_ref_holders(&Digest::sha256("x")).await
        });
        let sorted: Vec<_> = sorted.unwrap().into_iter().map(|(_, holder)| holder).collect();
        assert_eq!(sorted, ["B", "_", "a", "b", "ä"]);
    }

    async fn counters_and_values(store) {
        let seen = write!(store, |tx| {
            tx.meta_set("a", "1").await?;
            tx.meta_set("a", "2").await?;
            let counts = (tx.counter_get("c").await?, tx.counter_next("c").await?, tx.counter_next("c").await?);
            Ok((tx.meta_get("a").await?, tx.meta_get("b").await?, counts))
        });
        assert_eq!(seen.unwrap(), (Some("2".to_owned()), None, (0, 1, 2)));
    }
}
