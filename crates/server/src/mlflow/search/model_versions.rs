//! `model-versions/search`.

use std::collections::BTreeMap;

use axum::Json;
use serde::Serialize;
use windlass_kinds::{
    filter::{Attribute, Field as FilterField, Order, Search},
    record::RegisteredModel,
};
use windlass_plan::access::Operation;

use super::super::{
    door::Door,
    error::{Error, Result},
    filter::{self, Entity},
    model_versions::listed,
    page,
    show::{self, VersionOut},
    wire::Query,
};

/// How many versions a search shows unless it says otherwise, and at most.
const PAGE: (i64, i64) = (10_000, 200_000);

#[derive(Serialize)]
pub(in super::super) struct Found {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    model_versions: Vec<VersionOut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

pub(in super::super) async fn search(door: Door, query: Query) -> Result<Json<Found>> {
    door.may(Operation::ReadContent)?;
    let size = query.integer("max_results")?.unwrap_or(PAGE.0);
    if size > PAGE.1 {
        return Err(Error::mistyped("max_results", &format!("\"{size}\""), "str"));
    }
    if size <= 0 {
        return Err(Error::invalid(format!(
            "Invalid value for max_results. It must be a positive integer, but got {size}"
        )));
    }
    let order: Vec<String> = query.all("order_by").into_iter().map(str::to_owned).collect();
    let mut search = Search {
        filter: filter::parse(Entity::Version, query.get("filter").unwrap_or_default())?,
        order: order.iter().map(|text| filter::order(Entity::Version, text)).collect::<Result<_>>()?,
        start: page::start(query.get("page_token"), &order)?,
        limit: u32::try_from(size).unwrap_or(u32::MAX),
        ..Search::default()
    };
    super::once(&search, &order)?;
    if !search.order.is_empty() {
        // Behind an order of one's own come the names, and the newest numbers first.
        for (attribute, ascending) in [(Attribute::Name, true), (Attribute::Version, false)] {
            let field = FilterField::Attribute(attribute);
            if search.order.iter().all(|order| order.field != field) {
                search.order.push(Order { field, ascending });
            }
        }
    }
    super::models_or_prompts(&mut search);
    let (mut versions, next) = door
        .read((door.project().clone(), search), |tx, a| {
            Box::pin(async move {
                let page = tx.model_versions_page(&a.0, &a.1).await?;
                let mut models: BTreeMap<String, RegisteredModel> = BTreeMap::new();
                let mut found = Vec::with_capacity(page.items.len());
                for version in page.items {
                    if !models.contains_key(&version.model) {
                        let model = tx.registered_model_find(&a.0, &version.model).await?;
                        models.insert(version.model.clone(), model);
                    }
                    found.push((models[&version.model].clone(), version));
                }
                Ok((found, page.next))
            })
        })
        .await?;
    versions.retain(|(_, version)| listed(&door, version));
    let model_versions = versions.into_iter().map(|(model, version)| show::version(version, &model)).collect();
    Ok(Json(Found { model_versions, next_page_token: page::next(next, &order) }))
}
