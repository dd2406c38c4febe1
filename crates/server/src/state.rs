//! What every handler may reach.

use std::{sync::Arc, time::Duration};

use windlass_control::Control;

use crate::{
    auth::{FailedLogins, TokenCache},
    mlflow::{PartKey, WebhookCourier},
    page::{Sessions, Streams},
    pulse::Pulse,
    traffic::{NoTraffic, Traffic},
};

/// The server's settings.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// Host names (without port) that a `Host` header may carry besides loopback's: DNS rebinding ends here.
    pub hosts: Vec<String>,
    /// The largest JSON body, in bytes.
    pub body_cap: usize,
    /// The version shown.
    pub version: String,
    /// The database's kind, for `status`.
    pub database: String,
    /// How long a request may take before it is answered with 408; uploads and log streams are exempt.
    pub timeout: Duration,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            hosts: Vec::new(),
            body_cap: 16 << 20,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            database: "sqlite".to_owned(),
            timeout: Duration::from_secs(60),
        }
    }
}

/// Shared by all handlers; cheap to clone.
#[derive(Clone)]
pub struct AppState {
    /// The control loop with store, content and executor.
    pub control: Control,
    /// The settings.
    pub settings: Arc<ServerSettings>,
    pub(crate) tokens: Arc<TokenCache>,
    pub(crate) failures: Arc<FailedLogins>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) streams: Arc<Streams>,
    pub(crate) traffic: Arc<dyn Traffic>,
    pub(crate) pulse: Arc<Pulse>,
    pub(crate) webhooks: Option<Arc<WebhookCourier>>,
    pub(crate) part_key: Option<Arc<PartKey>>,
}

impl AppState {
    /// Joins the parts.
    pub fn new(control: Control, settings: ServerSettings) -> Self {
        Self {
            control,
            settings: Arc::new(settings),
            tokens: Arc::default(),
            failures: Arc::default(),
            sessions: Arc::default(),
            streams: Arc::default(),
            traffic: Arc::new(NoTraffic),
            pulse: Arc::default(),
            webhooks: None,
            part_key: None,
        }
    }

    /// Returns it as it takes large files in parts. Their URLs are signed under `key`, which servers that share a database
    /// share too.
    pub fn with_parts(self, key: &[u8; 32]) -> Self {
        Self { part_key: Some(Arc::new(PartKey::new(key))), ..self }
    }

    /// Returns it as it manages webhooks, and sends what they are tried out with.
    pub fn with_webhooks(self, courier: Arc<WebhookCourier>) -> Self {
        Self { webhooks: Some(courier), ..self }
    }

    /// Returns it as it shows what a gateway counts.
    pub fn with_traffic(self, traffic: Arc<dyn Traffic>) -> Self {
        Self { traffic, ..self }
    }
}
