//! Searches: each reads what is asked into a [`windlass_kinds::filter::Search`], and shows a page of what is found.

pub(super) mod experiments;
pub(super) mod logged_models;
pub(super) mod model_versions;
pub(super) mod registered_models;
pub(super) mod runs;

use windlass_kinds::filter::{Comparison, Field, Lifecycle, Operator, Search, Value};

use super::{
    error::{Error, Result},
    wire,
};

/// The tag that marks a model as a prompt.
const PROMPT: &str = "mlflow.prompt.is_prompt";

/// Makes a search in the registry find prompts only where it asks for them: what lacks the tag is a model.
fn models_or_prompts(search: &mut Search) {
    let about = |comparison: &Comparison| comparison.field == Field::Tag(PROMPT.to_owned());
    let prompts = search.filter.iter().find(|comparison| about(comparison)).is_some_and(|comparison| {
        let is = |word: &str| matches!(&comparison.value, Value::Text(text) if text.eq_ignore_ascii_case(word));
        match comparison.operator {
            Operator::Equal => is("true"),
            Operator::NotEqual => is("false"),
            _ => false,
        }
    });
    if !prompts {
        search.filter.retain(|comparison| !about(comparison));
        search.without = Some((PROMPT.to_owned(), "true".to_owned()));
    }
}

/// Returns which records a view means: a word, or the number of one; anything else is the records that are active.
fn lifecycle(view: &str) -> Lifecycle {
    match view {
        "DELETED_ONLY" | "2" => Lifecycle::Deleted,
        "ALL" | "3" => Lifecycle::All,
        _ => Lifecycle::Active,
    }
}

/// Returns the view in a body.
fn view(field: wire::Field<String>) -> Lifecycle {
    match field {
        wire::Field::Is(text) | wire::Field::Mistyped(text, _) => lifecycle(&text),
        wire::Field::Absent => Lifecycle::Active,
    }
}

/// Refuses an order that names a field twice.
fn once(search: &Search, given: &[String]) -> Result<()> {
    let twice = search
        .order
        .iter()
        .enumerate()
        .any(|(place, order)| search.order[..place].iter().any(|earlier| earlier.field == order.field));
    if !twice {
        return Ok(());
    }
    let shown: Vec<String> = given.iter().map(|text| format!("'{text}'")).collect();
    Err(Error::invalid(format!("`order_by` contains duplicate fields: [{}]", shown.join(", "))))
}

/// Returns a page size that must be positive and at most `most`, in the words of the tracking store.
fn size(given: i64, most: u32) -> Result<u32> {
    if given <= 0 {
        return Err(Error::invalid(format!(
            "Invalid value {given} for parameter 'max_results' supplied. It must be a positive integer"
        )));
    }
    u32::try_from(given).ok().filter(|given| *given <= most).ok_or_else(|| {
        Error::invalid(format!("Invalid value {given} for parameter 'max_results' supplied. It must be at most {most}"))
    })
}
