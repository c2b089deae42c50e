//! YAML documents whose values know their place: read, decoded into types with all problems at once, and reported with
//! file, line and column. Knows nothing about scenarios.

mod decode;
mod node;
mod problem;
mod read;
mod substitute;

pub use decode::{Decoded, decode, nearest};
pub use node::{Entry, Node, Path, Segment, Value};
pub use problem::{Problem, Problems, Source};
pub use read::{MAX_BYTES, read, read_file};
pub use substitute::{Names, substitute, used_names};
