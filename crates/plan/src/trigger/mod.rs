//! Triggers: does an event start a run now, later, or never?
//!
//! The answer follows from what the trigger says, what is remembered of it, the event and the time. What cannot start
//! yet is held with a reason and an instant to look again; a newer event takes the place of a held one, and brings
//! along the files that the older one had added, so that none is passed over. Runs that fail in a row, or that make no
//! better version, open the breaker: the trigger then waits for a person and says so once.
//!
//! The clock may be set back. Starts that seem to lie in the future count as if they were now, so that nothing waits
//! longer than its own rule says.

mod covered;
mod decide;
mod facts;
mod parameters;
mod schedule;

use std::collections::BTreeMap;

use serde_json::Value;
use windlass_kinds::{
    EventId, Micros,
    manifest::TriggerSpec,
    record::{TriggerFacts, TriggerState},
};

pub use covered::covered;
pub use schedule::{check_schedule, due, next_due};

/// What a trigger does about an event.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// A run starts.
    Fire {
        /// Its parameters, on top of the pipeline's defaults.
        parameters: BTreeMap<String, Value>,
        /// Why, in one line for people.
        text: String,
    },
    /// The event is kept in [`TriggerState::held`].
    Hold {
        /// Why, for people.
        reason: String,
        /// When to look again; `None` means when a person acts.
        until: Option<Micros>,
    },
    /// Nothing comes of it.
    Ignore {
        /// Why, for people.
        reason: String,
    },
}

/// Decides about an event. `taken` is the version that the alias of [`TriggerSpec::unless`] points at now; `None`
/// where it points at nothing, and where the trigger names no alias. The state returned takes the place of the one
/// given, whatever the outcome.
pub fn decide(
    spec: &TriggerSpec,
    state: &TriggerState,
    facts: &TriggerFacts,
    event: &EventId,
    taken: Option<u32>,
    now: Micros,
) -> (TriggerState, Outcome) {
    decide::decide(spec, state, facts, event, taken, now)
}

/// Decides again about a held event, when its time has come or a person acted; `None` where nothing is held. `taken`
/// as in [`decide`].
pub fn held(
    spec: &TriggerSpec,
    state: &TriggerState,
    taken: Option<u32>,
    now: Micros,
) -> (TriggerState, Option<Outcome>) {
    decide::held(spec, state, taken, now)
}

/// Returns when to look at a held event again; `None` where nothing is held, or where it waits for a person. An
/// instant further away than any rule of the trigger (the clock was set back) counts as now.
pub fn held_until(spec: &TriggerSpec, state: &TriggerState, now: Micros) -> Option<Micros> {
    decide::held_until(spec, state, now)
}

/// Takes note that a run this trigger started has ended. The text, where there is one, says that the breaker opened
/// with it; it is given once, however many more runs fail.
pub fn ended(spec: &TriggerSpec, state: &TriggerState, succeeded: bool, now: Micros) -> (TriggerState, Option<String>) {
    decide::ended(spec, state, succeeded, now)
}

/// Takes note that the candidates of a run this trigger started were judged: whether one of them took an alias. The
/// text, where there is one, says that the breaker opened for want of improvement; it is given once.
pub fn improved(
    spec: &TriggerSpec,
    state: &TriggerState,
    improved: bool,
    now: Micros,
) -> (TriggerState, Option<String>) {
    decide::improved(spec, state, improved, now)
}

/// Closes the breaker: a person looked at it. What is held stays held; ask [`held`] next.
pub fn reset(state: TriggerState) -> TriggerState {
    TriggerState { failures: 0, without_improvement: 0, open: None, ..state }
}

#[cfg(test)]
mod tests;
