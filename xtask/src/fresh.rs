//! `cargo xtask fresh`: the README's commands, in a Debian that has nothing but what the README names.
//!
//! A minimal Debian (by debootstrap), this machine's Rust toolchain mounted read-only, the packages of the README's
//! `apt-get install` line, the committed state of this repository. The commands are read from the README, so that what
//! is tried is what is written there. Mounts live in a namespace of their own and end with it.

use std::{
    fs,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};

use crate::{machine, shell};

/// The longest the first command may take until everything is idle.
const UP_MAX: Duration = Duration::from_secs(5400);
/// What `up` says when there is nothing left to do.
const IDLE: &str = "Ctrl-C stops";
/// How this machine reaches the registries; nothing else of our environment goes in.
const NETWORK: &[&str] = &[
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "CARGO_HTTP_CAINFO",
    "PIP_CERT",
    "PIP_INDEX_URL",
    "UV_INDEX_URL",
    "UV_DEFAULT_INDEX",
];

/// Tries both commands, or the ones named.
pub(crate) fn run(tasks: &[&str]) -> Result<()> {
    if let Some(unknown) = tasks.iter().find(|task| !["up", "test"].contains(task)) {
        bail!("there is no command `{unknown}` to try; there are up and test");
    }
    ensure!(machine::is_root(), "a fresh Debian needs root: sudo -E env PATH=\"$PATH\" cargo xtask fresh");
    if !shell::on_path("debootstrap") {
        machine::install(&["debootstrap"], "a fresh Debian is made by debootstrap")?;
    }
    let readme = Readme::read(&shell::root())?;
    let debian = Debian::make(&readme)?;
    let wanted = |task: &str| tasks.is_empty() || tasks.contains(&task);
    if wanted("up") {
        debian.up(&readme.up)?;
    }
    if wanted("test") {
        let begun = Instant::now();
        shell::show(&mut debian.command(&readme.test))?;
        println!("`{}` is through after {} s", readme.test, begun.elapsed().as_secs());
    }
    Ok(())
}

/// What the README tells a newcomer to type.
struct Readme {
    packages: Vec<String>,
    up: String,
    test: String,
}

impl Readme {
    fn read(root: &Path) -> Result<Self> {
        Self::parse(&fs::read_to_string(root.join("README.md")).context("failed to read README.md")?)
    }

    fn parse(text: &str) -> Result<Self> {
        let find = |start: &str| {
            let line = text.lines().map(str::trim).find(|line| line.starts_with(start));
            let line = line.with_context(|| format!("README.md has no line that starts with `{start}`"))?;
            Ok::<_, anyhow::Error>(line.split('#').next().unwrap_or_default().trim().to_owned())
        };
        const INSTALL: &str = "sudo apt-get install ";
        let packages = find(INSTALL)?[INSTALL.len()..].split_whitespace().map(str::to_owned).collect();
        Ok(Self { packages, up: find("cargo run --release -- up")?, test: find("cargo xtask test")? })
    }
}

/// A fresh Debian in a folder.
struct Debian {
    root: PathBuf,
    toolchain: PathBuf,
}

impl Debian {
    fn make(readme: &Readme) -> Result<Self> {
        let root = shell::root().join("target/fresh");
        if root.exists() {
            fs::remove_dir_all(&root).context("failed to remove the Debian of before")?;
        }
        println!("making a Debian in {}", root.display());
        let mut make = Command::new("debootstrap");
        make.args(["--variant=minbase", "bookworm"]).arg(&root).arg("http://deb.debian.org/debian");
        shell::read(&mut make)?;
        fs::create_dir_all(root.join("opt/rust"))?;
        let toolchain = shell::read(Command::new("rustc").args(["--print", "sysroot"]).current_dir(shell::root()))?;
        let debian = Self { root, toolchain: PathBuf::from(toolchain.trim()) };
        fs::copy("/etc/resolv.conf", debian.root.join("etc/resolv.conf")).context("failed to copy resolv.conf")?;
        let install = format!("apt-get -qq update && apt-get -qq install -y {}", readme.packages.join(" "));
        shell::read(debian.command(&install).env("DEBIAN_FRONTEND", "noninteractive"))?;
        debian.trust_what_we_trust()?;
        debian.unpack()?;
        Ok(debian)
    }

