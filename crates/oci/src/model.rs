//! Models as OCI artifacts, after the CNCF ModelPack specification (`github.com/modelpack/model-spec`, v1).
//!
//! A model is an OCI image manifest whose `artifactType` says so. Each file is one layer, raw: its digest is that of the
//! file's bytes, so that packing a model costs its manifest and its config and nothing more. The same files and
//! annotations give the same bytes; there is no clock in them.

mod media;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use serde::{Deserialize, Serialize};
use windlass_kinds::{
    Digest, canonical,
    record::{FileEntry, TreeFile},
};

use self::media::{format_of, media_type};
use crate::{BlobError, BlobStore, TreeError, helpers, path::is_within, tree};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const ARTIFACT: &str = "application/vnd.cncf.model.manifest.v1+json";
const CONFIG: &str = "application/vnd.cncf.model.config.v1+json";
/// The path of a layer's file within the model.
const FILE_PATH: &str = "org.cncf.model.filepath";
/// The same for tools that know no models, such as `oras pull`.
const TITLE: &str = "org.opencontainers.image.title";
const VERSION: &str = "org.opencontainers.image.version";

/// The largest blob taken for a manifest or config, in bytes; registries take 4 MiB, we allow for many small files.
const MANIFEST_CAP: u64 = 64 << 20;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    schema_version: u32,
    media_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    artifact_type: Option<String>,
    config: Descriptor,
    layers: Vec<Descriptor>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    digest: Digest,
    size: u64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
}

/// The model's own description (`schema/config-schema.json` of the specification).
#[derive(Serialize)]
struct Config<'a> {
    descriptor: About<'a>,
    config: Technical,
    modelfs: Layers<'a>,
}

#[derive(Serialize)]
struct About<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'a str>,
}

#[derive(Serialize)]
struct Technical {
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Layers<'a> {
    r#type: &'static str,
    diff_ids: Vec<&'a Digest>,
}

/// Packs files that are in the store already as a model; returns the digest of its manifest and the bytes of all its
/// files together.
///
/// Paths are relative to the model's folder. The annotations go to the manifest as they are; of them
/// `org.opencontainers.image.title` and `.version` become the model's name and version in its config.
pub async fn package(
    store: &dyn BlobStore,
    files: &[FileEntry],
    annotations: BTreeMap<String, String>,
) -> Result<(Digest, u64), BlobError> {
    if files.is_empty() {
        return Err(BlobError::NoFiles);
    }
    let mut files: Vec<&FileEntry> = files.iter().collect();
    files.sort_unstable();
    let mut seen = BTreeSet::new();
    for file in &files {
        if !is_within(&file.path) || !seen.insert(&file.path) {
            return Err(BlobError::Path { path: file.path.clone() });
        }
        match store.size(&file.digest).await? {
            Some(size) if size == file.size => {}
            Some(_) => return Err(BlobError::Corrupt { digest: file.digest.clone() }),
            None => return Err(BlobError::NotFound { digest: file.digest.clone() }),
        }
    }
    let config = Config {
        descriptor: About {
            name: annotations.get(TITLE).map(String::as_str),
            version: annotations.get(VERSION).map(String::as_str),
        },
        config: Technical { format: files.iter().find_map(|file| format_of(&file.path)) },
        modelfs: Layers { r#type: "layers", diff_ids: files.iter().map(|file| &file.digest).collect() },
    };
    let config = canonical::to_bytes(&config);
    let manifest = Manifest {
        schema_version: 2,
        media_type: MANIFEST.to_owned(),
        artifact_type: Some(ARTIFACT.to_owned()),
        config: Descriptor {
            media_type: CONFIG.to_owned(),
            digest: helpers::put_bytes(store, &config).await?,
            size: config.len() as u64,
            annotations: BTreeMap::new(),
        },
        layers: files.iter().map(|file| layer(file)).collect(),
        annotations,
    };
    let digest = helpers::put_bytes(store, &canonical::to_bytes(&manifest)).await?;
    Ok((digest, files.iter().map(|file| file.size).sum()))
}

/// Returns the files of a packed model, sorted by path.
pub async fn files(store: &dyn BlobStore, manifest: &Digest) -> Result<Vec<FileEntry>, BlobError> {
    let mut files = Vec::new();
    for layer in read(store, manifest).await?.layers {
        let path = layer.annotations.get(FILE_PATH).or_else(|| layer.annotations.get(TITLE));
        let path = path.ok_or_else(|| not_a_model(manifest, None))?.clone();
        if !is_within(&path) {
            return Err(BlobError::Path { path });
        }
        files.push(FileEntry { path, digest: layer.digest, size: layer.size });
    }
    files.sort_unstable();
    Ok(files)
}

/// Lays the files of a packed model out under the folder `into`, as [`crate::checkout`] does with a tree.
pub async fn checkout(store: &dyn BlobStore, manifest: &Digest, into: &Path) -> Result<(), TreeError> {
    let files = files(store, manifest).await?;
    let files: Vec<TreeFile> = files
        .into_iter()
        .map(|FileEntry { path, digest, size }| TreeFile { path, digest, size, executable: false })
        .collect();
    tree::lay_out(store, manifest, files, into).await
}

/// Returns every digest a packed model consists of: its manifest, its config and its files.
pub async fn contents(store: &dyn BlobStore, manifest: &Digest) -> Result<BTreeSet<Digest>, BlobError> {
    let Manifest { config, layers, .. } = read(store, manifest).await?;
    let mut digests: BTreeSet<Digest> = layers.into_iter().map(|layer| layer.digest).collect();
    digests.extend([manifest.clone(), config.digest]);
    Ok(digests)
}

async fn read(store: &dyn BlobStore, digest: &Digest) -> Result<Manifest, BlobError> {
    let bytes = helpers::read_all(store, digest, MANIFEST_CAP).await?;
    let manifest: Manifest = serde_json::from_slice(&bytes).map_err(|error| not_a_model(digest, Some(error)))?;
    if manifest.artifact_type.as_deref() == Some(ARTIFACT) { Ok(manifest) } else { Err(not_a_model(digest, None)) }
}

fn not_a_model(digest: &Digest, source: Option<serde_json::Error>) -> BlobError {
    BlobError::Malformed { digest: digest.clone(), what: "the manifest of a packed model", source }
}

fn layer(file: &FileEntry) -> Descriptor {
    let annotations = [FILE_PATH, TITLE].into_iter().map(|key| (key.to_owned(), file.path.clone())).collect();
    let media_type = media_type(&file.path).to_owned();
    Descriptor { media_type, digest: file.digest.clone(), size: file.size, annotations }
}
