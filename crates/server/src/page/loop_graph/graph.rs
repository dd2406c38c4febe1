//! Where everything stands in the drawing, and what leads to what. Pure.
//!
//! A lane for each dataset, pipeline, model, endpoint and monitor, from cause to effect downwards; time goes to the
//! right, in columns rather than by the clock: a new column begins where a lane is taken already. So one column is about
//! one turn of the loop, however long it took, and what a monitor started leads back up within it.

use std::collections::{BTreeMap, HashMap};

use windlass_kinds::{
    Kind, Micros, PipelineRunId,
    manifest::{Spec, TriggerSource},
    record::{EndpointState, PipelineRun, VerdictOutcome},
};

use super::{
    super::{
        component::{Tone, data_word, number},
        links::Links,
    },
    facts::Facts,
    series::{MonitorSeries, observation_tone},
};

/// How many columns are shown, the newest.
const COLUMNS: usize = 60;
/// How many candidates of one run stand over each other; of more, the newest.
const STACK: usize = 6;

/// The drawing, in lanes and columns.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct Graph {
    pub(super) lanes: Vec<Lane>,
    pub(super) nodes: Vec<Node>,
    pub(super) edges: Vec<Edge>,
    /// When each column begins.
    pub(super) columns: Vec<Micros>,
    /// Whether older columns were left out.
    pub(super) is_cut: bool,
}

/// A row of the drawing: all that one object did.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Lane {
    pub(super) kind: Kind,
    pub(super) name: String,
    pub(super) path: String,
    /// How many nodes stand over each other at most.
    pub(super) slots: usize,
    /// For a monitor: the bound at each of its nodes, in their order.
    pub(super) series: Option<MonitorSeries>,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) lane: usize,
    pub(super) column: usize,
    /// Its place among those that stand over each other.
    pub(super) slot: usize,
    pub(super) label: String,
    pub(super) tone: Tone,
    pub(super) path: String,
    /// All there is to say, in one line.
    pub(super) say: String,
    /// For an endpoint: the column it served until; none where it still does.
    pub(super) until: Option<usize>,
    /// For an endpoint: whether it ever answered.
    pub(super) served: bool,
    /// For a monitor: the value drawn.
    pub(super) value: Option<f64>,
}

/// What leads to what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Edge {
    pub(super) from: usize,
    pub(super) to: usize,
    /// Whether the first started the second, rather than only went into it.
    pub(super) started: bool,
}

/// Which record a node stands for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Data(String, u32),
    Run(PipelineRunId),
    Version(String, u32),
    Served(String, u32),
    Seen(String, u32),
}

/// A record on its way into the drawing.
struct Item {
    at: Micros,
    key: Key,
    node: Node,
    /// What leads to it, and whether that started it.
    causes: Vec<(Key, bool)>,
    /// The run it stands with in one column, if any.
    with: Option<PipelineRunId>,
}

/// Lays out what is known.
pub(in super::super) fn lay_out(facts: &Facts, links: &Links) -> Graph {
    let lanes = lanes(facts, links);
    let mut items = items(facts, links, &lanes);
    // In the order of time; of one instant, from cause to effect.
    items.sort_by_key(|item| (item.at, item.node.lane));
    let mut graph = Graph { lanes, ..Graph::default() };
    let mut places: HashMap<Key, usize> = HashMap::new();
    // Of each lane: the column it was last used in, by whom, and how many stand there.
    let mut used: BTreeMap<usize, (usize, Option<PipelineRunId>, usize)> = BTreeMap::new();
    let mut cursor = 0;
    for item in items {
        let Item { at, key, mut node, causes, with } = item;
        let mut column = cursor;
        let mut slot = 0;
        match used.get(&node.lane) {
            Some((last, run, count)) if with.is_some() && *run == with && *count < STACK && *last == cursor => {
                slot = *count;
            }
            Some((last, ..)) => column = column.max(last + 1),
            None => {}
        }
        let known: Vec<(usize, bool)> =
            causes.iter().filter_map(|(cause, started)| Some((*places.get(cause)?, *started))).collect();
        if column > cursor {
            slot = 0;
        }
        cursor = column;
        if graph.columns.len() <= column {
            graph.columns.resize(column + 1, at);
        }
        used.insert(node.lane, (column, with, slot + 1));
        (node.column, node.slot) = (column, slot);
        graph.lanes[node.lane].slots = graph.lanes[node.lane].slots.max(slot + 1);
        let place = graph.nodes.len();
        graph.edges.extend(known.into_iter().map(|(from, started)| Edge { from, to: place, started }));
        places.insert(key, place);
        graph.nodes.push(node);
    }
    end_servings(facts, &mut graph, &places);
    cut(graph)
}

