//! The hash chain of a record: every line carries the SHA-256 of the line before it, so that a changed, dropped or
//! inserted line shows.

use sha2::{Digest, Sha256};

use super::Line;

/// Why a line does not continue a chain.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// Not a line of a record.
    #[error("not a line of a record: {0}")]
    Format(#[from] serde_json::Error),
    /// A line that names another predecessor.
    #[error("the line does not follow the one before it (hash {found}, expected {expected}): the record was altered")]
    Broken {
        /// What the line contains.
        found: String,
        /// What the line before it hashes to.
        expected: String,
    },
}

#[derive(serde::Serialize)]
struct Linked<'a> {
    prev: &'a str,
    #[serde(flatten)]
    line: &'a Line,
}

#[derive(serde::Deserialize)]
struct LinkedOwned {
    prev: String,
    #[serde(flatten)]
    line: Line,
}

/// Links lines into a chain, or checks that they are linked.
#[derive(Debug, Clone)]
pub struct Chain {
    prev: String,
}

impl Default for Chain {
    fn default() -> Self {
        Self { prev: "0".repeat(64) }
    }
}

impl Chain {
    /// The text of a line, without its line feed, linked to the one before it.
    pub fn link(&mut self, line: &Line) -> Result<String, serde_json::Error> {
        let text = serde_json::to_string(&Linked { prev: &self.prev, line })?;
        self.prev = digest(&text);
        Ok(text)
    }

    /// Reads a line and checks its link.
    pub fn check(&mut self, text: &str) -> Result<Line, ChainError> {
        let linked: LinkedOwned = serde_json::from_str(text)?;
        if linked.prev != self.prev {
            return Err(ChainError::Broken { found: linked.prev, expected: self.prev.clone() });
        }
        self.prev = digest(text);
        Ok(linked.line)
    }
}

/// The SHA-256 of a text, in hexadecimal digits.
pub(super) fn digest(text: &str) -> String {
    use std::fmt::Write as _;
    Sha256::digest(text.as_bytes()).iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
