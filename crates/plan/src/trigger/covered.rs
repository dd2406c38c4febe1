//! Many monitors, one cause: what a monitor saw may be dealt with already by a run that another monitor started.

use windlass_kinds::{
    Micros, Name,
    manifest::{TriggerSource, TriggerSpec},
    record::TriggerState,
};

/// Returns why a threshold that was crossed needs no run of its own; `None` where it does, and for triggers of other
/// kinds. `triggers` are all of its pipeline and `states` what is remembered of them; `waiting` names a run of it that a monitor started, that has not
/// begun, and that would do the same over the same data.
///
/// A run that another monitor of the same pipeline started covers this trigger for as long as its own cool-down says.
/// What is covered is not held: what is still wrong then crosses its threshold in the next window.
pub fn covered(
    triggers: &[TriggerSpec],
    trigger: &TriggerSpec,
    states: &[(Name, TriggerState)],
    waiting: Option<&str>,
    now: Micros,
) -> Option<String> {
    if !matches!(trigger.source, TriggerSource::Monitor(_)) {
        return None;
    }
    if let Some(run) = waiting {
        return Some(format!("{run} waits to begin, and will do the same"));
    }
    let others = triggers.iter().filter(|other| other.name != trigger.name);
    let others = others.filter(|other| matches!(other.source, TriggerSource::Monitor(_)));
    others.into_iter().find_map(|other| {
        let (_, state) = states.iter().find(|(name, _)| *name == other.name)?;
        // A start that seems to lie in the future (the clock was set back) counts as if it were now.
        let until = (*state.recent.last()?).min(now).plus(trigger.cool_down.0);
        (until > now)
            .then(|| format!("trigger {} started a run for another monitor; covered until {until}", other.name))
    })
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, time::Duration};

    use windlass_kinds::Span;

    use super::*;

    fn trigger(name: &str, source: TriggerSource, cool_down: u64) -> TriggerSpec {
        TriggerSpec {
            name: name.parse().unwrap(),
            source,
            condition: None,
            cool_down: Span(Duration::from_secs(cool_down)),
            max_per_day: None,
            breaker: None,
            max_without_improvement: None,
            unless: None,
            parameters: BTreeMap::new(),
        }
    }

    #[test]
    fn another_monitor_s_run_covers_for_as_long_as_the_cool_down() {
        let monitor = |name: &str| TriggerSource::Monitor(name.parse().unwrap());
        let triggers = [
            trigger("one", monitor("one"), 60),
            trigger("two", monitor("two"), 60),
            trigger("eager", monitor("three"), 0),
            trigger("data", TriggerSource::Dataset("arrivals".parse().unwrap()), 60),
        ];
        // Who is asked, who started when (seconds), whether a run waits, what time it is; whether it is covered.
        for (asked, started, waiting, now, expected) in [
            ("one", &[][..], None, 100, false),
            ("one", &[("two", 50)], None, 100, true),
            ("one", &[("two", 40)], None, 100, false),
            ("one", &[("one", 99)], None, 100, false),
            ("one", &[("data", 99)], None, 100, false),
            ("one", &[("data", 99), ("two", 99)], None, 100, true),
            ("one", &[("two", 500)], None, 100, true),
            ("eager", &[("two", 100)], None, 100, false),
            ("eager", &[], Some("train-2"), 100, true),
            ("data", &[("two", 99)], Some("train-2"), 100, false),
        ] {
            let states: Vec<(Name, TriggerState)> = started
                .iter()
                .map(|(name, at)| {
                    let recent = vec![Micros(at * 1_000_000)];
                    (name.parse().unwrap(), TriggerState { recent, ..TriggerState::default() })
                })
                .collect();
            let spec = triggers.iter().find(|one| one.name.as_str() == asked).unwrap();
            let found = covered(&triggers, spec, &states, waiting, Micros(now * 1_000_000));
            assert_eq!(found.is_some(), expected, "{asked} after {started:?}, {waiting:?}: {found:?}");
        }
    }
}
