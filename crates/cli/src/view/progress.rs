//! Work as it goes: a tree of steps a run on a terminal, plain lines elsewhere.

use std::{
    collections::{BTreeMap, HashMap},
    io::IsTerminal,
};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use windlass_control::{Change, Control};
use windlass_kinds::{
    AttemptId, PipelineRunId, StepRunId,
    record::{
        DatasetVersion, DatasetVersionState, EndpointRevision, EndpointState, PipelineRun, PipelineRunState, StepRun,
        StepState, Verdict, VerdictOutcome,
    },
};

use super::took;
use crate::commands::get::what_changed;

/// How much of a log's end is read for its last line, in bytes.
const TAIL: usize = 4096;

/// How many steps of a run stay in the tree after their end; of more, only those that run are shown.
const KEPT: usize = 24;

/// Shows progress on standard error.
pub(crate) struct Progress {
    control: Control,
    bars: Option<MultiProgress>,
    runs: BTreeMap<PipelineRunId, RunView>,
}

struct RunView {
    run: PipelineRun,
    bar: Option<ProgressBar>,
    /// The lowest line of the run's tree.
    last: Option<ProgressBar>,
    steps: HashMap<StepRunId, StepView>,
}

struct StepView {
    step: StepRun,
    bar: Option<ProgressBar>,
    offset: u64,
    line: String,
}

impl Progress {
    /// Starts showing; a tree where standard error is a terminal, else lines.
    pub(crate) fn new(control: Control) -> Self {
        let bars = std::io::stderr().is_terminal().then(MultiProgress::new);
        Self { control, bars, runs: BTreeMap::new() }
    }

    /// Shows a change.
    pub(crate) fn take(&mut self, change: Change) {
        match change {
            Change::Run(run) => self.run(run),
            Change::Step(step) => self.step(step),
            Change::Dataset(version) => self.say(&dataset_line(&version)),
            Change::Endpoint(revision) => self.say(&endpoint_line(&revision)),
            Change::Judged(verdict) => judged_line(&verdict).iter().for_each(|line| self.say(line)),
            Change::Notice(text) => self.say(&format!("note: {text}")),
            Change::Idle => self.idle(),
        }
    }

    /// All is idle: nothing to show.
    pub(crate) fn idle(&mut self) {
        self.clear();
    }

    /// Takes the tree off the terminal.
    pub(crate) fn clear(&mut self) {
        if let Some(bars) = &self.bars {
            let _ = bars.clear();
        }
    }

    fn say(&self, line: &str) {
        match &self.bars {
            Some(bars) => {
                let _ = bars.println(line);
            }
            None => eprintln!("{line}"),
        }
    }

    fn run(&mut self, run: PipelineRun) {
        let known = self.runs.get(&run.id).map(|view| view.run.state);
        if known == Some(run.state) {
            return;
        }
        if run.state.is_final() {
            let mark = if run.state == PipelineRunState::Succeeded { "" } else { &run.reason };
            let word = windlass_control::state_word(run.state);
            self.say(&format!("{:<14} {word} in {} {mark}", run.display_name(), took(run.started_at, run.ended_at)));
            if let Some(view) = self.runs.remove(&run.id) {
                view.bar.iter().for_each(ProgressBar::finish_and_clear);
                view.steps.values().filter_map(|step| step.bar.as_ref()).for_each(ProgressBar::finish_and_clear);
            }
            return;
        }
        if known.is_none() {
            self.say(&format!("{:<14} {}", run.display_name(), run.cause.text));
        }
        let bar = self.bars.as_ref().map(|bars| bar(bars, None, &run.display_name()));
        let view = self.runs.entry(run.id.clone()).or_insert_with(|| RunView {
            run: run.clone(),
            last: bar.clone(),
            bar,
            steps: HashMap::new(),
        });
        if let Some(bar) = &view.bar {
            bar.set_message(run.reason.clone());
        }
        view.run = run;
    }

