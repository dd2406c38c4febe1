//! The native API, described for programs: an OpenAPI 3.1 document of what is served under `/api/v1`.
//!
//! One row of [`CALLS`] a method and path; a test holds the rows against the routes themselves. Requests are described as
//! far as a program must know to write one. Answers are the JSON of records and named by them; their fields are what
//! `-o json` of the commands prints.

use axum::Json;
use serde_json::{Map, Value, json};
use windlass_plan::access::Operation;

use super::Caller;
use crate::error::ApiError;

/// What a call takes beside its path.
enum Takes {
    /// Nothing.
    Nothing,
    /// Fields of the query: name, type, what for.
    Query(&'static [(&'static str, &'static str, &'static str)]),
    /// A JSON body of a schema in [`schemas`].
    Body(&'static str),
    /// Bytes, in one of some media types.
    Bytes(&'static [&'static str]),
}

/// One method of one path.
struct Call {
    method: &'static str,
    /// Below `/api/v1`.
    path: &'static str,
    summary: &'static str,
    takes: Takes,
}

const fn call(method: &'static str, path: &'static str, takes: Takes, summary: &'static str) -> Call {
    Call { method, path, summary, takes }
}

use Takes::{Body, Bytes, Nothing, Query};

const BLOB: Takes = Bytes(&["application/octet-stream"]);
const LABELS: Takes = Bytes(&["text/csv", "application/json", "application/x-ndjson"]);

const CALLS: &[Call] = &[
    call("get", "/openapi.json", Nothing, "This document"),
    call("get", "/status", Nothing, "Version, and whether everything is idle or what keeps it busy"),
    call("post", "/plan", Body("Apply"), "Say what applying manifests would change"),
    call("post", "/apply", Body("Apply"), "Apply manifests; refused as stale where a fingerprint does not fit"),
    call("get", "/objects", Query(&[("kind", "string", "One kind alone")]), "List the newest revision of each object"),
    call("get", "/objects/{kind}/{name}", Nothing, "Read the newest revision of an object"),
    call("delete", "/objects/{kind}/{name}", Nothing, "Delete an object"),
    call("get", "/objects/{kind}/{name}/history", Nothing, "List the revisions of an object"),
    call("get", "/datasets/{name}/versions", Nothing, "List the versions of a dataset"),
    call("post", "/pipelines/{name}/start", Body("Start"), "Start a run; the same identity again is the same run"),
    call("get", "/pipelines/{name}/triggers", Nothing, "List the triggers of a pipeline and what they wait for"),
    call("post", "/pipelines/{name}/triggers/{trigger}/reset", Nothing, "Close the breaker of a trigger"),
    call(
        "get",
        "/runs",
        Query(&[
            ("pipeline", "string", "Runs of one pipeline alone"),
            ("active", "boolean", "Runs that are not over alone"),
            ("limit", "integer", "At most so many, the newest"),
        ]),
        "List pipeline runs",
    ),
    call("get", "/runs/{run}", Nothing, "Read a pipeline run and its steps"),
    call("get", "/runs/{run}/attempts", Nothing, "List the attempts of a pipeline run"),
    call("post", "/runs/{run}/cancel", Nothing, "End a pipeline run"),
    call("post", "/runs/{run}/retry", Nothing, "Go on from the failed steps of a pipeline run"),
    call("get", "/runs/{run}/steps/{step}/why", Nothing, "Say why a step ran, came from the cache, or waits"),
    call(
        "get",
        "/runs/{run}/steps/{step}/log",
        Query(&[
            ("offset", "integer", "From this byte on"),
            ("attempt", "integer", "Of this attempt; else the newest"),
        ]),
        "Read the log of a step",
    ),
    call("get", "/endpoints", Nothing, "List endpoints and what they serve"),
    call("get", "/endpoints/{name}", Nothing, "Read an endpoint and its revisions"),
    call("get", "/endpoints/{name}/labels", Nothing, "Say what is known of the labels of an endpoint"),
    call("post", "/endpoints/{name}/labels", LABELS, "Send what became true of rows that were predicted"),
    call("get", "/models", Nothing, "List registered models"),
    call("get", "/models/{name}", Nothing, "Read a registered model and its versions"),
    call("get", "/models/{name}/versions/{version}/files", Nothing, "List the files of a model version"),
    call("get", "/models/{name}/versions/{version}/verdicts", Nothing, "List what gates said of a model version"),
    call("post", "/models/{name}/versions/{version}/gate", Body("Alias"), "Measure a version and judge it"),
    call(
        "post",
        "/models/{name}/versions/{version}/alias",
        Body("Alias"),
        "Point an alias at a version, if its gate lets it",
    ),
    call("get", "/models/{name}/story", Nothing, "Tell the history of a model"),
    call("get", "/monitors/{name}", Nothing, "Read a monitor and what it saw"),
    call("put", "/blobs/{digest}", BLOB, "Upload content, which must have that digest"),
    call("head", "/blobs/{digest}", Nothing, "Ask whether content is there, and how large it is"),
    call("get", "/blobs/{digest}", Nothing, "Download content"),
    call("post", "/import/known", Body("ImportKnown"), "Ask which runs and logged models an import brought"),
    call("get", "/import/known-versions/{model}", Nothing, "Ask which versions of a model an import brought"),
    call("post", "/import/experiment", Body("Import"), "Bring an experiment from another tracking server"),
    call("post", "/import/run", Body("Import"), "Bring a run"),
    call("post", "/import/logged-model", Body("Import"), "Bring a logged model"),
    call("post", "/import/model", Body("Import"), "Bring a registered model"),
    call("post", "/import/version", Body("Import"), "Bring a model version"),
    call("post", "/import/done", Body("Import"), "Say that an import came to its end"),
    call(
        "get",
        "/ledger",
        Query(&[
            ("subject", "string", "Entries about one subject alone"),
            ("after", "integer", "From behind this place on"),
            ("limit", "integer", "At most so many"),
        ]),
        "List entries of the ledger",
    ),
    call("get", "/export", Nothing, "The whole state, with ids mapped to names and times left out"),
    call("get", "/tokens", Nothing, "List tokens; their secrets are not kept"),
    call("post", "/tokens", Body("Token"), "Make a token; the answer alone shows its secret"),
    call("delete", "/tokens/{id}", Nothing, "Revoke a token"),
    call("post", "/gc", Body("Gc"), "Free for good what was deleted long enough ago and nothing needs"),
];