/// Says until which column each revision of an endpoint served: where the next one of the endpoint began.
fn end_servings(facts: &Facts, graph: &mut Graph, places: &HashMap<Key, usize>) {
    for revision in &facts.served {
        let key = |number| Key::Served(revision.endpoint.to_string(), number);
        let Some(place) = places.get(&key(revision.number)) else { continue };
        let next = facts.served.iter().find(|other| {
            other.endpoint == revision.endpoint && other.number > revision.number && other.ready_at.is_some()
        });
        let next = next.and_then(|next| places.get(&key(next.number)).map(|place| graph.nodes[*place].column));
        let last = graph.columns.len();
        graph.nodes[*place].until = match (next, revision.retired_at) {
            (Some(column), _) => Some(column),
            (None, Some(retired)) => Some(graph.columns.iter().position(|begins| *begins > retired).unwrap_or(last)),
            (None, None) => None,
        };
    }
}

/// Leaves out what is older than the newest columns.
fn cut(graph: Graph) -> Graph {
    let surplus = graph.columns.len().saturating_sub(COLUMNS);
    if surplus == 0 {
        return graph;
    }
    let Graph { lanes, nodes, edges, columns, is_cut: _ } = graph;
    let is_kept =
        |node: &Node| node.column >= surplus || (node.served && node.until.is_none_or(|until| until > surplus));
    let mut places = HashMap::new();
    let mut kept = Vec::new();
    for (place, mut node) in nodes.into_iter().enumerate() {
        if is_kept(&node) {
            node.column = node.column.saturating_sub(surplus);
            node.until = node.until.map(|until| until.saturating_sub(surplus));
            places.insert(place, kept.len());
            kept.push(node);
        }
    }
    let edges = edges.into_iter().filter_map(|edge| {
        Some(Edge { from: *places.get(&edge.from)?, to: *places.get(&edge.to)?, started: edge.started })
    });
    Graph { lanes, nodes: kept, edges: edges.collect(), columns: columns[surplus..].to_vec(), is_cut: true }
}

fn lanes(facts: &Facts, links: &Links) -> Vec<Lane> {
    let mut lanes: Vec<Lane> = Vec::new();
    let mut add = |kind: Kind, name: &str, series: Option<MonitorSeries>| {
        if !lanes.iter().any(|lane| lane.kind == kind && lane.name == name) {
            let path = links.object(kind, name).unwrap_or_else(|| links.home());
            lanes.push(Lane { kind, name: name.to_owned(), path, slots: 1, series });
        }
    };
    facts.named(Kind::Dataset).for_each(|one| add(Kind::Dataset, one.name.as_str(), None));
    // Pipelines that bring data come after those that use it only by name: as their files order them, then the rest.
    facts.named(Kind::Pipeline).for_each(|one| add(Kind::Pipeline, one.name.as_str(), None));
    facts.runs.iter().for_each(|run| add(Kind::Pipeline, run.pipeline.as_str(), None));
    facts.named(Kind::Model).for_each(|one| add(Kind::Model, one.name.as_str(), None));
    facts.models.iter().for_each(|model| add(Kind::Model, &model.name, None));
    facts.named(Kind::Endpoint).for_each(|one| add(Kind::Endpoint, one.name.as_str(), None));
    for monitor in facts.named(Kind::Monitor) {
        let windows: Vec<_> = facts.observations.iter().filter(|seen| seen.monitor == monitor.name).collect();
        let series = match &monitor.manifest.spec {
            Spec::Monitor(spec) => MonitorSeries::all(facts, spec, &windows).into_iter().next(),
            _ => None,
        };
        add(Kind::Monitor, monitor.name.as_str(), series);
    }
    lanes
}

