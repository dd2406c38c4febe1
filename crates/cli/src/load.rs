//! Manifests from files, folders and standard input; and what their relative paths mean on this machine.
//!
//! Reading is capped before anything is parsed. The code folder of a pipeline becomes a tree of digests, its
//! requirements files become text: both belong to the revision, so that later edits on disk change nothing applied.

use std::{
    collections::BTreeMap,
    fs,
    io::Read,
    path::{Path, PathBuf},
};

use windlass_kinds::{
    Digest, Finding, Severity,
    manifest::{self, Known, Manifest, NothingKnown, Parsed, PythonSpec, Resolved, Source, Spec},
    record::{Tree, TreeFile},
};
use windlass_plan::{condition, trigger};

use crate::failure::Failure;

/// The most manifests' bytes that are read from one file; a larger one is refused by name.
const FILE_CAP: u64 = manifest::SOURCE_MAX as u64;
/// The most bytes a code folder may hold; data belongs into datasets.
const CODE_CAP: u64 = 256 << 20;
/// The most files a code folder may hold.
const CODE_FILES: usize = 20_000;

/// Manifests, checked and resolved.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// The manifests with what their paths meant.
    pub(crate) wanted: Vec<(Manifest, Resolved)>,
    /// Code to upload before applying: digest to file on disk, or to bytes (trees).
    pub(crate) content: BTreeMap<Digest, Content>,
    /// Warnings.
    pub(crate) warnings: Vec<Finding>,
}

/// Bytes that must be in the content store.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    /// A file on disk.
    File(PathBuf),
    /// Bytes at hand.
    Bytes(Vec<u8>),
}

/// Reads, parses, checks and resolves. All mistakes of all files are answered at once.
pub(crate) fn load(paths: &[String], known: &dyn Known) -> Result<Loaded, Failure> {
    let mut findings = Vec::new();
    let mut sources = Vec::new();
    for path in paths {
        read_path(path, &mut sources, &mut findings)?;
    }
    let outcome = manifest::read(&sources, known);
    findings.extend(outcome.findings);
    let parsed = outcome.manifests;
    if parsed.is_empty() && findings.is_empty() {
        return Err(Failure::user(format!("no manifests in {}", paths.join(", ")))
            .hint("manifests are files that end in .yaml or .yml; `windlass init` writes a small set"));
    }
    findings.extend(parsed.iter().flat_map(check_conditions));
    let mut content = BTreeMap::new();
    let mut wanted = Vec::new();
    for one in &parsed {
        let base = base_of(&one.file);
        match resolve(&one.manifest, &base, &mut content) {
            Ok(resolved) => wanted.push((one.manifest.clone(), resolved)),
            Err((field, message)) => findings.push(Finding {
                severity: Severity::Error,
                file: one.file.clone(),
                position: Some(one.spans.value(&field)),
                field,
                message,
                hint: None,
            }),
        }
    }
    findings.extend(parsed.iter().filter_map(|one| missing_folder(one, &parsed)));
    findings.sort_by(|a, b| (&a.file, a.position).cmp(&(&b.file, b.position)));
    if findings.iter().any(|finding| finding.severity == Severity::Error) {
        return Err(Failure::findings(findings));
    }
    Ok(Loaded { wanted, content, warnings: findings })
}

/// Like [`load`], where no server is asked what it has.
pub(crate) fn load_offline(paths: &[String]) -> Result<Loaded, Failure> {
    load(paths, &NothingKnown)
}

fn read_path(path: &str, sources: &mut Vec<Source>, findings: &mut Vec<Finding>) -> Result<(), Failure> {
    if path == "-" {
        let mut bytes = Vec::new();
        std::io::stdin()
            .lock()
            .take(FILE_CAP + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| Failure::user_because("failed to read standard input", error))?;
        return add(path, bytes, sources, findings);
    }
    let unreadable = |error| Failure::user_because(&format!("failed to read {path}"), error);
    let metadata = fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_dir() {
        return read_file(Path::new(path), sources, findings);
    }
    let mut files = Vec::new();
    find_manifests(Path::new(path), &mut files, 0).map_err(unreadable)?;
    files.sort();
    files.iter().try_for_each(|file| read_file(file, sources, findings))
}

