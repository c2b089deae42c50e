//! The run directory: made before anything else, its reports replaced atomically.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// The directory of one run.
#[derive(Debug, Clone)]
pub struct RunDir {
    path: PathBuf,
}

impl RunDir {
    /// Makes `runs/<time>-<scenario>-<id>/`.
    pub fn create(runs: &Path, time: &str, title: &str, id: &str) -> io::Result<Self> {
        let short: String = id.chars().rev().take(8).collect::<Vec<_>>().into_iter().rev().collect();
        let path = runs.join(format!("{time}-{title}-{short}"));
        fs::create_dir_all(runs)?;
        fs::create_dir(&path)?;
        Ok(Self { path })
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of a file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Writes a file of it, completely or not at all.
    pub fn write(&self, name: &str, content: &[u8]) -> io::Result<()> {
        write_atomically(&self.file(name), content)
    }
}

/// Writes a file under another name, syncs it and renames it.
pub(crate) fn write_atomically(path: &Path, content: &[u8]) -> io::Result<()> {
    let name = path.file_name().map_or_else(|| "file".into(), |name| name.to_string_lossy().into_owned());
    let temporary = path.with_file_name(format!(".{name}.{}.part", std::process::id()));
    let written = fs::File::create(&temporary).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()
    });
    written.and_then(|()| fs::rename(&temporary, path)).inspect_err(|_| {
        let _ = fs::remove_file(&temporary);
    })
}
