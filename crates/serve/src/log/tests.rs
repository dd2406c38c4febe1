//! The log as its callers see it: through crashes, a full disk and many hands.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use tempfile::TempDir;
use windlass_data::table::{Table, TableLimits, Values, read_table};
use windlass_kinds::Micros;

use super::{LogSettings, Prediction, PredictionLog};

fn open(folder: &Path, settings: LogSettings) -> PredictionLog {
    PredictionLog::open(folder, settings, Arc::new(|| Micros(1_000_000))).expect("opened")
}

/// Appends one request of as many rows as values; the ids are `REQUEST/0` and so on.
async fn append(log: &PredictionLog, request: &str, at: i64, column: &str, values: &[f64]) -> bool {
    let row_ids: Vec<String> = (0..values.len()).map(|row| format!("{request}/{row}")).collect();
    let values = Values::Number(values.to_vec());
    let columns = [(column, &values)];
    let prediction =
        Prediction { request_id: request, at: Micros(at), model_version: 2, row_ids: &row_ids, columns: &columns };
    log.append(&prediction).await
}

fn table(path: &Path) -> Table {
    read_table(path, None, None, &TableLimits::default()).expect("a table")
}

fn row_ids(paths: &[PathBuf]) -> Vec<String> {
    let mut ids = Vec::new();
    for path in paths {
        let Some(Values::Text(values)) = table(path).column("row_id").cloned() else { panic!("no row_id") };
        ids.extend(values.into_iter().map(|id| id.expect("an id")));
    }
    ids
}

#[tokio::test]
async fn predictions_come_back_as_parquet() {
    let folder = TempDir::new().expect("a folder");
    let log = open(folder.path(), LogSettings::default());
    assert!(log.close_segments().await.expect("closed").is_empty());
    assert!(append(&log, "a", 10, "temp", &[1.0, f64::NAN]).await);
    assert!(append(&log, "b", 20, "wind", &[3.0]).await);
    assert!(append(&log, "c", 30, "temp", &[4.0]).await);
    let paths = log.close_segments().await.expect("closed");
    let names: Vec<_> = paths.iter().map(|path| path.file_name().expect("a name").to_str().expect("text")).collect();
    assert_eq!(names, ["0000000001-0-30.parquet", "0000000001-1-30.parquet"]);
    let text = |values: &[&str]| Values::Text(values.iter().map(|value| Some((*value).to_owned())).collect());
    let expected = Table::new(vec![
        ("row_id".to_owned(), text(&["a/0", "a/1", "c/0"])),
        ("request_id".to_owned(), text(&["a", "a", "c"])),
        ("at".to_owned(), Values::Time(vec![Some(10), Some(10), Some(30)])),
        ("model_version".to_owned(), Values::Int(vec![Some(2); 3])),
        ("temp".to_owned(), Values::Number(vec![1.0, f64::NAN, 4.0])),
    ]);
    // Debug text, because NaN equals nothing.
    assert_eq!(format!("{:?}", table(&paths[0])), format!("{:?}", expected.expect("a table")));
    assert_eq!(row_ids(&paths[1..]), ["b/0"]);
    // Nothing new: the same files.
    assert_eq!(log.close_segments().await.expect("closed"), paths);
    assert_eq!((log.status().written, log.status().lost), (4, 0));
    log.stop().await;
}

#[tokio::test]
async fn what_a_crash_tore_is_cut_and_the_rest_kept() {
    let folder = TempDir::new().expect("a folder");
    let log = open(folder.path(), LogSettings::default());
    assert!(append(&log, "a", 10, "temp", &[1.0]).await);
    assert!(append(&log, "b", 20, "temp", &[2.0]).await);
    let segment = folder.path().join("0000000001.segment");
    let whole = fs::read(&segment).expect("a segment");
    log.stop().await;
    let frame = (whole.len() - 16) / 2;
    for (bytes, torn, expected) in [
        (whole.clone(), 0, vec!["a/0", "b/0"]),
        (whole[..whole.len() - 1].to_vec(), frame - 1, vec!["a/0"]),
        (whole[..16 + 5].to_vec(), 5, vec![]),
        (whole[..7].to_vec(), 7, vec![]),
        // A power cut can leave zeros where data was to come.
        ([&whole[..], &[0; 100]].concat(), 100, vec!["a/0", "b/0"]),
        (b"something else entirely".to_vec(), 23, vec![]),
    ] {
        let folder = TempDir::new().expect("a folder");
        fs::write(folder.path().join("0000000001.segment"), &bytes).expect("written");
        fs::write(folder.path().join("0000000001-0-20.parquet.partial"), b"half").expect("written");
        let log = open(folder.path(), LogSettings::default());
        assert!(append(&log, "c", 30, "temp", &[3.0]).await);
        let paths = log.close_segments().await.expect("closed");
        assert_eq!(row_ids(&paths), [expected, vec!["c/0"]].concat(), "of {} bytes", bytes.len());
        assert_eq!(log.status().torn, torn as u64);
        let left = fs::read_dir(folder.path()).expect("listed").count();
        assert_eq!(left, paths.len(), "nothing but Parquet is left");
        log.stop().await;
    }
}

