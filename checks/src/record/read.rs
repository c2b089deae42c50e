//! Reading a record of any version.

use super::{Record, RecordError, blocks};

impl Record {
    /// Reads the bytes of a record's file, one of [`RECORD_FILES`](super::RECORD_FILES).
    pub fn read(bytes: &[u8]) -> Result<Self, RecordError> {
        if bytes.starts_with(&blocks::MAGIC[..2]) {
            blocks::read(bytes)
        } else {
            Self::parse(std::str::from_utf8(bytes)?)
        }
    }
}
