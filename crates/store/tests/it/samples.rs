//! Records to store, all valid and small.

use std::collections::BTreeMap;

use windlass_kinds::{
    AttemptId, Digest, EventId, Kind, Micros, Name, PipelineRunId, StepRunId,
    manifest::{Manifest, ModelSpec, Resolved, Spec},
    record::{
        Actor, Attempt, AttemptState, Cause, DatasetVersion, DatasetVersionState, FileEntry, FileStamp, ObservedFile,
        Output, PipelineRun, PipelineRunState, Revision, StepRun, StepState,
    },
};

pub(crate) const NOW: Micros = Micros(1_700_000_000_000_000);

pub(crate) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

pub(crate) fn revision(project: &str, model: &str, number: u32) -> Revision {
    let manifest = Manifest {
        name: name(model),
        project: name(project),
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        spec: Spec::Model(ModelSpec { description: format!("text {number}") }),
    };
    let resolved = Resolved { base: "/work".to_owned(), code: None, requirements: BTreeMap::new() };
    Revision {
        project: name(project),
        kind: Kind::Model,
        name: name(model),
        number,
        digest: Revision::content_digest(&manifest, &resolved),
        manifest,
        resolved,
        deleted: false,
        actor: Actor::token("local"),
        created_at: NOW,
    }
}

pub(crate) fn dataset_version(dataset: &str, number: u32, state: DatasetVersionState) -> DatasetVersion {
    let file = FileEntry {
        path: format!("{number}.parquet"),
        digest: Digest::sha256(number.to_string()),
        size: number.into(),
    };
    DatasetVersion {
        project: name("default"),
        dataset: name(dataset),
        number,
        state,
        digest: Digest::sha256([1]),
        files: vec![file],
        rows: Some(3),
        added: vec![format!("{number}.parquet")],
        changed: Vec::new(),
        removed: Vec::new(),
        omitted: Vec::new(),
        failures: Vec::new(),
        created_at: NOW,
    }
}

pub(crate) fn observed(path: &str, size: u64) -> ObservedFile {
    ObservedFile {
        path: path.to_owned(),
        stamp: FileStamp { size, modified_ns: 7, inode: 9 },
        digest: Digest::sha256(path),
        rows: None,
        failures: Vec::new(),
        rejected_in: None,
    }
}

pub(crate) fn run(pipeline: &str, number: u32, state: PipelineRunState) -> PipelineRun {
    PipelineRun {
        id: PipelineRunId::derived(&[pipeline, &number.to_string()]),
        project: name("default"),
        pipeline: name(pipeline),
        number,
        revision: 1,
        cause: Cause { trigger: None, event: EventId::new("e"), text: "by hand".to_owned() },
        // A number whose text is easily read back as its neighbour.
        parameters: BTreeMap::from([("alpha".to_owned(), serde_json::json!(0.1 + 0.2))]),
        datasets: BTreeMap::new(),
        state,
        reason: String::new(),
        created_at: NOW,
        started_at: None,
        ended_at: None,
        cancelled_by: None,
    }
}

pub(crate) fn step(run: &PipelineRun, text: &str, state: StepState) -> StepRun {
    let output = Output { tree: Digest::sha256(text), size: 1, files: 1, single_file: true };
    StepRun {
        id: StepRun::derive_id(&run.id, &name(text), None),
        run: run.id.clone(),
        step: name(text),
        item: None,
        state,
        reason: String::new(),
        environment: None,
        key: None,
        cached_from: None,
        outputs: BTreeMap::from([(name("model"), output)]),
        preparations: 0,
        attempts: 0,
        failures: 0,
        attempt: None,
        not_before: None,
        started_at: None,
        ended_at: None,
    }
}

pub(crate) fn attempt(step_run: &StepRunId, run: &PipelineRunId, number: u32, state: AttemptState) -> Attempt {
    let id = Attempt::derive_id(step_run, number);
    Attempt {
        tracking_run: Attempt::derive_tracking_run(&id),
        id: AttemptId::new(id.as_str()),
        step_run: step_run.clone(),
        run: run.clone(),
        project: name("default"),
        number,
        state,
        reason: String::new(),
        usage: None,
        started_at: Micros(NOW.0 + i64::from(number)),
        ended_at: None,
    }
}
