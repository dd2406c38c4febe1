//! This machine as a place to run.
//!
//! [`executor`] implements the control loop's `Executor` on processes: it lays out a work folder for each attempt,
//! starts it under a shim and reports its end. [`step`] is that shim, `windlass step`: it outlives the server, ends
//! whatever a step leaves behind and writes the result. [`deployer`] implements its `Deployer` on model servers that
//! are children of this process. [`python`] resolves and builds Python environments,
//! [`run`] tracks a command that has no manifest, and [`rerun`] repeats one. The crate knows neither SQL nor Kubernetes.

pub mod deployer;
pub mod executor;
pub mod layout;
pub mod process;
pub mod python;
pub mod rerun;
pub mod run;
pub mod step;

pub use deployer::LocalDeployer;
pub use executor::LocalExecutor;
pub use python::Environments;
pub use step::{step_main, turns_main};
