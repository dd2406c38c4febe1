//! The beginning of what was asked and answered, as lists of traces show it.

use super::any::Any;

/// The longest preview, in characters.
const MOST: usize = 1000;

/// Returns a preview of the JSON `text`: of a chat the last message of `role`, of anything else its beginning.
pub(super) fn preview(text: &str, role: &str) -> String {
    let said = Any::parse(text).and_then(|value| {
        let messages = messages(&value)?;
        let message = messages.iter().rev().find(|message| is_of(message, role)).or(messages.last())?;
        content(message)
    });
    let said = said.filter(|said| !said.is_empty()).unwrap_or_else(|| text.to_owned());
    match said.char_indices().nth(MOST) {
        None => said,
        Some(_) => said.chars().take(MOST - 3).chain("...".chars()).collect(),
    }
}

fn is_of(message: &Any, role: &str) -> bool {
    message.get("role").and_then(Any::text) == Some(role)
}

fn is_message(value: &&Any) -> bool {
    value.get("role").is_some() && value.get("content").is_some()
}

fn list(value: Option<&Any>) -> Option<&[Any]> {
    match value {
        Some(Any::List(items)) if !items.is_empty() => Some(items),
        _ => None,
    }
}

/// Returns the messages of a chat, in whichever of the usual places they are.
fn messages(value: &Any) -> Option<Vec<&Any>> {
    if let Some(items) = list(value.get("messages")) {
        return Some(items.iter().filter(is_message).collect());
    }
    let answer = list(value.get("choices")).and_then(|choices| choices.first()).and_then(|first| first.get("message"));
    if let Some(message) = answer.filter(is_message) {
        return Some(vec![message]);
    }
    for key in ["input", "output"] {
        if let Some(items) = list(value.get(key)) {
            return Some(items.iter().filter(is_message).collect());
        }
    }
    messages(value.get("request")?)
}

fn content(message: &Any) -> Option<String> {
    match message.get("content")? {
        Any::Text(text) => Some(text.clone()),
        Any::List(parts) => parts.iter().find_map(|part| match part {
            Any::Text(text) => Some(text.clone()),
            part if matches!(part.get("type").and_then(Any::text), Some("text" | "output_text")) => {
                part.get("text").and_then(Any::text).map(str::to_owned)
            }
            _ => None,
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn previews_show_what_was_said() {
        let long = format!("\"{}\"", "ä".repeat(2000));
        for (text, role, shown) in [
            ("4", "user", "4".to_owned()),
            (r#"{"x": 3}"#, "user", r#"{"x": 3}"#.to_owned()),
            ("no JSON", "user", "no JSON".to_owned()),
            (
                r#"{"messages": [{"role": "user", "content": "a"}, {"role": "tool", "content": "b"}]}"#,
                "user",
                "a".to_owned(),
            ),
            (r#"{"messages": [{"role": "tool", "content": "b"}]}"#, "user", "b".to_owned()),
            (r#"{"messages": [1]}"#, "user", r#"{"messages": [1]}"#.to_owned()),
            (r#"{"choices": [{"message": {"role": "assistant", "content": "hey"}}]}"#, "assistant", "hey".to_owned()),
            (
                r#"{"request": {"input": [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "t"}]}]}}"#,
                "user",
                "t".to_owned(),
            ),
            (&long, "user", format!("\"{}...", "ä".repeat(996))),
        ] {
            assert_eq!(preview(text, role), shown, "{text}");
        }
    }
}
