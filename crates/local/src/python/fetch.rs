//! Fetches uv from the package index this machine uses: its wheel has the binary inside.
//!
//! The version is pinned, and so are the bytes: an index is believed to have the file, not to have the right one. Both
//! forms of the simple repository API are read (PEP 691 JSON, PEP 503 HTML), because mirrors of companies know the old
//! one only.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use windlass_kinds::{Digest, Hasher, record::PrepareFailure};
use windlass_net::{Client, NetError, Settings, Zone, header};

use super::{
    failure,
    settings::IndexSettings,
    store::{Folders, hold},
};

/// The version we fetch.
const VERSION: &str = "0.13.9";

/// The wheel's platform and SHA-256, by architecture, as the index of the Python Packaging Authority lists them.
const WHEELS: &[(&str, &str, &str)] = &[
    (
        "x86_64",
        "manylinux_2_17_x86_64.manylinux2014_x86_64",
        "sha256:d7f459fe4fd247d830351c75686d3996ace3c6f3f728eb0e85a30b7ada0cef19",
    ),
    (
        "aarch64",
        "manylinux_2_17_aarch64.manylinux2014_aarch64.musllinux_1_1_aarch64",
        "sha256:5435c5ce14a56431208ca0996416d310f1598e8c2c8ba707688985a16bb82dbe",
    ),
];

/// The largest wheel and the largest binary we take, in bytes.
const WHEEL_CAP: u64 = 128 << 20;
const BINARY_CAP: u64 = 256 << 20;
/// The largest page of an index we read, in bytes; that of uv has 3 MB.
const PAGE_CAP: u64 = 32 << 20;

/// The two forms of an index's page, the newer first.
const PAGE_KINDS: &str =
    "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1";

struct Wheel {
    name: String,
    digest: Digest,
}

/// Returns the uv of the data folder, fetching it first where it is missing.
pub(super) async fn uv(folders: &Folders, settings: &IndexSettings) -> Result<PathBuf, PrepareFailure> {
    let folder = folders.tool("uv", VERSION);
    let program = folder.join("uv");
    if program.is_file() {
        return Ok(program);
    }
    let wheel = wheel()?;
    let held = hold(&folders.fetcher("uv"), || {}).await;
    let _held = held.map_err(|error| failure::system(&format!("make `{}`", folder.display()), &error))?;
    if program.is_file() {
        return Ok(program);
    }
    let work =
        tempfile::Builder::new().prefix(".uv").tempdir_in(folders.tool("uv", VERSION).parent().unwrap_or(&folder));
    let work = work.map_err(|error| failure::system(&format!("write beside `{}`", folder.display()), &error))?;
    let packed = work.path().join("uv.whl");
    obtain(settings, &wheel, &packed).await?;
    let (from, target) = (packed, program.clone());
    tokio::task::spawn_blocking(move || unpack(&from, work.path(), &target))
        .await
        .unwrap_or_else(|error| Err(io::Error::other(error)))
        .map_err(|error| failure::system(&format!("unpack uv into `{}`", folder.display()), &error))?;
    Ok(program)
}

fn wheel() -> Result<Wheel, PrepareFailure> {
    let here = std::env::consts::ARCH;
    let known = WHEELS.iter().find(|(architecture, ..)| *architecture == here && std::env::consts::OS == "linux");
    let Some((_, platform, digest)) = known else {
        return Err(failure::lasting(format!(
            "uv is not on the path, and we know none for {} on {here}; install it (https://docs.astral.sh/uv/)",
            std::env::consts::OS
        )));
    };
    let digest = digest.parse().map_err(|error| failure::lasting(format!("our own pin of uv is wrong: {error}")))?;
    Ok(Wheel { name: format!("uv-{VERSION}-py3-none-{platform}.whl"), digest })
}

/// Looks for the wheel in one place after the other.
async fn obtain(settings: &IndexSettings, wheel: &Wheel, into: &Path) -> Result<(), PrepareFailure> {
    for place in settings.find_links.iter().filter(|place| !place.contains("://")) {
        let path = Path::new(place).join(&wheel.name);
        if path.is_file() {
            return copy(&path, into, &wheel.digest)
                .map_err(|error| failure::lasting(format!("cannot use `{}`: {error}", path.display())));
        }
    }
    let mut net = Settings::new(Zone::Operator);
    if let Some(path) = &settings.certificates {
        net.certificates = Some(
            fs::read(path)
                .map_err(|error| failure::system(&format!("read the certificates in `{}`", path.display()), &error))?,
        );
    }
    let client = Client::new(net);
    let pages = settings.find_links.iter().filter(|place| place.contains("://")).cloned();
    let indexes = settings.indexes.iter().map(|index| format!("{}/uv/", index.trim_end_matches('/')));
    let mut troubles = Vec::new();
    let mut is_passing = false;
    for page in pages.chain(indexes) {
        match from_page(&client, &page, wheel, into).await {
            Ok(true) => return Ok(()),
            Ok(false) => troubles.push(format!("{} does not have it", windlass_net::mask(&page))),
            Err(error) => {
                is_passing |= error.is_transient();
                troubles.push(chain(&error));
            }
        }
    }
    let reason = format!(
        "uv, which builds Python environments, is not on the path, and {} could not be fetched:\n{}\nwhat to do: make a \
         package index reachable (HTTPS_PROXY, `index-url` in pip.conf, UV_DEFAULT_INDEX), or install uv so that it is \
         on the path",
        wheel.name,
        if troubles.is_empty() { "no index is allowed here".to_owned() } else { troubles.join("\n") },
    );
    Err(if is_passing { failure::passing(reason) } else { failure::lasting(reason) })
}

