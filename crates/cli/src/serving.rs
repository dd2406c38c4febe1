//! The server in this process: store, content, executor, control loop and HTTP, wired together.
//!
//! Everything that can be refused (a taken port, a folder of a newer Windlass, a full disk) is found before anything
//! starts to work.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::{oneshot, watch},
    task::JoinHandle,
};
use windlass_api::{Client, token};
use windlass_control::{Candidate, Clock, Control, ControlError, EndChannel, Settings, SystemClock};
use windlass_data::prometheus::Prometheus;
use windlass_kinds::{
    TokenId,
    manifest::Role,
    record::{Actor, LedgerKind, Token},
};
use windlass_local::{Environments, LocalDeployer, LocalExecutor, deployer::DeployerSettings};
use windlass_net::Allowed;
use windlass_oci::FolderStore;
use windlass_serve::gateway::Gateway;
use windlass_server::{AppState, ServerSettings, WebhookCourier};
use windlass_store::{
    Fence, Store, StoreError, StoreUrl,
    ledger::{LedgerError, Sequencer},
};

use crate::{
    connect,
    data_folder::{DataFolder, FolderLock},
    failure::Failure,
};

mod endpoints;

/// How often the ledger's sequencer looks for new rows.
const SEQUENCE_EVERY: Duration = Duration::from_millis(250);

/// How many runs are sealed anew in one go.
const RESEAL: u32 = 256;

/// Every how many rounds of the sequencer runs are sealed anew.
const RESEAL_ROUNDS: u32 = 8;

/// How long a server leads without being heard of, unless it is said otherwise.
pub(crate) const LEASE: Duration = Duration::from_secs(8);

/// Name of the value that tells which content belongs to a database.
const CONTENT: &str = "content";

/// What a server is started with.
#[derive(Debug, Clone)]
pub(crate) struct ServeSettings {
    pub(crate) listen: SocketAddr,
    pub(crate) database: Option<String>,
    pub(crate) hosts: Vec<String>,
    pub(crate) max_parallel: Option<u32>,
    pub(crate) grace: Duration,
    pub(crate) until_idle: bool,
    /// Whom monitors ask.
    pub(crate) prometheus: Option<Prometheus>,
    /// Where webhooks may be sent beside public addresses.
    pub(crate) webhooks_to: Allowed,
    /// Where content lies, if not where it lay before.
    pub(crate) content: Option<PathBuf>,
    /// How long this server leads without being heard of, where several share a database.
    pub(crate) lease: Duration,
    /// How long events that were answered are kept, where it is said.
    pub(crate) keep_events: Option<Duration>,
}

/// A running server.
pub(crate) struct Serving {
    /// The control loop.
    pub(crate) control: Control,
    /// A client of this very server.
    pub(crate) client: Client,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// How long steps have to end after TERM.
    pub(crate) grace: Duration,
    folder: DataFolder,
    stop_http: oneshot::Sender<()>,
    http: JoinHandle<Result<(), windlass_server::ServeError>>,
    stop_sequencer: oneshot::Sender<()>,
    sequencer: JoinHandle<()>,
    working: Option<JoinHandle<()>>,
    /// Set when another server leads in the place of this one.
    superseded: watch::Sender<bool>,
    gateway: Gateway,
    _lock: FolderLock,
}

