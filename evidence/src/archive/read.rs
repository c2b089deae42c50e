//! Reads an archive that anybody may have made: nothing is written anywhere, and nothing is taken on trust.

use super::tape::{self, Walk};
use super::{Limits, gzip};
use crate::{Files, Problem};

/// What is in an archive.
#[derive(Debug, Default)]
pub struct Reading {
    /// The files that could be read.
    pub files: Files,
    /// What is not in the canonical form.
    pub problems: Vec<Problem>,
}

/// Reads an archive and names everything that is not in its canonical form.
pub fn read(bytes: &[u8], limits: Limits) -> Reading {
    let (tape, mut problems) = gzip::expand(bytes, limits.bytes);
    if tape.is_empty() {
        if problems.is_empty() {
            problems.push(Problem::new(gzip::PLACE, "there is nothing in it"));
        }
        return Reading { files: Files::new(), problems };
    }
    let damaged = problems.iter().any(|problem| problem.what.contains("damaged"));
    let walk = Walk::new(&tape, limits).read(!damaged);
    let files = walk.files;
    problems.extend(walk.problems);
    if problems.is_empty() {
        problems.extend(not_canonical(bytes, &tape, &files));
    }
    Reading { files, problems }
}

/// The first byte that a new archive of the same files would not have.
fn not_canonical(bytes: &[u8], tape: &[u8], files: &Files) -> Option<Problem> {
    let wanted = match tape::write(files) {
        Ok(wanted) => wanted,
        Err(error) => return Some(Problem::new(tape::PLACE, format!("not in canonical form: {error}"))),
    };
    if let Some(at) = first_difference(tape, &wanted) {
        return Some(Problem::new(tape::PLACE, format!("not in canonical form from byte {at}")));
    }
    let wanted = gzip::compress(&wanted).ok()?;
    first_difference(bytes, &wanted).map(|at| {
        let what = format!(
            "the compressed form differs from the canonical one at byte {at}; the files in it are not affected (altered, or compressed again by another program)"
        );
        Problem::new(gzip::PLACE, what)
    })
}

fn first_difference(one: &[u8], other: &[u8]) -> Option<usize> {
    let differs = one.iter().zip(other).position(|(one, other)| one != other);
    differs.or_else(|| (one.len() != other.len()).then(|| one.len().min(other.len())))
}
