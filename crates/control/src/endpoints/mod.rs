//! Endpoints: sees to it that what is served is what the manifests and aliases say.
//!
//! The loop looks at all endpoints whenever an event was handled, something was applied or an alias moved, and every
//! few seconds besides, because an alias can be moved through doors that tell nobody. What to do is decided in
//! [`decide`]; it is written as a revision with an action for the dispatcher, whose answer is an event again.

mod carry_out;
mod decide;
mod view;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use tokio::sync::Mutex;
use windlass_kinds::{
    EventId, Kind, Name,
    manifest::{EndpointSpec, ModelAt, ModelRef, Spec},
    record::{Action, ActionBody, Actor, EndpointRevision, EndpointState, LedgerKind, Revision},
};
use windlass_oci::model;
use windlass_store::{StoreError, Tx};

pub(crate) use self::carry_out::{serve, unserve};
use self::decide::{Desired, Step, Target};
pub use self::view::EndpointView;
use crate::{Control, ControlError, commit::Commit};

/// How long the loop goes without a look where nothing told it that an alias moved.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Name of the counter of processes that served something.
const STARTS: &str = "endpoint-starts";

/// What the loop knows of endpoints between two looks.
#[derive(Debug, Default)]
pub(crate) struct Endpoints {
    /// An alias or a version may have moved.
    moved: AtomicBool,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// The live endpoints; `None` after something was applied.
    live: Option<BTreeMap<(Name, Name), Live>>,
    /// Whether a deleted endpoint may still be served.
    leftovers: bool,
    /// Endpoints that the deployer heard of.
    expected: BTreeSet<(Name, Name)>,
    looked_at: Option<Instant>,
}

/// An endpoint as it is applied now.
#[derive(Debug, Clone)]
struct Live {
    revision: u32,
    model: ModelRef,
}

/// An endpoint as it is found.
struct Found {
    project: Name,
    endpoint: Name,
    desired: Desired,
    /// The newest revision and all that start or answer, oldest first.
    revisions: Vec<EndpointRevision>,
    why: String,
}

impl Endpoints {
    /// Notes that something was applied or deleted.
    pub(crate) async fn applied(&self) {
        let mut kept = self.kept.lock().await;
        kept.live = None;
        kept.leftovers = true;
    }
}

impl Control {
    /// Notes that an alias or a version of a model may have moved, and wakes the loop.
    pub fn registry_moved(&self) {
        self.inner.endpoints.moved.store(true, Ordering::SeqCst);
        self.inner.wake.notify_one();
        self.webhooks_moved();
    }

    /// Looks whether every endpoint serves what it should, and commits what is to be done about those that do not.
    /// `worked` says that events were handled since the last look.
    pub(crate) async fn look_at_endpoints(&self, worked: bool) -> Result<(), ControlError> {
        let mut kept = self.inner.endpoints.kept.lock().await;
        let live = match &kept.live {
            Some(live) => live.clone(),
            None => {
                let live = self.live_endpoints().await?;
                kept.live = Some(live.clone());
                kept.looked_at = None;
                live
            }
        };
        if live.is_empty() && !kept.leftovers {
            return Ok(());
        }
        let moved = self.inner.endpoints.moved.swap(false, Ordering::SeqCst);
        if !worked && !moved && kept.looked_at.is_some_and(|at| at.elapsed() < LOOK_EVERY) {
            return Ok(());
        }
        let forgotten: Vec<_> = kept.expected.iter().filter(|key| !live.contains_key(*key)).cloned().collect();
        kept.expected = live.keys().cloned().collect();
        let all = self.find_endpoints(live).await?;
        // One that was never served has nothing to retire.
        for (project, endpoint) in forgotten {
            if !all.iter().any(|found| found.project == project && found.endpoint == endpoint) {
                self.deployer().remove(&project, &endpoint).await;
            }
        }
        for found in all {
            match decide::next_step(&found.desired, &found.revisions) {
                Step::Keep => {}
                Step::Start(target, number) => self.start_revision(&found, target, number).await?,
                Step::Retire => self.retire_endpoint(&found).await?,
            }
        }
        kept.leftovers = false;
        kept.looked_at = Some(Instant::now());
        Ok(())
    }

    /// Tells the deployer of all endpoints there are, so that requests are asked to come again until something serves
    /// them. For the start, before requests come in.
    pub async fn expect_endpoints(&self) -> Result<(), ControlError> {
        self.live_endpoints().await.map(drop)
    }

