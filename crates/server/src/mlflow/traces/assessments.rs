//! What people, judges and programs say of traces: feedback, expectations, and the issues that they belong to.

use std::collections::BTreeMap;

use axum::{Json, extract::Path};
use serde::{Deserialize, Serialize};
use windlass_kinds::{
    AssessmentId, RunId, TraceId,
    record::{Assessment, AssessmentKind},
};
use windlass_plan::access::Operation;
use windlass_store::{Refusal, RefusalSubject as Subject};

use super::{any::Any, times};
use crate::mlflow::{
    check,
    door::Door,
    error::{Error, Result},
    names,
    show::Empty,
    wire::{Body, Field},
};

/// The only form in which lists and objects are expected.
const FORMAT: &str = "JSON_FORMAT";
/// The note with the run in which something was said.
const RUN: &str = "mlflow.assessment.sourceRunId";
/// Who can say something.
const SOURCES: [&str; 4] = ["HUMAN", "LLM_JUDGE", "CODE", "SOURCE_TYPE_UNSPECIFIED"];
/// The longest trace of a stack that is kept, in characters, and what stands for the rest.
const STACK_MAX: usize = 1000;
const STACK_CUT: &str = "[Stack trace is truncated]\n...\n";
/// The longest name, in characters.
const NAME_MAX: usize = 250;
/// The longest id, in characters.
const ID_MAX: usize = 250;

#[derive(Deserialize, Serialize, Default, Clone)]
struct Source {
    #[serde(default)]
    source_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source_id: Option<String>,
}

#[derive(Deserialize, Serialize, Clone)]
struct Failure {
    #[serde(default)]
    error_code: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error_message: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stack_trace: Option<String>,
}

#[derive(Deserialize, Serialize)]
struct Feedback {
    #[serde(default)]
    value: Any,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<Failure>,
}

#[derive(Deserialize, Serialize)]
struct Serialized {
    #[serde(default)]
    serialization_format: String,
    #[serde(default)]
    value: String,
}

#[derive(Deserialize, Serialize)]
struct Expectation {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<Any>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    serialized_value: Option<Serialized>,
}

#[derive(Deserialize, Serialize)]
struct Issue {
    #[serde(default)]
    issue_name: String,
}

/// An assessment as it comes in.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct AssessmentIn {
    assessment_id: Option<String>,
    assessment_name: String,
    span_id: Option<String>,
    source: Source,
    create_time: Option<String>,
    last_update_time: Option<String>,
    feedback: Option<Feedback>,
    expectation: Option<Expectation>,
    issue: Option<Issue>,
    rationale: Option<String>,
    metadata: BTreeMap<String, String>,
    overrides: Option<String>,
    valid: Option<bool>,
}

/// An assessment as it goes out.
#[derive(Serialize)]
pub(super) struct AssessmentOut {
    assessment_id: String,
    assessment_name: String,
    trace_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    span_id: Option<String>,
    source: Source,
    create_time: String,
    last_update_time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    feedback: Option<Feedback>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expectation: Option<Expectation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rationale: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    overrides: Option<String>,
    valid: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    issue: Option<Issue>,
}

/// Makes every number a double: that is what a JSON value is in a protocol buffer.
fn doubles(value: Any) -> Any {
    match value {
        Any::Int(number) => Any::Double(number as f64),
        Any::List(items) => Any::List(items.into_iter().map(doubles).collect()),
        Any::Map(entries) => Any::Map(entries.into_iter().map(|(key, value)| (key, doubles(value))).collect()),
        value @ (Any::Nothing | Any::Bool(_) | Any::Double(_) | Any::Text(_) | Any::Bytes(_)) => value,
    }
}

/// Returns the number that a value counts as, and whether it is one.
fn number(value: &Any) -> Option<(f64, bool)> {
    match value {
        Any::Bool(value) => Some((f64::from(u8::from(*value)), false)),
        Any::Int(value) => Some((*value as f64, true)),
        Any::Double(value) => value.is_finite().then_some((*value, true)),
        Any::Text(text) => match text.trim().to_lowercase().as_str() {
            "yes" => Some((1.0, false)),
            "no" => Some((0.0, false)),
            _ => None,
        },
        Any::Nothing | Any::Bytes(_) | Any::List(_) | Any::Map(_) => None,
    }
}

