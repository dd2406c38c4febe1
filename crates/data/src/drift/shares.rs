//! Measures over counts in the same bins.

/// The least share of a bin in the population stability index, so that an empty bin does not make it infinite.
const SHARE_MIN: f64 = 1e-4;

/// Returns the shares of all that is counted.
fn shares(counts: &[u64]) -> impl Iterator<Item = f64> {
    let all = counts.iter().sum::<u64>() as f64;
    counts.iter().map(move |count| *count as f64 / all)
}

/// The population stability index: the sum of `(w - r) ln(w / r)` over the shares of window and reference, each taken as
/// a ten-thousandth at least (Siddiqi, Credit Risk Scorecards, 2006).
pub(super) fn stability(reference: &[u64], window: &[u64]) -> f64 {
    let floored = |share: f64| share.max(SHARE_MIN);
    let pairs = shares(reference).map(floored).zip(shares(window).map(floored));
    pairs.map(|(reference, window)| (window - reference) * (window / reference).ln()).sum()
}

/// The Jensen-Shannon distance to base 2, from 0 to 1: the root of the mean divergence of both from their mean
/// (Endres and Schindelin, IEEE Transactions on Information Theory 49, 2003).
pub(super) fn jensen_shannon(reference: &[u64], window: &[u64]) -> f64 {
    let divergence = |share: f64, mean: f64| if share > 0.0 { share * (share / mean).ln() } else { 0.0 };
    let sum: f64 = shares(reference)
        .zip(shares(window))
        .map(|(reference, window)| {
            let mean = (reference + window) / 2.0;
            divergence(reference, mean) + divergence(window, mean)
        })
        .sum();
    // Rounding may leave a little below zero where nothing differs.
    (sum.max(0.0) / 2.0 / std::f64::consts::LN_2).sqrt()
}

/// Pearson's chi-squared statistic of homogeneity over the table of two rows, without Yates's correction.
pub(super) fn chi_squared(reference: &[u64], window: &[u64]) -> f64 {
    let (references, windows) = (reference.iter().sum::<u64>() as f64, window.iter().sum::<u64>() as f64);
    let all = references + windows;
    let bins = reference.iter().zip(window).filter(|(reference, window)| **reference + **window > 0);
    bins.map(|(reference, window)| {
        let column = (reference + window) as f64;
        let part = |found: u64, row: f64| {
            let expected = row * column / all;
            (found as f64 - expected) * (found as f64 - expected) / expected
        };
        part(*reference, references) + part(*window, windows)
    })
    .sum()
}
