//! What each route needs: the table that the door looks into before any handler runs.
//!
//! A route that is not here is refused, whoever asks. The table says what an operation is; `windlass_plan::access` says
//! which role may do it, and handlers look closer still (projects, the code of a step). A new route gets a line here,
//! and a line in the snapshot of `tests/it/access.rs`.

use std::{collections::HashMap, sync::LazyLock};

use axum::http::Method;
use windlass_plan::access::Operation;

/// What a route asks of its callers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Nothing.
    Open,
    /// A token, of whatever role: it answers nothing that is anybody's.
    Known,
    /// A role that may do this.
    Needs(Operation),
}

use Operation::{
    ApplyObjects, CancelRun, DeleteModel, DeleteObjects, DeleteTracking, Erase, ManageTokens, MoveAlias, ReadContent,
    ReadLedger, ReadObjects, ReadRuns, ReadTracking, RegisterModel, ResetTrigger, RetryRun, StartRun, WriteContent,
    WriteTracking,
};
use Rule::{Known, Needs, Open};

/// Method (`*` for any), path, rule. MLflow's paths stand here once, without the prefix of its own page (`/ajax-api`).
#[rustfmt::skip]
const RULES: &[(&str, &str, Rule)] = &[
    ("GET", "/health", Open),
    ("GET", "/version", Open),
    ("GET", "/sign-in", Open),
    ("GET", "/assets/{name}", Open),

    ("GET", "/", Needs(ReadObjects)),
    ("GET", "/changes", Needs(ReadObjects)),
    ("GET", "/tracking/{run}", Needs(ReadTracking)),
    ("GET", "/tracking/{run}/file", Needs(ReadContent)),
    ("POST", "/sign-out", Known),
    ("POST", "/api/v1/sign-in", Needs(ReadObjects)),
    ("GET", "/metrics", Needs(ReadRuns)),

    ("GET", "/api/v1/status", Needs(ReadObjects)),
    ("POST", "/api/v1/plan", Needs(ReadObjects)),
    ("POST", "/api/v1/apply", Needs(ApplyObjects)),
    ("GET", "/api/v1/objects", Needs(ReadObjects)),
    ("GET", "/api/v1/objects/{kind}/{name}", Needs(ReadObjects)),
    ("DELETE", "/api/v1/objects/{kind}/{name}", Needs(DeleteObjects)),
    ("GET", "/api/v1/objects/{kind}/{name}/history", Needs(ReadObjects)),
    ("GET", "/api/v1/datasets/{name}/versions", Needs(ReadObjects)),
    ("POST", "/api/v1/pipelines/{name}/start", Needs(StartRun)),
    ("GET", "/api/v1/pipelines/{name}/triggers", Needs(ReadRuns)),
    ("POST", "/api/v1/pipelines/{name}/triggers/{trigger}/reset", Needs(ResetTrigger)),
    ("GET", "/api/v1/runs", Needs(ReadRuns)),
    ("GET", "/api/v1/runs/{run}", Needs(ReadRuns)),
    ("GET", "/api/v1/runs/{run}/attempts", Needs(ReadRuns)),
    ("POST", "/api/v1/runs/{run}/cancel", Needs(CancelRun)),
    ("POST", "/api/v1/runs/{run}/retry", Needs(RetryRun)),
    ("GET", "/api/v1/runs/{run}/steps/{step}/why", Needs(ReadRuns)),
    ("GET", "/api/v1/runs/{run}/steps/{step}/log", Needs(ReadRuns)),
    ("GET", "/api/v1/endpoints", Needs(ReadObjects)),
    ("GET", "/api/v1/endpoints/{name}", Needs(ReadObjects)),
    ("GET", "/api/v1/endpoints/{name}/labels", Needs(ReadObjects)),
    ("POST", "/api/v1/endpoints/{name}/labels", Needs(WriteContent)),
    ("GET", "/api/v1/models", Needs(ReadContent)),
    ("GET", "/api/v1/models/{name}", Needs(ReadContent)),
    ("GET", "/api/v1/models/{name}/versions/{version}/files", Needs(ReadContent)),
    ("GET", "/api/v1/models/{name}/versions/{version}/verdicts", Needs(ReadContent)),
    ("POST", "/api/v1/models/{name}/versions/{version}/gate", Needs(RegisterModel)),
    ("POST", "/api/v1/models/{name}/versions/{version}/alias", Needs(MoveAlias)),
    ("GET", "/api/v1/models/{name}/story", Needs(ReadRuns)),
    ("GET", "/api/v1/monitors/{name}", Needs(ReadRuns)),
    ("PUT", "/api/v1/blobs/{digest}", Needs(WriteContent)),
    ("GET", "/api/v1/blobs/{digest}", Needs(ReadContent)),
    ("POST", "/api/v1/import/known", Needs(MoveAlias)),
    ("GET", "/api/v1/import/known-versions/{model}", Needs(MoveAlias)),
    ("POST", "/api/v1/import/experiment", Needs(MoveAlias)),
    ("POST", "/api/v1/import/run", Needs(MoveAlias)),
    ("POST", "/api/v1/import/logged-model", Needs(MoveAlias)),
    ("POST", "/api/v1/import/model", Needs(MoveAlias)),
    ("POST", "/api/v1/import/version", Needs(MoveAlias)),
    ("POST", "/api/v1/import/done", Needs(MoveAlias)),
    ("POST", "/api/v1/gc", Needs(Erase)),
    ("GET", "/api/v1/openapi.json", Needs(ReadObjects)),
    ("GET", "/api/v1/ledger", Needs(ReadLedger)),
    ("GET", "/api/v1/export", Needs(ReadLedger)),
    ("GET", "/api/v1/tokens", Needs(ManageTokens)),
    ("POST", "/api/v1/tokens", Needs(ManageTokens)),
    ("DELETE", "/api/v1/tokens/{id}", Needs(ManageTokens)),
    ("*", "/api/v1/{*rest}", Known),

    ("GET", "/get-artifact", Needs(ReadContent)),
    ("GET", "/model-versions/get-artifact", Needs(ReadContent)),
    ("*", "/graphql", Known),
    ("POST", "/v1/traces", Needs(WriteTracking)),
    ("GET", "/api/3.0/mlflow/server-info", Known),
    ("*", "/api/{*rest}", Known),

    ("POST", "/api/2.0/mlflow/experiments/create", Needs(WriteTracking)),
    ("GET", "/api/2.0/mlflow/experiments/get", Needs(ReadTracking)),
    ("GET", "/api/2.0/mlflow/experiments/get-by-name", Needs(ReadTracking)),
    ("GET", "/api/2.0/mlflow/experiments/search", Needs(ReadTracking)),
    ("POST", "/api/2.0/mlflow/experiments/search", Needs(ReadTracking)),
    ("POST", "/api/2.0/mlflow/experiments/update", Needs(WriteTracking)),
    ("POST", "/api/2.0/mlflow/experiments/delete", Needs(DeleteTracking)),
    ("POST", "/api/2.0/mlflow/experiments/restore", Needs(DeleteTracking)),
    ("POST", "/api/2.0/mlflow/experiments/set-experiment-tag", Needs(WriteTracking)),
    ("POST", "/api/2.0/mlflow/experiments/delete-experiment-tag", Needs(WriteTracking)),
    ("POST", "/api/2.0/mlflow/runs/create", Needs(WriteTracking)),
    ("GET", "/api/2.0/mlflow/runs/get", Needs(ReadTracking)),
    ("POST", "/api/2.0/mlflow/runs/update", Needs(WriteTracking)),
    ("POST", "/api/2.0/mlflow/runs/search", Needs(ReadTracking)),
    ("POST", "/api/2.0/mlflow/runs/delete", Needs(DeleteTracking)),
    ("POST", "/api/2.0/mlflow/runs/restore", Needs(DeleteTracking)),
    ("POST", "/api/2.0/mlflow/runs/log-metric", Needs(WriteTracking)),
    ("POST", "/api/2.0/mlflow/runs/log-parameter", Needs(WriteTracking)),
    ("POST", "/api/2.0/mlflow/runs/log-batch", Needs(WriteTracking)),
    ("POST", "/api/2.0/mlflow/runs/set-tag", Needs(WriteTracking)),
    ("POST", "/api/2.0/mlflow/runs/delete-tag", Needs(WriteTracking)),
    ("POST", "/api/2.0/mlflow/runs/log-inputs", Needs(WriteTracking)),
    ("POST", "/api/2.0/mlflow/runs/outputs", Needs(WriteTracking)),
    ("POST", "/api/2.0/mlflow/runs/log-model", Needs(WriteTracking)),
    ("GET", "/api/2.0/mlflow/metrics/get-history", Needs(ReadTracking)),
    ("GET", "/api/2.0/mlflow/metrics/get-history-bulk-interval", Needs(ReadTracking)),
    ("GET", "/api/2.0/mlflow/artifacts/list", Needs(ReadContent)),
    ("POST", "/api/2.0/mlflow/artifacts/presigned-upload-url", Needs(WriteContent)),
    ("POST", "/api/2.0/mlflow/artifacts/presigned-download-url", Needs(ReadContent)),
    ("POST", "/api/2.0/mlflow/logged-models", Needs(WriteTracking)),
    ("POST", "/api/2.0/mlflow/logged-models/search", Needs(ReadTracking)),
    ("GET", "/api/2.0/mlflow/logged-models/{model}", Needs(ReadTracking)),
    ("PATCH", "/api/2.0/mlflow/logged-models/{model}", Needs(WriteTracking)),
    ("DELETE", "/api/2.0/mlflow/logged-models/{model}", Needs(DeleteTracking)),
    ("POST", "/api/2.0/mlflow/logged-models/{model}/params", Needs(WriteTracking)),
    ("PATCH", "/api/2.0/mlflow/logged-models/{model}/tags", Needs(WriteTracking)),
    ("DELETE", "/api/2.0/mlflow/logged-models/{model}/tags/{key}", Needs(WriteTracking)),
    ("GET", "/api/2.0/mlflow/logged-models/{model}/artifacts/directories", Needs(ReadContent)),
    ("POST", "/api/2.0/mlflow/registered-models/create", Needs(RegisterModel)),
    ("GET", "/api/2.0/mlflow/registered-models/get", Needs(ReadContent)),
    ("GET", "/api/2.0/mlflow/registered-models/search", Needs(ReadContent)),
    ("PATCH", "/api/2.0/mlflow/registered-models/update", Needs(RegisterModel)),
    ("POST", "/api/2.0/mlflow/registered-models/rename", Needs(MoveAlias)),
    ("DELETE", "/api/2.0/mlflow/registered-models/delete", Needs(DeleteModel)),
    ("POST", "/api/2.0/mlflow/registered-models/set-tag", Needs(RegisterModel)),
    ("DELETE", "/api/2.0/mlflow/registered-models/delete-tag", Needs(RegisterModel)),
    ("GET", "/api/2.0/mlflow/registered-models/alias", Needs(ReadContent)),
    ("POST", "/api/2.0/mlflow/registered-models/alias", Needs(MoveAlias)),
    ("DELETE", "/api/2.0/mlflow/registered-models/alias", Needs(MoveAlias)),
    ("GET", "/api/2.0/mlflow/registered-models/get-latest-versions", Needs(ReadContent)),
    ("POST", "/api/2.0/mlflow/registered-models/get-latest-versions", Needs(ReadContent)),
    ("POST", "/api/2.0/mlflow/model-versions/create", Needs(RegisterModel)),
    ("GET", "/api/2.0/mlflow/model-versions/get", Needs(ReadContent)),
    ("GET", "/api/2.0/mlflow/model-versions/search", Needs(ReadContent)),
    ("PATCH", "/api/2.0/mlflow/model-versions/update", Needs(RegisterModel)),
    ("DELETE", "/api/2.0/mlflow/model-versions/delete", Needs(DeleteModel)),
    ("GET", "/api/2.0/mlflow/model-versions/get-download-uri", Needs(ReadContent)),
    ("POST", "/api/2.0/mlflow/model-versions/transition-stage", Needs(MoveAlias)),
    ("POST", "/api/2.0/mlflow/model-versions/set-tag", Needs(RegisterModel)),
    ("DELETE", "/api/2.0/mlflow/model-versions/delete-tag", Needs(RegisterModel)),
    ("GET", "/api/2.0/mlflow/traces", Needs(ReadTracking)),
    ("POST", "/api/2.0/mlflow/traces", Needs(WriteTracking)),
    ("POST", "/api/2.0/mlflow/traces/delete-traces", Needs(DeleteTracking)),
    ("POST", "/api/2.0/mlflow/traces/link-to-run", Needs(WriteTracking)),
    ("POST", "/api/2.0/mlflow/traces/link-prompts", Needs(WriteTracking)),
    ("PATCH", "/api/2.0/mlflow/traces/{trace}", Needs(WriteTracking)),
    ("GET", "/api/2.0/mlflow/traces/{trace}/info", Needs(ReadTracking)),
    ("PATCH", "/api/2.0/mlflow/traces/{trace}/tags", Needs(WriteTracking)),
    ("DELETE", "/api/2.0/mlflow/traces/{trace}/tags", Needs(WriteTracking)),
    ("GET", "/api/2.0/mlflow/get-trace-artifact", Needs(ReadTracking)),
    ("GET", "/api/2.0/mlflow/webhooks", Needs(ApplyObjects)),
    ("POST", "/api/2.0/mlflow/webhooks", Needs(ApplyObjects)),
    ("GET", "/api/2.0/mlflow/webhooks/{webhook}", Needs(ApplyObjects)),
    ("PATCH", "/api/2.0/mlflow/webhooks/{webhook}", Needs(ApplyObjects)),
    ("DELETE", "/api/2.0/mlflow/webhooks/{webhook}", Needs(ApplyObjects)),
    ("POST", "/api/2.0/mlflow/webhooks/{webhook}/test", Needs(ApplyObjects)),
    ("POST", "/api/2.0mlflow/experiments/search-datasets", Needs(ReadTracking)),
    ("POST", "/api/3.0/mlflow/traces", Needs(WriteTracking)),
    ("GET", "/api/3.0/mlflow/traces/get", Needs(ReadTracking)),
    ("GET", "/api/3.0/mlflow/traces/batchGet", Needs(ReadTracking)),
    ("POST", "/api/3.0/mlflow/traces/batchGetInfos", Needs(ReadTracking)),
    ("POST", "/api/3.0/mlflow/traces/search", Needs(ReadTracking)),
    ("POST", "/api/3.0/mlflow/traces/delete-traces", Needs(DeleteTracking)),
    ("POST", "/api/3.0/mlflow/traces/calculate-filter-correlation", Needs(ReadTracking)),
    ("GET", "/api/3.0/mlflow/traces/{trace}", Needs(ReadTracking)),
    ("PATCH", "/api/3.0/mlflow/traces/{trace}/tags", Needs(WriteTracking)),
    ("DELETE", "/api/3.0/mlflow/traces/{trace}/tags", Needs(WriteTracking)),
    ("POST", "/api/3.0/mlflow/traces/{trace}/assessments", Needs(WriteTracking)),
    ("GET", "/api/3.0/mlflow/traces/{trace}/assessments/{assessment}", Needs(ReadTracking)),
    ("PATCH", "/api/3.0/mlflow/traces/{trace}/assessments/{assessment}", Needs(WriteTracking)),
    ("DELETE", "/api/3.0/mlflow/traces/{trace}/assessments/{assessment}", Needs(WriteTracking)),
    ("GET", "/api/3.0/mlflow/get-trace-artifact", Needs(ReadTracking)),
    ("POST", "/api/3.0/mlflow/datasets/create", Needs(WriteTracking)),
    ("GET", "/api/3.0/mlflow/datasets/search", Needs(ReadTracking)),
    ("POST", "/api/3.0/mlflow/datasets/search", Needs(ReadTracking)),
    ("GET", "/api/3.0/mlflow/datasets/{dataset}", Needs(ReadTracking)),
    ("DELETE", "/api/3.0/mlflow/datasets/{dataset}", Needs(DeleteTracking)),
    ("PATCH", "/api/3.0/mlflow/datasets/{dataset}/tags", Needs(WriteTracking)),
    ("DELETE", "/api/3.0/mlflow/datasets/{dataset}/tags/{key}", Needs(WriteTracking)),
    ("GET", "/api/3.0/mlflow/datasets/{dataset}/records", Needs(ReadTracking)),
    ("POST", "/api/3.0/mlflow/datasets/{dataset}/records", Needs(WriteTracking)),
    ("DELETE", "/api/3.0/mlflow/datasets/{dataset}/records", Needs(DeleteTracking)),
    ("GET", "/api/3.0/mlflow/datasets/{dataset}/experiment-ids", Needs(ReadTracking)),
    ("POST", "/api/3.0/mlflow/datasets/{dataset}/add-experiments", Needs(WriteTracking)),
    ("POST", "/api/3.0/mlflow/datasets/{dataset}/remove-experiments", Needs(WriteTracking)),
    ("GET", "/api/2.0/mlflow-artifacts/artifacts", Needs(ReadContent)),
    ("GET", "/api/2.0/mlflow-artifacts/artifacts/{*path}", Needs(ReadContent)),
    ("PUT", "/api/2.0/mlflow-artifacts/artifacts/{*path}", Needs(WriteContent)),
    ("DELETE", "/api/2.0/mlflow-artifacts/artifacts/{*path}", Needs(DeleteTracking)),
    ("POST", "/api/2.0/mlflow-artifacts/mpu/create/{*path}", Needs(WriteContent)),
    ("POST", "/api/2.0/mlflow-artifacts/mpu/complete/{*path}", Needs(WriteContent)),
    ("POST", "/api/2.0/mlflow-artifacts/mpu/abort/{*path}", Needs(WriteContent)),
    ("GET", "/api/2.0/mlflow-artifacts/presigned/{*path}", Needs(ReadContent)),
    // The URL of a part carries its leave with it.
    ("PUT", "/api/2.0/mlflow-artifacts/mpu/part/{upload}/{number}", Open),

    ("POST", "/api/3.0/mlflow/traces/metrics", Needs(ReadTracking)),
];

