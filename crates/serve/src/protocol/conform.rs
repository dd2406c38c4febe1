//! From columns as they came to columns as the signature has them.
//!
//! Every column of the signature must be there, and nothing else but the extras that the caller allows: a column that
//! nobody expects is most often one that is misspelt.

use std::collections::HashMap;

use windlass_data::table::{Table, Values};
use windlass_infer::Element;

use super::{
    Request, RequestError,
    cell::Cell,
    frame::{Content, Frame},
};
use crate::model::{Column, Signature, ValueError, check, may_be_absent, range};

/// Makes a request of a frame.
pub(super) fn conform(
    id: Option<String>,
    mut frame: Frame,
    signature: &Signature,
    extras: &[String],
) -> Result<Request, RequestError> {
    if frame.rows == 0 {
        return Err(RequestError::Malformed { form: "request", problem: "there are no rows in it".to_owned() });
    }
    let places = places(&frame, signature, extras)?;
    let mut rows = Vec::with_capacity(signature.columns().len());
    for (column, place) in signature.columns().iter().zip(&places.columns) {
        match place {
            Some(place) => rows.push((column.name.clone(), values(column, frame.take(*place))?)),
            None if may_be_absent(column) => {}
            None => return Err(ValueError::new(&column.name, None, "is missing").into()),
        }
    }
    let extras = extras.iter().zip(places.extras).filter_map(|(name, place)| Some((name, place?)));
    let extras = extras.map(|(name, place)| Ok((name.clone(), guess(name, frame.take(place))?)));
    let extras = extras.collect::<Result<Vec<_>, RequestError>>()?;
    Ok(Request { id, rows: table(rows)?, extras: table(extras)? })
}

fn table(columns: Vec<(String, Values)>) -> Result<Table, RequestError> {
    Table::new(columns).map_err(|error| RequestError::Malformed { form: "request", problem: error.to_string() })
}

/// Where in a frame the columns are.
struct Places {
    columns: Vec<Option<usize>>,
    extras: Vec<Option<usize>>,
}

fn places(frame: &Frame, signature: &Signature, extras: &[String]) -> Result<Places, RequestError> {
    let columns = signature.columns();
    let mut places = Places { columns: vec![None; columns.len()], extras: vec![None; extras.len()] };
    // Built only for a request that has the columns in another order.
    let mut by_name: Option<HashMap<&str, usize>> = None;
    let mut next = 0;
    for (at, name) in frame.names.iter().enumerate() {
        let as_extra = extras.iter().position(|extra| extra == name);
        let as_column = match columns.get(at) {
            Some(column) if column.name == *name => Some(at),
            // A name means nothing to a signature without names: its columns are told apart by their order.
            _ if signature.positional() && as_extra.is_none() => Some(next).filter(|next| *next < columns.len()),
            _ => {
                let index = || columns.iter().enumerate().map(|(at, column)| (column.name.as_str(), at)).collect();
                by_name.get_or_insert_with(index).get(name.as_str()).copied()
            }
        };
        // A column may be both an input and part of a row's name.
        for place in [as_column.map(|it| &mut places.columns[it]), as_extra.map(|it| &mut places.extras[it])] {
            if place.is_some_and(|place| place.replace(at).is_some()) {
                return Err(ValueError::new(name, None, "stands there twice").into());
            }
        }
        match (as_column, as_extra) {
            (Some(column), _) => next = column + 1,
            (None, Some(_)) => {}
            (None, None) => {
                return Err(ValueError::new(name, None, "is none of the model's; leave it out").into());
            }
        }
    }
    Ok(places)
}

/// Returns the values of a column as the signature has them.
fn values(column: &Column, content: Content) -> Result<Values, RequestError> {
    let Column { name, element, required: _ } = column;
    let wrong = |row: usize, problem: String| ValueError::new(name, Some(row), problem);
    let values = match content {
        Content::Values(values) => values,
        Content::Cells(cells) => match element {
            Element::Float32 | Element::Float64 => {
                let number = |(row, cell)| match cell {
                    Cell::Float(value) => Ok(value),
                    Cell::Int(value) => Ok(value as f64),
                    Cell::Null => Ok(f64::NAN),
                    Cell::Bool(_) | Cell::Text(_) => Err(wrong(row, format!("is {}, not a number", shown(&cell)))),
                };
                Values::Number(cells.into_iter().enumerate().map(number).collect::<Result<_, _>>()?)
            }
            Element::Text => {
                let text = |(row, cell)| match cell {
                    Cell::Text(value) => Ok(Some(value)),
                    Cell::Null | Cell::Bool(_) | Cell::Int(_) | Cell::Float(_) => {
                        Err(wrong(row, format!("is {}, not text", shown(&cell))))
                    }
                };
                Values::Text(cells.into_iter().enumerate().map(text).collect::<Result<_, _>>()?)
            }
            Element::Bool => {
                let truth = |(row, cell)| match cell {
                    Cell::Bool(value) => Ok(Some(value)),
                    Cell::Null | Cell::Int(_) | Cell::Float(_) | Cell::Text(_) => {
                        Err(wrong(row, format!("is {}, not true or false", shown(&cell))))
                    }
                };
                Values::Bool(cells.into_iter().enumerate().map(truth).collect::<Result<_, _>>()?)
            }
            _ => {
                let (least, most) = range(*element).unwrap_or((i64::MIN, i64::MAX));
                let whole = |(row, cell)| match whole(&cell) {
                    Some(value) if (least..=most).contains(&value) => Ok(Some(value)),
                    Some(value) => Err(wrong(row, format!("is {value}, out of the range of {element}"))),
                    None => Err(wrong(row, format!("is {}, not a whole number", shown(&cell)))),
                };
                Values::Int(cells.into_iter().enumerate().map(whole).collect::<Result<_, _>>()?)
            }
        },
    };
    check(column, &values)?;
    Ok(values)
}

