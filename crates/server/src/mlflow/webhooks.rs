//! Webhooks: who is told of changes in the registry.
//!
//! Managing them takes a maintainer: a webhook sends what happens in a project elsewhere. Secrets come in and never go out
//! again. Deliveries are [`windlass_control`]'s; what they look like is [`events`]', and how they go out [`courier`]'s.

mod courier;
mod events;
mod secret;
mod target;

use axum::{Json, extract::Path};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use windlass_kinds::{
    filter::Start,
    record::{Webhook, WebhookEvent},
};
use windlass_plan::access::Operation;

pub use courier::WebhookCourier;

use super::{
    door::Door,
    error::{Error, Result},
    names, page,
    request::{Asked, Check, Field, Kind, Message, Shape, repr},
    show::Empty,
};

/// The longest secret, in bytes.
const SECRET_MAX: usize = 1000;
/// The longest description, in characters.
const DESCRIPTION_MAX: usize = 1000;
/// The longest name, in characters.
const NAME_MAX: usize = 63;

const EVENT: &[Field] = &[("entity", Kind::Choice(events::ENTITIES)), ("action", Kind::Choice(events::ACTIONS))];
const STATUS: Kind = Kind::Choice(&[("ACTIVE", 1), ("DISABLED", 2)]);

/// An event as it comes in.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct EventIn {
    entity: String,
    action: String,
}

impl EventIn {
    fn event(&self) -> Result<WebhookEvent> {
        let entity = Some(self.entity.as_str()).filter(|entity| !entity.is_empty()).unwrap_or("ENTITY_UNSPECIFIED");
        let action = Some(self.action.as_str()).filter(|action| !action.is_empty()).unwrap_or("ACTION_UNSPECIFIED");
        events::event(entity, action).map_err(Error::invalid)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Change {
    name: String,
    description: Option<String>,
    url: String,
    events: Vec<EventIn>,
    secret: Option<String>,
    status: Option<String>,
}

const FIELDS: &[Field] = &[
    ("name", Kind::Text),
    ("description", Kind::Text),
    ("url", Kind::Text),
    ("events", Kind::Messages(EVENT)),
    ("secret", Kind::Text),
    ("status", STATUS),
];

/// A webhook to make.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent, default)]
pub(super) struct Create(Change);

impl Message for Create {
    const SHAPE: Shape = Shape {
        fields: FIELDS,
        checks: &[
            ("name", &[Check::IsText, Check::Required]),
            ("url", &[Check::IsText, Check::Required]),
            ("events", &[Check::IsList, Check::Required]),
            ("description", &[Check::IsText]),
            ("secret", &[Check::IsText]),
            ("status", &[Check::IsText]),
        ],
    };
}

/// What is to be different about a webhook.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent, default)]
pub(super) struct Update(Change);

impl Message for Update {
    const SHAPE: Shape = Shape {
        fields: FIELDS,
        checks: &[
            ("name", &[Check::IsText]),
            ("description", &[Check::IsText]),
            ("url", &[Check::IsText]),
            ("events", &[Check::IsList]),
            ("secret", &[Check::IsText]),
            ("status", &[Check::IsText]),
        ],
    };
}

/// Which webhooks to list.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct List {
    max_results: Option<i64>,
    page_token: String,
}

impl Message for List {
    const SHAPE: Shape = Shape {
        fields: &[("max_results", Kind::Int), ("page_token", Kind::Text)],
        checks: &[("max_results", &[Check::IsInt]), ("page_token", &[Check::IsText])],
    };
}

/// With which event to try a webhook out.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Try {
    event: Option<EventIn>,
}

impl Message for Try {
    const SHAPE: Shape = Shape { fields: &[("event", Kind::Message(EVENT))], checks: &[] };
}

#[derive(Serialize)]
struct EventOut {
    entity: &'static str,
    action: &'static str,
}

#[derive(Serialize)]
pub(super) struct WebhookOut {
    webhook_id: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    url: String,
    events: Vec<EventOut>,
    status: &'static str,
    creation_timestamp: i64,
    last_updated_timestamp: i64,
}

