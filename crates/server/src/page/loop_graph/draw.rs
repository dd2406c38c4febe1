//! The drawing of the loop: lanes as rows, columns as turns, as SVG that a keyboard can walk through.
//!
//! Names of lanes stand in a drawing of their own, which stays in place while the other scrolls sideways.

use maud::{Markup, html};
use windlass_kinds::Kind;

use super::{
    super::{
        chart::px,
        component::{Tone, empty},
    },
    graph::{Edge, Graph, Lane, Node},
};

/// The least width of a column, and the greatest: few columns spread over what a wide page has.
const COLUMN: (f64, f64) = (84.0, 122.0);
const SPREAD: f64 = 1084.0;
const NAMES: f64 = 132.0;
const HEAD: f64 = 22.0;
const WIDE: f64 = 58.0;
const TALL: f64 = 20.0;
/// From the top of one candidate to that of the next.
const STACKED: f64 = 24.0;
const SERIES: f64 = 84.0;

/// Where the lanes lie: the top of each, and the end of the last.
fn tops(graph: &Graph) -> (Vec<f64>, f64) {
    let mut y = HEAD;
    let mut tops = Vec::with_capacity(graph.lanes.len());
    for lane in &graph.lanes {
        tops.push(y);
        y += height(lane);
    }
    (tops, y)
}

fn height(lane: &Lane) -> f64 {
    match lane.kind {
        Kind::Monitor => SERIES,
        _ => STACKED * lane.slots as f64 + 12.0,
    }
}

/// Draws the loop.
pub(in super::super) fn drawing(graph: &Graph) -> Markup {
    if graph.lanes.is_empty() {
        return empty(
            "Nothing is here yet. `windlass apply -f FOLDER` brings manifests; `windlass run -- CMD` tracks a command.",
        );
    }
    let (tops, end) = tops(graph);
    let width = (column_width(graph) * graph.columns.len().max(1) as f64 + 12.0).max(240.0);
    html! {
        div.loop {
            svg.names width=(px(NAMES)) height=(px(end)) viewBox={"0 0 " (px(NAMES)) " " (px(end))} role="group"
                aria-label="The objects in the loop" {
                @for (lane, top) in graph.lanes.iter().zip(&tops) { (name_of(lane, *top)) }
            }
            div.scroll data-newest="loop" tabindex="0" role="region" aria-label="The loop over time" {
                svg.graph width=(px(width)) height=(px(end)) viewBox={"0 0 " (px(width)) " " (px(end))} role="group"
                    aria-label="What happened, from left to right" {
                    @for (lane, top) in graph.lanes.iter().zip(&tops) {
                        rect class={"lane " (lane_class(lane.kind))} x="0" y=(px(*top)) width=(px(width)) height=(px(height(lane))) {}
                    }
                    @for (column, at) in graph.columns.iter().enumerate() {
                        text.tick x=(px(middle(graph, column))) y="14" text-anchor="middle" { (clock(graph, column, at)) }
                    }
                    g.edges { @for edge in &graph.edges { (edge_of(graph, &tops, edge)) } }
                    @for (place, lane) in graph.lanes.iter().enumerate() {
                        @if lane.kind == Kind::Monitor { (series_of(graph, place, tops[place])) }
                    }
                    @for (place, node) in graph.nodes.iter().enumerate() {
                        (node_of(graph, &tops, place, node))
                    }
                }
            }
        }
        @if graph.is_cut { p.quiet { "Older turns are left out here; the lists have them." } }
    }
}

fn lane_class(kind: Kind) -> &'static str {
    match kind {
        Kind::Dataset => "data",
        Kind::Pipeline => "run",
        Kind::Model => "model",
        Kind::Endpoint => "endpoint",
        Kind::Monitor => "monitor",
        Kind::Project | Kind::Environment | Kind::JobTemplate | Kind::Index | Kind::Policy => "other",
    }
}

