//! A machine that is not as wished: said clearly and early, and nothing is lost.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use rustix::process::Signal;

use crate::harness::{ONCE, Place, head, pipeline, shell, skip, wait_for};

#[test]
fn a_taken_port() {
    let place = Place::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    place
        .run(&["up", "--listen", &address])
        .says(1, &["failed to listen", &address, "another program listens there", "--listen"]);
    // An address that is not this machine's, and one that is none.
    place.run(&["up", "--listen", "192.0.2.1:0"]).says(1, &["failed to listen at 192.0.2.1:0"]);
    place.run(&["up", "--listen", "here"]).says(1, &["--listen", "here"]);
    assert!(!place.data().join("server.json").exists());
    drop(taken);
    assert_eq!(place.up(&[]).stop(Signal::INT), 0);
}

#[test]
fn a_second_server_over_the_same_folder() {
    let place = Place::new();
    let up = place.up(&[]);
    place.run(&["up", "--listen", "127.0.0.1:0"]).says(1, &["another Windlass works on", &up.address, "--data-dir"]);
    // The first goes on.
    place.run(&["get"]).fine();
    assert_eq!(up.stop(Signal::INT), 0);
    // All is in one file then, for whoever copies that.
    assert!(!place.data().join("windlass.db-wal").exists());
    assert!(!place.data().join("server.json").exists());
    place.run(&["get"]).says(1, &["no server runs over", "windlass up"]);
}

#[test]
fn a_data_folder_of_a_newer_windlass() {
    let place = Place::new();
    assert_eq!(place.up(&[]).stop(Signal::INT), 0);
    fs::write(place.data().join("layout"), "99\n").unwrap();
    let before = listing(place.data());
    for words in [&["up", "--listen", "127.0.0.1:0"][..], &["export", "--canonical"], &["ledger", "verify"]] {
        place.run(words).says(1, &["made by a newer Windlass", "layout 99", "--data-dir"]);
    }
    assert_eq!(listing(place.data()), before);
    fs::write(place.data().join("layout"), "1\n").unwrap();
    assert_eq!(place.up(&[]).stop(Signal::INT), 0);
}

#[test]
fn a_data_folder_that_is_something_else() {
    let place = Place::of(&[(".windlass", "a file")]);
    place.run(&["up", "--listen", "127.0.0.1:0"]).says(1, &["the data folder", "cannot be used"]);
    let place = Place::of(&[(".windlass/windlass.db", "this is no database, however long it may be, and never was")]);
    place.run(&["up", "--listen", "127.0.0.1:0"]).says(1, &["database"]);
    assert_eq!(place.read(".windlass/windlass.db"), "this is no database, however long it may be, and never was");
    let place = Place::new();
    fs::create_dir(place.data()).unwrap();
    for words in [&["export", "--canonical"][..], &["ledger", "verify"]] {
        place.run(words).says(1, &["windlass.db", "No such file"]);
    }
    assert_eq!(listing(place.data()), Vec::new());
    let place = Place::new();
    for words in [&["get"][..], &["export", "--canonical"], &["ledger", "verify"], &["logs", "a-1"]] {
        let said = place.run(words);
        said.says(1, &["--data-dir"]);
        assert!(!place.data().exists(), "{words:?} made a data folder");
    }
}

/// Paths, sizes and contents, but for what a database writes beside itself while it is looked at.
fn listing(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            match entry.file_type().unwrap() {
                kind if kind.is_dir() => folders.push(path),
                _ if path.to_string_lossy().ends_with("-shm") => {}
                _ => found.push((path.clone(), fs::read(&path).unwrap())),
            }
        }
    }
    found.sort();
    found
}

/// A small file system in memory; gone with the value.
struct Tmpfs(tempfile::TempDir);

impl Tmpfs {
    /// Mounts it; `None` where that is not allowed.
    fn mount(options: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", options, "windlass-test"]).arg(folder.path()).stderr(Stdio::null());
        if mount.status().is_ok_and(|status| status.success()) {
            return Some(Self(folder));
        }
        skip("a tmpfs cannot be mounted here (it takes root)");
        None
    }

    fn remount(&self, options: &str) {
        let status = Command::new("mount").args(["-o", &format!("remount,{options}")]).arg(self.0.path()).status();
        assert!(status.unwrap().success());
    }

    fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
    }
}

