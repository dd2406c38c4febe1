use serde_json::json;
use windlass_kinds::{Span, manifest::TriggerSource, record::BreachFacts};

use super::*;

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

fn spec() -> TriggerSpec {
    TriggerSpec {
        name: "labels".parse().unwrap(),
        source: TriggerSource::Dataset("arrivals".parse().unwrap()),
        condition: None,
        cool_down: Span(std::time::Duration::ZERO),
        max_per_day: None,
        breaker: None,
        max_without_improvement: None,
        unless: None,
        parameters: BTreeMap::new(),
    }
}

fn version(number: u32, added: &[&str]) -> TriggerFacts {
    TriggerFacts {
        text: format!("dataset arrivals version {number}"),
        version: Some(number),
        files: Some(number),
        added: added.iter().map(|path| (*path).to_owned()).collect(),
        ..TriggerFacts::default()
    }
}

/// Plays lines such as `0s version 1`, `1s taken 3` (what the alias of `unless` points at from then on), `5s held`,
/// `6s failed`, `7s succeeded`, `8s reset`, `9s worse` and `9s improved`, and says what came of each.
fn play(spec: &TriggerSpec, lines: &[&str]) -> Vec<String> {
    let mut state = TriggerState::default();
    let mut taken = None;
    let mut said = Vec::new();
    for line in lines {
        let (at, what) = line.split_once(' ').unwrap();
        let (sign, at) = at.strip_prefix('-').map_or((1, at), |at| (-1, at));
        let now = Micros(sign * i64::try_from(at.parse::<Span>().unwrap().0.as_micros()).unwrap());
        let (next, text) = match what.split_once(' ').unwrap_or((what, "")) {
            ("version", number) => {
                let number = number.parse().unwrap();
                let facts = version(number, &[&format!("{number}.parquet")]);
                let (state, outcome) = decide(spec, &state, &facts, &EventId::new(format!("e{number}")), taken, now);
                (state, show(&outcome))
            }
            ("held", _) => {
                let (state, outcome) = held(spec, &state, taken, now);
                (state, outcome.as_ref().map_or("nothing held".to_owned(), show))
            }
            (end @ ("failed" | "succeeded"), _) => {
                let (state, opened) = ended(spec, &state, end == "succeeded", now);
                (state, opened.unwrap_or_else(|| "noted".to_owned()))
            }
            (verdict @ ("worse" | "improved"), _) => {
                let (state, opened) = improved(spec, &state, verdict == "improved", now);
                (state, opened.unwrap_or_else(|| "noted".to_owned()))
            }
            ("reset", _) => (reset(state), "closed".to_owned()),
            ("taken", version) => {
                taken = version.parse().ok();
                (state, "noted".to_owned())
            }
            other => panic!("{other:?}"),
        };
        state = next;
        said.push(text);
    }
    said
}

fn show(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Fire { parameters, text } if parameters.is_empty() => format!("fire: {text}"),
        Outcome::Fire { parameters, text } => format!("fire: {text} {}", json!(parameters)),
        Outcome::Hold { reason, until } => {
            format!("hold{}: {reason}", if until.is_some() { "" } else { " for a person" })
        }
        Outcome::Ignore { reason } => format!("ignore: {reason}"),
    }
}

#[test]
fn plain_triggers_fire_each_time() {
    assert_eq!(
        play(&spec(), &["0s version 1", "0s version 2", "1s held"]),
        ["fire: dataset arrivals version 1", "fire: dataset arrivals version 2", "nothing held"]
    );
}

#[test]
fn conditions_hold_or_do_not() {
    let when = |expression: &str| TriggerSpec { condition: Some(expression.to_owned()), ..spec() };
    assert_eq!(
        play(&when("version.files >= 2"), &["0s version 1", "1s version 2"]),
        ["ignore: its condition `version.files >= 2` does not hold", "fire: dataset arrivals version 2"]
    );
    assert_eq!(
        play(&when("version.file >= 2"), &["0s version 1"]),
        ["ignore: its condition `version.file >= 2` cannot be evaluated: there is no `file`"]
    );
    assert_eq!(
        play(&when("trigger.count == 1"), &["0s version 1", "0s version 2"]),
        ["fire: dataset arrivals version 1", "ignore: its condition `trigger.count == 1` does not hold"]
    );
}

