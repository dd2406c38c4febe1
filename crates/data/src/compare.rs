//! Whether one model is better than another on the same rows, by more than chance.
//!
//! A paired cluster bootstrap (Efron and Tibshirani 1993, chapter 13, for the percentile interval; Cameron, Gelbach and
//! Miller 2008 for drawing whole clusters): both models answer the same rows, clusters of rows are drawn with
//! replacement, and the difference of the measure is taken over each draw. Rows of one cluster go together, because
//! what happens on one day happens to all its flights: as if they were independent, they would promise too much.
//!
//! The draws follow from the rows: their names, clusters and labels, in an order of their own. So the same rows give the
//! same interval on any machine and in any order, and all candidates are compared over the same draws; a difference in
//! the last digit of a prediction changes the last digit of the interval, not the draws.

use windlass_kinds::{Hasher, Measure};

use crate::{
    Undefined,
    measure::{
        Rows,
        rank::Ranked,
        sums::{self, Sums},
    },
    random::Random,
};

/// Of so many resamples at least so many must have a value: 95 %.
const DEFINED_MIN: (u64, u64) = (95, 100);

/// Two models' answers to the same rows, and the truth.
#[derive(Debug, Clone, Copy)]
pub struct Paired<'a> {
    /// The rows' names.
    pub keys: &'a [String],
    /// For each row the cluster that it is drawn with; without, each row is its own.
    pub clusters: Option<&'a [String]>,
    /// The truth; NaN where it is not known, and then the row does not count.
    pub label: &'a [f64],
    /// What the candidate answered.
    pub candidate: &'a [f64],
    /// What the champion answered.
    pub champion: &'a [f64],
}

/// What a comparison found.
#[derive(Debug, Clone, PartialEq)]
pub struct Compared {
    /// The candidate's value over all rows.
    pub candidate: f64,
    /// The champion's.
    pub champion: f64,
    /// The champion's loss less the candidate's: above 0 the candidate is better.
    pub difference: f64,
    /// The lower end of the interval of the difference.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// The rows with a label.
    pub rows: u64,
    /// The clusters that were drawn from.
    pub clusters: u64,
    /// What the draws follow from: a SHA-256 digest in hexadecimal.
    pub seed: String,
}

/// Compares two models by `measure`, with an interval at level `confidence` (between 0 and 1) from so many resamples.
pub fn compare(measure: Measure, rows: &Paired<'_>, confidence: f64, resamples: u32) -> Result<Compared, Undefined> {
    for length in [rows.keys.len(), rows.clusters.map_or(rows.label.len(), <[String]>::len)] {
        if length != rows.label.len() {
            return Err(Undefined::Lengths { labels: rows.label.len(), predictions: length });
        }
    }
    let candidate = Rows::check(measure, rows.label, rows.candidate)?;
    let champion = Rows::check(measure, rows.label, rows.champion)?;
    let (order, seed) = arrange(rows);
    let clusters = Clusters::new(rows, &order);
    if clusters.count < 2 {
        return Err(Undefined::OneCluster);
    }
    let mut models = Models::new(measure, (&candidate, &champion), &order, &clusters);
    let (candidate, champion) = models.values(0..clusters.count)?;
    let mut differences = Vec::new();
    let mut random = Random::new(u64::from_str_radix(&seed[..16], 16).unwrap_or_default());
    for _ in 0..resamples {
        let drawn = (0..clusters.count).map(|_| random.below(clusters.count as u64) as usize);
        if let Ok((candidate, champion)) = models.values(drawn) {
            differences.push(measure.loss(champion) - measure.loss(candidate));
        }
    }
    let defined = u32::try_from(differences.len()).unwrap_or(u32::MAX);
    if differences.is_empty() || u64::from(defined) * DEFINED_MIN.1 < u64::from(resamples) * DEFINED_MIN.0 {
        return Err(Undefined::Resamples { defined, drawn: resamples });
    }
    differences.sort_unstable_by(f64::total_cmp);
    let tail = (1.0 - confidence.clamp(0.0, 1.0)) / 2.0;
    Ok(Compared {
        candidate,
        champion,
        difference: measure.loss(champion) - measure.loss(candidate),
        low: quantile(&differences, tail),
        high: quantile(&differences, 1.0 - tail),
        rows: order.len() as u64,
        clusters: clusters.count as u64,
        seed,
    })
}