#[tokio::test]
async fn segments_close_by_size_and_the_oldest_go() {
    let folder = TempDir::new().expect("a folder");
    let settings = LogSettings { segment_max: 64, ..LogSettings::default() };
    let log = open(folder.path(), settings);
    for request in ["a", "b", "c"] {
        assert!(append(&log, request, 10, "temp", &[1.0]).await);
    }
    let paths = log.close_segments().await.expect("closed");
    assert_eq!((paths.len(), row_ids(&paths)), (3, vec!["a/0".to_owned(), "b/0".to_owned(), "c/0".to_owned()]));
    let size: u64 = paths.iter().map(|path| fs::metadata(path).expect("there").len()).sum();
    log.set(LogSettings { max_size: Some(size - 1), ..settings });
    assert_eq!(log.close_segments().await.expect("closed"), paths[1..]);
    log.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_hands_lose_and_double_nothing() {
    let folder = TempDir::new().expect("a folder");
    let log = Arc::new(open(folder.path(), LogSettings { segment_max: 4096, ..LogSettings::default() }));
    let tasks: Vec<_> = (0..16)
        .map(|task| {
            let log = Arc::clone(&log);
            tokio::spawn(async move {
                for turn in 0..50 {
                    assert!(append(&log, &format!("{task}-{turn}"), turn, "temp", &[1.0, 2.0]).await);
                    if turn % 25 == 0 {
                        log.close_segments().await.expect("closed");
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("no failure");
    }
    let mut found = row_ids(&log.close_segments().await.expect("closed"));
    found.sort();
    found.dedup();
    assert_eq!((found.len(), log.status().written), (1600, 1600));
}

/// A file system of 64 KiB, where we may have one.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let folder = TempDir::new().expect("a folder");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"]).arg(folder.path()).status();
        mounted.is_ok_and(|status| status.success()).then_some(Self(folder))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[tokio::test]
async fn a_full_disk_stops_the_log_and_nothing_else() {
    let Some(disk) = SmallDisk::mount() else {
        eprintln!("SKIPPED: mounting a small disk takes root");
        return;
    };
    let folder = disk.0.path().join("log");
    let log = open(&folder, LogSettings::default());
    let mut expected = Vec::new();
    let values = vec![1.0; 100];
    for turn in 0..200 {
        let request = format!("{turn}");
        if !append(&log, &request, 10, "temp", &values).await {
            break;
        }
        expected.extend((0..values.len()).map(|row| format!("{request}/{row}")));
    }
    assert!(expected.len() < 20_000, "the disk became full");
    let status = log.status();
    assert!(status.trouble.expect("trouble").1.contains("No space left"), "said");
    assert_eq!((status.lost, status.written), (100, expected.len() as u64));
    // No room for Parquet either: the frames stay, and it is said.
    let filler = disk.0.path().join("filler");
    let _ = fs::write(&filler, vec![0; 65_536]);
    assert!(log.close_segments().await.is_err());
    assert!(log.status().closing.expect("trouble").contains("No space left"));

    // As soon as there is room, all goes on and everything that was acknowledged is there once.
    let status = Command::new("mount").args(["-o", "remount,size=1m"]).arg(disk.0.path()).status().expect("mount");
    assert!(status.success());
    assert!(append(&log, "last", 20, "temp", &[2.0]).await);
    assert_eq!(log.status().trouble, None);
    expected.push("last/0".to_owned());
    assert_eq!(row_ids(&log.close_segments().await.expect("closed")), expected);
    assert_eq!(log.status().closing, None);
    log.stop().await;
}
