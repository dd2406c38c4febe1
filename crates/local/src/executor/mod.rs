//! The control loop's executor on processes.
