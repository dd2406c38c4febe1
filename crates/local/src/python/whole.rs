//! Whether an environment that lies in its folder is whole.
//!
//! Bringing some ten thousand files to disk one by one, or the whole file system with all that others wrote to it, would
//! make everybody wait for what only a loss of power needs. So the marker of a finished environment names the boot it was
//! finished in. Within that boot it is believed, whatever was killed. After another one the files are compared with the
//! sizes that the packages' own `RECORD`s give (the form is that of the Python packaging specifications, "Recording
//! installed projects"), which shows files that never reached the disk; then the new boot is believed as well.
//!
//! The same look is taken once after building: files are hard links into uv's cache, so that whoever scribbled over one
//! of them, in whatever environment, has damaged the cache too.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// There when everything else is. Holds the boot's identity and, a line each, packages whose record was never met.
const MARKER: &str = ".windlass-complete";

/// Says that an environment is finished. Some packages record other sizes than their files have from the first day on:
/// those in `odd` are never asked again.
pub(super) fn mark(folder: &Path, odd: &[String]) -> io::Result<()> {
    let aside = folder.join(".windlass-marking");
    let lines: String = std::iter::once(boot()).chain(odd.iter().cloned()).map(|line| line + "\n").collect();
    fs::write(&aside, lines)?;
    fs::rename(aside, folder.join(MARKER))
}

/// Returns whether an environment is finished and whole, and its interpreter is still there. `packages` says how many it
/// must have.
pub(super) fn is_whole(folder: &Path, packages: usize) -> bool {
    let Ok(marked) = fs::read_to_string(folder.join(MARKER)) else { return false };
    if !folder.join("bin/python").exists() {
        return false;
    }
    let mut lines = marked.lines().map(str::to_owned);
    if lines.next().is_some_and(|marked| marked == boot()) {
        return true;
    }
    let odd: Vec<String> = lines.collect();
    let Ok(installed) = installed(folder) else { return false };
    // A folder that cannot be marked anew is looked through again next time.
    installed.len() >= packages
        && installed.iter().all(|(name, is_whole)| *is_whole || odd.contains(name))
        && mark(folder, &odd).is_ok()
}

/// Returns what is different after each start of the machine.
fn boot() -> String {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    text.trim().to_owned()
}

/// Returns the names of the packages in an environment some of whose files are not as they should be.
pub(super) fn damaged(folder: &Path) -> io::Result<Vec<String>> {
    Ok(installed(folder)?.into_iter().filter(|(_, is_whole)| !is_whole).map(|(name, _)| name).collect())
}

/// Returns the installed packages and whether each is whole.
fn installed(folder: &Path) -> io::Result<Vec<(String, bool)>> {
    let mut found = Vec::new();
    for library in list(&folder.join("lib"))? {
        let site = library.join("site-packages");
        for path in list(&site)? {
            // `name-version.dist-info`; neither part has another hyphen.
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if let Some((name, _)) = name.strip_suffix(".dist-info").and_then(|name| name.split_once('-')) {
                // A record that is not there or not text is damage, not a reason to give up.
                let record = fs::read_to_string(path.join("RECORD")).unwrap_or_default();
                found.push((name.to_owned(), is_record_met(&site, &record)));
            }
        }
    }
    found.sort_unstable();
    Ok(found)
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
        mark(folder, &[]).unwrap();
        assert!(is_whole(folder, 7), "marked in this boot");

        let before = |text: &str| fs::write(folder.join(MARKER), text).unwrap();
        before("another boot\n");
        assert!(!is_whole(folder, 2), "a package is missing");
        assert!(is_whole(folder, 1));
        assert_eq!(fs::read_to_string(folder.join(MARKER)).unwrap().trim_end(), boot());

        fs::write(site.join("six.py"), "").unwrap();
        assert!(is_whole(folder, 1), "believed within a boot");
        before("another boot\n");
        assert!(!is_whole(folder, 1), "a file is empty");
        assert_eq!(damaged(folder).unwrap(), ["six"]);
        before("another boot\nsix\n");
        assert!(is_whole(folder, 1), "it never was as it says");
        fs::write(site.join("six.py"), "pass").unwrap();
        fs::write(site.join("six-1.dist-info/RECORD"), "").unwrap();
        before("another boot\n");
        assert!(!is_whole(folder, 1), "a record is empty");
        fs::remove_file(folder.join("bin/python")).unwrap();
        assert!(!is_whole(folder, 0), "no interpreter");
    }
}
