//! A project in the path: `/projects/NAME/api/2.0/…`.
//!
//! MLflow's client has no word for projects, but it keeps the path of the address it is told. So an address that ends in
//! `/projects/NAME` makes everything that the client sends be about that project. The prefix is taken off before
//! anything else looks at the request, and stands in the header that native clients send. Pages live under the same
//! prefix and are left alone.

use axum::http::{HeaderValue, Request, Uri};
use windlass_api::PROJECT_HEADER;

use crate::mlflow;

/// Moves the project of an MLflow path into the request's header. A name that is none is refused later, as a header.
pub(crate) fn take<B>(request: &mut Request<B>) {
    let Some((project, rest)) = split(request.uri()) else { return };
    let Ok(project) = HeaderValue::from_str(project) else { return };
    let Ok(uri) = rest.parse::<Uri>() else { return };
    *request.uri_mut() = uri;
    request.headers_mut().insert(PROJECT_HEADER, project);
}

/// Returns the project, and path and query behind it, of a path that is MLflow's.
fn split(uri: &Uri) -> Option<(&str, &str)> {
    let whole = uri.path_and_query()?.as_str();
    let (project, rest) = whole.strip_prefix("/projects/")?.split_once('/')?;
    let rest = &whole[whole.len() - rest.len() - 1..];
    let path = rest.split('?').next().unwrap_or("");
    (mlflow::is_mlflow_path(path) || matches!(path, "/health" | "/version")).then_some((project, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_mlflow_lose_their_project() {
        for (given, expected) in [
            (
                "/projects/team/api/2.0/mlflow/runs/get?run_id=a/b",
                Some(("team", "/api/2.0/mlflow/runs/get?run_id=a/b")),
            ),
            ("/projects/team/ajax-api/2.0/mlflow/runs/search", Some(("team", "/ajax-api/2.0/mlflow/runs/search"))),
            ("/projects/team/v1/traces", Some(("team", "/v1/traces"))),
            ("/projects/team/get-artifact?path=x", Some(("team", "/get-artifact?path=x"))),
            ("/projects/team/version", Some(("team", "/version"))),
            ("/projects/a%2fb/version", Some(("a%2fb", "/version"))),
            ("/projects/team/projects/other/version", None),
            ("/projects/team/api/v1/tokens", None),
            ("/projects/team/runs/x", None),
            ("/projects/team", None),
            ("/projects/team/", None),
            ("/api/2.0/mlflow/runs/get", None),
        ] {
            assert_eq!(split(&given.parse().expect("a path")), expected, "{given}");
        }
    }

    #[test]
    fn what_a_client_says_beside_it_gives_way() {
        let request = Request::builder().uri("/projects/team/version?x=1").header(PROJECT_HEADER, "other").body(());
        let mut request = request.expect("a request");
        take(&mut request);
        assert_eq!(request.uri(), "/version?x=1");
        let named: Vec<_> = request.headers().get_all(PROJECT_HEADER).iter().collect();
        assert_eq!(named, ["team"]);
    }
}