    /// A company's own authority, where this machine has one, is the network's matter and not the README's.
    fn trust_what_we_trust(&self) -> Result<()> {
        let bundle = "etc/ssl/certs/ca-certificates.crt";
        let ours = Path::new("/").join(bundle);
        if ours.exists() && self.root.join(bundle).exists() {
            fs::copy(ours, self.root.join(bundle)).context("failed to copy the certificates")?;
        }
        Ok(())
    }

    /// Lays out the committed state of the repository.
    fn unpack(&self) -> Result<()> {
        let source = self.root.join("root/windlass");
        fs::create_dir_all(&source)?;
        let mut archive =
            Command::new("git").args(["archive", "HEAD"]).current_dir(shell::root()).stdout(Stdio::piped()).spawn()?;
        let pipe = archive.stdout.take().context("git archive has no output")?;
        shell::show(Command::new("tar").args(["-x", "-C"]).arg(&source).stdin(pipe))?;
        ensure!(archive.wait()?.success(), "git archive failed");
        Ok(())
    }

    /// Returns a command that runs a line of shell inside, in the repository where it is there.
    fn command(&self, line: &str) -> Command {
        const ENTER: &str = r#"
            mount -t proc proc "$1/proc" && mount --rbind /sys "$1/sys" && mount --rbind /dev "$1/dev" &&
            mount --bind "$2" "$1/opt/rust" && mount -o remount,ro,bind "$1/opt/rust" &&
            exec chroot "$1" /bin/sh -c 'cd /root/windlass 2>/dev/null || cd /; eval "exec $0"' "$3"
        "#;
        // `exec` keeps the process id for whoever wants to interrupt; lists of commands need a shell to stay.
        let line = if line.contains("&&") { format!("sh -c '{line}'") } else { line.to_owned() };
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c", ENTER, "sh"]);
        command.arg(&self.root).arg(&self.toolchain).arg(line);
        command.env_clear();
        for name in NETWORK {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        let path = "/opt/rust/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        command.env("PATH", path).env("HOME", "/root").env("LANG", "C.UTF-8");
        command
    }

    /// Runs `up` until everything is idle, then interrupts it as Ctrl-C does.
    fn up(&self, line: &str) -> Result<()> {
        let begun = Instant::now();
        let log = self.root.join("root/up.log");
        let file = fs::File::create(&log)?;
        let mut command = self.command(line);
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).process_group(0);
        let mut child = command.spawn().context("failed to start")?;
        let outcome = wait_for_idle(&mut child, &log, begun);
        shell::read(Command::new("sh").args(["-c", &format!("kill -INT -{} 2>/dev/null; true", child.id())]))?;
        let status = child.wait()?;
        println!("{}", fs::read_to_string(&log).unwrap_or_default());
        outcome?;
        ensure!(status.success(), "after Ctrl-C `{line}` ended with {status}");
        println!("`{line}` was idle after {} s, and Ctrl-C stopped it", begun.elapsed().as_secs());
        Ok(())
    }
}

fn wait_for_idle(child: &mut Child, log: &Path, begun: Instant) -> Result<()> {
    while begun.elapsed() < UP_MAX {
        if fs::read_to_string(log).is_ok_and(|text| text.contains(IDLE)) {
            return Ok(());
        }
        if let Some(status) = child.try_wait()? {
            bail!("it ended by itself with {status}");
        }
        shell::pause(Duration::from_secs(1));
    }
    bail!("it was not idle after {} s", UP_MAX.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_names_both_commands() {
        let readme = Readme::read(&shell::root()).unwrap();
        assert_eq!(readme.up, "cargo run --release -- up examples/flights");
        assert_eq!(readme.test, "cargo xtask test");
        assert!(readme.packages.iter().any(|package| package == "python3"), "{:?}", readme.packages);
    }

    #[test]
    fn the_machine_that_watches_over_us_runs_the_same_command() {
        let readme = Readme::read(&shell::root()).unwrap();
        let script = fs::read_to_string(shell::root().join(".ci/run")).unwrap();
        assert!(script.lines().any(|line| line == format!("exec {}", readme.test)), "{script}");
    }
}
