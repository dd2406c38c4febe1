//! Measures one version: its rows, its measures, how it compares, whether a model server can serve it.
//!
//! Whatever is wrong with the version or its rows becomes a line of [`Evidence::problems`]; only our own trouble (the
//! store, the disk, the place that serves) is an error, and is tried again.

use std::collections::BTreeMap;

use windlass_data::{
    compare::{self, Paired},
    measure,
    table::{Table, TableLimits, read_table, row_ids},
};
use windlass_kinds::{
    Digest, Measure,
    manifest::{DataFormat, EvaluationSpec, ModelSpec, Rule},
    record::{
        Artifact, Comparison, DatasetEvidence, DatasetVersionState, Evidence, ModelVersion, PipelineRun, RowsEvidence,
        Servability,
    },
};

use crate::{Control, ControlError, ProbeFailure, ProbeRequest, watch::blocking};

/// What is measured of any version that predicts numbers, whether a rule asks or not: monitors compare with it.
const ALWAYS: [Measure; 3] = [Measure::Mae, Measure::Rmse, Measure::Bias];

/// What versions answered, by version and rows; or why they did not.
pub(super) type Probed = BTreeMap<(u32, Digest), Result<Vec<f64>, String>>;

/// A version to measure.
pub(super) struct Subject<'a> {
    /// What the model's manifest says.
    pub(super) spec: &'a ModelSpec,
    /// The version.
    pub(super) version: &'a ModelVersion,
    /// The pipeline run that registered it, where one did.
    pub(super) run: Option<&'a PipelineRun>,
}

/// The evaluation rows of a version, as columns of numbers.
struct Rows {
    digest: Digest,
    labels: Vec<f64>,
    predictions: Vec<f64>,
    ids: Vec<String>,
    clusters: Vec<String>,
    /// Which rows of the file these are: those with a label and a prediction.
    places: Vec<usize>,
    total: usize,
}

impl Control {
    /// Measures a version for every gate of its model.
    pub(super) async fn measure(&self, subject: &Subject<'_>, probed: &mut Probed) -> Result<Evidence, ControlError> {
        let Subject { spec, version, run } = subject;
        let mut evidence = Evidence {
            model: version.model.clone(),
            version: version.version,
            champion: None,
            aliases: BTreeMap::new(),
            rows: None,
            measures: BTreeMap::new(),
            champion_measures: BTreeMap::new(),
            comparisons: Vec::new(),
            servable: None,
            datasets: self.datasets_of(*run).await?,
            problems: Vec::new(),
        };
        let aliases = self.aliases_of(version).await?;
        evidence.aliases = aliases.clone();
        evidence.champion = spec.gates.first().and_then(|gate| aliases.get(&gate.alias).copied());
        let rules: Vec<&Rule> = spec.gates.iter().flat_map(|gate| &gate.rules).map(|rule| &rule.rule).collect();
        let Some(evaluation) = &spec.evaluation else { return Ok(evidence) };
        if rules.iter().all(|rule| !rule.needs_evaluation()) {
            return Ok(evidence);
        }
        let artifact = match self.evaluation_rows(version, &evaluation.artifact).await? {
            Ok(artifact) => artifact,
            Err(reason) => {
                evidence.problems.push(reason);
                return Ok(evidence);
            }
        };
        let rows = match self.read_rows(&artifact, evaluation).await? {
            Ok(rows) => rows,
            Err(reason) => {
                evidence.problems.push(format!("{}: {reason}", evaluation.artifact));
                return Ok(evidence);
            }
        };
        let clusters: std::collections::BTreeSet<&String> = rows.clusters.iter().collect();
        evidence.rows = Some(RowsEvidence {
            digest: rows.digest.clone(),
            rows: u64::try_from(rows.labels.len()).unwrap_or(u64::MAX),
            clusters: u64::try_from(clusters.len()).unwrap_or(u64::MAX),
        });
        let measures = wanted(&rules);
        for (name, value) in measured(&measures, &rows.labels, &rows.predictions, &mut evidence.problems) {
            evidence.measures.insert(name, value);
        }
        if rules.iter().any(|rule| matches!(rule, Rule::Servable { .. })) {
            let answers = self.probe(version, &rows, probed).await?;
            evidence.servable = Some(match answers {
                Ok(answers) => served(&rows, &answers),
                Err(reason) => Servability::Not { reason },
            });
        }
        for rule in rules {
            let Rule::Better { measure, than, confidence, by: _, resamples } = rule else { continue };
            let Some(&other) = aliases.get(than) else { continue };
            let known = evidence.comparisons.iter().any(|known| {
                known.measure == *measure
                    && known.than == *than
                    && known.confidence == *confidence
                    && known.resamples == *resamples
            });
            if known {
                continue;
            }
            let against = if other == version.version {
                Ok(rows.predictions.clone())
            } else {
                self.answers_of(version, other, &rows, probed).await?
            };
            let against = match against {
                Ok(answers) => answers,
                Err(reason) => {
                    evidence.problems.push(format!("{}@{other} cannot answer these rows: {reason}", version.model));
                    continue;
                }
            };
            if Some(other) == evidence.champion {
                for (name, value) in measured(&measures, &rows.labels, &against, &mut evidence.problems) {
                    evidence.champion_measures.insert(name, value);
                }
            }
            match compared(*measure, *confidence, *resamples, &rows, &against) {
                Ok(compared) => evidence.comparisons.push(Comparison {
                    measure: *measure,
                    than: than.clone(),
                    than_version: Some(other),
                    confidence: *confidence,
                    resamples: *resamples,
                    seed: compared.seed,
                    difference: compared.difference,
                    low: compared.low,
                    high: compared.high,
                }),
                Err(reason) => evidence.problems.push(format!("not compared with {than}: {reason}")),
            }
        }
        Ok(evidence)
    }

