//! What is remembered of triggers between events.

use windlass_kinds::{Name, record::TriggerState};

use crate::{StoreError, Tx, encode::json, tx::args};

impl Tx {
    /// Returns the trigger's state; that of one which never fired where nothing is remembered.
    pub async fn trigger_state(
        &mut self,
        project: &Name,
        pipeline: &Name,
        trigger: &Name,
    ) -> Result<TriggerState, StoreError> {
        let row = self
            .row(
                "SELECT body FROM trigger_state WHERE project = $1 AND pipeline = $2 AND name = $3",
                args![project, pipeline, trigger],
            )
            .await?;
        row.map_or_else(|| Ok(TriggerState::default()), |row| row.json(0))
    }

    /// Remembers the trigger's state.
    pub async fn trigger_state_save(
        &mut self,
        project: &Name,
        pipeline: &Name,
        trigger: &Name,
        state: &TriggerState,
    ) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO trigger_state (project, pipeline, name, held, body) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (project, pipeline, name) DO UPDATE SET held = excluded.held, body = excluded.body",
            args![project, pipeline, trigger, state.held.is_some(), json(state)],
        )
        .await?;
        Ok(())
    }

    /// Returns pipeline, trigger and state of every trigger of the project that something is remembered of.
    pub async fn trigger_states(&mut self, project: &Name) -> Result<Vec<(Name, Name, TriggerState)>, StoreError> {
        let rows = self
            .rows(
                "SELECT pipeline, name, body FROM trigger_state WHERE project = $1 ORDER BY pipeline, name",
                args![project],
            )
            .await?;
        rows.iter().map(|row| Ok((row.parsed(0)?, row.parsed(1)?, row.json(2)?))).collect()
    }

    /// Returns project, pipeline, trigger and state of every trigger that holds an event back.
    pub async fn trigger_states_held(&mut self) -> Result<Vec<(Name, Name, Name, TriggerState)>, StoreError> {
        let rows = self
            .rows(
                "SELECT project, pipeline, name, body FROM trigger_state WHERE held = 1
                 ORDER BY project, pipeline, name",
                args![],
            )
            .await?;
        rows.iter().map(|row| Ok((row.parsed(0)?, row.parsed(1)?, row.parsed(2)?, row.json(3)?))).collect()
    }
}
