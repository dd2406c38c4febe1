//! Models as OCI artifacts.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use windlass_kinds::{Digest, record::FileEntry};
use windlass_oci::{BlobError, MemoryStore, model, put_bytes, read_all};

async fn file(store: &MemoryStore, path: &str, text: &str) -> FileEntry {
    let digest = put_bytes(store, text.as_bytes()).await.unwrap();
    FileEntry { path: path.to_owned(), digest, size: text.len() as u64 }
}

#[tokio::test]
async fn a_model_is_a_manifest_over_its_files() {
    let store = MemoryStore::new();
    let files = [
        file(&store, "model.onnx", "weights").await,
        file(&store, "MLmodel", "flavors: {}").await,
        file(&store, "code/train.py", "pass").await,
    ];
    let about = BTreeMap::from([("org.opencontainers.image.title".to_owned(), "flights".to_owned())]);
    let (digest, size) = model::package(&store, &files, about.clone()).await.unwrap();
    assert_eq!(size, 7 + 11 + 4);

    let manifest: Value = serde_json::from_slice(&read_all(&store, &digest, 1 << 20).await.unwrap()).unwrap();
    assert_eq!(manifest["schemaVersion"], 2);
    assert_eq!(manifest["mediaType"], "application/vnd.oci.image.manifest.v1+json");
    assert_eq!(manifest["artifactType"], "application/vnd.cncf.model.manifest.v1+json");
    assert_eq!(manifest["config"]["mediaType"], "application/vnd.cncf.model.config.v1+json");
    let layers: Vec<_> = manifest["layers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|layer| {
            (layer["annotations"]["org.cncf.model.filepath"].as_str().unwrap(), layer["mediaType"].as_str().unwrap())
        })
        .collect();
    assert_eq!(
        layers,
        [
            ("MLmodel", "application/vnd.cncf.model.weight.config.v1.raw"),
            ("code/train.py", "application/vnd.cncf.model.code.v1.raw"),
            ("model.onnx", "application/vnd.cncf.model.weight.v1.raw"),
        ]
    );
    let config: Digest = manifest["config"]["digest"].as_str().unwrap().parse().unwrap();
    let config: Value = serde_json::from_slice(&read_all(&store, &config, 1 << 20).await.unwrap()).unwrap();
    let ids: Vec<_> = manifest["layers"].as_array().unwrap().iter().map(|layer| layer["digest"].clone()).collect();
    assert_eq!(
        config,
        json!({"descriptor": {"name": "flights"}, "config": {"format": "onnx"}, "modelfs": {"type": "layers", "diffIds": ids}})
    );

    // The order of the files does not matter, and what comes back is sorted.
    let mut turned = files.to_vec();
    turned.reverse();
    assert_eq!(model::package(&store, &turned, about).await.unwrap(), (digest.clone(), size));
    turned.sort();
    assert_eq!(model::files(&store, &digest).await.unwrap(), turned);
    assert_eq!(model::contents(&store, &digest).await.unwrap().len(), 5);

    let into = tempfile::tempdir().unwrap();
    model::checkout(&store, &digest, &into.path().join("model")).await.unwrap();
    for (path, text) in [("model.onnx", "weights"), ("MLmodel", "flavors: {}"), ("code/train.py", "pass")] {
        assert_eq!(std::fs::read_to_string(into.path().join("model").join(path)).unwrap(), text);
    }
    assert!(model::checkout(&store, &digest, &into.path().join("model")).await.is_err(), "nothing is overwritten");
}

#[tokio::test]
async fn what_is_no_model_is_refused() {
    let store = MemoryStore::new();
    let good = file(&store, "a", "x").await;
    let bad = |change: &dyn Fn(&mut FileEntry)| {
        let mut bad = good.clone();
        change(&mut bad);
        bad
    };
    for files in [
        vec![],
        vec![bad(&|file| file.path = "../a".to_owned())],
        vec![bad(&|file| file.path = "/a".to_owned())],
        vec![bad(&|file| file.digest = Digest::sha256(b"gone"))],
        vec![bad(&|file| file.size = 2)],
        vec![good.clone(), bad(&|file| file.digest = Digest::sha256(b"gone"))],
    ] {
        assert!(model::package(&store, &files, BTreeMap::new()).await.is_err(), "{files:?}");
    }
    for text in [
        "",
        "{}",
        "[]",
        r#"{"schemaVersion":2,"mediaType":"x","config":{"mediaType":"x","digest":"x","size":1},"layers":[]}"#,
    ] {
        let digest = put_bytes(&store, text.as_bytes()).await.unwrap();
        assert!(matches!(model::files(&store, &digest).await, Err(BlobError::Malformed { .. })), "{text}");
    }
}
