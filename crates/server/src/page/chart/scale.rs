//! Round places on axes of time and of powers of ten.

/// Distances between round places in time, in seconds.
const APART: [f64; 20] = [
    0.1,
    0.2,
    0.5,
    1.0,
    2.0,
    5.0,
    10.0,
    30.0,
    60.0,
    120.0,
    300.0,
    600.0,
    1800.0,
    3600.0,
    7200.0,
    14_400.0,
    43_200.0,
    86_400.0,
    604_800.0,
    2_592_000.0,
];
/// The most powers of ten that get a name each.
const DECADES: i32 = 6;

/// Returns round instants within `low..=high` (seconds), at most about `wanted`, and how far apart they are.
pub(super) fn time_ticks(low: f64, high: f64, wanted: usize) -> (Vec<f64>, f64) {
    let span = high - low;
    if !(span.is_finite() && span > 0.0) {
        return (vec![low], 1.0);
    }
    let rough = span / wanted.max(1) as f64;
    let month = 2_592_000.0;
    let apart = APART.into_iter().find(|apart| *apart >= rough).unwrap_or_else(|| (rough / month).ceil() * month);
    let (first, last) = ((low / apart).ceil(), (high / apart).floor());
    // Counted in whole distances, so that rounding does not add up.
    ((0..=(last - first).max(-1.0) as i64).map(|place| (first + place as f64) * apart).collect(), apart)
}

/// Returns values that are round by powers of ten and cover `10^low..10^high`.
pub(super) fn log_ticks(low: f64, high: f64) -> Vec<f64> {
    let (first, last) = (low.floor() as i32, high.ceil() as i32);
    let decades = (last - first).max(1);
    if decades <= 2 {
        let all = (first..=first + decades)
            .flat_map(|power| [1.0, 2.0, 5.0].map(|factor| factor * 10_f64.powi(power)))
            .collect::<Vec<_>>();
        // One round value beyond each end is enough.
        let begin = all.iter().rposition(|value| value.log10() <= low).unwrap_or(0);
        let end = all.iter().position(|value| value.log10() >= high).unwrap_or(all.len() - 1);
        return all[begin..=end.max(begin)].to_vec();
    }
    let step = (decades + DECADES - 1) / DECADES;
    (0..=(decades + step - 1) / step).map(|place| 10_f64.powi(first + place * step)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_round() {
        for (low, high, expected, apart) in [
            (0.0, 5.0, vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0], 1.0),
            (50.0, 400.0, vec![60.0, 120.0, 180.0, 240.0, 300.0, 360.0], 60.0),
            (7.0, 7.0, vec![7.0], 1.0),
        ] {
            assert_eq!(time_ticks(low, high, 6), (expected, apart), "{low} to {high}");
        }
        assert!(time_ticks(0.0, 1e9, 6).0.len() <= 7);
        assert_eq!(time_ticks(f64::NAN, 1.0, 6).0.len(), 1);
    }

    #[test]
    fn powers_cover_the_values() {
        for (low, high, expected) in [
            (0.0, 1.0, vec![1.0, 2.0, 5.0, 10.0]),
            (-2.2, 1.9, vec![0.001, 0.01, 0.1, 1.0, 10.0, 100.0]),
            (0.31, 0.32, vec![2.0, 5.0]),
        ] {
            let shown = log_ticks(low, high);
            assert_eq!(shown.len(), expected.len(), "{shown:?}");
            assert!(shown.iter().zip(&expected).all(|(one, other)| (one / other - 1.0).abs() < 1e-9), "{shown:?}");
        }
        assert!(log_ticks(-300.0, 300.0).len() <= 8);
    }
}
