//! MLflow's own client, unmodified, against this server. The interpreter comes from `WINDLASS_TEST_PYTHON`.

use std::{path::Path, process::Command};

use windlass_testkit::run;

use crate::support::{TestServer, token};

/// Runs a script of `tests/mlflow` against a fresh server.
fn script(name: &str) {
    let Some(python) = std::env::var_os("WINDLASS_TEST_PYTHON") else {
        assert!(std::env::var_os("CI").is_none(), "WINDLASS_TEST_PYTHON names no Python with mlflow");
        eprintln!("skipped: WINDLASS_TEST_PYTHON names no Python with mlflow");
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
