//! Measures windows of so many rows, or of rows whose own time lies in the same span.
//!
//! Quality counts rows with a label, in the order in which they got their first; drift counts predicted rows, in the
//! order of the log. The names of a window's rows are kept as content: they say which rows were measured, and keep them
//! out of every later window. A window is measured once. Labels that are corrected afterwards are counted, and change no
//! value that was told.

use std::{
    collections::{BTreeMap, HashMap, HashSet, btree_map::Entry},
    path::PathBuf,
    sync::Arc,
};

use windlass_data::{
    labels::{self, Labelled},
    table::{Table, Values, read_table_bytes, write_parquet},
};
use windlass_kinds::{
    Kind, Micros, Name,
    manifest::{DataFormat, EndpointSpec, LabelsSpec, MonitorSpec, Spec, Watch, WindowSpec},
    record::{Counted, DatasetVersionState, Observation, WindowSlice},
};
use windlass_oci::{put_bytes, read_all};
use windlass_store::MeasuredWindow;

use super::{
    LiveMonitor,
    cut::{Before, Candidate, Cut, Cuts, by_rows, by_time},
    reference::Reference,
    window::{
        Joined, NOBODY, PREDICTION, PredictionLog, ROW_ID, VERSION, counts, drifted, labels_in, most, nothing_seen,
        quality, read,
    },
};
use crate::{Control, ControlError, jobs::folder_of, watch::blocking};

/// How many labels are read from the store at once.
const LABELS_AT_ONCE: u32 = 50_000;

/// The most bytes of a window's names.
const MEMBERS_CAP: u64 = 1 << 30;

/// The column of a window's names with the labels.
const LABEL: &str = "label";

/// What a look saw.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) observations: Vec<Observation>,
    /// Whether there are further windows.
    pub(super) more: bool,
    /// How many rows are wanting for the next window.
    pub(super) wanting: u64,
}

/// Everything that windows are cut from.
struct Material {
    log: PredictionLog,
    /// The rows there are, each with its last prediction and its label (NaN where none is asked for), in their order.
    rows: Vec<Labelled>,
    counts: BTreeMap<Counted, u64>,
    cuts: Cuts,
}

/// What became known of rows, in the order in which it did; none where the monitor needs none.
type Labels = Option<Vec<(String, f64)>>;