/// What an assessment says.
struct Said {
    kind: AssessmentKind,
    value: Any,
    error: Option<Failure>,
}

impl AssessmentIn {
    fn said(&mut self) -> Result<Said> {
        if let Some(expectation) = self.expectation.take() {
            let value = match expectation.serialized_value {
                Some(serialized) if serialized.serialization_format != FORMAT => {
                    return Err(Error::invalid(format!(
                        "Unknown serialization format: {}. Only {FORMAT} is supported.",
                        serialized.serialization_format
                    )));
                }
                Some(serialized) => Any::parse(&serialized.value)
                    .ok_or_else(|| Error::invalid("The serialized value of the expectation is no JSON."))?,
                None => doubles(expectation.value.unwrap_or_default()),
            };
            if value == Any::Nothing {
                return Err(Error::invalid("The `value` field must be specified."));
            }
            return Ok(Said { kind: AssessmentKind::Expectation, value, error: None });
        }
        if let Some(feedback) = self.feedback.take() {
            let value = doubles(feedback.value);
            return Ok(Said { kind: AssessmentKind::Feedback, value, error: feedback.error });
        }
        match self.issue.take() {
            Some(issue) => {
                let value = Any::Map(vec![("issue_name".to_owned(), Any::Text(issue.issue_name))]);
                Ok(Said { kind: AssessmentKind::Issue, value, error: None })
            }
            None => Err(Error::invalid("Unknown assessment type: None")),
        }
    }

    /// Returns it as it is kept.
    pub(super) fn read(mut self, now_ms: i64) -> Result<Assessment> {
        let said = self.said()?;
        check::length("assessment_name", &self.assessment_name, NAME_MAX)?;
        let time = |text: Option<String>| match text {
            None => Ok(now_ms),
            Some(text) => times::parse_instant(&text).ok_or_else(|| Error::invalid(format!("Invalid time: '{text}'"))),
        };
        let id = match self.assessment_id.filter(|id| !id.is_empty()) {
            Some(id) => id,
            None => format!("a-{}", names::id()?),
        };
        check::length("assessment_id", &id, ID_MAX)?;
        let known = SOURCES.contains(&self.source.source_type.as_str());
        let run = self.metadata.get(RUN).map(RunId::new);
        let stated = said.kind != AssessmentKind::Expectation;
        Ok(Assessment {
            id: AssessmentId::new(id),
            name: self.assessment_name,
            kind: said.kind,
            value: said.value.json(),
            number: number(&said.value),
            error: said.error.map(|error| serde_json::to_string(&error).expect("texts are JSON")),
            // An expectation is what it is: nobody is asked why.
            rationale: self.rationale.filter(|text| stated && !text.is_empty()),
            source_type: if known { self.source.source_type } else { "SOURCE_TYPE_UNSPECIFIED".to_owned() },
            source_id: self.source.source_id.filter(|id| known && !id.is_empty()),
            run,
            span: self.span_id.filter(|id| !id.is_empty()),
            overrides: self.overrides.filter(|id| !id.is_empty()).map(AssessmentId::new),
            valid: true,
            metadata: self.metadata.into_iter().collect(),
            created_ms: time(self.create_time)?,
            updated_ms: time(self.last_update_time)?,
        })
    }
}

fn shortened(stack: String) -> String {
    let length = stack.chars().count();
    if length <= STACK_MAX {
        return stack;
    }
    let skipped = length - (STACK_MAX - STACK_CUT.chars().count());
    STACK_CUT.chars().chain(stack.chars().skip(skipped)).collect()
}