/// Collects the manifests of a folder: `*.yaml` and `*.yml`, also in subfolders, but not in hidden ones or in data.
fn find_manifests(folder: &Path, files: &mut Vec<PathBuf>, depth: usize) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with('.') {
            continue;
        }
        let path = entry.path();
        let kind = entry.file_type()?;
        if kind.is_dir() && depth < 4 {
            find_manifests(&path, files, depth + 1)?;
        } else if kind.is_file() && (name.ends_with(".yaml") || name.ends_with(".yml")) {
            files.push(path);
        }
    }
    Ok(())
}

fn read_file(path: &Path, sources: &mut Vec<Source>, findings: &mut Vec<Finding>) -> Result<(), Failure> {
    let name = path.display().to_string();
    let mut bytes = Vec::new();
    fs::File::open(path)
        .and_then(|file| file.take(FILE_CAP + 1).read_to_end(&mut bytes))
        .map_err(|error| Failure::user_because(&format!("failed to read {name}"), error))?;
    add(&name, bytes, sources, findings)
}

fn add(name: &str, bytes: Vec<u8>, sources: &mut Vec<Source>, findings: &mut Vec<Finding>) -> Result<(), Failure> {
    match Source::from_bytes(name.to_owned(), bytes) {
        Ok(source) => sources.push(source),
        Err(finding) => findings.push(finding),
    }
    Ok(())
}

fn base_of(file: &str) -> PathBuf {
    let folder = if file == "-" { Path::new(".") } else { Path::new(file).parent().unwrap_or(Path::new(".")) };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    folder.canonicalize().unwrap_or_else(|_| folder.to_owned())
}

/// Checks the expressions that the parser takes as text.
fn check_conditions(parsed: &Parsed) -> Vec<Finding> {
    let Spec::Pipeline(spec) = &parsed.manifest.spec else { return Vec::new() };
    let schedules = spec.triggers.iter().enumerate().filter_map(|(index, trigger)| {
        let error = trigger::check_schedule(&trigger.source).err()?;
        let field = format!("spec.triggers[{index}].schedule");
        Some(parsed.finding(Severity::Error, &field, error.to_string(), None))
    });
    let triggers = spec.triggers.iter().enumerate().filter_map(|(index, trigger)| {
        Some((format!("spec.triggers[{index}].condition"), trigger.condition.as_deref()?))
    });
    let steps = spec
        .steps
        .iter()
        .enumerate()
        .filter_map(|(index, step)| Some((format!("spec.steps[{index}].when"), step.when.as_deref()?)));
    let conditions = triggers.chain(steps).filter_map(|(field, expression)| {
        let error = condition::check(expression).err()?;
        Some(Finding {
            severity: Severity::Error,
            file: parsed.file.clone(),
            position: Some(parsed.spans.value(&field)),
            field,
            message: error.to_string(),
            hint: Some("conditions are CEL expressions, such as `version.files >= 2`".to_owned()),
        })
    });
    schedules.chain(conditions).collect()
}

/// Warns of a dataset whose folder is not there and that no pipeline writes: a slip of the pen, or data to come.
fn missing_folder(one: &Parsed, all: &[Parsed]) -> Option<Finding> {
    let Spec::Dataset(spec) = &one.manifest.spec else { return None };
    let folder = base_of(&one.file).join(spec.uri.strip_prefix("file://").unwrap_or(&spec.uri));
    let is_written = all.iter().any(|other| match &other.manifest.spec {
        Spec::Pipeline(pipeline) => pipeline.steps.iter().any(|step| step.writes.contains(&one.manifest.name)),
        Spec::Project(_)
        | Spec::Environment(_)
        | Spec::JobTemplate(_)
        | Spec::Dataset(_)
        | Spec::Model(_)
        | Spec::Endpoint(_)
        | Spec::Monitor(_) => false,
    });
    if folder.is_dir() || spec.uri.contains("://") && !spec.uri.starts_with("file://") || is_written {
        return None;
    }
    let field = "spec.uri".to_owned();
    Some(Finding {
        severity: Severity::Warning,
        file: one.file.clone(),
        position: Some(one.spans.value(&field)),
        field,
        message: format!("there is no folder {} yet", folder.display()),
        hint: Some("files are noticed once it is there".to_owned()),
    })
}