async fn from_page(client: &Client, page: &str, wheel: &Wheel, into: &Path) -> Result<bool, NetError> {
    let response = client.get(page).accept(PAGE_KINDS).send_ok().await?;
    let base = response.url().to_owned();
    let is_json = response.header(header::CONTENT_TYPE).is_some_and(|kind| kind.contains("json"));
    let text = response.text_capped(PAGE_CAP).await?;
    let found = if is_json { link_in_json(&text, &wheel.name) } else { link_in_html(&text, &wheel.name) };
    let Some(link) = found.and_then(|link| join(&base, &link)) else { return Ok(false) };
    client.get(&link).download_to(into, WHEEL_CAP, Some(&wheel.digest)).await?;
    Ok(true)
}

#[derive(Deserialize)]
struct Page {
    files: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    filename: String,
    url: String,
}

fn link_in_json(text: &str, name: &str) -> Option<String> {
    let page: Page = serde_json::from_str(text).ok()?;
    page.files.into_iter().find(|file| file.filename == name).map(|file| file.url)
}

/// Returns the link whose last path segment is `name`.
fn link_in_html(text: &str, name: &str) -> Option<String> {
    text.split("href").skip(1).find_map(|rest| {
        let rest = rest.trim_start().strip_prefix('=')?.trim_start();
        let quote = rest.chars().next().filter(|character| matches!(character, '"' | '\''))?;
        let link = rest[1..].split(quote).next()?.replace("&amp;", "&");
        let path = link.split(['#', '?']).next()?;
        (path.rsplit('/').next()? == name).then(|| link.split('#').next().unwrap_or_default().to_owned())
    })
}

/// Resolves a link against the page it stands on, keeping the page's credentials on its own server.
fn join(base: &str, link: &str) -> Option<String> {
    if link.contains("://") {
        return Some(link.to_owned());
    }
    let (scheme, rest) = base.split_once("://")?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    if let Some(elsewhere) = link.strip_prefix("//") {
        return Some(format!("{scheme}://{elsewhere}"));
    }
    if link.starts_with('/') {
        return Some(format!("{scheme}://{authority}{link}"));
    }
    let path = path.split(['?', '#']).next()?;
    let mut parts: Vec<&str> = path.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            ".." => {
                parts.pop();
            }
            "." => {}
            part => parts.push(part),
        }
    }
    Some(format!("{scheme}://{authority}/{}", parts.join("/")))
}

fn copy(from: &Path, into: &Path, expected: &Digest) -> io::Result<()> {
    let bytes = fs::read(from)?;
    let mut hasher = Hasher::new();
    hasher.update(&bytes);
    let found = hasher.finish();
    if found != *expected {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("it has the digest {found}, not {expected}")));
    }
    fs::write(into, bytes)
}

/// Takes the binary out of the wheel and moves it to its place.
fn unpack(wheel: &Path, work: &Path, program: &Path) -> io::Result<()> {
    let mut archive = zip::ZipArchive::new(File::open(wheel)?).map_err(io::Error::other)?;
    let mut entry = archive.by_name(&format!("uv-{VERSION}.data/scripts/uv")).map_err(io::Error::other)?;
    if entry.size() > BINARY_CAP {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the binary in it is absurdly large"));
    }
    let unpacked = work.join("uv");
    let mut file = File::create(&unpacked)?;
    io::copy(&mut io::Read::take(&mut entry, BINARY_CAP), &mut file)?;
    file.set_permissions(fs::Permissions::from_mode(0o755))?;
    file.sync_all()?;
    // Closed before it is run: a file that is open for writing cannot be executed.
    drop(file);
    if let Some(folder) = program.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::rename(unpacked, program)
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_found_in_both_forms() {
        let html =
            r#"<a href="../../packages/uv-1.whl#sha256=00">uv-1.whl</a> <a href = '/p/uv-2.whl?a=1&amp;b=2#x'>x</a>"#;
        assert_eq!(link_in_html(html, "uv-1.whl").unwrap(), "../../packages/uv-1.whl");
        assert_eq!(link_in_html(html, "uv-2.whl").unwrap(), "/p/uv-2.whl?a=1&b=2");
        assert_eq!(link_in_html(html, "uv-3.whl"), None);
        let json = r#"{"files":[{"filename":"uv-1.whl","url":"https://f/uv-1.whl","hashes":{}}],"meta":{}}"#;
        assert_eq!(link_in_json(json, "uv-1.whl").unwrap(), "https://f/uv-1.whl");
    }

    #[test]
    fn links_are_resolved_against_their_page() {
        let base = "https://u:p@host/root/simple/uv/?x";
        for (link, expected) in [
            ("https://else/where", "https://else/where"),
            ("//else/where", "https://else/where"),
            ("/a/b", "https://u:p@host/a/b"),
            ("../../packages/a", "https://u:p@host/root/packages/a"),
            ("a", "https://u:p@host/root/simple/uv/a"),
        ] {
            assert_eq!(join(base, link).unwrap(), expected, "{link}");
        }
    }

    #[test]
    fn the_pins_are_digests() {
        for (architecture, platform, digest) in WHEELS {
            assert!(platform.contains(architecture));
            digest.parse::<Digest>().unwrap();
        }
    }
}
