//! Content: bytes under their digest.
//!
//! [`BlobStore`] keeps bytes under the digest that names them; [`FolderStore`] does so in a folder and [`MemoryStore`]
//! in memory, and both pass one suite. On top of that lie folders as content ([`put_tree`], [`checkout`]) and
//! [`model`]s as OCI artifacts. The crate knows neither SQL nor how content is served; who still needs a blob is not
//! its business either.

mod blob;
mod error;
mod folder;
mod freeing;
mod helpers;
mod memory;
pub mod model;
mod path;
mod tree;

pub use blob::{BlobEntry, BlobReader, BlobStore, BlobWriter};
pub use error::{BlobError, TreeError};
pub use folder::FolderStore;
pub use helpers::{put_bytes, put_file, read_all, verify};
pub use memory::MemoryStore;
pub use tree::{TreeLimits, checkout, put_single, put_tree, read_tree, tree_if_any};
