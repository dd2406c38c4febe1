//! Watches the model server of one endpoint: puts a new one in its place where it dies, hangs or grows.
//!
//! One task an endpoint, so that a switch, a death and a wish to end never meet. It owns the server; others send it
//! [`Command`]s. A server that dies again and again is started at longer and longer intervals, and meanwhile the front
//! says that nobody answers.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, MissedTickBehavior, interval, sleep_until, timeout},
};
use windlass_control::{Deployment, ServerCondition};

use super::{
    DeployerSettings,
    folders::ModelFolder,
    front::{Drained, Front},
    server::{Launch, ModelServer, StartFailure},
    sockets::Sockets,
    warm,
};

/// A revision with a server that is warm.
pub(super) struct Serving {
    pub(super) deployment: Deployment,
    pub(super) launch: Launch,
    pub(super) folder: ModelFolder,
    pub(super) server: ModelServer,
}

/// What others may ask of the task.
pub(super) enum Command {
    /// Switch to this; answered once requests go there.
    Take(Box<Serving>, oneshot::Sender<Result<(), String>>),
    /// End; answered once nothing is left.
    End(oneshot::Sender<()>),
}

/// What the task shares with whoever asks how the endpoint is doing.
pub(super) type Shared = Arc<Mutex<ServerCondition>>;

/// What the task works with.
#[derive(Clone)]
pub(super) struct Tools {
    pub(super) settings: DeployerSettings,
    pub(super) front: Arc<dyn Front>,
    pub(super) sockets: Arc<Sockets>,
}

/// The server of the endpoint, or that there is none at the moment.
enum State {
    /// It answers. Its memory right after it was warm, in bytes, and when it last answered a ping.
    Up { server: Box<ModelServer>, warm_memory: u64, since: Instant, answered: Instant },
    /// It died; a new one is started at this time.
    Down { until: Instant },
}

struct Watch {
    tools: Tools,
    shared: Shared,
    deployment: Deployment,
    launch: Launch,
    /// Held for as long as a server may read it.
    folder: ModelFolder,
    state: State,
    /// Grows with each restart, until a server has lived for a while.
    pause: Duration,
}

/// Runs until it is told to end, or nobody is left to tell it.
pub(super) async fn run(tools: Tools, shared: Shared, mut commands: mpsc::Receiver<Command>) {
    let Some(mut watch) = begin(tools, shared, &mut commands).await else { return };
    let mut look = interval(watch.tools.settings.look_every);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let event = match &mut watch.state {
            State::Up { server, .. } => tokio::select! {
                command = commands.recv() => Event::Command(command),
                death = server.ended() => Event::Died(death),
                _ = look.tick() => Event::Look,
            },
            State::Down { until } => tokio::select! {
                command = commands.recv() => Event::Command(command),
                () = sleep_until(*until) => Event::Start,
            },
        };
        match event {
            Event::Command(Some(Command::Take(serving, answer))) => {
                let _ = answer.send(watch.take(*serving).await);
            }
            Event::Command(Some(Command::End(answer))) => {
                watch.end().await;
                let _ = answer.send(());
                return;
            }
            Event::Command(None) => return watch.end().await,
            Event::Died(why) => watch.died(&why),
            Event::Look => watch.look().await,
            Event::Start => watch.start_again().await,
        }
    }
}

enum Event {
    Command(Option<Command>),
    Died(String),
    Look,
    Start,
}

/// Waits for the first server.
async fn begin(tools: Tools, shared: Shared, commands: &mut mpsc::Receiver<Command>) -> Option<Watch> {
    loop {
        match commands.recv().await? {
            Command::End(answer) => {
                let _ = answer.send(());
                return None;
            }
            Command::Take(serving, answer) => {
                let Serving { deployment, launch, folder, server } = *serving;
                let pause = tools.settings.first_pause;
                match switch(&tools, &deployment, &launch, &server).await {
                    Ok(_drained) => {
                        let state = up(server);
                        let watch = Watch { tools, shared, deployment, launch, folder, state, pause };
                        watch.say("", true);
                        let _ = answer.send(Ok(()));
                        return Some(watch);
                    }
                    Err(why) => {
                        server.end().await;
                        let _ = answer.send(Err(why));
                    }
                }
            }
        }
    }
}

fn up(server: ModelServer) -> State {
    let now = Instant::now();
    State::Up { warm_memory: server.memory(), server: Box::new(server), since: now, answered: now }
}

async fn switch(
    tools: &Tools,
    deployment: &Deployment,
    launch: &Launch,
    server: &ModelServer,
) -> Result<Drained, String> {
    tools.front.switch(deployment, &launch.model, server.socket()).await
}

impl Watch {
    /// Switches to another revision; the server before it ends once its last request was answered.
    async fn take(&mut self, serving: Serving) -> Result<(), String> {
        let Serving { deployment, launch, folder, server } = serving;
        let drained = match switch(&self.tools, &deployment, &launch, &server).await {
            Ok(drained) => drained,
            Err(why) => {
                server.end().await;
                return Err(why);
            }
        };
        self.deployment = deployment;
        self.launch = launch;
        let folder = std::mem::replace(&mut self.folder, folder);
        self.pause = self.tools.settings.first_pause;
        self.replace(server, drained, folder);
        self.shared.lock().expect("not poisoned").restarts = 0;
        self.say("", true);
        Ok(())
    }

