//! The elements of a tensor as bytes: little-endian, text with its length before it in four bytes.

use windlass_data::table::Values;
use windlass_infer::Element;

/// Returns `count` elements, all of them; or what is wrong, as the rest of a sentence.
pub(super) fn decode(element: Element, count: usize, bytes: &[u8]) -> Result<Values, String> {
    if let Some(size) = size(element)
        && count.checked_mul(size) != Some(bytes.len())
    {
        return Err(format!("has {} bytes for {count} elements of {size}", bytes.len()));
    }
    macro_rules! numbers {
        ($type:ty) => {
            bytes.chunks_exact(size_of::<$type>()).map(|it| <$type>::from_le_bytes(it.try_into().unwrap_or_default()))
        };
    }
    Ok(match element {
        Element::Bool => Values::Bool(bytes.iter().map(|byte| Some(*byte != 0)).collect()),
        Element::Int8 => Values::Int(numbers!(i8).map(|it| Some(it.into())).collect()),
        Element::Int16 => Values::Int(numbers!(i16).map(|it| Some(it.into())).collect()),
        Element::Int32 => Values::Int(numbers!(i32).map(|it| Some(it.into())).collect()),
        Element::Int64 => Values::Int(numbers!(i64).map(Some).collect()),
        Element::Uint8 => Values::Int(numbers!(u8).map(|it| Some(it.into())).collect()),
        Element::Uint16 => Values::Int(numbers!(u16).map(|it| Some(it.into())).collect()),
        Element::Uint32 => Values::Int(numbers!(u32).map(|it| Some(it.into())).collect()),
        Element::Uint64 => {
            let whole: Option<Vec<_>> = numbers!(u64).map(|it| i64::try_from(it).ok().map(Some)).collect();
            Values::Int(whole.ok_or("has a number above 2^63")?)
        }
        Element::Float32 => Values::Number(numbers!(f32).map(f64::from).collect()),
        Element::Float64 => Values::Number(numbers!(f64).collect()),
        Element::Text => Values::Text(text(count, bytes)?),
    })
}

/// Returns the size of one element; text has none.
fn size(element: Element) -> Option<usize> {
    match element {
        Element::Bool | Element::Int8 | Element::Uint8 => Some(1),
        Element::Int16 | Element::Uint16 => Some(2),
        Element::Int32 | Element::Uint32 | Element::Float32 => Some(4),
        Element::Int64 | Element::Uint64 | Element::Float64 => Some(8),
        Element::Text => None,
    }
}

fn text(count: usize, mut bytes: &[u8]) -> Result<Vec<Option<String>>, String> {
    let mut texts = Vec::new();
    for at in 0..count {
        let part = bytes.split_first_chunk::<4>().and_then(|(length, rest)| {
            let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
            rest.split_at_checked(length)
        });
        let (part, rest) = part.ok_or_else(|| format!("ends within element {at}"))?;
        let part = std::str::from_utf8(part).map_err(|_| format!("has an element {at} that is not UTF-8"))?;
        texts.push(Some(part.to_owned()));
        bytes = rest;
    }
    if bytes.is_empty() { Ok(texts) } else { Err(format!("has {} bytes too many", bytes.len())) }
}

/// Writes the value of one row. What is missing becomes NaN, 0, false or an empty text.
pub(super) fn encode(out: &mut Vec<u8>, element: Element, values: &Values, row: usize) {
    let whole = |out: &mut Vec<u8>, value: i64| match element {
        Element::Bool => out.push(u8::from(value != 0)),
        Element::Int8 | Element::Uint8 => out.push(value.to_le_bytes()[0]),
        // The lowest bytes of a value in range are the same with and without a sign.
        Element::Int16 | Element::Uint16 => out.extend_from_slice(&value.to_le_bytes()[..2]),
        Element::Int32 | Element::Uint32 => out.extend_from_slice(&value.to_le_bytes()[..4]),
        Element::Int64 | Element::Uint64 | Element::Text => out.extend_from_slice(&value.to_le_bytes()),
        Element::Float32 => out.extend_from_slice(&(value as f32).to_le_bytes()),
        Element::Float64 => out.extend_from_slice(&(value as f64).to_le_bytes()),
    };
    match values {
        Values::Number(values) => match element {
            Element::Float32 => out.extend_from_slice(&(values[row] as f32).to_le_bytes()),
            Element::Float64 => out.extend_from_slice(&values[row].to_le_bytes()),
            _ => whole(out, values[row] as i64),
        },
        Values::Int(values) | Values::Time(values) => match (element, values[row]) {
            (Element::Float32, None) => out.extend_from_slice(&f32::NAN.to_le_bytes()),
            (Element::Float64, None) => out.extend_from_slice(&f64::NAN.to_le_bytes()),
            (_, value) => whole(out, value.unwrap_or_default()),
        },
        Values::Bool(values) => whole(out, values[row].unwrap_or_default().into()),
        Values::Text(values) => {
            let text = values[row].as_deref().unwrap_or_default();
            // Bodies are far smaller than 4 GiB.
            out.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
            out.extend_from_slice(text.as_bytes());
        }
    }
}
