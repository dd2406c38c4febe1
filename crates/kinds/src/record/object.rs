//! Actors, tokens and revisions of manifests.

use serde::{Deserialize, Serialize};

use crate::{
    Digest, Kind, Micros, Name, TokenId,
    manifest::{Manifest, Resolved, Role},
};

/// Who did something. Pseudonymous: an id and a way in, never a person's data.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Actor(String);

impl Actor {
    /// The control loop itself.
    pub fn system() -> Self {
        Self("system".to_owned())
    }

    /// The holder of a token, by the token's name.
    pub fn token(name: &str) -> Self {
        Self(format!("token:{name}"))
    }

    /// A user, by the name under which projects list members.
    pub fn user(name: &str) -> Self {
        Self(format!("user:{name}"))
    }

    /// The code of a step, by pipeline and step name: stable over attempts and runs.
    pub fn step(pipeline: &str, step: &str) -> Self {
        Self(format!("step:{pipeline}/{step}"))
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Wraps stored text.
    pub fn stored(text: String) -> Self {
        Self(text)
    }
}

impl std::fmt::Display for Actor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A token as listed: everything but the secret, of which only the SHA-256 is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Its id.
    pub id: TokenId,
    /// A name people chose; `local` for the one made at first start.
    pub name: String,
    /// The project it is good for; `None` means all.
    pub project: Option<Name>,
    /// What it may do; for a user's token the most that it may do, whatever the user is a member as.
    pub role: Role,
    /// Whose it is, where its rights follow from the members of projects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// When it was made.
    pub created_at: Micros,
    /// When it stops working; `None` means never.
    pub expires_at: Option<Micros>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Micros>,
    /// When it was revoked.
    pub revoked_at: Option<Micros>,
}

/// One applied state of a manifest. Never changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Revision {
    /// The project.
    pub project: Name,
    /// The kind.
    pub kind: Kind,
    /// The name.
    pub name: Name,
    /// Counts from 1 within the object, on over deletions.
    pub number: u32,
    /// The digest of manifest and [`Resolved`] (without its base folder): equal digest means nothing to do.
    pub digest: Digest,
    /// What was applied.
    pub manifest: Manifest,
    /// What its paths meant.
    pub resolved: Resolved,
    /// Whether this revision is the object's deletion.
    #[serde(default)]
    pub deleted: bool,
    /// Who applied it.
    pub actor: Actor,
    /// When.
    pub created_at: Micros,
}

impl Revision {
    /// Returns the digest that makes two revisions the same.
    pub fn content_digest(manifest: &Manifest, resolved: &Resolved) -> Digest {
        let Resolved { base: _, code, requirements } = resolved;
        crate::canonical::digest(&(manifest, code, requirements))
    }
}
