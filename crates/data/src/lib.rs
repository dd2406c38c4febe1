//! Datasets: listing their folders, reading their files, and measuring them against expectations.
//!
//! The files belong to others and stay where they are; nothing here writes to them. [`list`] says what is there, [`Settling`]
//! which of it is written to its end, [`judge`] what one file holds and which expectations it fails, and [`assemble`]
//! which versions follow. [`table`] holds whole columns in memory,
//! for what is measured over them. Reading is synchronous, in bounded memory whatever the bytes claim, and never panics. This
//! crate does not know what a verdict is, who asked, or where versions are kept.

mod assemble;
pub mod compare;
pub mod drift;
mod format;
mod judge;
pub mod labels;
mod listing;
pub mod measure;
pub mod prometheus;
mod random;
mod settle;
pub mod sketch;
pub mod table;
mod undefined;

pub use assemble::{Assembled, assemble, observed};
pub use judge::{JudgeError, Judged, judge};
pub use listing::{IncludeError, LISTING_MAX, ListError, ListedFile, Listing, check_include, list};
pub use settle::{Ready, Settling};
pub use undefined::Undefined;
