//! The processes that may be killed: found in `/proc`, by what they are to each other.

use std::{fmt, fs, path::Path, process::Command};

use anyhow::Result;

use super::Random;
use crate::shell;

/// What runs at a moment.
pub(super) struct Prey {
    /// The server.
    server: u32,
    /// The step runners of this data folder.
    pub(super) shims: Vec<u32>,
    /// What the step runners started.
    steps: Vec<u32>,
    /// The model servers that the server started.
    models: Vec<u32>,
}

impl Prey {
    /// Looks at what runs now. Processes come and go: what was seen may be gone already.
    pub(super) fn find(server: u32, data: &Path) -> Self {
        let all = processes();
        let data = data.to_string_lossy();
        let is_shim = |it: &&Process| {
            it.words.iter().any(|word| word == "step") && it.words.iter().any(|word| word.starts_with(data.as_ref()))
        };
        let alike: Vec<&Process> = all.iter().filter(is_shim).collect();
        // Until a step becomes its own program it looks like the shim that started it.
        let starts_another = |it: &&&Process| !alike.iter().any(|other| other.id == it.parent);
        let shims: Vec<u32> = alike.iter().filter(starts_another).map(|it| it.id).collect();
        let steps = all.iter().filter(|it| shims.contains(&it.parent)).map(|it| it.id).collect();
        let is_model = |it: &&Process| it.parent == server && it.words.iter().any(|word| word == "model-server");
        let models = all.iter().filter(is_model).map(|it| it.id).collect();
        Self { server, shims, steps, models }
    }
}

struct Process {
    id: u32,
    parent: u32,
    words: Vec<String>,
}

fn processes() -> Vec<Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| process(entry.file_name().to_str()?.parse().ok()?)).collect()
}

fn process(id: u32) -> Option<Process> {
    let line = fs::read(format!("/proc/{id}/cmdline")).ok()?;
    let words = line.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    // The name, which may hold anything, ends at the last parenthesis; then come state and parent.
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let parent = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()?;
    Some(Process { id, parent, words })
}

/// Whom a kill is for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Target {
    /// The server alone.
    Server,
    /// One step runner.
    Shim,
    /// One step.
    Step,
    /// One model server.
    Model,
    /// Everything at once, as when a machine loses its power.
    All,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Server => "the server",
            Self::Shim => "a step runner",
            Self::Step => "a step",
            Self::Model => "a model server",
            Self::All => "everything",
        })
    }
}

impl Target {
    pub(super) fn choose(random: &mut Random) -> Self {
        [Self::Server, Self::Shim, Self::Step, Self::Model, Self::All][random.below(5)]
    }

    /// Kills; returns whether there was somebody.
    pub(super) fn kill(self, prey: &Prey, random: &mut Random) -> Result<bool> {
        let one = |of: &[u32], random: &mut Random| {
            if of.is_empty() { Vec::new() } else { vec![of[random.below(of.len())]] }
        };
        let victims = match self {
            Self::Server => vec![prey.server],
            Self::Shim => one(&prey.shims, random),
            Self::Step => one(&prey.steps, random),
            Self::Model => one(&prey.models, random),
            Self::All => {
                [&[prey.server], prey.shims.as_slice(), prey.steps.as_slice(), prey.models.as_slice()].concat()
            }
        };
        if victims.is_empty() {
            return Ok(false);
        }
        let list: Vec<String> = victims.iter().map(u32::to_string).collect();
        // The shell's own, as not every machine has the program. Some may be gone already, which is fine.
        shell::read(Command::new("sh").args(["-c", &format!("kill -9 {} 2>/dev/null; true", list.join(" "))]))?;
        Ok(true)
    }
}