#[test]
fn a_folder_that_is_read_only() {
    let Some(disk) = Tmpfs::mount("size=32m") else { return };
    let place = Place::with_data(&disk.data());
    place.write("model.yaml", head("Model", "m") + "spec: {}\n");
    let up = place.up(&["."]);
    assert_eq!(up.stop(Signal::INT), 0);
    let calm = place.export();
    disk.remount("ro");
    place.run(&["up", "--listen", "127.0.0.1:0"]).says(1, &["the data folder", "Read-only file system", "--data-dir"]);
    // Looking takes no writing.
    assert_eq!(place.export(), calm);
    place.run(&["ledger", "verify"]).fine();
    disk.remount("rw");
    let _up = place.up(&[]);
    assert_eq!(place.json(&["get", "models"]).as_array().map(Vec::len), Some(1));
}

#[test]
fn a_folder_that_a_crash_left_can_be_looked_at_where_nothing_can_be_written() {
    let Some(disk) = Tmpfs::mount("size=32m") else { return };
    let place = Place::with_data(&disk.data());
    place.write("model.yaml", head("Model", "m") + "spec: {}\n");
    place.up(&["."]).kill();
    disk.remount("ro");
    // The files beside the database are there, so that even this can be looked at.
    assert!(place.export().contains("Model/m"));
}

#[test]
fn a_full_disk_loses_nothing_and_is_said() {
    let Some(disk) = Tmpfs::mount("size=24m") else { return };
    let place = Place::with_data(&disk.data());
    place.write("m.yaml", head("Model", "m") + "spec: {}\n");
    let line = "head -c 64000000 /dev/urandom > $WINDLASS_OUTPUTS/out";
    place.write("p.yaml", pipeline("p", "", &[&shell("big", line, "outputs: [out]")]));
    let up = place.up(&["."]);
    place.run(&["start", "p"]).fine();
    let detail = place.ended("p-1");
    assert_eq!(detail["run"]["state"], "failed");
    let log = place.run(&["logs", "p-1/big"]).out;
    assert!(log.contains("No space left on device"), "{log}");
    // The step's half is gone, so there is room again.
    place.run(&["start", "p"]).fine();
    place.ended("p-2");

    // Now somebody else fills it to the last byte.
    let fill = disk.0.path().join("fill");
    let mut cat = Command::new("sh");
    cat.args(["-c", "cat /dev/zero > \"$0\" 2> /dev/null"]).arg(&fill);
    cat.status().unwrap();
    place.write("n.yaml", head("Model", "n") + "spec: {}\n");
    let refused = place.run(&["apply", "-f", "n.yaml"]);
    refused.says(1, &["no space is left for the database", "free some space"]);
    // What was acknowledged is still answered.
    assert_eq!(place.json(&["get", "models"]).as_array().map(Vec::len), Some(1));
    up.kill();
    // It does not start half.
    place.run(&["up", "--listen", "127.0.0.1:0"]).says(1, &["free some space"]);
    fs::remove_file(&fill).unwrap();
    let up = place.up(&["."]);
    assert_eq!(place.json(&["get", "models"]).as_array().map(Vec::len), Some(2));
    assert_eq!(place.json(&["get", "runs"]).as_array().map(Vec::len), Some(2));
    assert_eq!(up.stop(Signal::INT), 0);
    place.run(&["ledger", "verify"]).fine();
}

#[test]
fn a_disk_that_fills_while_steps_run_goes_on_once_there_is_room() {
    let Some(disk) = Tmpfs::mount("size=24m") else { return };
    let place = Place::with_data(&disk.data());
    let go = place.path("go").display().to_string();
    let begun = place.path("begun").display().to_string();
    let line = format!("echo x >> {begun}; while [ ! -e {go} ]; do sleep 0.02; done");
    let steps = [shell("a", &line, ""), shell("b", "echo y > $WINDLASS_OUTPUTS/out", "needs: [a], outputs: [out]")];
    place.write("p.yaml", pipeline("p", "retries: 0", &steps.each_ref().map(String::as_str)));
    let up = place.up(&["."]);
    place.run(&["start", "p"]).fine();
    wait_for("the step", || (!place.read("begun").is_empty()).then_some(()));
    let fill = disk.0.path().join("fill");
    let mut cat = Command::new("sh");
    cat.args(["-c", "cat /dev/zero > \"$0\" 2> /dev/null"]).arg(&fill);
    cat.status().unwrap();
    place.write("go", "");
    up.wait_for_word("no space is left");
    fs::remove_file(&fill).unwrap();
    let detail = place.ended("p-1");
    assert_eq!(detail["run"]["state"], "succeeded", "{detail}\n{}", up.log());
    assert_eq!(place.read("begun"), "x\n");
    // Told once, not at each try.
    let log = up.log();
    let notes: Vec<&str> = log.lines().filter(|line| line.starts_with("note:")).collect();
    let distinct: std::collections::BTreeSet<&str> = notes.iter().copied().collect();
    assert_eq!(notes.len(), distinct.len(), "{log}");
}

