//! Single values of a request, and JSON read straight into them.
//!
//! A tree of JSON values takes ten times the bytes of its text, and more if it is made for that. These readers keep
//! flat rows of cells, of a number that the limits allow, and stop at the first that is too many.

use std::{cell::RefCell, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::RequestError;

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
}

/// Returns a cell as the name of a column; pandas writes those that nobody named as numbers.
pub(super) fn name(cell: Cell) -> Option<String> {
    match cell {
        Cell::Text(name) => Some(name),
        Cell::Int(number) => Some(number.to_string()),
        Cell::Null | Cell::Bool(_) | Cell::Float(_) => None,
    }
}

/// How many columns that nobody expects are read all the same, so that the first of them can be named.
pub(super) const UNEXPECTED: usize = 8;

/// What reading one body may keep, and why it stopped.
pub(super) struct Budget {
    /// The most rows.
    pub(super) rows: usize,
    /// The most values in a row.
    pub(super) width: usize,
    refused: RefCell<Option<RequestError>>,
}

impl Budget {
    pub(super) fn new(rows: usize, width: usize) -> Self {
        Self { rows, width, refused: RefCell::new(None) }
    }

    /// Keeps why reading stops; the parser's own error cannot carry it.
    pub(super) fn refuse<E: Error>(&self, error: RequestError) -> E {
        self.refused.borrow_mut().get_or_insert(error);
        E::custom("refused")
    }

    /// Takes out why reading stopped, if it was refused.
    pub(super) fn refused(&self) -> Option<RequestError> {
        self.refused.take()
    }

    /// Returns why reading stopped.
    pub(super) fn explain(self, error: &serde_json::Error, body: &[u8]) -> RequestError {
        let token = body.windows(3).any(|window| window == b"NaN");
        let hint = if token { "; JSON has no NaN: write null" } else { "" };
        let malformed = || RequestError::Malformed { form: "JSON", problem: format!("{error}{hint}") };
        self.refused.into_inner().unwrap_or_else(malformed)
    }
}

/// The visits of single values, which all become a cell and go to `take`.
macro_rules! scalars {
    ($value:ty) => {
        fn visit_unit<E: Error>(self) -> Result<$value, E> {
            self.take(Cell::Null)
        }

        fn visit_bool<E: Error>(self, value: bool) -> Result<$value, E> {
            self.take(Cell::Bool(value))
        }

        fn visit_i64<E: Error>(self, value: i64) -> Result<$value, E> {
            self.take(Cell::Int(value))
        }

        fn visit_u64<E: Error>(self, value: u64) -> Result<$value, E> {
            self.take(i64::try_from(value).map_or(Cell::Float(value as f64), Cell::Int))
        }

        fn visit_f64<E: Error>(self, value: f64) -> Result<$value, E> {
            self.take(Cell::Float(value))
        }

        fn visit_str<E: Error>(self, value: &str) -> Result<$value, E> {
            self.take(Cell::Text(value.to_owned()))
        }
    };
}

/// How rows were written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Values: one column.
    Values,
    /// Lists of values.
    Lists,
    /// Values by name.
    Records,
}

/// Rows one after the other, all of one width.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rows {
    pub(super) form: Form,
    /// The names of the columns, of records.
    pub(super) names: Vec<String>,
    pub(super) width: usize,
    pub(super) cells: Vec<Cell>,
}

impl Rows {
    /// Returns how many rows there are.
    pub(super) fn count(&self) -> usize {
        self.cells.len().checked_div(self.width).unwrap_or(0)
    }
}

/// Reads a list of rows.
pub(super) struct RowsSeed<'b> {
    pub(super) budget: &'b Budget,
    /// What the list is called, for messages.
    pub(super) field: &'b str,
}

impl<'de> DeserializeSeed<'de> for RowsSeed<'_> {
    type Value = Rows;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Rows, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for RowsSeed<'_> {
    type Value = Rows;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of rows in `{}`", self.field)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Rows, A::Error> {
        let mut rows = Rows { form: Form::Values, names: Vec::new(), width: 0, cells: Vec::new() };
        let mut count = 0;
        while items.next_element_seed(RowSeed { rows: &mut rows, row: count, list: &self })?.is_some() {
            count += 1;
            if count > self.budget.rows {
                return Err(self.budget.refuse(RequestError::TooManyRows { most: self.budget.rows }));
            }
        }
        Ok(rows)
    }
}

/// Reads one row onto the end of those before.
struct RowSeed<'r, 'b> {
    rows: &'r mut Rows,
    row: usize,
    list: &'r RowsSeed<'b>,
}

impl RowSeed<'_, '_> {
    fn wrong<E: Error>(&self, problem: impl fmt::Display) -> E {
        self.list.budget.refuse(RequestError::field(self.list.field, format!("{problem} in row {}", self.row + 1)))
    }

