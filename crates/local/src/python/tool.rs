//! Finds uv: on the path, in the data folder, or in a package index.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use windlass_kinds::record::PrepareFailure;

use super::{failure, fetch, settings::IndexSettings, store::Folders, uv::Uv};

/// The oldest uv whose `pip compile`, `pip sync` and `python find` behave as we need.
const OLDEST: [u32; 3] = [0, 5, 0];

/// Returns a uv that works, fetching it where it is nowhere.
pub(super) async fn find(
    folders: &Folders,
    host: &BTreeMap<String, String>,
    settings: &IndexSettings,
) -> Result<Uv, PrepareFailure> {
    let mut variables = settings.environment(host);
    if ["HOME", "XDG_CACHE_HOME", "UV_CACHE_DIR"].iter().all(|name| !variables.contains_key(*name)) {
        variables.insert("UV_CACHE_DIR".to_owned(), folders.cache().display().to_string());
    }
    let secrets = settings.secrets(host);
    let uv = |program: PathBuf| Uv::new(program, String::new(), variables.clone(), secrets.clone());

    let mut too_old = None;
    if let Some(program) = on_path(host) {
        match version(&uv(program.clone())).await {
            Some((version, numbers)) if numbers >= OLDEST => {
                return Ok(Uv::new(program, version, variables, secrets));
            }
            Some((version, _)) => too_old = Some(version),
            None => {}
        }
    }
    let program = fetch::uv(folders, settings).await.map_err(|mut failure| {
        if let Some(version) = too_old {
            failure.reason.push_str(&format!("\nthe uv on the path, {version}, is too old: it needs 0.5.0 or newer"));
        }
        failure
    })?;
    match version(&uv(program.clone())).await {
        Some((version, _)) => Ok(Uv::new(program, version, variables, secrets)),
        None => Err(failure::lasting(format!(
            "`{}` does not run here; install uv so that it is on the path (https://docs.astral.sh/uv/)",
            program.display()
        ))),
    }
}

fn on_path(host: &BTreeMap<String, String>) -> Option<PathBuf> {
    std::env::split_paths(host.get("PATH")?).filter(|folder| folder.is_absolute()).map(|folder| folder.join("uv")).find(
        |path| {
            fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
        },
    )
}

/// Returns what a uv calls itself: `uv 0.13.9 (…)`.
async fn version(uv: &Uv) -> Option<(String, [u32; 3])> {
    let outcome =
        uv.run(&["--version"], Path::new("/"), None, &|_| {}).await.ok().filter(|outcome| outcome.is_success)?;
    let text = outcome.output.split_whitespace().nth(1)?.to_owned();
    let numbers = parse_version(&text)?;
    Some((text, numbers))
}

fn parse_version(text: &str) -> Option<[u32; 3]> {
    let digits = |part: &str| part.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok();
    let mut parts = text.splitn(3, '.').map(digits);
    Some([parts.next()??, parts.next()??, parts.next()??])
}

#[cfg(test)]
mod tests {
    use super::parse_version;

    #[test]
    fn versions_are_numbers() {
        assert_eq!(parse_version("0.13.9"), Some([0, 13, 9]));
        assert_eq!(parse_version("0.5.0rc1"), Some([0, 5, 0]));
        assert_eq!(parse_version("nonsense"), None);
        assert!(parse_version("0.13.9") > parse_version("0.5.0"));
    }
}
