//! The command line as a tree of verbs: what clap reads, and nothing else.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Runs a team's machine-learning operations loop: data, pipelines, models, and a ledger of it all.
#[derive(Debug, Parser)]
#[command(name = "windlass", version, propagate_version = true, after_help = TOP_EXAMPLES)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const TOP_EXAMPLES: &str = "\
Examples:
  windlass up examples/flights           start, apply the folder's manifests, work, show progress
  windlass run -- python train.py        track one command, without any manifest
  windlass get datasets                  what there is
  windlass logs -f train-3/train         follow a step
  windlass why train-3/features          why it ran, waits, or came from the cache";

/// Options that every command takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// The data folder
    #[arg(long, global = true, env = "WINDLASS_DATA_DIR", default_value = ".windlass", value_name = "DIR")]
    pub(crate) data_dir: PathBuf,
    /// The server to talk to; by default the one that runs over the data folder
    #[arg(long, global = true, env = "WINDLASS_SERVER", value_name = "URL")]
    pub(crate) server: Option<String>,
    /// The token to show the server; by default the data folder's
    #[arg(long, global = true, env = "WINDLASS_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
    /// The project to look at and work in; manifests name theirs themselves
    #[arg(long = "project", global = true, env = "WINDLASS_PROJECT", value_name = "NAME")]
    pub(crate) in_project: Option<windlass_kinds::Name>,
    /// How results are printed
    #[arg(short = 'o', long = "output", global = true, value_enum, default_value = "table")]
    pub(crate) output: Output,
    /// More words about what happens (repeat for more); logs go to standard error
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people
    Table,
    /// For programs
    Json,
    /// For files
    Yaml,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start the server here, apply a folder's manifests, and work
    #[command(
        after_help = "Examples:\n  windlass up examples/flights\n  windlass up . --until-idle\n  windlass up --listen 127.0.0.1:8080 --database postgres:///windlass"
    )]
    Up(UpArgs),
    /// Run one command with tracking: its code, arguments, packages, log and exit code are kept
    #[command(
        after_help = "Examples:\n  windlass run -- python train.py --alpha 0.5\n  windlass run --name baseline --experiment flights -- ./train.sh"
    )]
    Run(RunArgs),
    /// Repeat a run of `windlass run` from what was kept of it, and say what differs
    #[command(after_help = "Example:\n  windlass rerun 0f3c5d1e9b7a4c2d8e6f1a2b3c4d5e6f")]
    Rerun(RerunArgs),
    /// Check manifests; needs no server
    #[command(
        after_help = "Examples:\n  windlass validate examples/flights\n  cat pipeline.yaml | windlass validate -"
    )]
    Validate(FilesArgs),
    /// Show what applying manifests would change
    #[command(
        after_help = "Examples:\n  windlass plan -f examples/flights\n  windlass plan -f . --exit-code       exits 2 where something would change\n  windlass plan -f . --out plan.json   to be applied later, exactly"
    )]
    Plan(PlanArgs),
    /// Apply manifests, or a stored plan
    #[command(
        after_help = "Examples:\n  windlass apply -f examples/flights\n  windlass apply -f - < dataset.yaml\n  windlass apply plan.json"
    )]
    Apply(ApplyArgs),
    /// List objects or runs, or print one
    #[command(
        after_help = "Examples:\n  windlass get                      everything\n  windlass get datasets\n  windlass get pipeline/train -o yaml\n  windlass get runs --pipeline train\n  windlass get triggers train"
    )]
    Get(GetArgs),
    /// Tell all about one object or run
    #[command(
        after_help = "Examples:\n  windlass describe dataset/flights\n  windlass describe pipeline/train\n  windlass describe train-3"
    )]
    Describe(DescribeArgs),
    /// Delete an object; refused while others name it
    #[command(after_help = "Examples:\n  windlass delete dataset/flights\n  windlass delete pipeline train")]
    Delete(ObjectArgs),
    /// Show the revisions of an object, and what each changed
    #[command(after_help = "Examples:\n  windlass history pipeline/train\n  windlass history pipeline/train -o yaml")]
    History(ObjectArgs),
    /// Write a small set of manifests to begin with
    #[command(after_help = "Examples:\n  windlass init\n  windlass init my-project && windlass up my-project")]
    Init(InitArgs),
    /// Start a run of a pipeline by hand
    #[command(after_help = "Examples:\n  windlass start train\n  windlass start train --param seed=8 --wait")]
    Start(StartArgs),
    /// End a run
    #[command(after_help = "Example:\n  windlass cancel train-3")]
    Cancel(RunRefArgs),
    /// Go on from the failed steps of a run
    #[command(after_help = "Example:\n  windlass retry train-3")]
    Retry(RunRefArgs),
    /// Close the breaker of a trigger that failed too often
    #[command(
        name = "reset",
        after_help = "Examples:\n  windlass get triggers train         which are open, and why\n  windlass reset train dataset-arrivals"
    )]
    Reset(ResetArgs),
    /// Show the log of a step, or of all steps of a run
    #[command(after_help = "Examples:\n  windlass logs train-3\n  windlass logs -f train-3/train[all]")]
    Logs(LogsArgs),
    /// Say why a step ran, came from the cache, or waits
    #[command(after_help = "Example:\n  windlass why train-3/features")]
    Why(WhyArgs),
    /// Sign a browser in to the page, by a link that is good once
    #[command(
        after_help = "Examples:\n  windlass open\n  windlass open train-3\n  windlass open monitor/flights-quality --print"
    )]
    Open(OpenArgs),
    /// Have what an endpoint serves answer the rows of a file
    #[command(
        after_help = "Examples:\n  windlass predict flights -f rows.csv\n  windlass predict flights -f rows.parquet -o json\n  cat rows.json | windlass predict flights -f -"
    )]
    Predict(PredictArgs),
    /// Send what became true of rows that an endpoint predicted; without a file, show what was sent
    #[command(
        after_help = "Examples:\n  windlass labels flights -f labels.csv\n  windlass labels flights\n\nA row is named by the endpoint's `rowId` columns or by `row_id`; `label` is what is true, none takes it back; `at` may say when it became true:\n  row_id,label\n  UA/1545,11"
    )]
    Labels(LabelsArgs),
    /// Registered models: list, show, files
    #[command(
        subcommand,
        after_help = "Examples:\n  windlass model ls\n  windlass model show flights\n  windlass model files flights@3"
    )]
    Model(ModelCommand),
    /// Monitors: what they saw
    #[command(subcommand, after_help = "Example:\n  windlass monitor show flights-quality")]
    Monitor(MonitorCommand),
    /// Tell the history of a model: which event, which data, which candidates, which numbers, which decision
    #[command(after_help = "Example:\n  windlass story flights")]
    Story(StoryArgs),
    /// The ledger: list its entries, verify it
    #[command(
        subcommand,
        after_help = "Examples:\n  windlass ledger list\n  windlass ledger list --subject 'run train-3'\n  windlass ledger verify"
    )]
    Ledger(LedgerCommand),
    /// Named tokens: create, list, revoke
    #[command(
        subcommand,
        after_help = "Examples:\n  windlass token create alice --role contributor --project default --expires 720h\n  windlass token list\n  windlass token revoke alice"
    )]
    Token(TokenCommand),
    /// Move in from another tracking system
    #[command(
        subcommand,
        after_help = "Examples:\n  windlass import mlflow --from http://mlflow.example:5000\n  windlass import mlflow --from sqlite:///mlflow.db --artifacts ./mlartifacts --dry-run"
    )]
    Import(ImportCommand),
    /// Print the state with ids mapped to names and times left out
    #[command(after_help = "Example:\n  windlass export --canonical > state.json")]
    Export(ExportArgs),
    /// Free for good what was deleted long enough ago, and content that nothing refers to
    #[command(
        after_help = "Examples:\n  windlass gc --dry-run                 count, and change nothing\n  windlass gc                           what each project's manifest allows, 30 days unless it says otherwise\n  windlass gc --older-than 7d --project team\n\nWhat a model version, a logged model or a step still needs stays, and is named."
    )]
    Gc(GcArgs),
    /// Say what this machine has and lacks
    #[command(after_help = "Example:\n  windlass doctor")]
    Doctor,
    /// Print a completion script for a shell
    #[command(after_help = "Example:\n  windlass completions bash > /etc/bash_completion.d/windlass")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Run one attempt, or one after another; the server starts this
    #[command(hide = true)]
    Step {
        /// The attempt's folder
        #[arg(long, required_unless_present = "attempts")]
        dir: Option<PathBuf>,
        /// The folder of the attempts that standard input, a socket, will name
        #[arg(long, conflicts_with = "dir")]
        attempts: Option<PathBuf>,
    },
    /// Hold one model and answer for it; the server starts this
    #[command(hide = true)]
    ModelServer(ModelServerArgs),
}