fn shown(webhook: Webhook) -> WebhookOut {
    let mut events: Vec<_> = webhook.events.iter().map(|event| events::names(*event)).collect();
    events.sort_unstable();
    WebhookOut {
        webhook_id: webhook.id,
        name: webhook.name,
        description: webhook.description.filter(|text| !text.is_empty()),
        url: webhook.url,
        events: events.into_iter().map(|(entity, action)| EventOut { entity, action }).collect(),
        status: if webhook.active { "ACTIVE" } else { "DISABLED" },
        creation_timestamp: webhook.created_ms,
        last_updated_timestamp: webhook.updated_ms,
    }
}

#[derive(Serialize)]
pub(super) struct One {
    webhook: WebhookOut,
}

/// Refuses callers who may not send a project's events elsewhere.
fn may(door: &Door) -> Result<()> {
    door.may(Operation::ApplyObjects)?;
    door.not_a_step()
}

fn check_name(name: &str) -> Result<()> {
    let ends = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    let good = bytes.len() <= NAME_MAX
        && ends(bytes.first())
        && ends(bytes.last())
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(byte));
    if good {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "Webhook name {} is invalid. It must start and end with a letter or digit, be less than 63 characters long, and \
         contain only letters, digits, dots (.), underscores (_), and hyphens (-).",
        repr(name)
    )))
}

fn check_lengths(description: Option<&str>, secret: Option<&str>) -> Result<()> {
    if description.is_some_and(|text| text.chars().count() > DESCRIPTION_MAX) {
        return Err(Error::invalid(format!("Webhook description cannot be longer than {DESCRIPTION_MAX} characters.")));
    }
    if secret.is_some_and(|secret| secret.len() > SECRET_MAX) {
        return Err(Error::invalid(format!("Webhook secret cannot be longer than {SECRET_MAX} bytes.")));
    }
    Ok(())
}

async fn check_url(door: &Door, url: &str) -> Result<()> {
    door.webhooks()?.judge(url).await.map_err(Error::invalid)
}

/// Returns a secret as it is stored; an empty one is none.
fn sealed(door: &Door, webhook: &str, secret: Option<&str>) -> Result<Option<Vec<u8>>> {
    let Some(secret) = secret.filter(|secret| !secret.is_empty()) else { return Ok(None) };
    Ok(Some(door.webhooks()?.safe().seal(webhook, secret, names::random()?)))
}

pub(super) async fn create(door: Door, Asked(Create(body)): Asked<Create>) -> Result<Json<One>> {
    may(&door)?;
    let events: Vec<WebhookEvent> = body.events.iter().map(EventIn::event).collect::<Result<_>>()?;
    check_name(&body.name)?;
    check_url(&door, &body.url).await?;
    if events.is_empty() {
        return Err(Error::invalid("Webhook events must be a non-empty list of WebhookEvent objects: []."));
    }
    check_lengths(body.description.as_deref(), body.secret.as_deref())?;
    let id = names::uuid()?;
    let now = door.now();
    let webhook = Webhook {
        project: door.project().clone(),
        name: body.name,
        url: body.url,
        description: body.description.filter(|text| !text.is_empty()),
        events,
        active: body.status.as_deref() != Some("DISABLED"),
        secret: sealed(&door, &id, body.secret.as_deref())?,
        created_ms: now.millis(),
        updated_ms: now.millis(),
        id,
    };
    door.write((webhook.clone(), door.principal.actor.clone(), now), |tx, a| {
        Box::pin(async move { tx.webhook_insert(&a.0, &a.1, a.2).await })
    })
    .await?;
    Ok(Json(One { webhook: shown(webhook) }))
}

async fn found(door: &Door, id: &str) -> Result<Webhook> {
    let args = (door.project().clone(), id.to_owned());
    let webhook = door.read(args, |tx, a| Box::pin(async move { tx.webhook_get(&a.0, &a.1).await })).await?;
    webhook.ok_or_else(|| Error::not_found(format!("Webhook with ID {id} not found.")))
}

pub(super) async fn read(door: Door, Path(id): Path<String>) -> Result<Json<One>> {
    may(&door)?;
    Ok(Json(One { webhook: shown(found(&door, &id).await?) }))
}

