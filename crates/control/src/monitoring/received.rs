//! Takes in labels that somebody sends, and says what they changed.

use std::{
    collections::{BTreeMap, HashSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::sync::Mutex;
use windlass_data::table::{TableLimits, Values, read_table};
use windlass_kinds::{
    Digest, Name,
    manifest::{DataFormat, EndpointSpec, LabelsSpec},
    record::{Actor, Label, LabelTotals, LabelUpload},
};

use super::window::ROW_ID;
use crate::{Control, ControlError, watch::blocking};

/// What a sending of labels changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelsTaken {
    /// What was written.
    pub upload: LabelUpload,
    /// How many of the rows were never predicted, as far as is known now.
    pub unknown: u64,
}

/// The names of rows that endpoints predicted, as far as somebody asked.
#[derive(Default)]
pub(crate) struct KnownRows {
    endpoints: Mutex<BTreeMap<(Name, Name), Shared>>,
}

/// Whoever reads the log of an endpoint keeps others from reading it too.
type Shared = Arc<Mutex<Known>>;

#[derive(Default)]
struct Known {
    /// The files of the prediction log whose names are in.
    files: HashSet<PathBuf>,
    /// Hashes of names: what is told of them is a count, and two of a million share one in no lifetime.
    rows: HashSet<u64>,
    /// How many rows were predicted when the files were asked for.
    predicted: Option<u64>,
}

impl Control {
    /// Returns an endpoint whose labels are sent.
    ///
    /// # Errors
    ///
    /// There is no such endpoint, or its labels come from elsewhere.
    pub async fn labelled_endpoint(&self, project: &Name, endpoint: &Name) -> Result<EndpointSpec, ControlError> {
        let Some(spec) = self.endpoint_spec(project, endpoint).await? else {
            return Err(ControlError::NotFound { what: format!("Endpoint/{endpoint}"), near: Vec::new() });
        };
        match &spec.labels {
            Some(LabelsSpec::Api) => Ok(spec),
            Some(LabelsSpec::Dataset { dataset, value: _ }) => Err(ControlError::Refused(format!(
                "the labels of Endpoint/{endpoint} come from Dataset/{dataset}; write `labels: {{source: api}}` to send them"
            ))),
            None => Err(ControlError::Refused(format!(
                "Endpoint/{endpoint} has no labels; write `labels: {{source: api}}` to send them"
            ))),
        }
    }

    /// Keeps labels and lets the monitors that wait for them look. They are on disk when this returns.
    pub async fn labels_take(
        &self,
        project: &Name,
        endpoint: &Name,
        labels: Vec<Label>,
        digest: Digest,
        actor: &Actor,
    ) -> Result<LabelsTaken, ControlError> {
        let labels = Arc::new(labels);
        let now = self.inner.clock.now();
        let args = (project.clone(), endpoint.clone(), labels.clone(), digest, actor.clone());
        let upload = self
            .inner
            .store
            .write(move |tx| {
                let (project, endpoint, labels, digest, actor) = args.clone();
                Box::pin(async move {
                    // Two sendings at once take turns, or they would take the same number.
                    tx.lock_project(&project).await?;
                    tx.labels_add(&project, &endpoint, &labels, &digest, &actor, now).await
                })
            })
            .await?;
        self.inner.looking.labels_came();
        self.inner.wake.notify_one();
        let unknown = self.unknown_rows(project, endpoint, labels).await?;
        Ok(LabelsTaken { upload, unknown })
    }

    /// Returns what is known of an endpoint's labels: totals, and the newest sendings, the newest first.
    pub async fn labels_known(
        &self,
        project: &Name,
        endpoint: &Name,
        limit: u32,
    ) -> Result<(LabelTotals, Vec<LabelUpload>), ControlError> {
        let (project, endpoint) = (project.clone(), endpoint.clone());
        Ok(self
            .inner
            .store
            .read(move |tx| {
                let (project, endpoint) = (project.clone(), endpoint.clone());
                Box::pin(async move {
                    let totals = tx.label_totals(&project, &endpoint).await?;
                    Ok((totals, tx.label_uploads(&project, &endpoint, limit).await?))
                })
            })
            .await?)
    }

    /// Counts the rows that were never predicted. The prediction log is read once; a sending whose rows are all known
    /// reads nothing.
    async fn unknown_rows(
        &self,
        project: &Name,
        endpoint: &Name,
        labels: Arc<Vec<Label>>,
    ) -> Result<u64, ControlError> {
        let known = {
            let mut endpoints = self.inner.known_rows.endpoints.lock().await;
            endpoints.entry((project.clone(), endpoint.clone())).or_default().clone()
        };
        let mut known = known.lock_owned().await;
        let count = |known: &Known| {
            let unknown: HashSet<&str> =
                labels.iter().map(|label| label.row_id.as_str()).filter(|id| !known.rows.contains(&hash(id))).collect();
            unknown.len() as u64
        };
        let predicted = self.deployer().predicted(project, endpoint).await;
        if count(&known) > 0 && known.predicted != Some(predicted) {
            let files = self.deployer().predictions(project, endpoint).await;
            let files = files.map_err(|error| {
                ControlError::Unavailable(format!("the labels are kept; the prediction log cannot be read: {error}"))
            })?;
            known = blocking(move || {
                known.read(&files);
                known
            })
            .await;
            known.predicted = Some(predicted);
        }
        Ok(count(&known))
    }
}

impl Known {
    /// Reads what is new among the files. One that cannot be read, or went away, is as if it were not there.
    fn read(&mut self, files: &[PathBuf]) {
        for file in files {
            if !self.files.contains(file)
                && let Some(rows) = hashes(file)
            {
                self.rows.extend(rows);
                self.files.insert(file.clone());
            }
        }
    }
}

fn hashes(file: &Path) -> Option<Vec<u64>> {
    let table = read_table(file, Some(DataFormat::Parquet), Some(&[ROW_ID]), &TableLimits::default()).ok()?;
    match table.column(ROW_ID) {
        Some(Values::Text(ids)) => Some(ids.iter().flatten().map(|id| hash(id)).collect()),
        _ => None,
    }
}

fn hash(id: &str) -> u64 {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}
