//! The curves of a run's metrics: which of them, over what, how smooth; read in few points however long they are.

use maud::{Markup, html};
use windlass_kinds::record::{MetricPoint, Run};
use windlass_store::{StoreError, Tx};

use super::{
    super::{
        chart::{Axis, Plot, Series},
        component::{count, empty},
    },
    query::Pairs,
};

/// In how many points a curve is read.
pub(super) const POINTS: u32 = 400;
/// How many curves a page has.
const CURVES: usize = 16;
/// How smooth curves can be chosen, in hundredths.
const SMOOTH: [u32; 6] = [0, 40, 60, 80, 90, 97];

/// How curves are drawn, as the URL says.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Drawn {
    /// What they stand over.
    pub(super) axis: Axis,
    /// By powers of ten.
    pub(super) log: bool,
    /// From 0 to below 1.
    pub(super) smoothing: f64,
}

impl Drawn {
    /// Reads it; what is not understood is as if it were not there.
    pub(super) fn of(pairs: &Pairs) -> Self {
        let axis = [Axis::Step, Axis::Relative, Axis::Wall];
        let axis = axis.into_iter().find(|axis| pairs.get("axis") == Some(axis.word())).unwrap_or_default();
        let hundredths: f64 = pairs.get("smooth").and_then(|text| text.parse().ok()).unwrap_or(0.0);
        let smoothing = if hundredths.is_finite() { (hundredths / 100.0).clamp(0.0, 0.99) } else { 0.0 };
        Self { axis, log: pairs.get("scale") == Some("log"), smoothing }
    }

    /// Renders the fields by which it is chosen; they belong into a form.
    pub(super) fn fields(&self) -> Markup {
        let hundredths = (self.smoothing * 100.0).round() as u32;
        html! {
            label for="axis" { "Over" }
            select #axis name="axis" {
                @for axis in [Axis::Step, Axis::Relative, Axis::Wall] {
                    option value=(axis.word()) selected[axis == self.axis] { (axis.name()) }
                }
            }
            label for="scale" { "Scale" }
            select #scale name="scale" {
                option value="" { "linear" }
                option value="log" selected[self.log] { "logarithmic" }
            }
            label for="smooth" { "Smoothing" }
            select #smooth name="smooth" {
                @if !SMOOTH.contains(&hundredths) { option value=(hundredths) selected { (hundredths) " %" } }
                @for one in SMOOTH {
                    option value=(one) selected[one == hundredths] { @if one == 0 { "none" } @else { (one) " %" } }
                }
            }
        }
    }
}

/// Which curves of a run are wanted, as the URL says.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Wanted {
    /// Only metrics whose name holds this.
    pub(super) named: String,
    /// How many of these to leave out.
    pub(super) from: usize,
    /// How they are drawn.
    pub(super) drawn: Drawn,
}

impl Wanted {
    /// Reads it.
    pub(super) fn of(pairs: &Pairs) -> Self {
        Self {
            named: pairs.get("metrics").unwrap_or_default().to_owned(),
            from: pairs.get("from").and_then(|text| text.parse().ok()).unwrap_or(0),
            drawn: Drawn::of(pairs),
        }
    }

    fn fits(&self, key: &str) -> bool {
        key.to_lowercase().contains(&self.named.to_lowercase())
    }
}

/// The curves of one page.
pub(super) struct Curves {
    wanted: Wanted,
    /// Those that have more than one point.
    curves: Vec<(String, Vec<MetricPoint>)>,
    /// How many metrics are wanted altogether.
    all: usize,
    /// When the run began, in milliseconds.
    start_ms: i64,
}

impl Curves {
    /// Reads the curves that are wanted of a run with these metrics.
    pub(super) async fn read(
        tx: &mut Tx,
        run: &Run,
        metrics: &[MetricPoint],
        wanted: &Wanted,
    ) -> Result<Self, StoreError> {
        let keys: Vec<&str> = metrics.iter().map(|point| point.key.as_str()).filter(|key| wanted.fits(key)).collect();
        let mut curves = Vec::new();
        for key in keys.iter().skip(wanted.from).take(CURVES) {
            let points = tx.metric_outline(&run.project, &run.id, key, POINTS).await?;
            if points.len() > 1 {
                curves.push(((*key).to_owned(), points));
            }
        }
        Ok(Self { wanted: wanted.clone(), curves, all: keys.len(), start_ms: run.start_ms })
    }

