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

    /// The directory of a run that was made before.
    pub fn open(path: &Path) -> Self {
        Self { path: path.to_owned() }
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

/// Writes a file under another name, syncs it and renames it. What is no file, such as a pipe, is written to as it is, and a link
/// stays one.
pub(crate) fn write_atomically(path: &Path, content: &[u8]) -> io::Result<()> {
    let known = fs::canonicalize(path).ok();
    let path = known.as_deref().unwrap_or(path);
    if path.metadata().is_ok_and(|metadata| !metadata.is_file()) {
        return fs::File::options().write(true).open(path)?.write_all(content);
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_and_links_stay_what_they_are() {
        assert_eq!(write_atomically(Path::new("/dev/full"), b"x").unwrap_err().raw_os_error(), Some(28));
        write_atomically(Path::new("/dev/null"), b"x").unwrap();
        let folder = std::env::temp_dir().join(format!("meshdrill-files-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let (file, link) = (folder.join("file"), folder.join("link"));
        fs::write(&file, "old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        write_atomically(&link, b"new").unwrap();
        assert!(link.symlink_metadata().unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        fs::remove_dir_all(&folder).unwrap();
    }
}
