//! One small MLflow database, on SQLite and on PostgreSQL: both must read the same.

use sqlx::{Connection as _, PgConnection};
use windlass_migrate::{Cursor, DatabaseSource, Source, SourceError};
use windlass_testkit::Postgres;

const TABLES: &str = include_str!("schema.sql");

/// Reads everything and writes it down, one thing a line.
async fn told(source: &DatabaseSource) -> String {
    let mut lines = Vec::new();
    for experiment in source.experiments().await.unwrap() {
        lines.push(format!("{experiment:?}"));
        let mut cursor = Cursor::default();
        while let Some(runs) = source.runs(&experiment.id, &mut cursor).await.unwrap() {
            for run in runs {
                lines.push(format!("{run:?}"));
                let mut cursor = Cursor::default();
                while let Some(points) = source.points(&run, &mut cursor).await.unwrap() {
                    lines.extend(points.iter().map(|point| format!("{point:?}")));
                }
            }
        }
        let mut cursor = Cursor::default();
        while let Some(models) = source.logged_models(&experiment.id, &mut cursor).await.unwrap() {
            lines.extend(models.iter().map(|model| format!("{model:?}")));
        }
    }
    for model in source.models().await.unwrap() {
        lines.push(format!("{model:?}"));
        lines.extend(source.versions(&model.name).await.unwrap().iter().map(|version| format!("{version:?}")));
    }
    lines.extend(source.unreachable().await.unwrap().iter().map(|left| format!("{left:?}")));
    lines.join("\n")
}

const EXPECTED: &[&str] = &[
    r#"Experiment { id: "0", name: "Default", deleted: false, created_ms: 1000, updated_ms: 2000, tags: [] }"#,
    r#"Experiment { id: "7", name: "seven", deleted: true, created_ms: 0, updated_ms: 0, tags: [("a", ""), ("k", "v")] }"#,
    r#"Run { id: ab, name: "one", user: "ann", status: Finished, start_ms: 5, end_ms: Some(9), deleted: false, latest: [Latest { key: "m", value_bits: "7ff8000000000000", timestamp_ms: 11, step: 1 }], params: [("p", "1")], tags: [], datasets: [("train", DatasetInput { name: "rows", digest: "abc", source_type: "local", source: "{}", schema: None, profile: Some("{\"n\": 2}"), tags: [("mlflow.data.context", "train")] })], model_inputs: [m-0], model_outputs: [(m-1, 4)], artifact_uri: "s3://b/7/ab/artifacts" }"#,
    r#"Point { key: "l", value: 1.7976931348623157e308, timestamp_ms: 3, step: -2 }"#,
    r#"Point { key: "m", value: 1.5, timestamp_ms: 10, step: 0 }"#,
    r#"Point { key: "m", value: NaN, timestamp_ms: 11, step: 1 }"#,
    r#"Run { id: cd, name: "two", user: "", status: Running, start_ms: 0, end_ms: None, deleted: true, latest: [], params: [], tags: [("x", "y")], datasets: [], model_inputs: [], model_outputs: [], artifact_uri: "" }"#,
    r#"LoggedModel { id: m-1, name: "net", source_run: Some(ab), model_type: "kind", status: Ready, status_message: "", created_ms: 20, updated_ms: 21, params: [("depth", "3")], tags: [("mood", "good")], metrics: [ModelMetric { run: "ab", key: "m", timestamp_ms: 10, step: 0, dataset_name: Some("rows"), dataset_digest: Some("abc") }], artifact_uri: "s3://b/7/models/m-1/artifacts" }"#,
    r#"Model { name: "reg", description: "", created_ms: 30, updated_ms: 31, tags: [("o", "ann")], aliases: [("best", 2)] }"#,
    r#"Version { version: 2, run: Some(ab), source: "models:/m-1", location: "s3://b/7/models/m-1/artifacts", description: "d", run_link: "", created_ms: 40, updated_ms: 41, tags: [("t", "u")], stage: Production }"#,
    r#"("workspace other with 1 experiments", "only the workspace `default` is read")"#,
];

#[tokio::test]
async fn sqlite_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mlflow.db");
    rusqlite::Connection::open(&path).unwrap().execute_batch(TABLES).unwrap();
    let source = DatabaseSource::open(&format!("sqlite:///{}", path.display()), None).await.unwrap();
    assert_eq!(told(&source).await, EXPECTED.join("\n"));
}

#[tokio::test]
async fn postgresql_is_read() {
    let Some(server) = Postgres::shared() else { return };
    let url = server.database();
    let mut connection = PgConnection::connect(&url).await.unwrap();
    sqlx::raw_sql(TABLES).execute(&mut connection).await.unwrap();
    // As SQLAlchemy writes it, with the driver's name.
    let address = url.replacen("postgres://", "postgresql+psycopg2://", 1);
    let source = DatabaseSource::open(&address, None).await.unwrap();
    assert_eq!(told(&source).await, EXPECTED.join("\n"));
    sqlx::query("DELETE FROM alembic_version").execute(&mut connection).await.unwrap();
    sqlx::query("INSERT INTO alembic_version VALUES ('ffff')").execute(&mut connection).await.unwrap();
    let refused = DatabaseSource::open(&address, None).await.err();
    assert!(matches!(refused, Some(SourceError::Schema { .. })), "{refused:?}");
    sqlx::query("DROP TABLE alembic_version").execute(&mut connection).await.unwrap();
    let refused = DatabaseSource::open(&address, None).await.err();
    assert!(matches!(refused, Some(SourceError::NotMlflow)), "{refused:?}");
}