    /// Notes how this row is written, which is how the first is.
    fn form<E: Error>(&mut self, form: Form) -> Result<(), E> {
        if self.row == 0 {
            self.rows.form = form;
        }
        if self.rows.form == form { Ok(()) } else { Err(self.wrong("is written otherwise than before")) }
    }

    fn take<E: Error>(mut self, cell: Cell) -> Result<(), E> {
        self.form(Form::Values)?;
        self.rows.width = 1;
        self.rows.cells.push(cell);
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for RowSeed<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for RowSeed<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a row: a list, an object or a value")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        self.form(Form::Lists)?;
        let mut width = 0;
        while let Some(cell) = items.next_element_seed(CellSeed)? {
            width += 1;
            if self.row > 0 && width > self.rows.width || width > self.list.budget.width {
                let most = if self.row > 0 { self.rows.width } else { self.list.budget.width };
                return Err(self.wrong(format!("has more than {most} values")));
            }
            self.rows.cells.push(cell);
        }
        if self.row == 0 {
            self.rows.width = width;
        }
        if width == self.rows.width && width > 0 {
            Ok(())
        } else {
            Err(self.wrong(format!("has {width} values, not {}", self.rows.width.max(1))))
        }
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut entries: A) -> Result<(), A::Error> {
        self.form(Form::Records)?;
        let start = self.rows.cells.len();
        if self.row > 0 {
            self.rows.cells.resize(start + self.rows.width, Cell::Null);
        }
        let mut at = 0;
        while let Some(name) = entries.next_key::<String>()? {
            if self.row == 0 {
                if self.rows.names.contains(&name) {
                    return Err(self.wrong(format!("has the column `{}` twice", name.escape_debug())));
                }
                if at >= self.list.budget.width {
                    return Err(self.wrong(format!("has more than {} columns", self.list.budget.width)));
                }
                self.rows.names.push(name);
                self.rows.cells.push(entries.next_value_seed(CellSeed)?);
                self.rows.width = at + 1;
            } else {
                // Records are most often written in one order.
                let place = match self.rows.names.get(at) {
                    Some(known) if *known == name => Some(at),
                    _ => self.rows.names.iter().position(|known| *known == name),
                };
                let Some(place) = place else {
                    let column: String = name.chars().take(120).flat_map(char::escape_debug).collect();
                    return Err(self.wrong(format!("has the column `{column}`, which the first row lacks,")));
                };
                self.rows.cells[start + place] = entries.next_value_seed(CellSeed)?;
            }
            at += 1;
        }
        if self.rows.width == 0 { Err(self.wrong("has no columns")) } else { Ok(()) }
    }

    scalars!(());
}

/// Reads one value.
pub(super) struct CellSeed;

impl CellSeed {
    fn take<E: Error>(self, cell: Cell) -> Result<Cell, E> {
        Ok(cell)
    }
}

impl<'de> DeserializeSeed<'de> for CellSeed {
    type Value = Cell;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Cell, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for CellSeed {
    type Value = Cell;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, text, true, false or null")
    }

    scalars!(Cell);
}

/// Reads nested lists of values into one list of at most `most`.
pub(super) struct FlatSeed<'b> {
    pub(super) budget: &'b Budget,
    /// What the list is called, for messages.
    pub(super) field: &'b str,
    pub(super) most: usize,
}

/// The deepest nesting of the values of one tensor.
const NESTING_MAX: usize = 8;

impl<'de> DeserializeSeed<'de> for FlatSeed<'_> {
    type Value = Vec<Cell>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<Cell>, D::Error> {
        let mut cells = Vec::new();
        Flat { cells: &mut cells, seed: &self, depth: 0 }.deserialize(deserializer)?;
        Ok(cells)
    }
}

struct Flat<'c, 'b> {
    cells: &'c mut Vec<Cell>,
    seed: &'c FlatSeed<'b>,
    depth: usize,
}

impl Flat<'_, '_> {
    fn take<E: Error>(self, cell: Cell) -> Result<(), E> {
        if self.depth == 0 {
            return Err(E::custom("`data` must be a list"));
        }
        if self.cells.len() >= self.seed.most {
            let problem = format!("has more than {} values", self.seed.most);
            return Err(self.seed.budget.refuse(RequestError::field(self.seed.field, problem)));
        }
        self.cells.push(cell);
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Flat<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Flat<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of values")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        if self.depth >= NESTING_MAX {
            return Err(A::Error::custom("lists nested too deep"));
        }
        let Self { cells, seed, depth } = self;
        while items.next_element_seed(Flat { cells: &mut *cells, seed, depth: depth + 1 })?.is_some() {}
        Ok(())
    }

    scalars!(());
}
