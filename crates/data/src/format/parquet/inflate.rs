//! Decompression of pages into exactly the bytes that their header promises, and never more.

use std::io::Read;

use parquet::basic::Compression;

/// Returns the `size` bytes that `input` decompresses to, or what is wrong with it.
///
/// `size` must be checked by the caller; it is what is allocated.
pub(super) fn inflate(codec: Compression, input: &[u8], size: usize) -> Result<Vec<u8>, String> {
    let mut output = vec![0; size];
    let written = match codec {
        Compression::UNCOMPRESSED => {
            if input.len() == size {
                output.copy_from_slice(input);
            }
            input.len()
        }
        Compression::SNAPPY => {
            let mut decoder = snap::raw::Decoder::new();
            decoder.decompress(input, &mut output).map_err(|error| format!("Snappy: {error}"))?
        }
        Compression::ZSTD(_) => {
            zstd::bulk::decompress_to_buffer(input, &mut output).map_err(|error| format!("Zstandard: {error}"))?
        }
        Compression::LZ4_RAW => {
            lz4_flex::block::decompress_into(input, &mut output).map_err(|error| format!("LZ4: {error}"))?
        }
        Compression::LZ4 => lz4(input, &mut output)?,
        Compression::GZIP(_) => {
            let mut decoder = flate2::read::MultiGzDecoder::new(input);
            decoder.read_exact(&mut output).map_err(|error| format!("gzip: {error}"))?;
            match decoder.read(&mut [0]) {
                Ok(0) => size,
                Ok(_) => size + 1,
                Err(error) => return Err(format!("gzip: {error}")),
            }
        }
        Compression::BROTLI(_) => return Err("Brotli compression is not read here; write zstd or snappy".to_owned()),
        Compression::LZO => return Err("LZO compression is not read here; write zstd or snappy".to_owned()),
    };
    if written != size {
        let than = if written < size { "fewer" } else { "more" };
        return Err(format!("decompresses to {than} bytes than the {size} its header promises"));
    }
    Ok(output)
}

/// The deprecated LZ4 of Hadoop: blocks, each after its two lengths (big-endian). Some writers left the lengths out.
fn lz4(mut input: &[u8], output: &mut [u8]) -> Result<usize, String> {
    let whole = input;
    let mut written = 0;
    while let Some((lengths, rest)) = input.split_first_chunk::<8>() {
        let [a, b, c, d, e, f, g, h] = *lengths;
        let uncompressed = u32::from_be_bytes([a, b, c, d]) as usize;
        let compressed = u32::from_be_bytes([e, f, g, h]) as usize;
        let (Some(block), Some(room)) =
            (rest.get(..compressed), output.get_mut(written..).and_then(|room| room.get_mut(..uncompressed)))
        else {
            break;
        };
        match lz4_flex::block::decompress_into(block, room) {
            Ok(length) if length == uncompressed => written += length,
            Ok(_) | Err(_) => break,
        }
        input = &rest[compressed..];
    }
    if input.is_empty() && written == output.len() {
        return Ok(written);
    }
    lz4_flex::block::decompress_into(whole, output).map_err(|error| format!("LZ4: {error}"))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn compressed(codec: Compression, bytes: &[u8]) -> Vec<u8> {
        match codec {
            Compression::UNCOMPRESSED => bytes.to_vec(),
            Compression::SNAPPY => snap::raw::Encoder::new().compress_vec(bytes).unwrap(),
            Compression::ZSTD(_) => zstd::bulk::compress(bytes, 1).unwrap(),
            Compression::LZ4_RAW => lz4_flex::block::compress(bytes),
            Compression::LZ4 => {
                let block = lz4_flex::block::compress(bytes);
                let mut out = u32::try_from(bytes.len()).unwrap().to_be_bytes().to_vec();
                out.extend(u32::try_from(block.len()).unwrap().to_be_bytes());
                out.extend(block);
                out
            }
            Compression::GZIP(_) => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
            Compression::BROTLI(_) | Compression::LZO => Vec::new(),
        }
    }

    #[test]
    fn each_codec_gives_what_was_promised_and_no_more() {
        let bytes = b"to and fro and to and fro and to and fro".repeat(50);
        for codec in [
            Compression::UNCOMPRESSED,
            Compression::SNAPPY,
            Compression::ZSTD(Default::default()),
            Compression::LZ4_RAW,
            Compression::LZ4,
            Compression::GZIP(Default::default()),
        ] {
            let input = compressed(codec, &bytes);
            assert_eq!(inflate(codec, &input, bytes.len()).unwrap(), bytes, "{codec:?}");
            for size in [0, 1, bytes.len() - 1, bytes.len() + 1] {
                assert!(inflate(codec, &input, size).is_err(), "{codec:?} {size}");
            }
            assert!(inflate(codec, &input[..input.len() / 2], bytes.len()).is_err(), "{codec:?}");
        }
        let bare = lz4_flex::block::compress(&bytes);
        assert_eq!(inflate(Compression::LZ4, &bare, bytes.len()).unwrap(), bytes);
        assert!(inflate(Compression::LZO, &bare, 5).unwrap_err().starts_with("LZO"));
    }
}
