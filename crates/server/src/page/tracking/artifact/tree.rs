//! Files as a tree of folders that open and close.

use maud::{Markup, html};
use windlass_kinds::record::Artifact;

use super::super::super::component::bytes;

/// How deep folders lie in each other; what lies deeper keeps the rest of its path as its name.
const DEPTH: usize = 24;
/// How many files a tree shows.
const FILES: usize = 2000;
/// Up to so many files all folders are open.
const OPEN: usize = 12;

/// Renders the files below `prefix`, sorted by path; `chosen` is the one that is shown, `to` makes the link of each.
pub(super) fn show(
    id: &str,
    artifacts: &[Artifact],
    prefix: &str,
    chosen: Option<&str>,
    to: &dyn Fn(&str) -> String,
) -> Markup {
    let files: Vec<File<'_>> = artifacts
        .iter()
        .filter_map(|artifact| Some(File { path: artifact.path.strip_prefix(prefix)?, size: artifact.size }))
        .take(FILES)
        .collect();
    let tree = Tree { id, chosen, to, open: files.len() <= OPEN };
    html! {
        (tree.folder(&files, 0, 0))
        @if artifacts.len() > FILES { p.quiet { "The first " (FILES) " of " (artifacts.len()) " files." } }
    }
}

struct File<'a> {
    path: &'a str,
    size: u64,
}

struct Tree<'a> {
    id: &'a str,
    chosen: Option<&'a str>,
    to: &'a dyn Fn(&str) -> String,
    open: bool,
}

impl Tree<'_> {
    /// Renders files that share the first `start` bytes of their paths.
    fn folder(&self, files: &[File<'_>], start: usize, depth: usize) -> Markup {
        let step = |file: &File<'_>| match file.path[start..].find('/') {
            Some(end) if depth < DEPTH => Some(start + end),
            Some(_) | None => None,
        };
        // Sorted by path, the files of a folder stand together.
        let pieces = files.chunk_by(|one, other| match (step(one), step(other)) {
            (Some(end), Some(other_end)) => one.path[..end] == other.path[..other_end],
            (Some(_), None) | (None, Some(_) | None) => false,
        });
        html! {
            ul {
                @for piece in pieces {
                    @match step(&piece[0]) {
                        Some(end) => { li { (self.below(piece, start, end, depth)) } }
                        None => { @for file in piece { li { (self.file(file, &file.path[start..])) } } }
                    }
                }
            }
        }
    }

    fn below(&self, files: &[File<'_>], start: usize, end: usize, depth: usize) -> Markup {
        let path = &files[0].path[..end];
        let holds =
            self.chosen.is_some_and(|chosen| chosen.strip_prefix(path).is_some_and(|rest| rest.starts_with('/')));
        html! {
            details id={(self.id) "-" (path)} open[self.open || holds] {
                summary { bdi { (path[start..]) } "/" }
                (self.folder(files, end + 1, depth + 1))
            }
        }
    }

    fn file(&self, file: &File<'_>, name: &str) -> Markup {
        let is_chosen = self.chosen == Some(file.path);
        html! {
            a href=((self.to)(file.path)) aria-current=[is_chosen.then_some("true")] { bdi { (name) } }
            " " span.quiet { (bytes(file.size)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use windlass_kinds::Digest;

    use super::*;

    fn shown(paths: &[&str], chosen: Option<&str>) -> String {
        let artifact = |path: &&str| Artifact { path: format!("1/r/{path}"), digest: Digest::sha256(path), size: 5 };
        let artifacts: Vec<Artifact> = paths.iter().map(artifact).collect();
        show("files", &artifacts, "1/r/", chosen, &|path| format!("?artifact={path}")).into_string()
    }

    #[test]
    fn folders_hold_what_is_in_them() {
        let text = shown(&["a/b/c.txt", "a/d.txt", "a.txt", "ab/x", "z<i>"], Some("a/b/c.txt"));
        for (piece, count) in [
            ("<details", 3),
            ("<summary><bdi>a</bdi>/</summary>", 1),
            ("href=\"?artifact=a/b/c.txt\" aria-current=\"true\"", 1),
            ("<bdi>c.txt</bdi>", 1),
            ("<bdi>z&lt;i&gt;</bdi>", 1),
        ] {
            assert_eq!(text.matches(piece).count(), count, "{piece} in {text}");
        }
    }

    #[test]
    fn what_is_many_or_deep_is_bounded() {
        let deep = "d/".repeat(1000) + "file";
        assert_eq!(shown(&[&deep], None).matches("<details").count(), DEPTH);
        let many: Vec<String> = (0..FILES + 5).map(|number| format!("f{number:05}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let text = shown(&many, None);
        assert!(text.contains("The first 2000 of 2005 files.") && text.matches("<li>").count() == FILES);
    }
}