fn name_of(lane: &Lane, top: f64) -> Markup {
    let word = match lane.kind {
        Kind::Dataset => "dataset",
        Kind::Pipeline => "pipeline",
        Kind::Model => "model",
        Kind::Endpoint => "endpoint",
        Kind::Monitor => "monitor",
        Kind::Project | Kind::Environment | Kind::JobTemplate | Kind::Index | Kind::Policy => "",
    };
    let shown = shortened(&lane.name);
    html! {
        rect class={"lane " (lane_class(lane.kind))} x="0" y=(px(top)) width=(px(NAMES)) height=(px(height(lane))) {}
        a href=(lane.path) aria-label={(word) " " (lane.name)} {
            text.name x="10" y=(px(top + 15.0)) { (shown) }
            text.kind x="10" y=(px(top + 28.0)) { (word) @if let Some(series) = &lane.series { " · " (series.name) } }
        }
    }
}

fn shortened(name: &str) -> String {
    if name.chars().count() <= 17 {
        return name.to_owned();
    }
    name.chars().take(16).chain(['…']).collect()
}

/// Returns the time of a column: the day where it is another than the column's before, else the minute.
fn clock(graph: &Graph, column: usize, at: &windlass_kinds::Micros) -> String {
    let text = at.to_string();
    let day = |text: &str| text.get(..10).map(str::to_owned);
    let before = column.checked_sub(1).and_then(|before| day(&graph.columns[before].to_string()));
    let range = if before == day(&text) { 11..16 } else { 5..10 };
    text.get(range).unwrap_or("").to_owned()
}

fn column_width(graph: &Graph) -> f64 {
    (SPREAD / graph.columns.len().max(1) as f64).clamp(COLUMN.0, COLUMN.1)
}

fn middle(graph: &Graph, column: usize) -> f64 {
    column_width(graph) * (column as f64 + 0.5) + 4.0
}

/// Returns from where to where a revision of an endpoint is drawn. One that takes over begins right of its column's
/// middle, where what it takes over from ends: what a monitor saw in that turn is still of the one before.
fn serving(graph: &Graph, node: &Node) -> (f64, f64) {
    let takes_over = graph.nodes.iter().any(|other| other.lane == node.lane && other.until == Some(node.column));
    let x = middle(graph, node.column);
    let left = if takes_over { x + 9.0 } else { x - WIDE / 2.0 };
    let end = column_width(graph) * graph.columns.len() as f64 + 8.0;
    let right =
        node.until.map_or(end, |until| if until < graph.columns.len() { middle(graph, until) + 5.0 } else { end });
    (left, right.max(left + 24.0))
}

/// Returns where a node's middle is.
fn place_of(graph: &Graph, tops: &[f64], node: &Node) -> (f64, f64) {
    let lane = &graph.lanes[node.lane];
    let top = tops[node.lane];
    let y = match lane.kind {
        Kind::Monitor => series_y(graph, node.lane, top, node.value),
        _ => top + 6.0 + STACKED * node.slot as f64 + STACKED / 2.0,
    };
    (middle(graph, node.column), y)
}

/// Returns the height of a monitor's value in its lane; what is not known lies at the bottom.
fn series_y(graph: &Graph, lane: usize, top: f64, value: Option<f64>) -> f64 {
    let (low, high) = series_range(graph, lane);
    let share = value.map_or(0.0, |value| (value - low) / (high - low));
    top + SERIES - 14.0 - share * (SERIES - 28.0)
}

