//! `GET /metrics`: what a Prometheus server scrapes.
//!
//! A token is asked for as everywhere else, and shows what it may read: its own project, or all. How many series there
//! are follows from what is applied, not from what happens: runs are counted by state, monitors show the last window
//! alone, and of a monitor with very many values the first by name ([`VALUES`]).

mod monitors;
mod text;

use axum::{extract::State, http::header, response::IntoResponse, routing::get};
use windlass_kinds::Name;
use windlass_plan::access::Operation;
use windlass_store::{StateCount, StoreError, Tx};

use self::{
    monitors::Watched,
    text::{CONTENT_TYPE, Text, Type},
};
use crate::{AppState, error::ApiError, native::Caller, routes::Routes};

/// How many values of one monitor are shown.
const VALUES: usize = 200;

/// Returns the route.
pub(crate) fn routes() -> Routes {
    Routes::new().route("/metrics", get(show))
}

/// Everything that is read at one moment.
struct Counted {
    runs: Vec<StateCount>,
    steps: Vec<StateCount>,
    events: u64,
    actions: u64,
    monitors: Vec<Watched>,
}

async fn show(State(state): State<AppState>, caller: Caller) -> Result<impl IntoResponse, ApiError> {
    caller.may(Operation::ReadRuns)?;
    let scope = caller.listed();
    let wanted = scope.clone();
    let counted = state
        .control
        .store()
        .read(move |tx| {
            let scope = wanted.clone();
            Box::pin(async move { count(tx, scope.as_ref()).await })
        })
        .await?;
    let mut text = Text::default();
    let Counted { runs, steps, events, actions, monitors } = counted;
    let (version, database) = (state.settings.version.as_str(), state.settings.database.as_str());
    text.family("windlass_build_info", Type::Gauge, "1, with the version and the kind of database.")
        .sample(&[("version", version), ("database", database)], 1);
    if scope.is_none() {
        text.family("windlass_idle", Type::Gauge, "1 while nothing runs, waits or is held.")
            .sample(&[], u8::from(state.control.is_idle()));
        text.family("windlass_inbox_pending", Type::Gauge, "Events that wait for a decision.").sample(&[], events);
        text.family("windlass_outbox_pending", Type::Gauge, "Actions that wait to be carried out.")
            .sample(&[], actions);
    }
    states(&mut text, "windlass_pipeline_runs", "Pipeline runs by state.", &runs);
    states(&mut text, "windlass_active_steps", "Steps of the pipeline runs that are not over, by state.", &steps);
    monitors::write(&mut text, &monitors);
    text.append(&state.traffic.metrics(scope.as_ref()));
    Ok(([(header::CONTENT_TYPE, CONTENT_TYPE)], text.into_string()))
}

async fn count(tx: &mut Tx, scope: Option<&Name>) -> Result<Counted, StoreError> {
    let seen = |counts: Vec<StateCount>| -> Vec<StateCount> {
        counts.into_iter().filter(|count| scope.is_none_or(|project| count.project == *project)).collect()
    };
    Ok(Counted {
        runs: seen(tx.pipeline_run_counts().await?),
        steps: seen(tx.active_step_counts().await?),
        events: tx.inbox_count_pending().await?,
        actions: tx.outbox_count_pending().await?,
        monitors: monitors::read(tx, scope).await?,
    })
}

fn states(text: &mut Text, name: &'static str, help: &'static str, counts: &[StateCount]) {
    let mut family = text.family(name, Type::Gauge, help);
    for StateCount { project, state, count } in counts {
        family.sample(&[("project", project.as_str()), ("state", state)], count);
    }
}
