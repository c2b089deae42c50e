//! YAML documents whose values know their place: read, decoded into types with all problems at once, and reported with
//! file, line and column. Knows nothing about scenarios.

mod decode;
mod failure;
mod node;
mod problem;
mod read;
mod substitute;
mod template;
mod tree;

pub use decode::{Decoded, decode};
pub use failure::nearest;
pub use node::{Entry, Node, Origin, Path, Segment, Spelled, Value};
pub use problem::{Problem, Problems, Source};
pub use read::{MAX_BYTES, core_schema, read, read_file};
pub use substitute::{Names, substitute, used_names};
pub use template::{invisible_in, left_unfilled, template_in};
pub use tree::SPELLED;
