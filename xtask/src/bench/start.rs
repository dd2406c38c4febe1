//! From the command to serving, and what it costs to do nothing.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::{Bench, Line, Serving, proc};
use crate::shell;

const REPEATS: usize = 7;
const IDLE: Duration = Duration::from_secs(15);

/// Measures first starts and later ones, then a server that has nothing to do.
pub(super) fn run(bench: &Bench) -> Result<Vec<Line>> {
    let folder = bench.fresh("start")?;
    let mut first = Vec::new();
    let mut later = Vec::new();
    for _ in 0..REPEATS {
        let folder = bench.fresh("start")?;
        for times in [&mut first, &mut later] {
            let begun = Instant::now();
            let serving = Serving::start(bench.up(&folder)?, &folder.join(".windlass"))?;
            times.push(begun.elapsed());
            drop(serving);
        }
    }
    let serving = Serving::start(bench.up(&folder)?, &folder.join(".windlass"))?;
    let id = serving.child.id();
    // What the start itself does is over by then.
    shell::pause(Duration::from_secs(3));
    let before = proc::tree_time(id)?;
    shell::pause(IDLE);
    let busy = proc::tree_time(id)?.saturating_sub(before);
    Ok(vec![
        Line::below("start to serving, empty folder", middle(first), 300.0, "ms"),
        Line::below("start to serving, second time", middle(later), 300.0, "ms"),
        Line::below("memory when idle", proc::resident(id)?, 60.0, "MB"),
        Line::below("processor when idle", busy.as_secs_f64() / IDLE.as_secs_f64() * 100.0, 1.0, "%"),
    ])
}

fn middle(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1000.0
}
