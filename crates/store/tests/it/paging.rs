//! Pages of a search: together they are what was there, whatever comes and goes between them.

use windlass_kinds::{
    ExperimentId, RunId,
    filter::{Attribute, Field, Order, Search, Start},
    record::{MetricPoint, Run},
};
use windlass_store::{RunLog, Store};
use windlass_testkit::store_tests;

use crate::samples::name;

const RUNS: usize = 23;

fn run(id: &str, start_ms: i64) -> Run {
    serde_json::from_value(serde_json::json!({
        "id": id, "experiment": "1", "project": "default", "name": format!("name-{}", id.len()), "user": "u",
        "status": "RUNNING", "start_ms": start_ms, "end_ms": (start_ms % 3 == 0).then_some(start_ms), "deleted": false,
        "attempt": null,
    }))
    .unwrap()
}

/// Makes a run with a metric that some runs share, some lack and some have as NaN or infinite.
async fn make(store: &Store, number: usize) {
    let id = RunId::new(format!("r{number:02}"));
    let value = match number % 6 {
        0 => None,
        1 => Some(f64::NAN),
        2 => Some(f64::INFINITY),
        other => Some(other as f64),
    };
    let metrics = value.map(|value| MetricPoint {
        key: "loss".to_owned(),
        value,
        timestamp_ms: 1,
        step: 0,
        model_id: None,
        dataset_name: None,
        dataset_digest: None,
    });
    let tags =
        if number.is_multiple_of(2) { vec![("tag".to_owned(), format!("Tag {}", number % 4))] } else { Vec::new() };
    let log = RunLog { metrics: metrics.into_iter().collect(), params: Vec::new(), tags };
    store
        .write(move |tx| {
            let (run, log) = (run(id.as_str(), (number / 2) as i64), log.clone());
            Box::pin(async move {
                tx.run_create(&run, &[]).await?;
                tx.run_log(&run.project, &run.id, &log).await
            })
        })
        .await
        .unwrap();
}

async fn page(store: &Store, search: Search) -> (Vec<String>, Start) {
    let found = store
        .read(move |tx| {
            let search = search.clone();
            Box::pin(async move { tx.runs_page(&name("default"), &[ExperimentId::new("1")], &search).await })
        })
        .await
        .unwrap();
    let ids = found.items.iter().map(|(run, _)| run.id.to_string()).collect();
    (ids, found.next.map_or(Start::First, Start::After))
}

store_tests! {
    async fn pages_are_the_whole_in_every_order(store) {
        for number in 0..RUNS {
            make(&store, number).await;
        }
        let fields = [
            Field::Metric("loss".to_owned()),
            Field::Tag("tag".to_owned()),
            Field::Attribute(Attribute::Ended),
            Field::Attribute(Attribute::Name),
            Field::Attribute(Attribute::Created),
        ];
        let mut orders = vec![Vec::new()];
        for field in fields {
            for ascending in [true, false] {
                let second = Order { field: Field::Attribute(Attribute::Id), ascending: !ascending };
                orders.push(vec![Order { field: field.clone(), ascending }]);
                orders.push(vec![Order { field: field.clone(), ascending }, second]);
            }
        }
        for (turn, order) in orders.into_iter().enumerate() {
            let search = Search { order, limit: 1000, ..Search::default() };
            let (whole, _) = page(&store, search.clone()).await;
            let mut pages = Vec::new();
            let mut start = Start::First;
            loop {
                let (ids, next) = page(&store, Search { start, limit: 4, ..search.clone() }).await;
                pages.extend(ids);
                start = next;
                if start == Start::First {
                    break;
                }
                if pages.len() == 8 {
                    // What comes meanwhile is shown or not, but moves nothing.
                    make(&store, 100 + turn).await;
                }
            }
            pages.retain(|id| whole.contains(id));
            assert_eq!(pages, whole, "{:?}", search.order);
        }
    }

    async fn what_has_no_value_comes_last_and_nan_before_it(store) {
        for number in 0..6 {
            make(&store, number).await;
        }
        let by = |ascending| Search {
            order: vec![Order { field: Field::Metric("loss".to_owned()), ascending }],
            limit: 10,
            ..Search::default()
        };
        assert_eq!(page(&store, by(true)).await.0, ["r03", "r04", "r05", "r02", "r01", "r00"]);
        assert_eq!(page(&store, by(false)).await.0, ["r02", "r05", "r04", "r03", "r01", "r00"]);
    }
}
