//! Measures one window: the rows that the files of a dataset's version label, joined with what was predicted.
//!
//! Whatever is missing or makes no sense makes a value unknown, with the reason; only our own trouble is an error.

use std::{collections::BTreeMap, path::PathBuf};

use windlass_data::{
    drift, labels, measure,
    table::{Table, TableLimits, Values, read_table, row_ids},
};
use windlass_kinds::{
    DriftMeasure, Kind, Measure, Micros, Name,
    manifest::{DataFormat, EndpointSpec, LabelsSpec, Spec, Watch},
    record::{Counted, DatasetVersion, Observation},
};

use super::{LiveMonitor, reference::Reference};
use crate::{Control, ControlError, jobs::folder_of, watch::blocking};

/// The columns of the prediction log that are always there.
pub(super) const ROW_ID: &str = "row_id";
pub(super) const VERSION: &str = "model_version";
pub(super) const PREDICTION: &str = "prediction";

/// Everything a window is measured from.
struct Sources {
    /// The files of the version that label rows.
    labels: Vec<(PathBuf, Option<DataFormat>)>,
    /// The prediction log, oldest first.
    predictions: Vec<PathBuf>,
    row_id: Vec<String>,
    value: String,
}

/// Rows with a prediction and a label, by their names in order, so that sums come out alike whatever the order of the log.
#[derive(Debug, Default)]
pub(super) struct Joined {
    pub(super) labels: Vec<f64>,
    pub(super) predictions: Vec<f64>,
    /// Their places in the log.
    pub(super) places: Vec<usize>,
    /// How many rows each model version answered.
    pub(super) versions: BTreeMap<u32, u64>,
}

impl Control {
    /// Measures one window of a monitor; `None` where endpoint or version are gone.
    pub(super) async fn measure_window(
        &self,
        project: &Name,
        monitor: &LiveMonitor,
        dataset: &Name,
        number: u32,
    ) -> Result<Option<Observation>, ControlError> {
        let LiveMonitor { name: _, spec } = monitor;
        let Some(endpoint) = self.endpoint_spec(project, &spec.endpoint).await? else { return Ok(None) };
        let (in_project, wanted) = (project.clone(), dataset.clone());
        let (version, revision) = self
            .inner
            .store
            .read(move |tx| {
                let (project, dataset) = (in_project.clone(), wanted.clone());
                Box::pin(async move {
                    let version = tx.dataset_version_get(&project, &dataset, number).await?;
                    Ok((version, tx.revision_current(&project, Kind::Dataset, &dataset).await?))
                })
            })
            .await?;
        let (Some(version), Some(revision)) = (version, revision) else { return Ok(None) };
        let mut observation = nothing_seen(project, monitor, window_name(&version));
        let format = match &revision.manifest.spec {
            Spec::Dataset(spec) => spec.format,
            _ => None,
        };
        let sources = match (labels_of(&endpoint, dataset), folder_of(&revision)) {
            (Ok(value), Some(folder)) => Sources {
                labels: version.added.iter().chain(&version.changed).map(|path| (folder.join(path), format)).collect(),
                predictions: self.deployer().predictions(project, &spec.endpoint).await.map_err(|error| {
                    ControlError::Unavailable(format!("the prediction log cannot be read: {error}"))
                })?,
                row_id: endpoint.row_id.clone(),
                value: value.to_owned(),
            },
            (Err(reason), _) => {
                observation.unknown.push(reason);
                return Ok(Some(observation));
            }
            (_, None) => return Ok(None),
        };
        let min_rows = spec.min_rows;
        let (observation, joined, sources) = blocking(move || {
            let (observation, joined) = joined(observation, min_rows, &sources);
            (observation, joined, sources)
        })
        .await;
        Ok(Some(match &spec.watch {
            // Has no rows, and is asked by the clock.
            Watch::Prometheus { query: _ } => return Ok(None),
            Watch::Quality { measures } => quality(observation, joined.as_ref(), measures),
            Watch::Drift { measure, columns } => {
                let Some(joined) = joined else { return Ok(Some(observation)) };
                let reference = match observation.version {
                    Some(version) => self.reference(project, &endpoint.model.model, version).await?,
                    None => Err(NOBODY.to_owned()),
                };
                let (measure, columns) = (*measure, columns.clone());
                let files = sources.predictions;
                blocking(move || drifted(observation, &joined, reference.as_ref(), &files, measure, &columns)).await
            }
        }))
    }
}

/// Why drift of rows that nobody answered is unknown.
pub(super) const NOBODY: &str = "no model version answered these rows";