    /// Puts a server in the place of the one before, which ends once it is not needed any more.
    fn replace(&mut self, server: ModelServer, drained: Drained, folder: ModelFolder) {
        match std::mem::replace(&mut self.state, up(server)) {
            State::Up { server: old, .. } => {
                tokio::spawn(async move {
                    drained.await;
                    old.end().await;
                    drop(folder);
                });
            }
            State::Down { .. } => {}
        }
    }

    async fn end(self) {
        let Self { tools, shared, deployment, state, .. } = self;
        tools.front.remove(&deployment.project, &deployment.endpoint).await;
        if let State::Up { server, .. } = state {
            server.end().await;
        }
        *shared.lock().expect("not poisoned") = ServerCondition::default();
    }

    /// Notes that the server is gone and when another is to be started.
    fn died(&mut self, why: &str) {
        let settings = &self.tools.settings;
        if let State::Up { since, .. } = &self.state
            && since.elapsed() >= settings.long_life
        {
            self.pause = settings.first_pause;
        }
        let pause = self.pause;
        self.pause = (pause * 2).min(settings.longest_pause);
        self.state = State::Down { until: Instant::now() + pause };
        self.say(&format!("{why}; starting another in {} s", pause.as_secs_f64()), false);
    }

    async fn start_again(&mut self) {
        self.shared.lock().expect("not poisoned").restarts += 1;
        match self.start_another().await {
            Ok(()) => self.say("", true),
            Err(why) => self.died(&why),
        }
    }

    /// Starts a server of the same revision, warms it and switches to it.
    async fn start_another(&mut self) -> Result<(), String> {
        let socket = self.tools.sockets.next().map_err(|error| format!("there is no place for a socket: {error}"))?;
        let started = ModelServer::start(&self.launch, socket).await;
        let server = started.map_err(|failure| match failure {
            StartFailure::Model(why) | StartFailure::Machine(why) => why,
        })?;
        let warmed = warm::warm(&server, &self.launch.model, self.tools.settings.patience).await;
        if let Err(StartFailure::Model(why) | StartFailure::Machine(why)) = warmed {
            server.end().await;
            return Err(why);
        }
        let drained = match switch(&self.tools, &self.deployment, &self.launch, &server).await {
            Ok(drained) => drained,
            Err(why) => {
                server.end().await;
                return Err(why);
            }
        };
        let folder = self.folder.clone();
        self.replace(server, drained, folder);
        Ok(())
    }

    /// Looks after a server that is up: does it answer, does it grow?
    async fn look(&mut self) {
        let settings = self.tools.settings.clone();
        let hung_after = self.deployment.spec.limits.timeout.0 * 2 + settings.hang_grace;
        let State::Up { server, warm_memory, answered, .. } = &mut self.state else { return };
        let ping = timeout(settings.look_every, warm::ping(server)).await;
        let mut trouble = None;
        if let Ok(Ok(said)) = ping {
            *answered = Instant::now();
            trouble = Some(said);
        }
        let (memory, silent) = (server.memory(), answered.elapsed());
        let limit = warm_memory.saturating_mul(2).saturating_add(settings.memory_growth);
        self.shared.lock().expect("not poisoned").memory = memory;
        if silent >= hung_after {
            let silence = silent.as_secs();
            let down = State::Down { until: Instant::now() };
            if let State::Up { server, .. } = std::mem::replace(&mut self.state, down) {
                server.kill().await;
            }
            self.died(&format!("its model server gave no sign of life for {silence} s and was killed"));
        } else if memory > limit {
            let mib = memory >> 20;
            self.say(&format!("its model server grew to {mib} MiB; another takes its place"), false);
            self.shared.lock().expect("not poisoned").restarts += 1;
            match self.start_another().await {
                Ok(()) => self.say("", true),
                // The one that grew goes on, and is looked at again.
                Err(why) => self.say(&format!("its model server grew to {mib} MiB, and no other starts: {why}"), false),
            }
        } else if let Some(trouble) = trouble
            && self.shared.lock().expect("not poisoned").trouble != trouble
        {
            self.say(&trouble, true);
        }
    }

    /// Says how the endpoint is doing: empty where all is well.
    fn say(&self, trouble: &str, is_up: bool) {
        let Deployment { endpoint, number, .. } = &self.deployment;
        if !trouble.is_empty() {
            tracing::warn!("endpoint {endpoint}: {trouble}");
        }
        let memory = match &self.state {
            State::Up { server, .. } => server.memory(),
            State::Down { .. } => 0,
        };
        let mut condition = self.shared.lock().expect("not poisoned");
        condition.number = Some(*number).filter(|_| is_up || matches!(self.state, State::Up { .. }));
        condition.trouble = trouble.to_owned();
        condition.memory = memory;
    }
}