/// Finds out what the relative paths of a manifest mean. The error is a field and a message.
fn resolve(
    manifest: &Manifest,
    base: &Path,
    content: &mut BTreeMap<Digest, Content>,
) -> Result<Resolved, (String, String)> {
    let mut resolved = Resolved { base: base.display().to_string(), ..Resolved::default() };
    if let Spec::Dataset(spec) = &manifest.spec {
        windlass_data::check_include(&spec.include)
            .map_err(|error| (format!("spec.include[{}]", error.index), error.to_string()))?;
    }
    let Spec::Pipeline(spec) = &manifest.spec else { return Ok(resolved) };
    if let Some(code) = &spec.code {
        let folder = base.join(code);
        let field = || "spec.code".to_owned();
        if !folder.is_dir() {
            return Err((field(), format!("there is no folder {}", folder.display())));
        }
        let tree = code_tree(&folder, content).map_err(|message| (field(), message))?;
        let digest = tree.digest();
        content.insert(digest.clone(), Content::Bytes(tree.to_bytes()));
        resolved.code = Some(digest);
    }
    for (index, step) in spec.steps.iter().enumerate() {
        let Some(PythonSpec { requirements: Some(path), .. }) = &step.settings.python else { continue };
        if resolved.requirements.contains_key(path) {
            continue;
        }
        let field = || format!("spec.steps[{index}].python.requirements");
        let file = base.join(path);
        let text = read_requirements(&file).map_err(|message| (field(), message))?;
        resolved.requirements.insert(path.clone(), text);
    }
    Ok(resolved)
}

fn read_requirements(file: &Path) -> Result<String, String> {
    const CAP: u64 = 1 << 20;
    let mut bytes = Vec::new();
    fs::File::open(file)
        .and_then(|opened| opened.take(CAP + 1).read_to_end(&mut bytes))
        .map_err(|error| format!("failed to read {}: {error}", file.display()))?;
    if bytes.len() as u64 > CAP {
        return Err(format!("{} has more than {CAP} bytes; a requirements file is text", file.display()));
    }
    String::from_utf8(bytes).map_err(|_| format!("{} is not UTF-8 text", file.display()))
}

/// Lists a code folder: no hidden files, no `__pycache__`, nothing that is not a plain file.
fn code_tree(folder: &Path, content: &mut BTreeMap<Digest, Content>) -> Result<Tree, String> {
    let mut files = Vec::new();
    let mut total = 0;
    code_files(folder, folder, &mut files, content, &mut total)?;
    files.sort();
    Ok(Tree { files })
}

fn code_files(
    root: &Path,
    folder: &Path,
    files: &mut Vec<TreeFile>,
    content: &mut BTreeMap<Digest, Content>,
    total: &mut u64,
) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt;
    let failed = |path: &Path, error: std::io::Error| format!("failed to read {}: {error}", path.display());
    for entry in fs::read_dir(folder).map_err(|error| failed(folder, error))? {
        let entry = entry.map_err(|error| failed(folder, error))?;
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') || name == "__pycache__" {
            continue;
        }
        let metadata = fs::symlink_metadata(&path).map_err(|error| failed(&path, error))?;
        if metadata.is_dir() {
            code_files(root, &path, files, content, total)?;
            continue;
        }
        if !metadata.is_file() {
            return Err(format!("{} is neither a file nor a folder; code folders hold plain files", path.display()));
        }
        *total += metadata.len();
        if *total > CODE_CAP || files.len() >= CODE_FILES {
            return Err(format!(
                "the code folder {} holds more than {} MiB or {CODE_FILES} files; data belongs into datasets",
                root.display(),
                CODE_CAP >> 20
            ));
        }
        let bytes = fs::read(&path).map_err(|error| failed(&path, error))?;
        let digest = Digest::sha256(&bytes);
        let relative = path.strip_prefix(root).expect("walked from root").to_string_lossy().into_owned();
        files.push(TreeFile {
            path: relative,
            digest: digest.clone(),
            size: bytes.len() as u64,
            executable: metadata.permissions().mode() & 0o111 != 0,
        });
        content.insert(digest, Content::File(path));
    }
    Ok(())
}
