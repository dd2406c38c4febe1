//! The packages of the Python that a command uses.

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
    process::Command,
};

use super::capture::ask;

/// The longest list that is kept, in bytes.
const LIST_CAP: usize = 1 << 20;

/// Prints `name==version` for each package, sorted, after a line about the interpreter. It needs neither pip nor uv,
/// which an environment may lack.
const SCRIPT: &str = r##"
import importlib.metadata as m, platform
print(f"# {platform.python_implementation()} {platform.python_version()}")
seen = {(d.metadata["Name"] or "").lower(): d for d in m.distributions()}
for name in sorted(filter(None, seen)):
    print(f"{seen[name].metadata['Name']}=={seen[name].version}")
"##;

/// Returns the Python that a command uses: the program itself, or what the first line of a script names.
pub(super) fn interpreter(command: &[String], directory: &Path) -> Option<PathBuf> {
    let program = command.first()?;
    if is_python(program) {
        return Some(PathBuf::from(program));
    }
    let path = if program.contains('/') { directory.join(program) } else { on_path(program)? };
    let mut start = [0; 256];
    let count = File::open(path).ok()?.read(&mut start).ok()?;
    let line = std::str::from_utf8(start.get(..count)?.split(|&byte| byte == b'\n').next()?).ok()?;
    let mut words = line.strip_prefix("#!")?.split_ascii_whitespace();
    words.find(|word| is_python(word)).map(PathBuf::from)
}

/// Returns the packages, one a line.
pub(super) fn list(python: &Path, directory: &Path) -> Option<Vec<u8>> {
    let (list, _) = ask(Command::new(python).args(["-c", SCRIPT]).current_dir(directory), LIST_CAP)?;
    Some(list)
}

fn is_python(program: &str) -> bool {
    let name = program.rsplit('/').next().unwrap_or(program);
    name.strip_prefix("python").is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit() || c == '.'))
}

fn on_path(program: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?).map(|folder| folder.join(program)).find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interpreter_of_a_command_is_found() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("tool"), "#!/usr/bin/env python3\nprint()\n").unwrap();
        std::fs::write(folder.path().join("shell"), "#!/bin/sh\n").unwrap();
        let find = |program: &str| interpreter(&[program.to_owned()], folder.path());
        assert_eq!(find("python3.11"), Some(PathBuf::from("python3.11")));
        assert_eq!(find("/opt/bin/python"), Some(PathBuf::from("/opt/bin/python")));
        assert_eq!(find("./tool"), Some(PathBuf::from("python3")));
        assert_eq!(find("./shell"), None);
        assert_eq!(find("pythonic"), None);
        assert_eq!(find("no-such-program"), None);
    }
}
