//! Readers that stop at a cap, so that no sender decides how much memory or disk we spend.

use std::io::{self, Read};

/// Why a capped reader stopped: the source holds more bytes than it may.
///
/// It arrives inside an [`io::Error`] of kind [`io::ErrorKind::FileTooLarge`]; `io::Error::get_ref` finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more than {cap} bytes, the most that is read here")]
pub struct TooLong {
    /// The most bytes that were allowed.
    pub cap: u64,
}

/// A reader that gives at most `cap` bytes and then an error, never a silent end.
///
/// A source of exactly `cap` bytes is read whole. The error repeats on every later read.
#[derive(Debug)]
pub struct CappedReader<R> {
    inner: R,
    cap: u64,
    left: u64,
}

impl<R: Read> CappedReader<R> {
    /// Wraps `inner` so that it gives at most `cap` bytes.
    pub fn new(inner: R, cap: u64) -> Self {
        Self { inner, cap, left: cap }
    }

    /// Returns how many bytes were read so far.
    pub fn position(&self) -> u64 {
        self.cap - self.left
    }

    /// Returns the wrapped reader.
    pub fn into_inner(self) -> R {
        self.inner
    }
}

impl<R: Read> Read for CappedReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        if self.left == 0 {
            // Only a byte more tells "exactly full" from "too long".
            return match self.inner.read(&mut [0])? {
                0 => Ok(0),
                _ => Err(io::Error::new(io::ErrorKind::FileTooLarge, TooLong { cap: self.cap })),
            };
        }
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.inner.read(&mut buffer[..most])?;
        self.left -= read as u64;
        Ok(read)
    }
}

/// Reads `source` to its end into memory, or refuses with [`TooLong`] once it gives more than `cap` bytes.
///
/// Memory grows with what really arrives, not with the cap.
pub fn read_capped(source: impl Read, cap: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    CappedReader::new(source, cap).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stops_at_the_cap_and_names_it() {
        for (length, cap, fits) in [(0, 0, true), (1, 0, false), (5, 5, true), (6, 5, false), (70_000, 69_999, false)] {
            let source = vec![7_u8; length];
            let result = read_capped(source.as_slice(), cap);
            match result {
                Ok(bytes) => assert!(fits && bytes == source, "{length} of {cap}"),
                Err(error) => {
                    assert!(!fits, "{length} of {cap}");
                    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<TooLong>());
                    assert_eq!(inner, Some(&TooLong { cap }));
                }
            }
        }
    }

    #[test]
    fn the_error_repeats() {
        let mut reader = CappedReader::new([1_u8; 10].as_slice(), 4);
        let mut buffer = [0; 8];
        assert_eq!(reader.read(&mut buffer).unwrap(), 4);
        assert_eq!(reader.position(), 4);
        assert!(reader.read(&mut buffer).is_err());
        assert!(reader.read(&mut buffer).is_err());
        assert_eq!(reader.read(&mut []).unwrap(), 0);
    }
}
