//! The rules of a trigger, in the order in which they are asked.

use std::time::Duration;

use windlass_kinds::{
    EventId, Micros,
    manifest::{TriggerSource, TriggerSpec},
    record::{HeldEvent, TriggerFacts, TriggerState},
};

use super::{Outcome, facts::joined, parameters};
use crate::condition;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) fn decide(
    spec: &TriggerSpec,
    state: &TriggerState,
    facts: &TriggerFacts,
    event: &EventId,
    taken: Option<u32>,
    now: Micros,
) -> (TriggerState, Outcome) {
    let mut state = refreshed(state, now);
    state.asked_at = Some(now);
    let facts = match &state.held {
        Some(older) if older.event != *event => joined(&older.facts, facts),
        Some(_) | None => facts.clone(),
    };
    settle(spec, state, facts, event.clone(), taken, now)
}

pub(super) fn held(
    spec: &TriggerSpec,
    state: &TriggerState,
    taken: Option<u32>,
    now: Micros,
) -> (TriggerState, Option<Outcome>) {
    let mut state = refreshed(state, now);
    let Some(HeldEvent { event, facts, reason: _, until: _ }) = state.held.take() else { return (state, None) };
    let (state, outcome) = settle(spec, state, facts, event, taken, now);
    (state, Some(outcome))
}

pub(super) fn held_until(spec: &TriggerSpec, state: &TriggerState, now: Micros) -> Option<Micros> {
    let until = state.held.as_ref()?.until?;
    let longest = DAY.max(spec.cool_down.0);
    Some(if until > now.plus(longest) { now } else { until })
}

pub(super) fn ended(
    spec: &TriggerSpec,
    state: &TriggerState,
    succeeded: bool,
    now: Micros,
) -> (TriggerState, Option<String>) {
    let mut state = refreshed(state, now);
    if succeeded {
        state.failures = 0;
        return (state, None);
    }
    state.failures = state.failures.saturating_add(1);
    let reached = spec.breaker.filter(|breaker| state.failures >= *breaker);
    match (reached, &state.open) {
        (Some(_), None) => {
            let runs =
                if state.failures == 1 { "a run".to_owned() } else { format!("{} runs in a row", state.failures) };
            let reason = format!("trigger {} stopped after {runs} failed; it waits for a person", spec.name);
            state.open = Some(reason.clone());
            (state, Some(reason))
        }
        (Some(_), Some(_)) | (None, _) => (state, None),
    }
}

pub(super) fn improved(
    spec: &TriggerSpec,
    state: &TriggerState,
    improved: bool,
    now: Micros,
) -> (TriggerState, Option<String>) {
    let mut state = refreshed(state, now);
    if improved {
        state.without_improvement = 0;
        return (state, None);
    }
    state.without_improvement = state.without_improvement.saturating_add(1);
    let reached = spec.max_without_improvement.is_some_and(|most| state.without_improvement >= most);
    if !reached || state.open.is_some() {
        return (state, None);
    }
    let runs = match state.without_improvement {
        1 => "a run".to_owned(),
        runs => format!("{runs} runs in a row"),
    };
    let reason = format!("trigger {} stopped after {runs} made no better version; it waits for a person", spec.name);
    state.open = Some(reason.clone());
    (state, Some(reason))
}

/// Returns the state as of `now`: starts of the last day, none of them later than now, and the last one in any case.
fn refreshed(state: &TriggerState, now: Micros) -> TriggerState {
    let mut state = state.clone();
    for start in &mut state.recent {
        *start = (*start).min(now);
    }
    let keep_from = state.recent.len().saturating_sub(1);
    let mut index = 0;
    state.recent.retain(|start| {
        let keep = index == keep_from || now.since(*start) < DAY;
        index += 1;
        keep
    });
    state
}

/// Asks the rules in turn and writes the answer into the state.
fn settle(
    spec: &TriggerSpec,
    mut state: TriggerState,
    facts: TriggerFacts,
    event: EventId,
    taken: Option<u32>,
    now: Micros,
) -> (TriggerState, Outcome) {
    let outcome = rules(spec, &state, &facts, taken, now);
    state.held = match &outcome {
        Outcome::Fire { .. } => {
            state.fired = state.fired.saturating_add(1);
            state.recent.push(now);
            None
        }
        Outcome::Hold { reason, until } => Some(HeldEvent { event, facts, reason: reason.clone(), until: *until }),
        Outcome::Ignore { .. } => None,
    };
    (state, outcome)
}

fn rules(spec: &TriggerSpec, state: &TriggerState, facts: &TriggerFacts, taken: Option<u32>, now: Micros) -> Outcome {
    // No `..`: a new rule of a trigger must be asked here or this stops compiling.
    let TriggerSpec {
        name: _,
        source,
        condition,
        cool_down,
        max_per_day,
        breaker: _,
        max_without_improvement: _,
        unless,
        parameters,
    } = spec;
    let count = state.fired.saturating_add(1);
    if let Some(times) = times(source)
        && state.fired >= times
    {
        return Outcome::Ignore { reason: format!("it has started all {times} of its runs") };
    }
    if let (Some(alias), Some(version)) = (unless, taken) {
        return Outcome::Ignore { reason: format!("{alias} is there: version {version}") };
    }
    if let Some(expression) = condition {
        match condition::eval_trigger(expression, facts, count) {
            Ok(true) => {}
            Ok(false) => return Outcome::Ignore { reason: format!("its condition `{expression}` does not hold") },
            Err(error) => return Outcome::Ignore { reason: format!("its condition `{expression}` {error}") },
        }
    }
    if let Some(open) = &state.open {
        return Outcome::Hold { reason: open.clone(), until: None };
    }
    let waits = [cooling(cool_down.0, state, now), sated(*max_per_day, state, now)];
    if let Some((until, reason)) = waits.into_iter().flatten().max() {
        return Outcome::Hold { reason, until: Some(until) };
    }
    let parameters = parameters::fill(parameters, facts, count);
    Outcome::Fire { parameters, text: facts.text.clone() }
}

fn times(source: &TriggerSource) -> Option<u32> {
    match source {
        TriggerSource::Dataset(_) | TriggerSource::Monitor(_) => None,
        TriggerSource::Idle { times } | TriggerSource::Cron { times, .. } => *times,
    }
}

/// Returns until when the trigger cools down.
fn cooling(cool_down: Duration, state: &TriggerState, now: Micros) -> Option<(Micros, String)> {
    let until = state.recent.last()?.plus(cool_down);
    (until > now).then(|| (until, format!("cooling down until {until}")))
}

/// Returns until when the trigger has started enough runs.
fn sated(max_per_day: Option<u32>, state: &TriggerState, now: Micros) -> Option<(Micros, String)> {
    let most = usize::try_from(max_per_day?).unwrap_or(usize::MAX);
    let today: Vec<&Micros> = state.recent.iter().filter(|start| now.since(**start) < DAY).collect();
    // The start that must be a day old before there is room for one more.
    let blocking = today.len().checked_sub(most).and_then(|index| today.get(index))?;
    let until = blocking.plus(DAY);
    Some((until, format!("{most} runs a day is the most; the next may start at {until}")))
}
