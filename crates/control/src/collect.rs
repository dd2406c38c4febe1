//! Freeing for good what was deleted long enough ago, and content that nothing refers to.
//!
//! First rows, then bytes. Each thing that had been deleted goes in a transaction of its own that looks again whether
//! something needs it. Content goes last: whatever no reference names and nobody wrote for a while is set aside, looked
//! for once more, and then discarded or put back, so that writers beside it lose nothing (see `windlass_oci::BlobStore`).
//! A folder's files are needed with the folder: references name its tree alone. A collection that is killed half-way
//! leaves nothing to mend; the next one goes on. Times come from the machine's clock, and content that was written "in
//! the future" stays.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, SystemTime},
};

use windlass_kinds::{
    Digest, ExperimentId, Kind, Micros, Name,
    manifest::{ProjectSpec, Spec},
    record::{Actor, Collection, Kept, LedgerKind},
};
use windlass_oci::{BlobEntry, BlobError, tree_if_any};
use windlass_store::{Deleted, Erasure};

use crate::{Control, ControlError};

/// How many rows, or blobs, are looked at between two looks at the store.
const PAGE: u32 = 200;

/// What to free.
#[derive(Debug, Clone)]
pub struct CollectRequest {
    /// One project's deleted things; `None`: those of all, and content that nothing refers to.
    pub project: Option<Name>,
    /// How long ago it must have been deleted; `None`: as each project's manifest says.
    pub deleted_for: Option<Duration>,
    /// How long nobody may have written content that nothing refers to. Uploads that are under way, and outputs whose
    /// step has not ended yet, are not referred to so far.
    pub unreferenced_for: Duration,
    /// Only count.
    pub dry_run: bool,
    /// Who asks.
    pub actor: Actor,
    /// The project of who asks, where the ledger says how much content went.
    pub home: Name,
}

impl CollectRequest {
    /// How long nobody may have written content where a request says nothing: a day.
    pub const UNREFERENCED_FOR: Duration = Duration::from_secs(86_400);
}

/// What a rehearsal would have freed so far.
#[derive(Default)]
struct Rehearsed {
    /// The references that would be gone.
    references: HashMap<Digest, HashSet<(Name, String)>>,
    /// How many runs and logged models of each experiment would be.
    held: HashMap<(Name, ExperimentId), u64>,
}

impl Control {
    /// Frees what a request asks for; safe beside everything else that happens.
    pub async fn collect(&self, request: &CollectRequest) -> Result<Collection, ControlError> {
        let mut done = Collection { dry_run: request.dry_run, ..Collection::default() };
        let mut rehearsed = Rehearsed::default();
        let projects = match &request.project {
            Some(project) => vec![project.clone()],
            None => self.store().read(|tx| Box::pin(async move { tx.projects().await })).await?,
        };
        for project in projects {
            let length = match request.deleted_for {
                Some(length) => length,
                None => self.retention(&project).await?,
            };
            let before = earlier(self.clock().now(), length);
            self.free_deleted(&project, before, &request.actor, &mut done, &mut rehearsed).await?;
        }
        if request.project.is_none() {
            self.free_content(request, &mut done, &rehearsed).await?;
        }
        Ok(done)
    }

    async fn retention(&self, project: &Name) -> Result<Duration, ControlError> {
        let name = project.clone();
        let read = self.store().read(move |tx| {
            let name = name.clone();
            Box::pin(async move { tx.revision_current(&name, Kind::Project, &name).await })
        });
        let said = match read.await?.filter(|revision| !revision.deleted).map(|revision| revision.manifest.spec) {
            Some(Spec::Project(spec)) => spec.retention,
            Some(_) | None => None,
        };
        Ok(said.unwrap_or(ProjectSpec::RETENTION).0)
    }

