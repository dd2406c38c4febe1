//! `logged-models/search`.

use axum::Json;
use serde::{Deserialize, Serialize};
use windlass_kinds::filter::{Field as FilterField, OnDataset, Order, Search};
use windlass_plan::access::Operation;

use super::super::{
    door::Door,
    error::{Error, Result},
    experiments,
    filter::{self, Entity},
    page,
    show::{self, LoggedModelOut},
    wire::{Body, Field, List},
};

/// How many models a search shows unless it says otherwise.
const PAGE: u32 = 100;
/// How many models a search shows at most. MLflow knows no limit here; a larger number is taken as this one.
const MOST: i64 = 50_000;

#[derive(Deserialize)]
pub(in super::super) struct Asked {
    #[serde(default)]
    experiment_ids: List<String>,
    #[serde(default)]
    filter: Field<String>,
    #[serde(default)]
    datasets: List<DatasetAsked>,
    #[serde(default)]
    max_results: Field<i64>,
    #[serde(default)]
    order_by: List<OrderAsked>,
    #[serde(default)]
    page_token: Field<String>,
}

#[derive(Deserialize)]
pub(in super::super) struct DatasetAsked {
    #[serde(default)]
    dataset_name: Field<String>,
    #[serde(default)]
    dataset_digest: Field<String>,
}

impl DatasetAsked {
    /// Returns the dataset; none where its name is empty.
    fn on(self) -> Result<Option<OnDataset>> {
        let name = self.dataset_name.or_empty("dataset_name")?;
        let digest = self.dataset_digest.optional("dataset_digest")?.filter(|digest| !digest.is_empty());
        Ok((!name.is_empty()).then_some(OnDataset { name, digest }))
    }
}

#[derive(Deserialize)]
pub(in super::super) struct OrderAsked {
    #[serde(default)]
    field_name: Field<String>,
    #[serde(default)]
    ascending: Field<bool>,
    #[serde(flatten)]
    dataset: DatasetAsked,
}

impl OrderAsked {
    fn order(self) -> Result<Order> {
        let name = self.field_name.or_empty("order_by.field_name")?;
        let ascending = self.ascending.optional("order_by.ascending")?.unwrap_or(true);
        let field = match (name.split_once('.'), self.dataset.on()?) {
            // Keys of metrics need no quotes here.
            (Some(("metrics", key)), None) => FilterField::Metric(key.to_owned()),
            (Some(("metrics", key)), Some(on)) => FilterField::MetricOn(key.to_owned(), on),
            (Some(_), _) => {
                return Err(Error::invalid(format!(
                    "Invalid order by field name: {name}. Only metrics are supported."
                )));
            }
            (None, _) => filter::logged_model_column(&name)
                .ok_or_else(|| Error::invalid(format!("Invalid order by field name: {name}")))?,
        };
        Ok(Order { field, ascending })
    }
}

#[derive(Serialize)]
pub(in super::super) struct Found {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    models: Vec<LoggedModelOut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

pub(in super::super) async fn search(door: Door, Body(asked): Body<Asked>) -> Result<Json<Found>> {
    door.may(Operation::ReadTracking)?;
    let experiments = asked.experiment_ids.required("experiment_ids")?;
    let filter = asked.filter.or_empty("filter")?;
    let mut on = Vec::new();
    for dataset in asked.datasets.items("datasets")? {
        let unnamed = || Error::invalid("`dataset_name` in the `datasets` clause must be specified.");
        on.push(dataset.on()?.ok_or_else(unnamed)?);
    }
    let order: Vec<Order> =
        asked.order_by.items("order_by")?.into_iter().map(OrderAsked::order).collect::<Result<_>>()?;
    let size = asked.max_results.optional("max_results")?.filter(|size| *size != 0);
    // A page goes on with the search that it is of.
    let of = [experiments.join(","), filter.clone(), format!("{order:?}")];
    let search = Search {
        filter: filter::parse(Entity::LoggedModel, &filter)?,
        on,
        order,
        start: page::start(asked.page_token.optional("page_token")?.as_deref(), &of)?,
        limit: size.map_or(PAGE, |size| u32::try_from(size.clamp(0, MOST)).unwrap_or(PAGE)),
        ..Search::default()
    };
    let experiments: Vec<_> = experiments.iter().map(|id| experiments::id(id)).collect::<Result<_>>()?;
    let (found, next) = door
        .read((door.project().clone(), experiments, search), |tx, a| {
            Box::pin(async move {
                let page = tx.logged_models_page(&a.0, &a.1, &a.2).await?;
                let mut found = Vec::with_capacity(page.items.len());
                for model in page.items {
                    let metrics = tx.logged_model_metrics(&model.id).await?;
                    found.push((model, metrics));
                }
                Ok((found, page.next))
            })
        })
        .await?;
    let models = found.into_iter().map(|(model, metrics)| show::logged_model(model, metrics)).collect();
    Ok(Json(Found { models, next_page_token: page::next(next, &of) }))
}
