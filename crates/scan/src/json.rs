//! The shape of JSON, looked at before anything parses it.
//!
//! Parsers recurse and copy; this walk does neither. It is no validator: what it lets through may still not be JSON,
//! but it is neither too long nor nested too deep, in one pass without allocation.

/// Why a document is refused before it is parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JsonShapeError {
    /// It is longer than the cap.
    #[error("{length} bytes of JSON; at most {cap} are read")]
    TooLong {
        /// Its length in bytes.
        length: usize,
        /// The most bytes allowed.
        cap: usize,
    },
    /// It is nested deeper than the cap.
    #[error("JSON nested deeper than {cap} levels, at byte {at}")]
    TooDeep {
        /// The most levels allowed.
        cap: usize,
        /// The offset of the bracket that goes too deep, from 0.
        at: usize,
    },
}

/// Checks that `bytes` has at most `length_cap` bytes and its arrays and objects nest at most `depth_cap` levels.
pub fn check_json(bytes: &[u8], depth_cap: usize, length_cap: usize) -> Result<(), JsonShapeError> {
    if bytes.len() > length_cap {
        return Err(JsonShapeError::TooLong { length: bytes.len(), cap: length_cap });
    }
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for (at, byte) in bytes.iter().enumerate() {
        if in_text {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_text = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_text = true,
            b'[' | b'{' => {
                depth += 1;
                if depth > depth_cap {
                    return Err(JsonShapeError::TooDeep { cap: depth_cap, at });
                }
            }
            // A stray closing bracket is the parser's to report.
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_counts_brackets_outside_of_text() {
        let deep = "[".repeat(10_000);
        for (text, expected) in [
            ("", Ok(())),
            ("1", Ok(())),
            ("[[1]]", Ok(())),
            (r#"{"a":[1]}"#, Ok(())),
            (r#"{"a":[{"b":1}]}"#, Err(JsonShapeError::TooDeep { cap: 2, at: 6 })),
            (r#"["[[[[", "{{{{"]"#, Ok(())),
            (r#"["\"[[[["]"#, Ok(())),
            (r#"["\\",[[1]]]"#, Err(JsonShapeError::TooDeep { cap: 2, at: 7 })),
            ("]]]][[", Ok(())),
            ("[],[],[],[[]]", Ok(())),
            (deep.as_str(), Err(JsonShapeError::TooDeep { cap: 2, at: 2 })),
        ] {
            assert_eq!(check_json(text.as_bytes(), 2, 20_000), expected, "{text:.40}");
        }
        assert_eq!(check_json(b"[1]", 2, 2), Err(JsonShapeError::TooLong { length: 3, cap: 2 }));
        assert_eq!(check_json(&[0xff, b'"', b'\\'], 0, 9), Ok(()));
    }
}
