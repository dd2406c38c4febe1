use std::os::unix::{fs::symlink, net::UnixListener};

use windlass_kinds::{Span, manifest::Expectations};

use super::*;

fn spec(include: &[&str]) -> DatasetSpec {
    DatasetSpec {
        description: String::new(),
        uri: "data".to_owned(),
        format: None,
        include: include.iter().map(|pattern| (*pattern).to_owned()).collect(),
        settle: Span(std::time::Duration::from_millis(500)),
        poll: Span(std::time::Duration::from_secs(2)),
        expectations: Expectations::default(),
    }
}

fn paths(folder: &Path, include: &[&str]) -> Vec<String> {
    list(folder, &spec(include)).unwrap().files.into_iter().map(|file| file.path).collect()
}

#[test]
fn files_are_found_sorted_and_by_their_patterns() {
    let folder = tempfile::tempdir().unwrap();
    for path in ["b.parquet", "a.csv", "2013/01/x.parquet", "2013/y.csv", ".hidden", ".git/config", "2013/.tmp.csv"] {
        fs::create_dir_all(folder.path().join(path).parent().unwrap()).unwrap();
        fs::write(folder.path().join(path), path).unwrap();
    }
    for (include, expected) in [
        (&[][..], &["2013/01/x.parquet", "2013/y.csv", "a.csv", "b.parquet"][..]),
        (&["*.parquet"], &["b.parquet"]),
        (&["**/*.parquet"], &["2013/01/x.parquet", "b.parquet"]),
        (&["./a.csv", "2013/*"], &["2013/y.csv", "a.csv"]),
        (&["*.{csv,parquet}"], &["a.csv", "b.parquet"]),
        (&["nothing"], &[]),
    ] {
        assert_eq!(paths(folder.path(), include), expected, "{include:?}");
    }
    let listing = list(folder.path(), &spec(&["a.csv"])).unwrap();
    assert_eq!(listing.files[0].stamp.size, 5);
    assert!(listing.files[0].stamp.modified_ns > 1_600_000_000_000_000_000 && listing.files[0].stamp.inode != 0);
}

#[test]
fn nothing_outside_is_followed() {
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret"), "secret").unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("sub")).unwrap();
    fs::write(folder.path().join("real"), "real").unwrap();
    symlink("real", folder.path().join("link-inside")).unwrap();
    symlink(outside.path().join("secret"), folder.path().join("link-outside")).unwrap();
    symlink(outside.path(), folder.path().join("link-folder")).unwrap();
    symlink("../..", folder.path().join("sub/link-up")).unwrap();
    symlink(".", folder.path().join("sub/link-loop")).unwrap();
    symlink("nowhere", folder.path().join("link-broken")).unwrap();
    fs::write(folder.path().join("back\\slash"), "").unwrap();
    let _socket = UnixListener::bind(folder.path().join("socket")).unwrap();
    let listing = list(folder.path(), &spec(&[])).unwrap();
    let files: Vec<&str> = listing.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(files, ["link-inside", "real"]);
    let mut problems = listing.problems;
    problems.sort();
    assert_eq!(
        problems,
        [
            "`link-broken` is a link to nothing; it is left out",
            "`link-folder` is a link that leaves the folder; it is left out",
            "`link-outside` is a link that leaves the folder; it is left out",
            "`socket` is a socket, pipe or device; it is left out",
            "`sub/link-loop` is a link to a folder; it is left out",
            "`sub/link-up` is a link that leaves the folder; it is left out",
            "the path `back\\slash` contains a backslash; write a relative path with `/`, such as `model/weights.bin`",
        ]
    );
    // The dataset's folder itself may be a link.
    let elsewhere = tempfile::tempdir().unwrap();
    symlink(folder.path(), elsewhere.path().join("data")).unwrap();
    assert_eq!(paths(&elsewhere.path().join("data"), &[]), ["link-inside", "real"]);
}

#[test]
fn missing_is_empty_and_the_rest_is_said() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(list(&folder.path().join("not/yet"), &spec(&[])).unwrap(), Listing::default());
    fs::write(folder.path().join("file"), "").unwrap();
    let error = list(&folder.path().join("file"), &spec(&[])).unwrap_err();
    assert!(matches!(error, ListError::NotAFolder { .. }), "{error}");
    let mut deep = folder.path().to_owned();
    for _ in 0..70 {
        deep.push("d");
    }
    fs::create_dir_all(&deep).unwrap();
    assert!(matches!(list(folder.path(), &spec(&[])), Err(ListError::TooDeep { .. })));
}

#[test]
fn patterns_are_checked_early() {
    for (patterns, expected) in [
        (&["*.csv", "["][..], "`include[1]`: `[` is not a glob: unclosed character class"),
        (&[""], "`include[0]`: `` is not a glob: it is empty"),
        (&["/data/*"], "`include[0]`: `/data/*` is not a glob: it leads out of the dataset's folder"),
        (&["../*"], "`include[0]`: `../*` is not a glob: it leads out of the dataset's folder"),
    ] {
        let patterns: Vec<String> = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
        let text = check_include(&patterns).unwrap_err().to_string();
        assert!(text.starts_with(expected), "{text}");
    }
    assert!(check_include(&["2013/**/*.{csv,parquet}".to_owned()]).is_ok());
}
