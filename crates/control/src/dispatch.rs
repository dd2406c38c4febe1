//! Carries outgoing actions out, at least once each, under their idempotency keys.
//!
//! An action leaves the outbox only when it was carried out (or its answer is in the inbox, in the same transaction).
//! A crash in between repeats it, which its receiver takes as "already done".

use std::{collections::HashSet, time::Duration};

use tokio::sync::mpsc;
use windlass_kinds::record::{Action, ActionBody, Actor, AttemptEnd, AttemptResult, EventBody, Usage};
use windlass_store::StoreError;

use crate::{Control, endpoints, jobs::Fresh, outgoing::Handed};

/// How long an action that cannot be carried out yet waits before it is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// How long it may take until it is written that an action was carried out.
const WRITE_WITHIN: Duration = Duration::from_millis(100);

/// How often the outbox is read though nobody said that something is in it.
const READ_EVERY: Duration = Duration::from_secs(5);

/// Runs until the task is ended: begins what is handed over, and what the outbox holds besides.
pub(crate) async fn run(control: Control, mut handed: mpsc::UnboundedReceiver<Handed>) {
    loop {
        tokio::select! {
            biased;
            Some(handed) = handed.recv() => begin(&control, handed),
            () = control.inner.dispatch.notified() => read_outbox(&control).await,
            () = tokio::time::sleep(READ_EVERY) => read_outbox(&control).await,
        }
    }
}

async fn read_outbox(control: &Control) {
    let outgoing = &control.inner.outgoing;
    // Before reading: what leaves our hands while we read is done, and may be among what is read.
    let in_hand: HashSet<String> = outgoing.keys().into_iter().collect();
    let enough = outgoing.enough();
    match control.inner.store.read(move |tx| Box::pin(async move { tx.outbox_pending(enough).await })).await {
        Ok(actions) => {
            for action in actions.into_iter().filter(|action| !in_hand.contains(&action.key)) {
                begin(control, Handed { action, fresh: None });
            }
        }
        Err(error) => control.inner.notice(format!("actions wait for the store: {}", crate::chain(&error))),
    }
}

fn begin(control: &Control, handed: Handed) {
    let Handed { action, fresh } = handed;
    if control.inner.outgoing.enter(&action) {
        let control = control.clone();
        tokio::spawn(async move {
            let key = action.key.clone();
            carry_out(&control, action, fresh).await;
            if control.inner.outgoing.leave(&key) {
                control.inner.dispatch.notify_one();
            }
        });
    }
}

