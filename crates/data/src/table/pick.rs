//! Rows taken out of tables, and tables put one after another.

use super::{Table, Values};

/// Why tables do not go one after another.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConcatError {
    /// One of them lacks a column.
    #[error("a table has no column `{0}`, and another has")]
    Missing(String),
    /// The types of a column differ.
    #[error("column `{name}` is {one} in one table and {other} in another")]
    Type {
        /// The column.
        name: String,
        /// Its type in an earlier table.
        one: &'static str,
        /// Its type in a later one.
        other: &'static str,
    },
}

impl Table {
    /// Returns the rows at these places, in their order.
    ///
    /// # Panics
    ///
    /// Where a place is not below [`Table::rows`].
    #[must_use]
    pub fn pick(&self, places: &[usize]) -> Self {
        let columns = self.columns.iter().map(|(name, values)| (name.clone(), values.pick(places))).collect();
        Self { columns, rows: places.len() }
    }

    /// Puts tables one after another. They have the columns of the first, in any order; none at all is no row.
    pub fn concat(tables: impl IntoIterator<Item = Self>) -> Result<Self, ConcatError> {
        let mut all: Option<Self> = None;
        for table in tables {
            let Some(all) = &mut all else {
                all = Some(table);
                continue;
            };
            let rows = table.rows;
            let mut found = table.columns;
            for (name, values) in &mut all.columns {
                let place = found.iter().position(|(known, _)| known == name);
                let place = place.ok_or_else(|| ConcatError::Missing(name.clone()))?;
                let (_, more) = found.swap_remove(place);
                let (one, other) = (values.word(), more.word());
                if !values.append(more) {
                    return Err(ConcatError::Type { name: name.clone(), one, other });
                }
            }
            if let Some((name, _)) = found.into_iter().next() {
                return Err(ConcatError::Missing(name));
            }
            all.rows += rows;
        }
        Ok(all.unwrap_or_default())
    }
}

impl Values {
    fn pick(&self, places: &[usize]) -> Self {
        fn each<T: Clone>(values: &[T], places: &[usize]) -> Vec<T> {
            places.iter().map(|place| values[*place].clone()).collect()
        }
        match self {
            Self::Number(values) => Self::Number(each(values, places)),
            Self::Int(values) => Self::Int(each(values, places)),
            Self::Text(values) => Self::Text(each(values, places)),
            Self::Time(values) => Self::Time(each(values, places)),
            Self::Bool(values) => Self::Bool(each(values, places)),
        }
    }

    /// Appends values of the same type; returns false where the types differ.
    fn append(&mut self, more: Self) -> bool {
        match (self, more) {
            (Self::Number(values), Self::Number(more)) => values.extend(more),
            (Self::Int(values), Self::Int(more)) => values.extend(more),
            (Self::Text(values), Self::Text(more)) => values.extend(more),
            (Self::Time(values), Self::Time(more)) => values.extend(more),
            (Self::Bool(values), Self::Bool(more)) => values.extend(more),
            (Self::Number(_) | Self::Int(_) | Self::Text(_) | Self::Time(_) | Self::Bool(_), _) => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(a: &[f64], b: &[&str]) -> Table {
        let text = b.iter().map(|text| Some((*text).to_owned())).collect();
        Table::new(vec![("a".to_owned(), Values::Number(a.to_vec())), ("b".to_owned(), Values::Text(text))]).unwrap()
    }

    #[test]
    fn rows_are_taken_and_put_together() {
        let whole = table(&[1.0, 2.0, 3.0], &["x", "y", "z"]);
        assert_eq!(whole.pick(&[2, 0]), table(&[3.0, 1.0], &["z", "x"]));
        assert_eq!(Table::concat([whole.pick(&[0]), whole.pick(&[1, 2])]).unwrap(), whole);
        assert_eq!(Table::concat([]).unwrap(), Table::default());
        let other = Table::new(vec![("a".to_owned(), Values::Int(vec![Some(1)]))]).unwrap();
        assert_eq!(
            Table::concat([whole.clone(), other.clone()]).unwrap_err().to_string(),
            "column `a` is number in one table and integer in another"
        );
        assert_eq!(
            Table::concat([other, whole]).unwrap_err(),
            ConcatError::Type { name: "a".to_owned(), one: "integer", other: "number" }
        );
    }
}
