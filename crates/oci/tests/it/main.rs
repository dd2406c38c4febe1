//! The content crate as its users see it.

mod folder;
mod freeing;
mod model;
mod suite;
mod tree;
