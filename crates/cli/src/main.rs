//! The binary `windlass`: arguments to settings to command to view. It wires everything and decides nothing.

mod args;
mod commands;
mod connect;
mod data_folder;
mod failure;
mod load;
mod serving;
mod view;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, error::ErrorKind};

use crate::{
    args::{Cli, Command},
    failure::Failure,
};

fn main() -> ExitCode {
    // The step runner comes first: it is to start fast and wants nothing of the rest.
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|verb| verb == "step")
        && let (Some(flag), Some(folder)) = (arguments.next(), arguments.next())
        && flag == "--attempts"
    {
        return windlass_local::turns_main(folder.as_ref());
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            // clap exits 2 on a usage error, which means "changes pending" here.
            let wanted = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            return if wanted { ExitCode::SUCCESS } else { ExitCode::from(1) };
        }
    };
    init_tracing(cli.global.verbose);
    match dispatch(cli) {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}

fn init_tracing(verbose: u8) {
    use tracing_subscriber::{EnvFilter, fmt};
    let level = match verbose {
        0 => "error",
        1 => "windlass=info,warn",
        2 => "windlass=debug,info",
        _ => "trace",
    };
    let filter = EnvFilter::try_from_env("WINDLASS_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false).init();
}

fn dispatch(cli: Cli) -> Result<ExitCode, Failure> {
    let Cli { global, command } = cli;
    match command {
        Command::Step { dir: Some(folder), attempts: _ } => return Ok(windlass_local::step_main(&folder)),
        Command::Step { dir: None, attempts: Some(folder) } => return Ok(windlass_local::turns_main(&folder)),
        Command::ModelServer(args) => return commands::model_server::run(args),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "windlass", &mut std::io::stdout());
            return Ok(ExitCode::SUCCESS);
        }
        Command::Validate(args) => return commands::validate::run(&global, &args),
        Command::Init(args) => return commands::init::run(&args),
        _ => {}
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::ours("failed to start the runtime", error))?;
    let outcome = runtime.block_on(async {
        match command {
            Command::Up(args) => commands::up::run(&global, args).await,
            Command::Rerun(args) => commands::rerun::run(&global, args).await,
            Command::Run(args) => commands::run::run(&global, args).await,
            Command::Plan(args) => commands::apply::plan(&global, args).await,
            Command::Apply(args) => commands::apply::apply(&global, args).await,
            Command::Get(args) => commands::get::get(&global, args).await,
            Command::Describe(args) => commands::describe::run(&global, args).await,
            Command::Delete(args) => commands::objects::delete(&global, args).await,
            Command::History(args) => commands::objects::history(&global, args).await,
            Command::Start(args) => commands::runs::start(&global, args).await,
            Command::Cancel(args) => commands::runs::cancel(&global, args).await,
            Command::Retry(args) => commands::runs::retry(&global, args).await,
            Command::Reset(args) => commands::runs::reset(&global, args).await,
            Command::Logs(args) => commands::logs::run(&global, args).await,
            Command::Why(args) => commands::why::run(&global, args).await,
            Command::Open(args) => commands::open::run(&global, args).await,
            Command::Model(command) => commands::model::run(&global, command).await,
            Command::Monitor(command) => commands::monitor::run(&global, command).await,
            Command::Story(args) => commands::story::run(&global, args).await,
            Command::Ledger(command) => commands::ledger::run(&global, command).await,
            Command::Predict(args) => commands::predict::run(&global, args).await,
            Command::Labels(args) => commands::labels::run(&global, args).await,
            Command::Gc(args) => commands::gc::run(&global, args).await,
            Command::Token(command) => commands::token::run(&global, command).await,
            Command::Import(command) => commands::import::run(&global, command).await,
            Command::Export(args) => commands::export::run(&global, args).await,
            Command::Doctor => commands::doctor::run(&global).await,
            Command::Validate(_)
            | Command::Init(_)
            | Command::Completions { .. }
            | Command::Step { .. }
            | Command::ModelServer(_) => unreachable!("handled above"),
        }
    });
    // Whoever left in a hurry does not wait for a large file to be read to its end.
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    outcome
}
