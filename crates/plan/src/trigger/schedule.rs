//! When a schedule is due.
//!
//! Cron expressions are read as Vixie cron reads them, in the schedule's time zone: an hour that a clock change skips
//! fires once, right after the gap; an hour that it repeats fires once for a fixed hour. What was missed while nobody
//! was looking is made up for by one run, not by many.

use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};
use jiff::{Timestamp, Zoned, tz::TimeZone};
use windlass_kinds::{
    Micros,
    manifest::{TriggerSource, TriggerSpec},
    record::TriggerState,
};

/// Why a schedule can never be due.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// Not a cron expression.
    #[error("`{cron}` is not a cron expression: {message}")]
    Cron {
        /// The expression.
        cron: String,
        /// What is wrong.
        message: String,
    },
    /// A time zone that this machine does not know.
    #[error("`{0}` is not a time zone; write a name such as Europe/Berlin or UTC")]
    Timezone(String),
    /// A day that does not come, such as 30 February.
    #[error("`{0}` never comes")]
    Never(String),
}

/// Checks that a source can ever be due; sources that wait for events are fine.
pub fn check_schedule(source: &TriggerSource) -> Result<(), ScheduleError> {
    match source {
        TriggerSource::Dataset(_) | TriggerSource::Monitor(_) | TriggerSource::Idle { .. } => Ok(()),
        TriggerSource::Cron { cron, timezone, times: _ } => next(cron, timezone, Micros(0)).map(|_| ()),
    }
}

/// Returns the first instant after `after` at which the source is due; `None` for sources that wait for events, and
/// for schedules that are never due.
pub fn next_due(source: &TriggerSource, after: Micros) -> Option<Micros> {
    match source {
        TriggerSource::Dataset(_) | TriggerSource::Monitor(_) | TriggerSource::Idle { .. } => None,
        TriggerSource::Cron { cron, timezone, times: _ } => next(cron, timezone, after).ok(),
    }
}

/// Returns when a trigger is next due, from what is remembered of it: after it was last asked, or after `since` (when
/// it was applied) where that is later. An instant that lies in the past is due now. `None` where it waits for events,
/// has started all its runs, or is held back already.
pub fn due(spec: &TriggerSpec, state: &TriggerState, since: Micros, now: Micros) -> Option<Micros> {
    let times = match &spec.source {
        TriggerSource::Dataset(_) | TriggerSource::Monitor(_) | TriggerSource::Idle { .. } => return None,
        TriggerSource::Cron { times, .. } => *times,
    };
    if times.is_some_and(|times| state.fired >= times) || state.held.is_some() {
        return None;
    }
    let asked = state.asked_at.max(state.recent.last().copied());
    // Where the clock was set back, what was seen seems to lie in the future: go on from now.
    next_due(&spec.source, asked.map_or(since, |asked| asked.max(since)).min(now))
}

fn next(cron: &str, timezone: &str, after: Micros) -> Result<Micros, ScheduleError> {
    let schedule: Cron = CronParser::builder()
        .seconds(Seconds::Disallowed)
        .year(Year::Disallowed)
        .build()
        .parse(cron)
        .map_err(|error| ScheduleError::Cron { cron: cron.to_owned(), message: error.to_string() })?;
    let zone = TimeZone::get(timezone).map_err(|_| ScheduleError::Timezone(timezone.to_owned()))?;
    let never = || ScheduleError::Never(cron.to_owned());
    let start: Zoned = Timestamp::from_microsecond(after.0).map_err(|_| never())?.to_zoned(zone);
    let next = schedule.find_next_occurrence(&start, false).map_err(|_| never())?;
    Ok(Micros(next.timestamp().as_microsecond()))
}
