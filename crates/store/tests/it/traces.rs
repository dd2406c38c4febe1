//! Traces: told as a whole and by their spans, in either order; found by what they are; deleted with what hangs on them.

use windlass_kinds::{
    AssessmentId, ExperimentId, RunId, TraceId,
    filter::{Attribute, Comparison, Field, Filter, Operator, Order, Search, SpanField, Start, Value},
    record::{Actor, Assessment, AssessmentKind, Cost, LedgerKind, Span, Tokens, Trace, TraceState},
};
use windlass_store::{
    Aggregate, MeasureBy, MeasureFilter, MeasureQuery, MeasureRow, Measured, Refusal, RefusalSubject as Subject,
    SpanBatch, Store, StoreError, TraceLink, TraceRange, ledger::LedgerQuery,
};
use windlass_testkit::store_tests;

use crate::samples::{NOW, name};

const MS: i64 = 1_700_000_000_000;

fn trace(id: &str, experiment: &ExperimentId) -> Trace {
    Trace {
        id: TraceId::new(id),
        experiment: experiment.clone(),
        project: name("default"),
        at_ms: MS,
        took_ms: Some(20),
        state: TraceState::Ok,
        name: Some(format!("name of {id}")),
        session: None,
        client_request: None,
        request: Some("asked".to_owned()),
        response: None,
        tokens: Tokens::default(),
        cost: Cost::default(),
        metadata: vec![pair("note", "n")],
        tags: vec![pair("tag", id)],
        assessments: Vec::new(),
    }
}

fn pair(key: &str, value: &str) -> (String, String) {
    (key.to_owned(), value.to_owned())
}

