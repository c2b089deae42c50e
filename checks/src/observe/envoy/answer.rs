//! An answer of `/clusters`, whichever form it has.

use super::{Clusters, EnvoyError, Select, parse_json, parse_text};

/// Reads `/clusters` in whichever form it came.
///
/// An empty body is an answer without clusters, which is what a `filter=` without a match gives. Anything that has no
/// form of `/clusters` is an error.
pub fn parse(body: &[u8], select: Select<'_>) -> Result<Clusters, EnvoyError> {
    match body.iter().find(|b| !b.is_ascii_whitespace()) {
        Some(b'{') => parse_json(body, select),
        Some(_) | None => parse_text(body, select),
    }
}
