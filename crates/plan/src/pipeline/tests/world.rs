//! A world around one run: reads small pipelines and small stories, plays them, and says what happened.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};
use windlass_kinds::{
    Digest, EventId, Micros, Name, PipelineRunId, Span,
    manifest::{
        Foreach, InputSource, OutputSpec, PipelineSpec, PythonSpec, Resolved, RetrySpec, StepDefaults, StepSpec,
    },
    record::{
        ActionBody, Actor, AttemptEnd, AttemptResult, CacheEntry, Cause, FrozenDataset, Output, PrepareFailure,
        StepRun, StepState, Usage,
    },
};

use crate::pipeline::{Decision, Event, Facts, RunState, advance, create};

pub(super) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// Reads a pipeline: steps apart by `;`, each `name[items]: steps it reads from @options`. Every step has an output
/// `out`. Options: `@nocache`, `@wait`, `@python`, `@optional` (its output may be missing), `@retries=N`, `@needs=STEP`,
/// `@dataset=NAME`, `@when=EXPRESSION`.
pub(super) fn pipeline(text: &str) -> PipelineSpec {
    let steps = text.split(';').map(|step| read_step(step.trim())).collect();
    PipelineSpec {
        description: String::new(),
        environment: name("local"),
        code: None,
        parameters: BTreeMap::new(),
        concurrency: 1,
        triggers: Vec::new(),
        steps,
    }
}

fn read_step(text: &str) -> StepSpec {
    let mut words = text.split_whitespace();
    let head = words.next().unwrap().trim_end_matches(':');
    let (own, items) = head.split_once('[').map_or((head, None), |(own, items)| (own, items.strip_suffix(']')));
    let foreach = items.map(|items| Foreach {
        parameter: "item".to_owned(),
        values: items.split(',').filter(|item| !item.is_empty()).map(|item| json!(item)).collect(),
    });
    let mut step = StepSpec {
        name: name(own),
        command: vec!["run".to_owned(), own.to_owned()],
        needs: Vec::new(),
        inputs: BTreeMap::new(),
        outputs: [(name("out"), OutputSpec::default())].into(),
        writes: Vec::new(),
        cache: true,
        parameters: BTreeMap::new(),
        foreach,
        when: None,
        wait_idle: false,
        template: None,
        settings: StepDefaults::default(),
    };
    for word in words {
        match word.split_once('=').unwrap_or((word, "")) {
            ("@nocache", _) => step.cache = false,
            ("@wait", _) => (step.wait_idle, step.cache) = (true, false),
            ("@python", _) => {
                step.settings.python = Some(PythonSpec { version: None, requirements: None, packages: Vec::new() });
            }
            ("@optional", _) => step.outputs.get_mut("out").unwrap().optional = true,
            ("@retries", limit) => {
                let limit = limit.parse().unwrap();
                let max_backoff = Span(Duration::from_secs(4));
                step.settings.retries = Some(RetrySpec { limit, max_backoff, ..RetrySpec::default() });
            }
            ("@needs", other) => step.needs.push(name(other)),
            ("@dataset", dataset) => {
                step.inputs.insert(name(dataset), InputSource::Dataset(name(dataset)));
            }
            ("@when", expression) => step.when = Some(expression.to_owned()),
            (other, _) => {
                step.inputs.insert(name(other), InputSource::Step { step: name(other), output: name("out") });
            }
        }
    }
    step
}

pub(super) fn output(text: &str) -> Output {
    Output { tree: Digest::sha256(text), size: 1, files: 1, single_file: false }
}

pub(super) struct World {
    pub(super) spec: PipelineSpec,
    pub(super) state: RunState,
    pub(super) now: Micros,
    /// How many attempts may run at once.
    pub(super) places: u32,
    pub(super) active_before: u32,
    /// What the store remembers.
    pub(super) results: BTreeMap<Digest, CacheEntry>,
    /// Every attempt that was ever started, by step.
    pub(super) started: BTreeMap<String, u32>,
    pub(super) wake_at: Option<Micros>,
}

