//! What other conventions call what MLflow has its own attributes for: tokens, models, what was asked and answered.
//!
//! Frameworks trace themselves by the conventions of OpenTelemetry (`gen_ai.*`), OpenInference or Traceloop. A span that
//! comes with their attributes gets MLflow's beside them, so that totals, filters and the page need to know only these.
//! Which attribute means which follows MLflow's own translation.

use super::any::Any;

/// What one convention calls things.
struct Convention {
    /// The attribute with the type, and what its values mean.
    kind: (&'static str, &'static [(&'static str, &'static str)]),
    inputs: &'static [&'static str],
    outputs: &'static [&'static str],
    input_tokens: &'static str,
    output_tokens: &'static str,
    total_tokens: &'static str,
    cache_read: &'static str,
    cache_write: &'static [&'static str],
    model: &'static [&'static str],
    provider: &'static str,
}

const CONVENTIONS: [Convention; 3] = [
    // OpenInference.
    Convention {
        kind: (
            "openinference.span.kind",
            &[
                ("TOOL", "TOOL"),
                ("CHAIN", "CHAIN"),
                ("LLM", "LLM"),
                ("RETRIEVER", "RETRIEVER"),
                ("EMBEDDING", "EMBEDDING"),
                ("AGENT", "AGENT"),
                ("RERANKER", "RERANKER"),
                ("UNKNOWN", "UNKNOWN"),
                ("GUARDRAIL", "GUARDRAIL"),
                ("EVALUATOR", "EVALUATOR"),
            ],
        ),
        inputs: &["input.value"],
        outputs: &["output.value"],
        input_tokens: "llm.token_count.prompt",
        output_tokens: "llm.token_count.completion",
        total_tokens: "llm.token_count.total",
        cache_read: "llm.token_count.prompt_details.cache_read",
        cache_write: &["llm.token_count.prompt_details.cache_write"],
        model: &["llm.response.model_name", "llm.model_name", "llm.request.model_name", "embedding.model_name"],
        provider: "llm.provider",
    },
    // OpenTelemetry's conventions for generative models.
    Convention {
        kind: (
            "gen_ai.operation.name",
            &[
                ("chat", "CHAT_MODEL"),
                ("create_agent", "AGENT"),
                ("embeddings", "EMBEDDING"),
                ("execute_tool", "TOOL"),
                ("generate_content", "LLM"),
                ("invoke_agent", "AGENT"),
                ("text_completion", "LLM"),
                ("response", "LLM"),
            ],
        ),
        inputs: &["gen_ai.input.messages", "gen_ai.tool.call.arguments"],
        outputs: &["gen_ai.output.messages", "gen_ai.tool.call.result"],
        input_tokens: "gen_ai.usage.input_tokens",
        output_tokens: "gen_ai.usage.output_tokens",
        total_tokens: "",
        cache_read: "gen_ai.usage.cache_read.input_tokens",
        cache_write: &["gen_ai.usage.cache_write.input_tokens", "gen_ai.usage.cache_creation.input_tokens"],
        model: &["gen_ai.response.model", "gen_ai.request.model"],
        provider: "gen_ai.provider.name",
    },
    // Traceloop.
    Convention {
        kind: (
            "traceloop.span.kind",
            &[("workflow", "WORKFLOW"), ("task", "TASK"), ("agent", "AGENT"), ("tool", "TOOL"), ("unknown", "UNKNOWN")],
        ),
        inputs: &["traceloop.entity.input"],
        outputs: &["traceloop.entity.output"],
        input_tokens: "gen_ai.usage.prompt_tokens",
        output_tokens: "gen_ai.usage.completion_tokens",
        total_tokens: "llm.usage.total_tokens",
        cache_read: "",
        cache_write: &[],
        model: &[],
        provider: "gen_ai.system",
    },
];

/// Returns an attribute that has something in it.
fn find<'a>(attributes: &'a [(String, String)], key: &str) -> Option<&'a str> {
    let (_, json) = attributes.iter().find(|(name, _)| name == key)?;
    (!matches!(json.as_str(), "null" | "\"\"" | "{}" | "[]")).then_some(json)
}

fn first<'a>(attributes: &'a [(String, String)], keys: &[&str]) -> Option<&'a str> {
    keys.iter().find_map(|key| find(attributes, key))
}

fn count(attributes: &[(String, String)], keys: &[&str]) -> Option<i64> {
    match Any::parse(first(attributes, keys)?)? {
        Any::Int(count) => Some(count),
        Any::Text(text) => text.parse().ok(),
        _ => None,
    }
}

