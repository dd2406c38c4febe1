//! The workspace's own tasks: `cargo xtask test` and its parts.
//!
//! Promises that each task needs nothing but what the README names, sets up the rest itself or says how, and that each
//! stage that fails says how to run it alone. Knows nothing of what Windlass does beyond its command line.

mod arrows;
mod bench;
mod crash;

mod fresh;
mod licences;
mod machine;
mod metadata;
mod pictures;
mod setup;
mod shell;
mod test;

use std::process::ExitCode;

use anyhow::{Result, bail};

const USAGE: &str = "\
usage: cargo xtask TASK

  test                    set up what the tests need, then run them all
  test STAGE...           only these stages: set-up format lints arrows licences units release end-to-end
                          year crash
  fresh [TASK]            try the README's commands (or only `up` or `test`) in a fresh Debian; wants root
  crash [--kills N] [--seed S]
                          kill -9 at random moments; the state must end as if nothing had happened
  crash writers [--kills N] [--database sqlite|postgres] [--seed S]
                          kill -9 under eight writing clients; what they were told must be there, once
  bench [start|steps|tracking|drift|serving]
                          measure, beside the peer where there is one
  arrows                  check which crates use which
  licences                check the licences of everything that is linked in
  pictures                take the pictures of tracking in the README anew";

fn main() -> ExitCode {
    match task(&std::env::args().skip(1).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn task(arguments: &[String]) -> Result<()> {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["test", stages @ ..] => test::run(stages),
        ["fresh", tasks @ ..] => fresh::run(tasks),
        ["crash", options @ ..] => crash::run(options),
        ["bench", what @ ..] => bench::run(what),
        ["arrows"] => arrows::run(),
        ["licences"] => licences::run(),
        ["pictures"] => pictures::run(),
        [] | ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        [other, ..] => bail!("there is no task `{other}`\n\n{USAGE}"),
    }
}