#[derive(Debug, Args)]
pub(crate) struct PredictArgs {
    /// The endpoint
    pub(crate) endpoint: String,
    /// The rows: .csv, .json, .jsonl or .parquet; `-` is JSON on standard input
    #[arg(short, long, value_name = "FILE")]
    pub(crate) file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct LabelsArgs {
    /// The endpoint
    pub(crate) endpoint: String,
    /// The labels: .csv, .jsonl or .parquet
    #[arg(short, long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct GcArgs {
    /// Only count what would be freed
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// How long ago it must have been deleted, such as 7d; as each project's manifest says without it
    #[arg(long, value_name = "SPAN")]
    pub(crate) older_than: Option<windlass_kinds::Span>,
    /// How long nobody may have written content that nothing refers to; a day without it. Shorter than an upload or a
    /// step takes, it may free what they have just written
    #[arg(long, value_name = "SPAN")]
    pub(crate) unreferenced_for: Option<windlass_kinds::Span>,
}

#[derive(Debug, Args)]
pub(crate) struct ModelServerArgs {
    /// The model's folder
    #[arg(long)]
    pub(crate) model: PathBuf,
    /// The onnxruntime library, or the Python interpreter of the model's environment
    #[arg(long)]
    pub(crate) runtime: PathBuf,
    /// A folder for what a model in Python writes
    #[arg(long, default_value_os_t = std::env::temp_dir())]
    pub(crate) scratch: PathBuf,
    /// How many Python processes answer, each of which holds the model
    #[arg(long, default_value_t = 1)]
    pub(crate) processes: usize,
    /// How long a model in Python may take for a request
    #[arg(long, default_value = "30s")]
    pub(crate) timeout: windlass_kinds::Span,
    /// How long a model in Python may take to load
    #[arg(long, default_value = "3m")]
    pub(crate) patience: windlass_kinds::Span,
    /// How many threads one prediction may use
    #[arg(long, default_value_t = 1)]
    pub(crate) threads: usize,
    /// Where to listen
    #[arg(long, required_unless_present = "probe")]
    pub(crate) socket: Option<PathBuf>,
    /// The name that the model answers to
    #[arg(long, default_value = "model")]
    pub(crate) name: String,
    /// The version that it is; `--version` is the program's
    #[arg(long = "model-version", id = "model-version", default_value = "1")]
    pub(crate) version: String,
    /// Predict the rows of a file instead, and end
    #[arg(long, requires_all = ["rows", "out"], conflicts_with = "socket")]
    pub(crate) probe: bool,
    /// The Parquet file of a probe
    #[arg(long)]
    pub(crate) rows: Option<PathBuf>,
    /// Where a probe leaves its outcome
    #[arg(long)]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct UpArgs {
    /// A folder of manifests to apply first; without it, the state found is worked on
    pub(crate) dir: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) serve: ServeArgs,
    /// Exit once everything is idle: 0 where all ended as its manifests allow, else 1
    #[arg(long)]
    pub(crate) until_idle: bool,
}

