//! A memory limit by control group, where this machine lets us have one.
//!
//! Only control groups v2, and only where the group that we are in hands the memory controller down to groups below
//! it and lets us make one there (a delegated scope, a container with a writable `/sys/fs/cgroup`). Anywhere else the
//! shim polls `/proc` instead: see `memory.rs`. Kernel documentation: `admin-guide/cgroup-v2.rst`.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// A group made for one step; removed when dropped.
pub(super) struct Group {
    path: PathBuf,
}

impl Group {
    /// Makes a group below our own that may hold `limit` bytes.
    pub(super) fn create(name: &str, limit: u64) -> io::Result<Self> {
        let mounts = fs::read_to_string("/proc/self/mountinfo")?;
        let membership = fs::read_to_string("/proc/self/cgroup")?;
        let ours = locate(&mounts, &membership).ok_or(io::ErrorKind::NotFound)?;
        Self::create_in(&ours, name, limit)
    }

    fn create_in(parent: &Path, name: &str, limit: u64) -> io::Result<Self> {
        let handed_down = fs::read_to_string(parent.join("cgroup.subtree_control"))?;
        if !handed_down.split_ascii_whitespace().any(|controller| controller == "memory") {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let path = parent.join(format!("windlass-{name}"));
        match fs::create_dir(&path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let group = Self { path };
        group.set("memory.max", &limit.to_string())?;
        // The group dies as one, or a half-dead program would go on; neither file is there on every kernel.
        let _ = group.set("memory.oom.group", "1");
        let _ = group.set("memory.swap.max", "0");
        Ok(group)
    }

    /// Moves a process in; what it starts from then on follows.
    pub(super) fn add(&self, pid: i32) -> io::Result<()> {
        self.set("cgroup.procs", &pid.to_string())
    }

    /// Returns whether the kernel killed something here because of the limit.
    pub(super) fn ran_out(&self) -> bool {
        fs::read_to_string(self.path.join("memory.events")).is_ok_and(|events| {
            events.lines().any(|line| line.strip_prefix("oom_kill ").is_some_and(|count| count.trim() != "0"))
        })
    }

    fn set(&self, file: &str, value: &str) -> io::Result<()> {
        fs::write(self.path.join(file), value)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // It is empty by now, or the kernel refuses and an empty folder stays; neither harms.
        let _ = fs::remove_dir(&self.path);
    }
}

/// Returns the folder of our own group, from the texts of `/proc/self/mountinfo` and `/proc/self/cgroup`.
fn locate(mounts: &str, membership: &str) -> Option<PathBuf> {
    let ours = membership.lines().find_map(|line| line.strip_prefix("0::"))?;
    mounts.lines().find_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        (after.split_ascii_whitespace().next()? == "cgroup2").then_some(())?;
        let mut fields = before.split_ascii_whitespace().skip(3);
        let (root, point) = (fields.next()?, fields.next()?);
        let below = Path::new(ours).strip_prefix(root).ok()?;
        Some(Path::new(point).join(below))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
22 1 0:20 / /proc rw - proc proc rw
30 25 0:26 / /sys/fs/cgroup ro,nosuid shared:4 - cgroup2 cgroup2 rw
";

    #[test]
    fn our_group_is_found() {
        assert_eq!(locate(MOUNTS, "0::/user.slice/a\n"), Some(PathBuf::from("/sys/fs/cgroup/user.slice/a")));
        assert_eq!(locate(MOUNTS, "4:memory:/a\n0::/\n"), Some(PathBuf::from("/sys/fs/cgroup/")));
        assert_eq!(locate(MOUNTS, "4:memory:/a\n"), None);
        assert_eq!(locate("", "0::/\n"), None);
    }

    #[test]
    fn a_group_is_made_only_where_memory_is_handed_down() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Group::create_in(folder.path(), "a", 1).is_err());
        fs::write(folder.path().join("cgroup.subtree_control"), "cpu pids\n").unwrap();
        assert!(Group::create_in(folder.path(), "a", 1).is_err());
        fs::write(folder.path().join("cgroup.subtree_control"), "cpu memory\n").unwrap();
        let group = Group::create_in(folder.path(), "a", 4096).unwrap();
        group.add(7).unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("windlass-a/memory.max")).unwrap(), "4096");
        assert_eq!(fs::read_to_string(folder.path().join("windlass-a/cgroup.procs")).unwrap(), "7");
        assert!(!group.ran_out());
        fs::write(folder.path().join("windlass-a/memory.events"), "low 0\noom 1\noom_kill 2\n").unwrap();
        assert!(group.ran_out());
    }
}
