//! The JSON Schema of a record's lines.

use schemars::JsonSchema;
use serde_json::Value;

use super::columns::Columns;
use super::{At, Line, Timings};

/// A line of a record, as it is stored or as `meshdrill record` prints it.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum RecordLine {
    /// The first line of a block, in the file only.
    Block {
        /// Its number, from 0.
        block: u64,
        /// The SHA-256 of the text of the block before it, in hexadecimal digits; zeros for the first.
        prev: String,
    },
    /// The samples of one probe in a block, in the file only: each column has a value for every sample, or one for all.
    Samples {
        event: SamplesTag,
        #[serde(flatten)]
        columns: Columns,
    },
    /// How long the phases of good requests took.
    Timings {
        event: TimingsTag,
        /// As printed: the time of the last request.
        at: Option<At>,
        #[serde(flatten)]
        timings: Timings,
    },
    /// An event; a sample too, as printed.
    Event(Line),
}

#[derive(JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(dead_code, reason = "only its schema is used")]
enum SamplesTag {
    Samples,
}

#[derive(JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(dead_code, reason = "only its schema is used")]
enum TimingsTag {
    Timings,
}

/// The schema of a line.
pub fn line_schema() -> Value {
    schemars::schema_for!(RecordLine).to_value()
}