/// Starts everything but the control loop's work; [`Serving::work`] starts that.
pub(crate) async fn start(folder: DataFolder, settings: ServeSettings) -> Result<Serving, Failure> {
    let lock = lock(&folder).await?;
    let listener = windlass_server::bind(settings.listen).await.map_err(|error| {
        let taken = matches!(&error, windlass_server::ServeError::Listen { source, .. }
            if source.kind() == std::io::ErrorKind::AddrInUse);
        let failure = Failure::user(windlass_control::chain(&error));
        if taken {
            failure.hint("another program listens there; choose another address with --listen, such as 127.0.0.1:0")
        } else {
            failure
        }
    })?;
    let address = listener.local_addr().map_err(|error| Failure::ours("failed to read the address", error))?;
    let url = match &settings.database {
        None => StoreUrl::Sqlite(folder.path().join("windlass.db")),
        Some(text) => text.parse().map_err(|error| Failure::user_because("the database is not understood", error))?,
    };
    let database = match &url {
        StoreUrl::Sqlite(_) => "sqlite",
        StoreUrl::Postgres(_) => "postgres",
    };
    let store = Store::open(&url).await.map_err(store_failure)?;
    folder.mark_layout()?;
    if let Some(content) = &settings.content {
        folder.use_content(content)?;
    }
    if store.is_shared() {
        demand_content(&folder, &store).await?;
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let token = local_token(&folder, &store, clock.as_ref()).await?;
    let blobs = FolderStore::open(folder.content().join("blobs"))
        .map_err(|error| Failure::user_because("the content store cannot be used", error))?;
    let blobs: Arc<dyn windlass_oci::BlobStore> = Arc::new(blobs);
    let ends = EndChannel::default();
    let binary = std::env::current_exe().map_err(|error| Failure::ours("failed to find this program's file", error))?;
    let environments = Arc::new(Environments::new(folder.path()));
    let unusable = |error| Failure::user_because("the data folder cannot be used", error);
    let executor = LocalExecutor::new(folder.path(), binary.clone(), blobs.clone(), environments.clone(), ends.sink())
        .map_err(unusable)?;
    let gateway = endpoints::gateway(&folder, clock.clone());
    let deployer = LocalDeployer::new(
        folder.path(),
        binary,
        blobs.clone(),
        environments,
        Arc::new(gateway.clone()),
        DeployerSettings::default(),
    )
    .map_err(unusable)?;
    let processors = std::thread::available_parallelism().map_or(1, |count| u32::try_from(count.get()).unwrap_or(1));
    let control_settings = Settings {
        tracking_uri: format!("http://{}", reachable(address)),
        max_parallel: settings.max_parallel.unwrap_or(processors).max(1),
        architecture: std::env::consts::ARCH.to_owned(),
        until_idle: settings.until_idle,
        attempt_secret: folder.secret("attempts")?,
    };
    let control = Control::new(store.clone(), blobs, Arc::new(executor), clock, control_settings);
    ends.connect(&control);
    control.serve_by(Arc::new(deployer));
    if let Some(span) = settings.keep_events {
        control.keep_answered(span);
    }
    if control.store().is_shared() {
        let holder = secret_id(&folder.secret("holder")?);
        let address = format!("http://{}", reachable(address));
        control.share(Candidate { holder, address, term: settings.lease });
    }
    if let Some(prometheus) = settings.prometheus {
        control.ask_by(prometheus);
    }
    let courier = Arc::new(WebhookCourier::new(&folder.shared_secret("webhooks")?, settings.webhooks_to.clone()));
    control.deliver_by(courier.clone());
    control.expect_endpoints().await.map_err(|error| Failure::ours("the endpoints cannot be read", error))?;
    // Of several servers the one that leads opens it: the first of them makes its key.
    let sequencer = if store.is_shared() { None } else { Some(Sequencer::open(store, &folder.content()).await) };
    let sequencer = sequencer.transpose().map_err(|error| Failure::ours("the ledger cannot be continued", error))?;
    let state = AppState::new(
        control.clone(),
        ServerSettings { hosts: settings.hosts.clone(), database: database.to_owned(), ..ServerSettings::default() },
    )
    .with_traffic(endpoints::traffic(&gateway))
    .with_webhooks(courier)
    .with_parts(&folder.shared_secret("uploads")?);
    let (stop_http, http_stopped) = oneshot::channel::<()>();
    let endpoints = endpoints::routes(&gateway, state.clone());
    let http = tokio::spawn(windlass_server::serve(listener, state, endpoints, async {
        let _ = http_stopped.await;
    }));
    let (stop_sequencer, sequencer_stopped) = oneshot::channel();
    let sequencer = tokio::spawn(sequence(sequencer, folder.content(), control.clone(), sequencer_stopped));
    folder.write_server(reachable(address))?;
    let client = Client::new(&format!("http://{}", reachable(address)), &token).map_err(connect::failure)?;
    Ok(Serving {
        control,
        client,
        address,
        folder,
        grace: settings.grace,
        stop_http,
        http,
        stop_sequencer,
        sequencer,
        working: None,
        superseded: watch::Sender::new(false),
        gateway,
        _lock: lock,
    })
}

/// Takes the folder. Commands that look for a server hold the lock for a moment, which is no reason to give up.
async fn lock(folder: &DataFolder) -> Result<FolderLock, Failure> {
    for _ in 0..10 {
        if let Ok(lock) = folder.lock() {
            return Ok(lock);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    folder.lock()
}

impl Serving {
    /// Starts the control loop.
    pub(crate) fn work(&mut self) {
        let (control, superseded) = (self.control.clone(), self.superseded.clone());
        self.working = Some(tokio::spawn(async move {
            loop {
                // On a task of its own, so that a mistake of ours in one decision is said and does not end all others.
                let running = control.clone();
                let trouble = match tokio::spawn(async move { running.run().await }).await {
                    Ok(Ok(())) => return,
                    Ok(Err(ControlError::Store(StoreError::Fenced))) => {
                        superseded.send_replace(true);
                        return;
                    }
                    // The loop itself tries again after trouble; an error here is one of its start.
                    Ok(Err(error)) => format!("cannot start: {}", windlass_control::chain(&error)),
                    Err(error) => format!("broke off: {error}"),
                };
                control.notice(format!("the control loop {trouble}; starting it again"));
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }));
    }

    /// Returns once another server leads in the place of this one, which did until then. What this one remembers is of no
    /// use any more: it is to be stopped, and may be started anew to follow.
    pub(crate) fn superseded(&self) -> impl Future<Output = ()> + 'static {
        let mut superseded = self.superseded.subscribe();
        async move {
            // The sender lives as long as there is something to tell.
            if superseded.wait_for(|is| *is).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Ends steps, publishes the ledger, finishes requests and lets the folder go.
    pub(crate) async fn stop(self) {
        let Self {
            control,
            client: _,
            address: _,
            folder,
            grace,
            stop_http,
            http,
            stop_sequencer,
            sequencer,
            working,
            superseded: _,
            gateway,
            _lock,
        } = self;
        control.stop(grace).await;
        if let Some(working) = working {
            let _ = working.await;
        }
        let _ = stop_http.send(());
        // Streams that never end must not hold us up.
        let _ = tokio::time::timeout(Duration::from_secs(3), http).await;
        let _ = tokio::time::timeout(Duration::from_secs(10), control.deployer().stop()).await;
        gateway.stop().await;
        let _ = stop_sequencer.send(());
        let _ = sequencer.await;
        control.let_go().await;
        // Whatever still holds a connection by then loses nothing; the database is one file afterwards, else two.
        let _ = tokio::time::timeout(Duration::from_secs(5), control.store().close()).await;
        folder.remove_server();
    }
}

/// Publishes new ledger rows every moment, and once more at the end. Of several servers the one that leads does.
async fn sequence(
    mut sequencer: Option<Sequencer>,
    content: PathBuf,
    control: Control,
    mut stopped: oneshot::Receiver<()>,
) {
    let mut failing = false;
    let mut rounds = 0_u32;
    loop {
        let last = tokio::select! {
            _ = &mut stopped => true,
            () = tokio::time::sleep(SEQUENCE_EVERY) => false,
        };
        rounds = rounds.wrapping_add(1);
        let outcome = match control.fence() {
            Ok(fence) => {
                // Runs written to after they ended are sealed anew before their rows are published.
                if last || rounds.is_multiple_of(RESEAL_ROUNDS) {
                    reseal(&control, fence).await;
                }
                publish(&mut sequencer, &content, &control, fence).await
            }
            Err(_) => {
                // Whoever leads goes on from what it finds, and so does this one when it leads again.
                sequencer = None;
                Ok(())
            }
        };
        match outcome {
            Ok(()) | Err(LedgerError::Store(StoreError::Fenced)) => failing = false,
            Err(error) if failing => tracing::warn!("the ledger still waits: {}", windlass_control::chain(&error)),
            Err(error) => {
                failing = true;
                control.notice(format!("the ledger waits: {}", windlass_control::chain(&error)));
            }
        }
        if last {
            return;
        }
    }
}

async fn reseal(control: &Control, fence: Option<Fence>) {
    let now = control.clock().now();
    let resealed = control.store().write_under(fence, move |tx| Box::pin(tx.runs_reseal(RESEAL, now))).await;
    if let Err(error) = resealed {
        tracing::warn!("runs wait to be sealed: {}", windlass_control::chain(&error));
    }
}

async fn publish(
    sequencer: &mut Option<Sequencer>,
    content: &Path,
    control: &Control,
    fence: Option<Fence>,
) -> Result<(), LedgerError> {
    let opened = match sequencer.take() {
        Some(opened) => opened,
        None => Sequencer::open(control.store().clone(), content).await?,
    };
    sequencer.insert(opened).sequence_under(fence).await.map(drop)
}

/// Sees to it that the content is the one that the database speaks of: with another one a server would find nothing of
/// what others stored, and they nothing of its own.
async fn demand_content(folder: &DataFolder, store: &Store) -> Result<(), Failure> {
    let identity = folder.content_identity()?;
    let own = identity.clone();
    let known = store
        .write(move |tx| {
            let own = own.clone();
            Box::pin(async move {
                match tx.meta_get(CONTENT).await? {
                    Some(known) => Ok(known),
                    None => tx.meta_set(CONTENT, &own).await.map(|()| own),
                }
            })
        })
        .await
        .map_err(store_failure)?;
    if known == identity {
        return Ok(());
    }
    Err(Failure::user(format!("the content of this database lies elsewhere, not in {}", folder.content().display()))
        .hint("servers that share a database share a folder too: give both the same one with --content"))
}

/// Returns the local token: kept in the folder, its hash in the store; made where either is missing.
async fn local_token(folder: &DataFolder, store: &Store, clock: &dyn Clock) -> Result<String, Failure> {
    if let Some(secret) = folder.token() {
        let hash = token::hash(&secret);
        let known = store
            .read(move |tx| Box::pin(async move { tx.token_by_hash(&hash).await }))
            .await
            .map_err(store_failure)?;
        if known.is_some_and(|token| token.revoked_at.is_none()) {
            return Ok(secret);
        }
    }
    let mut random = [0; 32];
    getrandom::fill(&mut random)
        .map_err(|error| Failure::user(format!("the system gives no random bytes: {error}")))?;
    let secret = token::from_random(random);
    let hash = token::hash(&secret);
    let now = clock.now();
    let row = Token {
        id: TokenId::derived(&["local", &secret_id(&hash)]),
        name: "local".to_owned(),
        project: None,
        role: Role::Admin,
        user: None,
        created_at: now,
        expires_at: None,
        last_used_at: None,
        revoked_at: None,
    };
    folder.write_token(&secret)?;
    store
        .write(move |tx| {
            let row = row.clone();
            Box::pin(async move {
                let project = "default".parse().expect("a name");
                tx.project_ensure(&project, now).await?;
                tx.token_insert(&row, &hash).await?;
                tx.ledger_append(&project, &Actor::system(), LedgerKind::Access, "token local", &row, now).await
            })
        })
        .await
        .map_err(store_failure)?;
    Ok(secret)
}

/// Returns text that follows from a hash, for an id.
fn secret_id(hash: &[u8; 32]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Shows an error of the store as a failure.
pub(crate) fn store_failure(error: windlass_store::StoreError) -> Failure {
    use windlass_store::StoreError;
    let text = windlass_control::chain(&error);
    match error {
        StoreError::Newer { .. } => Failure::user(text)
            .hint("use that version of Windlass, or another folder with --data-dir; nothing was changed"),
        StoreError::DiskFull => {
            Failure::user(text).hint("free some space and start again; nothing acknowledged is lost")
        }
        StoreError::Damaged { file, .. } => Failure::user(text).hint(format!(
            "restore a backup of the data folder, or save what can be read: sqlite3 {} .recover | sqlite3 saved.db",
            file.display()
        )),
        StoreError::ReadOnly => Failure::user(text).hint("make it writable, or choose another folder with --data-dir"),
        _ => Failure::user_because("the database cannot be used", error),
    }
}

/// Returns the address a process on this machine reaches us at.
fn reachable(address: SocketAddr) -> SocketAddr {
    let mut address = address;
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}
