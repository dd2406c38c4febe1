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
        let mut table = Table::new(&["revision", "applied", "by", "digest", ""]);
        for revision in &history {
            table.row([
                revision.number.to_string(),
                instant(revision.created_at),
                revision.actor.to_string(),
                revision.digest.short().to_owned(),
                if revision.deleted { "deleted".to_owned() } else { String::new() },
            ]);
        }
        table.print();
    });
    Ok(ExitCode::SUCCESS)
}
