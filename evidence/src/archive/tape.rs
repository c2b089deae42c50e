//! The canonical tar form: ustar headers, regular files only, sorted by path.

use std::io;

use tar::{Builder, EntryType, Header};

use super::{Limits, unsafe_name};
use crate::{Files, Problem};

/// The unit of a tar file.
pub(super) const BLOCK: usize = 512;
/// Two blocks of zeros end it.
pub(super) const END: usize = 2 * BLOCK;
/// Where problems of the tar form are.
pub(super) const PLACE: &str = "tar";
/// The fields of a header, each with its first byte.
const FIELDS: [(&str, usize); 17] = [
    ("name", 0),
    ("mode", 100),
    ("uid", 108),
    ("gid", 116),
    ("size", 124),
    ("mtime", 136),
    ("checksum", 148),
    ("type", 156),
    ("link name", 157),
    ("magic", 257),
    ("version", 263),
    ("user name", 265),
    ("group name", 297),
    ("device major", 329),
    ("device minor", 337),
    ("prefix", 345),
    ("padding", 500),
];

/// The bytes that a file of a size takes, with its header.
pub(super) const fn space(size: usize) -> usize {
    BLOCK + size.div_ceil(BLOCK) * BLOCK
}

/// The bytes of the tar file.
pub(super) fn write(files: &Files) -> io::Result<Vec<u8>> {
    let mut builder = Builder::new(Vec::new());
    for (name, content) in files {
        builder.append(&header(name, content.len())?, content.as_slice())?;
    }
    builder.into_inner()
}

fn header(name: &str, size: usize) -> io::Result<Header> {
    let mut header = Header::new_ustar();
    header.set_path(name)?;
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(size as u64);
    header.set_mtime(0);
    header.set_entry_type(EntryType::Regular);
    header.set_cksum();
    Ok(header)
}

/// A walk over the bytes of a tar file that anybody may have made.
pub(super) struct Walk<'a> {
    tape: &'a [u8],
    at: usize,
    limits: Limits,
    pub files: Files,
    pub problems: Vec<Problem>,
}

impl<'a> Walk<'a> {
    pub fn new(tape: &'a [u8], limits: Limits) -> Self {
        Self { tape, at: 0, limits, files: Files::new(), problems: Vec::new() }
    }

    /// Reads all files. `complete` is false where the tar file itself is known to be cut short.
    pub fn read(mut self, complete: bool) -> Self {
        let mut last: Option<String> = None;
        let mut entries = 0;
        while let Some(block) = self.tape.get(self.at..self.at + BLOCK) {
            if is_zero(block) {
                self.end();
                return self;
            }
            entries += 1;
            if entries > self.limits.files {
                self.problem(PLACE, format!("refused: more than {} files", self.limits.files));
                return self;
            }
            let name = self.entry(block, last.as_deref());
            last = name.or(last);
        }
        if complete {
            let what = match last {
                Some(last) => format!("truncated after `{last}`: the end of the archive is missing"),
                None => "there is no file in it".to_owned(),
            };
            self.problem(PLACE, what);
        }
        self
    }

    fn problem(&mut self, place: impl Into<String>, what: impl Into<String>) {
        self.problems.push(Problem::new(place, what));
    }

    /// The two blocks of zeros, and nothing after them.
    fn end(&mut self) {
        let rest = &self.tape[self.at..];
        if rest.len() < END {
            self.problem(PLACE, format!("the end is truncated: {} of {END} bytes", rest.len()));
        } else if let Some(at) = rest.iter().position(|byte| *byte != 0) {
            self.problem(
                PLACE,
                format!("bytes were added after the last file, at byte {} of the tar file", self.at + at),
            );
        } else if rest.len() > END {
            self.problem(PLACE, format!("{} zero bytes were appended", rest.len() - END));
        }
    }