/// Returns the quantile of sorted values, interpolated between neighbours (definition 7 of Hyndman and Fan, 1996).
///
/// There must be a value at least.
pub(crate) fn quantile(sorted: &[f64], level: f64) -> f64 {
    let place = level * (sorted.len() - 1) as f64;
    let below = sorted[place.floor() as usize];
    let above = sorted[place.ceil() as usize];
    // Where both are the same, so is the answer; and rounding makes none that lies beyond.
    (below + (above - below) * place.fract()).min(above)
}

/// Returns the rows with a label in an order that follows from what they are, and the digest of what they are.
fn arrange(rows: &Paired<'_>) -> (Vec<usize>, String) {
    let cluster = |row: usize| rows.clusters.map_or("", |clusters| clusters[row].as_str());
    let mut order: Vec<usize> = (0..rows.label.len()).filter(|row| !rows.label[*row].is_nan()).collect();
    order.sort_by(|a, b| {
        let bits = |values: &[f64], row: usize| values[row].to_bits();
        (cluster(*a), &rows.keys[*a], bits(rows.label, *a))
            .cmp(&(cluster(*b), &rows.keys[*b], bits(rows.label, *b)))
            .then_with(|| bits(rows.champion, *a).cmp(&bits(rows.champion, *b)))
            .then_with(|| bits(rows.candidate, *a).cmp(&bits(rows.candidate, *b)))
    });
    let mut hasher = Hasher::new();
    for row in &order {
        for text in [cluster(*row), &rows.keys[*row]] {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        }
        hasher.update(&rows.label[*row].to_bits().to_le_bytes());
    }
    (order, hasher.finish().hex().to_owned())
}

/// Which cluster each row belongs to.
struct Clusters {
    /// By row; rows without a label have 0, which nobody asks for.
    of: Vec<usize>,
    count: usize,
}

impl Clusters {
    fn new(rows: &Paired<'_>, order: &[usize]) -> Self {
        let mut of = vec![0; rows.label.len()];
        let mut count = 0;
        for (place, row) in order.iter().enumerate() {
            let begins = match (rows.clusters, place) {
                (_, 0) | (None, _) => true,
                (Some(clusters), place) => clusters[order[place - 1]] != clusters[*row],
            };
            count += usize::from(begins);
            of[*row] = count - 1;
        }
        Self { of, count }
    }
}

/// Both models' answers, ready to be taken by cluster.
enum Models<'a> {
    Sums {
        measure: Measure,
        /// For each cluster side by side, for the sake of speed: its rows, the candidate's sums, the champion's.
        by_cluster: Vec<f64>,
        /// The same over what was drawn.
        drawn: Vec<f64>,
    },
    Ranks {
        candidate: Ranked,
        champion: Ranked,
        clusters: &'a Clusters,
        /// How often each cluster was drawn.
        draws: Vec<u32>,
    },
}

impl<'a> Models<'a> {
    /// Takes the candidate's and the champion's answers.
    fn new(
        measure: Measure,
        (candidate, champion): (&Rows<'_>, &Rows<'_>),
        order: &[usize],
        clusters: &'a Clusters,
    ) -> Self {
        if measure == Measure::Auc {
            let draws = vec![0; clusters.count];
            return Self::Ranks { candidate: Ranked::new(candidate), champion: Ranked::new(champion), clusters, draws };
        }
        let empty = Sums::new(measure);
        let stride = 1 + 2 * empty.parts.len();
        let mut by_cluster = Vec::with_capacity(clusters.count * stride);
        for rows in order.chunk_by(|a, b| clusters.of[*a] == clusters.of[*b]) {
            let mut sums = [empty.clone(), empty.clone()];
            for (sums, answers) in sums.iter_mut().zip([candidate, champion]) {
                rows.iter().for_each(|row| answers.add(*row, sums));
            }
            by_cluster.push(sums[0].rows);
            sums.iter().for_each(|sums| by_cluster.extend(&sums.parts));
        }
        Self::Sums { measure, by_cluster, drawn: vec![0.0; stride] }
    }