/// Returns an assessment as it is shown.
pub(super) fn show(trace: &str, said: Assessment) -> AssessmentOut {
    let value = Any::parse(&said.value).unwrap_or_default();
    let error = said.error.as_deref().and_then(|json| serde_json::from_str::<Failure>(json).ok());
    let error = error.map(|error| Failure { stack_trace: error.stack_trace.map(shortened), ..error });
    let (mut feedback, mut expectation, mut issue) = (None, None, None);
    match said.kind {
        AssessmentKind::Feedback => feedback = Some(Feedback { value: doubles(value), error }),
        AssessmentKind::Expectation => {
            expectation = Some(match &value {
                Any::List(_) | Any::Map(_) => Expectation {
                    value: None,
                    serialized_value: Some(Serialized { serialization_format: FORMAT.to_owned(), value: said.value }),
                },
                Any::Nothing | Any::Bool(_) | Any::Int(_) | Any::Double(_) | Any::Text(_) | Any::Bytes(_) => {
                    Expectation { value: Some(doubles(value)), serialized_value: None }
                }
            });
        }
        AssessmentKind::Issue => {
            let name = value.get("issue_name").and_then(Any::text).unwrap_or_default();
            issue = Some(Issue { issue_name: name.to_owned() });
        }
    }
    AssessmentOut {
        assessment_id: said.id.as_str().to_owned(),
        assessment_name: said.name,
        trace_id: trace.to_owned(),
        span_id: said.span,
        source: Source { source_type: said.source_type, source_id: said.source_id },
        create_time: times::instant(said.created_ms),
        last_update_time: times::instant(said.updated_ms),
        feedback,
        expectation,
        rationale: said.rationale,
        metadata: said.metadata.into_iter().collect(),
        overrides: said.overrides.map(|id| id.as_str().to_owned()),
        valid: said.valid,
        issue,
    }
}

#[derive(Serialize)]
pub(in super::super) struct One {
    assessment: AssessmentOut,
}

#[derive(Deserialize)]
pub(in super::super) struct Create {
    assessment: Option<AssessmentIn>,
}

pub(in super::super) async fn create(
    door: Door,
    Path(trace): Path<String>,
    Body(body): Body<Create>,
) -> Result<Json<One>> {
    door.may(Operation::WriteTracking)?;
    let said = body.assessment.ok_or_else(|| Error::required("assessment"))?.read(door.now().millis())?;
    let args = (door.project().clone(), TraceId::new(&trace), said.clone());
    door.write(args, |tx, a| Box::pin(async move { tx.assessment_add(&a.0, &a.1, &a.2).await })).await?;
    Ok(Json(One { assessment: show(&trace, said) }))
}

/// Says why there is no such assessment: it is missing, or the trace is.
fn missing(trace: &TraceId, id: &AssessmentId, there: bool) -> Error {
    match there {
        true => Refusal::Missing(Subject::Assessment(trace.clone(), id.clone())).into(),
        false => Error::not_found(format!("Trace with request_id '{trace}' not found")),
    }
}

pub(in super::super) async fn read(door: Door, Path((trace, id)): Path<(String, String)>) -> Result<Json<One>> {
    door.may(Operation::ReadTracking)?;
    let args = (door.project().clone(), TraceId::new(&trace), AssessmentId::new(id));
    let (trace_id, id) = (args.1.clone(), args.2.clone());
    let (found, there) = door
        .read(args, |tx, a| {
            Box::pin(async move {
                let found = tx.assessment_get(&a.0, &a.1, &a.2).await?;
                let there = found.is_some() || tx.trace_exists(&a.0, &a.1).await?;
                Ok((found, there))
            })
        })
        .await?;
    let found = found.ok_or_else(|| missing(&trace_id, &id, there))?;
    Ok(Json(One { assessment: show(&trace, found) }))
}

#[derive(Deserialize)]
pub(in super::super) struct Update {
    assessment: Option<AssessmentIn>,
    #[serde(default)]
    update_mask: Field<String>,
}

/// What of an assessment is to change.
#[derive(Default)]
struct Change {
    name: Option<String>,
    value: Option<(AssessmentKind, Any, Option<String>)>,
    rationale: Option<String>,
    metadata: BTreeMap<String, String>,
    valid: Option<bool>,
}

