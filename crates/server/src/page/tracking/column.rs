//! The columns of a table of runs: what a run has besides its name, and how a URL names it.

use maud::{Markup, html};
use windlass_kinds::{
    Micros,
    filter::{Attribute, Field},
    record::{Run, RunData},
};

use super::super::component::{instant, nothing, number, status_badge, took};

/// Tags that clients set for themselves begin so; nobody asks for them as columns.
pub(super) const INTERNAL: &str = "mlflow.";

/// A column.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Column {
    /// Where the run stands.
    Status,
    /// When it began.
    Began,
    /// How long it took.
    Took,
    /// Who ran it.
    User,
    /// The last value of a metric.
    Metric(String),
    /// A param.
    Param(String),
    /// A tag.
    Tag(String),
}

impl Column {
    /// Reads `status`, `began`, `metrics.loss`, `params.rate`, `tags.stage`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text {
            "status" => return Some(Self::Status),
            "began" => return Some(Self::Began),
            "took" => return Some(Self::Took),
            "user" => return Some(Self::User),
            _ => {}
        }
        let (kind, key) = text.split_once('.')?;
        match kind {
            "metrics" => Some(Self::Metric(key.to_owned())),
            "params" => Some(Self::Param(key.to_owned())),
            "tags" => Some(Self::Tag(key.to_owned())),
            _ => None,
        }
    }

    /// Returns it as a URL names it.
    pub(super) fn word(&self) -> String {
        match self {
            Self::Status => "status".to_owned(),
            Self::Began => "began".to_owned(),
            Self::Took => "took".to_owned(),
            Self::User => "user".to_owned(),
            Self::Metric(key) => format!("metrics.{key}"),
            Self::Param(key) => format!("params.{key}"),
            Self::Tag(key) => format!("tags.{key}"),
        }
    }

    /// Returns its heading.
    pub(super) fn title(&self) -> &str {
        match self {
            Self::Status => "status",
            Self::Began => "began",
            Self::Took => "took",
            Self::User => "user",
            Self::Metric(key) | Self::Param(key) | Self::Tag(key) => key,
        }
    }

    /// Returns what runs are ordered by when they are ordered by it; a span of time orders nothing.
    pub(super) fn field(&self) -> Option<Field> {
        match self {
            Self::Status => Some(Field::Attribute(Attribute::Status)),
            Self::Began => Some(Field::Attribute(Attribute::Created)),
            Self::Took => None,
            Self::User => Some(Field::Attribute(Attribute::User)),
            Self::Metric(key) => Some(Field::Metric(key.clone())),
            Self::Param(key) => Some(Field::Param(key.clone())),
            Self::Tag(key) => Some(Field::Tag(key.clone())),
        }
    }

    /// Returns a run's value as text; none where it has none.
    pub(super) fn text(&self, run: &Run, data: &RunData) -> Option<String> {
        let of = |pairs: &[(String, String)], key: &str| {
            pairs.iter().find(|(known, _)| known == key).map(|(_, value)| value.clone())
        };
        match self {
            Self::Status => Some(run.status.as_str().to_lowercase()),
            Self::Began => Some(Micros::from_millis(run.start_ms).to_string()),
            Self::Took => Some(took(Some(Micros::from_millis(run.start_ms)), run.end_ms.map(Micros::from_millis)))
                .filter(|text| !text.is_empty()),
            Self::User => Some(run.user.clone()).filter(|user| !user.is_empty()),
            Self::Metric(key) => data.metrics.iter().find(|point| point.key == *key).map(|point| number(point.value)),
            Self::Param(key) => of(&data.params, key),
            Self::Tag(key) => of(&data.tags, key),
        }
    }

    /// Returns a run's value as a number, where it is one.
    pub(super) fn number(&self, run: &Run, data: &RunData) -> Option<f64> {
        let value = match self {
            Self::Metric(key) => data.metrics.iter().find(|point| point.key == *key)?.value,
            Self::Began => run.start_ms as f64 / 1000.0,
            Self::Took => (run.end_ms? - run.start_ms) as f64 / 1000.0,
            Self::Param(_) | Self::Tag(_) => self.text(run, data)?.trim().parse().ok()?,
            Self::Status | Self::User => return None,
        };
        value.is_finite().then_some(value)
    }

    /// Renders a run's value.
    pub(super) fn cell(&self, run: &Run, data: &RunData) -> Markup {
        match self {
            Self::Status => status_badge(run.status),
            Self::Began => instant(Micros::from_millis(run.start_ms)),
            Self::Took | Self::User | Self::Metric(_) | Self::Param(_) | Self::Tag(_) => match self.text(run, data) {
                Some(text) => html! { span.cell { (shortened(&text)) } },
                None => nothing(),
            },
        }
    }
}

/// How much of a value a cell holds, in characters.
const CELL: usize = 120;

/// Returns the beginning of a long text.
pub(super) fn shortened(text: &str) -> String {
    match text.char_indices().nth(CELL) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Returns what runs have, sorted: metrics, params, then tags that somebody set.
pub(super) fn known<'a>(all: impl Iterator<Item = &'a RunData>) -> Vec<Column> {
    let mut columns = std::collections::BTreeSet::new();
    for data in all {
        columns.extend(data.metrics.iter().map(|point| Column::Metric(point.key.clone())));
        columns.extend(data.params.iter().map(|(key, _)| Column::Param(key.clone())));
        let tags = data.tags.iter().filter(|(key, _)| !key.starts_with(INTERNAL));
        columns.extend(tags.map(|(key, _)| Column::Tag(key.clone())));
    }
    columns.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_read_as_they_are_written() {
        for text in ["status", "began", "took", "user", "metrics.loss", "params.a.b", "tags.<b>", "tags."] {
            assert_eq!(Column::parse(text).map(|column| column.word()).as_deref(), Some(text));
        }
        for text in ["", "loss", "metric.loss", "Status"] {
            assert_eq!(Column::parse(text), None, "{text}");
        }
        assert_eq!(shortened(&"é".repeat(200)).chars().count(), CELL + 1);
    }
}
