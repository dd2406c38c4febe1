//! The shim as a program of its own, called as `windlass` is: `step --dir DIR`.

use std::{path::Path, process::ExitCode};

fn main() -> ExitCode {
    match std::env::args_os().nth(3) {
        Some(folder) => windlass_local::step::step_main(Path::new(&folder)),
        None => ExitCode::FAILURE,
    }
}
