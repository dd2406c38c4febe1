//! What happens because time passes: held events, cron triggers, and the quiet moment.

use std::sync::atomic::Ordering;

use windlass_kinds::{
    Micros, Name,
    manifest::TriggerSource,
    record::{Actor, EventBody},
};
use windlass_plan::trigger;

use crate::{
    Change, Control, ControlError,
    active::ActiveRuns,
    commit::{Commit, IDLE_COUNTER},
    handle::LivePipeline,
    idle::{Activity, Idle, Scene, assess},
};

impl Control {
    /// Lets triggers act on events they held back, and puts due cron events into the inbox. Returns when the next one
    /// is due.
    pub(crate) async fn fire_due(&self, active: &mut ActiveRuns) -> Result<Option<Micros>, ControlError> {
        let now = self.inner.clock.now();
        // Nobody's answer changes but by a decision, a change of the manifests, or time.
        if self.inner.pipelines.lock().await.is_some()
            && !self.inner.triggers_moved.load(Ordering::SeqCst)
            && active.next_due.is_none_or(|at| at > now)
        {
            return Ok(active.next_due);
        }
        self.inner.triggers_moved.store(false, Ordering::SeqCst);
        let next = self.ask_triggers(active, now).await;
        match &next {
            Ok(next) => active.next_due = *next,
            Err(_) => self.inner.triggers_moved.store(true, Ordering::SeqCst),
        }
        next
    }

    async fn ask_triggers(&self, active: &mut ActiveRuns, now: Micros) -> Result<Option<Micros>, ControlError> {
        let mut next: Option<Micros> = None;
        let mut sooner = |at: Micros| next = Some(next.map_or(at, |next| next.min(at)));
        let held = self.inner.store.read(|tx| Box::pin(async move { tx.trigger_states_held().await })).await?;
        for pipeline in self.pipelines(None).await? {
            let LivePipeline { revision, spec } = &*pipeline;
            for spec_trigger in &spec.triggers {
                let timed = matches!(spec_trigger.source, TriggerSource::Cron { .. });
                let holds = held.iter().any(|(project, pipeline, trigger, _)| {
                    *project == revision.project && *pipeline == revision.name && *trigger == spec_trigger.name
                });
                if !timed && !holds {
                    continue;
                }
                let state = self.trigger_state(revision, &spec_trigger.name).await?;
                match trigger::held_until(spec_trigger, &state, now) {
                    Some(until) if until > now => sooner(until),
                    Some(_) => {
                        let event = state.held.as_ref().map(|held| held.event.clone());
                        let taken = self.taken(&revision.project, spec_trigger).await?;
                        let (settled, outcome) = trigger::held(spec_trigger, &state, taken, now);
                        let mut commit = Commit::at(now);
                        self.settle_outcome(active, &mut commit, revision, spec, spec_trigger, event, settled, outcome)
                            .await?;
                        self.begin_all(active, commit).await?;
                        sooner(now);
                    }
                    None => {}
                }
                let Some(due) = trigger::due(spec_trigger, &state, revision.created_at, now) else { continue };
                if due > now {
                    sooner(due);
                    continue;
                }
                let body =
                    EventBody::Due { pipeline: revision.name.clone(), trigger: spec_trigger.name.clone(), at: due };
                let identity = format!("due/{}/{}/{}", revision.name, spec_trigger.name, due.0);
                self.inner.push(self.inner.event(&revision.project, identity, Actor::system(), body)).await?;
            }
        }
        Ok(next)
    }

    /// Looks whether everything is idle. `handling` is true while the idle event itself is being handled.
    pub(crate) async fn assess(&self, active: &ActiveRuns, handling: bool) -> Result<Idle, ControlError> {
        let (events, actions, triggers) = self
            .inner
            .store
            .read(|tx| {
                Box::pin(async move {
                    Ok((
                        tx.inbox_count_pending().await?,
                        tx.outbox_count_pending().await?,
                        tx.trigger_states_held().await?,
                    ))
                })
            })
            .await?;
        // What a trigger holds that is gone since, nobody will ever let go on.
        let live = self.pipelines(None).await?;
        let is_live = |project: &Name, pipeline: &Name, trigger: &Name| {
            live.iter().any(|live| {
                live.revision.project == *project
                    && live.revision.name == *pipeline
                    && live.spec.triggers.iter().any(|spec| spec.name == *trigger)
            })
        };
        let held = triggers
            .into_iter()
            .filter(|(project, pipeline, trigger, _)| is_live(project, pipeline, trigger))
            .filter_map(|(_, pipeline, trigger, state)| {
                let held = state.held?;
                held.until?;
                Some(format!("{pipeline}/{trigger}: {}", held.reason))
            })
            .collect();
        let activity = self.inner.activity.load(Ordering::SeqCst);
        Ok(assess(&Scene {
            events: events.saturating_sub(u64::from(handling)),
            actions,
            runs: active.scenes(),
            datasets: if handling { Vec::new() } else { self.inner.watchers.unlisted(activity) },
            held,
        }))
    }

    /// Where nothing moves: asks for listings, lets whoever waits for idle go on, or says that all is idle. Returns
    /// whether there is something new to handle.
    pub(crate) async fn consider_idle(&self, active: &ActiveRuns) -> Result<bool, ControlError> {
        // The usual case while there is work, found without asking the store.
        if active.scenes().iter().any(|run| run.activity == Activity::Moving) {
            self.inner.idle.store(false, Ordering::SeqCst);
            return Ok(false);
        }
        match self.assess(active, false).await? {
            Idle::Busy(_) => {
                self.inner.idle.store(false, Ordering::SeqCst);
                Ok(false)
            }
            Idle::List(_) => {
                self.inner.idle.store(false, Ordering::SeqCst);
                self.inner.watchers.look(self.inner.activity.load(Ordering::SeqCst));
                Ok(false)
            }
            Idle::Quiet(waiting) => {
                if !waiting.is_empty() || self.next_idle_trigger().await?.is_some() {
                    let epoch = self.epoch().await?;
                    let project = "default".parse().expect("a name");
                    let event =
                        self.inner.event(&project, format!("idle/{epoch}"), Actor::system(), EventBody::Idle { epoch });
                    return Ok(self.inner.push(event).await?);
                }
                if !self.inner.idle.swap(true, Ordering::SeqCst) {
                    let _ = self.inner.changes.send(Change::Idle);
                }
                Ok(false)
            }
        }
    }

    async fn epoch(&self) -> Result<u64, ControlError> {
        Ok(self.inner.store.read(|tx| Box::pin(async move { tx.counter_get(IDLE_COUNTER).await })).await?)
    }

    /// Returns why things are not idle, for people; empty where they are.
    pub async fn busy_reasons(&self) -> Result<Vec<String>, ControlError> {
        let active = self.inner.active.lock().await;
        Ok(match self.assess(&active, false).await? {
            Idle::Busy(reasons) => reasons,
            Idle::List(datasets) => datasets.iter().map(|(name, why)| format!("dataset {name}: {why}")).collect(),
            Idle::Quiet(_) => Vec::new(),
        })
    }
}