fn items(facts: &Facts, links: &Links, lanes: &[Lane]) -> Vec<Item> {
    let lane = |kind: Kind, name: &str| lanes.iter().position(|lane| lane.kind == kind && lane.name == name);
    let node = |lane: usize, label: String, tone: Tone, path: String, say: String| Node {
        lane,
        column: 0,
        slot: 0,
        label,
        tone,
        path,
        say,
        until: None,
        served: false,
        value: None,
    };
    let mut items = Vec::new();
    let mut add = |at: Micros, key: Key, node: Node, causes: Vec<(Key, bool)>, with: Option<PipelineRunId>| {
        items.push(Item { at, key, node, causes, with });
    };
    for version in &facts.data {
        let (name, number) = (version.dataset.as_str(), version.number);
        let Some(lane) = lane(Kind::Dataset, name) else { continue };
        let say = format!("{name} version {number}, {}: {}", data_word(version.state), super::what_changed(version));
        let node =
            node(lane, number.to_string(), Tone::of_data(version.state), links.dataset_version(name, number), say);
        add(version.created_at, Key::Data(name.to_owned(), number), node, Vec::new(), None);
    }
    for run in &facts.runs {
        let Some(lane) = lane(Kind::Pipeline, run.pipeline.as_str()) else { continue };
        let name = run.display_name();
        let say = format!("{name}, {}, started by {}", windlass_control::state_word(run.state), run.cause.text);
        let node = node(lane, run.number.to_string(), Tone::of_run(run.state), links.run(&name), say);
        add(run.created_at, Key::Run(run.id.clone()), node, causes_of(facts, run), None);
    }
    for version in &facts.versions {
        let (model, number) = (version.model.as_str(), version.version);
        let Some(lane) = lane(Kind::Model, model) else { continue };
        let run = facts.made_by.get(&(model.to_owned(), number)).cloned();
        let (mark, tone, told) = match facts.verdict(model, number) {
            None => ("", Tone::Calm, "not judged".to_owned()),
            Some(verdict) => match &verdict.outcome {
                VerdictOutcome::Promoted { .. } => (" ▲", Tone::Good, format!("promoted to {}", verdict.alias)),
                VerdictOutcome::Passed => (" ✓", Tone::Calm, format!("passed the gate of {}", verdict.alias)),
                VerdictOutcome::Refused => (" ✕", Tone::Bad, format!("refused by the gate of {}", verdict.alias)),
            },
        };
        let say = format!("{model} version {number}, {told}");
        let node = node(lane, format!("v{number}{mark}"), tone, links.version(model, number), say);
        let causes = run.iter().map(|run| (Key::Run(run.clone()), true)).collect();
        add(version.created_at, Key::Version(model.to_owned(), number), node, causes, run);
    }
    for revision in &facts.served {
        let (endpoint, version) = (revision.endpoint.as_str(), revision.version);
        let Some(lane) = lane(Kind::Endpoint, endpoint) else { continue };
        let (tone, told) = match revision.state {
            EndpointState::Starting => (Tone::Busy, "starting"),
            EndpointState::Ready => (Tone::Good, "serves"),
            EndpointState::Failed => (Tone::Bad, "could not be served"),
            EndpointState::Retired => (Tone::Calm, "served"),
        };
        let say = format!("{endpoint}: {} version {version} {told}", revision.model);
        let mut node = node(lane, format!("v{version}"), tone, links.endpoint(endpoint), say);
        node.served = revision.ready_at.is_some();
        let causes = vec![(Key::Version(revision.model.clone(), version), true)];
        add(
            revision.ready_at.unwrap_or(revision.created_at),
            Key::Served(endpoint.to_owned(), revision.number),
            node,
            causes,
            None,
        );
    }
    let mut counted: HashMap<&str, usize> = HashMap::new();
    for seen in &facts.observations {
        let monitor = seen.monitor.as_str();
        let place = counted.entry(monitor).or_default();
        let Some(lane) = lane(Kind::Monitor, monitor) else { continue };
        let series = lanes[lane].series.as_ref();
        let value = series.and_then(|series| series.values.get(*place).copied().flatten());
        *place += 1;
        let measured = match (series, value) {
            (Some(series), Some(value)) => format!("{} {}", series.name, number(value)),
            (Some(_) | None, None) | (None, Some(_)) => "unknown".to_owned(),
        };
        let crossed: Vec<&str> = seen.breaches.iter().map(|breach| breach.text.as_str()).collect();
        let say = format!(
            "{monitor} over {}: {measured}{}{}",
            seen.window,
            if crossed.is_empty() { "" } else { "; " },
            crossed.join("; ")
        );
        let mut node = node(lane, String::new(), observation_tone(seen), links.monitor(monitor), say);
        node.value = value;
        let serving = facts.served.iter().rev().find(|served| {
            served.endpoint == seen.endpoint
                && Some(served.version) == seen.version
                && served.ready_at.is_some_and(|ready| ready <= seen.observed_at)
        });
        let causes = serving.map(|served| (Key::Served(served.endpoint.to_string(), served.number), false));
        add(seen.observed_at, Key::Seen(monitor.to_owned(), seen.sequence), node, causes.into_iter().collect(), None);
    }
    items
}

/// Returns what started a run and what else it saw.
fn causes_of(facts: &Facts, run: &PipelineRun) -> Vec<(Key, bool)> {
    let source = match facts.spec(Kind::Pipeline, run.pipeline.as_str()) {
        Some(Spec::Pipeline(spec)) => {
            let trigger = spec.triggers.iter().find(|trigger| Some(&trigger.name) == run.cause.trigger.as_ref());
            trigger.map(|trigger| &trigger.source)
        }
        Some(_) | None => None,
    };
    let mut causes: Vec<(Key, bool)> = Vec::new();
    for (dataset, frozen) in &run.datasets {
        let started = matches!(source, Some(TriggerSource::Dataset(name)) if name == dataset);
        causes.push((Key::Data(dataset.to_string(), frozen.version), started));
    }
    if let Some(TriggerSource::Monitor(name)) = source {
        let crossed = facts.observations.iter().rev().find(|seen| {
            seen.monitor == *name
                && seen.observed_at <= run.created_at
                && seen.breaches.iter().any(|breach| !breach.warn)
        });
        causes.extend(crossed.map(|seen| (Key::Seen(name.to_string(), seen.sequence), true)));
    }
    causes
}
