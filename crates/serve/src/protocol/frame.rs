//! A request's columns as they came, before they are what the signature says.

use windlass_data::table::Values;

use super::{RequestError, cell::Cell};
use crate::model::{Signature, ValueError};

/// Named columns of one length.
#[derive(Debug)]
pub(super) struct Frame {
    /// The names; in their place for a signature without names.
    pub(super) names: Vec<String>,
    /// How many rows there are.
    pub(super) rows: usize,
    /// Their values.
    pub(super) body: Body,
}

/// The values of a frame.
#[derive(Debug)]
pub(super) enum Body {
    /// Row after row.
    Rows(Vec<Cell>),
    /// Column after column.
    Columns(Vec<Content>),
}

/// The values of one column.
#[derive(Debug)]
pub(super) enum Content {
    /// As written.
    Cells(Vec<Cell>),
    /// Of a form that has types.
    Values(Values),
}

impl Content {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Cells(cells) => cells.len(),
            Self::Values(values) => values.len(),
        }
    }
}

impl Frame {
    /// Joins columns, which must be of one length.
    pub(super) fn of_columns(columns: Vec<(String, Content)>) -> Result<Self, RequestError> {
        let rows = columns.first().map_or(0, |(_, content)| content.len());
        if let Some((name, content)) = columns.iter().find(|(_, content)| content.len() != rows) {
            let problem = format!("has {} rows where others have {rows}", content.len());
            return Err(ValueError::new(name, None, problem).into());
        }
        let (names, columns) = columns.into_iter().unzip();
        Ok(Self { names, rows, body: Body::Columns(columns) })
    }

    /// Joins rows of `width` values without names: they are all columns of the signature, in its order.
    pub(super) fn of_rows(
        signature: &Signature,
        field: &str,
        width: usize,
        cells: Vec<Cell>,
    ) -> Result<Self, RequestError> {
        let names: Vec<String> = signature.columns().iter().map(|column| column.name.clone()).collect();
        if width != names.len() {
            let problem = format!("has {width} values in a row; the model takes {}", columns(&names));
            return Err(RequestError::field(field, problem));
        }
        Ok(Self { rows: cells.len() / width, names, body: Body::Rows(cells) })
    }

    /// Takes the values of the column in the place `at` out.
    pub(super) fn take(&mut self, at: usize) -> Content {
        let width = self.names.len();
        match &mut self.body {
            Body::Rows(cells) => {
                let take = |cell: &mut Cell| std::mem::replace(cell, Cell::Null);
                Content::Cells(cells.iter_mut().skip(at).step_by(width).map(take).collect())
            }
            Body::Columns(columns) => std::mem::replace(&mut columns[at], Content::Cells(Vec::new())),
        }
    }
}

/// Returns `14 columns: a, b, …` for a message.
fn columns(names: &[String]) -> String {
    const SHOWN: usize = 20;
    let shown: Vec<String> = names.iter().take(SHOWN).map(|name| name.escape_debug().to_string()).collect();
    let more = if names.len() > SHOWN { ", …" } else { "" };
    format!("{} columns: {}{more}", names.len(), shown.join(", "))
}