    fn step(&mut self, step: StepRun) {
        let Some(view) = self.runs.get_mut(&step.run) else { return };
        let title = format!("{}/{}", view.run.display_name(), step.display_name());
        let before = view.steps.get(&step.id).map(|known| known.step.state);
        let kept = view.steps.len() <= KEPT;
        let shown = step.state != StepState::Waiting && (kept || !step.state.is_final());
        let entry = view.steps.entry(step.id.clone()).or_insert_with(|| StepView {
            step: step.clone(),
            bar: None,
            offset: 0,
            line: String::new(),
        });
        entry.step = step.clone();
        match (&self.bars, &entry.bar) {
            (Some(bars), None) if shown => {
                let bar = bar(bars, view.last.as_ref(), &format!("  {}", step.display_name()));
                view.last = Some(bar.clone());
                entry.bar = Some(bar);
            }
            _ => {}
        }
        if let Some(bar) = &entry.bar {
            bar.set_message(format!("{} {}", word(step.state), step.reason));
            match (step.state.is_final(), kept) {
                (false, _) => {}
                (true, true) => bar.finish(),
                (true, false) => bar.finish_and_clear(),
            }
        }
        // A step is told when it moves to something new that people care about.
        let told = match step.state {
            StepState::Running | StepState::Succeeded | StepState::Cached | StepState::Failed => {
                before != Some(step.state)
            }
            StepState::Blocked | StepState::Cancelled => before.is_some() && before != Some(step.state),
            StepState::Waiting | StepState::Preparing | StepState::Ready | StepState::Skipped => false,
        };
        if told && (self.bars.is_none() || step.state == StepState::Failed) {
            let time = if step.state.is_final() { took(step.started_at, step.ended_at) } else { String::new() };
            let line = format!("{title:<32} {:<9} {time:<7} {}", word(step.state), step.reason);
            self.say(line.trim_end());
        }
    }

    /// Shows the last log line of each running step.
    pub(crate) async fn tick(&mut self) {
        if self.bars.is_none() {
            return;
        }
        for view in self.runs.values_mut() {
            if let Some(bar) = &view.bar {
                bar.tick();
            }
            for step in view.steps.values_mut().filter(|step| step.step.state == StepState::Running) {
                if let Some(attempt) = step.step.attempt.clone() {
                    last_line(&self.control, &attempt, step).await;
                }
                if let Some(bar) = &step.bar {
                    bar.set_message(format!("{} {}", word(step.step.state), step.line));
                    bar.tick();
                }
            }
        }
    }
}

async fn last_line(control: &Control, attempt: &AttemptId, view: &mut StepView) {
    let Ok(chunk) = control.executor().log(attempt, view.offset, TAIL).await else { return };
    if let Some(line) = chunk.text.lines().rev().find(|line| !line.trim().is_empty()) {
        view.line = line.chars().filter(|character| !character.is_control()).take(100).collect();
    }
    view.offset = chunk.next;
}

fn bar(bars: &MultiProgress, after: Option<&ProgressBar>, name: &str) -> ProgressBar {
    let spinner = ProgressBar::new_spinner().with_prefix(name.to_owned());
    let style = ProgressStyle::with_template("{spinner} {prefix:<30} {elapsed:>5} {wide_msg}");
    let spinner = match style {
        Ok(style) => spinner.with_style(style),
        Err(_) => spinner,
    };
    match after {
        Some(after) => bars.insert_after(after, spinner),
        None => bars.add(spinner),
    }
}

fn word(state: StepState) -> &'static str {
    match state {
        StepState::Waiting => "waiting",
        StepState::Preparing => "preparing",
        StepState::Ready => "ready",
        StepState::Running => "running",
        StepState::Succeeded => "succeeded",
        StepState::Cached => "cached",
        StepState::Skipped => "skipped",
        StepState::Failed => "failed",
        StepState::Blocked => "blocked",
        StepState::Cancelled => "cancelled",
    }
}

fn dataset_line(version: &DatasetVersion) -> String {
    let state = match version.state {
        DatasetVersionState::Accepted => "accepted",
        DatasetVersionState::Rejected => "rejected",
    };
    let name = format!("{}@{}", version.dataset, version.number);
    format!("{name:<14} {state}: {}", what_changed(version))
}

/// Returns why a version was refused; whichever took the alias is told of by itself.
fn judged_line(verdict: &Verdict) -> Option<String> {
    let Verdict { model, version, alias, rules, outcome, .. } = verdict;
    let failed: Vec<&str> = rules.iter().filter(|rule| !rule.passed).map(|rule| rule.text.as_str()).collect();
    let name = format!("{model}@{version}");
    (*outcome == VerdictOutcome::Refused).then(|| format!("{name:<14} refused as {alias}: {}", failed.join("; ")))
}

fn endpoint_line(revision: &EndpointRevision) -> String {
    let EndpointRevision { endpoint, model, version, state, reason, .. } = revision;
    let what = match state {
        EndpointState::Starting => "starts",
        EndpointState::Ready => "serves",
        EndpointState::Failed => "cannot serve",
        EndpointState::Retired => "no longer serves",
    };
    let reason = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
    format!("{endpoint:<14} {what} {model}/{version}{reason}")
}
