//! Cuts rows into windows: every so many, or by a time of their own. Pure.
//!
//! Each row is in one window at most, and a window that was measured is never measured again: what comes for it later is
//! counted as late. Which rows are measured already is told by the caller, so that the same rows give the same windows
//! however often they are cut, in one go or one by one.

use windlass_kinds::{Micros, record::Counted};

/// The most windows that are measured in one go.
pub(super) const AT_ONCE: usize = 64;

/// A row that may be in a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Candidate {
    /// Its own time, where the window asks for one and it has one.
    pub(super) time: Option<i64>,
    /// Whether a window has it already.
    pub(super) is_taken: bool,
}

/// What was measured before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Before {
    /// The position of the last window; 0 where there is none.
    pub(super) position: u32,
    /// How many rows all windows have together.
    pub(super) rows: u64,
    /// Where the last window of time ends.
    pub(super) ends: Option<Micros>,
}

/// A window to measure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cut {
    /// Counts from 1 within the monitor.
    pub(super) position: u32,
    /// What it is called.
    pub(super) name: String,
    /// Where it ends, if it is one of time.
    pub(super) ends: Option<Micros>,
    /// Its rows, by their places among the candidates; in order.
    pub(super) rows: Vec<usize>,
}

/// The windows that are complete.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Cuts {
    /// Oldest first, [`AT_ONCE`] at most.
    pub(super) cuts: Vec<Cut>,
    /// Whether there are more.
    pub(super) more: bool,
    /// Rows that are in no window.
    pub(super) left: Vec<(Counted, u64)>,
    /// How many rows are wanting for the next window of rows.
    pub(super) wanting: u64,
}

/// Cuts every `size` rows, in the order of the candidates.
pub(super) fn by_rows(candidates: &[Candidate], before: Before, size: u64) -> Cuts {
    let size = size.max(1);
    let free: Vec<usize> = places(candidates, |row| !row.is_taken);
    let length = usize::try_from(size).unwrap_or(usize::MAX);
    let mut cuts = Cuts::default();
    let whole = free.chunks_exact(length);
    cuts.wanting = size - whole.remainder().len() as u64;
    for (rows, number) in whole.zip(0u32..) {
        if cuts.cuts.len() == AT_ONCE {
            cuts.more = true;
            break;
        }
        let first = before.rows + u64::from(number) * size + 1;
        cuts.cuts.push(Cut {
            position: before.position + number + 1,
            name: format!("rows {first} to {}", first + size - 1),
            ends: None,
            rows: rows.to_vec(),
        });
    }
    cuts
}

/// Cuts at multiples of `every` microseconds since 1970-01-01T00:00:00Z.
///
/// A window is complete once a row at or beyond its end was seen, whose time is not beyond `now`: a row that claims to
/// come from the future must not end every window before it. Rows before the end of the last window that was measured
/// are late. Where whole windows have no row, they are told as one that is empty.
pub(super) fn by_time(candidates: &[Candidate], before: Before, column: &str, every: i64, now: Micros) -> Cuts {
    let every = every.max(1);
    let mut cuts = Cuts { wanting: 1, ..Cuts::default() };
    let closed = before.ends.map(|ends| ends.0);
    let time = |place: &usize| candidates[*place].time;
    let is_late = |row: &Candidate| !row.is_taken && row.time.zip(closed).is_some_and(|(time, closed)| time < closed);
    let is_open = |row: &Candidate| {
        !row.is_taken && row.time.is_some_and(|time| time <= now.0 && closed.is_none_or(|closed| time >= closed))
    };
    let count = |holds: &dyn Fn(&Candidate) -> bool| candidates.iter().filter(|row| holds(row)).count() as u64;
    cuts.left = vec![
        (Counted::LateRows, count(&is_late)),
        (Counted::FutureRows, count(&|row| row.time.is_some_and(|time| time > now.0))),
        (Counted::TimelessRows, count(&|row| row.time.is_none())),
    ];
    let mut open = places(candidates, is_open);
    open.sort_by_key(time);
    let (Some(first), Some(watermark)) = (open.first().and_then(time), open.last().and_then(time)) else { return cuts };
    let mut cursor = closed.unwrap_or(first.div_euclid(every) * every);
    let mut rest = open.as_slice();
    while let Some(next) = rest.first().and_then(time) {
        let start = (next.div_euclid(every) * every).max(cursor);
        if cuts.cuts.len() + 1 >= AT_ONCE {
            cuts.more = true;
            break;
        }
        if start > cursor {
            push(&mut cuts.cuts, before, column, cursor, start, Vec::new());
        }
        let end = (next.div_euclid(every) + 1).checked_mul(every).filter(|end| *end <= watermark);
        let Some(end) = end else { break };
        let (inside, behind) = rest.split_at(rest.partition_point(|place| time(place).is_some_and(|time| time < end)));
        let mut rows = inside.to_vec();
        rows.sort_unstable();
        push(&mut cuts.cuts, before, column, start, end, rows);
        rest = behind;
        cursor = end;
    }
    cuts
}

