//! `windlass gc`: frees for good what was deleted long enough ago, and content that nothing refers to.

use std::process::ExitCode;

use windlass_api::GcRequest;
use windlass_kinds::record::{Collection, Kept};

use crate::{
    args::{GcArgs, Global},
    connect::{connect, failure},
    failure::Failure,
    view::{self, Table, out},
};

pub(crate) async fn run(global: &Global, args: GcArgs) -> Result<ExitCode, Failure> {
    let GcArgs { dry_run, older_than, unreferenced_for } = args;
    let request = GcRequest {
        dry_run,
        older_than_seconds: older_than.map(|length| length.0.as_secs()),
        unreferenced_seconds: unreferenced_for.map(|length| length.0.as_secs()),
    };
    let done: Collection = connect(global)?.post("/api/v1/gc", &request).await.map_err(failure)?;
    view::show(global.output, &done, || print(&done));
    Ok(ExitCode::SUCCESS)
}

fn print(done: &Collection) {
    let Collection { dry_run, experiments, runs, logged_models, artifacts, blobs, bytes, kept, kept_in_all } = done;
    let mut table = Table::new(&["what", if *dry_run { "would be freed" } else { "freed" }]);
    for (what, count) in [
        ("experiments", experiments),
        ("runs", runs),
        ("logged models", logged_models),
        ("artifacts", artifacts),
        ("pieces of content", blobs),
        ("bytes of content", bytes),
    ] {
        table.row([what.to_owned(), count.to_string()]);
    }
    table.print();
    for Kept { what, why } in kept {
        out!("kept {what}: {why}");
    }
    let unnamed = kept_in_all - kept.len() as u64;
    if unnamed > 0 {
        out!("kept {unnamed} more");
    }
}
