//! The ledger: its newest entries, those about one subject, and what one entry recorded.

use axum::extract::{Path, Query};
use maud::{Markup, html};
use serde::Deserialize;
use windlass_store::ledger::{LedgerQuery, LedgerRow};

use super::{
    component::{digest, empty, facts, instant, table},
    error::PageError,
    layout::{Page, Part, section},
    viewer::Viewer,
};

/// How many entries a page has.
const LISTED: u32 = 200;

#[derive(Deserialize)]
pub(super) struct LedgerView {
    /// Only entries about this.
    subject: Option<String>,
    /// Only entries before this place.
    before: Option<i64>,
}

pub(super) async fn show(viewer: Viewer, Query(view): Query<LedgerView>) -> Result<Markup, PageError> {
    let query = LedgerQuery {
        project: Some(viewer.project.clone()),
        kind: None,
        subject: view.subject.clone().filter(|subject| !subject.is_empty()),
        after: 0,
        limit: LISTED,
    };
    let before = view.before.unwrap_or(i64::MAX);
    let rows = viewer
        .state
        .control
        .store()
        .read(move |tx| {
            let query = query.clone();
            Box::pin(async move { tx.ledger_newest(&query, before).await })
        })
        .await?;
    let older = rows.last().filter(|_| rows.len() == LISTED as usize).map(|row| row.place);
    let path = viewer.links.ledger();
    let subject = view.subject.unwrap_or_default();
    let body = html! {
        form.filter method="get" action=(path) role="search" {
            label for="subject" { "About" }
            input #subject name="subject" value=(subject) placeholder="run train-3" autocomplete="off";
            button type="submit" { "Show" }
            @if !subject.is_empty() { a href=(path) { "All entries" } }
        }
        (section("entries", "Entries, newest first", html! {
            @if rows.is_empty() { (empty("No entry.")) } @else { (entries(&rows, &path)) }
            @if let Some(older) = older {
                p { a href={(path) "?before=" (older) "&subject=" (windlass_api::encode(&subject))} { "Older entries" } }
            }
        }))
        p.quiet { "Each entry is a leaf of a signed Merkle tree; " code { "windlass ledger verify" } " checks it all." }
    };
    Ok(Page::new(Part::Ledger, "Ledger").show(&viewer, body))
}

fn entries(rows: &[LedgerRow], path: &str) -> Markup {
    let rows = rows.iter().map(|row| {
        vec![
            html! { a href={(path) "/" (row.place)} { (row.index.map_or_else(|| "not yet sealed".to_owned(), |index| index.to_string())) } },
            instant(row.entry.at),
            html! { (row.entry.kind.as_str()) },
            html! { (row.entry.subject) },
            html! { (row.entry.actor) },
            digest(&row.entry.body),
        ]
    });
    table("Entries", &["leaf", "when", "kind", "about", "by", "body"], rows.collect())
}

pub(super) async fn entry(viewer: Viewer, Path((_, place)): Path<(String, i64)>) -> Result<Markup, PageError> {
    let query = LedgerQuery {
        project: Some(viewer.project.clone()),
        after: place.saturating_sub(1),
        limit: 1,
        ..LedgerQuery::default()
    };
    let (row, body) = viewer
        .state
        .control
        .store()
        .read(move |tx| {
            let query = query.clone();
            Box::pin(async move {
                let row = tx.ledger_list(&query).await?.pop().filter(|row| row.place == place);
                let body = match &row {
                    Some(row) => tx.ledger_body(row.place).await?,
                    None => None,
                };
                Ok((row, body))
            })
        })
        .await?;
    let row = row.ok_or_else(|| PageError::not_found(format!("ledger entry {place}")))?;
    let pretty = body.as_deref().map(|body| match serde_json::from_str::<serde_json::Value>(body) {
        Ok(value) => serde_json::to_string_pretty(&value).unwrap_or_default(),
        Err(_) => body.to_owned(),
    });
    let content = html! {
        (section("about", "About", facts(vec![
            ("when", instant(row.entry.at)),
            ("kind", html! { (row.entry.kind.as_str()) }),
            ("about", html! { a href=(viewer.links.ledger_of(&row.entry.subject)) { (row.entry.subject) } }),
            ("by", html! { (row.entry.actor) }),
            ("leaf", html! { @match row.index { Some(index) => { (index) } None => { "not yet sealed" } } }),
            ("digest of the body", html! { code.long { (row.entry.body) } }),
        ])))
        (section("body", "Body", html! {
            @match &pretty { Some(text) => { pre.log tabindex="0" role="region" aria-label="Body" { (text) } } None => { (empty("It was erased; its digest stays.")) } }
        }))
    };
    let page = Page::new(Part::Ledger, format!("{} {}", row.entry.kind.as_str(), row.entry.subject))
        .under("Ledger", viewer.links.ledger());
    Ok(page.show(&viewer, content))
}
