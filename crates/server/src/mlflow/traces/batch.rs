//! Spans that came together, by trace, and what they say of it.

use std::collections::HashMap;

use windlass_kinds::{
    ExperimentId, TraceId,
    record::{Span, TraceState},
};
use windlass_store::SpanBatch;

use super::{
    any::Any,
    labels,
    otlp::Group,
    preview::preview,
    span::{Ended, INPUTS, Kept, OUTPUTS},
};

/// Programs whose name is worth keeping at the first span, as MLflow has it.
const SERVICES: [&str; 5] = ["claude-code", "codex_cli_rs", "codex_vscode", "gemini-cli", "qwen-code"];
/// The attribute with the name of the program.
const SERVICE: &str = "service.name";
/// What the keys of attributes begin with that are tags of the trace.
const TAG: &str = "mlflow.traceTag.";
/// The longest id of a conversation, in characters.
const SESSION_MAX: usize = 250;

/// Spans of one trace.
pub(super) struct Batch {
    pub(super) trace: String,
    /// How the span without one around it ended, if it is here.
    pub(super) root: Option<Ended>,
    spans: Vec<Span>,
    session: Option<String>,
    user: Option<String>,
    request: Option<String>,
    response: Option<String>,
    name: Option<String>,
    /// What is said of the place that the spans came from, as tags.
    resource: Vec<(String, String)>,
    tags: Vec<(String, String)>,
}

/// Returns the spans of all groups by trace, in the order in which the traces came; `None` where one has a wrong id.
pub(super) fn by_trace(groups: Vec<Group>) -> Option<Vec<Batch>> {
    let mut batches: Vec<Batch> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    // Spans that came twice in one request: the last one counts.
    let mut spans: HashMap<(usize, String), usize> = HashMap::new();
    for Group { resource, spans: incoming } in groups {
        let service = resource.iter().find(|(key, _)| key == SERVICE).and_then(|(_, value)| value.text());
        let service = service.filter(|name| SERVICES.contains(name)).map(str::to_owned);
        for mut span in incoming {
            if let Some(service) = &service
                && span.parent.is_empty()
            {
                span.attributes.retain(|(key, _)| key != SERVICE);
                span.attributes.push((SERVICE.to_owned(), Any::Text(service.clone())));
            }
            let kept = span.kept()?;
            let place = *places.entry(kept.trace.clone()).or_insert_with(|| {
                batches.push(Batch::new(kept.trace.clone()));
                batches.len() - 1
            });
            let batch = &mut batches[place];
            batch.note(&kept, &resource);
            match spans.entry((place, kept.span.id.clone())) {
                std::collections::hash_map::Entry::Occupied(found) => batch.spans[*found.get()] = kept.span,
                std::collections::hash_map::Entry::Vacant(free) => {
                    free.insert(batch.spans.len());
                    batch.spans.push(kept.span);
                }
            }
        }
    }
    Some(batches)
}

impl Batch {
    fn new(trace: String) -> Self {
        Self {
            trace,
            root: None,
            spans: Vec::new(),
            session: None,
            user: None,
            request: None,
            response: None,
            name: None,
            resource: Vec::new(),
            tags: Vec::new(),
        }
    }

    /// Notes what a span says of the trace.
    fn note(&mut self, kept: &Kept, resource: &[(String, Any)]) {
        if self.session.is_none() {
            self.session = ["session.id", "gen_ai.conversation.id"]
                .iter()
                .find_map(|key| kept.text(key))
                .filter(|session| !session.is_empty() && session.chars().count() <= SESSION_MAX);
        }
        if self.user.is_none() {
            self.user = kept.text("user.id").filter(|user| !user.is_empty());
        }
        if self.resource.is_empty() {
            let said =
                resource.iter().filter(|(key, _)| !key.starts_with("telemetry.sdk.") && !key.starts_with("mlflow."));
            self.resource = said
                .filter_map(|(key, value)| {
                    let text = value.text().map_or_else(|| value.json(), str::to_owned);
                    labels::tag(key, text).ok().map(|text| (key.clone(), text))
                })
                .collect();
        }
        if kept.span.parent.is_some() {
            return;
        }
        self.root = Some(kept.ended);
        self.request = kept.attribute(INPUTS).map(|json| preview(json, "user"));
        self.response = kept.attribute(OUTPUTS).map(|json| preview(json, "assistant"));
        self.tags.clear();
        for (key, json) in &kept.attributes {
            let Some(key) = key.strip_prefix(TAG) else { continue };
            let text = serde_json::from_str(json).unwrap_or_else(|_| json.clone());
            match labels::tag(key, text) {
                Ok(text) if key == labels::NAME => self.name = Some(text),
                Ok(text) => self.tags.push((key.to_owned(), text)),
                // MLflow leaves out what it would refuse.
                Err(_) => {}
            }
        }
    }

    /// Returns it for the store.
    pub(super) fn told(self, experiment: &ExperimentId) -> SpanBatch {
        let trace = TraceId::new(self.trace);
        let place = super::show::artifact_location(experiment, &trace);
        let mut tags = vec![(labels::SPANS.to_owned(), labels::SPANS_HERE.to_owned())];
        tags.extend(self.resource);
        // What the program itself said stands above what is said of its place.
        tags.extend(self.tags);
        SpanBatch {
            spans: self.spans,
            root_state: self.root.map(|ended| match ended {
                Ended::Error => TraceState::Error,
                Ended::Ok | Ended::Unset => TraceState::Ok,
            }),
            name: self.name,
            session: self.session,
            request: self.request,
            response: self.response,
            metadata: self.user.map(|user| ("mlflow.trace.user".to_owned(), user)).into_iter().collect(),
            first_tags: vec![(labels::PLACE.to_owned(), place)],
            tags,
            trace,
        }
    }
}
