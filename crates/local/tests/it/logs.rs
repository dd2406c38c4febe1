//! Logs that are too long, or show too much.

use std::{fs, path::Path};

use windlass_kinds::AttemptId;

use crate::place::{Place, TOKEN, script, text};

fn size(path: &Path) -> u64 {
    match fs::read_dir(path) {
        Ok(entries) => entries.map(|entry| size(&entry.unwrap().path())).sum(),
        Err(_) => fs::metadata(path).unwrap().len(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_huge_log_keeps_beginning_and_end_on_a_bounded_disk() {
    let megabytes: u64 = std::env::var("WINDLASS_TEST_LOG_MEGABYTES").map_or(200, |text| text.parse().unwrap());
    let place = Place::new();
    let line = format!("echo first; yes 0123456789 | head -c {megabytes}000000; echo; echo last");
    assert_eq!(text(&place.run(script("huge", &line)).await.end), "succeeded");
    let size = size(&place.data().logs());
    assert!((56 << 20..=64 << 20).contains(&size), "{size}");
    let log = place.log(&AttemptId::new("huge")).await;
    assert!(log.starts_with("first\n0123456789\n"));
    assert!(log.contains("bytes are left out here\n"));
    assert!(log.ends_with("\nlast\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_do_not_show() {
    let place = Place::new();
    let line = "echo a $MLFLOW_TRACKING_TOKEN b >&2; echo -n ${MLFLOW_TRACKING_TOKEN:0:9}; sleep 0.1; echo ${MLFLOW_TRACKING_TOKEN:9}";
    place.run(script("secret", line)).await;
    let log = place.log(&AttemptId::new("secret")).await;
    assert!(!log.contains(TOKEN));
    assert_eq!(log, "a *** b\n***\n");
}
