//! Finding traces, by either interface, and how two filters go together.

use axum::Json;
use serde::{Deserialize, Serialize};
use windlass_kinds::{
    ExperimentId,
    filter::{Comparison, Field as FilterField, Filter, Operator, Page, Search, SpanField, Value},
    record::Trace,
};
use windlass_plan::access::Operation;

use super::{
    info::Location,
    show::{self, OldInfo, TraceInfo},
};
use crate::mlflow::{
    door::Door,
    error::{Error, Result},
    experiments,
    filter::{self, Entity},
    page,
    wire::{Body, Field, List, Query},
};

/// How many traces a search shows unless it says otherwise.
const PAGE: i64 = 100;
/// How many it shows at most.
const MOST: i64 = 500;
/// The tag by which a filter asks for prompts.
const PROMPTS: &str = "mlflow.linkedPrompts";

/// Judges what only the store of MLflow judges.
fn judge(comparison: &Comparison) -> Result<()> {
    let Comparison { field, operator, value } = comparison;
    if *field != FilterField::Tag(PROMPTS.to_owned()) {
        return Ok(());
    }
    match (operator, value) {
        (Operator::Equal, Value::Text(text)) if text.matches('/').count() == 1 => Ok(()),
        (Operator::Equal, Value::Text(text)) => Err(Error::invalid(format!(
            "Invalid prompts filter value '{text}'. Expected format: prompt = \"name/version\""
        ))),
        (operator, _) => Err(Error::invalid(format!(
            "Invalid comparator '{}' for prompts filter. Only '=' is supported with format: prompt = \"name/version\"",
            word(*operator)
        ))),
    }
}

fn word(operator: Operator) -> &'static str {
    match operator {
        Operator::Equal => "=",
        Operator::NotEqual => "!=",
        Operator::Less => "<",
        Operator::LessOrEqual => "<=",
        Operator::Greater => ">",
        Operator::GreaterOrEqual => ">=",
        Operator::Like => "LIKE",
        Operator::ILike => "ILIKE",
        Operator::RLike => "RLIKE",
        Operator::In => "IN",
        Operator::NotIn => "NOT IN",
        Operator::IsNull => "IS NULL",
        Operator::IsNotNull => "IS NOT NULL",
    }
}

pub(super) fn parse(text: &str) -> Result<Filter> {
    let filter = filter::parse(Entity::Trace, text)?;
    filter.iter().try_for_each(judge)?;
    Ok(filter)
}

/// Returns whether a search needs to look into every span, which says much of what it costs.
fn is_text(comparison: &Comparison) -> bool {
    matches!(comparison.field, FilterField::Span(SpanField::Content | SpanField::Attribute(_)))
}

/// What a search asks for.
struct Asked {
    experiments: Vec<String>,
    filter: String,
    limit: Option<i64>,
    order: Vec<String>,
    token: Option<String>,
}

async fn find(door: &Door, asked: Asked) -> Result<(Vec<Trace>, Option<String>)> {
    let limit = asked.limit.unwrap_or(PAGE);
    if limit > MOST {
        return Err(Error::mistyped("max_results", &limit.to_string(), "int"));
    }
    if limit <= 0 {
        return Err(Error::invalid(format!(
            "Invalid value {limit} for parameter 'max_results' supplied. It must be a positive integer"
        )));
    }
    let order = asked.order.iter().map(|text| filter::order(Entity::Trace, text)).collect::<Result<_>>()?;
    let search = Search {
        filter: parse(&asked.filter)?,
        order,
        start: page::start(asked.token.as_deref(), &asked.order)?,
        limit: u32::try_from(limit).unwrap_or(u32::MAX),
        ..Search::default()
    };
    if search.filter.iter().filter(|comparison| is_text(comparison)).count() > 10 {
        return Err(Error::invalid("The filter looks into the text of spans more than 10 times."));
    }
    let experiments = asked.experiments.iter().map(|id| experiments::id(id)).collect::<Result<Vec<ExperimentId>>>()?;
    if experiments.is_empty() {
        return Ok((Vec::new(), None));
    }
    let Page { items, next } = door
        .read((door.project().clone(), experiments, search), |tx, a| {
            Box::pin(async move { tx.traces_search(&a.0, &a.1, &a.2).await })
        })
        .await?;
    Ok((items, page::next(next, &asked.order)))
}