    /// Reads one file and goes on behind it. Its name, if it can be read.
    fn entry(&mut self, block: &[u8], last: Option<&str>) -> Option<String> {
        let header = Header::from_byte_slice(block);
        let name = name_of(header);
        let after = last.map_or_else(|| "at the beginning".to_owned(), |last| format!("after `{last}`"));
        let place = name.clone().unwrap_or_else(|| format!("{PLACE}: file {after}"));
        let size = header.entry_size().ok().and_then(|size| usize::try_from(size).ok());
        let next = size.and_then(|size| self.at.checked_add(size.checked_add(BLOCK)?.checked_next_multiple_of(BLOCK)?));
        let intact = is_intact(block);
        let (Some(size), Some(next)) = (size, next.filter(|next| intact || self.begins_or_ends(*next))) else {
            self.problem(
                place,
                "header was altered: its size cannot be trusted, so its content is not read".to_owned(),
            );
            self.resynchronize();
            return name;
        };
        let begin = self.at + BLOCK;
        self.at = next;
        let Some(content) = self.tape.get(begin..begin + size) else {
            let found = self.tape.len().saturating_sub(begin);
            self.problem(place, format!("truncated: {found} of {size} bytes"));
            self.at = self.tape.len();
            return name;
        };
        if !matches!(header.entry_type(), EntryType::Regular) {
            let what = format!("refused: type {:?}; a bundle has regular files only", header.entry_type());
            self.problem(place, what);
            return name;
        }
        let Some(name) = name else {
            self.problem(place, "header: its name is no text");
            return None;
        };
        if let Some(why) = unsafe_name(&name) {
            self.problem(place, format!("refused: the name leads elsewhere: {why}"));
            return Some(name);
        }
        self.check_header(&name, size, block);
        if self.tape.get(begin + size..next).is_none_or(|padding| padding.iter().any(|byte| *byte != 0)) {
            self.problem(&name, "bytes were added behind its end");
        }
        if self.files.contains_key(&name) {
            self.problem(&name, "was duplicated: it is in the archive more than once");
        } else if last.is_some_and(|last| last > name.as_str()) {
            self.problem(&name, format!("was reordered: it stands {after}"));
        }
        self.files.entry(name.clone()).or_insert_with(|| content.to_vec());
        Some(name)
    }

    /// Compares a header with the canonical one of its name and size.
    fn check_header(&mut self, name: &str, size: usize, block: &[u8]) {
        let Ok(wanted) = header(name, size) else {
            return self.problem(name, "header: no canonical header has this name");
        };
        let wanted = wanted.as_bytes();
        let ends = FIELDS.iter().skip(1).map(|(_, at)| *at).chain([BLOCK]);
        let differ: Vec<&str> = FIELDS
            .iter()
            .zip(ends)
            .filter(|((_, from), to)| block[*from..*to] != wanted[*from..*to])
            .map(|((field, _), _)| *field)
            .collect();
        if !differ.is_empty() {
            self.problem(name, format!("header was altered: {}", differ.join(", ")));
        }
    }

    /// Whether a header begins at a place, or the tar file ends there.
    fn begins_or_ends(&self, at: usize) -> bool {
        match self.tape.get(at..at + BLOCK) {
            Some(block) => is_intact(block) || is_zero(block),
            None => at == self.tape.len(),
        }
    }

    /// Goes on to the next header.
    fn resynchronize(&mut self) {
        self.at += BLOCK;
        while let Some(block) = self.tape.get(self.at..self.at + BLOCK) {
            if is_intact(block) || is_zero(block) {
                return;
            }
            self.at += BLOCK;
        }
    }
}

/// Whether a block has zeros only, as at the end.
fn is_zero(block: &[u8]) -> bool {
    block.iter().all(|byte| *byte == 0)
}

/// Whether a block is a header whose checksum is right.
fn is_intact(block: &[u8]) -> bool {
    let header = Header::from_byte_slice(block);
    let sum = block.iter().enumerate().map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u32::from(*byte) });
    header.as_ustar().is_some() && header.cksum().is_ok_and(|found| found == sum.sum::<u32>())
}

/// The path in a header; none if it is no text or empty.
fn name_of(header: &Header) -> Option<String> {
    let name = String::from_utf8(header.path_bytes().into_owned()).ok()?;
    (!name.is_empty()).then_some(name)
}