/// A span that began `after` milliseconds after [`MS`] and took one; `tokens` are what it read.
fn span(id: &str, parent: Option<&str>, after: i64, tokens: Option<i64>) -> Span {
    let start_ns = (MS + after) * 1_000_000;
    Span {
        id: id.to_owned(),
        parent: parent.map(str::to_owned),
        name: format!("span {id}"),
        kind: Some("LLM".to_owned()),
        status: "OK".to_owned(),
        start_ns,
        end_ns: Some(start_ns + 1_000_000),
        tokens: Tokens { input: tokens, ..Tokens::default() },
        cost: Cost::default(),
        model: None,
        provider: None,
        content: format!(r#"{{"name": "span {id}", "attributes": {{"model": "\"m-{id}\"", "n": "5"}}}}"#),
    }
}

fn batch(id: &str, spans: Vec<Span>) -> SpanBatch {
    let ended = spans.iter().any(|span| span.parent.is_none());
    SpanBatch {
        trace: TraceId::new(id),
        spans,
        root_state: ended.then_some(TraceState::Error),
        name: None,
        session: Some("s".to_owned()),
        request: Some("from the spans".to_owned()),
        response: Some("answered".to_owned()),
        metadata: vec![pair("user", "u")],
        first_tags: vec![pair("place", "p")],
        tags: vec![pair("here", "yes")],
    }
}

fn said(id: &str, name: &str, value: &str, number: Option<(f64, bool)>) -> Assessment {
    Assessment {
        id: AssessmentId::new(id),
        name: name.to_owned(),
        kind: AssessmentKind::Feedback,
        value: value.to_owned(),
        number,
        error: None,
        rationale: Some("because".to_owned()),
        source_type: "HUMAN".to_owned(),
        source_id: Some("me".to_owned()),
        run: None,
        span: None,
        overrides: None,
        valid: true,
        metadata: vec![pair("k", "v")],
        created_ms: MS,
        updated_ms: MS,
    }
}

async fn begin(store: &Store) -> ExperimentId {
    store.write(|tx| Box::pin(async move { tx.experiment_ensure(&name("default"), "e", MS).await })).await.unwrap()
}

async fn put(store: &Store, trace: Trace, links: Vec<TraceLink>) -> Result<(), StoreError> {
    store
        .write(move |tx| {
            let (trace, links) = (trace.clone(), links.clone());
            Box::pin(async move { tx.trace_put(&trace, &links).await })
        })
        .await
}

async fn spans(store: &Store, experiment: &ExperimentId, batches: Vec<SpanBatch>) -> Result<(), StoreError> {
    let experiment = experiment.clone();
    store
        .write(move |tx| {
            let (experiment, batches) = (experiment.clone(), batches.clone());
            Box::pin(async move { tx.spans_put(&name("default"), &experiment, &batches).await })
        })
        .await
}

async fn get(store: &Store, id: &'static str) -> Option<Trace> {
    store
        .read(move |tx| Box::pin(async move { tx.trace_get(&name("default"), &TraceId::new(id)).await }))
        .await
        .unwrap()
}

async fn spans_of(store: &Store, id: &'static str) -> Vec<String> {
    let found = store
        .read(move |tx| Box::pin(async move { tx.trace_spans(&name("default"), &TraceId::new(id)).await }))
        .await
        .unwrap();
    found.into_iter().map(|span| span.id).collect()
}

async fn whole(store: &Store) {
    let experiment = begin(store).await;
    let mut told = trace("a", &experiment);
    told.tokens.input = Some(3);
    told.assessments = vec![said("x", "good", "true", Some((1.0, false)))];
    put(store, told.clone(), vec![]).await.unwrap();
    assert_eq!(get(store, "a").await, Some(told.clone()));

    // Told again, it keeps what is not told anew.
    let again =
        Trace { name: None, state: TraceState::Error, tags: vec![pair("more", "m")], ..trace("a", &experiment) };
    put(store, Trace { request: None, metadata: vec![], ..again }, vec![]).await.unwrap();
    let found = get(store, "a").await.unwrap();
    assert_eq!((found.name, found.request, found.tokens), (told.name, told.request, told.tokens));
    assert_eq!((found.state, found.assessments.len(), found.metadata.len()), (TraceState::Error, 1, 1));
    assert_eq!(found.tags, [pair("more", "m"), pair("tag", "a")]);

    // Another project's trace of that id is another trace.
    let elsewhere =
        store.write(|tx| Box::pin(async move { tx.experiment_ensure(&name("other"), "e", MS).await })).await;
    let other = Trace { project: name("other"), name: Some("theirs".to_owned()), ..trace("a", &elsewhere.unwrap()) };
    put(store, other, vec![]).await.unwrap();
    assert_eq!(get(store, "a").await.unwrap().name.as_deref(), Some("name of a"));

    assert_eq!(get(store, "nope").await, None);
    let refused = put(store, trace("b", &ExperimentId::new("77")), vec![]).await;
    assert!(
        matches!(refused, Err(StoreError::Refused(refusal)) if matches!(*refusal, Refusal::Missing(Subject::Experiment(_))))
    );
}

async fn in_pieces(store: &Store) {
    let experiment = begin(store).await;
    // A span below comes first: the trace is under way.
    let leaf = span("3", Some("2"), 4, Some(10));
    spans(store, &experiment, vec![batch("t", vec![leaf])]).await.unwrap();
    let found = get(store, "t").await.unwrap();
    assert_eq!((found.at_ms, found.took_ms, found.state), (MS + 4, Some(1), TraceState::InProgress));
    assert_eq!((found.tokens.input, found.tokens.output), (Some(10), Some(0)));
    assert_eq!(found.tags, [pair("here", "yes"), pair("place", "p")]);

    // Then the rest; the one in the middle counts for what is below it.
    let rest = vec![span("1", None, 0, None), span("2", Some("1"), 2, Some(12))];
    spans(store, &experiment, vec![batch("t", rest)]).await.unwrap();
    let found = get(store, "t").await.unwrap();
    assert_eq!((found.at_ms, found.took_ms, found.state), (MS, Some(5), TraceState::Error));
    assert_eq!((found.tokens.input, found.session.as_deref()), (Some(12), Some("s")));
    assert_eq!(
        (found.request.as_deref(), found.metadata.as_slice()),
        (Some("from the spans"), &[pair("user", "u")][..])
    );
    assert_eq!(spans_of(store, "t").await, ["1", "2", "3"]);

    // The same again changes nothing.
    spans(store, &experiment, vec![batch("t", vec![span("1", None, 0, None)])]).await.unwrap();
    assert_eq!(get(store, "t").await, Some(found));

    // What the client tells as a whole stands above what follows from spans.
    let mut told = trace("t", &experiment);
    told.tokens.input = Some(99);
    put(store, told, vec![]).await.unwrap();
    spans(store, &experiment, vec![batch("t", vec![span("4", Some("1"), 50, Some(1))])]).await.unwrap();
    let found = get(store, "t").await.unwrap();
    assert_eq!((found.tokens.input, found.took_ms, found.request.as_deref()), (Some(99), Some(20), Some("asked")));
    assert_eq!(spans_of(store, "t").await.len(), 4);

    let nowhere = spans(store, &ExperimentId::new("77"), vec![batch("u", vec![span("1", None, 0, None)])]).await;
    assert!(matches!(nowhere, Err(StoreError::Refused(_))));
    // More than one statement takes.
    let many = (0..250).map(|count| span(&format!("{count:016x}"), Some("1"), count, Some(1))).collect();
    spans(store, &experiment, vec![batch("many", many)]).await.unwrap();
    assert_eq!(get(store, "many").await.unwrap().tokens.input, Some(250));
}

fn filter(field: Field, operator: Operator, value: &str) -> Filter {
    vec![Comparison { field, operator, value: Value::Text(value.to_owned()) }]
}

async fn find(store: &Store, experiment: &ExperimentId, search: Search) -> Vec<String> {
    let experiment = experiment.clone();
    let page = store
        .read(move |tx| {
            let (experiment, search) = (experiment.clone(), search.clone());
            Box::pin(async move { tx.traces_search(&name("default"), &[experiment], &search).await })
        })
        .await
        .unwrap();
    page.items.into_iter().map(|trace| trace.id.as_str().to_owned()).collect()
}

async fn searches(store: &Store) {
    let experiment = begin(store).await;
    for (place, id) in ["a", "b", "c"].into_iter().enumerate() {
        let mut told = trace(id, &experiment);
        told.at_ms += i64::try_from(place).unwrap();
        told.took_ms = (id != "c").then_some(10 + told.at_ms - MS);
        told.session = (id != "c").then(|| "talk".to_owned());
        if id == "a" {
            told.state = TraceState::Error;
            let mut of_talk = said("1", "kind", "\"yes\"", Some((1.0, false)));
            of_talk.metadata = vec![pair("mlflow.trace.session", "talk")];
            told.assessments = vec![of_talk, said("2", "score", "0.5", Some((0.5, true)))];
        }
        let links = if id == "b" {
            vec![TraceLink::Run(RunId::new("r")), TraceLink::Prompt("p".into(), "1".into())]
        } else {
            vec![]
        };
        put(store, told, links).await.unwrap();
    }
    let two = batch("b", vec![span("1", None, 0, None), span("2", Some("1"), 0, None)]);
    spans(store, &experiment, vec![two]).await.unwrap();

    let attribute = Field::Attribute;
    let spanned = |field: SpanField| Field::Span(field);
    let model = || spanned(SpanField::Attribute("model".to_owned()));
    let both = |one: Filter, other: Filter| one.into_iter().chain(other).collect::<Filter>();
    let is = Operator::Equal;
    for (filter, found) in [
        (vec![], vec!["c", "b", "a"]),
        (filter(attribute(Attribute::Status), is, "ERROR"), vec!["a"]),
        (filter(Field::Tag("mlflow.traceName".to_owned()), is, "name of b"), vec!["b"]),
        (filter(Field::Tag("tag".to_owned()), Operator::NotEqual, "a"), vec!["c", "b"]),
        (filter(Field::Metadata("note".to_owned()), is, "n"), vec!["c", "b", "a"]),
        (filter(Field::Metadata("mlflow.trace.session".to_owned()), is, "talk"), vec!["b", "a"]),
        (filter(Field::Metadata("mlflow.sourceRun".to_owned()), is, "r"), vec!["b"]),
        (filter(Field::Tag("mlflow.linkedPrompts".to_owned()), is, "p/1"), vec!["b"]),
        (filter(Field::Feedback("score".to_owned()), is, "0.5"), vec!["a"]),
        // Said of one trace of a conversation, and meant for all of it.
        (filter(Field::Feedback("kind".to_owned()), is, "yes"), vec!["b", "a"]),
        (filter(Field::Feedback("kind".to_owned()), Operator::IsNull, ""), vec!["c"]),
        (filter(Field::Expectation("kind".to_owned()), Operator::IsNotNull, ""), vec![]),
        (filter(spanned(SpanField::Name), Operator::Like, "span%"), vec!["b"]),
        (filter(spanned(SpanField::Content), Operator::ILike, "%SPAN 2%"), vec!["b"]),
        (filter(model(), is, "m-2"), vec!["b"]),
        (filter(model(), is, "m-3"), vec![]),
        (filter(model(), Operator::Like, "%m-%"), vec!["b"]),
        (filter(spanned(SpanField::Attribute("n".to_owned())), is, "5"), vec!["b"]),
        // Of one span both must hold.
        (both(filter(model(), is, "m-2"), filter(spanned(SpanField::Name), is, "span 1")), vec![]),
        (both(filter(model(), is, "m-2"), filter(spanned(SpanField::Name), is, "span 2")), vec!["b"]),
    ] {
        let search = Search { filter: filter.clone(), limit: 10, ..Search::default() };
        assert_eq!(find(store, &experiment, search).await, found, "{filter:?}");
        let experiment = experiment.clone();
        let counted = store
            .read(move |tx| {
                let (experiment, filter) = (experiment.clone(), filter.clone());
                Box::pin(async move { tx.traces_count(&name("default"), &[experiment], &[&filter]).await })
            })
            .await
            .unwrap();
        assert_eq!(counted, found.len() as u64);
    }
    let above = Comparison {
        field: Field::Feedback("score".to_owned()),
        operator: Operator::Greater,
        value: Value::Number(0.4),
    };
    let search = Search { filter: vec![above], limit: 10, ..Search::default() };
    assert_eq!(find(store, &experiment, search).await, ["a"]);

    let by = |field: Field, ascending: bool| Order { field, ascending };
    for (order, found) in [
        (by(attribute(Attribute::Duration), true), ["a", "b", "c"]),
        (by(attribute(Attribute::Duration), false), ["b", "a", "c"]),
        (by(Field::Tag("tag".to_owned()), true), ["a", "b", "c"]),
        (by(Field::Tag("mlflow.traceName".to_owned()), false), ["c", "b", "a"]),
    ] {
        let search = Search { order: vec![order.clone()], limit: 10, ..Search::default() };
        assert_eq!(find(store, &experiment, search).await, found, "{order:?}");
        let search = Search { order: vec![order], limit: 1, start: Start::Behind(1), ..Search::default() };
        assert_eq!(find(store, &experiment, search).await, [found[1]]);
    }
}

async fn opinions(store: &Store) {
    let experiment = begin(store).await;
    put(store, trace("a", &experiment), vec![]).await.unwrap();
    let add = |assessment: Assessment, id: &'static str| {
        let store = store.clone();
        async move {
            store
                .write(move |tx| {
                    let assessment = assessment.clone();
                    Box::pin(async move { tx.assessment_add(&name("default"), &TraceId::new(id), &assessment).await })
                })
                .await
        }
    };
    add(said("1", "n", "1.0", Some((1.0, true))), "a").await.unwrap();
    let over =
        |id: &str, old: &str| Assessment { overrides: Some(AssessmentId::new(old)), ..said(id, "n", "2.0", None) };
    add(over("2", "1"), "a").await.unwrap();
    let valid =
        |trace: Option<Trace>| -> Vec<bool> { trace.unwrap().assessments.iter().map(|said| said.valid).collect() };
    assert_eq!(valid(get(store, "a").await), [false, true]);
    for (refused, why) in [
        (
            add(over("3", "nope"), "a").await,
            Refusal::Missing(Subject::Assessment(TraceId::new("a"), AssessmentId::new("nope"))),
        ),
        (add(over("3", "1"), "zz").await, Refusal::Missing(Subject::Trace(TraceId::new("zz")))),
        (
            add(said("2", "n", "1", None), "a").await,
            Refusal::Exists(Subject::Assessment(TraceId::new("a"), AssessmentId::new("2"))),
        ),
    ] {
        assert!(matches!(refused, Err(StoreError::Refused(refusal)) if *refusal == why), "{why:?}");
    }
    for id in ["2", "nope"] {
        store
            .write(move |tx| {
                Box::pin(async move {
                    tx.assessment_delete(&name("default"), &TraceId::new("a"), &AssessmentId::new(id)).await
                })
            })
            .await
            .unwrap();
    }
    assert_eq!(valid(get(store, "a").await), [true]);
}