/// Shifts the clock of whoever loads it by what a mapped file says, in seconds: setting the machine's own would need
/// rights, and would disturb everybody.
const CLOCK: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
static volatile long *shift;
__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("TEST_CLOCK");
    int file = path ? open(path, O_RDONLY) : -1;
    if (file < 0) return;
    void *map = mmap(0, sizeof(long), PROT_READ, MAP_SHARED, file, 0);
    if (map != MAP_FAILED) shift = map;
}
int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = (int (*)(clockid_t, struct timespec *)) dlsym(RTLD_NEXT, "clock_gettime");
    int answer = real(clock, now);
    if (!answer && shift && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += *shift;
    return answer;
}
int gettimeofday(struct timeval *now, void *zone) {
    struct timespec found;
    (void) zone;
    if (clock_gettime(CLOCK_REALTIME, &found)) return -1;
    now->tv_sec = found.tv_sec;
    now->tv_usec = found.tv_nsec / 1000;
    return 0;
}
time_t time(time_t *now) {
    struct timespec found;
    clock_gettime(CLOCK_REALTIME, &found);
    if (now) *now = found.tv_sec;
    return found.tv_sec;
}
"#;

/// A clock that a test can set.
struct Clock {
    library: PathBuf,
    shift: PathBuf,
}

impl Clock {
    fn new(place: &Place) -> Option<Self> {
        let (source, library, shift) = (place.path(".clock.c"), place.path(".clock.so"), place.path(".clock.shift"));
        fs::write(&source, CLOCK).unwrap();
        let built =
            Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(&source).arg("-ldl").status();
        if !built.is_ok_and(|status| status.success()) {
            skip("a clock that can be set takes a C compiler");
            return None;
        }
        let clock = Self { library, shift };
        clock.set(0);
        Some(clock)
    }

    /// Moves the clock; in place, because it is mapped.
    fn set(&self, seconds: i64) {
        use std::io::Write as _;
        let mut file = fs::OpenOptions::new().create(true).truncate(false).write(true).open(&self.shift).unwrap();
        file.write_all(&seconds.to_ne_bytes()).unwrap();
    }

    fn variables(&self) -> Vec<(String, String)> {
        vec![
            ("LD_PRELOAD".to_owned(), self.library.display().to_string()),
            ("TEST_CLOCK".to_owned(), self.shift.display().to_string()),
        ]
    }
}

const DAY: i64 = 86_400;

#[test]
fn a_clock_set_back_between_two_starts() {
    let mut place = Place::new();
    let Some(clock) = Clock::new(&place) else { return };
    place.variables = clock.variables();
    place.write("p.yaml", pipeline("p", ONCE, &[&shell("a", "echo x > $WINDLASS_OUTPUTS/out", "outputs: [out]")]));
    clock.set(400 * DAY);
    place.until_idle(&[]).fine();
    clock.set(0);
    // Tokens, triggers and the ledger hold; new work is done.
    place.write("q.yaml", pipeline("q", ONCE, &[&shell("a", "true", "retries: {limit: 1, backoff: 1s}")]));
    place.until_idle(&[]).fine();
    place.run(&["ledger", "verify"]).fine();
    let _up = place.up(&[]);
    let runs = place.json(&["get", "runs"]);
    assert_eq!(runs.as_array().map(Vec::len), Some(2), "{runs}");
}

#[test]
fn a_clock_set_back_under_work() {
    let mut place = Place::new();
    let Some(clock) = Clock::new(&place) else { return };
    place.variables = clock.variables();
    let tried = place.path("tried").display().to_string();
    // Fails once, then waits two seconds; meanwhile the clock goes back by a day. It must not wait a day.
    let line = format!("echo x >> {tried}; test $(wc -l < {tried}) -ge 2");
    let retried = shell("a", &line, "retries: {limit: 1, backoff: 2s, maxBackoff: 2s}");
    let quiet = shell("b", "true", "needs: [a]");
    place.write("p.yaml", pipeline("p", "", &[&retried, &quiet]));
    let up = place.up(&["."]);
    place.run(&["start", "p"]).fine();
    wait_for("the first failure", || {
        let steps = place.json(&["describe", "run", "p-1"])["steps"].clone();
        steps[0]["reason"].as_str().is_some_and(|reason| reason.contains("retry 1 of 1")).then_some(())
    });
    clock.set(-DAY);
    let detail = place.ended("p-1");
    assert_eq!(detail["run"]["state"], "succeeded", "{detail}");
    assert_eq!(up.stop(Signal::INT), 0);
    place.run(&["ledger", "verify"]).fine();
}
