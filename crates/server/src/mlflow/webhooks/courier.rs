//! Carries deliveries to webhooks: signed as MLflow signs, and only to where users' URLs may lead.

use std::time::Duration;

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;
use windlass_control::{Courier, Delivered};
use windlass_kinds::{
    Micros,
    record::{Webhook, WebhookDelivery, WebhookEvent},
};
use windlass_net::{
    Allowed, Client, NetError, Settings, StatusCode, Zone,
    header::{CONTENT_TYPE, HeaderName, RETRY_AFTER},
};

use super::{
    events,
    secret::{Safe, Unopened, signature},
    target,
};

/// How long one try may take, as MLflow has it.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How much is kept of what a receiver answers, in bytes.
const ANSWER_MAX: u64 = 64 * 1024;

const SIGNATURE: HeaderName = HeaderName::from_static("x-mlflow-signature");
const TIMESTAMP: HeaderName = HeaderName::from_static("x-mlflow-timestamp");
const DELIVERY: HeaderName = HeaderName::from_static("x-mlflow-delivery-id");

/// Knows the way to webhooks, and the key to their secrets.
pub struct WebhookCourier {
    client: Client,
    allowed: Allowed,
    safe: Safe,
}

/// What a receiver answered.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: String,
    retry_after: Option<Duration>,
}

/// Why nothing was answered.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Secret(#[from] Unopened),
    #[error(transparent)]
    Net(#[from] NetError),
    #[error("{0}")]
    Target(String),
}

impl WebhookCourier {
    /// Makes a courier. Secrets are sealed under `key`, which must stay the same as long as they are to be opened;
    /// `allowed` is where webhooks may stand beside public addresses, also without TLS.
    pub fn new(key: &[u8; 32], allowed: Allowed) -> Self {
        let settings = Settings { allowed: allowed.clone(), retries: 0, ..Settings::new(Zone::User) };
        Self { client: Client::new(settings), allowed, safe: Safe::new(key) }
    }

    pub(super) fn safe(&self) -> &Safe {
        &self.safe
    }

    /// Refuses a URL that no webhook may have, in MLflow's words.
    pub(super) async fn judge(&self, url: &str) -> Result<(), String> {
        target::form(url, &self.allowed)?;
        self.client.judge(url).await.map_err(|error| target::refusal(url, error))
    }

    /// Sends what is told of an event, once.
    pub(super) async fn send(
        &self,
        webhook: &Webhook,
        id: &str,
        payload: &Value,
        now: Micros,
    ) -> Result<Answer, Failure> {
        // What may be sent to is a setting: it may have changed since the webhook was made.
        target::form(&webhook.url, &self.allowed).map_err(Failure::Target)?;
        let body = payload.to_string();
        let seconds = now.millis().div_euclid(1000).to_string();
        let mut request = self
            .client
            .post(&webhook.url)
            .follow_changing()
            .timeout(TIMEOUT)
            .header(CONTENT_TYPE, "application/json")
            .header(DELIVERY, id)
            .header(TIMESTAMP, &seconds);
        if let Some(sealed) = &webhook.secret {
            let secret = self.safe.open(&webhook.id, sealed)?;
            let signed = signature(&secret, &format!("{id}.{seconds}.{body}"));
            request = request.header(SIGNATURE, &format!("v1,{}", STANDARD.encode(signed)));
        }
        let response = request.body(body).send().await?;
        let status = response.status();
        let retry_after =
            response.header(RETRY_AFTER).and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
        // What it says is for people who try a webhook out; that it cannot be read makes nothing undelivered.
        let body = response.text_capped(ANSWER_MAX).await.unwrap_or_default();
        Ok(Answer { status, body, retry_after })
    }
}

/// Returns what became of a try.
fn outcome(sent: Result<Answer, Failure>) -> Delivered {
    match sent {
        Ok(answer) if answer.status.is_success() => Delivered::Taken,
        Ok(Answer { status, body: _, retry_after }) => {
            let reason = format!("it answered {status}");
            // What MLflow asks again: passing trouble of the receiver.
            match status.as_u16() {
                408 | 429 | 500 | 502 | 503 | 504 => Delivered::Later(reason, retry_after),
                _ => Delivered::Refused(reason),
            }
        }
        Err(error) => {
            let transient = matches!(&error, Failure::Net(error) if error.is_transient());
            let reason = windlass_control::chain(&error);
            if transient { Delivered::Later(reason, None) } else { Delivered::Refused(reason) }
        }
    }
}

#[async_trait]
impl Courier for WebhookCourier {
    async fn deliver(&self, webhook: &Webhook, delivery: &WebhookDelivery, now: Micros) -> Delivered {
        let WebhookDelivery { place: _, id, webhook: _, change, at, tries: _ } = delivery;
        // What nobody can listen to is never put on its way.
        let event = change.event().unwrap_or(WebhookEvent::ModelCreated);
        let payload = events::payload(event, *at, events::data(change));
        outcome(self.send(webhook, id, &payload, now).await)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_passing_trouble_is_tried_again() {
        let answer = |status: u16| {
            let status = StatusCode::from_u16(status).unwrap();
            outcome(Ok(Answer { status, body: String::new(), retry_after: Some(Duration::from_secs(9)) }))
        };
        assert_eq!(answer(204), Delivered::Taken);
        for status in [429, 500, 503] {
            assert!(matches!(answer(status), Delivered::Later(_, Some(_))), "{status}");
        }
        for status in [302, 400, 404, 410, 501] {
            assert!(matches!(answer(status), Delivered::Refused(_)), "{status}");
        }
        assert!(matches!(outcome(Err(Unopened.into())), Delivered::Refused(_)));
    }
}
