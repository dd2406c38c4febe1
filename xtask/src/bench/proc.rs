//! What `/proc` says about processor time and memory.

use std::{fs, time::Duration};

use anyhow::{Context as _, Result};

/// Ticks a second in `/proc/<pid>/stat`; the kernel's interface fixes it on all platforms that we measure on.
const TICKS: u64 = 100;

/// Returns the processor time of a process and of all its descendants, ended or not.
pub(super) fn tree_time(root: u32) -> Result<Duration> {
    let mut ids = vec![root];
    let mut next = 0;
    while let Some(&id) = ids.get(next) {
        next += 1;
        // Children hang below the thread that made them.
        for thread in fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten() {
            let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            ids.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        }
    }
    let root_time = fields(&root.to_string()).with_context(|| format!("process {root} is gone"))?;
    let others = ids[1..].iter().filter_map(|id| fields(&id.to_string()));
    Ok(ticks(root_time.iter().sum::<u64>() + others.map(|times| times.iter().sum::<u64>()).sum::<u64>()))
}

/// Returns the processor time of a process alone.
pub(super) fn own_time(id: u32) -> Result<Duration> {
    let [user, system, _, _] = fields(&id.to_string()).with_context(|| format!("process {id} is gone"))?;
    Ok(ticks(user + system))
}

/// Returns the processor time of all descendants of ours that ended and were waited for.
pub(super) fn ended_children() -> Result<Duration> {
    let [_, _, user, system] = fields("self").context("failed to read /proc/self/stat")?;
    Ok(ticks(user + system))
}

/// Returns the memory that a process holds, in MB.
pub(super) fn resident(id: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).context("failed to read a process's memory")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kibibytes: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kibibytes * 1024.0 / 1e6)
}

/// Returns user and system time, own and of ended children, in ticks.
fn fields(process: &str) -> Option<[u64; 4]> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let mut after_name = stat.rsplit_once(')')?.1.split_whitespace().skip(11).map(|field| field.parse().ok());
    Some([after_name.next()??, after_name.next()??, after_name.next()??, after_name.next()??])
}

fn ticks(count: u64) -> Duration {
    Duration::from_millis(count * 1000 / TICKS)
}
