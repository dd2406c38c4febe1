//! `windlass model ls|show|files`.

use std::process::ExitCode;

use windlass_api::{ModelDetail, encode};
use windlass_kinds::record::{FileEntry, RegisteredModel};

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
            let (name, number) = target.split_once('@').ok_or_else(|| {
                Failure::user(format!("`{target}` does not name a version"))
                    .hint("write MODEL@VERSION, such as flights@3")
            })?;
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
    }
    Ok(ExitCode::SUCCESS)
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
