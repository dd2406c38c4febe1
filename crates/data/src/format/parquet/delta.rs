//! Looks at delta-encoded pages before they are decoded.
//!
//! Their decoders reserve as many values as the page's first bytes claim. Here the claim is compared with the number of
//! values that the page header gives, by walking over the blocks without decoding them (`Encodings.md`,
//! "Delta Encoding").

use parquet::basic::Encoding;

/// The most values in a block; writers use 128 or 256.
const BLOCK_MAX: u64 = 1 << 20;

/// Checks the `values` bytes of a page that holds at most `count` values; other encodings pass.
pub(super) fn check(encoding: Encoding, values: &[u8], count: u32) -> Result<(), String> {
    match encoding {
        // A page of nulls may have no bytes at all.
        _ if values.is_empty() => Ok(()),
        Encoding::DELTA_BINARY_PACKED => header(values, count).map(drop),
        Encoding::DELTA_LENGTH_BYTE_ARRAY => header(values, count).map(drop),
        Encoding::DELTA_BYTE_ARRAY => {
            let prefixes = walk(values, count)?;
            header(&values[prefixes..], count).map(drop)
        }
        _ => Ok(()),
    }
}

struct Header {
    per_miniblock: usize,
    miniblocks: usize,
    total: usize,
    length: usize,
}

fn header(bytes: &[u8], count: u32) -> Result<Header, String> {
    let mut at = 0;
    let block = number(bytes, &mut at)?;
    let miniblocks = number(bytes, &mut at)?;
    let total = number(bytes, &mut at)?;
    number(bytes, &mut at)?;
    if total > u64::from(count) {
        return Err(format!("a delta block claims {total} values in a page of {count}"));
    }
    if block == 0
        || block > BLOCK_MAX
        || miniblocks == 0
        || block % miniblocks != 0
        || !(block / miniblocks).is_multiple_of(32)
    {
        return Err(format!("delta blocks of {block} values in {miniblocks} parts"));
    }
    // All three fit by the checks above.
    Ok(Header {
        per_miniblock: (block / miniblocks) as usize,
        miniblocks: miniblocks as usize,
        total: total as usize,
        length: at,
    })
}

/// Returns the length in bytes of the delta-encoded integers at the start of `bytes`.
fn walk(bytes: &[u8], count: u32) -> Result<usize, String> {
    let Header { per_miniblock, miniblocks, total, length: mut at } = header(bytes, count)?;
    let mut left = total.saturating_sub(1);
    while left > 0 {
        number(bytes, &mut at)?;
        let widths = bytes.get(at..at + miniblocks).ok_or_else(cut_short)?;
        at += miniblocks;
        for width in widths {
            if left == 0 {
                break;
            }
            at += usize::from(*width) * per_miniblock / 8;
            left = left.saturating_sub(per_miniblock);
        }
    }
    if at > bytes.len() { Err(cut_short()) } else { Ok(at) }
}

fn number(bytes: &[u8], at: &mut usize) -> Result<u64, String> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.get(*at).ok_or_else(cut_short)?;
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err("a delta block with a number longer than ten bytes".to_owned())
}

fn cut_short() -> String {
    "a delta block that ends too early".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_beyond_the_page_are_refused() {
        let good = [0x80, 0x01, 0x04, 0x01, 0x02];
        let many = [0x80, 0x01, 0x04, 0xff, 0xff, 0xff, 0xff, 0x7f, 0x02];
        for (encoding, bytes, expected) in [
            (Encoding::DELTA_BINARY_PACKED, &good[..], true),
            (Encoding::DELTA_BINARY_PACKED, &many, false),
            (Encoding::DELTA_LENGTH_BYTE_ARRAY, &many, false),
            (Encoding::DELTA_BYTE_ARRAY, &[&good[..], &good].concat(), true),
            (Encoding::DELTA_BYTE_ARRAY, &[&good[..], &many].concat(), false),
            (Encoding::DELTA_BYTE_ARRAY, &good, false),
            (Encoding::PLAIN, &many, true),
            (Encoding::DELTA_BINARY_PACKED, &[0x80], false),
            (Encoding::DELTA_BINARY_PACKED, &[], true),
        ] {
            assert_eq!(check(encoding, bytes, 5).is_ok(), expected, "{encoding} {bytes:?}");
        }
    }
}
