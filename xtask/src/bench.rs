//! `cargo xtask bench`: what the product promises to be fast at.

use anyhow::{Result, bail};

/// Runs the measurements named, or all.
pub(crate) fn run(what: &[&str]) -> Result<()> {
    const KNOWN: [&str; 3] = ["start", "steps", "tracking"];
    if let Some(unknown) = what.iter().find(|name| !KNOWN.contains(name)) {
        bail!("there is no measurement `{unknown}`; there are {}", KNOWN.join(", "));
    }
    for name in KNOWN.iter().filter(|name| what.is_empty() || what.contains(name)) {
        bail!("the measurement `{name}` has not been written");
    }
    Ok(())
}
