//! From a request to its lock.

use std::{fs, path::Path};

use serde::{Deserialize, Serialize};
use windlass_control::PrepareRequest;
use windlass_kinds::{Digest, record::PrepareFailure};

use super::{
    Environments, failure,
    interpreter::{self, Interpreter},
    lockfile::Lock,
    request::{self, IN_PLACE},
    store::{Folders, hold, write_whole},
    uv::Uv,
};

/// What is remembered of a request.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Answer {
    /// The lock.
    pub(super) lock: Digest,
    /// The interpreter it is for.
    pub(super) interpreter: Interpreter,
}

impl Answer {
    /// Reads an answer back; what is damaged is no answer.
    pub(super) fn read(folders: &Folders, question: &Digest) -> Option<Self> {
        serde_json::from_slice(&fs::read(folders.answer(question)).ok()?).ok()
    }

    /// Returns whether the answer still holds: its lock is there and its interpreter is the same.
    fn holds(&self, folders: &Folders) -> bool {
        self.interpreter.is_unchanged() && matches!(Lock::read(folders, &self.lock), Ok(Some(_)))
    }
}

/// Returns the digest of the lock that answers a request.
pub(super) async fn resolve(place: &Environments, request: &PrepareRequest) -> Result<Digest, PrepareFailure> {
    let folders = &place.folders;
    let question = request::digest(request);
    if let Some(answer) = Answer::read(folders, &question).filter(|answer| answer.holds(folders)) {
        return Ok(answer.lock);
    }
    request::check(request)?;
    let held = hold(&folders.resolver(&question), || {}).await;
    let held = held.map_err(|error| failure::system("write into the data folder", &error))?;
    let known = Answer::read(folders, &question);
    if let Some(answer) = known.clone().filter(|answer| answer.holds(folders)) {
        return Ok(answer.lock);
    }
    let uv = place.uv().await?;
    let interpreter = interpreter::find(uv, request.python.version.as_deref()).await?;
    let remembered = known.filter(|answer| answer.interpreter.identity == interpreter.identity);
    let lock = match remembered.map(|answer| Lock::read(folders, &answer.lock)) {
        // Another binary of the same version, such as a security update: the answer stands.
        Some(Ok(Some(lock))) => lock,
        Some(Ok(None) | Err(_)) | None => {
            let resolved = compile(uv, request, &interpreter.path, &held).await?;
            Lock::new(&interpreter.identity, &resolved)
        }
    };
    let answer = Answer { lock: lock.digest(), interpreter };
    lock.write(folders)
        .and_then(|()| write_whole(&folders.answer(&question), &serde_json::to_vec(&answer)?))
        .map_err(|error| failure::system("keep the lock of a Python environment", &error))?;
    Ok(answer.lock)
}

/// Has uv resolve the requirements for this machine.
async fn compile(uv: &Uv, request: &PrepareRequest, python: &Path, held: &fs::File) -> Result<String, PrepareFailure> {
    // A folder of its own outside every project: uv would take settings from a `pyproject.toml` above.
    let write = || {
        let work = tempfile::tempdir()?;
        let mut names = Vec::new();
        if let Some(text) = &request.requirements {
            names.push(request::file_name(request));
            fs::write(work.path().join(request::file_name(request)), text)?;
        }
        if !request.python.packages.is_empty() {
            names.push(IN_PLACE.to_owned());
            fs::write(work.path().join(IN_PLACE), request.python.packages.join("\n") + "\n")?;
        }
        Ok((work, names))
    };
    let (work, names) = write().map_err(|error| failure::system("write requirements for uv", &error))?;
    if names.is_empty() {
        return Ok(String::new());
    }
    let python = python.display().to_string();
    let mut arguments = vec!["pip", "compile", "--python", &python];
    arguments.extend(["--generate-hashes", "--no-header", "--no-annotate", "--quiet"]);
    arguments.extend(names.iter().map(String::as_str));
    let outcome = uv.run(&arguments, work.path(), Some(held), &|_| {}).await?;
    if outcome.is_success {
        return Ok(outcome.output);
    }
    let origin = if request.origin.is_empty() { IN_PLACE } else { &request.origin };
    Err(failure::of_uv(&format!("resolve the requirements of {origin}"), &outcome.words))
}