impl Change {
    fn of(mut given: AssessmentIn, mask: &str) -> Result<Self> {
        let mut change = Self::default();
        for path in mask.split(',').map(str::trim) {
            match path {
                "assessmentName" | "assessment_name" => change.name = Some(std::mem::take(&mut given.assessment_name)),
                "feedback" | "expectation" if change.value.is_some() => {
                    return Err(Error::invalid("Cannot specify both `expectation` and `feedback` parameters."));
                }
                "feedback" | "expectation" => {
                    let mut only = AssessmentIn::default();
                    if path == "feedback" {
                        let empty = Feedback { value: Any::Nothing, error: None };
                        only.feedback = Some(given.feedback.take().unwrap_or(empty));
                    } else {
                        let empty = Expectation { value: None, serialized_value: None };
                        only.expectation = Some(given.expectation.take().unwrap_or(empty));
                    }
                    let said = only.said()?;
                    let error = said.error.map(|error| serde_json::to_string(&error).expect("texts are JSON"));
                    change.value = Some((said.kind, said.value, error));
                }
                "rationale" => change.rationale = given.rationale.take(),
                "metadata" => change.metadata = std::mem::take(&mut given.metadata),
                "valid" => change.valid = given.valid,
                _ => {}
            }
        }
        if let Some(name) = &change.name {
            check::length("assessment_name", name, NAME_MAX)?;
        }
        Ok(change)
    }

    /// Changes `found`; says what is wrong with the change otherwise.
    fn apply(&self, found: &mut Assessment, now_ms: i64) -> std::result::Result<(), String> {
        if let Some((kind, value, error)) = &self.value {
            let capital =
                |kind: AssessmentKind| if kind == AssessmentKind::Expectation { "Expectation" } else { "Feedback" };
            if found.kind != *kind {
                let article = if found.kind == AssessmentKind::Expectation { "an" } else { "a" };
                return Err(format!(
                    "Cannot update {} value on {article} {} assessment.",
                    kind.as_str(),
                    capital(found.kind)
                ));
            }
            found.value = value.json();
            found.number = number(value);
            found.error.clone_from(error);
        }
        if let Some(name) = &self.name {
            found.name.clone_from(name);
        }
        if let Some(rationale) = self.rationale.as_ref().filter(|_| found.kind != AssessmentKind::Expectation) {
            found.rationale = Some(rationale.clone());
        }
        let mut metadata: BTreeMap<String, String> = std::mem::take(&mut found.metadata).into_iter().collect();
        metadata.extend(self.metadata.iter().map(|(key, value)| (key.clone(), value.clone())));
        found.metadata = metadata.into_iter().collect();
        found.valid = self.valid.unwrap_or(found.valid);
        found.updated_ms = now_ms;
        Ok(())
    }
}

/// What became of an update.
enum Updated {
    Done(Box<Assessment>),
    Missing(bool),
    Wrong(String),
}

pub(in super::super) async fn update(
    door: Door,
    Path((trace, id)): Path<(String, String)>,
    Body(body): Body<Update>,
) -> Result<Json<One>> {
    door.may(Operation::WriteTracking)?;
    let given = body.assessment.ok_or_else(|| Error::required("assessment"))?;
    let change = Change::of(given, &body.update_mask.text("update_mask")?)?;
    let args = (door.project().clone(), TraceId::new(&trace), AssessmentId::new(id), change, door.now().millis());
    let (trace_id, id) = (args.1.clone(), args.2.clone());
    let updated = door
        .write(args, |tx, a| {
            Box::pin(async move {
                let Some(mut found) = tx.assessment_get(&a.0, &a.1, &a.2).await? else {
                    return Ok(Updated::Missing(tx.trace_exists(&a.0, &a.1).await?));
                };
                if let Err(wrong) = a.3.apply(&mut found, a.4) {
                    return Ok(Updated::Wrong(wrong));
                }
                tx.assessment_change(&a.0, &a.1, &found).await?;
                Ok(Updated::Done(Box::new(found)))
            })
        })
        .await?;
    match updated {
        Updated::Done(found) => Ok(Json(One { assessment: show(&trace, *found) })),
        Updated::Missing(there) => Err(missing(&trace_id, &id, there)),
        Updated::Wrong(wrong) => Err(Error::invalid(wrong)),
    }
}

pub(in super::super) async fn remove(door: Door, Path((trace, id)): Path<(String, String)>) -> Result<Json<Empty>> {
    door.may(Operation::WriteTracking)?;
    door.write((door.project().clone(), TraceId::new(trace), AssessmentId::new(id)), |tx, a| {
        Box::pin(async move { tx.assessment_delete(&a.0, &a.1, &a.2).await })
    })
    .await?;
    Ok(Json(Empty {}))
}
