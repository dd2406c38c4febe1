//! How much memory processes hold.

use std::fs;

use rustix::process::Pid;

use super::descendants;

/// Returns the memory a process holds alone, in bytes: resident pages that no file backs. Zero where it is gone.
///
/// From `/proc/<pid>/statm`: resident less shared. Pages that a fork still shares with its parent count for both, so
/// a sum over processes is an upper bound.
pub fn memory_held(pid: Pid) -> u64 {
    let Ok(text) = fs::read_to_string(format!("/proc/{}/statm", pid.as_raw_nonzero())) else { return 0 };
    let pages: Vec<u64> = text.split_ascii_whitespace().skip(1).take(2).filter_map(|text| text.parse().ok()).collect();
    match pages[..] {
        [resident, shared] => resident.saturating_sub(shared) * rustix::param::page_size() as u64,
        _ => 0,
    }
}

/// Returns the memory that `root` and all its descendants hold, in bytes.
pub fn held_by_descendants(root: Pid) -> u64 {
    descendants(root).into_iter().fold(memory_held(root), |sum, pid| sum.saturating_add(memory_held(pid)))
}
