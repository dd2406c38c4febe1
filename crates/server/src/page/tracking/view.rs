//! What a table of runs shows, as its URL says: filter, columns, order, grouping, whether deleted runs are seen.

use windlass_kinds::filter::{Lifecycle, Order};

use super::{column::Column, query::Pairs};

/// How many metrics, and how many params, are shown while nobody has chosen.
const UNCHOSEN: usize = 4;
/// The most columns; the rest of a URL is not looked at.
const COLUMNS: usize = 100;

/// The state of a table of runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct View {
    /// The filter, as written.
    pub(super) filter: String,
    /// The columns that somebody chose; none where nobody has.
    pub(super) columns: Option<Vec<Column>>,
    /// What the runs are ordered by, and whether the smallest comes first.
    pub(super) sort: Option<(Column, bool)>,
    /// What they are grouped by.
    pub(super) group: Option<Column>,
    /// Whether deleted runs are shown rather than the others.
    pub(super) deleted: bool,
}

impl View {
    /// Reads the state from a URL; what is not understood is left out.
    pub(super) fn of(pairs: &Pairs) -> Self {
        let chosen = pairs.has("columns").then(|| {
            let mut columns: Vec<Column> = pairs.all("columns").filter_map(Column::parse).take(COLUMNS).collect();
            let mut seen = std::collections::HashSet::new();
            columns.retain(|column| seen.insert(column.clone()));
            columns
        });
        let sort = pairs.get("sort").and_then(Column::parse).filter(|column| column.field().is_some());
        let group = pairs.get("group").and_then(Column::parse);
        Self {
            filter: pairs.get("filter").unwrap_or_default().trim().to_owned(),
            columns: chosen,
            sort: sort.map(|column| (column, pairs.get("order") != Some("descending"))),
            group: group.filter(|column| matches!(column, Column::Param(_) | Column::Tag(_))),
            deleted: pairs.get("show") == Some("deleted"),
        }
    }

    /// Returns what the store is to order by: the group first, so that its runs stand together.
    pub(super) fn order(&self) -> Vec<Order> {
        let group = self.group.as_ref().and_then(Column::field).map(|field| Order { field, ascending: true });
        let sort = self.sort.as_ref();
        let sort = sort.and_then(|(column, ascending)| Some(Order { field: column.field()?, ascending: *ascending }));
        group.into_iter().chain(sort).collect()
    }

    /// Returns which runs are seen.
    pub(super) fn lifecycle(&self) -> Lifecycle {
        if self.deleted { Lifecycle::Deleted } else { Lifecycle::Active }
    }

    /// Returns the columns to show, of those that there are.
    pub(super) fn shown(&self, known: &[Column]) -> Vec<Column> {
        if let Some(columns) = &self.columns {
            return columns.clone();
        }
        let few = |wanted: fn(&Column) -> bool| known.iter().filter(move |column| wanted(column)).take(UNCHOSEN);
        let metrics = few(|column| matches!(column, Column::Metric(key) if !key.starts_with("system/")));
        let params = few(|column| matches!(column, Column::Param(_)));
        let first = [Column::Status, Column::Began, Column::Took, Column::User];
        first.into_iter().chain(metrics.cloned()).chain(params.cloned()).collect()
    }

    /// Returns the query of the same page ordered by a column: descending first for numbers, then the other way round.
    pub(super) fn sorted_by(&self, column: &Column, pairs: &Pairs) -> Pairs {
        let next = match &self.sort {
            Some((known, ascending)) if known == column => !ascending,
            Some(_) | None => !matches!(column, Column::Metric(_) | Column::Began),
        };
        let order = if next { "ascending" } else { "descending" };
        pairs.without(&["page"]).with("sort", Some(&column.word())).with("order", Some(order))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Pairs {
        text.split('&')
            .filter_map(|pair| pair.split_once('='))
            .fold(Pairs::default(), |pairs, (name, value)| pairs.and(name, value))
    }

    #[test]
    fn a_url_says_it_all() {
        let view = View::of(&pairs(
            "filter= metrics.a > 1 &columns=metrics.a&columns=metrics.a&columns=x&sort=metrics.a&order=descending&group=params.p&show=deleted",
        ));
        assert_eq!(view.filter, "metrics.a > 1");
        assert_eq!(view.shown(&[]), [Column::Metric("a".to_owned())]);
        assert_eq!(view.lifecycle(), Lifecycle::Deleted);
        let order: Vec<bool> = view.order().iter().map(|order| order.ascending).collect();
        assert_eq!(order, [true, false], "group first");
        let plain = View::of(&pairs("group=metrics.a&sort=took&order=ascending"));
        assert_eq!((plain.group.clone(), plain.sort.clone(), plain.order().len()), (None, None, 0));
        let known =
            [Column::Metric("system/cpu".to_owned()), Column::Metric("z".to_owned()), Column::Tag("t".to_owned())];
        assert_eq!(plain.shown(&known).last(), Some(&Column::Metric("z".to_owned())));
        assert_eq!(View::of(&pairs("columns=")).shown(&known), [], "chosen: none");
    }

    #[test]
    fn a_heading_turns_the_order_round() {
        let metric = Column::Metric("a".to_owned());
        for (query, column, expected) in [
            ("page=3", &metric, "?sort=metrics.a&order=descending"),
            ("sort=metrics.a&order=descending", &metric, "?sort=metrics.a&order=ascending"),
            ("sort=metrics.a&order=ascending", &Column::User, "?sort=user&order=ascending"),
        ] {
            let pairs = pairs(query);
            assert_eq!(View::of(&pairs).sorted_by(column, &pairs).behind(""), expected);
        }
    }
}
