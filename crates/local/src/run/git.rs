//! The state of the code, by git.

use std::{path::Path, process::Command};

use serde::Serialize;

use super::capture::ask;

/// The largest patch that is kept, in bytes.
const PATCH_CAP: usize = 4 << 20;

/// A short answer, in bytes.
const ANSWER_CAP: usize = 64 << 10;

/// Where the code stands.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Commit {
    /// The top folder of the working tree.
    pub(super) root: String,
    /// The commit's id.
    pub(super) commit: String,
    /// The branch, unless detached.
    pub(super) branch: Option<String>,
    /// Where it is fetched from, without password.
    pub(super) remote: Option<String>,
    /// Whether tracked files differ from the commit.
    pub(super) is_changed: bool,
}

/// Returns where the code stands; `None` outside a repository, without git, or before the first commit.
pub(super) fn commit(directory: &Path) -> Option<Commit> {
    let root = line(directory, &["rev-parse", "--show-toplevel"])?;
    let commit = line(directory, &["rev-parse", "--verify", "HEAD"])?;
    let branch = line(directory, &["symbolic-ref", "--short", "--quiet", "HEAD"]);
    let remote = line(directory, &["remote", "get-url", "origin"]).map(|url| without_password(&url));
    let changes = ask(git(directory).args(["status", "--porcelain", "--untracked-files=no"]), ANSWER_CAP);
    let is_changed = changes.is_none_or(|(text, _)| !text.is_empty());
    Some(Commit { root, commit, branch, remote, is_changed })
}

/// Returns the changes of tracked files since the commit as a patch that `git apply` takes; `None` where there are
/// none, or too many.
pub(super) fn changes(directory: &Path, left_out: &mut Vec<String>) -> Option<Vec<u8>> {
    let patch = ask(
        git(directory).args(["diff", "HEAD", "--no-color", "--no-ext-diff", "--no-textconv", "--binary", "--"]),
        PATCH_CAP,
    );
    match patch {
        Some((patch, false)) => (!patch.is_empty()).then_some(patch),
        Some((_, true)) => {
            left_out.push(format!("changes: more than {PATCH_CAP} bytes"));
            None
        }
        None => {
            left_out.push("changes: git did not say".to_owned());
            None
        }
    }
}

/// Returns the paths of untracked files that git does not ignore, relative to `root`.
pub(super) fn untracked(root: &Path) -> Vec<String> {
    let list = ask(git(root).args(["ls-files", "--others", "--exclude-standard", "-z"]), PATCH_CAP);
    let (list, _) = list.unwrap_or_default();
    list.split(|&byte| byte == 0)
        .filter_map(|path| std::str::from_utf8(path).ok())
        .filter(|path| !path.is_empty())
        .map(str::to_owned)
        .collect()
}

fn git(directory: &Path) -> Command {
    let mut command = Command::new("git");
    command.current_dir(directory).env("GIT_OPTIONAL_LOCKS", "0").env("LC_ALL", "C");
    command
}

fn line(directory: &Path, arguments: &[&str]) -> Option<String> {
    let (text, _) = ask(git(directory).args(arguments), ANSWER_CAP)?;
    let text = String::from_utf8(text).ok()?.trim().to_owned();
    (!text.is_empty()).then_some(text)
}

/// Returns an address without the user and password before its host.
fn without_password(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let (host, path) = rest.split_once('/').map_or((rest, ""), |(host, path)| (host, path));
            let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
            format!("{scheme}://{host}/{path}")
        }
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_lose_their_passwords() {
        assert_eq!(without_password("https://me:secret@host/a/b.git"), "https://host/a/b.git");
        assert_eq!(without_password("https://host/a@b"), "https://host/a@b");
        assert_eq!(without_password("git@host:a/b.git"), "git@host:a/b.git");
    }
}
