//! The expectations of a dataset at work on one file, whatever its format.
//!
//! A reader says which columns the file has ([`Checks::columns`]), learns which of them to read ([`Slot`]), and feeds
//! their values. The order does not matter, but for key columns, whose values arrive by batches of rows. Memory is
//! bounded by the expectations, not by the file.

use std::collections::BTreeSet;

use windlass_kinds::{
    manifest::{ColumnExpectation, ColumnType, Expectations},
    record::ExpectationFailure,
};

use super::{
    cell::{Cell, Family, FoundColumn, KEY_CELL, word_of},
    column::{ColumnCheck, Place, listed},
    unique::{KEYS_MAX, Unique},
};

/// The most column names that a failure repeats.
const NAMES_SHOWN: usize = 20;

/// A column whose values are wanted.
#[derive(Debug)]
pub(crate) struct Slot<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// Its place among the columns that the reader found.
    pub(crate) column: usize,
    check: Option<ColumnCheck<'a>>,
    /// Its place in the key, where it is part of it.
    pub(crate) key: Option<usize>,
    /// Whether the column is known to exist only once a value was seen.
    unseen: bool,
}

impl Slot<'_> {
    /// Returns the type that values are read as where the format has none.
    pub(crate) fn wanted(&self) -> ColumnType {
        self.check.as_ref().map_or(ColumnType::String, ColumnCheck::wanted)
    }
}

/// The expectations at work.
#[derive(Debug)]
pub(crate) struct Checks<'a> {
    path: &'a str,
    expectations: &'a Expectations,
    slots: Vec<Slot<'a>>,
    unique: Option<Unique>,
    key_cells: usize,
    keys: Vec<u8>,
    first_reading: bool,
    failures: Vec<ExpectationFailure>,
}

impl<'a> Checks<'a> {
    /// Starts on the file at `path`.
    pub(crate) fn new(path: &'a str, expectations: &'a Expectations) -> Self {
        Self {
            path,
            expectations,
            slots: Vec::new(),
            unique: None,
            key_cells: 0,
            keys: Vec::new(),
            first_reading: true,
            failures: Vec::new(),
        }
    }

    /// Notes a failure that is not about the values of one column.
    pub(crate) fn fail(&mut self, column: Option<&str>, expectation: impl Into<String>, observed: impl Into<String>) {
        self.failures.push(ExpectationFailure {
            path: self.path.to_owned(),
            column: column.map(str::to_owned),
            expectation: expectation.into(),
            observed: observed.into(),
        });
    }

    /// Takes in the columns of the file: judges presence and types, and decides which values are wanted.
    pub(crate) fn columns(&mut self, found: &[FoundColumn]) {
        let expectations = self.expectations;
        for expectation in &expectations.columns {
            if let Some(column) = self.find(&expectation.name, found, expectation.optional) {
                self.expect(expectation, column, &found[column].family);
            }
        }
        if !expectations.extra_columns {
            let known: BTreeSet<&str> = self.known_columns();
            let extra: Vec<&str> =
                found.iter().map(|column| column.name.as_str()).filter(|name| !known.contains(name)).collect();
            self.extra_columns(&extra);
        }
        let key: Option<Vec<usize>> = expectations
            .unique
            .iter()
            .map(|name| match self.slots.iter().position(|slot| slot.name == name) {
                Some(slot) => Some(slot),
                None => self.key_slot(name, found),
            })
            .collect();
        // Without all its columns there is no key; their absence is reported already.
        if let Some(key) = key
            && !key.is_empty()
        {
            for slot in key {
                if self.slots[slot].key.is_none() {
                    self.slots[slot].key = Some(self.key_cells);
                    self.key_cells += 1;
                }
            }
            self.unique = Some(Unique::new(KEYS_MAX));
        }
    }

