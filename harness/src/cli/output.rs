//! Results on stdout. A reader that has gone away, as `head` does, is no reason to stop; any other failure is an error at the
//! end.

use std::fmt::Arguments;
use std::io::{ErrorKind, Write as _};
use std::sync::OnceLock;

static FAILURE: OnceLock<String> = OnceLock::new();

/// Writes to stdout.
pub(super) fn write(text: Arguments<'_>) {
    note(std::io::stdout().write_fmt(text));
}

/// Why not everything could be written to stdout; none if it could.
pub(super) fn failure() -> Option<&'static str> {
    note(std::io::stdout().flush());
    FAILURE.get().map(String::as_str)
}

fn note(written: std::io::Result<()>) {
    if let Err(error) = written
        && error.kind() != ErrorKind::BrokenPipe
    {
        let _ = FAILURE.set(error.to_string());
    }
}
