//! The archive of a bundle: one canonical tar.gz for given files. Sorted by path, mtime 0, mode 0644, owner 0; a gzip header
//! without name and time. Every byte that is not in this form counts as an alteration.

mod gzip;
mod read;
mod tape;

pub use read::{Reading, read};

use crate::Files;

/// The most that an archive may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all its files with their headers.
    pub bytes: usize,
    /// Files.
    pub files: usize,
}

impl Limits {
    /// Those of a bundle: 1 GiB and 200,000 files.
    pub const BUNDLE: Self = Self { bytes: 1 << 30, files: 200_000 };
}

/// Why files cannot be put into an archive.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// A name that another machine could read as another place.
    #[error("`{}` cannot be a name in a bundle: {why}", .name.escape_debug())]
    Name {
        /// The name.
        name: String,
        /// Why.
        why: &'static str,
    },
    /// Too much.
    #[error("{what} exceed the limit of a bundle ({limit}); make a bundle of fewer runs")]
    Limit {
        /// What there is too much of.
        what: String,
        /// How much there may be.
        limit: String,
    },
    /// The archive cannot be made.
    #[error("the archive cannot be made: {0}")]
    Io(#[from] std::io::Error),
}

/// The bytes of the archive of some files.
pub fn write(files: &Files) -> Result<Vec<u8>, ArchiveError> {
    for name in files.keys() {
        if let Some(why) = unsafe_name(name) {
            return Err(ArchiveError::Name { name: name.clone(), why });
        }
    }
    check_limits(files)?;
    Ok(gzip::compress(&tape::write(files)?)?)
}

/// Whether some files fit into a bundle.
pub(crate) fn check_limits(files: &Files) -> Result<(), ArchiveError> {
    let bytes: usize = files.values().map(|content| tape::space(content.len())).sum();
    let limits = Limits::BUNDLE;
    if bytes > limits.bytes {
        let limit = format!("{} MiB", limits.bytes >> 20);
        return Err(ArchiveError::Limit { what: format!("{} MiB of files", bytes >> 20), limit });
    }
    if files.len() > limits.files {
        return Err(ArchiveError::Limit { what: format!("{} files", files.len()), limit: limits.files.to_string() });
    }
    Ok(())
}

/// Why a name may not be in an archive; none if it may.
pub(crate) fn unsafe_name(name: &str) -> Option<&'static str> {
    let part = |part: &str| match part {
        "" => Some("it has an empty part"),
        "." | ".." => Some("it leads out of its folder"),
        _ => None,
    };
    if name.starts_with('/') {
        return Some("it is absolute");
    }
    if name.chars().any(|c| c.is_control() || c == '\\') {
        return Some("it has a control character or a backslash");
    }
    name.split('/').find_map(part)
}
