//! What is asked of a model server, and its answers, without the network.

use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode, header};
use serde_json::json;
use windlass_data::table::Table;

use super::{Settings, pace::Pace};
use crate::{
    model::{Model, PredictError},
    protocol::{
        Limits, RequestError, invocations,
        oip::{self, Asked},
    },
};

/// Which version of MLflow's protocol for scoring is spoken, for those who ask under `/version`.
const MLFLOW: &str = "2.0";

/// A loaded model and what it answers with.
pub(super) struct Answerer {
    pub(super) settings: Settings,
    pub(super) model: Model,
    pub(super) pace: Pace,
}

/// A request without its body.
pub(super) enum Route<'p> {
    /// Whether the process lives and has its model.
    Ping,
    /// The version of the protocol.
    Version,
    /// Predictions, by MLflow's protocol.
    Invocations,
    /// Open Inference Protocol.
    Oip(oip::Path<'p>),
}

impl<'p> Route<'p> {
    /// Returns what a method and path ask for, or the status that says that they ask for nothing.
    pub(super) fn parse(method: &Method, path: &'p str) -> Result<Self, StatusCode> {
        let path = path.strip_prefix('/').unwrap_or(path);
        let (route, wanted) = match path {
            "ping" | "health" => (Self::Ping, Method::GET),
            "version" => (Self::Version, Method::GET),
            "invocations" => (Self::Invocations, Method::POST),
            _ => {
                let path = oip::Path::parse(path).ok_or(StatusCode::NOT_FOUND)?;
                let infer = matches!(path, oip::Path::Infer { .. });
                (Self::Oip(path), if infer { Method::POST } else { Method::GET })
            }
        };
        if *method == wanted || (*method == Method::HEAD && wanted == Method::GET) {
            Ok(route)
        } else {
            Err(StatusCode::METHOD_NOT_ALLOWED)
        }
    }
}

/// A question for the model: decoded, checked, and to be predicted wherever there is time.
pub(super) struct Question {
    rows: Table,
    form: Form,
}

enum Form {
    Invocations,
    Oip { asked: Asked, id: Option<String> },
}

impl Question {
    /// Returns how many rows are asked about.
    pub(super) fn rows(&self) -> usize {
        self.rows.rows()
    }
}

impl Answerer {
    /// Answers what needs no body. Predictions are for [`Self::question`].
    pub(super) fn simple(&self, route: &Route<'_>) -> Option<Response<Bytes>> {
        let Settings { name, version, .. } = &self.settings;
        let answer = match route {
            Route::Invocations | Route::Oip(oip::Path::Infer { .. }) => {
                return match route {
                    Route::Oip(path) if !self.is_own(path) => Some(self.unknown()),
                    _ => None,
                };
            }
            Route::Ping => match self.model.trouble() {
                None => json(StatusCode::OK, Bytes::from_static(b"\n")),
                Some(trouble) => refusal(false, StatusCode::SERVICE_UNAVAILABLE, &trouble),
            },
            Route::Version => json(StatusCode::OK, Bytes::from_static(MLFLOW.as_bytes())),
            Route::Oip(oip::Path::Server) => {
                json(StatusCode::OK, oip::server_metadata(env!("CARGO_PKG_VERSION")).to_string())
            }
            Route::Oip(oip::Path::Live) => json(StatusCode::OK, json!({"live": true}).to_string()),
            Route::Oip(oip::Path::Ready) => json(StatusCode::OK, json!({"ready": true}).to_string()),
            Route::Oip(path) if !self.is_own(path) => self.unknown(),
            Route::Oip(oip::Path::ModelReady { .. }) => {
                json(StatusCode::OK, json!({"name": name, "ready": true}).to_string())
            }
            Route::Oip(oip::Path::Model { .. }) => {
                let signature = self.model.signature();
                json(
                    StatusCode::OK,
                    oip::model_metadata(name, &[version], self.model.platform(), signature, self.model.outputs())
                        .to_string(),
                )
            }
        };
        Some(answer)
    }

    fn is_own(&self, path: &oip::Path<'_>) -> bool {
        match path {
            oip::Path::Server | oip::Path::Live | oip::Path::Ready => true,
            oip::Path::Model { model, version }
            | oip::Path::ModelReady { model, version }
            | oip::Path::Infer { model, version } => {
                *model == self.settings.name && version.is_none_or(|version| version == self.settings.version)
            }
        }
    }

