//! Measures one window: the rows that the files of a dataset's version label, joined with what was predicted.
//!
//! Whatever is missing or makes no sense makes a value unknown, with the reason; only our own trouble is an error.

use std::{collections::BTreeMap, path::PathBuf};

use windlass_data::{
    drift, labels, measure,
    sketch::Sketch,
    table::{Table, TableLimits, Values, read_table, row_ids},
};
use windlass_kinds::{
    Digest, DriftMeasure, Kind, Measure, Micros, Name,
    manifest::{DataFormat, EndpointSpec, LabelsSpec, Spec, TRAINING_TAG, Watch},
    record::{DatasetVersion, Observation},
};

use super::LiveMonitor;
use crate::{Control, ControlError, jobs::folder_of, watch::blocking};

/// The columns of the prediction log that are always there.
const ROW_ID: &str = "row_id";
const VERSION: &str = "model_version";
const PREDICTION: &str = "prediction";

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
struct Joined {
    labels: Vec<f64>,
    predictions: Vec<f64>,
    /// Their places in the log.
    places: Vec<usize>,
    /// How many rows each model version answered.
    versions: BTreeMap<u32, u64>,
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
        let LiveMonitor { name, spec } = monitor;
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
        let mut observation = Observation {
            project: project.clone(),
            monitor: name.clone(),
            endpoint: spec.endpoint.clone(),
            sequence: 0,
            window: window_name(&version),
            version: None,
            rows: 0,
            values: BTreeMap::new(),
            unknown: Vec::new(),
            breaches: Vec::new(),
            observed_at: Micros::default(),
        };
        let format = match &revision.manifest.spec {
            Spec::Dataset(spec) => spec.format,
            _ => None,
        };
        let sources = match (labels_of(&endpoint, dataset), folder_of(&revision)) {
            (Ok(labels), Some(folder)) => Sources {
                labels: version.added.iter().chain(&version.changed).map(|path| (folder.join(path), format)).collect(),
                predictions: self.deployer().predictions(project, &spec.endpoint).await.map_err(|error| {
                    ControlError::Unavailable(format!("the prediction log cannot be read: {error}"))
                })?,
                row_id: endpoint.row_id.clone(),
                value: labels.value.clone(),
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
                    Some(version) => self.reference(project, &endpoint, version).await?,
                    None => Err("no model version answered these rows".to_owned()),
                };
                let (measure, columns) = (*measure, columns.clone());
                blocking(move || drifted(observation, &joined, reference, &sources, measure, &columns)).await
            }
        }))
    }

    /// Returns a sketch of the rows that a version was trained on, or why there is none.
    async fn reference(
        &self,
        project: &Name,
        endpoint: &EndpointSpec,
        version: u32,
    ) -> Result<Result<Sketch, String>, ControlError> {
        let model = endpoint.model.model.clone();
        let spec = self.model_spec(project, &model).await?;
        let training = spec.and_then(|spec| spec.evaluation).and_then(|evaluation| evaluation.training);
        let (in_project, name) = (project.clone(), model.clone());
        let found = self
            .inner
            .store
            .read(move |tx| {
                let (project, name) = (in_project.clone(), name.clone());
                Box::pin(async move { tx.model_version_get(&project, &name, version).await })
            })
            .await?;
        let Some(found) = found else { return Ok(Err(format!("{model}@{version} is gone"))) };
        let Some(artifact) = training.or_else(|| found.tags.get(TRAINING_TAG).map(|_| String::new())) else {
            return Ok(Err(format!(
                "Model/{model} does not say what its versions were trained on (spec.evaluation.training)"
            )));
        };
        let artifact = match self.rows_of(&found, TRAINING_TAG, &artifact).await? {
            Ok(artifact) => artifact,
            Err(reason) => return Ok(Err(reason)),
        };
        let Some(path) = self.inner.blobs.local_path(&artifact.digest) else {
            return Ok(Err("the training rows are not on this machine".to_owned()));
        };
        Ok(blocking(move || sketch(&path, &artifact.digest)).await)
    }
}

fn sketch(path: &std::path::Path, digest: &Digest) -> Result<Sketch, String> {
    let table = read_table(path, Some(DataFormat::Parquet), None, &TableLimits::default());
    let table = table.map_err(|error| format!("the training rows ({digest}): {}", crate::chain(&error)))?;
    Ok(Sketch::of(&table))
}

