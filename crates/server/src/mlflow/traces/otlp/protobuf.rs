//! Protocol buffers, read from untrusted bytes without a copy.
//!
//! Fields are handed out one by one as slices of the body, so that nothing is reserved for what the bytes only claim.
//! The wire format: <https://protobuf.dev/programming-guides/encoding/>.

/// The bytes are no protocol buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bytes are no protocol buffer of the kind that is expected here")]
pub(in super::super) struct Malformed;

/// The value of a field, as the wire tells it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in super::super) enum Value<'a> {
    /// A number of variable length: integers, booleans, enumerations.
    Varint(u64),
    /// Eight bytes: fixed integers and doubles.
    Fixed64(u64),
    /// Bytes: texts, messages.
    Bytes(&'a [u8]),
    /// Four bytes.
    Fixed32(u32),
}

impl<'a> Value<'a> {
    pub(in super::super) fn bytes(self) -> Result<&'a [u8], Malformed> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            Self::Varint(_) | Self::Fixed64(_) | Self::Fixed32(_) => Err(Malformed),
        }
    }

    pub(in super::super) fn text(self) -> Result<String, Malformed> {
        String::from_utf8(self.bytes()?.to_vec()).map_err(|_| Malformed)
    }

    pub(in super::super) fn varint(self) -> Result<u64, Malformed> {
        match self {
            Self::Varint(value) => Ok(value),
            Self::Fixed64(_) | Self::Bytes(_) | Self::Fixed32(_) => Err(Malformed),
        }
    }

    pub(in super::super) fn fixed64(self) -> Result<u64, Malformed> {
        match self {
            Self::Fixed64(value) => Ok(value),
            Self::Varint(_) | Self::Bytes(_) | Self::Fixed32(_) => Err(Malformed),
        }
    }
}

/// The fields of a message: number and value, in their order. Ends after the first mistake.
pub(in super::super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(in super::super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.rest.split_first().ok_or(Malformed)?;
            self.rest = rest;
            let bits = u64::from(byte & 0x7f);
            // The tenth byte has room for one bit.
            if shift == 63 && bits > 1 {
                return Err(Malformed);
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Malformed)
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], Malformed> {
        let length = usize::try_from(length).map_err(|_| Malformed)?;
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Malformed)?;
        self.rest = rest;
        Ok(taken)
    }

    fn field(&mut self) -> Result<(u64, Value<'a>), Malformed> {
        let tag = self.varint()?;
        let number = tag >> 3;
        if number == 0 || number >= 1 << 29 {
            return Err(Malformed);
        }
        let value = match tag & 7 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(u64::from_le_bytes(self.take(8)?.try_into().map_err(|_| Malformed)?)),
            2 => {
                let length = self.varint()?;
                Value::Bytes(self.take(length)?)
            }
            5 => Value::Fixed32(u32::from_le_bytes(self.take(4)?.try_into().map_err(|_| Malformed)?)),
            // Groups (3, 4) went out of use before this protocol began.
            _ => return Err(Malformed),
        };
        Ok((number, value))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Value<'a>), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Vec<(u64, Value<'_>)>, Malformed> {
        Fields::new(bytes).collect()
    }

    #[test]
    fn fields_come_with_number_and_value() {
        assert_eq!(read(&[]), Ok(vec![]));
        assert_eq!(read(&[0x08, 0x96, 0x01]), Ok(vec![(1, Value::Varint(150))]));
        assert_eq!(read(&[0x12, 2, b'h', b'i']), Ok(vec![(2, Value::Bytes(b"hi"))]));
        assert_eq!(read(&[0x09, 1, 0, 0, 0, 0, 0, 0, 0]), Ok(vec![(1, Value::Fixed64(1))]));
        assert_eq!(read(&[0x0d, 1, 0, 0, 0]), Ok(vec![(1, Value::Fixed32(1))]));
        let most = [0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert_eq!(read(&most), Ok(vec![(1, Value::Varint(u64::MAX))]));
    }

    #[test]
    fn rubbish_is_refused() {
        for bytes in [
            &[0x08][..],
            &[0x00, 1],
            &[0x0b],
            &[0x0c],
            &[0x0e],
            &[0x12, 5, b'h'],
            &[0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
            &[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02],
            &[0x80; 20],
            &[0x09, 1, 2],
            &[0x0d, 1],
        ] {
            assert_eq!(read(bytes), Err(Malformed), "{bytes:?}");
        }
    }
}
