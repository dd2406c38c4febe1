//! Tokens, of which only the SHA-256 of the secret is kept.

use windlass_kinds::{Micros, TokenId, record::Token};

use crate::{
    StoreError, Tx,
    encode::{from_word, word},
    tx::{Row, args},
};

impl Tx {
    /// Adds a token under the SHA-256 of its secret.
    pub async fn token_insert(&mut self, token: &Token, secret_hash: &[u8; 32]) -> Result<(), StoreError> {
        // No `..`: a new field needs a column.
        let Token { id, name, project, role, user, created_at, expires_at, last_used_at, revoked_at } = token;
        self.execute(
            "INSERT INTO token
             (id, name, project, role, secret_hash, created_at, expires_at, last_used_at, revoked_at, member)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            args![
                id.as_str(),
                name,
                project.as_ref(),
                word(role),
                secret_hash,
                *created_at,
                *expires_at,
                *last_used_at,
                *revoked_at,
                user.as_deref()
            ],
        )
        .await?;
        Ok(())
    }

    /// Returns the token whose secret has this SHA-256, revoked and expired ones included.
    pub async fn token_by_hash(&mut self, secret_hash: &[u8; 32]) -> Result<Option<Token>, StoreError> {
        self.row(
            "SELECT id, name, project, role, created_at, expires_at, last_used_at, revoked_at, member
             FROM token WHERE secret_hash = $1",
            args![secret_hash],
        )
        .await?
        .map(|row| token(&row))
        .transpose()
    }

    /// Revokes the token; `false` where there is none or it was revoked before.
    pub async fn token_revoke(&mut self, id: &TokenId, now: Micros) -> Result<bool, StoreError> {
        let changed = self
            .execute("UPDATE token SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL", args![id.as_str(), now])
            .await?;
        Ok(changed > 0)
    }

    /// Returns the tokens with this name that were not revoked, oldest first. Expired ones are among them.
    pub async fn tokens_named(&mut self, name: &str) -> Result<Vec<Token>, StoreError> {
        let rows = self
            .rows(
                "SELECT id, name, project, role, created_at, expires_at, last_used_at, revoked_at, member
                 FROM token WHERE name = $1 AND revoked_at IS NULL ORDER BY created_at, id",
                args![name],
            )
            .await?;
        rows.iter().map(token).collect()
    }

    /// Returns a token, revoked and expired ones included.
    pub async fn token_get(&mut self, id: &TokenId) -> Result<Option<Token>, StoreError> {
        self.row(
            "SELECT id, name, project, role, created_at, expires_at, last_used_at, revoked_at, member
             FROM token WHERE id = $1",
            args![id.as_str()],
        )
        .await?
        .map(|row| token(&row))
        .transpose()
    }

    /// Returns all tokens, oldest first.
    pub async fn tokens(&mut self) -> Result<Vec<Token>, StoreError> {
        let rows = self
            .rows(
                "SELECT id, name, project, role, created_at, expires_at, last_used_at, revoked_at, member
                 FROM token ORDER BY created_at, id",
                args![],
            )
            .await?;
        rows.iter().map(token).collect()
    }

    /// Notes when the token was used last.
    pub async fn token_used(&mut self, id: &TokenId, at: Micros) -> Result<(), StoreError> {
        self.execute("UPDATE token SET last_used_at = $2 WHERE id = $1", args![id.as_str(), at]).await?;
        Ok(())
    }
}

fn token(row: &Row) -> Result<Token, StoreError> {
    let project = match row.opt_text(2)? {
        None => None,
        Some(_) => Some(row.parsed(2)?),
    };
    Ok(Token {
        id: TokenId::new(row.text(0)?),
        name: row.text(1)?,
        project,
        role: from_word(row.text(3)?)?,
        user: row.opt_text(8)?,
        created_at: row.micros(4)?,
        expires_at: row.opt_int(5)?.map(Micros),
        last_used_at: row.opt_int(6)?.map(Micros),
        revoked_at: row.opt_int(7)?.map(Micros),
    })
}
