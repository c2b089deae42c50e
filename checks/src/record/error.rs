//! Why something is not a record.

use super::{ChainError, ColumnError};

/// Why a text is not a record.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// A line that cannot be read or does not follow the one before it.
    #[error("line {line}: {source}")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// What is wrong with it.
        source: ChainError,
    },
    /// A block that cannot be read or does not follow the one before it.
    #[error("block {block}: {source}")]
    Block {
        /// Its number, from 0.
        block: u64,
        /// What is wrong with it.
        source: BlockError,
    },
    /// Something that cannot be written as JSON.
    #[error("the record cannot be written: {0}")]
    Format(#[from] serde_json::Error),
    /// Bytes that are no text.
    #[error("not a record: {0}")]
    Text(#[from] std::str::Utf8Error),
    /// No first event.
    #[error("the record has no header line: nothing was recorded")]
    Empty,
}

/// Why a block cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum BlockError {
    /// Bytes that do not unpack.
    #[error("it cannot be unpacked ({0}): the record was altered")]
    Packed(std::io::Error),
    /// Not the next one.
    #[error("it does not follow the one before it: a block was altered, dropped or moved")]
    Chain,
    /// A line that is none of a record.
    #[error("line {line}: not a line of a record: {source}")]
    Line {
        /// Its number in the block, from 1.
        line: usize,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// Columns that do not fit together.
    #[error("line {line}: {source}")]
    Columns {
        /// Its number in the block, from 1.
        line: usize,
        /// What is wrong with them.
        source: ColumnError,
    },
}
