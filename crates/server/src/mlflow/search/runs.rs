//! `runs/search`.

use axum::Json;
use serde::{Deserialize, Serialize};
use windlass_kinds::filter::{Attribute, Comparison, Field as FilterField, Search, Value};
use windlass_plan::access::Operation;

use super::super::{
    door::Door,
    error::{Error, Result},
    experiments,
    filter::{self, Entity},
    page, show,
    wire::{Body, Field, List},
};

/// How many runs a search shows unless it says otherwise.
const PAGE: u32 = 1000;
/// How many runs a search shows at most.
const MOST: i64 = 50_000;
/// What artifact URIs begin with.
const URI: &str = "mlflow-artifacts:/";

#[derive(Deserialize)]
pub(in super::super) struct Asked {
    #[serde(default)]
    experiment_ids: List<String>,
    #[serde(default)]
    filter: Field<String>,
    #[serde(default)]
    run_view_type: Field<String>,
    #[serde(default)]
    max_results: Field<i64>,
    #[serde(default)]
    order_by: List<String>,
    #[serde(default)]
    page_token: Field<String>,
}

#[derive(Serialize)]
pub(in super::super) struct Found {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    runs: Vec<show::Run>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

pub(in super::super) async fn search(door: Door, Body(asked): Body<Asked>) -> Result<Json<Found>> {
    door.may(Operation::ReadTracking)?;
    let experiments = asked.experiment_ids.items("experiment_ids")?;
    let filter = asked.filter.or_empty("filter")?;
    let order = asked.order_by.items("order_by")?;
    let limit = match asked.max_results.optional("max_results")? {
        None => PAGE,
        Some(given) if given > MOST => return Err(Error::mistyped("max_results", &given.to_string(), "int")),
        Some(given) => super::size(given, u32::MAX)?,
    };
    let mut filter = filter::parse(Entity::Run, &filter)?;
    filter.iter_mut().for_each(relative);
    let search = Search {
        filter,
        order: order.iter().map(|text| filter::order(Entity::Run, text)).collect::<Result<_>>()?,
        lifecycle: super::view(asked.run_view_type),
        start: page::start(asked.page_token.optional("page_token")?.as_deref(), &order)?,
        limit,
        ..Search::default()
    };
    super::once(&search, &order)?;
    let experiments: Vec<_> = experiments.iter().map(|id| experiments::id(id)).collect::<Result<_>>()?;
    let found = door
        .read((door.project().clone(), experiments, search), |tx, a| {
            Box::pin(async move { tx.runs_page(&a.0, &a.1, &a.2).await })
        })
        .await?;
    let next_page_token = page::next(found.next, &order);
    Ok(Json(Found {
        runs: found.items.into_iter().map(|(run, data)| show::run(&run, data)).collect(),
        next_page_token,
    }))
}

/// Makes artifact URIs in a comparison relative to the root of all artifacts, which is what the store knows.
fn relative(comparison: &mut Comparison) {
    if comparison.field != FilterField::Attribute(Attribute::ArtifactPath) {
        return;
    }
    let strip = |text: &mut String| {
        if let Some(rest) = text.strip_prefix(URI) {
            *text = rest.to_owned();
        }
    };
    match &mut comparison.value {
        Value::Text(text) => strip(text),
        Value::List(texts) => texts.iter_mut().for_each(strip),
        Value::Integer(_) | Value::Integers(_) | Value::Number(_) | Value::None => {}
    }
}