/// Starts what a monitor sees in a window.
pub(super) fn nothing_seen(project: &Name, monitor: &LiveMonitor, window: String) -> Observation {
    Observation {
        project: project.clone(),
        monitor: monitor.name.clone(),
        endpoint: monitor.spec.endpoint.clone(),
        sequence: 0,
        window,
        version: None,
        rows: 0,
        values: BTreeMap::new(),
        unknown: Vec::new(),
        breaches: Vec::new(),
        basis: Box::default(),
        observed_at: Micros::default(),
    }
}

/// Returns the column with an endpoint's labels, if they come from this dataset.
fn labels_of<'a>(endpoint: &'a EndpointSpec, dataset: &Name) -> Result<&'a str, String> {
    match &endpoint.labels {
        Some(LabelsSpec::Dataset { dataset: its, value }) if its == dataset => Ok(value),
        Some(LabelsSpec::Dataset { dataset: its, value: _ }) => {
            Err(format!("the endpoint's labels come from {its}, not from {dataset}"))
        }
        Some(LabelsSpec::Api) => Err(format!("the endpoint's labels are sent, and do not come from {dataset}")),
        None => Err("the endpoint does not say where labels come from".to_owned()),
    }
}

/// Returns a window's name: the version and the files it labels.
fn window_name(version: &DatasetVersion) -> String {
    let files: Vec<&str> = version.added.iter().chain(&version.changed).map(String::as_str).collect();
    match files.as_slice() {
        [] => format!("{} version {}", version.dataset, version.number),
        [one] => format!("{} version {} ({one})", version.dataset, version.number),
        [first, .., last] => format!("{} version {} ({first} to {last})", version.dataset, version.number),
    }
}

/// Joins the window's rows and says how many they are; none where there is nothing to measure, with the reason.
fn joined(mut observation: Observation, min_rows: u64, sources: &Sources) -> (Observation, Option<Joined>) {
    match join(sources) {
        Ok((joined, counts)) => {
            observation.basis.counts = counts;
            observation.rows = u64::try_from(joined.labels.len()).unwrap_or(u64::MAX);
            observation.version = most(&joined.versions);
            if observation.rows >= min_rows {
                return (observation, Some(joined));
            }
            let rows = observation.rows;
            observation.unknown.push(format!("{rows} rows have a prediction and a label, {min_rows} are wanted"));
        }
        Err(reason) => observation.unknown.push(reason),
    }
    (observation, None)
}

/// Measures predictions against what became known.
pub(super) fn quality(mut observation: Observation, joined: Option<&Joined>, measures: &[Measure]) -> Observation {
    for measure in measures {
        let value = joined.map(|joined| measure::measure(*measure, &joined.labels, &joined.predictions));
        if let Some(Err(error)) = &value {
            observation.unknown.push(format!("{measure}: {error}"));
        }
        observation.values.insert(measure.to_string(), value.and_then(Result::ok));
    }
    observation
}

/// Measures how far the inputs moved from the reference, column by column; the largest value stands for all.
pub(super) fn drifted(
    mut observation: Observation,
    joined: &Joined,
    reference: Result<&Reference, &String>,
    files: &[PathBuf],
    measure: DriftMeasure,
    columns: &[String],
) -> Observation {
    observation.basis.reference = reference.ok().map(|reference| reference.digest.clone());
    let found = reference.map_err(String::clone).and_then(|Reference { digest: _, sketch }| {
        let wanted: Vec<String> = match columns {
            [] => sketch.columns.iter().map(|column| column.name.clone()).collect(),
            columns => columns.to_vec(),
        };
        let window = inputs(files, joined, &wanted)?;
        Ok(drift::drift(sketch, &window, Some(&wanted), &[measure]))
    });
    let found = match found {
        Ok(found) => found,
        Err(reason) => {
            observation.unknown.push(reason);
            observation.values.insert(measure.to_string(), None);
            return observation;
        }
    };
    let mut largest: Option<f64> = None;
    for drift::Drifted { column, value, .. } in found {
        if let Err(error) = &value {
            observation.unknown.push(format!("{column}: {error}"));
        }
        let value = value.ok();
        largest = largest.into_iter().chain(value).reduce(f64::max);
        observation.values.insert(format!("{measure}:{column}"), value);
    }
    observation.values.insert(measure.to_string(), largest);
    observation
}

/// Returns the version that answered most rows; the newer of two that answered equally many.
pub(super) fn most(versions: &BTreeMap<u32, u64>) -> Option<u32> {
    versions.iter().max_by_key(|(version, rows)| (**rows, **version)).map(|(version, _)| *version)
}

/// Joins what was predicted with what became known; also counts what is in no row.
fn join(sources: &Sources) -> Result<(Joined, BTreeMap<Counted, u64>), String> {
    let labels = labels(sources)?;
    let log = PredictionLog::read(&sources.predictions)?;
    let ids = log.ids.iter().map(String::as_str);
    let mut found = labels::join(ids, labels.iter().map(|(id, label)| (id.as_str(), *label)));
    let counts = counts(&found);
    found.rows.sort_unstable_by(|left, right| log.ids[left.prediction].cmp(&log.ids[right.prediction]));
    let mut joined = Joined::default();
    for labels::Labelled { prediction, label } in found.rows {
        joined.push(&log, prediction, label);
    }
    Ok((joined, counts))
}

