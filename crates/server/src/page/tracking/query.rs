//! What stands in the query of a page's URL: names and values in their order, a name as often as one likes.
//!
//! All state of a page lies there, so that a link to it shows the same to whoever may see it.

use axum::{
    extract::FromRequestParts,
    http::{StatusCode, request::Parts},
};
use maud::{Markup, html};

use super::super::error::PageError;
use crate::error::ApiError;

/// The query of a URL.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in super::super) struct Pairs(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Pairs {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, PageError> {
        let read = axum::extract::Query::<Vec<(String, String)>>::from_request_parts(parts, state).await;
        let unreadable = |_| ApiError::new(StatusCode::BAD_REQUEST, "query", "the query of this URL cannot be read");
        Ok(Self(read.map_err(unreadable)?.0))
    }
}

impl Pairs {
    /// Returns a value; an empty one is as none.
    pub(in super::super) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// Returns every value of a name that is not empty, in order.
    pub(in super::super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, value)| known == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// Returns whether a name is there, with whatever value.
    pub(in super::super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }

    /// Returns it with one value of a name, or none, instead of those it had.
    pub(in super::super) fn with(&self, name: &str, value: Option<&str>) -> Self {
        let mut pairs = self.without(&[name]);
        if let Some(value) = value {
            pairs.0.push((name.to_owned(), value.to_owned()));
        }
        pairs
    }

    /// Returns it with one more pair.
    pub(in super::super) fn and(mut self, name: &str, value: &str) -> Self {
        self.0.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Returns it without some names, and without empty values.
    pub(in super::super) fn without(&self, names: &[&str]) -> Self {
        let kept = |(name, value): &&(String, String)| !names.contains(&name.as_str()) && !value.is_empty();
        Self(self.0.iter().filter(kept).cloned().collect())
    }

    /// Writes it behind a path.
    pub(in super::super) fn behind(&self, path: &str) -> String {
        let mut out = path.to_owned();
        for (place, (name, value)) in self.0.iter().enumerate() {
            out.push(if place == 0 { '?' } else { '&' });
            out.push_str(&windlass_api::encode(name));
            out.push('=');
            out.push_str(&windlass_api::encode(value));
        }
        out
    }

    /// Renders it as hidden fields of a form that asks for the rest.
    pub(in super::super) fn hidden(&self) -> Markup {
        html! { @for (name, value) in &self.0 { input type="hidden" name=(name) value=(value); } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_changed_and_written() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let pairs = Pairs(vec![pair("a", "1"), pair("b", "x y"), pair("a", "2"), pair("c", "")]);
        assert_eq!(pairs.get("a"), Some("1"));
        assert_eq!(pairs.all("a").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!((pairs.get("c"), pairs.has("c"), pairs.has("d")), (None, true, false));
        assert_eq!(pairs.with("a", Some("&")).behind("/p"), "/p?b=x%20y&a=%26");
        assert_eq!(pairs.with("b", None).behind("/p"), "/p?a=1&a=2");
        assert_eq!(pairs.without(&["a", "b"]).behind("/p"), "/p");
        assert!(!pairs.with("b", Some("\"><script>")).hidden().into_string().contains("<script"));
    }
}
