use windlass_kinds::record::FileStamp;

use super::*;

/// One file of an observation: path, content, and where it fails the version that was rejected for it (0: none yet).
type File = (&'static str, &'static str, Option<u32>);

fn file((path, content, failed): File) -> ObservedFile {
    let failure = ExpectationFailure {
        path: path.to_owned(),
        column: Some("a".to_owned()),
        expectation: "max <= 5".to_owned(),
        observed: "6 (row 1)".to_owned(),
    };
    ObservedFile {
        path: path.to_owned(),
        stamp: FileStamp { size: content.len() as u64, modified_ns: 0, inode: 0 },
        digest: Digest::sha256(content),
        rows: Some(10),
        failures: if failed.is_some() { vec![failure] } else { Vec::new() },
        rejected_in: failed.filter(|version| *version > 0),
    }
}

fn show(version: &DatasetVersion) -> String {
    let paths = |files: &[String]| files.join(" ");
    let files: Vec<&str> = version.files.iter().map(|file| file.path.as_str()).collect();
    let omitted: Vec<String> =
        version.omitted.iter().map(|file| format!("{}@{}", file.path, file.rejected_in)).collect();
    let state = match version.state {
        DatasetVersionState::Accepted => "accepted",
        DatasetVersionState::Rejected => "rejected",
    };
    format!(
        "{} {state} [{}] +[{}] ~[{}] -[{}] omitted [{}] rows {} failures {}",
        version.number,
        files.join(" "),
        paths(&version.added),
        paths(&version.changed),
        paths(&version.removed),
        omitted.join(" "),
        version.rows.unwrap_or(0),
        version.failures.len(),
    )
}

struct History {
    accepted: Option<DatasetVersion>,
    next: u32,
}

impl History {
    /// Observes `files`, checks the versions that follow, and that observing the answer again gives none.
    fn observe(&mut self, files: &[File], expected: &[&str]) {
        let (project, dataset): (Name, Name) = ("default".parse().unwrap(), "flights".parse().unwrap());
        let observed = files.iter().copied().map(file).collect();
        let once = assemble(&project, &dataset, self.accepted.as_ref(), observed, self.next, Micros(7));
        assert_eq!(once.versions.iter().map(show).collect::<Vec<_>>(), expected);
        for version in once.versions {
            self.next = version.number + 1;
            if version.state == DatasetVersionState::Accepted {
                self.accepted = Some(version);
            }
        }
        let again = assemble(&project, &dataset, self.accepted.as_ref(), once.observed.clone(), self.next, Micros(8));
        assert_eq!(again, Assembled { versions: Vec::new(), observed: once.observed });
    }
}

#[test]
fn a_dataset_lives() {
    let mut history = History { accepted: None, next: 1 };
    history.observe(&[], &[]);
    history.observe(&[("b", "1", None)], &["1 accepted [b] +[b] ~[] -[] omitted [] rows 10 failures 0"]);
    history.observe(&[("b", "1", None)], &[]);
    // A broken file rejects its version and changes nothing else.
    history.observe(
        &[("c", "x", Some(0)), ("b", "1", None)],
        &["2 rejected [b c] +[c] ~[] -[] omitted [] rows 20 failures 1"],
    );
    // Later versions leave it out.
    history.observe(
        &[("a", "2", None), ("b", "1", None), ("c", "x", Some(2))],
        &["3 accepted [a b] +[a] ~[] -[] omitted [c@2] rows 20 failures 0"],
    );
    // Another broken file, while the first is still there, beside a good one.
    history.observe(
        &[("a", "2", None), ("b", "1", None), ("c", "x", Some(2)), ("d", "y", Some(0)), ("e", "3", None)],
        &[
            "4 rejected [a b d e] +[d e] ~[] -[] omitted [c@2] rows 40 failures 1",
            "5 accepted [a b e] +[e] ~[] -[] omitted [c@2 d@4] rows 30 failures 0",
        ],
    );
    // One is replaced by a good file, the other removed.
    history.observe(
        &[("a", "2", None), ("b", "1", None), ("c", "4", None), ("e", "3", None)],
        &["6 accepted [a b c e] +[c] ~[] -[] omitted [] rows 40 failures 0"],
    );
    // A good file is overwritten by a broken one: what was accepted is not there any more.
    history.observe(
        &[("a", "2", None), ("b", "z", Some(0)), ("c", "5", None), ("e", "3", None)],
        &[
            "7 rejected [a b c e] +[] ~[b c] -[] omitted [] rows 40 failures 1",
            "8 accepted [a c e] +[] ~[c] -[b] omitted [b@7] rows 30 failures 0",
        ],
    );
    history.observe(&[("a", "2", None)], &["9 accepted [a] +[] ~[] -[c e] omitted [] rows 10 failures 0"]);
    // Emptied, and back: nothing happened.
    history.observe(&[], &[]);
    history.observe(&[("a", "2", None)], &[]);
    history.observe(&[("a", "w", Some(0))], &["10 rejected [a] +[] ~[a] -[] omitted [] rows 10 failures 1"]);
}

#[test]
fn a_touched_file_is_not_rejected_twice() {
    let known = file(("c", "x", Some(3)));
    let judged = |content: &str, failures: Vec<ExpectationFailure>| Judged {
        digest: Digest::sha256(content),
        size: 1,
        rows: Some(10),
        failures,
        stamp: FileStamp { size: 1, modified_ns: 99, inode: 5 },
    };
    assert_eq!(observed("c", judged("x", known.failures.clone()), Some(&known)).rejected_in, Some(3));
    assert_eq!(observed("c", judged("y", known.failures.clone()), Some(&known)).rejected_in, None);
    assert_eq!(observed("c", judged("x", Vec::new()), Some(&known)).rejected_in, None);
    assert_eq!(observed("c", judged("x", known.failures.clone()), None).rejected_in, None);
}

#[test]
fn reasons_are_one_line_and_short() {
    let mut long = file(("c", "x", Some(3)));
    long.failures[0].observed = "é".repeat(1000);
    long.failures.push(long.failures[0].clone());
    let omitted = omitted(&[long, file(("d", "x", Some(4)))]);
    assert_eq!(omitted[0].reason.chars().count(), REASON_MAX);
    assert_eq!(omitted[1].reason, "column a: expected max <= 5, found 6 (row 1)");
}