    /// Returns the live endpoints; the deployer hears of each.
    async fn live_endpoints(&self) -> Result<BTreeMap<(Name, Name), Live>, ControlError> {
        let revisions = self
            .inner
            .store
            .read(|tx| Box::pin(async move { tx.revisions_current(None, Some(Kind::Endpoint)).await }))
            .await?;
        let deployer = self.deployer();
        let live = revisions.into_iter().filter_map(|revision| {
            let model = endpoint_spec(&revision)?.model.clone();
            deployer.expect(&revision.project, &revision.name);
            Some(((revision.project, revision.name), Live { revision: revision.number, model }))
        });
        Ok(live.collect())
    }

    /// Returns every live endpoint, and every deleted one that is still served.
    async fn find_endpoints(&self, live: BTreeMap<(Name, Name), Live>) -> Result<Vec<Found>, ControlError> {
        let found = self
            .inner
            .store
            .read(move |tx| {
                let live = live.clone();
                Box::pin(async move {
                    let mut revisions: BTreeMap<(Name, Name), Vec<EndpointRevision>> = BTreeMap::new();
                    for open in tx.endpoint_revisions_open().await? {
                        revisions.entry((open.project.clone(), open.endpoint.clone())).or_default().push(open);
                    }
                    for key in live.keys() {
                        let known = revisions.entry(key.clone()).or_default();
                        if let Some(last) = tx.endpoint_revision_last(&key.0, &key.1).await?
                            && known.last().is_none_or(|newest| newest.number < last.number)
                        {
                            known.push(last);
                        }
                    }
                    let mut found = Vec::new();
                    for ((project, endpoint), revisions) in revisions {
                        let (desired, why) = match live.get(&(project.clone(), endpoint.clone())) {
                            Some(live) => (desired(tx, &project, live).await?, live.model.to_string()),
                            None => (Desired::Gone, String::new()),
                        };
                        found.push(Found { project, endpoint, desired, revisions, why });
                    }
                    Ok(found)
                })
            })
            .await?;
        Ok(found)
    }

    async fn start_revision(&self, found: &Found, target: Target, number: u32) -> Result<(), ControlError> {
        let Found { project, endpoint, why, .. } = found;
        let Target { revision, model, version, manifest } = target;
        let mut commit = Commit::at(self.inner.clock.now());
        commit.project(project);
        let contents = model::contents(self.inner.blobs.as_ref(), &manifest).await;
        let mut started = EndpointRevision {
            project: project.clone(),
            endpoint: endpoint.clone(),
            number,
            revision,
            model,
            version,
            manifest,
            created_at: commit.now,
            state: EndpointState::Starting,
            reason: format!("{why} is version {version}"),
            ready_at: None,
            retired_at: None,
        };
        match contents.map_err(ControlError::from) {
            Ok(contents) => {
                let body = ActionBody::Serve { endpoint: endpoint.clone(), number };
                let key = format!("serve/{project}/{endpoint}/{number}");
                commit.actions.push(Action { key, project: project.clone(), body });
                commit.references.push((project.clone(), holder(&started), contents.into_iter().collect()));
            }
            Err(error) if error.is_lasting() => {
                started.state = EndpointState::Failed;
                started.reason = format!("its content cannot be read: {}", crate::chain(&error));
            }
            Err(error) => return Err(error),
        }
        commit_revisions(&mut commit, vec![started]);
        Ok(self.inner.commit(commit).await?)
    }

    async fn retire_endpoint(&self, found: &Found) -> Result<(), ControlError> {
        let Found { project, endpoint, revisions, .. } = found;
        let Some(newest) = revisions.last() else { return Ok(()) };
        let mut commit = Commit::at(self.inner.clock.now());
        commit.project(project);
        let key = format!("unserve/{project}/{endpoint}/{}", newest.number);
        let body = ActionBody::Unserve { endpoint: endpoint.clone() };
        commit.actions.push(Action { key, project: project.clone(), body });
        let retired = decide::retire_all(revisions, "the endpoint was deleted", commit.now);
        commit_revisions(&mut commit, retired);
        Ok(self.inner.commit(commit).await?)
    }

    /// Takes the news that a revision answers or cannot be started.
    pub(crate) async fn handle_served(
        &self,
        event: &EventId,
        project: &Name,
        endpoint: &Name,
        number: u32,
        outcome: &Result<(), String>,
    ) -> Result<(), ControlError> {
        let (in_project, name) = (project.clone(), endpoint.clone());
        let revisions = self
            .inner
            .store
            .read(move |tx| {
                let (project, endpoint) = (in_project.clone(), name.clone());
                Box::pin(async move { tx.endpoint_revisions(&project, &endpoint).await })
            })
            .await?;
        let mut commit = self.answer(event);
        commit.project(project);
        let changed = decide::served(&revisions, number, outcome, commit.now);
        commit_revisions(&mut commit, changed);
        Ok(self.inner.commit(commit).await?)
    }

