//! What the tests need beyond Rust, a C compiler and Python 3, set up once.
//!
//! Everything of ours lands under `target/`; only Debian packages go elsewhere. A second time finds all in place and
//! takes no time.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use crate::{machine, shell};

/// Sets up everything.
pub(crate) fn run() -> Result<()> {
    components()?;
    postgres()?;
    browser()?;
    axe()?;
    let environment = python()?;
    println!("Python environment of the tests: {}", environment.display());
    Ok(())
}

/// Returns the folder of the Python environment that the end-to-end tests run in.
pub(crate) fn environment() -> PathBuf {
    shell::root().join("target/test-venv")
}

/// rustfmt and clippy, which a minimal toolchain lacks.
fn components() -> Result<()> {
    let there = |tool: &str| shell::read(shell::cargo().args([tool, "--version"])).is_ok();
    let missing: Vec<&str> = [("fmt", "rustfmt"), ("clippy", "clippy")]
        .into_iter()
        .filter_map(|(tool, component)| (!there(tool)).then_some(component))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !shell::on_path("rustup") {
        bail!("the toolchain lacks {}; add them as its packager says", missing.join(" and "));
    }
    println!("adding {} to the toolchain", missing.join(" and "));
    shell::show(Command::new("rustup").args(["component", "add"]).args(missing).current_dir(shell::root()))
}

/// Debian's PostgreSQL server, which the tests start themselves, on a socket of its own.
fn postgres() -> Result<()> {
    let there = fs::read_dir("/usr/lib/postgresql").is_ok_and(|mut versions| {
        versions.any(|version| version.is_ok_and(|it| it.path().join("bin/initdb").exists()))
    });
    if there {
        return Ok(());
    }
    // A cluster of the machine's own would be started by the package; nobody wants it.
    machine::install(&["postgresql"], "the suite of the store runs on PostgreSQL too")
}

/// Chromium, in which the tests look at the page.
fn browser() -> Result<()> {
    let there =
        ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"].into_iter().any(shell::on_path);
    if there {
        return Ok(());
    }
    machine::install(&["chromium", "fonts-dejavu-core"], "the page is looked at in a headless browser")
}

/// The version of axe-core that judges how accessible the pages are.
const AXE: &str = "4.14.1";

/// axe-core, which the tests run inside the pages; nothing of it is shipped.
fn axe() -> Result<()> {
    let folder = shell::root().join("target/axe");
    let manifest = fs::read_to_string(folder.join("node_modules/axe-core/package.json")).unwrap_or_default();
    if manifest.contains(&format!("\"version\": \"{AXE}\"")) {
        return Ok(());
    }
    if !shell::on_path("npm") {
        machine::install(&["npm"], "axe-core, which judges the pages, comes by npm")?;
    }
    fs::create_dir_all(&folder).context("failed to make the folder of axe-core")?;
    let wanted = format!("axe-core@{AXE}");
    let words = ["install", "--silent", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix"];
    shell::show(Command::new("npm").args(words).arg(&folder).arg(wanted))
}

/// The environment with the unmodified client and what its models need.
fn python() -> Result<PathBuf> {
    let environment = environment();
    let wanted = wanted()?;
    let stamp = environment.join("requirements.txt");
    if fs::read_to_string(&stamp).is_ok_and(|built| built == wanted) {
        return Ok(environment);
    }
    println!("building the Python environment of the tests (a few hundred MB, once)");
    if environment.exists() {
        fs::remove_dir_all(&environment).context("failed to remove the Python environment of before")?;
    }
    fs::create_dir_all(shell::root().join("target"))?;
    make(&environment)?;
    let list = shell::root().join("tests/requirements.txt");
    let python = environment.join("bin/python");
    if shell::on_path("uv") {
        shell::show(
            Command::new("uv").args(["pip", "install", "--quiet", "--python"]).arg(&python).arg("-r").arg(&list),
        )?;
    } else {
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"];
        shell::show(Command::new(&python).args(pip).arg(&list))?;
    }
    // Last, so that a build that was cut short is begun anew.
    fs::write(stamp, wanted)?;
    Ok(environment)
}

/// Returns the text of all requirement files, for noticing a change.
fn wanted() -> Result<String> {
    let mut text = String::new();
    for file in ["tests/requirements.txt", "examples/flights/requirements.txt"] {
        text += &fs::read_to_string(shell::root().join(file)).with_context(|| format!("failed to read {file}"))?;
    }
    Ok(text)
}

fn make(environment: &Path) -> Result<()> {
    if shell::on_path("uv") {
        return shell::show(Command::new("uv").args(["venv", "--quiet"]).arg(environment));
    }
    if !shell::on_path("python3") {
        bail!("there is no python3: sudo apt-get install python3");
    }
    // Debian's python3 lacks ensurepip until this package is there.
    let complete = shell::read(Command::new("python3").args(["-c", "import ensurepip, venv"])).is_ok();
    if !complete {
        machine::install(&["python3-venv"], "Debian's Python makes no environments by itself")?;
    }
    shell::show(Command::new("python3").args(["-m", "venv"]).arg(environment))
}
