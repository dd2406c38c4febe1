//! The control loop from outside, over a place where nothing runs.

mod storm;
