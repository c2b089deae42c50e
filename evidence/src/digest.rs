//! SHA-256, in hex.

use std::fmt::Write as _;
use std::io::{self, Read};

use ring::digest::{Context, Digest, SHA256, digest};

/// SHA-256 of some bytes, in hex.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&digest(&SHA256, bytes))
}

/// The size in bytes and the SHA-256, in hex, of all that can be read.
pub fn sha256_of(mut content: impl Read) -> io::Result<(u64, String)> {
    let mut context = Context::new(&SHA256);
    let (mut size, mut buffer) = (0, vec![0; 1 << 16]);
    loop {
        let count = match content.read(&mut buffer) {
            Ok(0) => return Ok((size, hex(&context.finish()))),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        context.update(&buffer[..count]);
        size += count as u64;
    }
}

fn hex(digest: &Digest) -> String {
    digest.as_ref().iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
