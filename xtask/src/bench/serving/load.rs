//! Clients that ask again as soon as they are answered, each over a connection that it keeps.
//!
//! Made to cost little, because it runs beside what it measures: one write and one read a request, no parsing beyond
//! the length of the answer, nothing sent ahead.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, ensure};

/// The longest that one answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// What clients saw.
pub(super) struct Seen {
    /// How long each request took, sorted.
    took: Vec<Duration>,
    /// How long all of it took.
    time: Duration,
}

impl Seen {
    /// Returns how many requests were answered.
    pub(super) fn requests(&self) -> usize {
        self.took.len()
    }

    /// Returns how many were answered in a second.
    pub(super) fn rate(&self) -> f64 {
        self.took.len() as f64 / self.time.as_secs_f64()
    }

    /// Returns the time within which a share of the requests was answered, in milliseconds.
    pub(super) fn quantile(&self, share: f64) -> f64 {
        let place = (self.took.len() as f64 * share) as usize;
        self.took.get(place.min(self.took.len() - 1)).map_or(0.0, |took| took.as_secs_f64() * 1000.0)
    }
}

/// Sends `request` by so many clients for so long.
pub(super) fn send(address: &str, request: &[u8], clients: usize, time: Duration) -> Result<Seen> {
    let begun = Instant::now();
    let outcomes: Vec<Result<Vec<Duration>>> = thread::scope(|scope| {
        let client = |_| scope.spawn(|| client(address, request, begun + time));
        let running: Vec<_> = (0..clients).map(client).collect();
        running.into_iter().map(|it| it.join().map_err(|_| anyhow!("a client panicked"))?).collect()
    });
    let mut took = Vec::new();
    for outcome in outcomes {
        took.extend(outcome?);
    }
    took.sort_unstable();
    ensure!(!took.is_empty(), "nothing was answered");
    Ok(Seen { took, time: begun.elapsed() })
}

fn client(address: &str, request: &[u8], until: Instant) -> Result<Vec<Duration>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut buffer = vec![0; 64 << 10];
    let mut took = Vec::new();
    let mut now = Instant::now();
    while now < until {
        stream.write_all(request)?;
        let mut filled = 0;
        while !is_complete(&buffer[..filled])? {
            let read = stream.read(&mut buffer[filled..]).context("no answer")?;
            ensure!(read > 0, "the connection was closed");
            filled += read;
        }
        let answered = Instant::now();
        took.push(answered - now);
        now = answered;
    }
    Ok(took)
}

/// Returns whether an answer is all there; it must be a 200 and tell its length.
fn is_complete(answer: &[u8]) -> Result<bool> {
    let Some(end) = answer.windows(4).position(|it| it == b"\r\n\r\n") else { return Ok(false) };
    let head = String::from_utf8_lossy(&answer[..end]);
    ensure!(head.starts_with("HTTP/1.1 200"), "answered {}", String::from_utf8_lossy(answer));
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let length = length.with_context(|| format!("an answer without a length: {head}"))?;
    Ok(answer.len() >= end + 4 + length)
}