    /// Asks for everything that was served when the last process ended: the model servers ended with it. What could
    /// not be started then is tried once more.
    pub(crate) async fn serve_again(&self) -> Result<(), ControlError> {
        self.inner.endpoints.applied().await;
        let live = self.live_endpoints().await?;
        let found = self.find_endpoints(live).await?;
        let wanted: Vec<EndpointRevision> = found
            .into_iter()
            .filter(|found| found.desired != Desired::Gone)
            .flat_map(|found| {
                let newest = found.revisions.last().map(|newest| newest.number);
                found.revisions.into_iter().filter(move |revision| match revision.state {
                    // One that starts has an action of its own, unless the last process carried it out and ended before
                    // its answer was taken from the inbox: then it answers nowhere. Asking twice is harmless.
                    EndpointState::Starting | EndpointState::Ready => true,
                    EndpointState::Failed => Some(revision.number) == newest,
                    EndpointState::Retired => false,
                })
            })
            .collect();
        if wanted.is_empty() {
            return Ok(());
        }
        self.inner
            .decide(move |tx| {
                let wanted = wanted.clone();
                Box::pin(async move {
                    let start = tx.counter_next(STARTS).await?;
                    for EndpointRevision { project, endpoint, number, .. } in wanted {
                        let key = format!("serve/{project}/{endpoint}/{number}/{start}");
                        let body = ActionBody::Serve { endpoint, number };
                        tx.outbox_push(&Action { key, project, body }).await?;
                    }
                    Ok(())
                })
            })
            .await?;
        self.inner.dispatch.notify_one();
        Ok(())
    }
}

/// Returns what holds the content of a revision.
fn holder(revision: &EndpointRevision) -> String {
    format!("endpoint/{}/{}", revision.endpoint, revision.number)
}

/// Returns the name of a revision in the ledger.
fn subject(revision: &EndpointRevision) -> String {
    format!("endpoint {}/{}", revision.endpoint, revision.number)
}

/// Adds changed revisions to a commit: their rows, and their entries in the ledger once there is something to tell.
fn commit_revisions(commit: &mut Commit, revisions: Vec<EndpointRevision>) {
    for revision in &revisions {
        if revision.state != EndpointState::Starting {
            commit.ledger(
                &revision.project,
                &Actor::system(),
                LedgerKind::EndpointRevision,
                subject(revision),
                revision,
            );
        }
    }
    commit.endpoints.extend(revisions);
}

/// Writes a revision; content is let go of where it is not served any more.
pub(crate) async fn write_revision(tx: &mut Tx, revision: &EndpointRevision) -> Result<(), StoreError> {
    tx.endpoint_revision_save(revision).await?;
    match revision.state {
        EndpointState::Starting | EndpointState::Ready => Ok(()),
        EndpointState::Failed | EndpointState::Retired => {
            tx.content_refs_drop(&revision.project, &holder(revision)).await
        }
    }
}

/// Returns what an endpoint should serve.
async fn desired(tx: &mut Tx, project: &Name, live: &Live) -> Result<Desired, StoreError> {
    let Live { revision, model: reference } = live;
    let model = reference.model.as_str();
    let number = match &reference.at {
        ModelAt::Version(number) => *number,
        ModelAt::Alias(alias) => match tx.alias_get(project, model, alias).await? {
            Some(number) => number,
            None => return Ok(Desired::Unclear(format!("{reference} points at no version"))),
        },
    };
    let Some(version) = tx.model_version_get(project, model, number).await? else {
        return Ok(Desired::Unclear(format!("there is no version {number} of model {model}")));
    };
    if version.pending.is_some() {
        return Ok(Desired::Unclear(format!("the step that registered version {number} is not over")));
    }
    let Some(manifest) = version.manifest else {
        return Ok(Desired::Unclear(format!("the files of version {number} are not kept here")));
    };
    Ok(Desired::Version(Target { revision: *revision, model: model.to_owned(), version: number, manifest }))
}

/// Returns the endpoint that a revision of a manifest holds.
fn endpoint_spec(revision: &Revision) -> Option<&EndpointSpec> {
    match &revision.manifest.spec {
        Spec::Endpoint(spec) => Some(spec),
        Spec::Project(_)
        | Spec::Environment(_)
        | Spec::JobTemplate(_)
        | Spec::Dataset(_)
        | Spec::Model(_)
        | Spec::Pipeline(_)
        | Spec::Monitor(_) => None,
    }
}
