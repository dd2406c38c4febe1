//! `windlass model ls|show|files|gate|alias`.

use std::process::ExitCode;

use windlass_api::{ModelDetail, VerdictView, encode};
use windlass_kinds::record::{FileEntry, RegisteredModel, RowsEvidence, Verdict, VerdictOutcome};

use crate::{
    args::{Global, ModelCommand},
    connect::{connect, failure},
    failure::Failure,
    view::{self, Table, bytes, instant},
};

pub(crate) async fn run(global: &Global, command: ModelCommand) -> Result<ExitCode, Failure> {
    let client = connect(global)?;
    match command {
        ModelCommand::Ls => {
            let models: Vec<RegisteredModel> = client.get("/api/v1/models").await.map_err(failure)?;
            view::show(global.output, &models, || {
                let mut table = Table::new(&["model", "aliases", "updated", "description"]);
                for model in &models {
                    let aliases: Vec<String> =
                        model.aliases.iter().map(|(alias, version)| format!("{alias}={version}")).collect();
                    table.row([
                        model.name.clone(),
                        aliases.join(" "),
                        instant(model.updated_at),
                        model.description.clone(),
                    ]);
                }
                table.print();
            });
        }
        ModelCommand::Show { name } => {
            let detail: ModelDetail =
                client.get(&format!("/api/v1/models/{}", encode(&name))).await.map_err(failure)?;
            view::show(global.output, &detail, || {
                let RegisteredModel { name, description, aliases, .. } = &detail.model;
                crate::view::out!("{}", format!("{name}  {description}").trim_end());
                for (alias, version) in aliases {
                    crate::view::out!("alias {alias} = {name}@{version}");
                }
                crate::view::out!();
                version_table(&detail).print();
            });
        }
        ModelCommand::Files { target } => {
            let (name, number) = version_of(&target)?;
            let path = format!("/api/v1/models/{}/versions/{}/files", encode(name), encode(number));
            let files: Vec<FileEntry> = client.get(&path).await.map_err(failure)?;
            view::show(global.output, &files, || {
                let mut table = Table::new(&["file", "size", "digest"]);
                for file in &files {
                    table.row([file.path.clone(), bytes(file.size), file.digest.to_string()]);
                }
                table.print();
            });
        }
        ModelCommand::Gate { target, now, alias } => {
            let (name, number) = version_of(&target)?;
            let path = format!("/api/v1/models/{}/versions/{}", encode(name), encode(number));
            let verdicts: Vec<VerdictView> = if now {
                let body = serde_json::json!({"alias": alias});
                vec![client.post(&format!("{path}/gate"), &body).await.map_err(failure)?]
            } else {
                client.get(&format!("{path}/verdicts")).await.map_err(failure)?
            };
            view::show(global.output, &verdicts, || {
                if verdicts.is_empty() {
                    crate::view::out!("nothing was judged of {target} yet; `--now` measures it");
                }
                verdicts.iter().for_each(show_verdict);
            });
            // Whoever asks in a script wants to know whether it passes.
            return Ok(match verdicts.last() {
                Some(view) if !view.verdict.passed => ExitCode::from(1),
                Some(_) | None => ExitCode::SUCCESS,
            });
        }
        ModelCommand::Alias { target, alias } => {
            let (name, number) = version_of(&target)?;
            let path = format!("/api/v1/models/{}/versions/{}/alias", encode(name), encode(number));
            let body = serde_json::json!({"alias": alias});
            let done: serde_json::Value = client.post(&path, &body).await.map_err(failure)?;
            view::show(global.output, &done, || crate::view::out!("{name}@{number} is {alias} now"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns model and version of `flights@3`.
fn version_of(target: &str) -> Result<(&str, &str), Failure> {
    target.split_once('@').ok_or_else(|| {
        Failure::user(format!("`{target}` does not name a version")).hint("write MODEL@VERSION, such as flights@3")
    })
}

fn show_verdict(view: &VerdictView) {
    let VerdictView { verdict, replayed } = view;
    let Verdict { model, version, alias, rules, evidence, outcome, judged_at, .. } = verdict;
    let outcome = match outcome {
        VerdictOutcome::Promoted { from: Some(from) } => format!("took the alias from {from}"),
        VerdictOutcome::Promoted { from: None } => "took the alias, the first to have it".to_owned(),
        VerdictOutcome::Passed => "passed".to_owned(),
        VerdictOutcome::Refused => "refused".to_owned(),
    };
    crate::view::out!("{model}@{version} before {alias}, {}: {outcome}", instant(*judged_at));
    for rule in rules {
        crate::view::out!("  {} {:<16} {}", if rule.passed { "ok  " } else { "FAIL" }, rule.name, rule.text);
    }
    for problem in &evidence.problems {
        crate::view::out!("  {:<21} {problem}", "not measured");
    }
    if let Some(rows) = &evidence.rows {
        let RowsEvidence { digest, rows, clusters } = rows;
        crate::view::out!("  over {rows} rows in {clusters} clusters, {digest}");
    }
    match replayed {
        Some(true) => crate::view::out!("  decided again over the same numbers: the same"),
        Some(false) => crate::view::out!("  decided again over the same numbers: NOT the same"),
        None => {}
    }
    crate::view::out!();
}

/// Returns the versions of a model as a table.
pub(crate) fn version_table(detail: &ModelDetail) -> Table {
    let mut table = Table::new(&["version", "size", "made", "manifest", "tags"]);
    for version in &detail.versions {
        let tags: Vec<String> = version.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
        table.row([
            format!("{}@{}", version.model, version.version),
            bytes(version.size),
            instant(version.created_at),
            version.manifest.as_ref().map_or("", |digest| digest.short()).to_owned(),
            tags.join(" "),
        ]);
    }
    table
}
