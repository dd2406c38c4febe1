//! Files that git does not know: kept within limits, and never those that look like secrets.

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

use super::{git, lies_in};

/// The largest file that is kept, in bytes.
const FILE_CAP: u64 = 1 << 20;

/// The most that all files may have together, in bytes.
const TOTAL_CAP: u64 = 10 << 20;

/// The most files that are kept.
const FILES: usize = 200;

/// Files left out that are named one by one.
const NAMED: usize = 50;

/// Returns the untracked files of a working tree, by path.
pub(super) fn collect(root: &Path, excluded: &[PathBuf], left_out: &mut Vec<String>) -> Vec<(String, Vec<u8>)> {
    let mut kept = Vec::new();
    let mut total = 0;
    let mut unnamed = 0;
    let mut leave = |path: &str, why: &str| {
        if left_out.len() < NAMED {
            left_out.push(format!("{path}: {why}"));
        } else {
            unnamed += 1;
        }
    };
    for path in git::untracked(root) {
        let file = root.join(&path);
        if lies_in(&file, excluded) {
            continue;
        }
        if looks_secret(&path) {
            leave(&path, "its name looks like that of a secret");
            continue;
        }
        if kept.len() >= FILES || total >= TOTAL_CAP {
            leave(&path, "there are too many files");
            continue;
        }
        match read(&file) {
            Ok(bytes) if bytes.len() as u64 <= FILE_CAP.min(TOTAL_CAP - total) => {
                total += bytes.len() as u64;
                kept.push((path, bytes));
            }
            Ok(_) => leave(&path, "it is too large"),
            Err(why) => leave(&path, &why),
        }
    }
    if unnamed > 0 {
        left_out.push(format!("and {unnamed} more"));
    }
    kept
}

/// Reads a file up to one byte more than is kept. Links are not followed: they may lead anywhere.
fn read(path: &Path) -> Result<Vec<u8>, String> {
    let metadata = path.symlink_metadata().map_err(|error| error.to_string())?;
    if !metadata.is_file() {
        return Err("it is no file".to_owned());
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| error.to_string())?;
    file.take(FILE_CAP + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes)
}

/// Returns whether a path looks like that of keys, passwords or our own data.
fn looks_secret(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    let mut parts = lower.split('/');
    let name = parts.next_back().unwrap_or_default();
    let in_secret_folder =
        parts.any(|part| matches!(part, ".windlass" | ".ssh" | ".aws" | ".azure" | ".gnupg" | ".kube"));
    let secret_ending = [".pem", ".key", ".p12", ".pfx", ".jks", ".kdbx", ".ppk"].iter().any(|end| name.ends_with(end));
    let secret_name = matches!(name, ".netrc" | ".pypirc" | ".npmrc" | ".git-credentials" | ".htpasswd" | "kubeconfig")
        || name.starts_with(".env")
        || name.starts_with("id_")
        || ["credential", "secret", "password"].iter().any(|word| name.contains(word));
    in_secret_folder || secret_ending || secret_name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_recognised() {
        for secret in
            [".env", "a/.env.local", "keys/server.pem", ".windlass/token", "id_rsa", "my-secrets.yaml", ".aws/config"]
        {
            assert!(looks_secret(secret), "{secret}");
        }
        for fine in ["train.py", "environment.yaml", "data/tokens.csv", "a/identity.py"] {
            assert!(!looks_secret(fine), "{fine}");
        }
    }
}