impl Control {
    /// Measures the windows of a monitor that are complete and were not measured yet.
    pub(super) async fn measure_slices(&self, project: &Name, monitor: &LiveMonitor) -> Result<Seen, ControlError> {
        let LiveMonitor { name, spec } = monitor;
        let Some(endpoint) = self.endpoint_spec(project, &spec.endpoint).await? else { return Ok(Seen::default()) };
        let labels = match self.labels_for(project, spec, &endpoint).await? {
            Ok(labels) => labels,
            Err(reason) => return Ok(self.nothing_to_see(name, &reason)),
        };
        let files = self.deployer().predictions(project, &spec.endpoint).await;
        let files =
            files.map_err(|error| ControlError::Unavailable(format!("the prediction log cannot be read: {error}")))?;
        let windows = self.windows_of(project, name).await?;
        let taken = self.members(&windows).await?;
        let before = Before {
            position: windows.last().map_or(0, |window| window.position),
            rows: windows.iter().map(|window| window.rows).sum(),
            ends: windows.iter().filter_map(|window| window.ends).max(),
        };
        let (window, now, logs) = (spec.window.clone(), self.inner.clock.now(), files.clone());
        let gathered = blocking(move || gather(labels, &logs, &taken, &window, before, now)).await;
        let Material { log, rows, counts, cuts } = match gathered {
            Ok(material) => material,
            Err(reason) => return Ok(self.nothing_to_see(name, &reason)),
        };
        let mut seen = Seen { more: cuts.more, wanting: cuts.wanting, observations: Vec::new() };
        let mut references = BTreeMap::new();
        for Cut { position, name, ends, rows: places } in cuts.cuts {
            let mut rows: Vec<Labelled> = places.iter().map(|place| rows[*place]).collect();
            rows.sort_unstable_by(|left, right| log.ids[left.prediction].cmp(&log.ids[right.prediction]));
            let mut observation = nothing_seen(project, monitor, name);
            let members = match rows.as_slice() {
                [] => None,
                rows => Some(put_bytes(self.inner.blobs.as_ref(), &written(&log, rows)?).await?),
            };
            observation.basis.counts = counts.clone();
            observation.basis.slice = Some(WindowSlice { position, members, ends });
            observation.rows = u64::try_from(rows.len()).unwrap_or(u64::MAX);
            let mut joined = Joined::default();
            rows.iter().for_each(|row| joined.push(&log, row.prediction, row.label));
            observation.version = most(&joined.versions);
            let is_enough = observation.rows >= spec.min_rows;
            if !is_enough {
                let counted = observation.rows;
                observation.unknown.push(match counted {
                    0 => "no row is in it".to_owned(),
                    _ => format!("{counted} rows are in it, {} are wanted", spec.min_rows),
                });
            }
            seen.observations.push(match &spec.watch {
                Watch::Quality { measures } => quality(observation, is_enough.then_some(&joined), measures),
                Watch::Drift { measure, columns: _ } if !is_enough => {
                    observation.values.insert(measure.to_string(), None);
                    observation
                }
                Watch::Drift { measure, columns } => {
                    let reference = match references.entry(observation.version) {
                        Entry::Occupied(known) => Arc::clone(known.get()),
                        Entry::Vacant(entry) => {
                            let found = match observation.version {
                                Some(version) => self.reference(project, &endpoint.model.model, version).await?,
                                None => Err(NOBODY.to_owned()),
                            };
                            Arc::clone(entry.insert(Arc::new(found)))
                        }
                    };
                    let (measure, columns, files) = (*measure, columns.clone(), files.clone());
                    blocking(move || {
                        let reference: Result<&Reference, &String> = (*reference).as_ref();
                        drifted(observation, &joined, reference, &files, measure, &columns)
                    })
                    .await
                }
                // Has no rows.
                Watch::Prometheus { query: _ } => observation,
            });
        }
        Ok(seen)
    }

    fn nothing_to_see(&self, monitor: &Name, reason: &str) -> Seen {
        self.inner.notice(format!("monitor {monitor} sees nothing: {reason}"));
        Seen { wanting: 1, ..Seen::default() }
    }

    async fn windows_of(&self, project: &Name, monitor: &Name) -> Result<Vec<MeasuredWindow>, ControlError> {
        let (project, monitor) = (project.clone(), monitor.clone());
        Ok(self
            .inner
            .store
            .read(move |tx| {
                let (project, monitor) = (project.clone(), monitor.clone());
                Box::pin(async move { tx.monitor_windows(&project, &monitor).await })
            })
            .await?)
    }

    /// Returns the names of all rows that windows have already.
    async fn members(&self, windows: &[MeasuredWindow]) -> Result<HashSet<String>, ControlError> {
        let mut members = HashSet::new();
        for digest in windows.iter().filter_map(|window| window.members.as_ref()) {
            let bytes = read_all(self.inner.blobs.as_ref(), digest, MEMBERS_CAP).await?;
            let table =
                blocking(move || read_table_bytes(&bytes, DataFormat::Parquet, Some(&[ROW_ID]), &Default::default()));
            let table = table.await.map_err(|error| {
                ControlError::Unavailable(format!("the rows of a window: {}", crate::chain(&error)))
            })?;
            for (_, values) in table.into_columns() {
                if let Values::Text(ids) = values {
                    members.extend(ids.into_iter().flatten());
                }
            }
        }
        Ok(members)
    }