/// Settings of the server's process.
#[derive(Debug, Clone, Args)]
pub(crate) struct ServeArgs {
    /// The address to listen at
    #[arg(long, env = "WINDLASS_LISTEN", default_value = "127.0.0.1:7070")]
    pub(crate) listen: SocketAddr,
    /// The database; a file in the data folder by default. May carry a password: prefer the variable
    #[arg(long, env = "WINDLASS_DATABASE", value_name = "URL", hide_env_values = true)]
    pub(crate) database: Option<String>,
    /// The folder of content and ledger; the data folder by default. Servers that share a database share it too
    #[arg(long, env = "WINDLASS_CONTENT", value_name = "DIR")]
    pub(crate) content: Option<PathBuf>,
    /// How long another server waits for one that fell silent before it leads in its place; for servers that share a
    /// database
    #[arg(long, env = "WINDLASS_LEASE", value_name = "SPAN", default_value = "8s")]
    pub(crate) lease: windlass_kinds::Span,
    /// How long events that were answered are kept: one that is sent again within this time has no effect
    #[arg(long, env = "WINDLASS_KEEP_EVENTS", value_name = "SPAN", default_value = "30d")]
    pub(crate) keep_events: windlass_kinds::Span,
    /// Further host names to answer for
    #[arg(long = "host", value_name = "NAME")]
    pub(crate) hosts: Vec<String>,
    /// How many steps may run at once; the number of processors by default
    #[arg(long, value_name = "N")]
    pub(crate) max_parallel: Option<u32>,
    /// How long a step may take to end after TERM, before KILL
    #[arg(long, value_name = "SPAN", default_value = "30s")]
    pub(crate) grace: windlass_kinds::Span,
    /// A host or network that webhooks may be sent to though it is not public, also over http: hooks.lan, 10.0.0.0/8
    #[arg(
        long = "allow-webhooks-to",
        env = "WINDLASS_ALLOW_WEBHOOKS_TO",
        value_name = "HOST|CIDR",
        value_delimiter = ','
    )]
    pub(crate) allow_webhooks_to: Vec<windlass_net::Exception>,
    /// The Prometheus server that monitors ask; named here, it may be on this machine or a private network
    #[arg(long, env = "WINDLASS_PROMETHEUS", value_name = "URL", hide_env_values = true)]
    pub(crate) prometheus: Option<String>,
    /// A bearer token for it; prefer the variable
    #[arg(long, env = "WINDLASS_PROMETHEUS_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    pub(crate) prometheus_token: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The experiment; `Default` where absent
    #[arg(long)]
    pub(crate) experiment: Option<String>,
    /// A name for the run; made up where absent
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    pub(crate) command: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct RerunArgs {
    /// The id of the run
    pub(crate) run: String,
}