/// The pages of a project: they show, and change nothing.
const PAGES: &str = "/projects/{project}";

/// The table by path; few methods have rules of their own.
static BY_PATH: LazyLock<HashMap<&str, Vec<(&str, Rule)>>> = LazyLock::new(|| {
    let mut by_path: HashMap<&str, Vec<(&str, Rule)>> = HashMap::new();
    for (method, path, rule) in RULES {
        by_path.entry(path).or_default().push((method, *rule));
    }
    by_path
});

/// What the table says of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// The rule to hold.
    Rule(Rule),
    /// The path has rules, for other methods.
    OtherMethod,
    /// Nobody said what the route needs.
    Nothing,
}

/// Returns what the table says of a method and a path as it was registered. `HEAD` is `GET` without its body.
pub(crate) fn find(method: &Method, path: &str) -> Found {
    let method = if method == Method::HEAD { "GET" } else { method.as_str() };
    if path.strip_prefix(PAGES).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
        return if method == "GET" { Found::Rule(Needs(ReadObjects)) } else { Found::OtherMethod };
    }
    let found = match path.strip_prefix("/ajax-api") {
        // The two prefixes have the same handlers behind them.
        Some(rest) => BY_PATH.get(format!("/api{rest}").as_str()),
        None => BY_PATH.get(path),
    };
    let Some(of_path) = found else { return Found::Nothing };
    match of_path.iter().find(|(known, _)| *known == method || *known == "*") {
        Some((_, rule)) => Found::Rule(*rule),
        None => Found::OtherMethod,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_found_in() {
        for (method, path, expected) in [
            ("GET", "/health", Found::Rule(Open)),
            ("HEAD", "/api/v1/blobs/{digest}", Found::Rule(Needs(ReadContent))),
            ("PUT", "/api/v1/blobs/{digest}", Found::Rule(Needs(WriteContent))),
            ("POST", "/api/v1/blobs/{digest}", Found::OtherMethod),
            ("POST", "/ajax-api/2.0/mlflow/runs/create", Found::Rule(Needs(WriteTracking))),
            ("PATCH", "/graphql", Found::Rule(Known)),
            ("GET", "/projects/{project}", Found::Rule(Needs(ReadObjects))),
            ("GET", "/projects/{project}/runs/{run}", Found::Rule(Needs(ReadObjects))),
            ("POST", "/projects/{project}/runs/{run}", Found::OtherMethod),
            ("GET", "/projects/{project}s", Found::Nothing),
            ("GET", "/nowhere", Found::Nothing),
        ] {
            assert_eq!(find(&method.parse().expect("a method"), path), expected, "{method} {path}");
        }
    }

    #[test]
    fn nothing_is_said_twice() {
        let mut said: Vec<(&str, &str)> = RULES.iter().map(|(method, path, _)| (*method, *path)).collect();
        said.sort_unstable();
        let before = said.len();
        said.dedup();
        assert_eq!(said.len(), before);
    }
}
