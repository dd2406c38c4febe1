//! `windlass validate`: files alone, no server.

use std::process::ExitCode;

use windlass_kinds::Finding;

use crate::{
    args::{FilesArgs, Global, Output},
    failure::Failure,
    load::load_offline,
    view,
};

pub(crate) fn run(global: &Global, args: &FilesArgs) -> Result<ExitCode, Failure> {
    let show = |manifests: &[String], findings: &[Finding]| {
        let value = serde_json::json!({"manifests": manifests, "findings": findings});
        view::show(global.output, &value, || {
            crate::view::out!("{} manifests are fine: {}", manifests.len(), manifests.join(", "));
        });
    };
    let loaded = match load_offline(&args.paths) {
        Ok(loaded) => loaded,
        Err(failure) => {
            // Programs read the mistakes from standard output; people read them with the failure.
            if global.output != Output::Table && !failure.mistakes().is_empty() {
                show(&[], failure.mistakes());
            }
            return Err(failure);
        }
    };
    for warning in &loaded.warnings {
        eprintln!("{}", view::finding(warning));
    }
    let objects: Vec<String> = loaded.wanted.iter().map(|(manifest, _)| manifest.object().to_string()).collect();
    show(&objects, &loaded.warnings);
    Ok(ExitCode::SUCCESS)
}
