//! Reads the kernel's table of processes (`/proc`, proc(5)).
//!
//! Everything here is a snapshot: a process may be gone before the answer is used, and its number may be another's.
//! Callers that kill look at the evidence again right before, or hold something that keeps the number alive.

mod memory;

use std::{fs, io, os::unix::ffi::OsStrExt as _, path::Path};

pub use memory::{held_by_descendants, memory_held};
use rustix::process::{Pid, Signal};

/// Returns the children of a process, started by any of its threads.
pub fn children(parent: Pid) -> Vec<Pid> {
    let tasks = format!("/proc/{}/task", parent.as_raw_nonzero());
    let Ok(tasks) = fs::read_dir(tasks) else { return Vec::new() };
    let mut found = Vec::new();
    for task in tasks.flatten() {
        match fs::read_to_string(task.path().join("children")) {
            Ok(text) => found.extend(text.split_ascii_whitespace().filter_map(parse)),
            // A kernel without CONFIG_PROC_CHILDREN: the long way.
            Err(error) if error.kind() == io::ErrorKind::NotFound && task.path().exists() => {
                return all().into_iter().filter(|&pid| stat(pid).is_some_and(|stat| stat.parent == parent)).collect();
            }
            Err(_) => {}
        }
    }
    found
}

/// Returns every process that descends from `root`, without `root`.
pub fn descendants(root: Pid) -> Vec<Pid> {
    let mut found = children(root);
    let mut next = 0;
    while let Some(&pid) = found.get(next) {
        found.extend(children(pid));
        next += 1;
    }
    found
}

/// Returns every process there is.
pub fn all() -> Vec<Pid> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries.flatten().filter_map(|entry| parse(entry.file_name().to_str()?)).collect()
}

/// What `/proc/<pid>/stat` says, as far as we ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// The parent.
    pub parent: Pid,
    /// The session it belongs to.
    pub session: Option<Pid>,
    /// Whether it has a terminal, as a user's shell does and no step of ours.
    pub has_terminal: bool,
    /// Whether it ended and waits to be reaped.
    pub is_dead: bool,
}

/// Returns what the kernel says of a process; `None` where it is gone.
pub fn stat(pid: Pid) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    // The name stands in parentheses and may hold anything, parentheses included.
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?;
    let parent = parse(fields.next()?).unwrap_or(Pid::INIT);
    let _group = fields.next()?;
    let session = parse(fields.next()?);
    let has_terminal = fields.next()? != "0";
    Some(Stat { parent, session, has_terminal, is_dead: matches!(state, "Z" | "X") })
}

/// Returns whether a process was started with `variable=value` in its environment.
pub fn has_variable(pid: Pid, variable: &str, value: &Path) -> bool {
    let wanted = [variable.as_bytes(), b"=", value.as_os_str().as_bytes()].concat();
    fs::read(format!("/proc/{}/environ", pid.as_raw_nonzero()))
        .is_ok_and(|bytes| bytes.split(|&byte| byte == 0).any(|entry| entry == wanted))
}

/// Returns whether a process works in `folder` or below.
pub fn works_in(pid: Pid, folder: &Path) -> bool {
    fs::read_link(format!("/proc/{}/cwd", pid.as_raw_nonzero())).is_ok_and(|cwd| cwd.starts_with(folder))
}

/// Kills a process; one that is gone is fine.
pub fn kill(pid: Pid) {
    // Errors say that it is gone, or not ours: nothing to do about either.
    let _ = rustix::process::kill_process(pid, Signal::KILL);
}

/// Kills every process for which `is_ours` holds, again until none is left or a second is over, and returns how many.
/// New children of those are found in the next round.
pub fn kill_all(is_ours: impl Fn(Pid) -> bool) -> usize {
    let me = rustix::process::getpid();
    let mut killed = std::collections::BTreeSet::new();
    for _ in 0..50 {
        let ours: Vec<_> = all()
            .into_iter()
            .filter(|&pid| pid != me && stat(pid).is_some_and(|stat| !stat.is_dead) && is_ours(pid))
            .collect();
        if ours.is_empty() {
            break;
        }
        for pid in ours {
            kill(pid);
            killed.insert(pid.as_raw_nonzero());
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "runs on a blocking thread; the kernel offers nothing to wait for"
        )]
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    killed.len()
}

fn parse(text: &str) -> Option<Pid> {
    Pid::from_raw(text.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_child_is_found_with_its_facts() {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new("sleep")
            .arg("60")
            .env("WINDLASS_OUTPUTS", "/table")
            .current_dir(folder.path())
            .spawn()
            .unwrap();
        let pid = Pid::from_child(&child);
        let me = rustix::process::getpid();
        assert!(children(me).contains(&pid));
        assert!(descendants(me).contains(&pid));
        assert!(all().contains(&pid));
        assert_eq!(stat(pid).unwrap().parent, me);
        // In a container the session may have begun outside, and then has no number here.
        assert_eq!(stat(pid).unwrap().session, stat(me).unwrap().session);
        assert!(works_in(pid, &folder.path().canonicalize().unwrap()));
        // The environment shows once the program was executed.
        let mut tries = 0;
        while !has_variable(pid, "WINDLASS_OUTPUTS", Path::new("/table")) {
            tries += 1;
            assert!(tries < 1_000_000);
        }
        assert!(!has_variable(pid, "WINDLASS_OUTPUTS", Path::new("/tab")));
        assert!(held_by_descendants(pid) > 0);
        assert_eq!(kill_all(|other| other == pid), 1);
        child.wait().unwrap();
        assert_eq!(stat(pid), None);
    }
}