    /// Renders what is chosen from, apart from what is chosen: the script leaves it alone.
    pub(super) fn controls(&self, path: &str, pairs: &Pairs) -> Markup {
        let rest = pairs.without(&["metrics", "from", "axis", "scale", "smooth"]);
        html! {
            form.filter method="get" action={(path) "#metrics"} {
                (rest.hidden())
                label for="metrics-named" { "Metrics named" }
                input #metrics-named name="metrics" value=(self.wanted.named) autocomplete="off";
                (self.wanted.drawn.fields())
                button type="submit" { "Draw" }
            }
        }
    }

    /// Renders the curves.
    pub(super) fn show(&self, path: &str, pairs: &Pairs) -> Markup {
        let Self { wanted, curves, all, start_ms } = self;
        let to = |from: usize| {
            let from = (from > 0).then(|| from.to_string());
            format!("{}#metrics", pairs.with("from", from.as_deref()).behind(path))
        };
        html! {
            @if *all == 0 { (empty("No such metric.")) }
            div.charts { @for (place, (key, points)) in curves.iter().enumerate() {
                (plot(key, points, *start_ms, wanted.drawn).figure(&format!("numbers-{place}")))
            } }
            @if *all > CURVES || wanted.from > 0 {
                nav.turns aria-label="Further curves" {
                    @if wanted.from > 0 { a href=(to(wanted.from.saturating_sub(CURVES))) { "Before" } }
                    span.quiet { (wanted.from + 1) " to " ((wanted.from + CURVES).min(*all)) " of " (count(*all as u64)) " metrics" }
                    @if wanted.from + CURVES < *all { a href=(to(wanted.from + CURVES)) { "Further" } }
                }
            }
        }
    }
}

fn plot(key: &str, points: &[MetricPoint], start_ms: i64, drawn: Drawn) -> Plot {
    let series = vec![series(String::new(), 0, points, start_ms, drawn.axis)];
    Plot { name: key.to_owned(), axis: drawn.axis, log: drawn.log, smoothing: drawn.smoothing, series }
}

/// Puts points over an axis, sorted by it.
pub(super) fn series(name: String, colour: usize, points: &[MetricPoint], start_ms: i64, axis: Axis) -> Series {
    let x = |point: &MetricPoint| match axis {
        Axis::Step => point.step as f64,
        Axis::Relative => (point.timestamp_ms as f64 - start_ms as f64) / 1000.0,
        Axis::Wall => point.timestamp_ms as f64 / 1000.0,
    };
    let mut points: Vec<(f64, f64)> = points.iter().map(|point| (x(point), point.value)).collect();
    points.sort_by(|one, other| one.0.total_cmp(&other.0));
    Series { name, colour, points }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_how_curves_are_drawn() {
        for (query, expected) in [
            (vec![], (Axis::Step, false, 0.0)),
            (vec![("axis", "wall"), ("scale", "log"), ("smooth", "90")], (Axis::Wall, true, 0.9)),
            (vec![("axis", "x"), ("smooth", "NaN")], (Axis::Step, false, 0.0)),
            (vec![("axis", "relative"), ("smooth", "1000")], (Axis::Relative, false, 0.99)),
        ] {
            let pairs = query.iter().fold(Pairs::default(), |pairs, (name, value)| pairs.and(name, value));
            let drawn = Drawn::of(&pairs);
            assert_eq!((drawn.axis, drawn.log, drawn.smoothing), expected, "{query:?}");
        }
        let odd = Drawn { smoothing: 0.55, ..Drawn::default() }.fields().into_string();
        assert!(odd.contains("value=\"55\" selected"), "{odd}");
    }
}
