//! Pages of tracking: experiments, their runs as a table, one run, several beside each other.
//!
//! All state of a page is in its URL, and every form asks by GET: what is seen can be linked to and works without the
//! script. What clients wrote is text here; their files are shown in ways that cannot run anything on this page.

mod artifact;
mod column;
mod compare;
mod curves;
mod experiments;
mod filter;
mod paging;
mod query;
mod run;
mod run_about;
mod run_data;
mod run_table;
mod runs;
mod trace;
mod traces;
mod view;

pub(super) use artifact::send as artifact_send;
pub(super) use compare::show as compare;
pub(super) use experiments::list as experiments;
pub(super) use query::Pairs;
pub(super) use run::show as run;
pub(super) use runs::show as runs;
pub(super) use trace::show as trace;
pub(super) use traces::list as traces;
