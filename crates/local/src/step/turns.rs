//! One shim for one attempt after another, so that not every step pays for the start of this program.
//!
//! Standard input is a socket to the server. On it comes a line with the name of an attempt's folder; when that
//! attempt is over, its result written and its lock released, [`READY`] goes back, and the next line may come. The shim
//! waits for the next one only where the last left it as good as new; anything odd, a signal, or the end of the line
//! (the server let go of us, or is gone) and it exits. An attempt never notices that the server went: the shim finds
//! that out when it is over.
//!
//! Nothing of an attempt stays: what a step needs comes with its job, its processes are gone before the next, and its
//! log is not written to any more.

use std::{
    env,
    fs::{File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::{fd::AsFd as _, unix::net::UnixStream},
    path::{Component, Path},
    process::ExitCode,
};

use rustix::event::{PollFd, PollFlags};

use super::{Outcome, Runner, StepError, exit_code, signals::Signals};
use crate::layout::AttemptFolder;

/// What says that an attempt is over and that the next may come.
pub const READY: u8 = b'\n';

/// The longest line that is read, in bytes: more than the name of a file may have.
const LONGEST: usize = 1024;

/// Runs the attempts below `attempts` that standard input names, one after another.
pub fn turns_main(attempts: &Path) -> ExitCode {
    exit_code(turns(attempts))
}

fn turns(attempts: &Path) -> Result<Outcome, StepError> {
    let runner = Runner::begin()?;
    let mut line = UnixStream::from(io::stdin().as_fd().try_clone_to_owned().map_err(StepError::Line)?);
    let nowhere = OpenOptions::new().write(true).open("/dev/null").map_err(StepError::Line)?;
    while let Some(name) = next(&mut line, &runner.signals).map_err(StepError::Line)? {
        let folder = folder(attempts, &name).ok_or(StepError::Folder(name))?;
        // Whoever looks for what is left of an attempt knows by this what we are about to start; see `shim::outcome`.
        let _ = enter(folder.path());
        let outcome = runner.step(&folder)?;
        leave(&nowhere).map_err(StepError::Line)?;
        // It fails where the server is gone, and then nobody waits for us.
        if outcome == Outcome::Odd || line.write_all(&[READY]).is_err() {
            break;
        }
    }
    Ok(Outcome::Good)
}

/// Lets go of the last attempt's log and folder.
fn leave(nowhere: &File) -> io::Result<()> {
    rustix::stdio::dup2_stderr(nowhere)?;
    enter(Path::new("/"))
}

#[expect(clippy::disallowed_methods, reason = "this process has one thread, and its folder says what it is at")]
fn enter(folder: &Path) -> io::Result<()> {
    env::set_current_dir(folder)
}

/// Waits for the name of the next attempt; `None` where none will come.
fn next(line: &mut UnixStream, signals: &Signals) -> io::Result<Option<String>> {
    let mut name = Vec::new();
    let mut buffer = [0; LONGEST];
    while name.last() != Some(&b'\n') {
        signals.clear();
        if signals.stop_asked() || name.len() > LONGEST {
            return Ok(None);
        }
        let mut both = [PollFd::new(signals, PollFlags::IN), PollFd::new(&*line, PollFlags::IN)];
        match rustix::event::poll(&mut both, None) {
            Ok(_) if both[1].revents().is_empty() => continue,
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        match line.read(&mut buffer) {
            // The server let go of us, or is gone.
            Ok(0) => return Ok(None),
            Ok(count) => name.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    name.pop();
    Ok(Some(String::from_utf8_lossy(&name).into_owned()))
}

/// Returns the folder of that name right below `attempts`; `None` where the name is not one.
fn folder(attempts: &Path, name: &str) -> Option<AttemptFolder> {
    let mut parts = Path::new(name).components();
    match (parts.next(), parts.next()) {
        (Some(Component::Normal(only)), None) => Some(AttemptFolder::new(attempts.join(only))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_name_folders() {
        for (name, expected) in [("a-1", true), ("", false), ("..", false), ("/a", false), ("a/b", false)] {
            assert_eq!(folder(Path::new("/data"), name).is_some(), expected, "{name}");
        }
    }
}