#[derive(Deserialize)]
pub(in super::super) struct SearchBody {
    #[serde(default)]
    locations: Option<Vec<Location>>,
    #[serde(default)]
    filter: Field<String>,
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
    traces: Vec<TraceInfo>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

pub(in super::super) async fn search(door: Door, Body(body): Body<SearchBody>) -> Result<Json<Found>> {
    door.may(Operation::ReadTracking)?;
    let locations = body.locations.ok_or_else(|| Error::required("locations"))?;
    let inside = locations.into_iter().filter_map(|location| location.mlflow_experiment);
    let asked = Asked {
        experiments: inside.map(|inside| inside.experiment_id).collect(),
        filter: body.filter.or_empty("filter")?,
        limit: body.max_results.optional("max_results")?,
        order: body.order_by.items("order_by")?,
        token: body.page_token.optional("page_token")?,
    };
    let (found, next_page_token) = find(&door, asked).await?;
    Ok(Json(Found { traces: found.into_iter().map(show::info).collect(), next_page_token }))
}

#[derive(Serialize)]
pub(in super::super) struct OldFound {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    traces: Vec<OldInfo>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

pub(in super::super) async fn search_old(door: Door, query: Query) -> Result<Json<OldFound>> {
    door.may(Operation::ReadTracking)?;
    let owned = |list: Vec<&str>| list.into_iter().map(str::to_owned).collect::<Vec<_>>();
    let experiments = owned(query.all("experiment_ids"));
    if experiments.is_empty() {
        return Err(Error::required("experiment_ids"));
    }
    let limit = query.integer("max_results")?;
    if let Some(limit) = limit.filter(|limit| *limit > MOST) {
        return Err(Error::mistyped("max_results", &format!("\"{limit}\""), "str"));
    }
    let asked = Asked {
        experiments,
        filter: query.get("filter").unwrap_or_default().to_owned(),
        limit,
        order: owned(query.all("order_by")),
        token: query.get("page_token").map(str::to_owned),
    };
    let (found, next_page_token) = find(&door, asked).await?;
    Ok(Json(OldFound { traces: found.into_iter().map(show::old).collect(), next_page_token }))
}

#[derive(Deserialize)]
pub(in super::super) struct CorrelationBody {
    #[serde(default)]
    experiment_ids: List<String>,
    #[serde(default)]
    filter_string1: Field<String>,
    #[serde(default)]
    filter_string2: Field<String>,
    #[serde(default)]
    base_filter: Field<String>,
}

/// How two filters go together: -1 never, 0 as by chance, 1 always.
#[derive(Serialize)]
pub(in super::super) struct Correlation {
    #[serde(skip_serializing_if = "Option::is_none")]
    npmi: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    npmi_smoothed: Option<f64>,
    filter1_count: u64,
    filter2_count: u64,
    joint_count: u64,
    total_count: u64,
}

pub(in super::super) async fn correlation(door: Door, Body(body): Body<CorrelationBody>) -> Result<Json<Correlation>> {
    door.may(Operation::ReadTracking)?;
    let experiments = body.experiment_ids.items("experiment_ids")?;
    if experiments.is_empty() {
        return Err(Error::required("experiment_ids"));
    }
    let experiments = experiments.iter().map(|id| experiments::id(id)).collect::<Result<Vec<ExperimentId>>>()?;
    let first = parse(&body.filter_string1.text("filter_string1")?)?;
    let second = parse(&body.filter_string2.text("filter_string2")?)?;
    let base = parse(&body.base_filter.or_empty("base_filter")?)?;
    let [total, first, second, joint] = door
        .read((door.project().clone(), experiments, base, first, second), |tx, a| {
            Box::pin(async move {
                Ok([
                    tx.traces_count(&a.0, &a.1, &[&a.2]).await?,
                    tx.traces_count(&a.0, &a.1, &[&a.2, &a.3]).await?,
                    tx.traces_count(&a.0, &a.1, &[&a.2, &a.4]).await?,
                    tx.traces_count(&a.0, &a.1, &[&a.2, &a.3, &a.4]).await?,
                ])
            })
        })
        .await?;
    let (npmi, npmi_smoothed) = npmi(joint, first, second, total).unzip();
    Ok(Json(Correlation {
        npmi,
        npmi_smoothed,
        filter1_count: first,
        filter2_count: second,
        joint_count: joint,
        total_count: total,
    }))
}

/// Returns the normalized pointwise mutual information of two events, plain and smoothed by half an observation in each
/// of the four cases (Jeffreys' prior); none where one never happens.
fn npmi(joint: u64, first: u64, second: u64, total: u64) -> Option<(f64, f64)> {
    if total == 0 || first == 0 || second == 0 {
        return None;
    }
    let count = |count: u64| count as f64;
    let cases = [
        count(joint),
        count(first.checked_sub(joint)?),
        count(second.checked_sub(joint)?),
        count((total + joint).checked_sub(first + second)?),
    ];
    let plain = if joint == 0 { -1.0 } else { mutual(cases, 0.0) };
    Some((plain, mutual(cases, 0.5)))
}

fn mutual(cases: [f64; 4], smoothing: f64) -> f64 {
    let [both, first, second, neither] = cases.map(|count| count + smoothing);
    let all = both + first + second + neither;
    if both >= all {
        return 1.0;
    }
    let (both, first, second) = (both / all, (both + first) / all, (both + second) / all);
    ((both / (first * second)).ln() / -both.ln()).clamp(-1.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_go_together_between_never_and_always() {
        for (joint, first, second, total, expected) in [
            (1, 2, 1, 5, Some((0.569_323_441_926_606_9, 0.363_281_891_310_669_96))),
            (1, 2, 1, 4, Some((0.5, 0.292_481_250_360_578_1))),
            (0, 2, 0, 5, None),
            (0, 0, 0, 0, None),
            (5, 5, 5, 5, Some((1.0, 0.163))),
            (0, 2, 3, 5, Some((-1.0, -0.8))),
        ] {
            let found = npmi(joint, first, second, total);
            assert_eq!(found.is_some(), expected.is_some());
            if let (Some(found), Some(expected)) = (found, expected) {
                assert!((found.0 - expected.0).abs() < 1e-12, "{found:?}");
                assert!((-1.0..=1.0).contains(&found.1), "{found:?}");
                assert!(total == 5 && joint != 1 || (found.1 - expected.1).abs() < 1e-12, "{found:?}");
            }
        }
    }
}