    /// Returns the candidate's and the champion's value over clusters that were drawn.
    fn values(&mut self, clusters_drawn: impl Iterator<Item = usize>) -> Result<(f64, f64), Undefined> {
        match self {
            Self::Sums { measure, by_cluster, drawn } => {
                drawn.fill(0.0);
                match drawn.as_mut_slice() {
                    // Most measures are a mean: their sums are kept out of memory.
                    [rows, candidate, champion] => clusters_drawn.for_each(|cluster| {
                        let [more, of_candidate, of_champion] = by_cluster.as_chunks().0[cluster];
                        *rows += more;
                        *candidate += of_candidate;
                        *champion += of_champion;
                    }),
                    drawn => clusters_drawn.for_each(|cluster| {
                        let sums = &by_cluster[cluster * drawn.len()..][..drawn.len()];
                        drawn.iter_mut().zip(sums).for_each(|(sum, more)| *sum += more);
                    }),
                }
                let (rows, parts) = (drawn[0], &drawn[1..]);
                let (candidate, champion) = parts.split_at(parts.len() / 2);
                Ok((sums::value(*measure, rows, candidate)?, sums::value(*measure, rows, champion)?))
            }
            Self::Ranks { candidate, champion, clusters, draws } => {
                draws.fill(0);
                clusters_drawn.for_each(|cluster| draws[cluster] += 1);
                let weight = |row: usize| f64::from(draws[clusters.of[row]]);
                Ok((candidate.area(weight)?, champion.area(weight)?))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Case {
        keys: Vec<String>,
        clusters: Vec<String>,
        label: Vec<f64>,
        candidate: Vec<f64>,
        champion: Vec<f64>,
    }

    impl Case {
        /// Rows on so many days: the candidate's error is smaller by `gain`, and days differ.
        fn new(days: usize, rows: usize, gain: f64) -> Self {
            let mut random = Random::new(11);
            let mut uniform = || random.next() as f64 / u64::MAX as f64 - 0.5;
            let mut case = Self { keys: vec![], clusters: vec![], label: vec![], candidate: vec![], champion: vec![] };
            for day in 0..days {
                let shift = uniform();
                for row in 0..rows {
                    let label = uniform() * 20.0;
                    case.keys.push(format!("{day}/{row}"));
                    case.clusters.push(format!("day {day}"));
                    case.label.push(label);
                    case.champion.push(label + 3.0 + shift + uniform());
                    case.candidate.push(label + 3.0 - gain - shift + uniform());
                }
            }
            case
        }

        /// The same with labels 0 and 1 and probabilities.
        fn binary(mut self) -> Self {
            self.label.iter_mut().for_each(|label| *label = f64::from(u8::from(*label > 4.0)));
            for values in [&mut self.candidate, &mut self.champion] {
                values.iter_mut().for_each(|value| *value = 1.0 / (1.0 + (4.0 - *value).exp()));
            }
            self
        }

        fn paired(&self) -> Paired<'_> {
            Paired {
                keys: &self.keys,
                clusters: Some(&self.clusters),
                label: &self.label,
                candidate: &self.candidate,
                champion: &self.champion,
            }
        }

        fn reversed(&self) -> Self {
            let reversed = |values: &[f64]| values.iter().rev().copied().collect();
            Self {
                keys: self.keys.iter().rev().cloned().collect(),
                clusters: self.clusters.iter().rev().cloned().collect(),
                label: reversed(&self.label),
                candidate: reversed(&self.candidate),
                champion: reversed(&self.champion),
            }
        }
    }

    const WORDS: [&str; 4] = ["mae", "rmse", "bias", "quantile-0.9"];

    #[test]
    fn a_better_model_is_above_zero_and_the_same_is_not() {
        let better = Case::new(14, 50, 1.0);
        for word in WORDS {
            let found = compare(word.parse().unwrap(), &better.paired(), 0.95, 2000).unwrap();
            assert!(
                0.0 < found.low && found.low < found.difference && found.difference < found.high,
                "{word} {found:?}"
            );
            assert_eq!((found.rows, found.clusters), (700, 14));
            let worse = Paired { candidate: &better.champion, champion: &better.candidate, ..better.paired() };
            let worse = compare(word.parse().unwrap(), &worse, 0.95, 2000).unwrap();
            // The draws are the same: the interval is mirrored.
            assert!((worse.low + found.high).abs() < 1e-9, "{word} {worse:?}");
        }
        let same = Paired { candidate: &better.champion, ..better.paired() };
        let same = compare(Measure::Mae, &same, 0.95, 200).unwrap();
        assert_eq!((same.low, same.difference, same.high), (0.0, 0.0, 0.0));
        let binary = Case::new(14, 50, 3.0).binary();
        for word in ["auc", "log-loss", "brier", "calibration", "accuracy", "f1"] {
            let found = compare(word.parse().unwrap(), &binary.paired(), 0.9, 500).unwrap();
            assert!(found.low <= found.difference && found.difference <= found.high, "{word} {found:?}");
            assert!(found.low < found.high, "{word}");
        }
    }

    #[test]
    fn the_same_rows_give_the_same_interval_in_any_order() {
        let case = Case::new(5, 20, 0.1);
        let found = compare(Measure::Mae, &case.paired(), 0.95, 500).unwrap();
        assert_eq!(compare(Measure::Mae, &case.reversed().paired(), 0.95, 500).unwrap(), found);
        let mut other = Case::new(5, 20, 0.1);
        other.label[0] += 1.0;
        assert_ne!(compare(Measure::Mae, &other.paired(), 0.95, 500).unwrap().seed, found.seed);
    }

    #[test]
    fn days_that_differ_make_the_interval_wider() {
        let case = Case::new(14, 50, 0.1);
        let width = |found: Compared| found.high - found.low;
        let by_day = compare(Measure::Mae, &case.paired(), 0.95, 1000).unwrap();
        let by_row = compare(Measure::Mae, &Paired { clusters: None, ..case.paired() }, 0.95, 1000).unwrap();
        assert_eq!(by_row.clusters, 700);
        assert!(width(by_day) > 2.0 * width(by_row));
    }

    #[test]
    fn what_cannot_be_compared_says_why() {
        let case = Case::new(1, 20, 0.1);
        assert_eq!(compare(Measure::Mae, &case.paired(), 0.95, 100), Err(Undefined::OneCluster));
        assert_eq!(compare(Measure::Auc, &case.paired(), 0.95, 100), Err(Undefined::NotBinary));
        let short = Paired { keys: &case.keys[1..], ..case.paired() };
        assert_eq!(compare(Measure::Mae, &short, 0.95, 100), Err(Undefined::Lengths { labels: 20, predictions: 19 }));
        // One positive row among eight: every third resample is without it.
        let mut rare = Case::new(8, 1, 0.1).binary();
        rare.label.fill(0.0);
        rare.label[3] = 1.0;
        let undefined = compare(Measure::Auc, &rare.paired(), 0.95, 1000).unwrap_err();
        assert!(undefined.to_string().ends_with("of 1000 resamples have a value"), "{undefined}");
    }

    #[test]
    fn quantiles_are_interpolated() {
        for (level, expected) in [(0.0, 1.0), (1.0, 4.0), (0.5, 2.5), (0.1, 1.3)] {
            assert!((quantile(&[1.0, 2.0, 3.0, 4.0], level) - expected).abs() < 1e-12);
        }
        assert_eq!(quantile(&[5.0], 0.9), 5.0);
    }
}
