//! What a search of tracking records asks for, apart from how a dialect writes it.
//!
//! The server parses a client's filter language into these types, the store turns them into SQL. A [`Filter`] is a list
//! of comparisons that must all hold. Which attributes an entity has is the store's knowledge.

/// Comparisons that must all hold; none means everything.
pub type Filter = Vec<Comparison>;

/// One comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// What is compared.
    pub field: Field,
    /// How.
    pub operator: Operator,
    /// With what.
    pub value: Value,
}

/// What can be compared or ordered by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Field {
    /// A property of the record itself.
    Attribute(Attribute),
    /// The last value of a metric.
    Metric(String),
    /// The last value of a metric that was measured on a dataset; only ordered by.
    MetricOn(String, OnDataset),
    /// A param.
    Param(String),
    /// A tag.
    Tag(String),
    /// A property of a dataset that was logged as an input.
    Dataset(DatasetField),
    /// A note that a trace carries and that nobody changes.
    Metadata(String),
    /// What was said of a trace under a name.
    Feedback(String),
    /// What is expected of a trace under a name.
    Expectation(String),
    /// A property of a span; the comparison holds where any span of the trace has it.
    Span(SpanField),
    /// The issue that a trace belongs to, by its id.
    Issue,
}

/// The properties of spans.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SpanField {
    /// Its name.
    Name,
    /// Its type.
    Type,
    /// Its status.
    Status,
    /// Everything in it, as text.
    Content,
    /// One of its attributes.
    Attribute(String),
}

/// The properties of records: runs, experiments, logged models, registered models, model versions, traces, datasets to
/// evaluate with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Attribute {
    /// The record's id.
    Id,
    /// Its name.
    Name,
    /// Its status.
    Status,
    /// The user, as the client said.
    User,
    /// Who changed it last.
    UpdatedBy,
    /// When it began or was made.
    Created,
    /// When it ended.
    Ended,
    /// When it last changed.
    Updated,
    /// How long it took, in milliseconds.
    Duration,
    /// The experiment that it belongs to.
    Experiment,
    /// The id that the caller of a traced request gave it.
    Request,
    /// Where its artifacts lie, relative to the root of all artifacts.
    ArtifactPath,
    /// The kind of a logged model.
    ModelType,
    /// The run that made it.
    Run,
    /// Where a model version came from.
    Source,
    /// A model version's number.
    Version,
}

/// The properties of a dataset that was logged as an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DatasetField {
    /// Its name.
    Name,
    /// Its digest, as the client said.
    Digest,
    /// What it was used for.
    Context,
}

/// How two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// Equal.
    Equal,
    /// Not equal.
    NotEqual,
    /// Less.
    Less,
    /// Less or equal.
    LessOrEqual,
    /// Greater.
    Greater,
    /// Greater or equal.
    GreaterOrEqual,
    /// Matches a pattern: `%` any text, `_` any character.
    Like,
    /// Matches a pattern in any case.
    ILike,
    /// Matches a regular expression somewhere.
    RLike,
    /// One of a list.
    In,
    /// None of a list.
    NotIn,
    /// Not there.
    IsNull,
    /// There.
    IsNotNull,
}

/// What a field is compared with.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A text.
    Text(String),
    /// A whole number. Columns of whole numbers are compared with these, so that an index serves.
    Integer(i64),
    /// A number.
    Number(f64),
    /// A list of texts.
    List(Vec<String>),
    /// A list of whole numbers.
    Integers(Vec<i64>),
    /// Nothing: the operator says it all.
    None,
}

/// A dataset that a metric was measured on: its name and, where it is told, its digest.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OnDataset {
    /// The dataset's name.
    pub name: String,
    /// Its digest; any where absent.
    pub digest: Option<String>,
}

/// One key to order by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// By what.
    pub field: Field,
    /// Smallest first.
    pub ascending: bool,
}

/// Which records a search sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lifecycle {
    /// Those that are not deleted.
    #[default]
    Active,
    /// Those that are.
    Deleted,
    /// All.
    All,
}

/// One part of a place in an order. A place is a list of them: two for each key (whether a value is there, and the
/// value), then those that break ties.
#[derive(Debug, Clone, PartialEq)]
pub enum PlaceValue {
    /// A whole number.
    Integer(i64),
    /// A number; never NaN.
    Number(f64),
    /// A text.
    Text(String),
    /// No value.
    Nothing,
}

/// Where a page begins.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Start {
    /// With the first record.
    #[default]
    First,
    /// Behind so many records.
    Behind(u64),
    /// Behind a place in the order, whatever was added or removed before it since.
    After(Vec<PlaceValue>),
}

/// A search: what, in which order, and which part of the answer.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Search {
    /// What must hold.
    pub filter: Filter,
    /// Datasets of which a logged model must have been measured on one.
    pub on: Vec<OnDataset>,
    /// A tag and a value: whatever carries it is left out.
    pub without: Option<(String, String)>,
    /// The order; ties are broken by time and id.
    pub order: Vec<Order>,
    /// Whether softly deleted records are seen.
    pub lifecycle: Lifecycle,
    /// Where the page begins.
    pub start: Start,
    /// How many records at most.
    pub limit: u32,
}

/// A part of what a search found.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// The records, in their order.
    pub items: Vec<T>,
    /// The place of the last one, if there are more behind it.
    pub next: Option<Vec<PlaceValue>>,
}