#[test]
fn an_alias_that_points_somewhere_keeps_it_still() {
    let spec =
        TriggerSpec { unless: Some("flights@champion".parse().unwrap()), cool_down: "10s".parse().unwrap(), ..spec() };
    assert_eq!(
        play(
            &spec,
            &["0s version 1", "1s version 2", "2s taken 1", "10s held", "11s version 3", "12s taken", "13s version 4"]
        ),
        [
            "fire: dataset arrivals version 1",
            "hold: cooling down until 1970-01-01T00:00:10.000000Z",
            "noted",
            "ignore: flights@champion is there: version 1",
            "ignore: flights@champion is there: version 1",
            "noted",
            "fire: dataset arrivals version 4",
        ]
    );
}

#[test]
fn runs_that_improve_nothing_open_the_breaker_once() {
    let spec = TriggerSpec { max_without_improvement: Some(2), ..spec() };
    assert_eq!(
        play(
            &spec,
            &[
                "0s worse",
                "1s improved",
                "2s worse",
                "3s worse",
                "4s worse",
                "5s version 1",
                "6s reset",
                "7s held",
                "8s worse"
            ]
        ),
        [
            "noted",
            "noted",
            "noted",
            "trigger labels stopped after 2 runs in a row made no better version; it waits for a person",
            "noted",
            "hold for a person: trigger labels stopped after 2 runs in a row made no better version; it waits for a person",
            "closed",
            "fire: dataset arrivals version 1",
            "noted",
        ]
    );
}

#[test]
fn cooling_down_holds_the_newest_with_the_files_of_all() {
    let spec = TriggerSpec {
        cool_down: "10s".parse().unwrap(),
        parameters: [("added".to_owned(), json!("${trigger.added}"))].into(),
        ..spec()
    };
    assert_eq!(
        play(&spec, &["0s version 1", "4s version 2", "5s version 3", "9s held", "10s held", "10s version 4"]),
        [
            "fire: dataset arrivals version 1 {\"added\":[\"1.parquet\"]}",
            "hold: cooling down until 1970-01-01T00:00:10.000000Z",
            "hold: cooling down until 1970-01-01T00:00:10.000000Z",
            "hold: cooling down until 1970-01-01T00:00:10.000000Z",
            "fire: dataset arrivals version 3, and 1 file since version 2 {\"added\":[\"2.parquet\",\"3.parquet\"]}",
            "hold: cooling down until 1970-01-01T00:00:20.000000Z",
        ]
    );
}

#[test]
fn a_day_has_only_so_many_runs() {
    let spec = TriggerSpec { max_per_day: Some(2), ..spec() };
    assert_eq!(
        play(
            &spec,
            &["0s version 1", "1h version 2", "2h version 3", "23h held", "24h held", "24h version 4", "25h held"]
        ),
        [
            "fire: dataset arrivals version 1",
            "fire: dataset arrivals version 2",
            "hold: 2 runs a day is the most; the next may start at 1970-01-02T00:00:00.000000Z",
            "hold: 2 runs a day is the most; the next may start at 1970-01-02T00:00:00.000000Z",
            "fire: dataset arrivals version 3",
            "hold: 2 runs a day is the most; the next may start at 1970-01-02T01:00:00.000000Z",
            "fire: dataset arrivals version 4",
        ]
    );
}

#[test]
fn the_breaker_opens_once_and_waits_for_a_person() {
    let spec = TriggerSpec { breaker: Some(2), ..spec() };
    assert_eq!(
        play(
            &spec,
            &[
                "0s version 1",
                "1s failed",
                "2s succeeded",
                "3s failed",
                "4s failed",
                "5s failed",
                "6s version 2",
                "7s held",
                "8s reset",
                "8s held",
                "9s failed",
                "10s version 3",
            ]
        ),
        [
            "fire: dataset arrivals version 1",
            "noted",
            "noted",
            "noted",
            "trigger labels stopped after 2 runs in a row failed; it waits for a person",
            "noted",
            "hold for a person: trigger labels stopped after 2 runs in a row failed; it waits for a person",
            "hold for a person: trigger labels stopped after 2 runs in a row failed; it waits for a person",
            "closed",
            "fire: dataset arrivals version 2",
            "noted",
            "fire: dataset arrivals version 3",
        ]
    );
}

#[test]
fn a_schedule_ends_after_its_times() {
    let spec = TriggerSpec { source: TriggerSource::Idle { times: Some(2) }, ..spec() };
    assert_eq!(
        play(&spec, &["0s version 1", "1s version 2", "2s version 3"]),
        [
            "fire: dataset arrivals version 1",
            "fire: dataset arrivals version 2",
            "ignore: it has started all 2 of its runs",
        ]
    );
}

