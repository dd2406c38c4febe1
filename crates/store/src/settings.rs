//! Single values and counters.

use crate::{StoreError, Tx, tx::args};

impl Tx {
    /// Returns the value kept under `name`.
    pub async fn meta_get(&mut self, name: &str) -> Result<Option<String>, StoreError> {
        self.row("SELECT content FROM meta WHERE name = $1", args![name]).await?.map(|row| row.text(0)).transpose()
    }

    /// Keeps a value under `name`.
    pub async fn meta_set(&mut self, name: &str, content: &str) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO meta (name, content) VALUES ($1, $2)
             ON CONFLICT (name) DO UPDATE SET content = excluded.content",
            args![name, content],
        )
        .await?;
        Ok(())
    }

    /// Counts one up and returns the new amount: 1 the first time.
    pub async fn counter_next(&mut self, name: &str) -> Result<u64, StoreError> {
        let row = self
            .row(
                "INSERT INTO counter (name, amount) VALUES ($1, 1)
                 ON CONFLICT (name) DO UPDATE SET amount = counter.amount + 1 RETURNING amount",
                args![name],
            )
            .await?;
        amount(row.map_or(Ok(0), |row| row.int(0))?)
    }

    /// Returns the counter's amount: 0 where it never counted.
    pub async fn counter_get(&mut self, name: &str) -> Result<u64, StoreError> {
        let row = self.row("SELECT amount FROM counter WHERE name = $1", args![name]).await?;
        amount(row.map_or(Ok(0), |row| row.int(0))?)
    }
}

fn amount(value: i64) -> Result<u64, StoreError> {
    u64::try_from(value).map_err(|_| StoreError::corrupt(format!("a counter at {value}")))
}
