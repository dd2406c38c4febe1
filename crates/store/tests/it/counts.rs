//! How many there are, by state and by monitor.

use serde_json::json;
use windlass_kinds::record::{Observation, PipelineRunState, StepState};
use windlass_store::{StateCount, WindowCount};
use windlass_testkit::store_tests;

use crate::samples::{NOW, name, run, step};

fn observation(monitor: &str, sequence: u32, breached: bool) -> Observation {
    let breach = json!({"measure": "mae", "value": 2.0, "threshold": 1.0, "text": "mae 2 above 1"});
    serde_json::from_value(json!({
        "project": "default", "monitor": monitor, "endpoint": "flights", "sequence": sequence,
        "window": format!("window {sequence}"), "rows": 3, "values": {"mae": 2.0},
        "breaches": if breached { vec![breach] } else { Vec::new() }, "observed_at": NOW,
    }))
    .unwrap()
}

store_tests! {
    async fn what_there_is_is_counted_by_state(store) {
        let (runs, steps, seen, none) = store
            .write(move |tx| {
                Box::pin(async move {
                    for (number, state) in [
                        (1, PipelineRunState::Succeeded),
                        (2, PipelineRunState::Succeeded),
                        (3, PipelineRunState::Running),
                        (4, PipelineRunState::Failed),
                    ] {
                        let run = run("train", number, state);
                        tx.pipeline_run_save(&run).await?;
                        tx.step_run_insert(&step(&run, "a", StepState::Running), 0).await?;
                        tx.step_run_insert(&step(&run, "b", StepState::Waiting), 1).await?;
                    }
                    for (sequence, breached) in [(1, false), (2, true), (3, true)] {
                        tx.observation_insert(&observation("quality", sequence, breached)).await?;
                    }
                    let project = name("default");
                    Ok((
                        tx.pipeline_run_counts().await?,
                        tx.active_step_counts().await?,
                        tx.observation_counts(&project, &name("quality")).await?,
                        tx.observation_counts(&project, &name("other")).await?,
                    ))
                })
            })
            .await
            .unwrap();
        let counts = |counts: &[(&str, u64)]| -> Vec<StateCount> {
            let counts = counts.iter();
            counts.map(|(state, count)| StateCount { project: name("default"), state: (*state).to_owned(), count: *count }).collect()
        };
        assert_eq!(runs, counts(&[("failed", 1), ("running", 1), ("succeeded", 2)]));
        assert_eq!(steps, counts(&[("running", 1), ("waiting", 1)]), "those of runs that may still move");
        assert_eq!((seen, none), (WindowCount { windows: 3, breached: 2 }, WindowCount::default()));
    }
}