    /// Takes in the columns of a format in which a column shows only with its values, a row at a time.
    pub(crate) fn columns_by_row(&mut self) {
        let names: BTreeSet<&str> = self.known_columns();
        let found: Vec<FoundColumn> =
            names.into_iter().map(|name| FoundColumn { name: name.to_owned(), family: Family::Untyped }).collect();
        let expectations = self.expectations;
        // Presence alone needs the values here.
        for expectation in &expectations.columns {
            if let Some(column) = found.iter().position(|column| column.name == expectation.name)
                && !self.slots.iter().any(|slot| slot.name == expectation.name)
            {
                let check = Some(ColumnCheck::new(expectation));
                self.slots.push(Slot { name: &expectation.name, column, check, key: None, unseen: true });
                self.misplaced_range(expectation, &Family::Untyped);
            }
        }
        for name in &expectations.unique {
            let column = found.iter().position(|column| column.name == *name).unwrap_or(0);
            let slot = match self.slots.iter().position(|slot| slot.name == name) {
                Some(slot) => slot,
                None => {
                    self.slots.push(Slot { name, column, check: None, key: None, unseen: true });
                    self.slots.len() - 1
                }
            };
            if self.slots[slot].key.is_none() {
                self.slots[slot].key = Some(self.key_cells);
                self.key_cells += 1;
            }
        }
        if !expectations.unique.is_empty() {
            self.unique = Some(Unique::new(KEYS_MAX));
        }
    }