/// Returns what a join counted besides rows; nothing where it is 0.
pub(super) fn counts(joined: &labels::Joined) -> BTreeMap<Counted, u64> {
    let labels::Joined { rows: _, unlabelled: _, repeated_predictions, unknown, duplicates, changed } = joined;
    let counts = [
        (Counted::RepeatedPredictions, *repeated_predictions),
        (Counted::UnknownLabels, *unknown),
        (Counted::RepeatedLabels, *duplicates),
        (Counted::CorrectedLabels, *changed),
    ];
    counts.into_iter().filter(|(_, count)| *count > 0).collect()
}

/// What an endpoint answered, in the order of its log.
#[derive(Debug, Default)]
pub(super) struct PredictionLog {
    pub(super) ids: Vec<String>,
    pub(super) versions: Vec<f64>,
    pub(super) predictions: Vec<f64>,
}

impl PredictionLog {
    /// Reads the files of a log, oldest first.
    pub(super) fn read(files: &[PathBuf]) -> Result<Self, String> {
        let mut log = Self::default();
        for path in files {
            let table = read(path, Some(DataFormat::Parquet), &[ROW_ID, VERSION, PREDICTION])?;
            log.versions.extend(numbers(&table, VERSION)?);
            log.predictions.extend(numbers(&table, PREDICTION)?);
            let found = table.into_columns().into_iter().find(|(name, _)| name == ROW_ID);
            match found {
                Some((_, Values::Text(found))) => log.ids.extend(found.into_iter().map(Option::unwrap_or_default)),
                _ => return Err("the prediction log has no row ids".to_owned()),
            }
        }
        Ok(log)
    }
}

impl Joined {
    /// Adds a row by its place in the log.
    pub(super) fn push(&mut self, log: &PredictionLog, place: usize, label: f64) {
        self.labels.push(label);
        self.predictions.push(log.predictions[place]);
        self.places.push(place);
        // Versions count from 1 and fit.
        *self.versions.entry(log.versions[place] as u32).or_default() += 1;
    }
}

/// Returns the inputs of the joined rows, in the order of the log.
fn inputs(files: &[PathBuf], joined: &Joined, columns: &[String]) -> Result<Table, String> {
    let names: Vec<&str> = columns.iter().map(String::as_str).collect();
    let mut wanted = joined.places.clone();
    wanted.sort_unstable();
    let mut picked = Vec::new();
    let mut start = 0;
    let mut next = wanted.as_slice();
    for path in files {
        let table = read(path, Some(DataFormat::Parquet), &names)?;
        let end = start + table.rows();
        let here = next.partition_point(|place| *place < end);
        let places: Vec<usize> = next[..here].iter().map(|place| place - start).collect();
        next = &next[here..];
        start = end;
        if !places.is_empty() {
            picked.push(table.pick(&places));
        }
    }
    Table::concat(picked).map_err(|error| error.to_string())
}

/// Returns what became known, by row, in the order in which it did.
fn labels(sources: &Sources) -> Result<Vec<(String, f64)>, String> {
    let Sources { labels, predictions: _, row_id, value } = sources;
    labels_in(labels, row_id, value)
}

/// Returns the labels in the files of a dataset, in their order.
pub(super) fn labels_in(
    files: &[(PathBuf, Option<DataFormat>)],
    row_id: &[String],
    value: &str,
) -> Result<Vec<(String, f64)>, String> {
    let mut labels = Vec::new();
    for (path, format) in files {
        let mut columns: Vec<&str> = row_id.iter().map(String::as_str).collect();
        columns.push(value);
        let table = read(path, *format, &columns)?;
        let values = numbers(&table, value)?;
        let ids = row_ids(&table, row_id).map_err(|error| error.to_string())?;
        labels.extend(ids.into_iter().zip(values));
    }
    Ok(labels)
}

pub(super) fn read(path: &std::path::Path, format: Option<DataFormat>, columns: &[&str]) -> Result<Table, String> {
    read_table(path, format, Some(columns), &TableLimits::default()).map_err(|error| crate::chain(&error))
}

pub(super) fn numbers(table: &Table, name: &str) -> Result<Vec<f64>, String> {
    let column = table.column(name).ok_or_else(|| format!("there is no column `{name}`"))?;
    let numbers = column.numbers().ok_or_else(|| format!("column `{name}` is {}, not a number", column.word()))?;
    Ok(numbers.into_owned())
}