async fn deletions(store: &Store) {
    let experiment = begin(store).await;
    for (place, id) in ["a", "b", "c", "d"].into_iter().enumerate() {
        let told = Trace { at_ms: MS + i64::try_from(place).unwrap(), ..trace(id, &experiment) };
        put(store, told, vec![TraceLink::Run(RunId::new("r"))]).await.unwrap();
        spans(store, &experiment, vec![batch(id, vec![span("1", None, 0, None)])]).await.unwrap();
    }
    let delete = |range: TraceRange| {
        let (store, experiment) = (store.clone(), experiment.clone());
        async move {
            store
                .write(move |tx| {
                    let (experiment, range) = (experiment.clone(), range.clone());
                    Box::pin(async move {
                        let folder = |experiment: &ExperimentId, id: &TraceId| format!("{experiment}/traces/{id}");
                        tx.traces_delete(&name("default"), &experiment, &range, folder, &Actor::system(), NOW).await
                    })
                })
                .await
                .unwrap()
        }
    };
    let ids = vec![TraceId::new("b"), TraceId::new("nope")];
    assert_eq!(delete(TraceRange { ids, ..TraceRange::default() }).await, 1);
    assert_eq!(delete(TraceRange { until_ms: Some(MS + 9), most: Some(1), ids: vec![] }).await, 1);
    assert_eq!(delete(TraceRange { until_ms: Some(MS - 1), most: None, ids: vec![] }).await, 0);
    assert_eq!(find(store, &experiment, Search { limit: 10, ..Search::default() }).await, ["d", "c"]);
    assert_eq!((get(store, "a").await, spans_of(store, "a").await.len()), (None, 0));
    let subject = format!("traces of experiment {experiment}");
    let query = LedgerQuery { kind: Some(LedgerKind::Deletion), subject: Some(subject), ..LedgerQuery::default() };
    let entries = store
        .read(move |tx| {
            let query = query.clone();
            Box::pin(async move { tx.ledger_list(&query).await })
        })
        .await
        .unwrap();
    assert_eq!(entries.len(), 2);
}

