//! Page tokens: the offset, as MLflow writes it.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

use super::error::{Error, Result};

#[derive(Serialize, Deserialize)]
struct Token {
    offset: u64,
}

/// Returns the offset in a token; an empty one is the beginning.
pub(super) fn offset(token: Option<&str>) -> Result<u64> {
    let Some(token) = token.filter(|token| !token.is_empty()) else { return Ok(0) };
    let bytes = STANDARD.decode(token).map_err(|_| Error::invalid("Invalid page token, could not base64-decode"))?;
    let token: Token =
        serde_json::from_slice(&bytes).map_err(|_| Error::invalid("Invalid page token, could not parse offset"))?;
    Ok(token.offset)
}

/// Cuts what was read past a page off, and returns the token of the next page if there is one.
///
/// Searches read one record more than they show.
pub(super) fn cut<T>(items: &mut Vec<T>, offset: u64, size: u32) -> Option<String> {
    let size = size as usize;
    if items.len() <= size {
        return None;
    }
    items.truncate(size);
    let token = Token { offset: offset + size as u64 };
    Some(STANDARD.encode(serde_json::to_vec(&token).expect("a number is JSON")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_go_round() {
        let mut items = vec![1, 2, 3];
        let token = cut(&mut items, 10, 2).unwrap();
        assert_eq!((items.as_slice(), offset(Some(&token)).unwrap()), (&[1, 2][..], 12));
        assert_eq!(cut(&mut items, 12, 2), None);
        assert_eq!(offset(Some("eyJvZmZzZXQiOiAxfQ==")).unwrap(), 1);
        assert!(offset(Some("zzz")).is_err() && offset(Some("e30=")).is_err());
    }
}
