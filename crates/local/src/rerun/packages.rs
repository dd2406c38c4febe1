//! The packages as they were.
//!
//! The Python that was used is used again where it is still there with the same packages. Else an environment is built
//! from the list; where that fails, the Python of now runs the command, and both are said.

use std::{collections::BTreeMap, path::Path};

use windlass_control::PrepareRequest;
use windlass_kinds::manifest::PythonSpec;

use super::Kept;
use crate::{
    python::{Environments, Progress},
    run::packages_now,
};

/// Returns the command and the variables that give it the packages it had.
pub(super) async fn restore(
    kept: &Kept,
    directory: &Path,
    environments: &Environments,
    progress: Progress<'_>,
    missing: &mut Vec<String>,
) -> (Vec<String>, BTreeMap<String, String>) {
    let as_it_was = (of_now(&kept.description.command, directory), BTreeMap::new());
    let Some(list) = &kept.packages else {
        if kept.description.python.is_some() {
            missing.push("packages: they were not listed, so those of now are used".to_owned());
        }
        return as_it_was;
    };
    let now = packages_now(&kept.description.command, directory).await;
    if now.as_deref() == Some(list.as_str()) {
        return as_it_was;
    }
    let request = request(list);
    let built = match environments.resolve(&request).await {
        Ok(lock) => environments.ensure(&request, &lock, progress).await,
        Err(failure) => Err(failure),
    };
    match built {
        Ok(environment) => within(&kept.description.command, &environment),
        Err(failure) => {
            missing
                .push(format!("packages: they could not be had again, so those of now are used: {}", failure.reason));
            as_it_was
        }
    }
}

/// Returns a command with a program that is there: where the one named by a path is gone, the one of that name.
fn of_now(command: &[String], directory: &Path) -> Vec<String> {
    let mut command = command.to_vec();
    if let Some(program) = command.first_mut()
        && let Some((_, name)) = program.rsplit_once('/')
        && !directory.join(&*program).is_file()
    {
        *program = name.to_owned();
    }
    command
}

/// Returns what asks for exactly these packages.
fn request(list: &str) -> PrepareRequest {
    // The first line says `# CPython 3.11.2`; the patch release is not ours to choose.
    let version = list.lines().next().and_then(|line| line.rsplit(' ').next());
    let version = version.map(|version| version.split('.').take(2).collect::<Vec<_>>().join("."));
    let packages = list.lines().filter(|line| !line.starts_with('#') && line.contains("=="));
    // Those that come with an environment are not the run's.
    let own = packages.filter(|line| !["pip==", "setuptools==", "wheel=="].iter().any(|tool| line.starts_with(tool)));
    PrepareRequest {
        python: PythonSpec { version, requirements: None, packages: own.map(str::to_owned).collect() },
        requirements: None,
        origin: "windlass/packages.txt".to_owned(),
    }
}

/// Returns a command as it runs within an environment.
fn within(command: &[String], environment: &Path) -> (Vec<String>, BTreeMap<String, String>) {
    let programs = environment.join("bin");
    let mut command = command.to_vec();
    if let Some(program) = command.first_mut() {
        let name = program.rsplit('/').next().unwrap_or(program).to_owned();
        // A program that names a place of its own would not look into the environment.
        if programs.join(&name).is_file() {
            *program = programs.join(&name).display().to_string();
        } else if name.starts_with("python") {
            *program = programs.join("python").display().to_string();
        }
    }
    let path = std::env::var("PATH").unwrap_or_default();
    let variables = BTreeMap::from([
        ("PATH".to_owned(), format!("{}:{path}", programs.display())),
        ("VIRTUAL_ENV".to_owned(), environment.display().to_string()),
    ]);
    (command, variables)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_becomes_a_request() {
        let request = request("# CPython 3.11.2\nnumpy==2.1.0\npip==23.0\npipdeptree==2.0\n");
        assert_eq!(request.python.version.as_deref(), Some("3.11"));
        assert_eq!(request.python.packages, ["numpy==2.1.0", "pipdeptree==2.0"]);
    }

    #[test]
    fn commands_run_within_the_environment() {
        let environment = tempfile::tempdir().unwrap();
        std::fs::create_dir(environment.path().join("bin")).unwrap();
        let run = |program: &str| within(&[program.to_owned(), "x.py".to_owned()], environment.path()).0;
        let python = environment.path().join("bin/python").display().to_string();
        assert_eq!(run("python3.11"), [python.clone(), "x.py".to_owned()]);
        assert_eq!(run("/old/venv/bin/python"), [python, "x.py".to_owned()]);
        assert_eq!(run("./train.sh"), ["./train.sh", "x.py"]);
    }

    #[test]
    fn a_program_that_is_gone_is_looked_for_by_name() {
        let run = |program: &str| of_now(&[program.to_owned()], Path::new("/")).remove(0);
        assert_eq!(run("/no/such/venv/bin/python"), "python");
        assert_eq!(run("bin/sh"), "bin/sh");
        assert_eq!(run("python3"), "python3");
    }
}