#[test]
fn a_clock_set_back_delays_by_no_more_than_the_rule() {
    let spec = TriggerSpec { cool_down: "10s".parse().unwrap(), max_per_day: Some(1), ..spec() };
    let state = TriggerState { recent: vec![Micros(400 * DAY)], fired: 1, ..TriggerState::default() };
    let (state, outcome) = decide(&spec, &state, &version(1, &[]), &EventId::new("e"), None, Micros(0));
    assert_eq!(state.recent, [Micros(0)]);
    assert!(matches!(outcome, Outcome::Hold { until: Some(Micros(DAY)), .. }), "{outcome:?}");
    // What was held before the clock went back is looked at again at once.
    let mut far = state.clone();
    far.held.as_mut().unwrap().until = Some(Micros(400 * DAY));
    assert_eq!(held_until(&spec, &far, Micros(5)), Some(Micros(5)));
    assert_eq!(held_until(&spec, &state, Micros(5)), Some(Micros(DAY)));
    assert_eq!(play(&spec, &["5s version 1", "-3s version 2"])[1].split(':').next(), Some("hold"));
}

#[test]
fn the_last_start_is_remembered_however_old() {
    let state = TriggerState { recent: vec![Micros(0), Micros(SECOND)], ..TriggerState::default() };
    let (state, _) = ended(&spec(), &state, true, Micros(9 * DAY));
    assert_eq!(state.recent, [Micros(SECOND)]);
}

#[test]
fn events_of_a_dataset_add_up() {
    let facts = |number, added: &[&str], changed: &[&str], removed: &[&str]| TriggerFacts {
        version: Some(number),
        text: format!("v{number}"),
        added: added.iter().map(|path| (*path).to_owned()).collect(),
        changed: changed.iter().map(|path| (*path).to_owned()).collect(),
        removed: removed.iter().map(|path| (*path).to_owned()).collect(),
        ..TriggerFacts::default()
    };
    let old = facts(1, &["a", "b", "c"], &["d", "e"], &["f", "g"]);
    let new = facts(2, &["f", "x"], &["a", "d"], &["b", "e"]);
    let both = super::facts::joined(&old, &new);
    assert_eq!(
        (both.added, both.changed, both.removed),
        (
            vec!["a".to_owned(), "c".to_owned(), "x".to_owned()],
            vec!["d".to_owned(), "f".to_owned()],
            vec!["e".to_owned(), "g".to_owned()],
        )
    );
    assert_eq!(both.text, "v2, and 6 files since version 1");
    // A version delivered late changes nothing.
    assert_eq!(super::facts::joined(&new, &old), new);
}

#[test]
fn placeholders_are_filled() {
    let cases = [
        (json!("${trigger.count}"), json!(3)),
        (json!("tick ${trigger.count} of ${trigger.text}"), json!("tick 3 of v7")),
        (json!("${trigger.added}"), json!(["a", "b"])),
        (json!("files: ${trigger.added}"), json!("files: [\"a\",\"b\"]")),
        (json!(["${trigger.version}", {"x": "${trigger.version}!"}]), json!([7, {"x": "7!"}])),
        (json!("${other} ${trigger.count"), json!("${other} ${trigger.count")),
        (json!("${${trigger.count}}"), json!("${3}")),
        (json!(1.5), json!(1.5)),
    ];
    let facts = TriggerFacts { text: "v7".to_owned(), ..version(7, &["a", "b"]) };
    let check = |given: serde_json::Value, facts: &TriggerFacts, expected: serde_json::Value| {
        let filled = super::parameters::fill(&[("p".to_owned(), given.clone())].into(), facts, 3);
        assert_eq!(filled["p"], expected, "{given}");
    };
    for (given, expected) in cases {
        check(given, &facts, expected);
    }
    check(json!("${trigger.measure}"), &facts, json!(null));
    let breach = BreachFacts {
        monitor: "quality".parse().unwrap(),
        measure: "mae".to_owned(),
        value: 14.2,
        threshold: 13.9,
        window: "arrivals version 5".to_owned(),
    };
    let facts = TriggerFacts { breach: Some(breach), ..facts };
    check(json!("${trigger.value}"), &facts, json!(14.2));
    check(
        json!("${trigger.monitor}: ${trigger.measure} ${trigger.value} of ${trigger.threshold} in ${trigger.window}"),
        &facts,
        json!("quality: mae 14.2 of 13.9 in arrivals version 5"),
    );
}