    async fn free_deleted(
        &self,
        project: &Name,
        before: Micros,
        actor: &Actor,
        done: &mut Collection,
        rehearsed: &mut Rehearsed,
    ) -> Result<(), ControlError> {
        for is_run in [false, true] {
            let mut after = String::new();
            loop {
                let (name, from) = (project.clone(), after.clone());
                let read = self.store().read(move |tx| {
                    let (name, from) = (name.clone(), from.clone());
                    Box::pin(async move {
                        match is_run {
                            true => tx.runs_deleted(&name, before, &from, PAGE).await,
                            false => tx.logged_models_deleted(&name, before, &from, PAGE).await,
                        }
                    })
                });
                let page = read.await?;
                for deleted in &page {
                    self.free(project, deleted, actor, done, rehearsed).await?;
                    if let Deleted::Run(id, _) = deleted {
                        after = id.to_string();
                    } else if let Deleted::LoggedModel(id, _) = deleted {
                        after = id.to_string();
                    }
                }
                if page.len() < PAGE as usize {
                    break;
                }
            }
        }
        let name = project.clone();
        let read = self.store().read(move |tx| {
            let name = name.clone();
            Box::pin(async move { tx.experiments_deleted(&name, before).await })
        });
        for experiment in read.await? {
            self.free(project, &experiment, actor, done, rehearsed).await?;
        }
        Ok(())
    }

    /// Frees one thing, or counts it.
    async fn free(
        &self,
        project: &Name,
        deleted: &Deleted,
        actor: &Actor,
        done: &mut Collection,
        rehearsed: &mut Rehearsed,
    ) -> Result<(), ControlError> {
        let erasure = match done.dry_run {
            true => self.rehearse(project, deleted, rehearsed).await?,
            false => {
                let (project, deleted, actor, now) =
                    (project.clone(), deleted.clone(), actor.clone(), self.clock().now());
                let write = self.store().write(move |tx| {
                    let (project, deleted, actor) = (project.clone(), deleted.clone(), actor.clone());
                    Box::pin(async move { tx.deleted_erase(&project, &deleted, &actor, now).await })
                });
                write.await?
            }
        };
        match (erasure, deleted) {
            (Erasure::Gone(files), deleted) => {
                done.artifacts += files;
                match deleted {
                    Deleted::Run(..) => done.runs += 1,
                    Deleted::LoggedModel(..) => done.logged_models += 1,
                    Deleted::Experiment(_) => done.experiments += 1,
                }
            }
            (Erasure::Needed(why), deleted) => {
                done.keep(Kept { what: format!("{project}: {}", deleted.subject()), why });
            }
            (Erasure::NotDeleted, _) => {}
        }
        Ok(())
    }

    async fn rehearse(
        &self,
        project: &Name,
        deleted: &Deleted,
        rehearsed: &mut Rehearsed,
    ) -> Result<Erasure, ControlError> {
        let (name, wanted) = (project.clone(), deleted.clone());
        let read = self.store().read(move |tx| {
            let (name, wanted) = (name.clone(), wanted.clone());
            Box::pin(async move {
                let needed = tx.deleted_needed(&name, &wanted).await?;
                let holds = match &wanted {
                    Deleted::Experiment(id) => tx.experiment_holds(&name, id).await?,
                    Deleted::Run(..) | Deleted::LoggedModel(..) => 0,
                };
                Ok((needed, holds, tx.artifact_list(&name, &wanted.folder()).await?))
            })
        });
        let (needed, holds, artifacts) = read.await?;
        let would_be_empty = match deleted {
            Deleted::Experiment(id) if id.as_str() != "0" => {
                rehearsed.held.get(&(project.clone(), id.clone())).copied().unwrap_or_default() == holds
            }
            Deleted::Experiment(_) | Deleted::Run(..) | Deleted::LoggedModel(..) => false,
        };
        if let Some(why) = needed
            && !would_be_empty
        {
            return Ok(Erasure::Needed(why));
        }
        if let Deleted::Run(_, experiment) | Deleted::LoggedModel(_, experiment) = deleted {
            *rehearsed.held.entry((project.clone(), experiment.clone())).or_default() += 1;
        }
        let mut files = 0;
        for artifact in &artifacts {
            let holder = (project.clone(), windlass_store::artifact_holder(&artifact.path));
            let is_new = rehearsed.references.entry(artifact.digest.clone()).or_default().insert(holder);
            files += u64::from(is_new);
        }
        Ok(Erasure::Gone(files))
    }

