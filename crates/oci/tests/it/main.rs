//! The content crate as its users see it.

mod folder;
mod model;
mod suite;
mod tree;
