//! Moving in from an MLflow server or its database.
//!
//! A [`Source`] says what there is; [`import`] brings it over through a Windlass server's own doors. It promises that an
//! import which was cut off goes on where it was when it is begun again, that a second one changes nothing, and that
//! whatever was not brought over is listed with the reason. It knows no store of ours: what was brought over before, the
//! server says.

mod bring;
mod database;
mod error;
mod folder;
mod http;
mod origin;
mod report;
mod source;

pub use bring::{Options, Watch, import};
pub use database::DatabaseSource;
pub use error::{MigrateError, SourceError};
pub use folder::Folder;
pub use http::{Credentials, HttpSource};
pub use origin::{Experiment, FileInfo, Latest, LoggedModel, Model, ModelMetric, Owner, Point, Run, Version};
pub use report::{Count, LeftOut, Renamed, Report};
pub use source::{Cursor, Fetched, Files, FilesError, Source};
