//! `cargo xtask pictures`: takes the README's pictures of tracking anew, from a server that a test lays runs into.

use std::{fs, process::Command};

use anyhow::{Context as _, Result};

use crate::{setup, shell};

/// Which pictures the README shows, by their names without ending.
const SHOWN: [&str; 3] = ["runs", "run", "compare"];

/// Takes them, with the release binary, or the one that `WINDLASS_BIN` names.
pub(crate) fn run() -> Result<()> {
    let root = shell::root();
    let binary = std::env::var_os("WINDLASS_BIN").map_or_else(|| root.join("target/release/windlass"), Into::into);
    let words = ["-m", "pytest", "-q", "tests/test_page_tracking.py", "-k", "pictures_of_the_readme"];
    let python = setup::environment().join("bin/python");
    shell::show(Command::new(python).args(words).current_dir(&root).env("WINDLASS_BIN", binary))?;
    for name in SHOWN {
        let (from, to) = (format!("target/pictures/readme-{name}.png"), format!("docs/pictures/{name}.png"));
        fs::copy(root.join(&from), root.join(&to)).with_context(|| format!("failed to copy {from} to {to}"))?;
    }
    Ok(())
}
