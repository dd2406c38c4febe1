//! `experiments/search`, asked in a body or in the query.

use axum::Json;
use serde::{Deserialize, Serialize};
use windlass_kinds::filter::{Attribute, Field as FilterField, Lifecycle, Order, Search};
use windlass_plan::access::Operation;

use super::super::{
    door::Door,
    error::Result,
    experiments::ensure_default,
    filter::{self, Entity},
    page,
    show::{self, ExperimentOut},
    wire::{Body, Field, List, Query},
};

/// How many experiments a search shows at most.
const MOST: u32 = 50_000;

#[derive(Deserialize)]
pub(in super::super) struct Asked {
    #[serde(default)]
    max_results: Field<i64>,
    #[serde(default)]
    page_token: Field<String>,
    #[serde(default)]
    filter: Field<String>,
    #[serde(default)]
    order_by: List<String>,
    #[serde(default)]
    view_type: Field<String>,
}

#[derive(Serialize)]
pub(in super::super) struct Found {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    experiments: Vec<ExperimentOut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

pub(in super::super) async fn search(door: Door, Body(asked): Body<Asked>) -> Result<Json<Found>> {
    let filter = asked.filter.or_empty("filter")?;
    let order = asked.order_by.items("order_by")?;
    let token = asked.page_token.optional("page_token")?;
    let size = asked.max_results.optional("max_results")?;
    find(&door, &filter, &order, super::view(asked.view_type), token.as_deref(), size).await
}

pub(in super::super) async fn search_get(door: Door, query: Query) -> Result<Json<Found>> {
    let order: Vec<String> = query.all("order_by").into_iter().map(str::to_owned).collect();
    let (view, token) = (super::lifecycle(query.get("view_type").unwrap_or_default()), query.get("page_token"));
    let size = query.integer("max_results")?;
    find(&door, query.get("filter").unwrap_or_default(), &order, view, token, size).await
}

async fn find(
    door: &Door,
    filter: &str,
    order: &[String],
    lifecycle: Lifecycle,
    token: Option<&str>,
    size: Option<i64>,
) -> Result<Json<Found>> {
    door.may(Operation::ReadTracking)?;
    // An absent size is 0 to MLflow, and refused.
    let limit = super::size(size.unwrap_or(0), MOST)?;
    let mut search = Search {
        filter: filter::parse(Entity::Experiment, filter)?,
        order: order.iter().map(|text| filter::order(Entity::Experiment, text)).collect::<Result<_>>()?,
        lifecycle,
        start: page::start(token, order)?,
        limit,
        ..Search::default()
    };
    let id = FilterField::Attribute(Attribute::Id);
    if !order.is_empty() && search.order.iter().all(|order| order.field != id) {
        search.order.push(Order { field: id, ascending: false });
    }
    ensure_default(door).await?;
    let found = door
        .read((door.project().clone(), search), |tx, a| Box::pin(async move { tx.experiments_page(&a.0, &a.1).await }))
        .await?;
    let next_page_token = page::next(found.next, order);
    Ok(Json(Found { experiments: found.items.into_iter().map(show::experiment).collect(), next_page_token }))
}
