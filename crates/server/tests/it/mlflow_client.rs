//! MLflow's own client, unmodified, against this server. The interpreter is the one that `WINDLASS_TEST_PYTHON` names,
//! else that of the environment which `cargo xtask test` sets up.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use windlass_testkit::run;

use crate::support::{TestServer, token};

/// Returns a Python that has the client, if there is one.
fn python() -> Option<PathBuf> {
    let set_up = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/test-venv/bin/python");
    std::env::var_os("WINDLASS_TEST_PYTHON").map(PathBuf::from).or_else(|| set_up.exists().then_some(set_up))
}

/// Runs a script of `tests/mlflow` against a fresh server.
fn script(name: &str) {
    let Some(python) = python() else {
        assert!(std::env::var_os("CI").is_none(), "WINDLASS_TEST_PYTHON names no Python with mlflow");
        eprintln!("SKIPPED: no Python with mlflow; run `cargo xtask test set-up`, or set WINDLASS_TEST_PYTHON");
        return;
    };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mlflow").join(name);
    run(async {
        let server = TestServer::new().await;
        let address = server.listen().await;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let output = tokio::task::spawn_blocking(move || {
            Command::new(python)
                .arg(path)
                .current_dir(folder.path())
                .env("MLFLOW_TRACKING_URI", format!("http://{address}"))
                .env("MLFLOW_TRACKING_TOKEN", token("maintainer"))
                .env("OMP_NUM_THREADS", "1")
                .env_remove("MLFLOW_RUN_ID")
                .env_remove("MLFLOW_EXPERIMENT_ID")
                .output()
                .expect("the script starts")
        })
        .await
        .expect("the script ends");
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{name} failed\n{out}\n{err}");
    });
}

#[test]
fn tracking() {
    script("tracking.py");
}

#[test]
fn models() {
    script("models.py");
}

#[test]
fn registry() {
    script("registry.py");
}