fn push(cuts: &mut Vec<Cut>, before: Before, column: &str, start: i64, end: i64, rows: Vec<usize>) {
    let position = before.position + u32::try_from(cuts.len()).unwrap_or(u32::MAX) + 1;
    let name = format!("{column} {} to {}", instant(start), instant(end));
    cuts.push(Cut { position, name, ends: Some(Micros(end)), rows });
}

fn places(candidates: &[Candidate], holds: impl Fn(&Candidate) -> bool) -> Vec<usize> {
    candidates.iter().enumerate().filter(|(_, row)| holds(row)).map(|(place, _)| place).collect()
}

/// Writes an instant as short as it can be read: a day, or a time with a fraction only where it has one.
fn instant(micros: i64) -> String {
    let text = Micros(micros).to_string();
    let text = text.replace(".000000Z", "Z");
    text.strip_suffix("T00:00:00Z").map_or_else(|| text.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000_000;
    const DAY: i64 = 24 * HOUR;
    const NOW: Micros = Micros(100 * DAY);

    fn row(time: Option<i64>) -> Candidate {
        Candidate { time, is_taken: false }
    }

    fn told(cuts: &Cuts) -> Vec<(u32, &str, &[usize])> {
        cuts.cuts.iter().map(|cut| (cut.position, cut.name.as_str(), cut.rows.as_slice())).collect()
    }

    #[test]
    fn every_so_many_rows_in_one_go_or_one_by_one() {
        let rows: Vec<Candidate> = (0..7).map(|_| row(None)).collect();
        let all = by_rows(&rows, Before::default(), 3);
        let expected: [(u32, &str, &[usize]); 2] = [(1, "rows 1 to 3", &[0, 1, 2]), (2, "rows 4 to 6", &[3, 4, 5])];
        assert_eq!(told(&all), expected);
        assert_eq!((all.wanting, all.more), (2, false));
        let mut rows = rows;
        rows[..3].iter_mut().for_each(|row| row.is_taken = true);
        let next = by_rows(&rows, Before { position: 1, rows: 3, ends: None }, 3);
        assert_eq!(told(&next), expected[1..]);
        assert_eq!(told(&by_rows(&rows[..5], Before { position: 1, rows: 3, ends: None }, 3)), []);
        let many: Vec<Candidate> = (0..AT_ONCE + 2).map(|_| row(None)).collect();
        let some = by_rows(&many, Before::default(), 1);
        assert_eq!((some.cuts.len(), some.more), (AT_ONCE, true));
    }

    #[test]
    fn a_window_of_time_ends_when_a_later_row_was_seen() {
        // Days; rows come in any order.
        for (name, rows, before, expected, left) in [
            ("nothing", vec![], None, vec![], [0, 0, 0]),
            ("no later row", vec![1.0, 1.9], None, vec![], [0, 0, 0]),
            ("a later row", vec![2.1, 1.0, 1.9], None, vec![(1, 2, vec![1, 2])], [0, 0, 0]),
            ("a row at the end", vec![1.0, 2.0], None, vec![(1, 2, vec![0])], [0, 0, 0]),
            ("before 1970", vec![-0.5, 0.0], None, vec![(-1, 0, vec![0])], [0, 0, 0]),
            ("a gap", vec![1.0, 5.5, 6.0], None, vec![(1, 2, vec![0]), (2, 5, vec![]), (5, 6, vec![1])], [0, 0, 0]),
            ("a gap before an open window", vec![1.0, 5.5], None, vec![(1, 2, vec![0]), (2, 5, vec![])], [0, 0, 0]),
            ("a late row", vec![1.5, 2.5, 3.5], Some(2), vec![(2, 3, vec![1])], [1, 0, 0]),
            ("a gap behind the last", vec![4.5, 5.5], Some(2), vec![(2, 4, vec![]), (4, 5, vec![0])], [0, 0, 0]),
            ("all late", vec![1.5, 1.7], Some(2), vec![], [2, 0, 0]),
            ("from the future", vec![1.0, 100.5], None, vec![], [0, 1, 0]),
            ("without a time", vec![1.0, f64::NAN, 2.0], None, vec![(1, 2, vec![0])], [0, 0, 1]),
        ] {
            let candidates: Vec<Candidate> =
                rows.iter().map(|days| row((!f64::is_nan(*days)).then_some((days * DAY as f64) as i64))).collect();
            let before = Before { ends: before.map(|day: i64| Micros(day * DAY)), ..Before::default() };
            let cuts = by_time(&candidates, before, "t", DAY, NOW);
            let found: Vec<(u32, i64, Vec<usize>)> =
                cuts.cuts.iter().map(|cut| (cut.position, cut.ends.unwrap().0, cut.rows.clone())).collect();
            let expected: Vec<(u32, i64, Vec<usize>)> = expected
                .into_iter()
                .zip(1..)
                .map(|((_, end, rows), position): ((i64, i64, _), _)| (position, end * DAY, rows))
                .collect();
            assert_eq!(found, expected, "{name}");
            assert_eq!(cuts.left.iter().map(|(_, count)| *count).collect::<Vec<_>>(), left, "{name}");
        }
    }

    #[test]
    fn windows_of_time_are_called_by_their_ends() {
        let candidates = [row(Some(DAY)), row(Some(3 * DAY)), row(Some(3 * DAY + HOUR))];
        let names = |every| {
            let cuts = by_time(&candidates, Before::default(), "t", every, NOW);
            cuts.cuts.into_iter().map(|cut| cut.name).collect::<Vec<_>>()
        };
        assert_eq!(names(DAY), ["t 1970-01-02 to 1970-01-03", "t 1970-01-03 to 1970-01-04"]);
        assert_eq!(
            names(HOUR),
            [
                "t 1970-01-02 to 1970-01-02T01:00:00Z",
                "t 1970-01-02T01:00:00Z to 1970-01-04",
                "t 1970-01-04 to 1970-01-04T01:00:00Z",
            ]
        );
    }

    #[test]
    fn in_one_go_or_one_by_one_windows_of_time_are_the_same() {
        let times: Vec<i64> = (0..60).map(|number| (number * 7 % 60) * 5 * HOUR).collect();
        let candidates: Vec<Candidate> = times.iter().map(|time| row(Some(*time))).collect();
        let all = by_time(&candidates, Before::default(), "t", DAY, NOW);
        let mut ordered = candidates.clone();
        ordered.sort_by_key(|row| row.time);
        let (mut before, mut found, mut taken) = (Before::default(), Vec::new(), 0);
        for seen in 1..=ordered.len() {
            ordered[..taken].iter_mut().for_each(|row| row.is_taken = true);
            for cut in by_time(&ordered[..seen], before, "t", DAY, NOW).cuts {
                before = Before { position: cut.position, rows: 0, ends: cut.ends };
                taken += cut.rows.len();
                found.push((cut.position, cut.name, cut.rows.len()));
            }
        }
        let expected: Vec<_> = all.cuts.into_iter().map(|cut| (cut.position, cut.name, cut.rows.len())).collect();
        assert_eq!(found, expected);
        assert_eq!(found.len(), 12);
    }
}