    async fn aliases_of(&self, version: &ModelVersion) -> Result<BTreeMap<String, u32>, ControlError> {
        let (project, name) = (version.project.clone(), version.model.clone());
        let model = self
            .inner
            .store
            .read(move |tx| {
                let (project, name) = (project.clone(), name.clone());
                Box::pin(async move { tx.registered_model_get(&project, &name).await })
            })
            .await?;
        Ok(model.map(|model| model.aliases).unwrap_or_default())
    }

    async fn datasets_of(&self, run: Option<&PipelineRun>) -> Result<Vec<DatasetEvidence>, ControlError> {
        let Some(run) = run else { return Ok(Vec::new()) };
        let (project, frozen) = (run.project.clone(), run.datasets.clone());
        Ok(self
            .inner
            .store
            .read(move |tx| {
                let (project, frozen) = (project.clone(), frozen.clone());
                Box::pin(async move {
                    let mut found = Vec::new();
                    for (name, frozen) in frozen {
                        let version = tx.dataset_version_get(&project, &name, frozen.version).await?;
                        let accepted = version.is_some_and(|version| version.state == DatasetVersionState::Accepted);
                        found.push(DatasetEvidence { name, version: frozen.version, accepted });
                    }
                    Ok(found)
                })
            })
            .await?)
    }

    /// Returns the pipeline run that registered a version, where one did.
    pub(super) async fn run_behind(&self, version: &ModelVersion) -> Result<Option<PipelineRun>, ControlError> {
        let version = version.clone();
        Ok(self
            .inner
            .store
            .read(move |tx| {
                let version = version.clone();
                Box::pin(async move { tx.pipeline_run_behind(&version).await })
            })
            .await?)
    }

    async fn read_rows(
        &self,
        artifact: &Artifact,
        evaluation: &EvaluationSpec,
    ) -> Result<Result<Rows, String>, ControlError> {
        let Some(path) = self.inner.blobs.local_path(&artifact.digest) else {
            return Ok(Err("its content is not on this machine".to_owned()));
        };
        let (digest, evaluation) = (artifact.digest.clone(), evaluation.clone());
        Ok(blocking(move || {
            let EvaluationSpec { label, prediction, key, cluster, artifact, training: _ } = &evaluation;
            let mut columns: Vec<&str> = vec![label, prediction];
            columns.extend(key.iter().map(String::as_str));
            columns.extend(cluster.as_deref());
            columns.sort_unstable();
            columns.dedup();
            let format = format_of(artifact);
            let table = read_table(&path, Some(format), Some(&columns), &TableLimits::default())
                .map_err(|error| crate::chain(&error))?;
            rows(digest, &table, &evaluation)
        })
        .await)
    }

    /// Has another version of the same model answer these rows.
    async fn answers_of(
        &self,
        version: &ModelVersion,
        other: u32,
        rows: &Rows,
        probed: &mut Probed,
    ) -> Result<Result<Vec<f64>, String>, ControlError> {
        let (project, name) = (version.project.clone(), version.model.clone());
        let found = self
            .inner
            .store
            .read(move |tx| {
                let (project, name) = (project.clone(), name.clone());
                Box::pin(async move { tx.model_version_get(&project, &name, other).await })
            })
            .await?;
        match found {
            Some(found) => self.probe(&found, rows, probed).await,
            None => Ok(Err("it is gone".to_owned())),
        }
    }