/// Returns a whole number, if a cell is one and certainly the one that was meant.
fn whole(cell: &Cell) -> Option<i64> {
    /// 2^53: beyond it, floating point numbers skip whole ones.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match cell {
        Cell::Int(value) => Some(*value),
        Cell::Float(value) if value.fract() == 0.0 && value.abs() < EXACT => Some(*value as i64),
        Cell::Float(_) | Cell::Null | Cell::Bool(_) | Cell::Text(_) => None,
    }
}

/// Returns the values of a column of which only the name is known.
///
/// Text that is an instant becomes one, so that it names the same row however it is written.
fn guess(name: &str, content: Content) -> Result<Values, RequestError> {
    let cells = match content {
        Content::Values(values) => return Ok(instants(values)),
        Content::Cells(cells) => cells,
    };
    let mixed = |row: usize| ValueError::new(name, Some(row), "is of another type than the rows before").into();
    let first = cells.iter().find(|cell| **cell != Cell::Null);
    let cells_of = cells.iter().enumerate();
    Ok(match first {
        Some(Cell::Text(_)) | None => {
            let text = |(row, cell): (usize, &Cell)| match cell {
                Cell::Text(value) => Ok(Some(value.clone())),
                Cell::Null => Ok(None),
                Cell::Bool(_) | Cell::Int(_) | Cell::Float(_) => Err(mixed(row)),
            };
            instants(Values::Text(cells_of.map(text).collect::<Result<_, RequestError>>()?))
        }
        Some(Cell::Bool(_)) => {
            let truth = |(row, cell): (usize, &Cell)| match cell {
                Cell::Bool(value) => Ok(Some(*value)),
                Cell::Null => Ok(None),
                Cell::Text(_) | Cell::Int(_) | Cell::Float(_) => Err(mixed(row)),
            };
            Values::Bool(cells_of.map(truth).collect::<Result<_, RequestError>>()?)
        }
        Some(Cell::Int(_) | Cell::Float(_) | Cell::Null) => {
            let all_whole = cells.iter().all(|cell| *cell == Cell::Null || whole(cell).is_some());
            if all_whole {
                return Ok(Values::Int(cells.iter().map(whole).collect()));
            }
            let number = |(row, cell): (usize, &Cell)| match cell {
                Cell::Int(value) => Ok(*value as f64),
                Cell::Float(value) => Ok(*value),
                Cell::Null => Ok(f64::NAN),
                Cell::Text(_) | Cell::Bool(_) => Err(mixed(row)),
            };
            Values::Number(cells_of.map(number).collect::<Result<_, RequestError>>()?)
        }
    })
}

/// Returns text as instants where all of it is; a day without a time stays text.
fn instants(values: Values) -> Values {
    /// The length of `2013-03-01`.
    const DAY: usize = 10;
    let Values::Text(texts) = &values else { return values };
    let timed = |text: &Option<String>| text.as_ref().is_none_or(|text| text.len() > DAY);
    if !texts.iter().all(timed) || texts.iter().all(Option::is_none) {
        return values;
    }
    match values.times() {
        Some(times) => Values::Time(times.into_owned()),
        None => values,
    }
}

/// Returns the beginning of a value for a message.
fn shown(cell: &Cell) -> String {
    match cell {
        Cell::Null => "missing".to_owned(),
        Cell::Bool(value) => value.to_string(),
        Cell::Int(value) => value.to_string(),
        Cell::Float(value) => value.to_string(),
        Cell::Text(value) => {
            let start: String = value.chars().take(40).collect();
            format!("{start:?}{}", if start.len() < value.len() { "…" } else { "" })
        }
    }
}