    /// Returns all labels that a monitor needs, in the order in which they became known, or why there are none.
    async fn labels_for(
        &self,
        project: &Name,
        spec: &MonitorSpec,
        endpoint: &EndpointSpec,
    ) -> Result<Result<Labels, String>, ControlError> {
        match (&spec.watch, &endpoint.labels) {
            (Watch::Drift { .. } | Watch::Prometheus { .. }, _) => Ok(Ok(None)),
            (Watch::Quality { .. }, None) => Ok(Err("the endpoint does not say where labels come from".to_owned())),
            (Watch::Quality { .. }, Some(LabelsSpec::Api)) => {
                Ok(Ok(Some(self.sent_labels(project, &spec.endpoint).await?)))
            }
            (Watch::Quality { .. }, Some(LabelsSpec::Dataset { dataset, value })) => {
                let files = self.label_files(project, dataset).await?;
                let (row_id, value) = (endpoint.row_id.clone(), value.clone());
                Ok(blocking(move || labels_in(&files, &row_id, &value)).await.map(Some))
            }
        }
    }

    async fn sent_labels(&self, project: &Name, endpoint: &Name) -> Result<Vec<(String, f64)>, ControlError> {
        let mut labels = Vec::new();
        let mut after = None;
        loop {
            let (project, endpoint) = (project.clone(), endpoint.clone());
            let some = self
                .inner
                .store
                .read(move |tx| {
                    let (project, endpoint) = (project.clone(), endpoint.clone());
                    Box::pin(async move { tx.labels_after(&project, &endpoint, after, LABELS_AT_ONCE).await })
                })
                .await?;
            let Some(last) = some.last() else { return Ok(labels) };
            after = Some((last.upload, last.place));
            labels.extend(some.into_iter().map(|label| (label.row_id, label.value.unwrap_or(f64::NAN))));
        }
    }

    /// Returns the files that a dataset has now, in the order in which they came into it.
    async fn label_files(
        &self,
        project: &Name,
        dataset: &Name,
    ) -> Result<Vec<(PathBuf, Option<DataFormat>)>, ControlError> {
        let (project, dataset) = (project.clone(), dataset.clone());
        let (versions, revision) = self
            .inner
            .store
            .read(move |tx| {
                let (project, dataset) = (project.clone(), dataset.clone());
                Box::pin(async move {
                    let versions = tx.dataset_versions(&project, &dataset).await?;
                    Ok((versions, tx.revision_current(&project, Kind::Dataset, &dataset).await?))
                })
            })
            .await?;
        let folder = revision.as_ref().and_then(|revision| Some((folder_of(revision)?, revision)));
        let Some((folder, revision)) = folder else { return Ok(Vec::new()) };
        let format = match &revision.manifest.spec {
            Spec::Dataset(spec) => spec.format,
            _ => None,
        };
        let accepted: Vec<_> =
            versions.iter().filter(|version| version.state == DatasetVersionState::Accepted).collect();
        let there: HashSet<&str> =
            accepted.last().iter().flat_map(|last| &last.files).map(|file| file.path.as_str()).collect();
        let mut listed = HashSet::new();
        let came = accepted.iter().flat_map(|version| version.added.iter().chain(&version.changed));
        let files = came.filter(|path| there.contains(path.as_str()) && listed.insert(path.as_str()));
        Ok(files.map(|path| (folder.join(path), format)).collect())
    }
}