async fn carry_out(control: &Control, action: Action, fresh: Option<Fresh>) {
    if !control.leads() {
        // Whoever leads now finds it in the outbox.
        return tokio::time::sleep(PAUSE).await;
    }
    match &action.body {
        ActionBody::Prepare { step_run, round } => {
            let request = match fresh {
                Some(fresh) => fresh.scene.prepare_request(),
                None => control.prepare_request(step_run).await,
            };
            let outcome = match request {
                Ok(Some(request)) => control.inner.executor.prepare(&request).await,
                Ok(None) => return done(control, action, None).await,
                Err(error) => {
                    control.inner.notice(format!("a step cannot be prepared yet: {}", crate::chain(&error)));
                    return tokio::time::sleep(PAUSE).await;
                }
            };
            let body = EventBody::Prepared { step_run: step_run.clone(), outcome };
            done(control, action.clone(), Some((format!("prepared/{step_run}/{round}"), body))).await;
        }
        ActionBody::StartAttempt { attempt } => {
            let job = match fresh {
                Some(Fresh { scene, begins: Some(begins) }) => control.fresh_job(&scene, begins).await.map(Some),
                Some(Fresh { scene: _, begins: None }) | None => control.job(attempt).await,
            };
            match job {
                Ok(Some(job)) => control.inner.executor.start(job).await,
                Ok(None) => {}
                // Nobody's fault but the store's, and no attempt is to pay for it: it stays in the outbox.
                Err(error) if !error.is_lasting() => {
                    control.inner.notice(format!("a step cannot be started yet: {}", crate::chain(&error)));
                    return tokio::time::sleep(PAUSE).await;
                }
                Err(error) => {
                    // The job cannot be put together: that is the attempt's end, said with its reason.
                    let end = AttemptEnd::Failed { reason: crate::chain(&error), retryable: true };
                    let result = AttemptResult { end, outputs: Default::default(), usage: Usage::default() };
                    control.attempt_ended(attempt.clone(), result).await;
                }
            }
            done(control, action, None).await;
        }
        ActionBody::StopAttempt { attempt } => {
            control.inner.executor.cancel(attempt).await;
            done(control, action, None).await;
        }
        ActionBody::Serve { endpoint, number } => {
            let (endpoint, number) = (endpoint.clone(), *number);
            endpoints::serve(control, action, endpoint, number).await;
        }
        ActionBody::Unserve { endpoint } => {
            let endpoint = endpoint.clone();
            endpoints::unserve(control, action, endpoint).await;
        }
        ActionBody::Judge { model, run, round } => {
            let evidence = match control.measure_run(&action.project, model, run).await {
                Ok(evidence) => evidence,
                Err(error) => {
                    control.inner.notice(format!("{model} cannot be judged yet: {}", crate::chain(&error)));
                    return tokio::time::sleep(PAUSE).await;
                }
            };
            let (model, run, round) = (model.clone(), Some(run.clone()), *round);
            let identity = format!("judged/{}", action.key);
            done(control, action, Some((identity, EventBody::Judged { model, run, round, evidence }))).await;
        }
        ActionBody::Look { monitor, at: _ } => match control.look(&action.project, monitor).await {
            Ok(seen) => {
                let answer = seen.map(|seen| (format!("looked/{}", action.key), seen));
                done(control, action, answer).await;
            }
            Err(error) => {
                control.inner.notice(format!("monitor {monitor} waits: {}", crate::chain(&error)));
                tokio::time::sleep(PAUSE).await;
            }
        },
        ActionBody::Observe { monitor, dataset, version } => {
            match control.observe(&action.project, monitor, dataset, *version).await {
                Ok(observed) => {
                    let answer = observed
                        .map(|observation| (format!("observed/{}", action.key), EventBody::Observed { observation }));
                    done(control, action, answer).await;
                }
                Err(error) => {
                    control.inner.notice(format!("monitor {monitor} waits: {}", crate::chain(&error)));
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}

/// Takes an action out of the outbox, together with the event that answers it, if any.
pub(crate) async fn done(control: &Control, action: Action, answer: Option<(String, EventBody)>) {
    let written = match answer {
        Some((identity, body)) => answered(control, &action, identity, body).await,
        None => carried_out(control, &action).await,
    };
    if let Err(error) = written {
        // It stays in the outbox and is carried out again, which is harmless.
        control.inner.notice(format!("an action's end waits for the store: {}", crate::chain(&error)));
        tokio::time::sleep(PAUSE).await;
    }
}

async fn answered(control: &Control, action: &Action, identity: String, body: EventBody) -> Result<(), StoreError> {
    let event = control.inner.event(&action.project, identity, Actor::system(), body);
    let key = action.key.clone();
    control
        .inner
        .decide(move |tx| {
            let (key, event) = (key.clone(), event.clone());
            Box::pin(async move {
                tx.inbox_push(&event).await?;
                tx.outbox_done(&key).await
            })
        })
        .await?;
    control.inner.outgoing.written(std::slice::from_ref(&action.key));
    control.inner.wake.notify_one();
    Ok(())
}

/// Writes that an action was carried out: with the next decision, or by itself where none comes soon.
async fn carried_out(control: &Control, action: &Action) -> Result<(), StoreError> {
    let outgoing = &control.inner.outgoing;
    if outgoing.carried_out(&action.key) {
        control.inner.dispatch.notify_one();
    }
    tokio::time::sleep(WRITE_WITHIN).await;
    if !outgoing.is_unwritten(&action.key) {
        return Ok(());
    }
    let keys = outgoing.unwritten();
    let rows = keys.clone();
    control
        .inner
        .decide(move |tx| {
            let keys = rows.clone();
            Box::pin(async move {
                for key in &keys {
                    tx.outbox_done(key).await?;
                }
                Ok(())
            })
        })
        .await?;
    outgoing.written(&keys);
    // Whether all is idle may have hung on it.
    control.inner.wake.notify_one();
    Ok(())
}
