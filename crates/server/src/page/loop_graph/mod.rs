//! The loop as the graph it is: data, runs, versions with verdicts, who served when, what monitors saw, and what that
//! started.
//!
//! Four steps, each its own file: [`facts`] reads, [`graph`] lays out (pure), [`draw`] makes the drawing, [`story`]
//! tells the same in rows. Nothing is guessed: an edge is there where a record says so.

mod draw;
mod facts;
mod graph;
mod series;
mod story;

pub(super) use draw::drawing;
pub(super) use facts::{Facts, read};
pub(super) use graph::lay_out;
pub(super) use series::{MonitorSeries, observation_tone};
pub(super) use story::{happened, tell, verdict_badge, what_changed};