async fn numbers(store: &Store) {
    let experiment = begin(store).await;
    for place in 0..5_i64 {
        let id = format!("t{place}");
        let mut told = trace(&id, &experiment);
        (told.at_ms, told.took_ms) = (MS + place * 1000, Some(place * 10));
        told.name = Some(if place < 3 { "low" } else { "high" }.to_owned());
        told.session = Some(format!("s{}", place % 2));
        told.tokens.total = (place > 0).then_some(place);
        told.assessments = vec![said("1", "score", "1.0", Some((place as f64, true)))];
        put(store, told, vec![TraceLink::Run(RunId::new("r"))]).await.unwrap();
    }
    let mut priced = span("1", None, 0, None);
    priced.cost.total = Some(0.5);
    spans(store, &experiment, vec![batch("t0", vec![priced, span("2", Some("1"), 3, None)])]).await.unwrap();

    let ask = |what: Measured, aggregates: &[Aggregate]| MeasureQuery {
        what,
        aggregates: aggregates.to_vec(),
        by: Vec::new(),
        filters: Vec::new(),
        every_ms: None,
        from_ms: None,
        to_ms: None,
        most: 100,
    };
    let row = |from_ms: Option<i64>, by: &[&str], values: &[f64]| MeasureRow {
        from_ms,
        by: by.iter().map(|word| (*word).to_owned()).collect(),
        values: values.iter().copied().map(Some).collect(),
    };
    use Aggregate::{Average, Count, Largest, Percentile, Smallest, Sum};
    for (asked, found) in [
        (ask(Measured::Traces, &[Count]), vec![row(None, &[], &[5.0])]),
        (ask(Measured::Sessions, &[Count]), vec![row(None, &[], &[2.0])]),
        (
            ask(
                Measured::TraceLatency,
                &[Average, Smallest, Largest, Percentile(50.0), Percentile(90.0), Percentile(100.0)],
            ),
            vec![row(None, &[], &[20.0, 0.0, 40.0, 20.0, 36.0, 40.0])],
        ),
        (
            MeasureQuery { by: vec![MeasureBy::TraceName], ..ask(Measured::TotalTokens, &[Sum, Percentile(25.0)]) },
            vec![row(None, &["high"], &[7.0, 3.25]), row(None, &["low"], &[3.0, 1.25])],
        ),
        (
            MeasureQuery { every_ms: Some(2000), ..ask(Measured::Traces, &[Count]) },
            vec![row(Some(MS), &[], &[2.0]), row(Some(MS + 2000), &[], &[2.0]), row(Some(MS + 4000), &[], &[1.0])],
        ),
        (
            MeasureQuery { from_ms: Some(MS + 1000), to_ms: Some(MS + 2000), ..ask(Measured::Traces, &[Count]) },
            vec![row(None, &[], &[2.0])],
        ),
        (
            MeasureQuery { filters: vec![MeasureFilter::Session("s1".into())], ..ask(Measured::Traces, &[Count]) },
            vec![row(None, &[], &[2.0])],
        ),
        (
            MeasureQuery {
                filters: vec![MeasureFilter::Run("r".into()), MeasureFilter::Tag("tag".into(), "t1".into())],
                ..ask(Measured::Traces, &[Count])
            },
            vec![row(None, &[], &[1.0])],
        ),
        (
            MeasureQuery { by: vec![MeasureBy::SpanName, MeasureBy::SpanStatus], ..ask(Measured::Spans, &[Count]) },
            vec![row(None, &["span 1", "OK"], &[1.0]), row(None, &["span 2", "OK"], &[1.0])],
        ),
        (ask(Measured::TotalCost, &[Sum]), vec![row(None, &[], &[0.5])]),
        (ask(Measured::SpanLatency, &[Average]), vec![row(None, &[], &[1.0])]),
        (
            MeasureQuery {
                by: vec![MeasureBy::AssessmentName],
                filters: vec![MeasureFilter::RowKind("feedback".into())],
                ..ask(Measured::AssessmentValue, &[Average])
            },
            vec![row(None, &["score"], &[2.0])],
        ),
    ] {
        let (experiment, query) = (experiment.clone(), asked.clone());
        let rows = store
            .read_one(move |tx| {
                let (experiment, query) = (experiment.clone(), query.clone());
                Box::pin(async move { tx.traces_measure(&name("default"), &[experiment], &query).await })
            })
            .await
            .unwrap();
        assert_eq!(rows, found, "{asked:?}");
    }
}

store_tests! {
    async fn a_trace_is_told_as_a_whole(store) {
        whole(&store).await;
    }

    async fn a_trace_comes_in_pieces(store) {
        in_pieces(&store).await;
    }

    async fn traces_are_found(store) {
        searches(&store).await;
    }

    async fn one_opinion_takes_the_place_of_another(store) {
        opinions(&store).await;
    }

    async fn traces_are_deleted_with_what_hangs_on_them(store) {
        deletions(&store).await;
    }

    async fn traces_are_measured(store) {
        numbers(&store).await;
    }
}
