//! `windlass plan` and `windlass apply`: what would change, and changing it.

use std::{path::Path, process::ExitCode};

use serde::{Deserialize, Serialize};
use windlass_api::{ApplyRequest, Client, WantedManifest};
use windlass_kinds::Digest;
use windlass_plan::diff::{self, ChangeAction, Plan};

use crate::{
    args::{ApplyArgs, Global, PlanArgs},
    connect::{connect, failure, known},
    failure::Failure,
    load::{Content, Loaded, load, load_offline},
    view,
};

/// A plan kept in a file: what to apply, and the state it was made from.
#[derive(Debug, Serialize, Deserialize)]
struct StoredPlan {
    /// The form of this file.
    format: u32,
    plan: Plan,
    manifests: Vec<WantedManifest>,
}

const STORED_FORMAT: u32 = 1;

pub(crate) async fn plan(global: &Global, args: PlanArgs) -> Result<ExitCode, Failure> {
    let (loaded, plan) = if args.offline {
        let loaded = load_offline(&args.files)?;
        let plan = diff::plan(&[], &loaded.wanted);
        (loaded, plan)
    } else {
        let client = connect(&any_project(global))?;
        let loaded = load(&args.files, &known(&client).await?)?;
        // Code goes up already now: a stored plan then needs nothing but itself.
        if args.out.is_some() {
            upload(&client, &loaded).await?;
        }
        let request = ApplyRequest { manifests: manifests(&loaded), fingerprint: None };
        let plan: Plan = client.post("/api/v1/plan", &request).await.map_err(failure)?;
        (loaded, plan)
    };
    show_warnings(&loaded);
    view::show(global.output, &plan, || crate::view::out!("{}", view::plan(&plan, view::colours(&std::io::stdout()))));
    if let Some(out) = &args.out {
        let stored = StoredPlan { format: STORED_FORMAT, plan: plan.clone(), manifests: manifests(&loaded) };
        let text = serde_json::to_vec_pretty(&stored).expect("plans serialize to JSON");
        std::fs::write(out, text)
            .map_err(|error| Failure::user_because(&format!("failed to write {}", out.display()), error))?;
        eprintln!("stored; `windlass apply {}` does exactly that, or refuses", out.display());
    }
    let pending = plan.changes.iter().any(|change| change.action != ChangeAction::Unchanged);
    Ok(if args.exit_code && pending { ExitCode::from(2) } else { ExitCode::SUCCESS })
}

pub(crate) async fn apply(global: &Global, args: ApplyArgs) -> Result<ExitCode, Failure> {
    let client = connect(&any_project(global))?;
    let (request, loaded) = match &args.plan {
        Some(file) => (stored(file)?, None),
        None => {
            let loaded = load(&args.files, &known(&client).await?)?;
            show_warnings(&loaded);
            upload(&client, &loaded).await?;
            (ApplyRequest { manifests: manifests(&loaded), fingerprint: None }, Some(loaded))
        }
    };
    drop(loaded);
    let plan: Plan = client.post("/api/v1/apply", &request).await.map_err(failure)?;
    view::show(global.output, &plan, || crate::view::out!("{}", view::plan(&plan, view::colours(&std::io::stdout()))));
    Ok(ExitCode::SUCCESS)
}

/// Manifests name their projects themselves, and may be of several.
fn any_project(global: &Global) -> Global {
    Global { in_project: None, ..global.clone() }
}

/// Loads, uploads and applies a folder through a client; `up` does this at its start.
pub(crate) async fn apply_paths(client: &Client, paths: &[String]) -> Result<Plan, Failure> {
    let loaded = load(paths, &known(client).await?)?;
    show_warnings(&loaded);
    upload(client, &loaded).await?;
    let request = ApplyRequest { manifests: manifests(&loaded), fingerprint: None };
    client.post("/api/v1/apply", &request).await.map_err(failure)
}

fn stored(file: &Path) -> Result<ApplyRequest, Failure> {
    let not_a_plan = |error: &dyn std::fmt::Display| {
        Failure::user(format!("{} is not a stored plan: {error}", file.display()))
            .hint("make one with `windlass plan -f … --out FILE`; manifests are applied with -f")
    };
    let bytes = std::fs::read(file)
        .map_err(|error| Failure::user_because(&format!("failed to read {}", file.display()), error))?;
    let StoredPlan { format, plan, manifests } = serde_json::from_slice(&bytes).map_err(|error| not_a_plan(&error))?;
    if format != STORED_FORMAT {
        return Err(not_a_plan(&format!("it has form {format}, this Windlass reads {STORED_FORMAT}")));
    }
    Ok(ApplyRequest { manifests, fingerprint: Some(plan.fingerprint) })
}

fn manifests(loaded: &Loaded) -> Vec<WantedManifest> {
    let wanted = loaded.wanted.iter().cloned();
    wanted.map(|(manifest, resolved)| WantedManifest { manifest, resolved }).collect()
}

fn show_warnings(loaded: &Loaded) {
    for warning in &loaded.warnings {
        eprintln!("{}", view::finding(warning));
    }
}

/// Uploads the code that the server lacks.
async fn upload(client: &Client, loaded: &Loaded) -> Result<(), Failure> {
    for (digest, content) in &loaded.content {
        if client.has_blob(digest).await.map_err(failure)? {
            continue;
        }
        let bytes = match content {
            Content::Bytes(bytes) => bytes.clone(),
            Content::File(path) => {
                let bytes = std::fs::read(path)
                    .map_err(|error| Failure::user_because(&format!("failed to read {}", path.display()), error))?;
                if Digest::sha256(&bytes) != *digest {
                    return Err(Failure::user(format!("{} changed while it was applied", path.display()))
                        .hint("apply again once it is left alone"));
                }
                bytes
            }
        };
        client.put_blob(digest, bytes).await.map_err(failure)?;
    }
    Ok(())
}
