//! Labels that are sent: once, twice, corrected, taken back; and the windows measured over rows.

use std::collections::BTreeMap;

use windlass_kinds::{
    Digest, Micros,
    record::{Actor, Basis, Label, LabelTotals, Observation, WindowSlice},
};
use windlass_store::{MeasuredWindow, SentLabel};
use windlass_testkit::store_tests;

use crate::samples::{NOW, name};

fn labels(rows: &[(&str, Option<f64>)]) -> Vec<Label> {
    rows.iter().map(|(id, value)| Label { row_id: (*id).to_owned(), value: *value, at: Some(NOW) }).collect()
}

fn window(position: u32, rows: u64, ends: Option<Micros>, members: Option<Digest>) -> Observation {
    Observation {
        project: name("default"),
        monitor: name("quality"),
        endpoint: name("flights"),
        sequence: position + 10,
        window: format!("window {position}"),
        version: Some(1),
        rows,
        values: BTreeMap::new(),
        unknown: Vec::new(),
        breaches: Vec::new(),
        basis: Box::new(Basis { slice: Some(WindowSlice { position, members, ends }), ..Basis::default() }),
        observed_at: NOW,
    }
}

store_tests! {
    async fn labels_are_taken_once_and_corrections_keep_what_was_before(store) {
        let many: Vec<Label> =
            (0..1000).map(|row| Label { row_id: format!("row/{row}"), value: Some(f64::from(row)), at: None }).collect();
        let sent = [
            // Rows, then accepted, unchanged, corrected.
            (labels(&[("a", Some(1.0)), ("b", Some(2.0)), ("a", Some(1.0))]), (2, 1, 0)),
            (labels(&[("a", Some(1.0)), ("b", Some(2.0)), ("a", Some(1.0))]), (0, 3, 0)),
            (labels(&[("a", Some(3.0)), ("b", None), ("c", None), ("a", Some(4.0))]), (1, 0, 3)),
            (labels(&[("b", None), ("b", Some(2.0))]), (0, 1, 1)),
            (many.clone(), (1000, 0, 0)),
            (many, (0, 1000, 0)),
        ];
        for (rows, expected) in sent {
            let upload = store
                .write(move |tx| {
                    let rows = rows.clone();
                    Box::pin(async move {
                        let (project, endpoint, actor) = (name("default"), name("flights"), Actor::system());
                        tx.labels_add(&project, &endpoint, &rows, &Digest::sha256("x"), &actor, NOW).await
                    })
                })
                .await
                .unwrap();
            assert_eq!((upload.accepted, upload.unchanged, upload.corrected), expected);
        }
        let (history, all, rest, totals, uploads, other) = store
            .read(|tx| {
                Box::pin(async move {
                    let (project, flights, other) = (name("default"), name("flights"), name("other"));
                    let all = tx.labels_after(&project, &flights, None, 10_000).await?;
                    let rest = tx.labels_after(&project, &flights, Some((2, 3)), 3).await?;
                    Ok((
                        tx.label_history(&project, &flights, "a").await?,
                        all,
                        rest,
                        tx.label_totals(&project, &flights).await?,
                        tx.label_uploads(&project, &flights, 2).await?,
                        tx.label_totals(&project, &other).await?,
                    ))
                })
            })
            .await
            .unwrap();
        let at = |upload, place, id: &str, value| SentLabel { upload, place, row_id: id.to_owned(), value };
        assert_eq!(history, [at(1, 0, "a", Some(1.0)), at(2, 0, "a", Some(3.0)), at(2, 3, "a", Some(4.0))]);
        assert_eq!(all.len(), 2 + 4 + 1 + 1000);
        assert_eq!(all[..3], [at(1, 0, "a", Some(1.0)), at(1, 1, "b", Some(2.0)), at(2, 0, "a", Some(3.0))]);
        assert_eq!(rest, [at(3, 0, "b", Some(2.0)), at(4, 0, "row/0", Some(0.0)), at(4, 1, "row/1", Some(1.0))]);
        assert_eq!(totals, LabelTotals { uploads: 4, rows: 1003, unchanged: 1005, corrected: 4 });
        assert_eq!(uploads.iter().map(|upload| upload.number).collect::<Vec<_>>(), [4, 3]);
        assert_eq!(other, LabelTotals::default());
    }

    async fn a_window_is_kept_with_its_observation_and_only_once(store) {
        let members = Digest::sha256("members");
        let observations = [
            window(1, 5000, None, Some(members.clone())),
            window(2, 0, Some(Micros(7)), None),
            // The same window again, as after a crash.
            window(1, 4000, None, None),
        ];
        let (added, windows, holders) = store
            .write(move |tx| {
                let observations = observations.clone();
                let members = Digest::sha256("members");
                Box::pin(async move {
                    let mut added = Vec::new();
                    for observation in &observations {
                        added.push(tx.observation_insert(observation).await?);
                    }
                    let windows = tx.monitor_windows(&name("default"), &name("quality")).await?;
                    Ok((added, windows, tx.content_ref_holders(&members).await?))
                })
            })
            .await
            .unwrap();
        assert_eq!(added, [true, true, false]);
        let expected = [
            MeasuredWindow { position: 1, rows: 5000, ends: None, members: Some(members) },
            MeasuredWindow { position: 2, rows: 0, ends: Some(Micros(7)), members: None },
        ];
        assert_eq!(windows, expected);
        assert_eq!(holders, [(name("default"), "window/quality/1".to_owned())]);
    }
}