#[derive(Debug, Args)]
pub(crate) struct FilesArgs {
    /// Files, folders, or `-` for standard input
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    /// Files, folders, or `-` for standard input
    #[arg(short, long = "file", required = true, value_name = "PATH")]
    pub(crate) files: Vec<String>,
    /// Exit 2 where something would change
    #[arg(long)]
    pub(crate) exit_code: bool,
    /// Without a server: everything counts as new
    #[arg(long)]
    pub(crate) offline: bool,
    /// Store the plan, to be applied later exactly or refused as stale
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ApplyArgs {
    /// A stored plan
    #[arg(value_name = "PLAN", conflicts_with = "files", required_unless_present = "files")]
    pub(crate) plan: Option<PathBuf>,
    /// Files, folders, or `-` for standard input
    #[arg(short, long = "file", value_name = "PATH")]
    pub(crate) files: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct GetArgs {
    /// A kind (`datasets`), an object (`dataset/flights`), `runs`, `versions`, or `triggers`
    pub(crate) what: Option<String>,
    /// The name, where the kind stands alone
    pub(crate) name: Option<String>,
    /// Only runs of this pipeline
    #[arg(long)]
    pub(crate) pipeline: Option<String>,
    /// Only runs that are not over
    #[arg(long)]
    pub(crate) active: bool,
    /// At most so many runs, the newest
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) limit: u32,
}

#[derive(Debug, Args)]
pub(crate) struct ObjectArgs {
    /// An object (`dataset/flights`), or a kind followed by a name
    pub(crate) what: String,
    /// The name, where the kind stands alone
    pub(crate) name: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct DescribeArgs {
    /// An object (`dataset/flights`), a run (`train-3`), or a kind followed by a name
    pub(crate) what: String,
    /// The name, where the kind stands alone
    pub(crate) name: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// The folder; the present one by default
    #[arg(default_value = ".")]
    pub(crate) dir: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct StartArgs {
    /// The pipeline
    pub(crate) pipeline: String,
    /// A parameter, as NAME=VALUE; VALUE is JSON where it reads as JSON, else text
    #[arg(short, long = "param", value_name = "NAME=VALUE")]
    pub(crate) parameters: Vec<String>,
    /// Wait for the run's end; exit 1 where it fails
    #[arg(long)]
    pub(crate) wait: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RunRefArgs {
    /// The run, such as `train-3`
    pub(crate) run: String,
}

#[derive(Debug, Args)]
pub(crate) struct ResetArgs {
    /// The pipeline
    pub(crate) pipeline: String,
    /// The trigger
    pub(crate) trigger: String,
}

#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    /// The run, or a step of it: `train-3`, `train-3/train[all]`
    pub(crate) target: String,
    /// Go on as the log grows
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Which attempt, from 1; the newest by default
    #[arg(long)]
    pub(crate) attempt: Option<u32>,
}

#[derive(Debug, Args)]
pub(crate) struct WhyArgs {
    /// The step: `train-3/features`
    pub(crate) target: String,
}

#[derive(Debug, Args)]
pub(crate) struct OpenArgs {
    /// A run (`train-3`) or an object (`monitor/flights-quality`); the loop by default
    pub(crate) what: Option<String>,
    /// Print the link only; without it, a desktop's browser is started too
    #[arg(long)]
    pub(crate) print: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ModelCommand {
    /// List registered models
    #[command(alias = "list", after_help = "Example:\n  windlass model ls")]
    Ls,
    /// Show a model and its versions
    #[command(after_help = "Example:\n  windlass model show flights")]
    Show {
        /// The model
        name: String,
    },
    /// List the files of a version
    #[command(after_help = "Example:\n  windlass model files flights@3")]
    Files {
        /// The version, as `flights@3`
        #[arg(value_name = "MODEL@VERSION")]
        target: String,
    },
    /// Show what the gates said of a version, decided again over the numbers kept; measure it anew with --now
    #[command(
        after_help = "Examples:\n  windlass model gate flights@3\n  windlass model gate flights@3 --now --alias champion"
    )]
    Gate {
        /// The version, as `flights@3`
        #[arg(value_name = "MODEL@VERSION")]
        target: String,
        /// Measure the version now instead of showing what was measured
        #[arg(long)]
        now: bool,
        /// The alias whose gate is asked
        #[arg(long, default_value = "champion")]
        alias: String,
    },
    /// Point an alias at a version; where a gate stands before it, only if the version passes
    #[command(after_help = "Example:\n  windlass model alias flights@3 champion")]
    Alias {
        /// The version, as `flights@3`
        #[arg(value_name = "MODEL@VERSION")]
        target: String,
        /// The alias
        alias: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum MonitorCommand {
    /// Show what a monitor saw
    #[command(after_help = "Example:\n  windlass monitor show flights-quality")]
    Show {
        /// The monitor
        name: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct StoryArgs {
    /// The model
    pub(crate) model: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum LedgerCommand {
    /// List entries
    #[command(
        alias = "ls",
        after_help = "Examples:\n  windlass ledger list\n  windlass ledger list --subject 'run train-3'\n  windlass ledger list --after 1000"
    )]
    List {
        /// Only entries about this subject
        #[arg(long)]
        subject: Option<String>,
        /// Only entries after this index
        #[arg(long, default_value_t = 0)]
        after: u64,
    },
    /// Check every entry, tile, covered row and artifact byte; needs no server
    #[command(
        after_help = "Examples:\n  windlass ledger verify\n  windlass ledger verify --checkpoint kept-elsewhere.txt"
    )]
    Verify {
        /// A checkpoint kept elsewhere: the ledger must still contain what it signed
        #[arg(long, value_name = "FILE")]
        checkpoint: Option<PathBuf>,
        /// The database, where it is not the data folder's file
        #[arg(long, env = "WINDLASS_DATABASE", value_name = "URL", hide_env_values = true)]
        database: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token; its secret is printed once
    #[command(
        after_help = "It is good for the project that --project names, and for all where it names none. With --user its rights are those that each project gives its member, and --role is the most of them. The secret goes to standard output alone.\n\nExamples:\n  windlass token create ci --role contributor --project flights --expires 720h\n  windlass token create alice-laptop --user alice\n  windlass token create alice-dashboard --user alice --role viewer --project flights\n  windlass token create ci --replace > token.txt     revokes the one of that name"
    )]
    Create {
        /// A name for it
        name: String,
        /// What it may do: contributor by default; for a user's token the most that it may do
        #[arg(long, value_enum)]
        role: Option<RoleArg>,
        /// The user, as projects name their members, whose rights it gives
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
        /// Revoke the token that has the name now
        #[arg(long)]
        replace: bool,
        /// For how long; for ever where absent
        #[arg(long, value_name = "SPAN")]
        expires: Option<windlass_kinds::Span>,
    },
    /// List tokens, without their secrets
    #[command(
        alias = "ls",
        after_help = "Examples:\n  windlass token list\n  windlass token list --project flights\n  windlass token list -o json"
    )]
    List,
    /// Revoke a token; once more changes nothing
    #[command(
        after_help = "It works no more within two seconds, and answers under way end.\n\nExamples:\n  windlass token revoke ci\n  windlass token revoke ci --project flights     where several have the name"
    )]
    Revoke {
        // Not called `token`: clap would take it for the global option of that name.
        /// Its id or name
        #[arg(value_name = "TOKEN")]
        which: String,
    },
}