/// Returns where an endpoint's labels come from, if it is this dataset.
fn labels_of<'a>(endpoint: &'a EndpointSpec, dataset: &Name) -> Result<&'a LabelsSpec, String> {
    match &endpoint.labels {
        Some(labels) if labels.dataset == *dataset => Ok(labels),
        Some(labels) => Err(format!("the endpoint's labels come from {}, not from {dataset}", labels.dataset)),
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
        Ok(joined) => {
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
fn quality(mut observation: Observation, joined: Option<&Joined>, measures: &[Measure]) -> Observation {
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
fn drifted(
    mut observation: Observation,
    joined: &Joined,
    reference: Result<Sketch, String>,
    sources: &Sources,
    measure: DriftMeasure,
    columns: &[String],
) -> Observation {
    let found = reference.and_then(|reference| {
        let wanted: Vec<String> = match columns {
            [] => reference.columns.iter().map(|column| column.name.clone()).collect(),
            columns => columns.to_vec(),
        };
        let window = inputs(sources, joined, &wanted)?;
        Ok(drift::drift(&reference, &window, Some(&wanted), &[measure]))
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
fn most(versions: &BTreeMap<u32, u64>) -> Option<u32> {
    versions.iter().max_by_key(|(version, rows)| (**rows, **version)).map(|(version, _)| *version)
}

/// Joins what was predicted with what became known.
fn join(sources: &Sources) -> Result<Joined, String> {
    let labels = labels(sources)?;
    let (mut ids, mut versions, mut predictions) = (Vec::new(), Vec::new(), Vec::new());
    for path in &sources.predictions {
        let table = read(path, Some(DataFormat::Parquet), &[ROW_ID, VERSION, PREDICTION])?;
        versions.extend(numbers(&table, VERSION)?);
        predictions.extend(numbers(&table, PREDICTION)?);
        let found = table.into_columns().into_iter().find(|(name, _)| name == ROW_ID);
        match found {
            Some((_, Values::Text(found))) => ids.extend(found.into_iter().map(Option::unwrap_or_default)),
            _ => return Err("the prediction log has no row ids".to_owned()),
        }
    }
    let found = labels::join(ids.iter().map(String::as_str), labels.iter().map(|(id, label)| (id.as_str(), *label)));
    let mut rows = found.rows;
    rows.sort_unstable_by(|left, right| ids[left.prediction].cmp(&ids[right.prediction]));
    let mut joined = Joined::default();
    for labels::Labelled { prediction, label } in rows {
        joined.labels.push(label);
        joined.predictions.push(predictions[prediction]);
        joined.places.push(prediction);
        // Versions count from 1 and fit.
        *joined.versions.entry(versions[prediction] as u32).or_default() += 1;
    }
    Ok(joined)
}

/// Returns the inputs of the joined rows, in the order of the log.
fn inputs(sources: &Sources, joined: &Joined, columns: &[String]) -> Result<Table, String> {
    let names: Vec<&str> = columns.iter().map(String::as_str).collect();
    let mut wanted = joined.places.clone();
    wanted.sort_unstable();
    let mut picked = Vec::new();
    let mut start = 0;
    let mut next = wanted.as_slice();
    for path in &sources.predictions {
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
    let mut labels = Vec::new();
    for (path, format) in &sources.labels {
        let mut columns: Vec<&str> = sources.row_id.iter().map(String::as_str).collect();
        columns.push(&sources.value);
        let table = read(path, *format, &columns)?;
        let values = numbers(&table, &sources.value)?;
        let ids = row_ids(&table, &sources.row_id).map_err(|error| error.to_string())?;
        labels.extend(ids.into_iter().zip(values));
    }
    Ok(labels)
}

fn read(path: &std::path::Path, format: Option<DataFormat>, columns: &[&str]) -> Result<Table, String> {
    read_table(path, format, Some(columns), &TableLimits::default()).map_err(|error| crate::chain(&error))
}

fn numbers(table: &Table, name: &str) -> Result<Vec<f64>, String> {
    let column = table.column(name).ok_or_else(|| format!("there is no column `{name}`"))?;
    let numbers = column.numbers().ok_or_else(|| format!("column `{name}` is {}, not a number", column.word()))?;
    Ok(numbers.into_owned())
}
