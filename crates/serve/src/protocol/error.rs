//! What is wrong with a request, in words for who sent it.

use crate::model::ValueError;

/// What is wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The body is not of the form that it claims.
    #[error("the body is no {form}: {problem}")]
    Malformed {
        /// `JSON`, `CSV` and the like.
        form: &'static str,
        /// What is wrong, with its place where known.
        problem: String,
    },
    /// A field of the body is missing, unknown or wrong.
    #[error("`{field}` {problem}")]
    Field {
        /// Which field.
        field: String,
        /// What is wrong, as the rest of a sentence.
        problem: String,
    },
    /// A column is missing, unknown or holds what the signature does not allow.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// There are more rows than may be asked for at once.
    #[error("more than {most} rows, the most in one request; ask in parts")]
    TooManyRows {
        /// The most rows.
        most: usize,
    },
    /// The body is in a form that is not read here.
    #[error("{0}")]
    Unsupported(String),
}

impl RequestError {
    /// Returns the HTTP status that says the same.
    pub fn status(&self) -> http::StatusCode {
        match self {
            Self::Malformed { .. } | Self::Field { .. } | Self::Value(_) => http::StatusCode::BAD_REQUEST,
            Self::TooManyRows { .. } => http::StatusCode::PAYLOAD_TOO_LARGE,
            Self::Unsupported(_) => http::StatusCode::UNSUPPORTED_MEDIA_TYPE,
        }
    }

    pub(super) fn field(field: &str, problem: impl Into<String>) -> Self {
        let field = field.chars().take(120).flat_map(char::escape_debug).collect();
        Self::Field { field, problem: problem.into() }
    }
}
