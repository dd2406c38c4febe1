//! How a page says that it cannot show something.

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use maud::html;
use windlass_control::ControlError;
use windlass_oci::BlobError;
use windlass_store::StoreError;

use super::layout;
use crate::error::ApiError;

/// A refusal, shown as a page.
pub(super) struct PageError {
    status: StatusCode,
    message: String,
}

impl PageError {
    /// Says that something is not there.
    pub(super) fn not_found(what: impl std::fmt::Display) -> Self {
        ApiError::not_found(what).into()
    }
}

impl From<ApiError> for PageError {
    fn from(error: ApiError) -> Self {
        let (status, message) = error.parts();
        Self { status, message }
    }
}

impl From<StoreError> for PageError {
    fn from(error: StoreError) -> Self {
        ApiError::from(error).into()
    }
}

impl From<ControlError> for PageError {
    fn from(error: ControlError) -> Self {
        ApiError::from(error).into()
    }
}

impl From<BlobError> for PageError {
    fn from(error: BlobError) -> Self {
        ApiError::from(error).into()
    }
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        let Self { status, message } = self;
        if status.is_server_error() {
            tracing::error!("a page was not shown: {message}");
        }
        let title = if status == StatusCode::NOT_FOUND { "Nothing here" } else { "This page cannot be shown" };
        let page = layout::bare(
            title,
            html! {
                h1 { (title) }
                p { (message) }
                p { a href="/" { "Back to the loop" } }
            },
        );
        (status, page).into_response()
    }
}
