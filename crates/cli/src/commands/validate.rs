//! `windlass validate`: files alone, no server.

use std::process::ExitCode;

use crate::{
    args::{FilesArgs, Global, Output},
    failure::Failure,
    load::load_offline,
    view,
};

pub(crate) fn run(global: &Global, args: &FilesArgs) -> Result<ExitCode, Failure> {
    let loaded = load_offline(&args.paths)?;
    for warning in &loaded.warnings {
        eprintln!("{}", view::finding(warning));
    }
    let objects: Vec<String> = loaded.wanted.iter().map(|(manifest, _)| manifest.object().to_string()).collect();
    match global.output {
        Output::Table => crate::view::out!("{} manifests are fine: {}", objects.len(), objects.join(", ")),
        Output::Json | Output::Yaml => view::show(global.output, &objects, || ()),
    }
    Ok(ExitCode::SUCCESS)
}
