//! Which files beside it an ONNX model takes its weights from, found before any runtime opens them.
//!
//! A tensor of an ONNX file may lie in another file, named by a path in the model; a runtime that follows such a path
//! reads whatever it names. This reader walks the protobuf structure and collects those paths. It descends only where
//! tensors can be, skips weights without reading them, and works in bounded memory whatever the bytes claim. Field
//! numbers: onnx/onnx.proto of ONNX 1.19 (<https://github.com/onnx/onnx/blob/v1.19.0/onnx/onnx.proto>); the encoding:
//! <https://protobuf.dev/programming-guides/encoding/>.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, BufReader, ErrorKind, Read, Seek},
    path::Path,
};

use windlass_scan::check_relative_path;

use crate::InferError;

/// The deepest nesting of messages that is followed; each subgraph takes three levels.
const DEPTH_MAX: usize = 100;

/// The longest name of a file that is read.
const LOCATION_MAX: u64 = 4096;

/// The most files that weights may lie in.
const LOCATIONS_MAX: usize = 10_000;

/// Checks that `model` is built as ONNX files are and takes weights only from files in its own folder, and returns how
/// many bytes it and they have together.
///
/// # Errors
/// [`InferError::Corrupt`] for what is no ONNX file, [`InferError::ExternalData`] for a path that is absolute, leaves
/// the folder, by a link too, or names nothing.
pub fn check(model: &Path) -> Result<u64, InferError> {
    let read = |source| InferError::Read { path: model.to_owned(), source };
    let file = File::open(model).map_err(read)?;
    let length = file.metadata().map_err(read)?.len();
    let locations = locations(BufReader::new(file), length).map_err(|error| match error.kind() {
        ErrorKind::InvalidData | ErrorKind::UnexpectedEof => InferError::Corrupt { reason: error.to_string() },
        _ => read(error),
    })?;
    let folder = model.parent().unwrap_or(Path::new(""));
    let mut size = length;
    for location in locations {
        if let Some(problem) = problem_of(folder, &location) {
            let location = location.chars().take(120).flat_map(char::escape_debug).collect();
            return Err(InferError::ExternalData { location, problem });
        }
        size = size.saturating_add(fs::metadata(folder.join(&location)).map_err(read)?.len());
    }
    Ok(size)
}

/// Returns what is wrong with a file of weights, if anything.
fn problem_of(folder: &Path, location: &str) -> Option<&'static str> {
    // `./weights.bin` is what some exporters write.
    let plain = location.strip_prefix("./").unwrap_or(location);
    if check_relative_path(plain).is_err() {
        return Some("is outside the model's own folder");
    }
    let (Ok(folder), Ok(file)) = (fs::canonicalize(folder), fs::canonicalize(folder.join(plain))) else {
        return Some("is not there");
    };
    if !file.starts_with(folder) {
        return Some("is a link that leaves the model's own folder");
    }
    (!file.is_file()).then_some("is not a file")
}

/// The messages that can hold a tensor, and the tensor itself.
#[derive(Clone, Copy)]
enum Message {
    Model,
    Graph,
    Node,
    Attribute,
    Function,
    Training,
    Sparse,
    Tensor,
    Entry,
}

impl Message {
    /// Returns what a field of this message is, where it leads to a tensor.
    fn field(self, number: u64) -> Option<Message> {
        match (self, number) {
            (Self::Model, 7) | (Self::Attribute, 6 | 11) | (Self::Training, 1 | 2) => Some(Self::Graph),
            (Self::Model, 20) => Some(Self::Training),
            (Self::Model, 25) => Some(Self::Function),
            (Self::Graph, 1) | (Self::Function, 7) => Some(Self::Node),
            (Self::Graph, 5) | (Self::Attribute, 5 | 10) | (Self::Sparse, 1 | 2) => Some(Self::Tensor),
            (Self::Graph, 15) | (Self::Attribute, 22 | 23) => Some(Self::Sparse),
            (Self::Node, 5) | (Self::Function, 11) => Some(Self::Attribute),
            (Self::Tensor, 13) => Some(Self::Entry),
            _ => None,
        }
    }
}

