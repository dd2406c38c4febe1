//! How the databases carry out searches over many runs: by an index, never by reading a large table from end to end.

use sqlx::Connection as _;
use windlass_kinds::{
    ExperimentId,
    filter::{Attribute, Comparison, Field, Lifecycle, Operator, Order, PlaceValue, Search, Start, Value},
};
use windlass_store::StoreUrl;
use windlass_testkit::{TestStore, store_tests};

use crate::samples::name;

const RUNS: u32 = 100_000;

fn filter(field: Field, operator: Operator, value: Value) -> Search {
    Search { filter: vec![Comparison { field, operator, value }], limit: 100, ..Search::default() }
}

fn order(field: Field, ascending: bool) -> Search {
    Search { order: vec![Order { field, ascending }], limit: 100, ..Search::default() }
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// Every way in which clients search runs, by name.
fn searches() -> Vec<(&'static str, Search)> {
    let metric = || Field::Metric("loss".to_owned());
    let newest = Search { limit: 100, ..Search::default() };
    let place = vec![PlaceValue::Integer(50_000), PlaceValue::Text("00000050000".to_owned())];
    vec![
        ("newest", newest.clone()),
        ("next page", Search { start: Start::After(place), ..newest.clone() }),
        ("offset", Search { start: Start::Behind(1000), ..newest.clone() }),
        ("deleted", Search { lifecycle: Lifecycle::Deleted, ..newest.clone() }),
        ("all", Search { lifecycle: Lifecycle::All, ..newest }),
        ("common metric", filter(metric(), Operator::Greater, Value::Number(0.1))),
        ("rare metric", filter(metric(), Operator::Greater, Value::Number(99_990.0))),
        ("other metric", filter(metric(), Operator::NotEqual, Value::Number(5.0))),
        ("param", filter(Field::Param("lr".to_owned()), Operator::Equal, text("3"))),
        ("param like", filter(Field::Param("lr".to_owned()), Operator::ILike, text("%3%"))),
        ("tag", filter(Field::Tag("stage".to_owned()), Operator::NotEqual, text("3"))),
        ("no tag", filter(Field::Tag("nothing".to_owned()), Operator::IsNull, Value::None)),
        ("status", filter(Field::Attribute(Attribute::Status), Operator::Equal, text("FINISHED"))),
        ("started", filter(Field::Attribute(Attribute::Created), Operator::Greater, Value::Integer(99_000))),
        ("ids", filter(Field::Attribute(Attribute::Id), Operator::In, Value::List(vec!["00000000006".to_owned()]))),
        ("by metric", order(metric(), false)),
        ("by param", order(Field::Param("lr".to_owned()), true)),
        ("by start", order(Field::Attribute(Attribute::Created), true)),
        ("by end", order(Field::Attribute(Attribute::Ended), true)),
    ]
}

/// Returns what a plan says of reading a table from end to end.
fn scans(plan: &[String]) -> Vec<&String> {
    let scan = |line: &&String| line.contains("Seq Scan") || line.trim_start().starts_with("SCAN ");
    plan.iter().filter(scan).collect()
}

/// Runs of two experiments with a metric, a param and a tag each, in SQL that both databases read.
fn fill() -> String {
    let numbers = format!("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {RUNS})");
    let id = "SUBSTR('0000000000' || i, LENGTH('0000000000' || i) - 10)";
    format!(
        "INSERT INTO tracking_run (id, project, experiment, name, actor_name, status, start_ms, end_ms, deleted, sealed)
         {numbers} SELECT {id}, 'default', 1 + i % 2, 'run', 'user', 'FINISHED', i, i, 0, 0 FROM n;
         INSERT INTO metric_latest (run, key, step, at_ms, value, nan) {numbers} SELECT {id}, 'loss', 1, 1, i, 0 FROM n;
         INSERT INTO run_param (run, key, value) {numbers} SELECT {id}, 'lr', '' || i % 9 FROM n;
         INSERT INTO run_tag (run, key, value) {numbers} SELECT {id}, 'stage', '' || i % 10 FROM n;"
    )
}

async fn filled(store: &TestStore) {
    match store.url() {
        StoreUrl::Sqlite(path) => rusqlite::Connection::open(path).unwrap().execute_batch(&fill()).unwrap(),
        StoreUrl::Postgres(url) => {
            let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
            let sql = format!("{} ANALYZE;", fill());
            sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
        }
    }
}

store_tests! {
    async fn no_search_reads_a_table_from_end_to_end(store) {
        filled(&store).await;
        for (what, search) in searches() {
            for numbers in [vec![1], vec![1, 2]] {
                let ids: Vec<ExperimentId> = numbers.iter().map(|id: &i32| ExperimentId::new(id.to_string())).collect();
                let asked = (search.clone(), ids);
                let (plan, found) = store
                    .read(move |tx| {
                        let (search, ids) = asked.clone();
                        Box::pin(async move {
                            let project = name("default");
                            let plan = tx.runs_search_plan(&project, &ids, &search).await?;
                            Ok((plan, tx.runs_page(&project, &ids, &search).await?.items.len()))
                        })
                    })
                    .await
                    .unwrap();
                // Whoever orders by what a run holds has all of them looked at.
                let all = what.starts_with("by ") && what != "by start";
                assert!(all || scans(&plan).is_empty(), "{what} in {numbers:?}:\n{}", plan.join("\n"));
                assert!(found > 0 || what == "deleted", "{what} in {numbers:?} finds nothing");
            }
        }
    }
}