impl World {
    pub(super) fn new(text: &str) -> Self {
        Self::run(pipeline(text), 1, BTreeMap::new())
    }

    /// Begins run `number` of a pipeline over a dataset `flights`, with what earlier runs left in the cache.
    pub(super) fn run(spec: PipelineSpec, number: u32, results: BTreeMap<Digest, CacheEntry>) -> Self {
        let cause = Cause { trigger: None, event: EventId::new("e"), text: "by hand".to_owned() };
        let datasets = [(name("flights"), FrozenDataset { version: number, digest: Digest::sha256("flights") })].into();
        let id = PipelineRunId::derived(&[&number.to_string()]);
        let (project, own) = (name("default"), name("train"));
        let parameters = [("seed".to_owned(), json!(7))].into();
        let state = create(&spec, 1, &project, &own, number, cause, parameters, datasets, id, Micros(0));
        Self {
            spec,
            state,
            now: Micros(0),
            places: 100,
            active_before: 0,
            results,
            started: BTreeMap::new(),
            wake_at: None,
        }
    }

    fn running(&self) -> u32 {
        u32::try_from(self.state.steps.iter().filter(|step| step.state == StepState::Running).count()).unwrap()
    }

    /// Applies an event as the control loop does: with lookups answered until there are none.
    pub(super) fn apply(&mut self, event: Event, idle: bool) -> Vec<Decision> {
        let resolved = Resolved::default();
        let mut cache = BTreeMap::new();
        let mut decisions = Vec::new();
        let mut event = Some(event);
        loop {
            let running = self.running();
            let facts = Facts {
                spec: &self.spec,
                resolved: &resolved,
                now: self.now,
                free_slots: self.places.saturating_sub(running),
                idle,
                cache: &cache,
                architecture: "x86_64",
                active_before: self.active_before,
            };
            // Moved, not cloned: a story over thousands of steps would measure little else.
            let (run, attempts) = (self.state.run.clone(), BTreeMap::new());
            let empty = || RunState { run: run.clone(), steps: Vec::new(), attempts: attempts.clone() };
            let state = std::mem::replace(&mut self.state, empty());
            let mut decision = advance(state, event.take().unwrap_or(Event::Look), &facts);
            self.state = std::mem::replace(&mut decision.state, empty());
            self.wake_at = decision.wake_at;
            self.results.extend(decision.cache_puts.iter().cloned());
            for action in &decision.actions {
                if let ActionBody::StartAttempt { attempt } = action {
                    let step = self.state.steps.iter().find(|step| step.attempt.as_ref() == Some(attempt)).unwrap();
                    *self.started.entry(step.display_name()).or_default() += 1;
                }
            }
            for key in &decision.lookups {
                cache.insert(key.clone(), self.results.get(key).cloned());
            }
            let more = !decision.lookups.is_empty();
            decisions.push(decision);
            if !more {
                return decisions;
            }
        }
    }

    pub(super) fn step(&self, wanted: &str) -> &StepRun {
        self.state.steps.iter().find(|step| step.display_name() == wanted).unwrap_or_else(|| panic!("no step {wanted}"))
    }