/// Returns the files that the tensors of a model name.
fn locations(source: impl Read + Seek, length: u64) -> io::Result<BTreeSet<String>> {
    let mut walk = Walk { source: BufReader::new(source), at: 0, locations: BTreeSet::new(), graphs: 0 };
    walk.message(Message::Model, length, 0)?;
    if walk.graphs == 0 {
        return Err(corrupt("it holds no graph"));
    }
    Ok(walk.locations)
}

fn corrupt(reason: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, reason.to_owned())
}

struct Walk<R> {
    source: BufReader<R>,
    /// How many bytes are behind.
    at: u64,
    locations: BTreeSet<String>,
    graphs: usize,
}

impl<R: Read + Seek> Walk<R> {
    /// Reads one message that ends at `end`.
    fn message(&mut self, message: Message, end: u64, depth: usize) -> io::Result<()> {
        if depth > DEPTH_MAX {
            return Err(corrupt("its graphs are nested too deep"));
        }
        if matches!(message, Message::Graph) {
            self.graphs += 1;
        }
        let (mut key, mut value) = (None, None);
        while self.at < end {
            let tag = self.varint(end)?;
            match tag & 7 {
                0 => {
                    self.varint(end)?;
                }
                1 => self.skip(8, end)?,
                2 => {
                    let length = self.varint(end)?;
                    let stop = self.at.checked_add(length).filter(|stop| *stop <= end);
                    let stop = stop.ok_or_else(|| corrupt("a field is longer than what holds it"))?;
                    match (message, tag >> 3, message.field(tag >> 3)) {
                        (Message::Entry, 1, _) => key = Some(self.text(length)?),
                        (Message::Entry, 2, _) => value = Some(self.text(length)?),
                        (_, _, Some(inner)) => self.message(inner, stop, depth + 1)?,
                        (_, _, None) => self.skip(length, end)?,
                    }
                }
                5 => self.skip(4, end)?,
                _ => return Err(corrupt("it is no protobuf message")),
            }
        }
        if key.as_deref() == Some("location") {
            self.locations.insert(value.unwrap_or_default());
            if self.locations.len() > LOCATIONS_MAX {
                return Err(corrupt("its weights lie in too many files"));
            }
        }
        Ok(())
    }