/// A role, as the command line writes it.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum RoleArg {
    Viewer,
    Contributor,
    Maintainer,
    Admin,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ImportCommand {
    /// Bring over what an MLflow server or its database has; begun again, it goes on where it was
    #[command(
        after_help = "Examples:\n  windlass import mlflow --from http://mlflow.example:5000\n  windlass import mlflow --from sqlite:///mlflow.db --artifacts ./mlartifacts\n  WINDLASS_IMPORT_FROM=postgresql://mlflow:SECRET@db/mlflow windlass import mlflow --artifacts /mnt/mlartifacts --dry-run"
    )]
    Mlflow(ImportMlflowArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ImportMlflowArgs {
    /// The server (http://…, https://…) or its database (sqlite:///…, postgresql://…). May carry a database's password:
    /// prefer the variable
    #[arg(long, env = "WINDLASS_IMPORT_FROM", value_name = "URL", hide_env_values = true)]
    pub(crate) from: String,
    /// The folder of its artifacts, or a copy; without it, files come through the server, or not at all from a database
    #[arg(long, value_name = "DIR")]
    pub(crate) artifacts: Option<PathBuf>,
    /// What to do where the name of an experiment or model is taken by something that did not come from there
    #[arg(long, value_enum, default_value = "skip")]
    pub(crate) on_conflict: OnConflictArg,
    /// Only say what would be brought over
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// A bearer token for the server; prefer the variable
    #[arg(long, env = "WINDLASS_IMPORT_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    pub(crate) from_token: Option<String>,
    /// The user at the server
    #[arg(long, env = "WINDLASS_IMPORT_USERNAME", value_name = "NAME", hide_env_values = true)]
    pub(crate) from_username: Option<String>,
    /// The user's password; prefer the variable
    #[arg(long, env = "WINDLASS_IMPORT_PASSWORD", value_name = "PASSWORD", hide_env_values = true)]
    pub(crate) from_password: Option<String>,
}

/// What to do where a name is taken, as the command line writes it.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum OnConflictArg {
    /// Leave it out, with all that belongs to it, and list it
    Skip,
    /// Bring it over under another name
    Rename,
    /// Stop
    Fail,
}

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// Ids mapped to names, times and lost attempts left out: two histories can be compared
    #[arg(long, required = true)]
    pub(crate) canonical: bool,
    /// The database, where no server runs and it is not the data folder's file
    #[arg(long, env = "WINDLASS_DATABASE", value_name = "URL", hide_env_values = true)]
    pub(crate) database: Option<String>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_tree_of_verbs_is_sound() {
        super::Cli::command().debug_assert();
    }

    #[test]
    fn every_verb_has_an_example() {
        fn check(command: &clap::Command) {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Example"), "{} has no example", command.get_name());
            command.get_subcommands().filter(|verb| !verb.is_hide_set()).for_each(check);
        }
        check(&super::Cli::command());
    }
}