    fn unknown(&self) -> Response<Bytes> {
        let Settings { name, version, .. } = &self.settings;
        json(StatusCode::NOT_FOUND, oip::error(&format!("there is only the model `{name}`, version `{version}`, here")))
    }

    /// Reads a question.
    pub(super) fn question(
        &self,
        route: &Route<'_>,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Question, RequestError> {
        let limits = Limits { rows: self.settings.rows_max };
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let signature = self.model.signature();
        if let Some(encoding) = text("content-encoding").filter(|it| !it.eq_ignore_ascii_case("identity")) {
            let encoding: String = encoding.chars().take(40).collect();
            return Err(RequestError::Unsupported(format!("`Content-Encoding: {encoding}` is not served")));
        }
        if matches!(route, Route::Invocations) {
            let kind = text("content-type").unwrap_or_default();
            let request = invocations::decode(kind, body, signature, &[], &limits)?;
            return Ok(Question { rows: request.rows, form: Form::Invocations });
        }
        let length = match text(oip::HEADER_LENGTH) {
            None => None,
            Some(length) => Some(length.parse().map_err(|_| RequestError::Field {
                field: oip::HEADER_LENGTH.to_owned(),
                problem: "is no number".to_owned(),
            })?),
        };
        let (request, asked) = oip::decode(length, body, signature, &[], &limits)?;
        Ok(Question { rows: request.rows, form: Form::Oip { asked, id: request.id } })
    }

    /// Tells whether a prediction of so many rows would keep others waiting.
    pub(super) fn is_slow(&self, rows: usize) -> bool {
        self.model.is_elsewhere() || self.pace.is_slow(rows)
    }

    /// Predicts, or says why not with the status that HTTP has for it.
    pub(super) fn predict(&self, rows: &Table) -> Result<Table, (StatusCode, String)> {
        let begun = Instant::now();
        let table = self.model.predict(rows).map_err(|error| {
            let status = match error {
                PredictError::Value(_) | PredictError::Asker(_) => StatusCode::BAD_REQUEST,
                // The request is all that the signature asks for, so it is the model that is wrong.
                PredictError::Runtime(_) | PredictError::Failed(_) | PredictError::Output { .. } => {
                    StatusCode::INTERNAL_SERVER_ERROR
                }
                PredictError::Late => StatusCode::GATEWAY_TIMEOUT,
                PredictError::Down(_) => StatusCode::SERVICE_UNAVAILABLE,
            };
            (status, error.to_string())
        })?;
        self.pace.learn(rows.rows(), begun.elapsed());
        Ok(table)
    }

    /// Predicts and answers.
    pub(super) fn answer(&self, question: Question) -> Response<Bytes> {
        let Question { rows, form } = question;
        let is_oip = matches!(form, Form::Oip { .. });
        let table = match self.predict(&rows) {
            Ok(table) => table,
            Err((status, why)) => return refusal(is_oip, status, &why),
        };
        let Settings { name, version, .. } = &self.settings;
        match form {
            Form::Invocations => json(StatusCode::OK, invocations::encode(&table)),
            Form::Oip { asked, id } => match oip::encode(name, version, id.as_deref(), &table, &asked) {
                Err(error) => refusal(true, error.status(), &error.to_string()),
                Ok(oip::Encoded { json: None, body }) => json(StatusCode::OK, body),
                Ok(oip::Encoded { json: Some(length), body }) => {
                    let mut response = json(StatusCode::OK, body);
                    let headers = response.headers_mut();
                    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/octet-stream"));
                    headers.insert(oip::HEADER_LENGTH, length.into());
                    response
                }
            },
        }
    }
}

/// Returns a refusal in the form of the protocol that was asked in.
pub(super) fn refusal(is_oip: bool, status: StatusCode, message: &str) -> Response<Bytes> {
    let code = if status.is_server_error() { "INTERNAL_ERROR" } else { "BAD_REQUEST" };
    json(status, if is_oip { oip::error(message) } else { invocations::error(code, message) })
}

fn json(status: StatusCode, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let kind = header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}