    /// Returns the names that the expectations know.
    pub(crate) fn known_columns(&self) -> BTreeSet<&'a str> {
        let Expectations { columns, extra_columns: _, min_rows: _, max_rows: _, unique } = self.expectations;
        columns.iter().map(|column| column.name.as_str()).chain(unique.iter().map(String::as_str)).collect()
    }

    /// Returns whether columns that the expectations do not name are a failure.
    pub(crate) fn refuses_extra_columns(&self) -> bool {
        !self.expectations.extra_columns
    }

    /// Notes columns that the expectations do not name.
    pub(crate) fn extra_columns(&mut self, extra: &[&str]) {
        if !extra.is_empty() {
            self.fail(None, "no further columns", listed(extra, NAMES_SHOWN));
        }
    }

    fn find(&mut self, name: &str, found: &[FoundColumn], optional: bool) -> Option<usize> {
        let mut places = found.iter().enumerate().filter(|(_, column)| column.name == name).map(|(index, _)| index);
        let first = places.next();
        let more = places.count();
        if more > 0 {
            self.fail(Some(name), "column present", format!("{} columns of this name", more + 1));
            return None;
        }
        if first.is_none() && !optional {
            let names: Vec<&str> = found.iter().map(|column| column.name.as_str()).collect();
            let observed = match names.is_empty() {
                true => "a file without columns".to_owned(),
                false => format!("only the columns {}", listed(&names, NAMES_SHOWN)),
            };
            self.fail(Some(name), "column present", observed);
        }
        first
    }

    fn expect(&mut self, expectation: &'a ColumnExpectation, column: usize, family: &Family) {
        let check = ColumnCheck::new(expectation);
        if let Some(wanted) = expectation.data_type
            && !family.fits(wanted)
        {
            self.fail(Some(&expectation.name), format!("type {}", word_of(wanted)), family.word());
            return;
        }
        if let Family::Nested(word) = family {
            if check.needs_values() {
                self.fail(Some(&expectation.name), "a column of single values", word.as_str());
            }
            return;
        }
        if self.misplaced_range(expectation, family) {
            return;
        }
        if check.needs_values() || (*family == Family::Untyped && expectation.data_type.is_some()) {
            let slot = Slot { name: &expectation.name, column, check: Some(check), key: None, unseen: false };
            self.slots.push(slot);
        }
    }

    /// Notes a `min` or `max` on a column whose values are no numbers.
    fn misplaced_range(&mut self, expectation: &ColumnExpectation, family: &Family) -> bool {
        let rule = match (expectation.min, expectation.max) {
            (Some(min), _) => format!("min >= {min}"),
            (None, Some(max)) => format!("max <= {max}"),
            (None, None) => return false,
        };
        let word = match expectation.data_type {
            Some(ColumnType::Integer | ColumnType::Float | ColumnType::Number) | None if family.is_numeric() => {
                return false;
            }
            Some(wanted) => word_of(wanted),
            None => family.word(),
        };
        self.fail(Some(&expectation.name), rule, format!("a {word} column, whose values are no numbers"));
        true
    }

    fn key_slot(&mut self, name: &'a str, found: &[FoundColumn]) -> Option<usize> {
        let expected = self.expectations.columns.iter().any(|expectation| expectation.name == name);
        // An expected column that is missing was reported already, unless it is optional.
        let reported = expected && self.failures.iter().any(|failure| failure.column.as_deref() == Some(name));
        let column = self.find(name, found, reported)?;
        if let Family::Nested(word) = &found[column].family {
            if !reported {
                self.fail(Some(name), "a column of single values", word.as_str());
            }
            return None;
        }
        self.slots.push(Slot { name, column, check: None, key: None, unseen: false });
        Some(self.slots.len() - 1)
    }

    /// Returns the columns whose values are wanted.
    pub(crate) fn slots(&self) -> &[Slot<'a>] {
        &self.slots
    }

    /// Returns whether this is the first reading; later ones want the key columns only.
    pub(crate) fn is_first_reading(&self) -> bool {
        self.first_reading
    }

    /// Takes one value in. `within` is the row's place in the current batch of keys.
    pub(crate) fn see(&mut self, slot: usize, cell: &Cell<'_>, place: Place, within: usize) {
        let slot = &mut self.slots[slot];
        if self.first_reading
            && let Some(check) = &mut slot.check
        {
            check.see(cell, place);
        }
        if let Some(key) = slot.key
            && self.unique.is_some()
        {
            let start = (within * self.key_cells + key) * KEY_CELL;
            self.keys[start..start + KEY_CELL].copy_from_slice(&cell.key());
        }
    }

    /// Notes that the column of `slot` exists, in formats where only its values show it.
    pub(crate) fn present(&mut self, slot: usize) {
        self.slots[slot].unseen = false;
    }

    /// Makes room for the keys of `rows` rows; each starts as nulls.
    pub(crate) fn start_keys(&mut self, rows: usize) {
        self.keys.clear();
        if self.unique.is_some() {
            self.keys.resize(rows * self.key_cells * KEY_CELL, 0);
        }
    }

    /// Takes in the keys of the rows since [`Checks::start_keys`]; the first of them stands at `first`.
    pub(crate) fn end_keys(&mut self, first: Place) {
        let Some(unique) = &mut self.unique else { return };
        for (index, key) in self.keys.chunks_exact(self.key_cells * KEY_CELL).enumerate() {
            unique.see(key, Place { row: first.row + index as u64, line: first.line });
        }
    }

    /// Ends one reading of all rows. Returns whether another is needed, for key columns only.
    pub(crate) fn next_reading(&mut self) -> bool {
        self.first_reading = false;
        self.unique.as_mut().is_some_and(Unique::next_pass)
    }

    /// Returns all failures; `rows` is how many the file has.
    pub(crate) fn finish(mut self, rows: u64) -> Vec<ExpectationFailure> {
        let Expectations { columns: _, extra_columns: _, min_rows, max_rows, unique: key } = self.expectations;
        // A file without rows tells nothing; who wants it says `minRows: 0`.
        let least = min_rows.unwrap_or(1);
        if rows < least {
            self.fail(None, format!("rows >= {least}"), rows.to_string());
        }
        if let Some(most) = max_rows
            && rows > *most
        {
            self.fail(None, format!("rows <= {most}"), rows.to_string());
        }
        let mut missing = BTreeSet::new();
        for slot in &self.slots {
            if slot.unseen && rows > 0 {
                missing.insert(slot.name);
            } else if let Some(check) = &slot.check {
                self.failures.extend(check.failures(self.path));
            }
        }
        for name in missing {
            let optional = self.expectations.columns.iter().any(|column| column.name == name && column.optional);
            if !optional {
                self.fail(Some(name), "column present", "no row that has it");
            }
        }
        if let Some(observed) = self.unique.as_ref().and_then(Unique::observed) {
            self.fail(None, format!("unique [{}]", key.join(", ")), observed);
        }
        self.failures
    }

    /// Returns the failures so far, and that the file could not be read to its end.
    pub(crate) fn unreadable(mut self, problem: impl Into<String>) -> Vec<ExpectationFailure> {
        self.fail(None, "readable", problem);
        self.failures
    }
}
