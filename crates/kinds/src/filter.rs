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
    /// A param.
    Param(String),
    /// A tag.
    Tag(String),
    /// A property of a dataset that was logged as an input.
    Dataset(DatasetField),
}

/// The properties of records: runs, experiments, logged models, registered models, model versions.
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
    /// When it began or was made.
    Created,
    /// When it ended.
    Ended,
    /// When it last changed.
    Updated,
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
    /// A number.
    Number(f64),
    /// A list of texts.
    List(Vec<String>),
    /// Nothing: the operator says it all.
    None,
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

/// A search: what, in which order, and which part of the answer.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Search {
    /// What must hold.
    pub filter: Filter,
    /// The order; ties are broken by time and id.
    pub order: Vec<Order>,
    /// Whether softly deleted records are seen.
    pub lifecycle: Lifecycle,
    /// How many records to leave out at the front.
    pub offset: u64,
    /// How many records at most.
    pub limit: u32,
}
