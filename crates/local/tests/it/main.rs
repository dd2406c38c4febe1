//! Attempts with real processes: what steps do wrong, and what is killed under them.

mod adopt;
mod deployer;
mod ends;
mod kills;
mod logs;
mod place;
mod python;
mod run;
mod turns;
