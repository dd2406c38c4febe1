//! `cargo xtask crash`: kills processes at random moments and demands that the end is as if nothing had happened.
//!
//! A shortened copy of the example runs once undisturbed; then again and again, with `kill -9` for the server, for a
//! shim, for a step, for a model server, or for all at once, until enough were killed. Each time the canonical export must be the same.
//! All rounds lie in the same folder, one after the other, so that not even a path differs. With `writers` the server alone
//! is killed, under clients that write.

mod prey;
mod writers;

use std::{
    fs,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context as _, Result, bail, ensure};

use self::prey::{Prey, Target};
use crate::shell;

/// The longest time between two kills; the shortest is next to none.
const PAUSE_MAX: Duration = Duration::from_secs(6);
/// How long one round may take before it counts as stuck.
const ROUND_MAX: Duration = Duration::from_secs(1800);

/// Runs the crash test.
pub(crate) fn run(options: &[&str]) -> Result<()> {
    if let ["writers", options @ ..] = options {
        return writers::run(options);
    }
    let (kills, seed) = parse(options)?;
    let binary = binary()?;
    let folder = shell::root().join("target/crash");
    if folder.exists() {
        fs::remove_dir_all(&folder).context("failed to remove what an earlier crash test left")?;
    }
    fs::create_dir_all(&folder)?;
    println!("{kills} kills, seed {seed} (repeat with --seed {seed})");
    let mut random = Random(seed.max(1));
    // One address for all of it: a step that outlives its server must find the next one where it found the first.
    let address = free_address()?;

    let place = Place::fresh(&binary, &folder, &address)?;
    let calm = place.undisturbed()?;
    fs::write(folder.join("calm.txt"), &calm)?;
    println!("the undisturbed run is done");
    let mut done = 0;
    let mut round = 0;
    while done < kills {
        round += 1;
        let place = Place::fresh(&binary, &folder, &address)?;
        let here = place.disturbed(&mut random, kills - done)?;
        done += here;
        let after = place.export()?;
        println!("round {round}: {here} kills, {done} of {kills} in all");
        if after != calm {
            let file = folder.join("after.txt");
            fs::write(&file, &after)?;
            let first = calm.lines().zip(after.lines()).position(|(one, other)| one != other);
            let line = first.unwrap_or_else(|| calm.lines().count().min(after.lines().count())) + 1;
            bail!(
                "the states differ from line {line} on: diff {} {}",
                folder.join("calm.txt").display(),
                file.display()
            );
        }
    }
    println!("{done} kills in {round} rounds; each round ended as the undisturbed run did");
    Ok(())
}

fn parse(options: &[&str]) -> Result<(u32, u64)> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(1, |since| since.as_secs());
    let (mut kills, mut seed) = (10, now);
    let mut rest = options.iter();
    while let Some(option) = rest.next() {
        let value = rest.next().with_context(|| format!("{option} wants a number"))?;
        match *option {
            "--kills" => kills = value.parse().context("--kills wants a number")?,
            "--seed" => seed = value.parse().context("--seed wants a number")?,
            other => bail!("there is no option {other}; there are --kills N and --seed S"),
        }
    }
    Ok((kills, seed))
}

/// Returns the binary under test.
fn binary() -> Result<PathBuf> {
    let named = std::env::var_os("WINDLASS_BIN").map(PathBuf::from);
    let binary = named.unwrap_or_else(|| shell::root().join("target/release/windlass"));
    ensure!(binary.exists(), "there is no {}; cargo build --release", binary.display());
    Ok(fs::canonicalize(binary)?)
}

/// Returns an address on this machine that nobody uses.
fn free_address() -> Result<String> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").context("failed to find a free port")?;
    Ok(listener.local_addr()?.to_string())
}

/// A folder with a shortened example and a data folder.
struct Place<'a> {
    binary: &'a Path,
    folder: PathBuf,
    address: &'a str,
}

impl<'a> Place<'a> {
    fn fresh(binary: &'a Path, parent: &Path, address: &'a str) -> Result<Self> {
        let folder = parent.join("work");
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir(&folder)?;
        let script = shell::root().join("tests/shorten.py");
        shell::read(Command::new("python3").arg(script).args(["--retries", "1000"]).arg(folder.join("flights")))?;
        Ok(Self { binary, folder, address })
    }

    fn data(&self) -> PathBuf {
        self.folder.join(".windlass")
    }

    fn up(&self) -> Result<Child> {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.folder.join("up.log"))?;
        let mut command = Command::new(self.binary);
        command.args(["up", "flights", "--until-idle", "--listen", self.address, "--data-dir"]).arg(self.data());
        command.current_dir(&self.folder).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        command.spawn().context("failed to start the server")
    }

    fn undisturbed(&self) -> Result<String> {
        let status = self.up()?.wait()?;
        ensure!(status.success(), "the undisturbed run ended with {status}; see {}/up.log", self.folder.display());
        self.export()
    }

    /// Works to the end under kills, at most `kills` of them; returns how many there were.
    fn disturbed(&self, random: &mut Random, kills: u32) -> Result<u32> {
        let begun = Instant::now();
        let mut done = 0;
        let mut server = self.up()?;
        loop {
            let pause = if done < kills { random.span(PAUSE_MAX) } else { ROUND_MAX };
            match wait(&mut server, pause.min(ROUND_MAX.saturating_sub(begun.elapsed())))? {
                Some(status) if status.success() => break,
                Some(status) if status.signal() == Some(9) => server = self.up()?,
                Some(status) => bail!("the server ended with {status}; see {}/up.log", self.folder.display()),
                None if begun.elapsed() >= ROUND_MAX => {
                    Target::All.kill(&Prey::find(server.id(), &self.data()), random)?;
                    server.wait()?;
                    bail!("after {ROUND_MAX:?} the work was not done; see {}/up.log", self.folder.display());
                }
                None => {
                    let target = Target::choose(random);
                    if target.kill(&Prey::find(server.id(), &self.data()), random)? {
                        done += 1;
                        println!("  {:6.1} s: killed {target}", begun.elapsed().as_secs_f64());
                    }
                }
            }
        }
        let left = Prey::find(server.id(), &self.data()).shims;
        ensure!(left.is_empty(), "step runners were left behind: processes {left:?}");
        Ok(done)
    }

    fn export(&self) -> Result<String> {
        let mut export = Command::new(self.binary);
        export.args(["export", "--canonical", "--data-dir"]).arg(self.data()).current_dir(&self.folder);
        shell::read(&mut export)
    }
}

/// Waits for a process's end, for so long.
fn wait(child: &mut Child, limit: Duration) -> Result<Option<std::process::ExitStatus>> {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        let left = limit.saturating_sub(begun.elapsed());
        if left.is_zero() {
            return Ok(None);
        }
        shell::pause(left.min(Duration::from_millis(20)));
    }
}

/// A small generator (xorshift64): a seed gives the same kills again, as far as the machine does.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Returns a number below `limit`, which is not zero.
    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap_or(0)
    }

    fn span(&mut self, longest: Duration) -> Duration {
        longest.mul_f64((self.next() % 10_000) as f64 / 10_000.0)
    }
}