    fn varint(&mut self, end: u64) -> io::Result<u64> {
        let mut value = 0_u64;
        for shift in (0..70).step_by(7) {
            if self.at >= end {
                return Err(corrupt("a number runs over the end of what holds it"));
            }
            let mut byte = [0];
            self.source.read_exact(&mut byte)?;
            self.at += 1;
            value |= u64::from(byte[0] & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte[0] & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(corrupt("a number is longer than 64 bits"))
    }

    fn text(&mut self, length: u64) -> io::Result<String> {
        if length > LOCATION_MAX {
            return Err(corrupt("a name of a file is longer than 4096 bytes"));
        }
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        self.source.read_exact(&mut bytes)?;
        self.at += length;
        String::from_utf8(bytes).map_err(|_| corrupt("a name of a file is not UTF-8"))
    }

    fn skip(&mut self, length: u64, end: u64) -> io::Result<()> {
        let stop = self.at.checked_add(length).filter(|stop| *stop <= end);
        let stop = stop.ok_or_else(|| corrupt("a field is longer than what holds it"))?;
        self.source.seek_relative(i64::try_from(length).map_err(|_| corrupt("a field is too long"))?)?;
        self.at = stop;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    /// Returns a field that holds bytes.
    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        let mut out = vec![(number & 0xf) << 3 | 2];
        if number > 15 {
            out[0] |= 0x80;
            out.push(number >> 4);
        }
        let mut length = bytes.len();
        while length > 127 {
            out.push((length & 0x7f) as u8 | 0x80);
            length >>= 7;
        }
        out.push(length as u8);
        out.extend(bytes);
        out
    }

    /// Returns a tensor whose data lies in a file.
    fn tensor(location: &str) -> Vec<u8> {
        let entry =
            |key: &str, value: &str| field(13, &[field(1, key.as_bytes()), field(2, value.as_bytes())].concat());
        [field(8, b"weights"), entry("offset", "0"), entry("location", location), vec![14 << 3, 1]].concat()
    }

    fn nested(numbers: &[u8], tensor: Vec<u8>) -> Vec<u8> {
        numbers.iter().rev().fold(tensor, |inner, number| field(*number, &inner))
    }

    fn found(bytes: &[u8]) -> Result<Vec<String>, String> {
        let found = locations(Cursor::new(bytes), bytes.len() as u64);
        found.map(|it| it.into_iter().collect()).map_err(|it| it.to_string())
    }

    #[test]
    fn tensors_are_found_wherever_they_may_be() {
        for path in [
            &[7_u8, 5][..],
            &[7, 1, 5, 5],
            &[7, 1, 5, 10],
            &[7, 15, 1],
            &[7, 15, 2],
            &[7, 1, 5, 22, 1],
            &[7, 1, 5, 23, 2],
            &[7, 1, 5, 6, 5],
            &[7, 1, 5, 11, 1, 5, 5],
            &[20, 1, 5],
            &[20, 2, 5],
        ] {
            let bytes = nested(path, tensor("w.bin"));
            assert_eq!(found(&bytes), Ok(vec!["w.bin".to_owned()]), "{path:?}");
        }
        for function in [&[25_u8, 7, 5, 5][..], &[25, 11, 5]] {
            let bytes = [field(7, b""), nested(function, tensor("w.bin"))].concat();
            assert_eq!(found(&bytes), Ok(vec!["w.bin".to_owned()]), "{function:?}");
        }
        let elsewhere = nested(&[7, 5], [field(9, &tensor("raw")), field(8, &tensor("name"))].concat());
        assert_eq!(found(&elsewhere), Ok(Vec::new()));
    }

    #[test]
    fn broken_bytes_are_refused() {
        let deep = (0..200).fold(Vec::new(), |inner, _| nested(&[1, 5, 6], inner));
        let whole = nested(&[7, 5], tensor("w.bin"));
        for (bytes, reason) in [
            (Vec::new(), "it holds no graph"),
            (b"\x08\x01".to_vec(), "it holds no graph"),
            (whole[..whole.len() - 1].to_vec(), "a field is longer than what holds it"),
            (b"\x3a\x03\x2a\x05\x00".to_vec(), "a field is longer than what holds it"),
            (b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01".to_vec(), "a field is longer than what holds it"),
            (b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01".to_vec(), "a number is longer than 64 bits"),
            (b"\x3b".to_vec(), "it is no protobuf message"),
            (b"not a model".to_vec(), "it is no protobuf message"),
            (field(7, &deep), "its graphs are nested too deep"),
            (nested(&[7, 5], tensor(&"x".repeat(5000))), "a name of a file is longer than 4096 bytes"),
        ] {
            assert_eq!(found(&bytes), Err(reason.to_owned()), "{bytes:.20?}");
        }
    }

    #[test]
    fn files_outside_the_folder_are_refused() {
        let outer = tempfile::tempdir().unwrap();
        fs::write(outer.path().join("secret"), "x").unwrap();
        let folder = outer.path().join("model");
        fs::create_dir_all(folder.join("data")).unwrap();
        fs::write(folder.join("data/w.bin"), "x").unwrap();
        std::os::unix::fs::symlink("../secret", folder.join("link")).unwrap();
        std::os::unix::fs::symlink("data/w.bin", folder.join("inner")).unwrap();
        for (location, problem) in [
            ("data/w.bin", None),
            ("./data/w.bin", None),
            ("inner", None),
            ("../secret", Some("is outside the model's own folder")),
            ("/etc/passwd", Some("is outside the model's own folder")),
            ("data/../../secret", Some("is outside the model's own folder")),
            ("", Some("is outside the model's own folder")),
            ("link", Some("is a link that leaves the model's own folder")),
            ("absent", Some("is not there")),
            ("data", Some("is not a file")),
        ] {
            let model = folder.join("model.onnx");
            fs::write(&model, nested(&[7, 5], tensor(location))).unwrap();
            match (check(&model), problem) {
                (Ok(size), None) => assert_eq!(size, fs::metadata(&model).unwrap().len() + 1),
                (Err(InferError::ExternalData { problem: given, .. }), Some(problem)) => assert_eq!(given, problem),
                (other, _) => panic!("{location}: {other:?}"),
            }
        }
    }
}