    /// Returns what a model server answers to the rows that count, or why it does not.
    async fn probe(
        &self,
        version: &ModelVersion,
        rows: &Rows,
        probed: &mut Probed,
    ) -> Result<Result<Vec<f64>, String>, ControlError> {
        let key = (version.version, rows.digest.clone());
        if let Some(known) = probed.get(&key) {
            return Ok(known.clone());
        }
        let answers = match &version.manifest {
            None => Err("it has no content here".to_owned()),
            Some(manifest) => {
                let request = ProbeRequest {
                    project: version.project.clone(),
                    model: version.model.clone(),
                    version: version.version,
                    manifest: manifest.clone(),
                    rows: rows.digest.clone(),
                };
                match self.deployer().probe(request).await {
                    Ok(answer) if answer.predictions.len() == rows.total => {
                        Ok(rows.places.iter().map(|place| answer.predictions[*place]).collect())
                    }
                    Ok(answer) => Err(format!("it answered {} of {} rows", answer.predictions.len(), rows.total)),
                    Err(ProbeFailure::NotServable(reason)) => Err(reason),
                    Err(ProbeFailure::Unavailable(reason)) => return Err(ControlError::Unavailable(reason)),
                }
            }
        };
        probed.insert(key, answers.clone());
        Ok(answers)
    }
}

/// Returns the measures that rules ask for, and those that are always taken.
fn wanted(rules: &[&Rule]) -> Vec<Measure> {
    let mut measures = ALWAYS.to_vec();
    for rule in rules {
        if let Rule::Floor { measure, .. } | Rule::Better { measure, .. } = rule
            && !measures.contains(measure)
        {
            measures.push(*measure);
        }
    }
    measures
}

/// Returns the measures that are defined; the others go to `problems`.
fn measured(
    measures: &[Measure],
    labels: &[f64],
    predictions: &[f64],
    problems: &mut Vec<String>,
) -> Vec<(String, f64)> {
    let mut found = Vec::new();
    for measure in measures {
        match measure::measure(*measure, labels, predictions) {
            Ok(value) => found.push((measure.to_string(), value)),
            Err(error) => problems.push(format!("{measure} is not defined: {error}")),
        }
    }
    found
}

/// Compares served answers with the framework's own, over 1 plus their size.
fn served(rows: &Rows, answers: &[f64]) -> Servability {
    let mut worst: f64 = 0.0;
    for (own, answer) in rows.predictions.iter().zip(answers) {
        let difference = (own - answer).abs() / (1.0 + own.abs());
        if !difference.is_finite() {
            return Servability::Not { reason: "a model server answers some rows with no number".to_owned() };
        }
        worst = worst.max(difference);
    }
    Servability::Served { max_difference: worst, rows: u64::try_from(answers.len()).unwrap_or(u64::MAX) }
}

/// Draws clusters anew and returns the interval of the other's loss minus this version's.
fn compared(
    measure: Measure,
    confidence: f64,
    resamples: u32,
    rows: &Rows,
    against: &[f64],
) -> Result<compare::Compared, String> {
    let paired = Paired {
        keys: &rows.ids,
        clusters: Some(&rows.clusters),
        label: &rows.labels,
        candidate: &rows.predictions,
        champion: against,
    };
    compare::compare(measure, &paired, confidence, resamples).map_err(|error| error.to_string())
}

/// Returns how a file is read, by its ending; Parquet unless that says otherwise.
fn format_of(path: &str) -> DataFormat {
    match path.rsplit_once('.') {
        Some((_, "csv")) => DataFormat::Csv,
        Some((_, "jsonl")) => DataFormat::Jsonl,
        _ => DataFormat::Parquet,
    }
}

/// Takes the rows that count out of a table: those with a label. A label without a prediction is a mistake.
fn rows(digest: Digest, table: &Table, evaluation: &EvaluationSpec) -> Result<Rows, String> {
    let numbers = |name: &str| {
        let column = table.column(name).ok_or_else(|| format!("has no column `{name}`"))?;
        column.numbers().ok_or_else(|| format!("column `{name}` is {}, not a number", column.word()))
    };
    let (labels, predictions) = (numbers(&evaluation.label)?, numbers(&evaluation.prediction)?);
    let ids = row_ids(table, &evaluation.key).map_err(|error| error.to_string())?;
    let clusters = match &evaluation.cluster {
        Some(column) => row_ids(table, std::slice::from_ref(column)).map_err(|error| error.to_string())?,
        None => ids.clone(),
    };
    let places: Vec<usize> = (0..table.rows()).filter(|place| !labels[*place].is_nan()).collect();
    if places.is_empty() {
        return Err("has no row with a label".to_owned());
    }
    if let Some(place) = places.iter().find(|place| !predictions[**place].is_finite()) {
        return Err(format!("row {} has a label and no prediction", place + 1));
    }
    let mut seen = std::collections::HashSet::new();
    if let Some(twice) = places.iter().map(|place| &ids[*place]).find(|id| !seen.insert(id.as_str())) {
        return Err(format!("two rows have the key {twice}"));
    }
    Ok(Rows {
        digest,
        labels: places.iter().map(|place| labels[*place]).collect(),
        predictions: places.iter().map(|place| predictions[*place]).collect(),
        ids: places.iter().map(|place| ids[*place].clone()).collect(),
        clusters: places.iter().map(|place| clusters[*place].clone()).collect(),
        total: table.rows(),
        places,
    })
}