    async fn free_content(
        &self,
        request: &CollectRequest,
        done: &mut Collection,
        rehearsed: &Rehearsed,
    ) -> Result<(), ControlError> {
        let before = earlier(self.clock().now(), request.unreferenced_for);
        let before = SystemTime::UNIX_EPOCH + Duration::from_micros(u64::try_from(before.0).unwrap_or_default());
        let members = self.members_of_trees().await?;
        for first in 0..=u8::MAX {
            let mut old = self.blobs().list(first).await?;
            old.retain(|entry| entry.written <= before && !members.contains(&entry.digest));
            for page in old.chunks(PAGE as usize) {
                let digests: Vec<Digest> = page.iter().map(|entry| entry.digest.clone()).collect();
                let read = self.store().read(move |tx| {
                    let digests = digests.clone();
                    Box::pin(async move { tx.content_needed(&digests).await })
                });
                let needed = read.await?;
                for entry in page {
                    let is_needed = needed.contains(&entry.digest)
                        && !(request.dry_run && self.would_be_free(&entry.digest, rehearsed).await?);
                    if !is_needed && (request.dry_run || self.free_blob(entry, before).await?) {
                        done.blobs += 1;
                        done.bytes += entry.size;
                    }
                }
            }
        }
        if done.blobs > 0 && !request.dry_run {
            let (actor, project) = (request.actor.clone(), request.home.clone());
            let (now, body) = (self.clock().now(), ("collected", done.blobs, done.bytes));
            let write = self.store().write(move |tx| {
                let (actor, project) = (actor.clone(), project.clone());
                Box::pin(async move {
                    tx.ledger_append(&project, &actor, LedgerKind::Deletion, "content", &body, now).await
                })
            });
            write.await?;
        }
        Ok(())
    }

    /// Returns the files of every folder that something refers to. What only looks like one keeps more than is needed.
    async fn members_of_trees(&self) -> Result<HashSet<Digest>, ControlError> {
        let (mut members, mut after) = (HashSet::new(), None);
        loop {
            let from = after.clone();
            let read = self.store().read(move |tx| {
                let from = from.clone();
                Box::pin(async move { tx.content_ref_digests(from.as_ref(), PAGE).await })
            });
            let page = read.await?;
            for digest in &page {
                let tree = match tree_if_any(self.blobs().as_ref(), digest).await {
                    Ok(tree) => tree,
                    // Damage, which `ledger verify` tells.
                    Err(BlobError::NotFound { .. } | BlobError::Malformed { .. } | BlobError::Corrupt { .. }) => None,
                    Err(error) => return Err(error.into()),
                };
                members.extend(tree.into_iter().flat_map(|tree| tree.files).map(|file| file.digest));
            }
            if page.len() < PAGE as usize {
                return Ok(members);
            }
            after = page.last().cloned();
        }
    }

    /// Returns whether all that refers to some content goes in this rehearsal.
    async fn would_be_free(&self, digest: &Digest, rehearsed: &Rehearsed) -> Result<bool, ControlError> {
        let Some(going) = rehearsed.references.get(digest) else { return Ok(false) };
        let wanted = digest.clone();
        let read = self.store().read(move |tx| {
            let wanted = wanted.clone();
            Box::pin(async move { tx.content_ref_holders(&wanted).await })
        });
        let holders = read.await?;
        Ok(holders.iter().all(|holder| holder.1 == windlass_store::UPLOAD || going.contains(holder)))
    }

    async fn free_blob(&self, entry: &BlobEntry, before: SystemTime) -> Result<bool, ControlError> {
        let digest = &entry.digest;
        if !self.blobs().set_aside(digest, before).await? {
            return Ok(false);
        }
        let wanted = digest.clone();
        let write = self.store().write(move |tx| {
            let wanted = wanted.clone();
            Box::pin(async move { tx.content_let_go(&wanted).await })
        });
        match write.await {
            Ok(true) => {
                self.blobs().discard(digest).await?;
                Ok(true)
            }
            Ok(false) => {
                self.blobs().put_back(digest).await?;
                Ok(false)
            }
            Err(error) => {
                self.blobs().put_back(digest).await?;
                Err(error.into())
            }
        }
    }
}

fn earlier(now: Micros, length: Duration) -> Micros {
    Micros(now.0.saturating_sub(i64::try_from(length.as_micros()).unwrap_or(i64::MAX)))
}
