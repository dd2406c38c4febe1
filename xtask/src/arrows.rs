//! Which crate may use which: the table of ARCHITECTURE.md, held against what cargo sees.
//!
//! The direction of these arrows is the architecture. A new crate, or a new arrow, is a decision: it is made here and
//! in ARCHITECTURE.md, together.

use std::collections::BTreeMap;

use anyhow::{Result, bail};

use crate::metadata::Metadata;

/// Each crate, without `windlass-`, and the ones it may use. `cli` wires everything and may use all.
const ARROWS: &[(&str, &[&str])] = &[
    ("kinds", &[]),
    ("net", &["kinds"]),
    ("scan", &["kinds"]),
    ("plan", &["kinds"]),
    ("data", &["kinds", "net", "scan"]),
    ("oci", &["kinds", "net", "scan"]),
    ("store", &["kinds"]),
    ("api", &["kinds", "net"]),
    ("infer", &["kinds", "scan"]),
    ("control", &["kinds", "plan", "render", "data", "oci", "store"]),
    ("render", &["kinds", "plan"]),
    ("serve", &["kinds", "net", "scan", "api", "data", "infer"]),
    ("ingest", &["kinds", "net", "scan", "oci", "data", "infer"]),
    ("local", &["kinds", "plan", "control", "data", "oci", "scan", "api", "net", "serve", "ingest"]),
    ("cluster", &["kinds", "plan", "control", "render", "api", "net"]),
    ("migrate", &["kinds", "net", "api", "oci"]),
    ("server", &["kinds", "plan", "control", "store", "oci", "api", "net", "scan", "data"]),
];

/// Crates that hold no product code: what they use is free, and only tests may use them.
const HELPERS: &[&str] = &["testkit", "xtask"];

/// What a crate must do without, as the table says. The kube client and SQL each have one home.
const HOMES: &[(&str, &[&str])] = &[
    // `migrate` reads other systems' databases, never ours.
    ("sqlx", &["store", "testkit", "migrate"]),
    ("rusqlite", &["store", "testkit", "migrate"]),
    ("kube", &["cluster"]),
    ("reqwest", &["net"]),
];

/// Checks the workspace.
pub(crate) fn run() -> Result<()> {
    let mut uses = Vec::new();
    for package in Metadata::read()?.ours() {
        let outside_tests = package.dependencies.iter().filter(|it| it.kind.as_deref() != Some("dev"));
        uses.push((package.name.clone(), outside_tests.map(|it| it.name.clone()).collect()));
    }
    let wrong = check(&uses);
    if wrong.is_empty() {
        println!("{} crates use each other as ARCHITECTURE.md says", uses.len());
        return Ok(());
    }
    bail!("{}", wrong.join("\n"));
}

/// Returns one line for each arrow that should not be there.
fn check(uses: &[(String, Vec<String>)]) -> Vec<String> {
    let table: BTreeMap<&str, &[&str]> = ARROWS.iter().copied().collect();
    let mut wrong = Vec::new();
    for (package, dependencies) in uses {
        let name = short(package);
        let others: Vec<&str> = dependencies.iter().filter(|it| is_ours(it)).map(|it| short(it)).collect();
        if HELPERS.contains(&name) {
            continue;
        }
        let allowed = table.get(name);
        if allowed.is_none() && name != "cli" {
            wrong.push(format!("`{name}` is not in the table of crates; it needs a line there and in ARCHITECTURE.md"));
            continue;
        }
        for other in others {
            let fine = match allowed {
                Some(allowed) => allowed.contains(&other),
                None => !HELPERS.contains(&other),
            };
            if !fine {
                let list = allowed.map_or_else(|| "every crate but the helpers".to_owned(), |it| it.join(", "));
                wrong.push(format!("`{name}` uses `{other}`, but may use only: {list}"));
            }
        }
        for (library, homes) in HOMES {
            if dependencies.iter().any(|it| it == library) && !homes.contains(&name) {
                wrong.push(format!("`{name}` uses `{library}`, whose home is `{}`", homes[0]));
            }
        }
    }
    wrong
}

fn short(package: &str) -> &str {
    package.strip_prefix("windlass-").unwrap_or(package)
}

fn is_ours(package: &str) -> bool {
    package.starts_with("windlass-") || package == "xtask"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(package: &str, dependencies: &[&str]) -> String {
        let dependencies = dependencies.iter().map(|&it| it.to_owned()).collect();
        check(&[(package.to_owned(), dependencies)]).join("\n")
    }

    #[test]
    fn arrows() {
        let cases: &[(&str, &[&str], &str)] = &[
            ("windlass-kinds", &["serde"], ""),
            ("windlass-plan", &["windlass-kinds", "cel"], ""),
            ("windlass-plan", &["windlass-store"], "`plan` uses `store`, but may use only: kinds"),
            (
                "windlass-control",
                &["windlass-testkit"],
                "`control` uses `testkit`, but may use only: kinds, plan, render, data, oci, store",
            ),
            ("windlass-cli", &["windlass-store", "windlass-server"], ""),
            (
                "windlass-cli",
                &["windlass-testkit"],
                "`cli` uses `testkit`, but may use only: every crate but the helpers",
            ),
            ("windlass-testkit", &["windlass-store"], ""),
            ("windlass-server", &["sqlx"], "`server` uses `sqlx`, whose home is `store`"),
            ("windlass-oci", &["reqwest"], "`oci` uses `reqwest`, whose home is `net`"),
            ("windlass-new", &[], "`new` is not in the table of crates; it needs a line there and in ARCHITECTURE.md"),
        ];
        for (package, dependencies, expected) in cases {
            assert_eq!(wrong(package, dependencies), *expected, "{package} {dependencies:?}");
        }
    }

    #[test]
    fn the_workspace_keeps_to_the_table() {
        run().unwrap();
    }

    #[test]
    fn the_table_is_the_one_of_the_page() {
        let page = std::fs::read_to_string(crate::shell::root().join("ARCHITECTURE.md")).unwrap();
        for (name, allowed) in ARROWS {
            let uses = if allowed.is_empty() { "–".to_owned() } else { allowed.join(", ") };
            let line = page.lines().find(|line| line.starts_with(&format!("| `{name}` |")));
            let line = line.unwrap_or_else(|| panic!("ARCHITECTURE.md has no line for `{name}`"));
            assert!(line.contains(&format!("| {uses} |")), "ARCHITECTURE.md says otherwise of `{name}`: {line}");
        }
    }
}
