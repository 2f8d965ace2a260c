//! Streams that count and hash what goes through them, and that don't let through more than was announced.

use std::io::{self, BufReader, Read, Write};

use sha2::{Digest as _, Sha256};

/// How far back compressed data may refer, as a power of two: 8 MiB, what every reader of zstd must be able to keep.
pub const WINDOW_LOG: u32 = 23;
/// How much is read at a time.
pub const CHUNK: usize = 128 * 1024;
/// The compression: zstd's own default.
const LEVEL: i32 = 3;

/// Counts and hashes what is written or read.
#[derive(Debug)]
pub struct Counted<T> {
    inner: T,
    bytes: u64,
    hash: Sha256,
}

impl<T> Counted<T> {
    /// Around a stream at its beginning.
    pub fn new(inner: T) -> Self {
        Self { inner, bytes: 0, hash: Sha256::new() }
    }

    /// The stream, how much went through, and its SHA-256 in hexadecimal digits.
    pub fn finish(self) -> (T, u64, String) {
        (self.inner, self.bytes, hex::encode(self.hash.finalize()))
    }

    fn count(&mut self, bytes: &[u8]) {
        self.bytes += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.hash.update(bytes);
    }
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.count(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.count(&buffer[..read]);
        Ok(read)
    }
}

/// Counts what is written, and no more.
#[derive(Debug)]
pub struct Length<W> {
    /// Where it goes.
    pub inner: W,
    /// How many bytes went there.
    pub bytes: u64,
}

impl<W: Write> Write for Length<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.bytes += u64::try_from(written).unwrap_or(u64::MAX);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Why a limited stream ended in an error. Found again with [`too_long`].
#[derive(Debug, thiserror::Error)]
#[error("there is more in it than the {0} bytes that are announced")]
pub struct TooLong(pub u64);

/// Whether an error says that there was more than announced.
pub fn too_long(error: &io::Error) -> bool {
    let Some(inner) = error.get_ref() else { return false };
    inner.is::<TooLong>()
}

/// Lets through as much as was announced; a byte more is an error.
#[derive(Debug)]
pub struct Limited<R> {
    inner: R,
    most: u64,
    left: u64,
}

impl<R: Read> Limited<R> {
    /// Around a stream.
    pub fn new(inner: R, most: u64) -> Self {
        Self { inner, most, left: most }
    }

    /// How much went through.
    pub fn passed(&self) -> u64 {
        self.most - self.left
    }
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        let bytes = u64::try_from(read).unwrap_or(u64::MAX);
        self.left = self.left.checked_sub(bytes).ok_or_else(|| io::Error::other(TooLong(self.most)))?;
        Ok(read)
    }
}

/// A compressing writer.
pub fn compressor<'a, W: Write>(out: W) -> io::Result<zstd::Encoder<'a, W>> {
    let mut encoder = zstd::Encoder::new(out, LEVEL)?;
    encoder.include_checksum(true)?;
    Ok(encoder)
}

/// A decompressing reader of what has one frame or more.
pub fn decompressor<'a, R: Read>(input: R) -> io::Result<zstd::Decoder<'a, BufReader<R>>> {
    let mut decoder = zstd::Decoder::new(input)?;
    decoder.window_log_max(WINDOW_LOG)?;
    Ok(decoder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_announced_is_an_error() {
        let mut text = String::new();
        assert_eq!(Limited::new(&b"12345"[..], 5).read_to_string(&mut text).unwrap(), 5);
        let error = Limited::new(&b"12345"[..], 4).read_to_string(&mut text).unwrap_err();
        assert!(too_long(&error) && error.to_string().contains("4 bytes"), "{error}");
        assert!(!too_long(&io::Error::other("x")));
    }

    #[test]
    fn what_goes_through_is_counted_on_both_sides() {
        let sevens = vec![7; 100_000];
        let mut zstd = compressor(Counted::new(Vec::new())).unwrap();
        zstd.write_all(&sevens).unwrap();
        let (packed, bytes, hash) = zstd.finish().unwrap().finish();
        assert!(bytes < 1000 && bytes == u64::try_from(packed.len()).unwrap());
        assert_eq!(hash, hex::encode(Sha256::digest(&packed)));
        let mut back = Counted::new(decompressor(&packed[..]).unwrap());
        assert_eq!(io::copy(&mut back, &mut io::sink()).unwrap(), 100_000);
        assert_eq!(back.finish().2, hex::encode(Sha256::digest(&sevens)));
    }
}
