//! What this machine is and lets us do.

use std::{os::unix::fs::MetadataExt as _, process::Command};

use anyhow::{Result, bail};

use crate::shell;

/// Returns whether we are root.
pub(crate) fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// Installs Debian packages, as root or by a sudo that asks for no password; else says what a person has to type.
pub(crate) fn install(packages: &[&str], reason: &str) -> Result<()> {
    let by_hand = format!("sudo apt-get install {}", packages.join(" "));
    if !shell::on_path("apt-get") {
        bail!("{reason}: install what Debian calls {}", packages.join(" "));
    }
    let prefix: &[&str] = if is_root() {
        &[]
    } else if may_sudo() {
        &["sudo", "-n"]
    } else {
        bail!("{reason}: {by_hand}");
    };
    println!("{reason}: installing {}", packages.join(" "));
    let environment = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "-o", "Dpkg::Use-Pty=0"];
    let run = |arguments: &[&str]| {
        let all: Vec<&str> = prefix.iter().chain(&environment).chain(arguments).copied().collect();
        let (program, rest) = all.split_first().expect("the words above are there");
        shell::read(Command::new(program).args(rest))
    };
    let install: Vec<&str> = ["install", "-y", "--no-install-recommends"].iter().chain(packages).copied().collect();
    // The lists of a fresh machine are empty or old: fetch them only when they are needed.
    if run(&install).is_err() {
        run(&["update"])?;
        run(&install)?;
    }
    Ok(())
}

fn may_sudo() -> bool {
    shell::on_path("sudo") && shell::read(Command::new("sudo").args(["-n", "true"])).is_ok()
}
