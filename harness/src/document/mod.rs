//! YAML documents whose every value knows where it stands: read, decoded into types, and complained about with
//! <file:line:column>. Knows nothing of scenarios.

mod decode;
mod node;
mod problem;
mod read;
mod substitute;

pub use decode::{Decoded, decode, nearest};
pub use node::{Entry, Node, Path, Segment, Value};
pub use problem::{Problem, Problems, Source};
pub use read::{MAX_BYTES, read, read_file};
pub use substitute::{Names, substitute};