fn tokens(attributes: &[(String, String)]) -> Option<String> {
    CONVENTIONS.iter().find_map(|convention| {
        let input = count(attributes, &[convention.input_tokens]);
        let output = count(attributes, &[convention.output_tokens]);
        let total = count(attributes, &[convention.total_tokens])
            .or_else(|| input.zip(output).map(|(input, output)| input.saturating_add(output)));
        let counted = [
            ("input_tokens", input),
            ("output_tokens", output),
            ("total_tokens", total),
            ("cache_read_input_tokens", count(attributes, &[convention.cache_read])),
            ("cache_creation_input_tokens", count(attributes, convention.cache_write)),
        ];
        if input.is_none() && output.is_none() && total.is_none() {
            return None;
        }
        let entries = counted.into_iter().filter_map(|(key, count)| Some((key.to_owned(), Any::Int(count?))));
        Some(Any::Map(entries.collect()).json())
    })
}

fn kind(attributes: &[(String, String)]) -> Option<String> {
    CONVENTIONS.iter().find_map(|convention| {
        let (key, meanings) = convention.kind;
        let said = Any::parse(find(attributes, key)?)?;
        let (_, meant) = meanings.iter().find(|(word, _)| Some(*word) == said.text())?;
        Some(format!("\"{meant}\""))
    })
}

/// Returns the model that the inputs or outputs name.
fn model_within(attributes: &[(String, String)]) -> Option<String> {
    [super::span::INPUTS, super::span::OUTPUTS].iter().find_map(|key| {
        let value = Any::parse(find(attributes, key)?)?;
        Some(Any::Text(value.get("model")?.text()?.to_owned()).json())
    })
}

/// Adds MLflow's attributes where those of a convention say the same. Attributes are JSON as text.
pub(super) fn translate(attributes: &mut Vec<(String, String)>) {
    let mut add = |key: &str, value: fn(&[(String, String)]) -> Option<String>| {
        if attributes.iter().all(|(name, _)| name != key)
            && let Some(value) = value(attributes)
        {
            attributes.push((key.to_owned(), value));
        }
    };
    add("mlflow.spanType", kind);
    add(super::span::INPUTS, |all| CONVENTIONS.iter().find_map(|known| first(all, known.inputs)).map(str::to_owned));
    add(super::span::OUTPUTS, |all| CONVENTIONS.iter().find_map(|known| first(all, known.outputs)).map(str::to_owned));
    add("mlflow.chat.tokenUsage", tokens);
    add("mlflow.llm.model", |all| {
        CONVENTIONS.iter().find_map(|known| first(all, known.model)).map(str::to_owned).or_else(|| model_within(all))
    });
    add("mlflow.llm.provider", |all| CONVENTIONS.iter().find_map(|known| find(all, known.provider)).map(str::to_owned));
    // A type that the client did not choose gives way.
    if let Some(kind) = kind(attributes)
        && let Some((_, found)) =
            attributes.iter_mut().find(|(key, found)| key == "mlflow.spanType" && found == "\"UNKNOWN\"")
    {
        *found = kind;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_conventions_get_mlflows_attributes() {
        for (given, added) in [
            (vec![("a", "1")], vec![]),
            (
                vec![("gen_ai.operation.name", "\"chat\""), ("gen_ai.request.model", "\"m\"")],
                vec![("mlflow.spanType", "\"CHAT_MODEL\""), ("mlflow.llm.model", "\"m\"")],
            ),
            (
                vec![("gen_ai.usage.input_tokens", "3"), ("gen_ai.usage.output_tokens", "\"4\"")],
                vec![("mlflow.chat.tokenUsage", r#"{"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}"#)],
            ),
            (
                vec![("openinference.span.kind", "\"LLM\""), ("input.value", "\"hi\""), ("llm.provider", "\"p\"")],
                vec![("mlflow.spanType", "\"LLM\""), ("mlflow.spanInputs", "\"hi\""), ("mlflow.llm.provider", "\"p\"")],
            ),
            (vec![("mlflow.spanInputs", r#"{"model": "m"}"#)], vec![("mlflow.llm.model", "\"m\"")]),
        ] {
            let pairs = |list: &[(&str, &str)]| -> Vec<(String, String)> {
                list.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
            };
            let mut attributes = pairs(&given);
            translate(&mut attributes);
            assert_eq!(attributes[given.len()..], pairs(&added), "{given:?}");
        }
        let mut chosen = vec![
            ("mlflow.spanType".to_owned(), "\"UNKNOWN\"".to_owned()),
            ("traceloop.span.kind".to_owned(), "\"tool\"".to_owned()),
        ];
        translate(&mut chosen);
        assert_eq!(chosen[0].1, "\"TOOL\"");
    }
}
