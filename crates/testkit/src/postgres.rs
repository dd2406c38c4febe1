//! Debian's PostgreSQL, started for one test process.

use std::{
    io::{BufRead as _, BufReader},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

/// How long the server may take to come up on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(120);

/// Makes a cluster, serves it until standard input closes (which it does when the test process ends, however it ends),
/// and removes it. A linguistic collation, so that nothing passes only because text happens to sort by bytes.
const SCRIPT: &str = r#"
folder=$(mktemp -d "${TMPDIR:-/tmp}/wl-pg-XXXXXX") || exit 1
echo "$folder"
"$1/initdb" -D "$folder/data" -U windlass -A trust -E UTF8 --locale-provider=icu --icu-locale=en --locale=C.UTF-8 \
    --no-sync >"$folder/log" 2>&1 &&
"$1/postgres" -D "$folder/data" -k "$folder" -c listen_addresses= -c fsync=off -c synchronous_commit=off \
    -c full_page_writes=off -c max_connections=200 -c shared_buffers=32MB >>"$folder/log" 2>&1 </dev/null &
server=$!
read -r _
kill -QUIT "$server" 2>/dev/null
wait "$server"
rm -rf "$folder"
"#;

/// A running PostgreSQL server.
pub struct Postgres {
    folder: PathBuf,
    binaries: PathBuf,
    databases: AtomicU32,
    // Holds the pipe that keeps the server alive.
    _child: Child,
}

impl Postgres {
    /// Returns the process's server, started at the first call; `None` where PostgreSQL is not installed.
    ///
    /// # Panics
    /// When it cannot be started, or under `CI` when it is not installed.
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Postgres>> = OnceLock::new();
        let server = SHARED.get_or_init(|| binaries().map(|binaries| Self::start(&binaries)));
        if server.is_none() {
            assert!(std::env::var_os("CI").is_none(), "PostgreSQL is not installed: apt-get install postgresql");
            eprintln!("SKIPPED on PostgreSQL: it is not installed (apt-get install postgresql)");
        }
        server.as_ref()
    }

    fn start(binaries: &Path) -> Self {
        let mut command = runuser(SCRIPT);
        // The working folder may be closed to the other user.
        let child = command.arg(binaries).current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.expect("a shell for PostgreSQL");
        let mut folder = String::new();
        let output = child.stdout.take().expect("standard output is piped");
        BufReader::new(output).read_line(&mut folder).expect("the folder's name");
        let folder = PathBuf::from(folder.trim_end());
        let server = Self { folder, binaries: binaries.to_owned(), databases: AtomicU32::new(0), _child: child };
        server.wait();
        server
    }

    fn wait(&self) {
        let began = Instant::now();
        let ready = || {
            UnixStream::connect(self.folder.join(".s.PGSQL.5432")).is_ok()
                && self.client("pg_isready").arg("-q").status().is_ok_and(|status| status.success())
        };
        while !ready() {
            if began.elapsed() > START_LIMIT {
                let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
                panic!("PostgreSQL did not start:\n{log}");
            }
            #[expect(clippy::disallowed_methods, reason = "before any runtime; a state with a time limit")]
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Makes an empty database and returns its URL.
    pub fn database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let made = self.client("createdb").args(["-U", "windlass", &name]).output().expect("createdb runs");
        assert!(made.status.success(), "createdb: {}", String::from_utf8_lossy(&made.stderr));
        format!("postgres://windlass@localhost/{name}?host={}", self.folder.display())
    }

    fn client(&self, program: &str) -> Command {
        let mut command = Command::new(self.binaries.join(program));
        command.arg("-h").arg(&self.folder);
        command
    }
}

/// Returns a shell that runs `script` as somebody whom PostgreSQL does not refuse, as it does root.
pub(crate) fn runuser(script: &str) -> Command {
    if is_root() {
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--", "sh", "-c", script, "sh"]);
        command
    } else {
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh"]);
        command
    }
}

/// Returns the folder of the newest installed server.
pub(crate) fn binaries() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let newest = versions.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok()).max()?;
    let folder = PathBuf::from(format!("/usr/lib/postgresql/{newest}/bin"));
    folder.join("initdb").exists().then_some(folder)
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}
