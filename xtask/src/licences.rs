//! Whether everything linked in may be given away under our own licence's terms.

use anyhow::{Result, bail};

use crate::metadata::Metadata;

/// Licences that ask for no more than that their text comes along. MPL-2.0 and the like, which ask for more, are not
/// among them.
const PERMISSIVE: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unicode-DFS-2016",
    "Unlicense",
    "Zlib",
];

/// Checks every package that ends up in the binary or builds it.
pub(crate) fn run() -> Result<()> {
    let metadata = Metadata::read()?;
    let others = metadata.others_linked();
    let mut wrong = Vec::new();
    for package in &others {
        match package.license.as_deref() {
            None => wrong.push(format!("{} {} names no licence", package.name, package.version)),
            Some(expression) if !is_permissive(expression) => {
                wrong.push(format!("{} {} is under {expression}", package.name, package.version));
            }
            Some(_) => {}
        }
    }
    if !wrong.is_empty() {
        bail!("not permissive:\n{}", wrong.join("\n"));
    }
    println!("{} packages of others, all under permissive licences", others.len());
    Ok(())
}

/// Returns whether an SPDX expression can be met with permissive licences alone: one side of each OR, all sides of
/// each AND. `A/B` is how older packages wrote OR.
fn is_permissive(expression: &str) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    either(&words, &mut at) && at == words.len()
}

fn either(words: &[&str], at: &mut usize) -> bool {
    let mut fine = both(words, at);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        fine |= both(words, at);
    }
    fine
}

fn both(words: &[&str], at: &mut usize) -> bool {
    let mut fine = one(words, at);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        fine &= one(words, at);
    }
    fine
}

fn one(words: &[&str], at: &mut usize) -> bool {
    let Some(&word) = words.get(*at) else { return false };
    *at += 1;
    if word == "(" {
        let fine = either(words, at);
        let closed = words.get(*at) == Some(&")");
        *at += 1;
        return fine && closed;
    }
    if words.get(*at) == Some(&"WITH") {
        let exception = words.get(*at + 1).copied().unwrap_or_default();
        *at += 2;
        return PERMISSIVE.contains(&format!("{word} WITH {exception}").as_str()) || PERMISSIVE.contains(&word);
    }
    PERMISSIVE.contains(&word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions() {
        let cases = [
            ("MIT", true),
            ("MIT/Apache-2.0", true),
            ("MIT OR GPL-3.0", true),
            ("GPL-3.0", false),
            ("MIT AND GPL-3.0", false),
            ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
            ("(MIT OR Apache-2.0) AND GPL-2.0", false),
            ("Apache-2.0 WITH LLVM-exception OR GPL-2.0", true),
            ("GPL-2.0 OR (MIT AND (BSD-3-Clause OR GPL-3.0))", true),
            ("MPL-2.0", false),
            ("(MIT", false),
            ("MIT MIT", false),
            ("", false),
        ];
        for (expression, expected) in cases {
            assert_eq!(is_permissive(expression), expected, "{expression}");
        }
    }
}
