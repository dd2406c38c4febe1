//! Whatever comes in whatever order, late or twice: a run ends, and a step never has two attempts at once.

use std::collections::BTreeMap;

use proptest::prelude::*;
use windlass_kinds::record::{ActionBody, AttemptState, PipelineRunState, StepState};

use super::world::World;
use crate::pipeline::Event;

const PIPELINES: [&str; 5] = [
    "a; b: a; c: a; d: b c",
    "a[x,y,z] @retries=2; b[x,y,z]: a @python; c: b",
    "a @wait; b @wait @needs=a; c @python @retries=1; d: c @when=params.seed==7",
    "c: b; b: a @nocache; a @python; d[x,y] @wait; e: d @dataset=none",
    "a @optional; b: a; c @dataset=flights @retries=1; d[x,y]: c @when=params.item=='x'; e: d",
];

/// One thing that may happen: what, and to which of the steps it could happen to.
fn happening() -> impl Strategy<Value = (usize, usize)> {
    (0..18usize, 0..8usize)
}

const HAPPENINGS: [&str; 18] = [
    "look",
    "idle",
    "+500ms",
    "+1s",
    "+10s",
    "back5s",
    "ok",
    "ok",
    "ok",
    "empty",
    "fail",
    "hopeless",
    "timeout",
    "lost",
    "interrupted",
    "prepared",
    "offline",
    "cancelled",
];

/// Holds what must be so after each event.
fn invariants(world: &World, attempts: &mut BTreeMap<String, AttemptState>) -> Result<(), TestCaseError> {
    let state = &world.state;
    for step in &state.steps {
        let running = step.state == StepState::Running;
        let current = step.attempt.as_ref().filter(|_| running);
        let records: Vec<_> = state.attempts.values().filter(|attempt| attempt.step_run == step.id).collect();
        prop_assert_eq!(records.iter().map(|attempt| &attempt.id).collect::<Vec<_>>(), Vec::from_iter(current));
        let waits = matches!(step.state, StepState::Waiting | StepState::Ready | StepState::Preparing);
        prop_assert!(!waits || !step.reason.is_empty(), "{} waits without a reason", step.display_name());
        prop_assert_eq!(step.state.is_final(), step.ended_at.is_some());
        prop_assert!(step.attempts == world.started.get(&step.display_name()).copied().unwrap_or(0));
    }
    let over = state.steps.iter().all(|step| step.state.is_final());
    prop_assert_eq!(state.run.state.is_final(), over);
    for (id, state) in attempts.iter() {
        let still = world.state.attempts.keys().any(|known| known.as_str() == id);
        prop_assert_eq!(still, *state == AttemptState::Running);
    }
    Ok(())
}

/// Applies an event twice, so that every event is also delivered late, and checks what must be so.
fn apply(
    world: &mut World,
    event: Event,
    idle: bool,
    attempts: &mut BTreeMap<String, AttemptState>,
) -> Result<(), TestCaseError> {
    let decisions = world.apply(event.clone(), idle);
    for decision in decisions {
        for attempt in &decision.changed_attempts {
            let before = attempts.insert(attempt.id.to_string(), attempt.state);
            match attempt.state {
                AttemptState::Running => prop_assert_eq!(before, None, "an attempt began twice"),
                _ => prop_assert_eq!(before, Some(AttemptState::Running), "an attempt ended twice"),
            }
        }
        let stopped = decision.actions.iter().filter(|action| matches!(action, ActionBody::StopAttempt { .. })).count();
        prop_assert!(stopped == 0 || world.state.run.cancelled_by.is_some());
    }
    invariants(world, attempts)?;
    if matches!(event, Event::AttemptEnded { .. } | Event::Cancel { .. }) {
        let before = world.state.clone();
        for decision in world.apply(event, false) {
            prop_assert!(decision.changed_attempts.iter().all(|attempt| attempt.state == AttemptState::Running));
            for attempt in &decision.changed_attempts {
                attempts.insert(attempt.id.to_string(), attempt.state);
            }
            prop_assert!(
                decision.committed.is_empty() && decision.abandoned.is_empty() && decision.cache_puts.is_empty()
            );
        }
        prop_assert_eq!(before.run.state.is_final(), world.state.run.state.is_final());
        invariants(world, attempts)?;
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn runs_end_and_attempts_never_overlap(
        pipeline in 0..PIPELINES.len(),
        places in 1..4u32,
        happenings in proptest::collection::vec(happening(), 0..60),
        cancel_at in proptest::option::of(0..60usize),
        retry in any::<bool>(),
    ) {
        let mut world = World::new(PIPELINES[pipeline]);
        world.places = places;
        let mut attempts = BTreeMap::new();
        let mut old = Vec::new();
        for (index, (what, which)) in happenings.into_iter().enumerate() {
            if cancel_at == Some(index) {
                let (event, idle) = world.event("cancel");
                apply(&mut world, event, idle, &mut attempts)?;
            }
            let what = HAPPENINGS[what];
            let begun: Vec<String> = world
                .state
                .steps
                .iter()
                .filter(|step| match what {
                    "prepared" | "offline" => step.preparations > 0,
                    _ => step.attempt.is_some(),
                })
                .map(|step| step.display_name())
                .collect();
            let line = match what {
                "look" | "idle" | "+500ms" | "+1s" | "+10s" | "back5s" => what.to_owned(),
                _ => match begun.get(which % begun.len().max(1)) {
                    Some(step) => format!("{what} {step}"),
                    None => continue,
                },
            };
            let (event, idle) = world.event(&line);
            old.push(event.clone());
            apply(&mut world, event, idle, &mut attempts)?;
        }
        // Everything that was ever delivered comes once more.
        for event in old {
            apply(&mut world, event, false, &mut attempts)?;
        }
        finish(&mut world, &mut attempts)?;
        if retry && world.state.run.state != PipelineRunState::Succeeded {
            let (event, idle) = world.event("retry");
            apply(&mut world, event, idle, &mut attempts)?;
            finish(&mut world, &mut attempts)?;
        }
    }
}

/// Lets everything go well from here on: the run must end.
fn finish(world: &mut World, attempts: &mut BTreeMap<String, AttemptState>) -> Result<(), TestCaseError> {
    for _ in 0..200 {
        if world.state.run.state.is_final() {
            return Ok(());
        }
        let line = world
            .state
            .steps
            .iter()
            .find_map(|step| match step.state {
                StepState::Running => Some(format!("ok {}", step.display_name())),
                StepState::Preparing if step.not_before.is_none() => Some(format!("prepared {}", step.display_name())),
                _ => None,
            })
            .unwrap_or_else(|| if world.wake_at.is_some() { "+10s".to_owned() } else { "idle".to_owned() });
        let (event, idle) = world.event(&line);
        apply(world, event, idle, attempts)?;
    }
    Err(TestCaseError::fail(format!("the run does not end: {:#?}", world.state)))
}
