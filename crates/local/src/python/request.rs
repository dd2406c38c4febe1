//! What a request means, and what in it cannot be carried out.

use serde::Serialize;
use windlass_control::PrepareRequest;
use windlass_kinds::{Digest, canonical, record::PrepareFailure};

use super::failure;

/// The name under which requirements written in the manifest appear in uv's words.
pub(super) const IN_PLACE: &str = "python.packages";

/// What enters the question. Not the name of the file: the same text is the same question. The architecture does, because
/// a data folder can be carried to another machine.
#[derive(Serialize)]
struct Question<'a> {
    version: Option<&'a str>,
    requirements: Option<&'a str>,
    packages: &'a [String],
    architecture: &'a str,
}

/// Returns the digest of what is asked.
pub(super) fn digest(request: &PrepareRequest) -> Digest {
    canonical::digest(&Question {
        version: request.python.version.as_deref(),
        requirements: request.requirements.as_deref(),
        packages: &request.python.packages,
        architecture: std::env::consts::ARCH,
    })
}

/// Returns the name under which the requirements file appears in uv's words.
pub(super) fn file_name(request: &PrepareRequest) -> String {
    let name = request.origin.rsplit('/').next().unwrap_or_default();
    let is_plain = !name.is_empty() && !name.starts_with(['.', '-']) && name != IN_PLACE;
    // uv takes other endings for other formats.
    if is_plain && (name.ends_with(".txt") || name.ends_with(".in")) {
        name.to_owned()
    } else {
        "requirements.txt".to_owned()
    }
}

/// Refuses lines that need more than the text: other files, and paths relative to the file.
pub(super) fn check(request: &PrepareRequest) -> Result<(), PrepareFailure> {
    let packages = request.python.packages.iter().map(|line| (format!("`{IN_PLACE}`"), line.as_str()));
    let origin = if request.origin.is_empty() { "requirements.txt" } else { &request.origin };
    let lines = request.requirements.as_deref().unwrap_or_default().lines().enumerate();
    let lines = lines.map(|(index, line)| (format!("{origin}, line {}", index + 1), line));
    for (place, line) in packages.chain(lines) {
        if let Some(problem) = problem(line.trim()) {
            return Err(failure::lasting(format!("{place}: `{}` {problem}", windlass_net::mask(line.trim()))));
        }
    }
    Ok(())
}

fn problem(line: &str) -> Option<&'static str> {
    let starts = |option: &str| {
        line.strip_prefix(option)
            .is_some_and(|rest| option.len() == 2 || rest.is_empty() || rest.starts_with(['=', ' ']))
    };
    if ["-r", "--requirement", "-c", "--constraint"].into_iter().any(starts) {
        Some("names another file, which is not carried along; write its lines here")
    } else if ["-e", "--editable"].into_iter().any(starts) {
        Some("is an editable install; put the package into the step's code folder, or name a wheel")
    } else if line.starts_with("./") || line.starts_with("../") || line == "." {
        Some("is a path relative to the file, which is not carried along; name a package, a URL or an absolute path")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use windlass_kinds::manifest::PythonSpec;

    use super::*;

    fn request(requirements: &str, packages: &[&str]) -> PrepareRequest {
        let packages = packages.iter().map(|package| (*package).to_owned()).collect();
        PrepareRequest {
            python: PythonSpec { version: None, requirements: Some("r.txt".to_owned()), packages },
            requirements: Some(requirements.to_owned()),
            origin: "steps/r.txt".to_owned(),
        }
    }

    #[test]
    fn lines_that_need_other_files_are_refused_with_their_place() {
        for line in ["-r other.txt", "--requirement=o", "-cother", "-e .", "--editable ./x", "./x", "."] {
            let failure = check(&request(&format!("six\n{line}\n"), &[])).unwrap_err();
            assert!(failure.reason.starts_with("steps/r.txt, line 2: "), "{}", failure.reason);
            assert!(!failure.retryable);
        }
        for line in
            ["", "# -r x", "six", "a @ https://h/a.whl", "--index-url https://h", "--extra-index-url x", "/abs/x.whl"]
        {
            check(&request(line, &["numpy<2"])).unwrap();
        }
        assert!(check(&request("", &["-e ."])).is_err());
    }

    #[test]
    fn the_question_is_the_text_not_its_place() {
        let one = request("six\n", &[]);
        let mut other = one.clone();
        other.origin = "elsewhere.txt".to_owned();
        assert_eq!(digest(&one), digest(&other));
        assert_ne!(digest(&one), digest(&request("six\n", &["numpy"])));
        assert_eq!(file_name(&one), "r.txt");
        assert_eq!(file_name(&request("", &[])), "r.txt");
    }
}
