//! The Python processes of one model, and the line of those who ask.
//!
//! Each process has a thread here, which takes one question after another, kills a process that takes too long, and
//! starts another for one that died: at once at first, then at longer and longer intervals. A death takes the question
//! that was being answered with it and no other one. While there is no process at all, questions are refused at once.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use super::{
    super::PredictError,
    frame::Reply,
    worker::{Broken, Launch, Worker},
};

/// How often a process that nobody asks is looked at.
const LOOK: Duration = Duration::from_millis(200);
/// How long after a first death another process is started; each further time takes twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest time between two starts.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A process that lived for this long did not die of its start.
const LONG_LIFE: Duration = Duration::from_secs(60);

/// The processes of a model.
pub(super) struct Crew {
    shared: Arc<Shared>,
    limit: Duration,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    limit: Duration,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    /// How many processes there are.
    up: usize,
    /// Why the last one died.
    trouble: String,
    ended: bool,
}

struct Job {
    question: Vec<u8>,
    rows: usize,
    until: Instant,
    reply: SyncSender<Result<Reply, PredictError>>,
}

impl Crew {
    /// Starts `size` processes, at least one, and waits for the first. A question may take `limit`.
    ///
    /// # Errors
    /// Why the model cannot be loaded, in words for people.
    pub(super) fn start(launch: &Launch, size: usize, limit: Duration) -> Result<Self, String> {
        let shared = Arc::new(Shared { state: Mutex::default(), changed: Condvar::new(), limit });
        let crew = Self { shared, limit };
        let first = crew.hire(launch.clone(), None)?;
        first.recv().unwrap_or_else(|_| Err("the thread of a Python process ended".to_owned()))?;
        for _ in 1..size {
            crew.hire(launch.clone(), Some(FIRST_PAUSE))?;
        }
        Ok(crew)
    }

    /// Starts the thread of a process, which says how the first start went. Where that failed it ends, unless it is to
    /// try again after a pause.
    ///
    /// The process is started by its own thread: it is sent a signal when the thread that started it ends.
    fn hire(&self, launch: Launch, again: Option<Duration>) -> Result<Receiver<Result<(), String>>, String> {
        let shared = Arc::clone(&self.shared);
        let (say, said) = sync_channel(1);
        let work = move || {
            let first = Worker::start(&launch);
            let _ = say.send(first.as_ref().map(drop).map_err(Clone::clone));
            match (first, again) {
                (Ok(worker), _) => shared.work(&launch, Some(worker)),
                (Err(_), Some(_)) => shared.work(&launch, None),
                (Err(_), None) => {}
            }
        };
        let spawned = thread::Builder::new().name("python".to_owned()).spawn(work);
        spawned.map_err(|error| format!("a thread cannot be started: {error}"))?;
        Ok(said)
    }

    /// Has one of the processes answer a question about so many rows.
    pub(super) fn ask(&self, question: Vec<u8>, rows: usize) -> Result<Reply, PredictError> {
        let (reply, answered) = sync_channel(1);
        let until = Instant::now() + self.limit;
        {
            let mut state = self.shared.lock();
            if state.up == 0 {
                return Err(state.down());
            }
            state.jobs.push_back(Job { question, rows, until, reply });
        }
        self.shared.changed.notify_one();
        // A little more, so that whoever answers says why it took so long.
        match answered.recv_timeout(self.limit + LOOK) {
            Ok(outcome) => outcome,
            Err(RecvTimeoutError::Timeout) => Err(PredictError::Late),
            Err(RecvTimeoutError::Disconnected) => Err(self.shared.lock().down()),
        }
    }

    /// Returns why nobody answers at the moment, if so.
    pub(super) fn trouble(&self) -> Option<String> {
        let state = self.shared.lock();
        (state.up == 0).then(|| state.trouble.clone())
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.shared.lock().ended = true;
        self.shared.changed.notify_all();
    }
}

impl State {
    fn down(&self) -> PredictError {
        PredictError::Down(self.trouble.clone())
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has a process answer, and others after it, until the model is not needed any more.
    fn work(&self, launch: &Launch, first: Option<Worker>) {
        let mut pause = FIRST_PAUSE;
        let mut worker = first;
        loop {
            if let Some(worker) = worker.take() {
                let since = Instant::now();
                self.lock().up += 1;
                let Some(why) = self.serve(worker) else { return };
                if since.elapsed() >= LONG_LIFE {
                    pause = FIRST_PAUSE;
                }
                eprintln!("{why}; starting another in {} s", pause.as_secs_f64());
            }
            if self.is_ended_within(pause) {
                return;
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
            match Worker::start(launch) {
                Ok(started) => worker = Some(started),
                Err(why) => {
                    eprintln!("{why}; trying again in {} s", pause.as_secs_f64());
                    self.lock().trouble = why;
                }
            }
        }
    }

    /// Answers one question after another. Returns why the process is gone, or nothing once the model is not needed.
    fn serve(&self, mut worker: Worker) -> Option<String> {
        loop {
            let why = match self.next(&mut worker) {
                Next::End => return None,
                Next::Dead(why) => {
                    self.leave(&why);
                    why
                }
                Next::Job(Job { question, rows, until, reply }) => {
                    let left = until.saturating_duration_since(Instant::now());
                    let (outcome, why) = match worker.ask(&question, rows, left) {
                        Ok(answer) => (Ok(answer), None),
                        Err(Broken::Late) => {
                            let seconds = self.limit.as_secs_f64();
                            let why = format!("its Python process did not answer within {seconds} s and was killed");
                            (Err(PredictError::Late), Some(why))
                        }
                        Err(Broken::Gone(why)) => (Err(PredictError::Down(why.clone())), Some(why)),
                    };
                    // Gone before it is said, so that nobody who heard of it finds it there.
                    if let Some(why) = &why {
                        self.leave(why);
                    }
                    let _ = reply.send(outcome);
                    match why {
                        Some(why) => why,
                        None => continue,
                    }
                }
            };
            return Some(why);
        }
    }

    /// Waits for a question that still has time, or for the end of the process or the model.
    fn next(&self, worker: &mut Worker) -> Next {
        let mut state = self.lock();
        loop {
            if state.ended {
                return Next::End;
            }
            if let Some(why) = worker.is_dead() {
                return Next::Dead(why);
            }
            while let Some(job) = state.jobs.pop_front() {
                if job.until > Instant::now() {
                    return Next::Job(job);
                }
                let _ = job.reply.send(Err(PredictError::Late));
            }
            state = self.changed.wait_timeout(state, LOOK).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Notes that a process is gone. Where it was the last, nobody waits in vain.
    fn leave(&self, why: &str) {
        let mut state = self.lock();
        state.up -= 1;
        why.clone_into(&mut state.trouble);
        if state.up == 0 {
            for job in std::mem::take(&mut state.jobs) {
                let _ = job.reply.send(Err(state.down()));
            }
        }
    }

    /// Waits for a while, and tells whether the model is not needed any more.
    fn is_ended_within(&self, pause: Duration) -> bool {
        let state = self.lock();
        let waited = self.changed.wait_timeout_while(state, pause, |state| !state.ended);
        waited.unwrap_or_else(PoisonError::into_inner).0.ended
    }
}

/// What a thread does next.
enum Next {
    Job(Job),
    Dead(String),
    End,
}
