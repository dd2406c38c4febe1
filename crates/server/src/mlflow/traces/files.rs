//! The data of a trace as one JSON file, as MLflow's page fetches it.

use axum::{
    http::header,
    response::{IntoResponse, Response},
};
use windlass_kinds::TraceId;
use windlass_plan::access::Operation;

use super::{labels, show};
use crate::mlflow::{
    artifacts,
    door::Door,
    error::{Error, Result},
    wire::Query,
};

/// The file with the spans of a trace, where its client keeps them among the trace's files.
const DATA: &str = "traces.json";

pub(in super::super) async fn download(door: Door, query: Query) -> Result<Response> {
    door.may(Operation::ReadTracking)?;
    let bad = || {
        let message = "Request must include the \"request_id\" query parameter.";
        Error::new(axum::http::StatusCode::BAD_REQUEST, "BAD_REQUEST", message)
    };
    let id = query.get("request_id").filter(|id| !id.is_empty()).ok_or_else(bad)?.to_owned();
    let attachment = query.get("path").filter(|path| !path.is_empty());
    let (trace, spans) = door
        .read((door.project().clone(), TraceId::new(&id)), |tx, a| {
            Box::pin(async move { Ok((tx.trace_get(&a.0, &a.1).await?, tx.trace_spans(&a.0, &a.1).await?)) })
        })
        .await?;
    let trace = trace.ok_or_else(|| Error::not_found(format!("Trace with ID {id} is not found.")))?;
    let root = show::root(&trace.experiment, &trace.id);
    if let Some(path) = attachment {
        return artifacts::of_trace(&door, &format!("{root}/attachments/{path}")).await;
    }
    if !trace.tags.iter().any(|(key, value)| key == labels::SPANS && value == labels::SPANS_HERE) {
        return artifacts::of_trace(&door, &format!("{root}/{DATA}")).await;
    }
    let mut body = "{\"spans\": [".to_owned();
    for (place, span) in spans.iter().enumerate() {
        body.push_str(if place == 0 { "" } else { ", " });
        body.push_str(&span.content);
    }
    body.push_str("]}");
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename={DATA}")),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    Ok((headers, body).into_response())
}
