//! `windlass delete` and `windlass history`; and how an object is named on the command line.

use std::process::ExitCode;

use windlass_kinds::{Kind, Name, ObjectRef, record::Revision};

use crate::{
    args::{Global, ObjectArgs},
    connect::{connect, failure},
    failure::Failure,
    view::{self, Table, instant},
};

/// Parses `dataset/flights`, or `dataset` and `flights`.
pub(crate) fn object(what: &str, name: Option<&str>) -> Result<ObjectRef, Failure> {
    let (kind, name) = match (what.split_once('/'), name) {
        (Some((kind, name)), None) => (kind, name),
        (None, Some(name)) => (what, name),
        (Some(_), Some(_)) | (None, None) => {
            return Err(Failure::user(format!("`{what}` does not name one object"))
                .hint("write KIND/NAME, such as dataset/flights, or KIND NAME"));
        }
    };
    let kind: Kind = kind.parse().map_err(|error: windlass_kinds::KindError| Failure::user(error.to_string()))?;
    let name: Name = name.parse().map_err(|error: windlass_kinds::NameError| Failure::user(error.to_string()))?;
    Ok(ObjectRef::new(kind, name))
}

/// Returns the API path of an object.
pub(crate) fn path(object: &ObjectRef) -> String {
    format!("/api/v1/objects/{}/{}", object.kind, object.name)
}

pub(crate) async fn delete(global: &Global, args: ObjectArgs) -> Result<ExitCode, Failure> {
    let object = object(&args.what, args.name.as_deref())?;
    let revision: Revision = connect(global)?.delete(&path(&object)).await.map_err(failure)?;
    view::show(global.output, &revision, || crate::view::out!("{object} deleted (revision {})", revision.number));
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn history(global: &Global, args: ObjectArgs) -> Result<ExitCode, Failure> {
    let object = object(&args.what, args.name.as_deref())?;
    let history: Vec<Revision> = connect(global)?.get(&format!("{}/history", path(&object))).await.map_err(failure)?;
    view::show(global.output, &history, || {
        let mut table = Table::new(&["revision", "applied", "by", "digest", "what"]);
        let before = std::iter::once(None).chain(history.iter().map(Some));
        for (revision, before) in history.iter().zip(before) {
            table.row([
                revision.number.to_string(),
                instant(revision.created_at),
                revision.actor.to_string(),
                revision.digest.short().to_owned(),
                what_changed(revision, before),
            ]);
        }
        table.print();
    });
    Ok(ExitCode::SUCCESS)
}

/// Tells in a few words what a revision changed.
fn what_changed(revision: &Revision, before: Option<&Revision>) -> String {
    /// How many fields are named.
    const NAMED: usize = 4;
    let before = match before {
        _ if revision.deleted => return "deleted".to_owned(),
        Some(before) if !before.deleted => before,
        _ => return "created".to_owned(),
    };
    let wanted = [(revision.manifest.clone(), revision.resolved.clone())];
    let plan = windlass_plan::diff::plan(std::slice::from_ref(before), &wanted);
    let fields: Vec<String> =
        plan.changes.into_iter().flat_map(|change| change.fields).map(|change| change.path).collect();
    match fields.len().checked_sub(NAMED) {
        Some(more @ 1..) => format!("{}, and {more} more", fields[..NAMED].join(", ")),
        _ => fields.join(", "),
    }
}
