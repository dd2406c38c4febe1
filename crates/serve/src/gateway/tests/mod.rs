//! The gateway in front of model servers that answer, stand still and die.

mod harness;
mod refusals;
mod requests;
mod switching;
