//! `registered-models/search`.

use axum::Json;
use serde::Serialize;
use windlass_kinds::filter::Search;
use windlass_plan::access::Operation;

use super::super::{
    door::Door,
    error::{Error, Result},
    filter::{self, Entity},
    model_versions::listed,
    page,
    show::{self, ModelOut},
    stages::latest_of_each,
    wire::Query,
};

/// How many models a search shows unless it says otherwise, and at most.
const PAGE: (i64, i64) = (100, 1000);

#[derive(Serialize)]
pub(in super::super) struct Found {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    registered_models: Vec<ModelOut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

pub(in super::super) async fn search(door: Door, query: Query) -> Result<Json<Found>> {
    door.may(Operation::ReadContent)?;
    let size = query.integer("max_results")?.unwrap_or(PAGE.0);
    if size > PAGE.1 {
        return Err(Error::mistyped("max_results", &format!("\"{size}\""), "str"));
    }
    let order: Vec<String> = query.all("order_by").into_iter().map(str::to_owned).collect();
    let mut search = Search {
        filter: filter::parse(Entity::Model, query.get("filter").unwrap_or_default())?,
        order: order.iter().map(|text| filter::order(Entity::Model, text)).collect::<Result<_>>()?,
        start: page::start(query.get("page_token"), &order)?,
        // None are asked for with 0, and none with less.
        limit: u32::try_from(size).unwrap_or(0),
        ..Search::default()
    };
    super::once(&search, &order)?;
    super::models_or_prompts(&mut search);
    let (found, next) = door
        .read((door.project().clone(), search), |tx, a| {
            Box::pin(async move {
                let page = tx.registered_models_page(&a.0, &a.1).await?;
                let mut found = Vec::with_capacity(page.items.len());
                for model in page.items {
                    let versions = tx.model_versions_of(&a.0, &model.name).await?;
                    found.push((model, versions));
                }
                Ok((found, page.next))
            })
        })
        .await?;
    let registered_models = found
        .into_iter()
        .map(|(model, versions)| {
            let seen = versions.into_iter().filter(|version| listed(&door, version)).collect();
            show::model(model, latest_of_each(seen))
        })
        .collect();
    Ok(Json(Found { registered_models, next_page_token: page::next(next, &order) }))
}