/// Reads the log, joins it with the labels, and cuts what windows do not have yet.
fn gather(
    labels: Labels,
    files: &[PathBuf],
    taken: &HashSet<String>,
    window: &WindowSpec,
    before: Before,
    now: Micros,
) -> Result<Material, String> {
    let log = PredictionLog::read(files)?;
    let (rows, mut counts) = match &labels {
        Some(labels) => labelled(&log, labels),
        None => predicted(&log),
    };
    let times = match window {
        WindowSpec::Time { column, every: _ } => times(files, column)?,
        WindowSpec::Rows(_) | WindowSpec::Version(_) | WindowSpec::Every(_) => Vec::new(),
    };
    let candidates: Vec<Candidate> = rows
        .iter()
        .map(|row| Candidate {
            time: times.get(row.prediction).copied().flatten(),
            is_taken: taken.contains(&log.ids[row.prediction]),
        })
        .collect();
    let cuts = match window {
        WindowSpec::Rows(size) => by_rows(&candidates, before, *size),
        WindowSpec::Time { column, every } => {
            let every = i64::try_from(every.0.as_micros()).unwrap_or(i64::MAX);
            by_time(&candidates, before, column, every, now)
        }
        // Begun by something else.
        WindowSpec::Version(_) | WindowSpec::Every(_) => Cuts::default(),
    };
    counts.extend(cuts.left.iter().copied().filter(|(_, count)| *count > 0));
    Ok(Material { log, rows, counts, cuts })
}

/// Returns the rows with a label, in the order in which they got their first.
fn labelled(log: &PredictionLog, labels: &[(String, f64)]) -> (Vec<Labelled>, BTreeMap<Counted, u64>) {
    let ids = log.ids.iter().map(String::as_str);
    let found = labels::join(ids, labels.iter().map(|(id, label)| (id.as_str(), *label)));
    let mut by_id: HashMap<&str, Labelled> =
        found.rows.iter().map(|row| (log.ids[row.prediction].as_str(), *row)).collect();
    let rows = labels.iter().filter_map(|(id, _)| by_id.remove(id.as_str())).collect();
    (rows, counts(&found))
}

/// Returns the rows that were predicted, each with its last prediction, in the order of the log.
fn predicted(log: &PredictionLog) -> (Vec<Labelled>, BTreeMap<Counted, u64>) {
    let last: HashMap<&str, usize> = log.ids.iter().enumerate().map(|(place, id)| (id.as_str(), place)).collect();
    let mut places: Vec<usize> = last.into_values().collect();
    places.sort_unstable();
    let repeated = (log.ids.len() - places.len()) as u64;
    let rows = places.into_iter().map(|prediction| Labelled { prediction, label: f64::NAN }).collect();
    (rows, [(Counted::RepeatedPredictions, repeated)].into_iter().filter(|(_, count)| *count > 0).collect())
}

/// Returns the times of the rows of the log. A file of a model without the column has none.
fn times(files: &[PathBuf], column: &str) -> Result<Vec<Option<i64>>, String> {
    let mut times = Vec::new();
    for path in files {
        let rows = read(path, Some(DataFormat::Parquet), &[VERSION])?.rows();
        match read(path, Some(DataFormat::Parquet), &[column]).ok().as_ref().and_then(|table| table.column(column)) {
            Some(values) => times.extend(
                values.times().ok_or_else(|| format!("column `{column}` is {}, not a time", values.word()))?.iter(),
            ),
            None => times.resize(times.len() + rows, None),
        }
    }
    Ok(times)
}

/// Returns the names of a window's rows with what was measured of them, as Parquet.
fn written(log: &PredictionLog, rows: &[Labelled]) -> Result<Vec<u8>, ControlError> {
    let of = |values: &[f64]| rows.iter().map(|row| values[row.prediction]).collect::<Vec<f64>>();
    let columns = vec![
        (ROW_ID.to_owned(), Values::Text(rows.iter().map(|row| Some(log.ids[row.prediction].clone())).collect())),
        (VERSION.to_owned(), Values::Number(of(&log.versions))),
        (PREDICTION.to_owned(), Values::Number(of(&log.predictions))),
        (LABEL.to_owned(), Values::Number(rows.iter().map(|row| row.label).collect())),
    ];
    let table = Table::new(columns).map_err(|error| ControlError::Unavailable(error.to_string()))?;
    let mut bytes = Vec::new();
    write_parquet(&mut bytes, &table).map_err(|error| ControlError::Unavailable(error.to_string()))?;
    Ok(bytes)
}
