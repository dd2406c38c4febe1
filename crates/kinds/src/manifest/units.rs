//! Amounts of memory and processors, as Kubernetes writes them.
//!
//! Suffixes follow "Resource units in Kubernetes": `Ki Mi Gi Ti Pi` are powers of 1024, `k K M G T P` powers of 1000.
//! What Kubernetes accepts and nobody means (`512m` is half a byte) is refused.

/// The suffixes and their sizes, the powers of 1024 first.
const SUFFIXES: &[(&str, u64)] = &[
    ("Pi", 1 << 50),
    ("Ti", 1 << 40),
    ("Gi", 1 << 30),
    ("Mi", 1 << 20),
    ("Ki", 1 << 10),
    ("P", 1_000_000_000_000_000),
    ("T", 1_000_000_000_000),
    ("G", 1_000_000_000),
    ("M", 1_000_000),
    ("K", 1_000),
    ("k", 1_000),
];

/// Reads an amount of memory in bytes: `2Gi`, `1.5G`, `1048576`.
///
/// # Errors
/// What is wrong, and what would be right.
pub(super) fn memory(text: &str) -> Result<u64, (String, String)> {
    amount(text, "memory")
}

/// Reads an amount of something that is counted in bytes.
///
/// # Errors
/// What is wrong, and what would be right.
pub(super) fn amount(text: &str, of: &str) -> Result<u64, (String, String)> {
    let shown = super::show(text);
    let usual = || (format!("`{shown}` is not an amount of {of}"), "write 512Mi, 16Gi, or bytes".to_owned());
    let digits = text.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
    let (amount, suffix) = text.split_at(digits);
    let Some((thousandths, exact)) = decimal(amount) else { return Err(usual()) };
    let size = match suffix {
        "" => 1,
        _ => match SUFFIXES.iter().find(|(known, _)| *known == suffix) {
            Some((_, size)) => *size,
            None => return Err(unknown_suffix(amount, suffix, of).unwrap_or_else(usual)),
        },
    };
    let bytes = thousandths * u128::from(size);
    if !exact || !bytes.is_multiple_of(1000) {
        return Err((format!("`{shown}` is not a whole number of bytes"), "use a smaller unit".to_owned()));
    }
    match u64::try_from(bytes / 1000) {
        Ok(0) => Err((format!("`{shown}` is no {of} at all"), "leave the field out for no limit".to_owned())),
        Ok(bytes) if i64::try_from(bytes).is_ok() => Ok(bytes),
        Ok(_) | Err(_) => Err((format!("`{shown}` is more {of} than there is"), "write 512Mi or 16Gi".to_owned())),
    }
}

/// Explains suffixes that are nearly right.
fn unknown_suffix(amount: &str, suffix: &str, of: &str) -> Option<(String, String)> {
    let upper = suffix.to_ascii_uppercase();
    let letter = upper.chars().next().filter(|letter| "KMGTP".contains(*letter))?;
    if suffix == "m" {
        let message = format!("`{amount}m` would be thousandths of a byte");
        return Some((message, format!("write {amount}Mi or {amount}M")));
    }
    let nearly = matches!(&upper[1..], "" | "B" | "I" | "IB");
    nearly.then(|| {
        let message = format!("`{suffix}` is not a unit of {of}");
        (message, format!("write {amount}{letter}i for powers of 1024, or {amount}{letter} for powers of 1000"))
    })
}

/// Reads an unsigned decimal as thousandths; tells whether three places hold it.
fn decimal(text: &str) -> Option<(u128, bool)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if whole.is_empty() || fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let fraction = fraction.trim_end_matches('0');
    let exact = fraction.len() <= 3;
    let places: u128 = format!("{:0<3}", &fraction[..fraction.len().min(3)]).parse().ok()?;
    Some((u128::from(whole.parse::<u64>().ok()?) * 1000 + places, exact))
}

/// Writes an amount of bytes with the largest suffix that is exact; reads back to the same.
pub(super) fn write_bytes(bytes: u64) -> String {
    let fits =
        SUFFIXES.iter().filter(|(_, size)| bytes >= *size && bytes.is_multiple_of(*size)).max_by_key(|(_, size)| *size);
    match fits {
        Some((suffix, size)) => format!("{}{suffix}", bytes / size),
        None => bytes.to_string(),
    }
}

/// Reads thousandths of a processor: `500m` is 0.5.
pub(super) fn millis_of_cpu(text: &str) -> Option<f64> {
    let digits = text.strip_suffix('m')?;
    digits.parse::<u32>().ok().map(|millis| f64::from(millis) / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_reads_and_writes() {
        for (text, bytes, written) in [
            ("2Gi", 2 << 30, "2Gi"),
            ("1.5Gi", 3 << 29, "1536Mi"),
            ("16G", 16_000_000_000, "16G"),
            ("500k", 500_000, "500k"),
            ("1024", 1024, "1Ki"),
            ("7", 7, "7"),
        ] {
            assert_eq!(memory(text), Ok(bytes), "{text}");
            assert_eq!(write_bytes(bytes), written);
            assert_eq!(memory(written), Ok(bytes));
        }
    }

    #[test]
    fn unit_traps_are_explained() {
        for (text, message, hint) in [
            ("16GB", "`GB` is not a unit of memory", "write 16Gi for powers of 1024, or 16G for powers of 1000"),
            ("16gb", "`gb` is not a unit of memory", "write 16Gi for powers of 1024, or 16G for powers of 1000"),
            ("16GiB", "`GiB` is not a unit of memory", "write 16Gi for powers of 1024, or 16G for powers of 1000"),
            ("512m", "`512m` would be thousandths of a byte", "write 512Mi or 512M"),
            ("1.0005K", "`1.0005K` is not a whole number of bytes", "use a smaller unit"),
            ("0Gi", "`0Gi` is no memory at all", "leave the field out for no limit"),
            ("much", "`much` is not an amount of memory", "write 512Mi, 16Gi, or bytes"),
            ("-1Gi", "`-1Gi` is not an amount of memory", "write 512Mi, 16Gi, or bytes"),
            ("99999999Pi", "`99999999Pi` is more memory than there is", "write 512Mi or 16Gi"),
        ] {
            assert_eq!(memory(text), Err((message.to_owned(), hint.to_owned())), "{text}");
        }
    }
}
