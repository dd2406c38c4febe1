//! Scenarios for the step machine, written as small texts.

mod failures;
mod key;
mod orders;
mod scenarios;
mod speed;
mod world;
