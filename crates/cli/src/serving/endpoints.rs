//! The gateway beside the server: one listener, one set of tokens.

use std::sync::Arc;

use async_trait::async_trait;
use axum::{
    Router,
    http::{HeaderMap, Uri},
};
use windlass_control::Clock;
use windlass_kinds::Name;
use windlass_serve::gateway::{Authorize, Denied, Gateway, GatewaySettings};
use windlass_server::AppState;

use crate::data_folder::DataFolder;

/// Asks the server's door who may reach an endpoint.
struct Door(AppState);

#[async_trait]
impl Authorize for Door {
    async fn authorize(&self, headers: &HeaderMap, uri: &Uri, _: &Name) -> Result<Name, Denied> {
        windlass_server::admit(&self.0, headers, uri).await.map_err(|(status, message)| Denied { status, message })
    }
}

/// Makes the gateway, which keeps predictions in the data folder.
pub(super) fn gateway(folder: &DataFolder, clock: Arc<dyn Clock>) -> Gateway {
    Gateway::new(GatewaySettings {
        logs: folder.path().join("predictions"),
        clock: Arc::new(move || clock.now()),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    })
}

/// Returns the gateway's routes, behind the server's door.
pub(super) fn routes(gateway: &Gateway, state: AppState) -> Router {
    gateway.router(Arc::new(Door(state)))
}
