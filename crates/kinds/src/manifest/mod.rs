//! Manifests: what should be.
//!
//! `spec` holds the types; the parser beside it turns YAML text into them and answers mistakes with their place.

mod spec;

pub use spec::*;
