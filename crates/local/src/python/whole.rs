//! Whether an environment that lies in its folder is whole.
//!
//! Bringing some ten thousand files to disk one by one, or the whole file system with all that others wrote to it, would
//! make everybody wait for what only a loss of power needs. So the marker of a finished environment names the boot it was
//! finished in. Within that boot it is believed, whatever was killed. After another one the files are compared with the
//! sizes that the packages' own `RECORD`s give (the form is that of the Python packaging specifications, "Recording
//! installed projects"), which shows files that never reached the disk; then the new boot is believed as well.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// There when everything else is; holds the boot's identity.
const MARKER: &str = ".windlass-complete";

/// Says that an environment is finished.
pub(super) fn mark(folder: &Path) -> io::Result<()> {
    let aside = folder.join(".windlass-marking");
    fs::write(&aside, boot())?;
    fs::rename(aside, folder.join(MARKER))
}

/// Returns whether an environment is finished and whole, and its interpreter is still there. `packages` says how many it
/// must have.
pub(super) fn is_whole(folder: &Path, packages: usize) -> bool {
    let Ok(marked) = fs::read_to_string(folder.join(MARKER)) else { return false };
    if !folder.join("bin/python").exists() {
        return false;
    }
    if marked == boot() {
        return true;
    }
    // A folder that cannot be marked anew is looked through again next time.
    are_files_there(folder, packages).unwrap_or(false) && mark(folder).is_ok()
}

/// Returns what is different after each start of the machine.
fn boot() -> String {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    format!("{}\n", text.trim())
}

fn are_files_there(folder: &Path, packages: usize) -> io::Result<bool> {
    let mut seen = 0;
    for library in list(&folder.join("lib"))? {
        let site = library.join("site-packages");
        for installed in list(&site)? {
            if installed.extension().is_some_and(|ending| ending == "dist-info") {
                seen += 1;
                if !is_record_met(&site, &fs::read_to_string(installed.join("RECORD"))?) {
                    return Ok(false);
                }
            }
        }
    }
    Ok(seen >= packages)
}

fn list(folder: &Path) -> io::Result<Vec<PathBuf>> {
    fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect()
}

/// Checks the lines `path,hash,size`; those without a size (the record itself, compiled files) say nothing.
fn is_record_met(site: &Path, record: &str) -> bool {
    let mut lines = record.lines().filter(|line| !line.is_empty()).peekable();
    lines.peek().is_some()
        && lines.all(|line| {
            let mut parts = line.rsplitn(3, ',');
            let (size, path) = (parts.next().unwrap_or_default(), parts.nth(1));
            match (path, size.trim().parse::<u64>()) {
                (Some(path), Ok(size)) => {
                    let path = site.join(path.trim_matches('"').replace("\"\"", "\""));
                    fs::metadata(path).is_ok_and(|metadata| metadata.len() == size)
                }
                (Some(_), Err(_)) => size.is_empty(),
                (None, _) => false,
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_boot_looks_at_the_files() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let site = folder.join("lib/python3.11/site-packages");
        fs::create_dir_all(site.join("six-1.dist-info")).unwrap();
        fs::create_dir_all(folder.join("bin")).unwrap();
        for (path, text) in [
            ("bin/python", ""),
            ("bin/six", "#!"),
            ("lib/python3.11/site-packages/six.py", "pass"),
            ("lib/python3.11/site-packages/a,b.py", ""),
            (
                "lib/python3.11/site-packages/six-1.dist-info/RECORD",
                "six.py,sha256=x,4\n\"a,b.py\",sha256=x,0\n../../../bin/six,sha256=x,2\nsix-1.dist-info/RECORD,,\n",
            ),
        ] {
            fs::write(folder.join(path), text).unwrap();
        }
        assert!(!is_whole(folder, 1), "not marked");
        mark(folder).unwrap();
        assert!(is_whole(folder, 7), "marked in this boot");

        let before = |text: &str| fs::write(folder.join(MARKER), text).unwrap();
        before("another boot\n");
        assert!(!is_whole(folder, 2), "a package is missing");
        assert!(is_whole(folder, 1));
        assert_eq!(fs::read_to_string(folder.join(MARKER)).unwrap(), boot());

        fs::write(site.join("six.py"), "").unwrap();
        assert!(is_whole(folder, 1), "believed within a boot");
        before("another boot\n");
        assert!(!is_whole(folder, 1), "a file is empty");
        fs::write(site.join("six.py"), "pass").unwrap();
        fs::write(site.join("six-1.dist-info/RECORD"), "").unwrap();
        assert!(!is_whole(folder, 1), "a record is empty");
        fs::remove_file(folder.join("bin/python")).unwrap();
        assert!(!is_whole(folder, 0), "no interpreter");
    }
}
