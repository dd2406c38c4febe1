//! The shim as a program of its own, called as `windlass` is: `step --dir DIR` or `step --attempts DIR`.

use std::{path::Path, process::ExitCode};

use windlass_local::step::{step_main, turns_main};

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(2).collect();
    match &arguments[..] {
        [flag, folder] if flag == "--dir" => step_main(Path::new(folder)),
        [flag, folder] if flag == "--attempts" => turns_main(Path::new(folder)),
        _ => ExitCode::FAILURE,
    }
}
