//! How many there are: what whoever watches a server wants to see at a glance.

use windlass_kinds::Name;

use crate::{StoreError, Tx, tx::args};

/// How many of something are in a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateCount {
    /// The project.
    pub project: Name,
    /// The state, as records write it.
    pub state: String,
    /// How many.
    pub count: u64,
}

/// How many windows a monitor measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WindowCount {
    /// All of them.
    pub windows: u64,
    /// Those in which a threshold was crossed, warnings included.
    pub breached: u64,
}

impl Tx {
    /// Returns how many pipeline runs each project has by state, in the order of the names.
    pub async fn pipeline_run_counts(&mut self) -> Result<Vec<StateCount>, StoreError> {
        self.state_counts(
            "SELECT project, state, COUNT(*) FROM pipeline_run GROUP BY project, state ORDER BY project, state",
        )
        .await
    }

    /// Returns how many steps the runs that may still move have by state, in the order of the names.
    pub async fn active_step_counts(&mut self) -> Result<Vec<StateCount>, StoreError> {
        self.state_counts(
            "SELECT step_run.project, step_run.state, COUNT(*) FROM pipeline_run
             JOIN step_run ON step_run.run = pipeline_run.id WHERE pipeline_run.active = 1
             GROUP BY step_run.project, step_run.state ORDER BY step_run.project, step_run.state",
        )
        .await
    }

    /// Returns how many windows a monitor measured.
    pub async fn observation_counts(&mut self, project: &Name, monitor: &Name) -> Result<WindowCount, StoreError> {
        let row = self
            .row(
                "SELECT COUNT(*), CAST(COALESCE(SUM(breached), 0) AS BIGINT) FROM observation
                 WHERE project = $1 AND monitor = $2",
                args![project, monitor],
            )
            .await?;
        let Some(row) = row else { return Ok(WindowCount::default()) };
        Ok(WindowCount { windows: count(row.int(0)?)?, breached: count(row.int(1)?)? })
    }

    async fn state_counts(&mut self, sql: &'static str) -> Result<Vec<StateCount>, StoreError> {
        let rows = self.rows(sql, args![]).await?;
        let counts = rows.iter().map(|row| {
            let project = row.text(0)?;
            let project = project.parse().map_err(|_| StoreError::corrupt(format!("a project named {project}")))?;
            Ok(StateCount { project, state: row.text(1)?, count: count(row.int(2)?)? })
        });
        counts.collect()
    }
}

fn count(value: i64) -> Result<u64, StoreError> {
    u64::try_from(value).map_err(|_| StoreError::corrupt(format!("a count of {value}")))
}
