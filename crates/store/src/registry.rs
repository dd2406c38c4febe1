//! The model registry: registered models, their versions, aliases and tags.
//!
//! Version numbers count per model and are never given twice, not even after a deletion. A version that a step registers
//! is provisional until the step commits: a retry's k-th registration for a model takes over version k of the attempt
//! before, so that a crash between two registrations changes no number.

mod import;
mod model;
mod version;

pub use import::PackedVersion;
pub use version::VersionFact;
pub(crate) use version::holder;
