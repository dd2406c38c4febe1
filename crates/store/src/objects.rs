//! Projects and the revisions of manifests.

use windlass_kinds::{Kind, Micros, Name, record::Revision};

use crate::{
    StoreError, Tx,
    encode::{canonical_json, records},
    tx::args,
};

impl Tx {
    /// Makes the project unless it is there.
    pub async fn project_ensure(&mut self, name: &Name, now: Micros) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO project (name, created_at) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING",
            args![name, now],
        )
        .await?;
        Ok(())
    }

    /// Returns the names of all projects.
    pub async fn projects(&mut self) -> Result<Vec<Name>, StoreError> {
        let rows = self.rows("SELECT name FROM project ORDER BY name", args![]).await?;
        rows.iter().map(|row| row.parsed(0)).collect()
    }

    /// Keeps other deciding transactions of the project out until this one ends; they call this first too.
    ///
    /// SQLite has one writer anyway.
    pub async fn lock_project(&mut self, name: &Name) -> Result<(), StoreError> {
        if self.is_postgres() {
            self.rows("SELECT name FROM project WHERE name = $1 FOR UPDATE", args![name]).await?;
        }
        Ok(())
    }

    /// Adds the object's next revision; a [`StoreError::Conflict`] where that number is taken or would leave a gap.
    pub async fn revision_insert(&mut self, revision: &Revision) -> Result<(), StoreError> {
        // No `..`: a new field may need a column.
        let Revision { project, kind, name, number, digest, manifest: _, resolved: _, deleted, actor, created_at } =
            revision;
        let replaced = self
            .execute(
                "UPDATE revision SET newest = 0
                 WHERE project = $1 AND kind = $2 AND name = $3 AND newest = 1 AND number = $4",
                args![project, kind.as_str(), name, i64::from(*number) - 1],
            )
            .await?;
        if (replaced == 0) != (*number == 1) {
            return Err(StoreError::conflict(format!(
                "{kind}/{name} was changed meanwhile: {number} is not its next revision"
            )));
        }
        self.execute(
            "INSERT INTO revision (project, kind, name, number, digest, deleted, newest, actor, created_at, body)
             VALUES ($1, $2, $3, $4, $5, $6, 1, $7, $8, $9)",
            args![
                project,
                kind.as_str(),
                name,
                *number,
                digest,
                *deleted,
                actor.as_str(),
                *created_at,
                canonical_json(revision)
            ],
        )
        .await?;
        Ok(())
    }

    /// Returns the object's newest revision, which may be its deletion.
    pub async fn revision_current(
        &mut self,
        project: &Name,
        kind: Kind,
        name: &Name,
    ) -> Result<Option<Revision>, StoreError> {
        self.row(
            "SELECT body FROM revision WHERE project = $1 AND kind = $2 AND name = $3 AND newest = 1",
            args![project, kind.as_str(), name],
        )
        .await?
        .map(|row| row.json(0))
        .transpose()
    }

    /// Returns one revision.
    pub async fn revision_get(
        &mut self,
        project: &Name,
        kind: Kind,
        name: &Name,
        number: u32,
    ) -> Result<Option<Revision>, StoreError> {
        self.row(
            "SELECT body FROM revision WHERE project = $1 AND kind = $2 AND name = $3 AND number = $4",
            args![project, kind.as_str(), name, number],
        )
        .await?
        .map(|row| row.json(0))
        .transpose()
    }

    /// Returns every revision of the object, oldest first.
    pub async fn revision_history(
        &mut self,
        project: &Name,
        kind: Kind,
        name: &Name,
    ) -> Result<Vec<Revision>, StoreError> {
        let rows = self
            .rows(
                "SELECT body FROM revision WHERE project = $1 AND kind = $2 AND name = $3 ORDER BY number",
                args![project, kind.as_str(), name],
            )
            .await?;
        records(&rows)
    }

    /// Returns the newest revision of each object that was not deleted, ordered by project, kind and name.
    pub async fn revisions_current(
        &mut self,
        project: Option<&Name>,
        kind: Option<Kind>,
    ) -> Result<Vec<Revision>, StoreError> {
        let rows = self
            .rows(
                "SELECT body FROM revision
                 WHERE newest = 1 AND deleted = 0 AND ($1 = '' OR project = $1) AND ($2 = '' OR kind = $2)
                 ORDER BY project, kind, name",
                // No name and no kind is empty.
                args![project.map_or("", Name::as_str), kind.map_or("", Kind::as_str)],
            )
            .await?;
        records(&rows)
    }
}
