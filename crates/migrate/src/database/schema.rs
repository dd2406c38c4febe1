//! MLflow's schema by its revisions. MLflow notes in its table `alembic_version` which one a database has.

use crate::SourceError;

/// The revisions that are read, the oldest first: those of MLflow's folder `store/db_migrations/versions` since the one
/// that gave experiments their times.
const REVISIONS: [&str; 49] = [
    EXPERIMENT_TIMES,
    ALIASES,
    DATASETS,
    "2d6e25af4d3e",
    STORAGE_LOCATION,
    "867495a8f9d4",
    "5b0e9adcef9c",
    "4465047574b1",
    "f5a4f2784254",
    "0584bdc529eb",
    "400f98739977",
    LOGGED_MODELS,
    "bda7b8c39065",
    "cbc13b556ace",
    "770bee3ae1dd",
    "a1b2c3d4e5f6",
    "de4033877273",
    "1a0cddfcaa16",
    "534353b11cbc",
    "71994744cf8e",
    "3da73c924c2f",
    "bf29a5ff90ea",
    "1bd49d398cd23",
    "b7c8d9e0f1a2",
    "5d2d30f0abce",
    "c9d4e5f6a7b8",
    "2c33131f4dae",
    "d3e4f5a6b7c8",
    "d0e1f2a3b4c5",
    "c8d9e0f1a2b3",
    WORKSPACES,
    "e1f2a3b4c5d6",
    "76601a5f987d",
    "c3d6457b6d8a",
    "a5b4c3d2e1f0",
    "ae8bbe7743c9",
    "7d34483879f0",
    "da6fb0208061",
    "89d3d66ed43f",
    "b7e4c1a90f23",
    "a8b9c0d1e2f3",
    "c1d2e3f4a5b6",
    "c3d9e7f1a2b4",
    "6f8d9c3b2a1e",
    "1971f2d9a75b",
    "17e22815139b",
    "b7e2c1a4d9f3",
    "75868b020152",
    NEWEST,
];

const EXPERIMENT_TIMES: &str = "97727af70f4d";
const ALIASES: &str = "3500859a5d39";
const DATASETS: &str = "7f2a7d5fae7d";
const STORAGE_LOCATION: &str = "acf3f17fdcc7";
const LOGGED_MODELS: &str = "6953534de441";
const WORKSPACES: &str = "1b5f0d9ad7c1";
const NEWEST: &str = "dc11669786a5";

/// What a database has, by its revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Schema {
    pub(super) has_aliases: bool,
    pub(super) has_datasets: bool,
    pub(super) has_storage_location: bool,
    pub(super) has_logged_models: bool,
    pub(super) has_workspaces: bool,
}

impl Schema {
    /// Reads a revision; refuses one that is not known, because nobody can say what its columns mean.
    pub(super) fn of(revision: &str) -> Result<Self, SourceError> {
        let place = REVISIONS.iter().position(|known| *known == revision).ok_or_else(|| SourceError::Schema {
            found: revision.chars().take(64).collect(),
            first: EXPERIMENT_TIMES,
            first_release: "2.0",
            last: NEWEST,
            last_release: "3.17",
        })?;
        let since =
            |known: &str| REVISIONS.iter().position(|other| *other == known).is_some_and(|since| place >= since);
        Ok(Self {
            has_aliases: since(ALIASES),
            has_datasets: since(DATASETS),
            has_storage_location: since(STORAGE_LOCATION),
            has_logged_models: since(LOGGED_MODELS),
            has_workspaces: since(WORKSPACES),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revisions_say_what_there_is() {
        let newest = Schema::of("dc11669786a5").unwrap();
        assert!(newest.has_workspaces && newest.has_logged_models);
        let old = Schema::of("4465047574b1").unwrap();
        assert!(old.has_aliases && old.has_datasets && !old.has_logged_models && !old.has_workspaces);
        let oldest = Schema::of("97727af70f4d").unwrap();
        assert!(!oldest.has_aliases && !oldest.has_datasets);
        for unknown in ["", "ffffffffffff", "97727af70f4"] {
            let refused = Schema::of(unknown).unwrap_err().to_string();
            assert!(refused.contains("97727af70f4d (MLflow 2.0) to dc11669786a5 (MLflow 3.17)"), "{refused}");
        }
    }
}