fn cron(cron: &str, timezone: &str) -> TriggerSource {
    TriggerSource::Cron { cron: cron.to_owned(), timezone: timezone.to_owned(), times: Some(2) }
}

fn at(text: &str) -> Micros {
    Micros(text.parse::<jiff::Timestamp>().unwrap().as_microsecond())
}

#[test]
fn schedules_are_due_in_their_time_zone() {
    let cases = [
        ("0 3 * * *", "UTC", "2026-01-01T03:00:00Z", "2026-01-02T03:00:00Z"),
        ("0 3 * * *", "UTC", "2026-01-01T02:59:59.999999Z", "2026-01-01T03:00:00Z"),
        ("0 3 * * *", "Europe/Berlin", "2026-01-01T00:00:00Z", "2026-01-01T02:00:00Z"),
        ("0 3 * * *", "Europe/Berlin", "2026-07-01T00:00:00Z", "2026-07-01T01:00:00Z"),
        // 29 March 2026: 02:00 becomes 03:00 in Berlin, 02:30 does not exist: right after the gap.
        ("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z"),
        // 25 October 2026: 03:00 becomes 02:00, 02:30 comes twice: the first of them.
        ("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z"),
        ("30 2 * * *", "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"),
        ("*/15 * * * *", "UTC", "2026-01-01T00:16:00Z", "2026-01-01T00:30:00Z"),
        ("0 0 29 2 *", "UTC", "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z"),
        ("0 12 * * mon-fri", "UTC", "2026-01-02T12:00:00Z", "2026-01-05T12:00:00Z"),
        ("0 0 * * 7", "UTC", "2026-01-01T00:00:00Z", "2026-01-04T00:00:00Z"),
    ];
    for (expression, zone, after, expected) in cases {
        let due = next_due(&cron(expression, zone), at(after));
        assert_eq!(due.map(|due| due.to_string()), Some(at(expected).to_string()), "{expression} {zone} after {after}");
    }
    assert_eq!(next_due(&TriggerSource::Idle { times: None }, Micros(0)), None);
    assert_eq!(next_due(&cron("0 0 * * *", "UTC"), Micros(i64::MAX)), None);
}

#[test]
fn schedules_that_cannot_be_are_said() {
    let check =
        |expression: &str, zone: &str| check_schedule(&cron(expression, zone)).map_err(|error| error.to_string());
    assert_eq!(check("0 3 * * *", "Europe/Berlin"), Ok(()));
    assert_eq!(check("0 0 30 2 *", "UTC"), Err("`0 0 30 2 *` never comes".to_owned()));
    assert!(check("0 3 * * *", "Europe/Atlantis").unwrap_err().starts_with("`Europe/Atlantis` is not a time zone"));
    for bad in ["", "0 3 * *", "61 * * * *", "x * * * *", "* * * * * *", "0 0 0 1 1 * 2030"] {
        assert!(check(bad, "UTC").is_err(), "{bad}");
    }
}

#[test]
fn a_schedule_goes_on_from_where_it_was_asked() {
    let spec = TriggerSpec { source: cron("0 3 * * *", "UTC"), ..spec() };
    let (applied, now) = (at("2026-01-01T00:00:00Z"), at("2026-01-01T12:00:00Z"));
    let fresh = TriggerState::default();
    assert_eq!(due(&spec, &fresh, applied, now), Some(at("2026-01-01T03:00:00Z")), "missed, so due now");
    // Turned down by its condition, it is still not asked about the same instant again.
    let never = TriggerSpec { condition: Some("false".to_owned()), ..spec.clone() };
    let (asked, outcome) = decide(&never, &fresh, &TriggerFacts::default(), &EventId::new("e"), None, now);
    assert!(matches!(outcome, Outcome::Ignore { .. }));
    assert_eq!(due(&never, &asked, applied, now), Some(at("2026-01-02T03:00:00Z")));
    let done = TriggerState { fired: 2, ..fresh.clone() };
    assert_eq!(due(&spec, &done, applied, now), None);
    let future = TriggerState { asked_at: Some(at("2030-01-01T00:00:00Z")), ..fresh };
    assert_eq!(due(&spec, &future, applied, now), Some(at("2026-01-02T03:00:00Z")));
}
