//! `cargo xtask crash writers`: kills the server again and again while eight MLflow clients write, and asks each client
//! afterwards whether everything that it was told is there, once.
//!
//! The clients are MLflow's own and so in Python; what they write and ask is in `tests/writers.py`.

use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use super::binary;
use crate::{setup, shell};

/// The databases it runs on where none is named.
const DATABASES: [&str; 2] = ["sqlite", "postgres"];

/// Runs it: `--kills N` on each database, `--database NAME` for one, `--seed S` to repeat.
pub(super) fn run(options: &[&str]) -> Result<()> {
    let (mut kills, mut seed, mut databases) = ("10", None, DATABASES.to_vec());
    let mut rest = options.iter();
    while let Some(option) = rest.next() {
        let value = *rest.next().with_context(|| format!("{option} wants a value"))?;
        match *option {
            "--kills" => kills = value,
            "--seed" => seed = Some(value),
            "--database" if DATABASES.contains(&value) => databases = vec![value],
            "--database" => bail!("there is no database {value}; there are {}", DATABASES.join(" and ")),
            other => bail!("there is no option {other}; there are --kills N, --database NAME and --seed S"),
        }
    }
    let python = setup::environment().join("bin/python");
    ensure!(python.exists(), "there is no {}; cargo xtask test set-up", python.display());
    for database in databases {
        let mut command = Command::new(&python);
        command.arg(shell::root().join("tests/writers.py")).env("WINDLASS_BIN", binary()?);
        command.args(["--kills", kills, "--database", database]);
        command.arg("--folder").arg(shell::root().join("target/writers").join(database));
        if let Some(seed) = seed {
            command.args(["--seed", seed]);
        }
        shell::show(&mut command)?;
    }
    Ok(())
}
