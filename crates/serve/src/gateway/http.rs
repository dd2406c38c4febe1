//! The gateway's paths: `/endpoints/NAME/` and behind it `invocations`, `ping`, `metrics` and the paths of the Open
//! Inference Protocol.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::Response,
    routing::any,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use windlass_kinds::Name;

use super::{
    Authorize, Gateway,
    call::{self, Call, Dialect, Written},
    endpoint::Endpoint,
    forward, metrics,
    predict::{Answered, predict},
    refusal::Refusal,
    route::Live,
};
use crate::protocol::oip;

/// When to come again, in seconds, where that may help.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");
/// The content type of Prometheus' text.
const PROMETHEUS: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

#[derive(Clone)]
struct Door {
    gateway: Gateway,
    authorize: Arc<dyn Authorize>,
}

pub(super) fn router(gateway: Gateway, authorize: Arc<dyn Authorize>) -> Router {
    Router::new().route("/endpoints/{name}/{*rest}", any(handle)).with_state(Door { gateway, authorize })
}

/// What a path and method ask for.
enum Asked<'p> {
    Invocations,
    Ping,
    Metrics,
    Oip(oip::Path<'p>),
}

async fn handle(State(door): State<Door>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    let mut parts = path.trim_start_matches('/').splitn(3, '/').skip(1);
    let (name, rest) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let dialect = if rest.starts_with("v2") { Dialect::Oip } else { Dialect::Invocations };
    let outcome = async {
        let asked = parse(&head.method, rest)?;
        let name: Name = name.parse().map_err(|_| unknown())?;
        let project = door.authorize.authorize(&head.headers, &head.uri, &name).await?;
        let endpoint = door.gateway.find(&project, &name).ok_or_else(unknown)?;
        respond(&door.gateway, &endpoint, asked, &head.headers, body).await
    };
    outcome.await.unwrap_or_else(|refusal| refuse(dialect, &refusal, head.headers.get("x-request-id")))
}

/// Finds out what is asked for, by methods that may.
fn parse<'p>(method: &Method, rest: &'p str) -> Result<Asked<'p>, Refusal> {
    let asked = match rest {
        "invocations" => Asked::Invocations,
        "ping" => Asked::Ping,
        "metrics" => Asked::Metrics,
        rest => Asked::Oip(oip::Path::parse(rest).ok_or_else(|| {
            let message = "there are `invocations`, `ping`, `metrics` and `v2/…` here";
            Refusal::new(StatusCode::NOT_FOUND, message)
        })?),
    };
    let allowed = match &asked {
        Asked::Invocations | Asked::Oip(oip::Path::Infer { .. }) => *method == Method::POST,
        Asked::Ping | Asked::Metrics | Asked::Oip(_) => *method == Method::GET || *method == Method::HEAD,
    };
    if allowed { Ok(asked) } else { Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "another method is wanted here")) }
}

async fn respond(
    gateway: &Gateway,
    endpoint: &Endpoint,
    asked: Asked<'_>,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let settings = &gateway.inner.settings;
    let call = match asked {
        Asked::Invocations => Call::invocations(headers),
        Asked::Oip(oip::Path::Infer { model, version }) => Call::oip(headers, model, version)?,
        Asked::Metrics => return Ok(text(PROMETHEUS, metrics::text(&[endpoint.stats()]))),
        Asked::Ping => {
            ready(endpoint).await?;
            return Ok(text(HeaderValue::from_static("text/plain"), "\n".to_owned()));
        }
        Asked::Oip(oip::Path::Server) => {
            return Ok(json(&oip::server_metadata(&settings.version)));
        }
        Asked::Oip(oip::Path::Live) => return Ok(json(&serde_json::json!({"live": true}))),
        Asked::Oip(oip::Path::Ready) => {
            ready(endpoint).await?;
            return Ok(json(&serde_json::json!({"ready": true})));
        }
        Asked::Oip(oip::Path::ModelReady { model, version }) => {
            let live = ready(endpoint).await?;
            call::check_model(&live, model, version)?;
            return Ok(json(&serde_json::json!({"name": live.route.model, "ready": true})));
        }
        Asked::Oip(oip::Path::Model { model, version }) => return metadata(endpoint, model, version).await,
    };
    let Answered { written, request_id, version } = predict(settings, endpoint, call, headers, body).await?;
    let mut response = answer(StatusCode::OK, written);
    let headers = response.headers_mut();
    headers.insert("x-model-version", HeaderValue::from(version));
    if let Ok(id) = HeaderValue::from_str(&request_id) {
        headers.insert("x-request-id", id);
    }
    Ok(response)
}

/// Refuses unless a model server is there and says that it is ready.
async fn ready(endpoint: &Endpoint) -> Result<Arc<Live>, Refusal> {
    let held = endpoint.hold().ok_or_else(Refusal::not_ready)?;
    let answer = forward::get(&held.live, forward::PING).await?;
    if answer.status() == StatusCode::OK { Ok(held.live) } else { Err(Refusal::not_ready()) }
}

/// Returns what the model server says of its model, under the names that it has here.
async fn metadata(endpoint: &Endpoint, model: &str, version: Option<&str>) -> Result<Response, Refusal> {
    let held = endpoint.hold().ok_or_else(Refusal::not_ready)?;
    call::check_model(&held.live, model, version)?;
    let answer = forward::get(&held.live, forward::METADATA).await?;
    if answer.status() != StatusCode::OK {
        return Err(forward::refused(answer.status(), "the model server does not say what it takes"));
    }
    let wrong = |_| Refusal::new(StatusCode::BAD_GATEWAY, "the model server does not say what it takes");
    let mut said: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(answer.body()).map_err(wrong)?;
    let route = &held.live.route;
    said.insert("name".to_owned(), route.model.as_str().into());
    said.insert("versions".to_owned(), vec![route.version.to_string()].into());
    Ok(json(&said.into()))
}

fn refuse(dialect: Dialect, refusal: &Refusal, request_id: Option<&HeaderValue>) -> Response {
    let mut response = answer(refusal.status, dialect.refuse(refusal));
    let headers = response.headers_mut();
    if refusal.is_passing() {
        headers.insert(header::RETRY_AFTER, RETRY_AFTER);
    }
    if refusal.status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Some(id) = request_id
        && id.len() <= 128
    {
        headers.insert("x-request-id", id.clone());
    }
    response
}

fn unknown() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "there is no such endpoint")
}

fn answer(status: StatusCode, written: Written) -> Response {
    let Written { body, headers } = written;
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

fn json(value: &serde_json::Value) -> Response {
    answer(StatusCode::OK, Written::json(value.to_string().into_bytes()))
}

fn text(content_type: HeaderValue, text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}
