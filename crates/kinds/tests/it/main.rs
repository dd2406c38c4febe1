//! Manifests from the outside: what users write goes in, manifests and findings come out.

mod cases;
mod generate;
mod hardness;
mod known;
mod properties;
