//! Endpoint: what is served, what is kept of its answers, and the bounds of a request.

use super::{
    super::{
        EndpointLimits, EndpointSpec, LabelsSpec, ModelAt, ModelRef, PredictionLogSpec,
        fields::{At, Fields, name, some_span, whole, word},
        report::Report,
    },
    closing::{column, columns, model_ref, size},
    placeholder,
    simple::description,
};

/// Fields of later releases.
const LATER: [&str; 6] = ["traffic", "shadow", "canary", "autoscaling", "adapters", "slo"];

pub(super) fn endpoint(at: &At<'_>, report: &mut Report) -> Option<EndpointSpec> {
    let mut fields = Fields::open(at, report)?;
    let description = description(&mut fields, report);
    let model = fields.require("model", "name what is served: MODEL@ALIAS, such as flights@champion", report);
    let model = model.and_then(|at| model_ref(&at, report)).unwrap_or_else(stand_in);
    let row_id_at = fields.get("rowId");
    let row_id = row_id_at.as_ref().map(|at| columns(at, report)).unwrap_or_default();
    let labels = fields.get("labels").and_then(|at| Some((labels(&at, report)?, at)));
    if let Some((_, at)) = labels.as_ref().filter(|_| row_id_at.is_none()) {
        let hint = "name under `rowId` the columns that name a row, in requests and in the dataset";
        at.error(report, "labels cannot find their rows without a `rowId`", hint.to_owned());
    }
    let log = fields.get("log").and_then(|at| log(&at, &row_id, report)).unwrap_or_default();
    let limits = fields.get("limits").and_then(|at| limits(&at, report)).unwrap_or_default();
    for key in LATER {
        if let Some(at) = fields.later(key) {
            let hint = "leave it out: this release serves one version at a time".to_owned();
            at.error(report, format!("`{key}` comes with a later release"), hint);
        }
    }
    fields.finish(report);
    Some(EndpointSpec { description, model, row_id, labels: labels.map(|(labels, _)| labels), log, limits })
}

/// Returns what stands in for a model that could not be read.
fn stand_in() -> ModelRef {
    ModelRef { model: String::new(), at: ModelAt::Version(1) }
}

fn labels(at: &At<'_>, report: &mut Report) -> Option<LabelsSpec> {
    let mut fields = Fields::open(at, report)?;
    if let Some(source) = fields.get("source") {
        for key in ["dataset", "value"] {
            if let Some(at) = fields.get(key) {
                let hint = "write `source: api`, or `dataset` and `value`".to_owned();
                at.error(report, "labels come from one place", hint);
            }
        }
        fields.finish(report);
        word(&source, &[("api", ())], report)?;
        return Some(LabelsSpec::Api);
    }
    let hint = "name the Dataset whose rows hold the truth, or write `source: api` where it is sent to the server";
    let dataset = fields.require("dataset", hint, report);
    let dataset = dataset.and_then(|at| name(&at, report));
    let value = fields.require("value", "name the column with the truth", report);
    let value = value.and_then(|at| column(&at, report));
    fields.finish(report);
    let dataset = dataset.unwrap_or_else(|| placeholder("unnamed"));
    Some(LabelsSpec::Dataset { dataset, value: value.unwrap_or_default() })
}

fn log(at: &At<'_>, row_id: &[String], report: &mut Report) -> Option<PredictionLogSpec> {
    let mut fields = Fields::open(at, report)?;
    let retention = fields.get("retention").and_then(|at| some_span(&at, report));
    let max_size = fields.get("maxSize").and_then(|at| size(&at, report));
    let redact_at = fields.get("redact");
    let redact = redact_at.as_ref().map(|at| columns(at, report)).unwrap_or_default();
    fields.finish(report);
    // The name of a row is made of the values of those columns, and is kept.
    if let Some(at) = redact_at
        && let Some(column) = redact.iter().find(|column| row_id.contains(column))
    {
        let hint = "take it out of one of them: what names a row is kept with its prediction".to_owned();
        at.error(report, format!("`{column}` is in `rowId` too"), hint);
    }
    Some(PredictionLogSpec { retention, max_size, redact })
}

fn limits(at: &At<'_>, report: &mut Report) -> Option<EndpointLimits> {
    let usual = EndpointLimits::default();
    let mut fields = Fields::open(at, report)?;
    let timeout = fields.get("timeout").and_then(|at| some_span(&at, report)).unwrap_or(usual.timeout);
    let max_body = fields.get("maxBody").and_then(|at| size(&at, report)).unwrap_or(usual.max_body);
    let concurrency = fields.get("concurrency").and_then(|at| whole(&at, 1, report)).unwrap_or(usual.concurrency);
    let max_rows = fields.get("maxRows").and_then(|at| whole(&at, 1, report)).unwrap_or(usual.max_rows);
    fields.finish(report);
    Some(EndpointLimits { timeout, max_body, concurrency, max_rows })
}
