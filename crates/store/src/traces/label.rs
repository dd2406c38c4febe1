//! Tags, notes and links of traces.

use windlass_kinds::{Name, RunId, TraceId};

use crate::{Refusal, RefusalSubject as Subject, StoreError, Tx, tracking::Query, tx::args};

/// What a trace belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TraceLink {
    /// A run.
    Run(RunId),
    /// A version of a prompt: its name and number.
    Prompt(String, String),
}

impl TraceLink {
    fn stored(&self) -> (&'static str, String) {
        match self {
            Self::Run(run) => ("run", run.as_str().to_owned()),
            Self::Prompt(name, version) => ("prompt", format!("{name}/{version}")),
        }
    }
}

impl Tx {
    /// Sets tags or notes of a trace.
    pub(super) async fn trace_pairs_put(
        &mut self,
        table: &str,
        number: i64,
        pairs: &[(String, String)],
    ) -> Result<(), StoreError> {
        // The last one of a key counts, and a statement may touch a row once.
        let pairs: std::collections::BTreeMap<&String, &String> =
            pairs.iter().map(|(key, value)| (key, value)).collect();
        if pairs.is_empty() {
            return Ok(());
        }
        let mut query = Query::new(self.is_postgres(), &format!("INSERT INTO {table} (trace, key, value) VALUES "));
        for (place, (key, value)) in pairs.into_iter().enumerate() {
            query.text(if place == 0 { "" } else { ", " });
            query.all(args![number, key, value]);
        }
        query.text(" ON CONFLICT (trace, key) DO UPDATE SET value = excluded.value");
        query.execute(self).await?;
        Ok(())
    }

    pub(super) async fn trace_links_put(&mut self, number: i64, links: &[TraceLink]) -> Result<(), StoreError> {
        for link in links {
            let (kind, target) = link.stored();
            self.execute(
                "INSERT INTO trace_link (trace, kind, target) VALUES ($1, $2, $3)
                 ON CONFLICT (trace, kind, target) DO NOTHING",
                args![number, kind, target],
            )
            .await?;
        }
        Ok(())
    }

    /// Sets a tag of a trace.
    pub async fn trace_tag_set(
        &mut self,
        project: &Name,
        id: &TraceId,
        key: &str,
        value: &str,
    ) -> Result<(), StoreError> {
        let number = self.trace_number(project, id).await?;
        self.trace_pairs_put("trace_tag", number, &[(key.to_owned(), value.to_owned())]).await
    }

    /// Removes a tag of a trace; refuses one that is not there.
    pub async fn trace_tag_delete(&mut self, project: &Name, id: &TraceId, key: &str) -> Result<(), StoreError> {
        let gone = self
            .execute(
                "DELETE FROM trace_tag WHERE key = $3
                 AND trace IN (SELECT number FROM trace WHERE project = $1 AND id = $2)",
                args![project, id.as_str(), key],
            )
            .await?;
        match gone {
            0 => Err(Refusal::Missing(Subject::TraceTag(id.clone(), key.to_owned())).into()),
            _ => Ok(()),
        }
    }

    /// Sets the name of a trace, or takes it away; refuses to take away what is not there.
    pub async fn trace_name_set(
        &mut self,
        project: &Name,
        id: &TraceId,
        name: Option<&str>,
    ) -> Result<bool, StoreError> {
        let number = self.trace_number(project, id).await?;
        let changed = self
            .execute(
                "UPDATE trace SET name = $2 WHERE number = $1 AND (name IS NOT NULL OR $3 = 1)",
                args![number, name, name.is_some()],
            )
            .await?;
        Ok(changed > 0)
    }

    /// Links traces; those that are not there are left out.
    pub async fn traces_link(
        &mut self,
        project: &Name,
        ids: &[TraceId],
        links: &[TraceLink],
    ) -> Result<(), StoreError> {
        let mut query = Query::new(self.is_postgres(), "SELECT number FROM trace WHERE project = ");
        query.arg(project);
        query.text(" AND id IN ");
        query.list(ids.iter().map(TraceId::as_str));
        query.text(" ORDER BY number");
        for row in query.rows(self).await? {
            self.trace_links_put(row.int(0)?, links).await?;
        }
        Ok(())
    }

    /// Returns whether there is such a trace.
    pub async fn trace_exists(&mut self, project: &Name, id: &TraceId) -> Result<bool, StoreError> {
        let row = self.row("SELECT 1 FROM trace WHERE project = $1 AND id = $2", args![project, id.as_str()]).await?;
        Ok(row.is_some())
    }
}
