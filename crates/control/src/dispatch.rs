//! Carries outgoing actions out, at least once each, under their idempotency keys.
//!
//! An action leaves the outbox only when it was carried out (or its answer is in the inbox, in the same transaction).
//! A crash in between repeats it, which its receiver takes as "already done".

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use tokio::sync::Mutex;
use windlass_kinds::record::{Action, ActionBody, Actor, AttemptEnd, AttemptResult, EventBody, Usage};

use crate::{Control, endpoints, moves::start_key};

/// How many further actions are begun in one go.
const AT_ONCE: u32 = 256;

/// How long an action that cannot be carried out yet waits before it is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// Runs until the task is ended: wakes on new actions and every few seconds.
pub(crate) async fn run(control: Control) {
    let in_flight: Arc<Mutex<BTreeSet<String>>> = Arc::default();
    loop {
        // Those that are being carried out already never take the places of others.
        let under_way = u32::try_from(in_flight.lock().await.len()).unwrap_or(u32::MAX);
        let limit = under_way.saturating_add(AT_ONCE);
        let pending = control.inner.store.read(move |tx| Box::pin(async move { tx.outbox_pending(limit).await })).await;
        match pending {
            Ok(actions) => {
                for action in actions {
                    if waits_for_its_start(&action, &*in_flight.lock().await) {
                        continue;
                    }
                    if in_flight.lock().await.insert(action.key.clone()) {
                        let (control, in_flight) = (control.clone(), in_flight.clone());
                        tokio::spawn(async move {
                            let key = action.key.clone();
                            carry_out(&control, action).await;
                            in_flight.lock().await.remove(&key);
                            // A stop may have waited for this.
                            control.inner.dispatch.notify_one();
                        });
                    }
                }
            }
            Err(error) => control.inner.notice(format!("actions wait for the store: {}", crate::chain(&error))),
        }
        tokio::select! {
            () = control.inner.dispatch.notified() => {}
            () = tokio::time::sleep(Duration::from_secs(5)) => {}
        }
    }
}

/// Returns whether an attempt's stop must wait: its start is being handed over, and a stop that overtakes it would end
/// nothing.
fn waits_for_its_start(action: &Action, in_flight: &BTreeSet<String>) -> bool {
    match &action.body {
        ActionBody::StopAttempt { attempt } => in_flight.contains(&start_key(attempt)),
        ActionBody::Prepare { .. }
        | ActionBody::StartAttempt { .. }
        | ActionBody::Judge { .. }
        | ActionBody::Serve { .. }
        | ActionBody::Unserve { .. }
        | ActionBody::Observe { .. } => false,
    }
}

async fn carry_out(control: &Control, action: Action) {
    match &action.body {
        ActionBody::Prepare { step_run, round } => {
            let outcome = match control.prepare_request(step_run).await {
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
            match control.job(attempt).await {
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
        ActionBody::Observe { monitor, dataset, version } => {
            match control.observe(&action.project, monitor, dataset, *version).await {
                Ok(observed) => {
                    let answer = observed.map(|observation| {
                        (format!("observed/{}", action.key), EventBody::Observed { observation })
                    });
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

/// Takes an action out of the outbox, together with the event that answers it.
pub(crate) async fn done(control: &Control, action: Action, answer: Option<(String, EventBody)>) {
    let event = answer.map(|(identity, body)| control.inner.event(&action.project, identity, Actor::system(), body));
    let answered = event.is_some();
    let result = control
        .inner
        .store
        .write(move |tx| {
            let (key, event) = (action.key.clone(), event.clone());
            Box::pin(async move {
                if let Some(event) = &event {
                    tx.inbox_push(event).await?;
                }
                tx.outbox_done(&key).await
            })
        })
        .await;
    if let Err(error) = result {
        // It stays in the outbox and is carried out again, which is harmless.
        control.inner.notice(format!("an action's end waits for the store: {}", crate::chain(&error)));
        tokio::time::sleep(PAUSE).await;
    }
    if answered {
        control.inner.wake.notify_one();
    }
}