fn series_range(graph: &Graph, lane: usize) -> (f64, f64) {
    let bounds = graph.lanes[lane].series.iter().flat_map(|series| series.bounds.iter().copied().flatten());
    let values = graph.nodes.iter().filter(|node| node.lane == lane).filter_map(|node| node.value);
    let (low, high) = bounds
        .chain(values)
        .filter(|value| value.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    if low < high {
        (low, high)
    } else if low.is_finite() {
        (low - 1.0, low + 1.0)
    } else {
        (0.0, 1.0)
    }
}

fn edge_of(graph: &Graph, tops: &[f64], edge: &Edge) -> Markup {
    let (from, to) = (&graph.nodes[edge.from], &graph.nodes[edge.to]);
    let ((x1, y1), (x2, y2)) = (place_of(graph, tops, from), place_of(graph, tops, to));
    let is_endpoint = |node: &Node| graph.lanes[node.lane].kind == Kind::Endpoint && node.served;
    // What serves leads on from wherever it serves, not from where it began.
    let x1 = if is_endpoint(from) { x1.max(x2) } else { x1 };
    let x2 = if is_endpoint(to) { serving(graph, to).0 + 15.0 } else { x2 };
    let half = |node: &Node| if graph.lanes[node.lane].kind == Kind::Monitor { 5.0 } else { TALL / 2.0 };
    let down = to.lane > from.lane;
    let path = if down {
        let (y1, y2) = (y1 + half(from), y2 - half(to));
        let bend = ((y2 - y1) / 2.0).clamp(8.0, 60.0);
        curve([(x1, y1), (x1, y1 + bend), (x2, y2 - bend), (x2, y2)])
    } else {
        // Back up, around what stands between: out to the left and in from the left.
        let side = x2 - WIDE / 2.0;
        let out = x1.min(side) - (column_width(graph) - WIDE) / 2.0 - 6.0;
        curve([(x1 - 5.0, y1), (out, y1 - 6.0), (out, y2 + 12.0), (side, y2)])
    };
    let class = match (edge.started, down) {
        (true, true) => "edge started",
        (true, false) => "edge started back",
        (false, _) => "edge",
    };
    html! { path class=(class) d=(path) data-from=(edge.from) data-to=(edge.to) {} }
}

fn curve([begin, one, two, end]: [(f64, f64); 4]) -> String {
    let point = |(x, y): (f64, f64)| format!("{} {}", px(x), px(y));
    format!("M{}C{} {} {}", point(begin), point(one), point(two), point(end))
}

fn node_of(graph: &Graph, tops: &[f64], place: usize, node: &Node) -> Markup {
    let (x, y) = place_of(graph, tops, node);
    let tone = node.tone.class();
    let shape = match graph.lanes[node.lane].kind {
        Kind::Endpoint if node.served => {
            let (left, right) = serving(graph, node);
            html! {
                rect class={"box bar " (tone)} x=(px(left)) y=(px(y - TALL / 2.0)) rx="4" height=(px(TALL)) width=(px(right - left)) {}
                text.label x=(px(left + 9.0)) y=(px(y + 4.0)) { (node.label) }
            }
        }
        Kind::Monitor => {
            html! {
                @if node.value.is_some() {
                    circle class={"point " (tone)} cx=(px(x)) cy=(px(y)) r=(if matches!(node.tone, Tone::Bad | Tone::Warn) { "5" } else { "3.2" }) {}
                } @else {
                    text.label x=(px(x)) y=(px(y + 4.0)) text-anchor="middle" { "?" }
                }
            }
        }
        kind => {
            let radius = if kind == Kind::Dataset { TALL / 2.0 } else { 4.0 };
            html! {
                rect class={"box " (tone)} x=(px(x - WIDE / 2.0)) y=(px(y - TALL / 2.0)) rx=(px(radius)) width=(px(WIDE)) height=(px(TALL)) {}
                text.label x=(px(x)) y=(px(y + 4.0)) text-anchor="middle" { (node.label) }
            }
        }
    };
    html! { a.node href=(node.path) data-node=(place) aria-label=(node.say) { title { (node.say) } (shape) } }
}

/// Draws a monitor's series and its bound, under its points.
fn series_of(graph: &Graph, lane: usize, top: f64) -> Markup {
    let Some(series) = &graph.lanes[lane].series else { return html! {} };
    let nodes: Vec<&Node> = graph.nodes.iter().filter(|node| node.lane == lane).collect();
    // The newest of a series that was cut.
    let skipped = series.bounds.len().saturating_sub(nodes.len());
    let y = |value: f64| px(series_y(graph, lane, top, Some(value)));
    let mut line = String::new();
    let mut bound = String::new();
    let (mut line_up, mut bound_up) = (true, true);
    for (place, node) in nodes.iter().enumerate() {
        let x = middle(graph, node.column);
        match node.value {
            Some(value) => {
                line.push_str(&format!("{}{} {}", if line_up { 'M' } else { 'L' }, px(x), y(value)));
                line_up = false;
            }
            None => line_up = true,
        }
        match series.bounds.get(skipped + place).copied().flatten() {
            Some(value) => {
                let (from, to) = (px(x - column_width(graph) / 2.0), px(x + column_width(graph) / 2.0));
                bound.push_str(&format!("{}{from} {}H{to}", if bound_up { 'M' } else { 'L' }, y(value)));
                bound_up = false;
            }
            None => bound_up = true,
        }
    }
    let tone = if series.warns { "warn" } else { "bad" };
    html! {
        path class={"bound " (tone)} d=(bound) { title { (series.bound_name) } }
        path.series d=(line) {}
    }
}
