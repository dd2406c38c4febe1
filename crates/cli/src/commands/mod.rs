//! One file a verb (or a few that belong together): settings to calls to a view.

pub(crate) mod apply;
pub(crate) mod describe;
pub(crate) mod doctor;
pub(crate) mod endpoints;
pub(crate) mod export;
pub(crate) mod gc;
pub(crate) mod get;
pub(crate) mod import;
pub(crate) mod init;
pub(crate) mod labels;
pub(crate) mod ledger;
pub(crate) mod logs;
pub(crate) mod model;
pub(crate) mod model_server;
pub(crate) mod monitor;
pub(crate) mod objects;
pub(crate) mod open;
pub(crate) mod predict;
pub(crate) mod rerun;
pub(crate) mod run;
pub(crate) mod runs;
pub(crate) mod story;
pub(crate) mod token;
pub(crate) mod up;
pub(crate) mod validate;
pub(crate) mod why;