    /// Returns the event of a line, and whether all is idle with it.
    pub(super) fn event(&mut self, line: &str) -> (Event, bool) {
        let (what, step) = line.split_once(' ').unwrap_or((line, ""));
        let end = |end| AttemptResult { end, outputs: BTreeMap::new(), usage: Usage::default() };
        let failed = |retryable| end(AttemptEnd::Failed { reason: "exit code 1".to_owned(), retryable });
        let by = Actor::token("ann");
        if let Some(wait) = what.strip_prefix('+') {
            self.now = self.now.plus(wait.parse::<Span>().unwrap().0);
            return (Event::Look, false);
        }
        if let Some(wait) = what.strip_prefix("back") {
            self.now = Micros(self.now.0 - i64::try_from(wait.parse::<Span>().unwrap().0.as_micros()).unwrap());
            return (Event::Look, false);
        }
        let result = match what {
            "look" => return (Event::Look, false),
            "idle" => return (Event::Look, true),
            "cancel" => return (Event::Cancel { by }, false),
            "retry" => return (Event::Retry { by }, false),
            "prepared" => {
                let step_run = self.step(step).id.clone();
                return (Event::Prepared { step_run, outcome: Ok(Digest::sha256("lock")) }, false);
            }
            "offline" | "unresolvable" => {
                let step_run = self.step(step).id.clone();
                let outcome = Err(PrepareFailure { reason: what.to_owned(), retryable: what == "offline" });
                return (Event::Prepared { step_run, outcome }, false);
            }
            "ok" => AttemptResult { outputs: [(name("out"), output(step))].into(), ..end(AttemptEnd::Succeeded) },
            "empty" => end(AttemptEnd::Succeeded),
            "fail" => failed(true),
            "hopeless" => failed(false),
            "timeout" => end(AttemptEnd::TimedOut { limit: "10m".to_owned() }),
            "lost" => end(AttemptEnd::Lost { reason: "its shim is gone".to_owned() }),
            "interrupted" => end(AttemptEnd::Interrupted),
            "cancelled" => end(AttemptEnd::Cancelled),
            other => panic!("{other}"),
        };
        let attempt = self.step(step).attempt.clone().unwrap_or_else(|| panic!("{step} has no attempt"));
        (Event::AttemptEnded { attempt, result }, false)
    }

    /// Plays one line and says what changed: the run, steps with their reasons, actions.
    pub(super) fn play(&mut self, line: &str) -> String {
        let before = self.state.clone();
        let (event, idle) = self.event(line);
        let decisions = self.apply(event, idle);
        let mut said = Vec::new();
        let word = |value: Value| value.as_str().unwrap().to_owned();
        if self.state.run != before.run {
            let run = &self.state.run;
            said.push(format!("run {}: {}", word(json!(run.state)), run.reason));
        }
        for (step, before) in self.state.steps.iter().zip(&before.steps) {
            if (step.state, &step.reason) != (before.state, &before.reason) {
                let state = word(json!(step.state));
                said.push(format!("{} {state}: {}", step.display_name(), step.reason));
            }
        }
        for action in decisions.iter().flat_map(|decision| &decision.actions) {
            if let ActionBody::StopAttempt { attempt } = action {
                let step = self.state.steps.iter().find(|step| step.attempt.as_ref() == Some(attempt)).unwrap();
                said.push(format!("stop {}", step.display_name()));
            }
            if let ActionBody::Prepare { step_run, round } = action {
                let step = self.state.steps.iter().find(|step| step.id == *step_run).unwrap();
                said.push(format!("prepare {} round {round}", step.display_name()));
            }
        }
        said.join("\n    ")
    }
}

/// Plays `story`, a line an event, and compares what came of each, indented by four.
pub(super) fn check(text: &str, story: &str) {
    check_in(&mut World::new(text), story);
}

pub(super) fn check_in(world: &mut World, story: &str) {
    let mut played = String::new();
    for line in story.lines().map(|line| line.strip_prefix("        ").unwrap_or(line)) {
        if line.is_empty() || line.starts_with(' ') {
            continue;
        }
        let said = world.play(line);
        played.push_str(line);
        played.push('\n');
        if !said.is_empty() {
            played.push_str(&format!("    {said}\n"));
        }
    }
    let expected: String = story
        .lines()
        .map(|line| line.strip_prefix("        ").unwrap_or(line))
        .filter(|line| !line.trim().is_empty())
        .map(|line| format!("{line}\n"))
        .collect();
    if played != expected {
        panic!("expected\n{expected}\nplayed\n{played}");
    }
}
