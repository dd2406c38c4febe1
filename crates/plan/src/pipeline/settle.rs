//! What follows by itself: steps move on as far as the facts allow, and the run ends when all of them did.

use std::collections::BTreeMap;

use windlass_kinds::{
    manifest::RetrySpec,
    record::{CacheEntry, PipelineRunState, StepRun, StepState},
};

use super::{
    graph::{Edge, Needs},
    machine::Machine,
};

/// How the step runs of one step stand together.
#[derive(Debug, Clone, Copy, Default)]
struct Summary {
    /// Whether one may still move.
    pending: bool,
    /// The first that failed, was blocked or was cancelled.
    broken: Option<usize>,
    /// The first that was skipped.
    skipped: Option<usize>,
}

impl Summary {
    fn of(steps: &[StepRun], places: std::ops::Range<usize>) -> Self {
        let mut summary = Self::default();
        for place in places {
            match steps[place].state {
                StepState::Waiting | StepState::Preparing | StepState::Ready | StepState::Running => {
                    summary.pending = true;
                }
                StepState::Failed | StepState::Blocked | StepState::Cancelled => {
                    summary.broken.get_or_insert(place);
                }
                StepState::Skipped => {
                    summary.skipped.get_or_insert(place);
                }
                StepState::Succeeded | StepState::Cached => {}
            }
        }
        summary
    }
}

