//! Marks of what an import brought over, and how a free name is found.
//!
//! A mark says that something here came from elsewhere, and as what. It is kept beside the records, not in them: a user
//! sees the tags that were brought over and no others. Without a mark, what is here was made here, and an import leaves
//! it alone.

use windlass_kinds::Name;

use crate::{StoreError, Tx, tracking::Query};

/// What a mark can be about; the word is part of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Marked {
    Experiment,
    Run,
    LoggedModel,
    Model,
    Version,
}

impl Marked {
    fn word(self) -> &'static str {
        match self {
            Self::Experiment => "experiment",
            Self::Run => "run",
            Self::LoggedModel => "logged-model",
            Self::Model => "model",
            Self::Version => "version",
        }
    }
}

fn prefix(project: &Name, about: Marked) -> String {
    format!("import/{project}/{}/", about.word())
}

impl Tx {
    /// Returns the mark of something, if it has one.
    pub(crate) async fn import_mark(
        &mut self,
        project: &Name,
        about: Marked,
        id: &str,
    ) -> Result<Option<String>, StoreError> {
        self.meta_get(&format!("{}{id}", prefix(project, about))).await
    }

    /// Sets the mark of something.
    pub(crate) async fn import_mark_set(
        &mut self,
        project: &Name,
        about: Marked,
        id: &str,
        mark: &str,
    ) -> Result<(), StoreError> {
        self.meta_set(&format!("{}{id}", prefix(project, about)), mark).await
    }

    /// Returns the marks of those among `ids` that have one, by id.
    pub(crate) async fn import_marks(
        &mut self,
        project: &Name,
        about: Marked,
        ids: &[String],
    ) -> Result<Vec<(String, String)>, StoreError> {
        let prefix = prefix(project, about);
        let mut query = Query::new(self.is_postgres(), "SELECT name, content FROM meta WHERE name IN ");
        query.list(ids.iter().map(|id| format!("{prefix}{id}")));
        let rows = query.rows(self).await?;
        rows.iter()
            .map(|row| {
                let name = row.text(0)?;
                let id = name.strip_prefix(&prefix).ok_or_else(|| StoreError::corrupt("a mark nobody asked for"))?;
                Ok((id.to_owned(), row.text(1)?))
            })
            .collect()
    }
}

/// Returns the `n`th name to try for something whose own name is taken.
pub(crate) fn other_name(name: &str, n: u32) -> String {
    match n {
        1 => format!("{name} (imported)"),
        n => format!("{name} (imported {n})"),
    }
}
