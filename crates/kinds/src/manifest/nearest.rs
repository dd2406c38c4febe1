//! "Did you mean": the word someone had in mind.

/// Texts longer than this are no misspelt words; comparing them is a waste.
const WORD_MAX: usize = 64;

/// The most options compared with a word.
const OPTIONS_MAX: usize = 1000;

/// Returns the option nearest to `word`, where one is near enough to be meant.
pub(super) fn nearest<'a>(word: &str, options: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > WORD_MAX {
        return None;
    }
    let plain = plain(word);
    let allowed = (plain.chars().count() / 3).max(1);
    options
        .into_iter()
        .take(OPTIONS_MAX)
        .filter(|option| option.len() <= WORD_MAX)
        .map(|option| (strsim::damerau_levenshtein(&plain, &self::plain(option)), option))
        .filter(|(distance, option)| *distance <= allowed && *distance < option.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, option)| option)
}

/// Returns the remedy for a misspelt `word`: `did you mean …?`.
pub fn did_you_mean<'a>(word: &str, options: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(word, options).map(|option| format!("did you mean `{option}`?"))
}

/// Returns the text without what people vary: case, hyphens, underscores.
fn plain(text: &str) -> String {
    text.chars().filter(|character| !matches!(character, '-' | '_')).flat_map(char::to_lowercase).collect()
}

/// Returns the words as a list for people: `a, b or c`.
pub(super) fn either<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let words: Vec<&str> = words.into_iter().collect();
    match words.as_slice() {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_found() {
        let fields = ["inputs", "outputs", "extraColumns", "uri"];
        for (word, meant) in [
            ("input", Some("inputs")),
            ("ouputs", Some("outputs")),
            ("extra_columns", Some("extraColumns")),
            ("url", Some("uri")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, fields), meant, "{word}");
        }
        assert_eq!(either(["a", "b", "c"]), "a, b or c");
    }
}
