//! A PostgreSQL server of one test's own, which the test may crash, stop and start again, and reach by TLS.
//!
//! Unlike the shared one it keeps what it acknowledged when it crashes. It listens at a port of the loopback address too,
//! since TLS is for TCP alone, with a certificate made on the spot for `localhost` by an authority of its own.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use crate::postgres::{binaries, runuser};

/// Makes a cluster and obeys the words on standard input until that closes; each is answered by a line once it is done.
const SCRIPT: &str = r#"
folder=$(mktemp -d "${TMPDIR:-/tmp}/wl-pg-XXXXXX") || exit 1
echo "$folder"
cd "$folder" || exit 1
{
    "$1/initdb" -D data -U windlass -A trust -E UTF8 --locale=C.UTF-8 --no-sync
    for name in ca other; do
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$name" \
            -addext basicConstraints=critical,CA:TRUE -keyout $name.key -out $name.crt
    done
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost -keyout server.key -out server.csr
    echo subjectAltName=DNS:localhost >names
    openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile names -out server.crt
    chmod 600 server.key
    # Whoever tests may read the authorities' certificates.
    chmod 755 .
    chmod 644 ca.crt other.crt
} >log 2>&1 </dev/null
start() {
    "$bin/postgres" -D data -k "$folder" -p "$port" -c listen_addresses=localhost -c fsync=off \
        -c full_page_writes=off -c max_connections=100 -c shared_buffers=32MB -c ssl=on \
        -c ssl_cert_file="$folder/server.crt" -c ssl_key_file="$folder/server.key" >>log 2>&1 </dev/null &
    server=$!
    for _ in $(seq 1200); do
        "$bin/pg_isready" -q -h "$folder" -p "$port" && return
        sleep 0.1
    done
}
bin=$1
port=$2
start
echo up
while read -r word; do
    case $word in
        crash) kill -QUIT "$server"; wait "$server"; start ;;
        stop) kill -INT "$server"; wait "$server" ;;
        start) start ;;
    esac
    echo "$word"
done
kill -QUIT "$server" 2>/dev/null
wait "$server"
cd / && rm -rf "$folder"
"#;

/// A running server; it ends and is removed with this value.
pub struct PrivatePostgres {
    folder: PathBuf,
    port: u16,
    words: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    child: Child,
}

impl PrivatePostgres {
    /// Starts a server; `None` (said aloud) where PostgreSQL or `openssl` is not installed.
    ///
    /// # Panics
    /// When it cannot be started, or under `CI` when it is not installed.
    pub fn start() -> Option<Self> {
        let there = binaries().is_some() && Command::new("openssl").arg("version").output().is_ok();
        if !there {
            assert!(std::env::var_os("CI").is_none(), "not installed: apt-get install postgresql openssl");
            eprintln!("SKIPPED: PostgreSQL or openssl is not installed (apt-get install postgresql openssl)");
            return None;
        }
        let binaries = binaries()?;
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = free.local_addr().expect("its address").port();
        drop(free);
        let mut command = runuser(SCRIPT);
        command.arg(&binaries).arg(port.to_string()).current_dir("/");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a shell for PostgreSQL");
        let words = child.stdin.take();
        let mut answers = BufReader::new(child.stdout.take().expect("standard output is piped"));
        let folder = PathBuf::from(line(&mut answers));
        let server = Self { folder, port, words, answers, child };
        server.up()
    }

    fn up(mut self) -> Option<Self> {
        assert_eq!(line(&mut self.answers), "up", "PostgreSQL starts: {}", self.log());
        Some(self)
    }

    /// Crashes the server as `kill -9` of all its processes would, and starts it again.
    pub fn crash(&mut self) {
        self.ask("crash");
    }

    /// Stops the server; whoever is connected is sent away.
    pub fn stop(&mut self) {
        self.ask("stop");
    }

    /// Starts the server after [`PrivatePostgres::stop`].
    pub fn start_again(&mut self) {
        self.ask("start");
    }

    /// Returns the URL of its database by a socket.
    pub fn by_socket(&self) -> String {
        format!("postgres://windlass@localhost:{}/postgres?host={}", self.port, self.folder.display())
    }

    /// Returns the URL of its database by TCP, with `parameters` of the connection.
    pub fn by_tcp(&self, parameters: &str) -> String {
        format!("postgres://windlass@localhost:{}/postgres?{parameters}", self.port)
    }

    /// Returns the certificate of the authority that signed the server's.
    pub fn authority(&self) -> PathBuf {
        self.folder.join("ca.crt")
    }

    /// Returns the certificate of an authority that signed nothing.
    pub fn other_authority(&self) -> PathBuf {
        self.folder.join("other.crt")
    }

    fn ask(&mut self, word: &str) {
        let words = self.words.as_mut().expect("taken only at the end");
        writeln!(words, "{word}").expect("the script reads");
        assert_eq!(line(&mut self.answers), word, "PostgreSQL obeys: {}", self.log());
    }

    fn log(&self) -> String {
        std::fs::read_to_string(Path::new(&self.folder).join("log")).unwrap_or_default()
    }
}

impl Drop for PrivatePostgres {
    fn drop(&mut self) {
        drop(self.words.take());
        let _ = self.child.wait();
    }
}

fn line(answers: &mut BufReader<ChildStdout>) -> String {
    let mut line = String::new();
    answers.read_line(&mut line).expect("the script answers");
    line.trim_end().to_owned()
}
