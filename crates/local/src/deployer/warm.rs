//! Small requests of our own to a model server: is it alive, and a first prediction, so that no client pays for it.

use std::{fs, io, path::Path, time::Duration};

use bytes::Bytes;
use http::{Request, StatusCode};
use tokio::time::timeout;
use windlass_net::SocketError;
use windlass_scan::read_capped;

use super::server::{ModelServer, StartFailure};

/// The example that MLflow keeps beside a model, in the form that `/invocations` takes.
const EXAMPLE: &str = "serving_input_example.json";

/// The most of an example that is read, in bytes; a larger one is not sent.
const EXAMPLE_CAP: u64 = 1 << 20;

/// Asks a server whether it is alive. It may be so and have no process that answers for its model: then the text says
/// why, and is empty otherwise.
pub(super) async fn ping(server: &ModelServer) -> Result<String, SocketError> {
    let answer = server.client().send(request("GET", "/ping", Bytes::new())).await?;
    Ok(if answer.status().is_success() { String::new() } else { said(answer.body()) })
}

/// Returns the message of a refusal.
fn said(body: &[u8]) -> String {
    let refusal: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let message = refusal.as_ref().and_then(|refusal| refusal["message"].as_str().map(str::to_owned));
    message.unwrap_or_else(|| String::from_utf8_lossy(body).into_owned()).chars().take(1000).collect()
}

/// Has a server answer the model's own example, where it has one. An error says why the model cannot be served: where
/// it cannot answer its own example, it can answer nothing. One that breaks off was perhaps killed by somebody.
pub(super) async fn warm(server: &ModelServer, model: &Path, patience: Duration) -> Result<(), StartFailure> {
    let Ok(Some(example)) = example(model) else { return Ok(()) };
    let answer = timeout(patience, server.client().send(request("POST", "/invocations", example.into()))).await;
    match answer {
        Err(_) => {
            let seconds = patience.as_secs_f64();
            Err(StartFailure::Model(format!("it took more than {seconds} s for its own example")))
        }
        Ok(Err(error)) => {
            let why = windlass_control::chain(&error);
            Err(StartFailure::Machine(format!("it gave no answer to its own example: {why}")))
        }
        Ok(Ok(answer)) if answer.status() == StatusCode::SERVICE_UNAVAILABLE => {
            Err(StartFailure::Machine(format!("it gave no answer to its own example: {}", said(answer.body()))))
        }
        // An example in a form that its signature does not know is odd, but harms nobody.
        Ok(Ok(answer)) if !answer.status().is_server_error() => Ok(()),
        Ok(Ok(answer)) => Err(StartFailure::Model(format!("it failed on its own example: {}", said(answer.body())))),
    }
}

fn example(model: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = model.join(EXAMPLE);
    if !file.is_file() {
        return Ok(None);
    }
    read_capped(fs::File::open(file)?, EXAMPLE_CAP).map(Some)
}

fn request(method: &str, path: &str, body: Bytes) -> Request<Bytes> {
    Request::builder()
        .method(method)
        .uri(path)
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(body)
        .expect("a fixed request")
}