#[derive(Serialize)]
pub(super) struct Many {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    webhooks: Vec<WebhookOut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

pub(super) async fn list(door: Door, Asked(query): Asked<List>) -> Result<Json<Many>> {
    may(&door)?;
    let size = query.max_results.filter(|size| *size != 0).unwrap_or(100);
    let size = u32::try_from(size).ok().filter(|size| (1..=1000).contains(size));
    let size = size.ok_or_else(|| Error::invalid("max_results must be between 1 and 1000."))?;
    let offset = match page::start(Some(&query.page_token), &[])? {
        Start::First => 0,
        Start::Behind(count) => count,
        Start::After(_) => return Err(Error::invalid("Invalid page token, it is of another list")),
    };
    let args = (door.project().clone(), offset, size + 1);
    let mut webhooks = door.read(args, |tx, a| Box::pin(async move { tx.webhooks(&a.0, a.1, a.2).await })).await?;
    let size = size as usize;
    let next = (webhooks.len() > size).then(|| {
        webhooks.truncate(size);
        STANDARD.encode(format!("{{\"offset\": {}}}", offset + size as u64))
    });
    Ok(Json(Many { webhooks: webhooks.into_iter().map(shown).collect(), next_page_token: next }))
}

pub(super) async fn update(
    door: Door,
    Path(id): Path<String>,
    Asked(Update(body)): Asked<Update>,
) -> Result<Json<One>> {
    may(&door)?;
    let events: Vec<WebhookEvent> = body.events.iter().map(EventIn::event).collect::<Result<_>>()?;
    let mut webhook = found(&door, &id).await?;
    if !body.name.is_empty() {
        check_name(&body.name)?;
        webhook.name = body.name;
    }
    if !body.url.is_empty() {
        check_url(&door, &body.url).await?;
        webhook.url = body.url;
    }
    check_lengths(body.description.as_deref(), body.secret.as_deref())?;
    if !events.is_empty() {
        webhook.events = events;
    }
    if let Some(description) = body.description {
        webhook.description = Some(description);
    }
    if let Some(secret) = &body.secret {
        webhook.secret = sealed(&door, &id, Some(secret))?;
    }
    if let Some(status) = &body.status {
        webhook.active = status == "ACTIVE";
    }
    let now = door.now();
    webhook.updated_ms = now.millis();
    door.write((webhook.clone(), door.principal.actor.clone(), now), |tx, a| {
        Box::pin(async move { tx.webhook_update(&a.0, &a.1, a.2).await })
    })
    .await?;
    Ok(Json(One { webhook: shown(webhook) }))
}

pub(super) async fn remove(door: Door, Path(id): Path<String>) -> Result<Json<Empty>> {
    may(&door)?;
    let webhook = found(&door, &id).await?;
    door.write((webhook, door.principal.actor.clone(), door.now()), |tx, a| {
        Box::pin(async move { tx.webhook_delete(&a.0, &a.1, a.2).await })
    })
    .await?;
    Ok(Json(Empty {}))
}

#[derive(Serialize)]
pub(super) struct Tried {
    result: TryResult,
}

#[derive(Serialize)]
struct TryResult {
    success: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_body: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_message: Option<String>,
}

/// Sends a made-up event at once, and shows what was answered.
pub(super) async fn attempt(door: Door, Path(id): Path<String>, Asked(body): Asked<Try>) -> Result<Json<Tried>> {
    may(&door)?;
    let chosen = body.event.as_ref().map(EventIn::event).transpose()?;
    let webhook = found(&door, &id).await?;
    let first = shown(webhook.clone()).events.into_iter().next().map(|first| events::event(first.entity, first.action));
    let event = chosen.or(first.and_then(|first| first.ok()));
    let event = event.ok_or_else(|| Error::invalid("Webhook events cannot be empty"))?;
    let delivery = names::uuid()?;
    let now = door.now();
    let payload = events::payload(event, now, events::example(event));
    let result = match door.webhooks()?.send(&webhook, &delivery, &payload, now).await {
        Ok(answer) => TryResult {
            success: answer.status.as_u16() < 400,
            response_status: Some(answer.status.as_u16()),
            response_body: Some(answer.body),
            error_message: None,
        },
        Err(error) => TryResult {
            success: false,
            response_status: None,
            response_body: None,
            error_message: Some(format!("Failed to test webhook: {}", windlass_control::chain(&error))),
        },
    };
    Ok(Json(Tried { result }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_words() {
        for good in ["a", "my-hook", "a.b_c-9", &"x".repeat(63)] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "a b", "ä", "a/b", &"x".repeat(64)] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }
}