/// Serves the document.
pub(super) async fn show(caller: Caller) -> Result<Json<Value>, ApiError> {
    caller.may(Operation::ReadObjects)?;
    Ok(Json(document()))
}

/// Returns the document: OpenAPI 3.1, <https://spec.openapis.org/oas/v3.1.1.html>.
fn document() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for call in CALLS {
        let path = paths.entry(format!("/api/v1{}", call.path)).or_insert_with(|| json!({}));
        path[call.method] = operation(call);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Windlass",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "The native API. Tracking and the model registry are MLflow's REST API beside it.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "security": [{ "token": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
            "parameters": {
                "project": {
                    "name": windlass_api::PROJECT_HEADER,
                    "in": "header",
                    "description": "The project that the request is about, for tokens that are good for several",
                    "schema": { "type": "string", "maxLength": 63 },
                },
            },
            "responses": {
                "refused": {
                    "description": "Refused, and why",
                    "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Error" } } },
                },
            },
            "schemas": schemas(),
        },
    })
}

fn operation(call: &Call) -> Value {
    let mut parameters = vec![json!({ "$ref": "#/components/parameters/project" })];
    for name in call.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
        let schema = match name {
            "version" => json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX }),
            _ => json!({ "type": "string", "minLength": 1 }),
        };
        parameters.push(json!({ "name": name, "in": "path", "required": true, "schema": schema }));
    }
    let mut body = Value::Null;
    match &call.takes {
        Nothing => {}
        Query(fields) => parameters.extend(fields.iter().map(|(name, kind, what)| {
            json!({ "name": name, "in": "query", "description": what, "schema": { "type": kind } })
        })),
        Body(name) => {
            let schema = json!({ "$ref": format!("#/components/schemas/{name}") });
            body = json!({ "required": true, "content": { "application/json": { "schema": schema } } });
        }
        Bytes(types) => {
            let content: Map<String, Value> = types.iter().map(|kind| ((*kind).to_owned(), json!({}))).collect();
            body = json!({ "required": true, "content": content });
        }
    }
    let mut operation = json!({
        "summary": call.summary,
        "operationId": format!("{} {}", call.method, call.path),
        "parameters": parameters,
        "responses": {
            "2XX": { "description": "Done" },
            "4XX": { "$ref": "#/components/responses/refused" },
        },
    });
    if !body.is_null() {
        operation["requestBody"] = body;
    }
    operation
}

fn schemas() -> Value {
    let text = json!({ "type": "string" });
    json!({
        "Error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {
                "code": { "type": "string", "description": "A word for programs" },
                "message": text,
                "hint": { "type": ["string", "null"], "description": "What would be right" },
                "findings": { "type": "array", "items": { "type": "object" }, "description": "Mistakes in manifests, with their places" },
            },
        },
        "Apply": {
            "type": "object",
            "required": ["manifests"],
            "properties": {
                "manifests": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["manifest", "resolved"],
                        "properties": {
                            "manifest": { "type": "object", "description": "As the revision of an object shows it" },
                            "resolved": { "type": "object", "description": "What relative paths in it meant" },
                        },
                    },
                },
                "fingerprint": { "type": ["string", "null"], "description": "The state that was planned upon" },
            },
        },
        "Start": {
            "type": "object",
            "required": ["identity"],
            "properties": {
                "parameters": { "type": "object" },
                "identity": { "type": "string", "description": "The same again is the same run" },
            },
        },
        "Alias": { "type": "object", "required": ["alias"], "properties": { "alias": text } },
        "ImportKnown": {
            "type": "object",
            "properties": {
                "runs": { "type": "array", "items": text },
                "logged_models": { "type": "array", "items": text },
            },
        },
        "Import": { "type": "object", "description": "As `windlass import mlflow` writes it" },
        "Token": {
            "type": "object",
            "required": ["name", "role"],
            "properties": {
                "name": { "type": "string", "minLength": 1, "maxLength": 100 },
                "project": { "type": ["string", "null"] },
                "role": { "enum": ["viewer", "contributor", "maintainer", "admin"] },
                "user": { "type": ["string", "null"] },
                "seconds": { "type": ["integer", "null"], "minimum": 0, "description": "How long it is good" },
            },
        },
        "Gc": {
            "type": "object",
            "properties": {
                "dry_run": { "type": "boolean" },
                "older_than_seconds": { "type": ["integer", "null"], "minimum": 0 },
                "unreferenced_seconds": { "type": ["integer", "null"], "minimum": 0 },
            },
            "additionalProperties": false,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_refers_to_is_there() {
        let document = document();
        let text = document.to_string();
        for piece in text.split("\"$ref\":\"#").skip(1) {
            let pointer = piece.split('"').next().unwrap();
            assert!(document.pointer(pointer).is_some(), "{pointer}");
        }
    }
}
