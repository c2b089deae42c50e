//! The canonical gzip form: one member, a header without name and time, nothing after it.

use std::io::{self, Read as _, Write as _};

use flate2::bufread::DeflateDecoder;
use flate2::{Compression, Crc, GzBuilder};

use crate::Problem;

/// Magic, deflate, no flags, no time, no extra flags, unknown operating system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
/// CRC-32 and length.
const TRAILER: usize = 8;
/// Where problems of the compressed form are.
pub(super) const PLACE: &str = "gzip";

/// Compresses an archive.
pub(super) fn compress(tape: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzBuilder::new().mtime(0).operating_system(255).write(Vec::new(), Compression::new(6));
    encoder.write_all(tape)?;
    encoder.finish()
}

/// The uncompressed bytes as far as they can be read, and what is wrong with the compressed ones.
pub(super) fn expand(bytes: &[u8], most: usize) -> (Vec<u8>, Vec<Problem>) {
    let mut problems = Vec::new();
    if bytes.len() < HEADER.len() {
        let what = if bytes.is_empty() { "the file is empty".to_owned() } else { "the header is truncated".to_owned() };
        return (Vec::new(), vec![Problem::new(PLACE, what)]);
    }
    let (header, body) = bytes.split_at(HEADER.len());
    for (at, (found, wanted)) in header.iter().zip(HEADER).enumerate().filter(|(_, (found, wanted))| *found != wanted) {
        let field = match at {
            0 | 1 => "magic number",
            2 => "compression method",
            3 => "flags",
            4..=7 => "modification time",
            8 => "extra flags",
            _ => "operating system",
        };
        let what = format!("header byte {at} ({field}) is {found:#04x}, not {wanted:#04x}");
        problems.push(Problem::new(PLACE, what));
    }
    let mut decoder = DeflateDecoder::new(body);
    let mut tape = Vec::new();
    let read = decoder.by_ref().take(most as u64 + 1).read_to_end(&mut tape);
    if tape.len() > most {
        problems.push(Problem::new(PLACE, format!("refused: it expands to more than {} MiB", most >> 20)));
        tape.clear();
        return (tape, problems);
    }
    // What is read of the input before the error is at most one buffer ahead.
    let used = usize::try_from(decoder.total_in()).unwrap_or(usize::MAX).min(body.len());
    if let Err(error) = read {
        let at = HEADER.len() + used;
        let cut = if used == body.len() { " (truncated?)" } else { "" };
        let what = format!("the compressed data is damaged at byte {at} of {}{cut}: {error}", bytes.len());
        problems.push(Problem::new(PLACE, what));
        return (tape, problems);
    }
    let rest = &body[used..];
    if rest.len() < TRAILER {
        problems.push(Problem::new(PLACE, format!("the trailer is truncated: {} of {TRAILER} bytes", rest.len())));
        return (tape, problems);
    }
    let mut crc = Crc::new();
    crc.update(&tape);
    let number = |at: usize| u32::from_le_bytes([rest[at], rest[at + 1], rest[at + 2], rest[at + 3]]);
    if number(0) != crc.sum() {
        let what = format!("the CRC of the trailer is {:08x}, that of the data {:08x}", number(0), crc.sum());
        problems.push(Problem::new(PLACE, what));
    }
    if number(4) != crc.amount() {
        problems.push(Problem::new(PLACE, format!("the length of the trailer is {}, not {}", number(4), crc.amount())));
    }
    if rest.len() > TRAILER {
        let (extra, at) = (rest.len() - TRAILER, bytes.len() - (rest.len() - TRAILER));
        problems.push(Problem::new(PLACE, format!("{extra} bytes were appended, from byte {at}")));
    }
    (tape, problems)
}
