//! Holds a step to its memory limit: by control group where there is one, else by looking ten times a second.
//!
//! Polling sees a limit crossed up to a tenth of a second late, and a program that grows faster than the machine has
//! memory may meet the kernel's own killer first. That is the best a process without rights can do.

use std::time::Duration;

use rustix::process::Pid;

use super::cgroup::Group;
use crate::process;

/// How often memory is looked at where no control group does it.
const INTERVAL: Duration = Duration::from_millis(100);

/// How a step is held to its limit.
pub(super) enum MemoryWatch {
    /// No limit was asked for.
    Unlimited,
    /// The kernel does it.
    Group { group: Group, limit: u64 },
    /// We do it.
    Polling { limit: u64 },
}

impl MemoryWatch {
    /// Chooses the best way that this machine offers.
    pub(super) fn new(attempt: &str, limit: Option<u64>) -> Self {
        let Some(limit) = limit else { return Self::Unlimited };
        match Group::create(attempt, limit) {
            Ok(group) => Self::Group { group, limit },
            Err(_) => Self::Polling { limit },
        }
    }

    /// Begins to watch the step's first process.
    pub(super) fn begin(&mut self, pid: Pid) {
        if let Self::Group { group, limit } = self
            && group.add(pid.as_raw_nonzero().get()).is_err()
        {
            *self = Self::Polling { limit: *limit };
        }
    }

    /// Returns how long until the next look, where looking is needed.
    pub(super) fn interval(&self) -> Option<Duration> {
        match self {
            Self::Unlimited | Self::Group { .. } => None,
            Self::Polling { .. } => Some(INTERVAL),
        }
    }

    /// Looks, and returns the reason where the limit is crossed.
    pub(super) fn exceeded(&self, root: Pid) -> Option<String> {
        let Self::Polling { limit } = self else { return None };
        let held = process::held_by_descendants(root);
        (held > *limit)
            .then(|| format!("memory limit of {} exceeded: its processes held {}", bytes(*limit), bytes(held)))
    }

    /// Returns the reason where the kernel ended the step for its memory.
    pub(super) fn ran_out(&self) -> Option<String> {
        match self {
            Self::Group { group, limit } if group.ran_out() => {
                Some(format!("memory limit of {} exceeded", bytes(*limit)))
            }
            Self::Unlimited | Self::Group { .. } | Self::Polling { .. } => None,
        }
    }
}

/// Writes a number of bytes in the largest binary unit that leaves at least one.
pub(super) fn bytes(count: u64) -> String {
    for (unit, size) in [("GiB", 1u64 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)] {
        if count >= size {
            let tenths = count as f64 / size as f64;
            return if count.is_multiple_of(size) {
                format!("{tenths:.0} {unit}")
            } else {
                format!("{tenths:.1} {unit}")
            };
        }
    }
    format!("{count} bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_read_well() {
        for (count, text) in [(0, "0 bytes"), (2 << 30, "2 GiB"), (1536 << 10, "1.5 MiB"), (1 << 10, "1 KiB")] {
            assert_eq!(bytes(count), text);
        }
    }
}
