//! Smoothing of noisy curves.

/// Returns the points with each value replaced by an exponentially weighted mean of it and those before.
///
/// `weight` is how much the past counts, from 0 to below 1. The mean is corrected for its beginning at zero, so that the
/// first values are not pulled down (Kingma and Ba, "Adam", 2015, section 3). Values that are not finite stay, and do not
/// count.
pub(super) fn smoothed(points: &[(f64, f64)], weight: f64) -> Vec<(f64, f64)> {
    let (mut mean, mut known) = (0.0, 0.0);
    let mean_of = |(x, y): &(f64, f64)| {
        if !y.is_finite() {
            return (*x, *y);
        }
        mean = mean * weight + (1.0 - weight) * y;
        known = known * weight + (1.0 - weight);
        (*x, mean / known)
    };
    points.iter().map(mean_of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_begins_at_the_first_value() {
        let shown = |values: &[f64], weight: f64| {
            let points: Vec<(f64, f64)> = values.iter().map(|value| (0.0, *value)).collect();
            smoothed(&points, weight).iter().map(|(_, y)| format!("{y:.3}")).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(shown(&[4.0, 4.0, 4.0], 0.9), "4.000 4.000 4.000");
        assert_eq!(shown(&[0.0, 3.0], 0.5), "0.000 2.000");
        assert_eq!(shown(&[1.0, f64::NAN, 1.0], 0.5), "1.000 NaN 1.000");
        assert_eq!(shown(&[1.0, 2.0], 0.0), "1.000 2.000");
    }
}