impl Machine<'_> {
    /// Moves everything as far as it goes.
    pub(super) fn settle(&mut self) {
        if self.state.run.state.is_final() {
            return;
        }
        if self.state.run.cancelled_by.is_none() {
            if self.state.run.state == PipelineRunState::Pending && !self.begin() {
                return;
            }
            let needs = self.graph.needs(&self.state.steps);
            let mut quiet = self.pass(&needs, None);
            // A quiet moment is for one step, and only where nothing else of the run moves either.
            if self.facts.idle
                && self.lookups.is_empty()
                && let Some(place) = quiet.take()
                && !self.state.steps.iter().any(|step| is_moving(step.state))
            {
                self.pass(&needs, Some(place));
            }
        }
        self.end();
    }

    /// Lets the run begin if it is its turn.
    fn begin(&mut self) -> bool {
        let (before, most) = (self.facts.active_before, self.facts.spec.concurrency.max(1));
        if before >= most {
            let runs = if before == 1 { "an earlier run".to_owned() } else { format!("{before} earlier runs") };
            self.run_reason(&format!("waits for {runs} of {}; {most} at a time", self.state.run.pipeline));
            return false;
        }
        self.state.run.started_at.get_or_insert(self.facts.now);
        self.run_state(PipelineRunState::Running);
        self.run_reason("running");
        self.began = true;
        true
    }

    /// Looks at each step once, after all it needs. `quiet` is the step that takes the quiet moment; returns the first
    /// step that waits for one.
    fn pass(&mut self, needs: &Needs, quiet: Option<usize>) -> Option<usize> {
        let graph = self.graph;
        let mut summaries = vec![Summary::default(); graph.groups.len()];
        let mut awaits = None;
        for step in &needs.order {
            for place in graph.groups[*step].clone() {
                match self.step(place).state {
                    StepState::Waiting => {
                        if self.waiting(place, &needs.edges[*step], &summaries, quiet == Some(place)) {
                            awaits = Some(awaits.map_or(place, |first: usize| first.min(place)));
                        }
                    }
                    StepState::Preparing => self.preparing(place),
                    StepState::Ready => self.ready(place),
                    StepState::Running
                    | StepState::Succeeded
                    | StepState::Cached
                    | StepState::Skipped
                    | StepState::Failed
                    | StepState::Blocked
                    | StepState::Cancelled => {}
                }
            }
            summaries[*step] = Summary::of(&self.state.steps, graph.groups[*step].clone());
        }
        awaits
    }

    /// Moves a waiting step; returns whether all it waits for is a quiet moment.
    fn waiting(&mut self, place: usize, needs: &[Edge], summaries: &[Summary], quiet: bool) -> bool {
        let (mut broken, mut skipped) = (None, None);
        for edge in needs {
            let summary = self.summary(place, *edge, summaries);
            if summary.pending {
                let name = &self.facts.spec.steps[edge.from].name;
                if self.step(place).reason.strip_prefix("waits for ") != Some(name.as_str()) {
                    self.reason(place, &format!("waits for {name}"));
                }
                return false;
            }
            broken = broken.or(summary.broken);
            skipped = skipped.or(summary.skipped);
        }
        if let Some(other) = broken {
            let other = self.step(other);
            let how = match other.state {
                StepState::Blocked => "could not run",
                StepState::Cancelled => "was cancelled",
                _ => "failed",
            };
            let reason = format!("needs {}, which {how}", other.display_name());
            self.enter(place, StepState::Blocked, reason);
            return false;
        }
        if let Some(other) = skipped {
            let reason = format!("needs {}, which was skipped", self.step(other).display_name());
            self.enter(place, StepState::Skipped, reason);
            return false;
        }
        if let Some((state, reason)) = self.refused(place) {
            self.enter(place, state, reason);
            return false;
        }
        let spec = self.spec(place);
        if spec.wait_idle && !quiet {
            self.reason(place, "waits until everything else is idle");
            return true;
        }
        if spec.settings.python.is_some() && self.step(place).environment.is_none() {
            self.prepare(place);
        } else {
            self.keyed(place);
        }
        false
    }

    fn summary(&self, place: usize, edge: Edge, summaries: &[Summary]) -> Summary {
        match (edge.by_item, &self.step(place).item) {
            (true, Some(item)) => {
                let group = self.graph.groups[edge.from].clone();
                let one = group.start + usize::try_from(item.index).unwrap_or(usize::MAX);
                Summary::of(&self.state.steps, if group.contains(&one) { one..one + 1 } else { group })
            }
            (true, None) | (false, _) => summaries[edge.from],
        }
    }

    fn preparing(&mut self, place: usize) {
        let StepRun { environment, not_before, .. } = self.step(place);
        match (environment.is_some(), *not_before) {
            (true, _) => self.keyed(place),
            (false, None) => {}
            (false, Some(at)) if at <= self.facts.now => self.prepare(place),
            (false, Some(at)) => self.wake(at),
        }
    }

    /// Moves a step that has all its key is made of.
    fn keyed(&mut self, place: usize) {
        let digest = match &self.step(place).key {
            Some(key) => key.digest.clone(),
            None => {
                let key = self.key_of(place);
                let digest = key.digest.clone();
                self.change(place).key = Some(key);
                digest
            }
        };
        let facts = self.facts;
        let found = match (self.spec(place).cache, facts.cache.get(&digest)) {
            (false, _) => None,
            (true, Some(found)) => found.as_ref(),
            (true, None) => {
                self.lookups.insert(digest);
                return;
            }
        };
        match found {
            Some(CacheEntry { step_run, outputs }) => {
                let step = self.change(place);
                step.cached_from = Some(step_run.clone());
                step.outputs = outputs.clone();
                self.enter(place, StepState::Cached, "an earlier result stands under the same key");
            }
            None => {
                self.enter(place, StepState::Ready, "waits for a free place");
                self.ready(place);
            }
        }
    }

    fn ready(&mut self, place: usize) {
        if let Some(at) = self.step(place).not_before {
            let RetrySpec { max_backoff, .. } = self.spec(place).settings.retries.unwrap_or_default();
            // Further away than any wait of ours: the clock was set back. It waits no longer than the longest wait.
            let latest = self.facts.now.plus(max_backoff.0);
            if at > latest {
                self.change(place).not_before = Some(latest);
            }
            let at = at.min(latest);
            if at > self.facts.now {
                self.wake(at);
                return;
            }
        }
        if self.slots == 0 {
            self.reason(place, "waits for a free place");
            return;
        }
        self.start(place);
    }

    /// Ends the run where no step can move any more.
    fn end(&mut self) {
        let mut counts: BTreeMap<StepState, usize> = BTreeMap::new();
        for step in &self.state.steps {
            if !step.state.is_final() {
                return;
            }
            *counts.entry(step.state).or_default() += 1;
        }
        let first = |state: StepState| self.state.steps.iter().find(|step| step.state == state);
        let cancelled = counts.contains_key(&StepState::Cancelled);
        let (state, reason) = match (&self.state.run.cancelled_by, first(StepState::Failed)) {
            (Some(by), _) if cancelled => (PipelineRunState::Cancelled, format!("cancelled by {by}")),
            (_, Some(step)) => (PipelineRunState::Failed, format!("{}: {}", step.display_name(), step.reason)),
            (_, None) if cancelled => {
                let name = first(StepState::Cancelled).map(StepRun::display_name).unwrap_or_default();
                (PipelineRunState::Cancelled, format!("{name} was cancelled"))
            }
            (_, None) => (PipelineRunState::Succeeded, account(&counts)),
        };
        self.run_state(state);
        self.run_reason(&reason);
        self.state.run.ended_at = Some(self.facts.now);
        self.ended = true;
    }
}

fn is_moving(state: StepState) -> bool {
    matches!(state, StepState::Preparing | StepState::Ready | StepState::Running)
}

/// Returns how a run that succeeded got there: `4 steps ran, 2 came from the cache, 1 was skipped`.
fn account(counts: &BTreeMap<StepState, usize>) -> String {
    let of = |state: StepState| counts.get(&state).copied().unwrap_or(0);
    let (ran, cached, skipped) = (of(StepState::Succeeded), of(StepState::Cached), of(StepState::Skipped));
    let mut parts = vec![format!("{ran} {} ran", if ran == 1 { "step" } else { "steps" })];
    if cached > 0 {
        parts.push(format!("{cached} came from the cache"));
    }
    if skipped > 0 {
        parts.push(format!("{skipped} {} skipped", if skipped == 1 { "was" } else { "were" }));
    }
    parts.join(", ")
}
