//! `bundle`, `verify` and `keygen`: what an auditor holds in hand.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use meshdrill_checks::exit_code::ExitCode;
use meshdrill_checks::score::score;
use meshdrill_checks::units::counted;
use meshdrill_evidence::Files;
use meshdrill_evidence::archive::Limits;
use meshdrill_evidence::bundle::Bundle;
use meshdrill_evidence::keys::{SigningKey, VerifyingKey, generate};
use meshdrill_evidence::verify::{self, Verification};

use super::args::{BundleArgs, KeygenArgs, VerifyArgs};
use super::error::{CliError, FileError, UsageError};
use super::recorded::{finding_owners, record};
use crate::reporting::write_evidence;
use crate::run::{RunDir, write_atomically};

/// The longest file that a key may be.
const LONGEST_KEY: u64 = 1 << 16;

/// Puts runs into a bundle.
pub(super) fn bundle(args: &BundleArgs) -> Result<ExitCode, CliError> {
    // What can be wrong is found before anything is read for long.
    if let Some(out) = &args.out {
        free(out)?;
    }
    let keys = args.sign.iter().map(|path| signing_key(path)).collect::<Result<Vec<_>, _>>()?;
    let mut bundle = Bundle::with_owners(finding_owners(args.findings.as_deref())?);
    for run in &args.runs {
        let files = run_files(run)?;
        bundle.add(&name(run)?, files).map_err(UsageError::from)?;
    }
    let out = args.out.clone().unwrap_or_else(|| PathBuf::from(bundle.file_name()));
    free(&out)?;
    let count = bundle.len();
    let bytes = bundle.into_bytes(&keys).map_err(UsageError::from)?;
    write_atomically(&out, &bytes).map_err(|error| FileError::unwritable(&out, error))?;
    let signed = match keys.len() {
        0 => "not signed".to_owned(),
        count => counted(count, "signature"),
    };
    let (runs, files) = (counted(args.runs.len(), "run"), counted(count, "file"));
    super::say!("{}  {runs}, {files}, {signed}", out.display());
    Ok(ExitCode::Pass)
}

/// Checks a bundle or a run directory.
pub(super) fn verify(args: &VerifyArgs) -> Result<ExitCode, CliError> {
    let keys = args.key.iter().map(|path| verifying_key(path)).collect::<Result<Vec<_>, _>>()?;
    let is_run = args.path.is_dir();
    let found = if is_run {
        if !keys.is_empty() {
            return Err(UsageError::KeyForRun(args.path.clone()).into());
        }
        verify::run_directory(&name(&args.path)?, &run_files(&args.path)?)
    } else {
        verify::bundle(&limited(&args.path, Limits::BUNDLE.bytes as u64)?, &keys)
    };
    show(&found, is_run);
    Ok(if found.is_intact() { ExitCode::Pass } else { ExitCode::Fail })
}

/// Whether a run directory is as its run left it.
pub(super) fn is_intact(run: &Path) -> bool {
    run_files(run).is_ok_and(|files| verify::run_directory("", &files).is_intact())
}

/// Makes evidence document and manifest of a run directory again, after its journal got a line.
pub(super) fn renew(run: &Path) -> Result<(), CliError> {
    let record = record(run)?;
    let written = write_evidence(&RunDir::open(run), &record, &score(&record));
    Ok(written.map_err(|error| FileError::not_written(run, error))?)
}

/// One line per run and problem, and the result in the last one.
fn show(found: &Verification, is_run: bool) {
    for run in &found.runs {
        let lab = if run.card.run.lab { "  (lab: no evidence about any cluster)" } else { "" };
        let verdict = run.card.verdict.word().to_uppercase();
        super::say!("{}: {verdict} by its record{lab}", run.name.escape_debug());
    }
    let (runs, files) = (counted(found.runs.len(), "run"), counted(found.files, "file"));
    for problem in &found.problems {
        super::say!("  {problem}");
    }
    for id in &found.unchecked {
        super::say_err!(
            "the signature of key id {} was not checked: give its public key with --key",
            id.escape_debug()
        );
    }
    if !found.is_intact() {
        super::say!("ALTERED  {} in {runs}, {files}", counted(found.problems.len(), "problem"));
    } else if is_run {
        super::say!("INTACT  {runs}, {files}; a run directory is not signed: integrity only");
    } else if found.signers.is_empty() {
        super::say!("INTACT  {runs}, {files}; integrity only, signer unknown");
    } else {
        super::say!("VERIFIED  {runs}, {files}; signed by {}", found.signers.join(", "));
    }
}

/// Makes a key. Neither of its files replaces another.
pub(super) fn keygen(args: &KeygenArgs) -> Result<ExitCode, CliError> {
    let private = &args.file;
    let mut public = private.clone().into_os_string();
    public.push(".pub");
    let public = PathBuf::from(public);
    for path in [private, &public] {
        if path.symlink_metadata().is_ok() {
            return Err(UsageError::KeyExists(path.clone()).into());
        }
    }
    let text = generate().map_err(|source| key_error(private, source))?;
    let key = SigningKey::from_pem(text.as_bytes()).map_err(|source| key_error(private, source))?.public();
    create(private, 0o600, text.as_bytes())?;
    if let Err(error) = create(&public, 0o644, key.to_pem().as_bytes()) {
        // A key without its public half is of no use.
        let _ = fs::remove_file(private);
        return Err(error.into());
    }
    super::say!("{} (private), {} (public), key id {}", private.display(), public.display(), key.id());
    Ok(ExitCode::Pass)
}

/// Writes a new file, completely or not at all.
fn create(path: &Path, mode: u32, content: &[u8]) -> Result<(), FileError> {
    let error = |error| FileError::unwritable(path, error);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path).map_err(error)?;
    let written = file.write_all(content).and_then(|()| file.sync_all());
    written.map_err(|why| {
        let _ = fs::remove_file(path);
        error(why)
    })
}

fn key_error(path: &Path, source: meshdrill_evidence::keys::KeyError) -> UsageError {
    UsageError::Key { path: path.to_owned(), source }
}

fn signing_key(path: &Path) -> Result<SigningKey, CliError> {
    let text = limited(path, LONGEST_KEY)?;
    Ok(SigningKey::from_pem(&text).map_err(|source| key_error(path, source))?)
}

fn verifying_key(path: &Path) -> Result<VerifyingKey, CliError> {
    let text = limited(path, LONGEST_KEY)?;
    Ok(VerifyingKey::from_pem(&text).map_err(|source| key_error(path, source))?)
}

/// A path that a bundle may be written to: evidence is never replaced. A pipe or device is written to as it is.
fn free(out: &Path) -> Result<(), UsageError> {
    let taken = out.symlink_metadata().is_ok_and(|found| found.is_file() || found.is_symlink() || found.is_dir());
    if taken { Err(UsageError::Exists(out.to_owned())) } else { Ok(()) }
}

/// The name of a run directory, also where it is named as `.`.
fn name(run: &Path) -> Result<String, CliError> {
    let full = run.canonicalize().map_err(|error| FileError::unreadable(run, error))?;
    let name = full.file_name().and_then(|name| name.to_str()).map(str::to_owned);
    name.ok_or_else(|| UsageError::NoFile { path: run.to_owned(), what: "its name is no text" }.into())
}

/// The files of a run directory.
pub(super) fn run_files(run: &Path) -> Result<Files, CliError> {
    let unreadable = |path: &Path, error| CliError::from(FileError::unreadable(path, error));
    let mut files = Files::new();
    let mut left = Limits::BUNDLE.bytes as u64;
    for entry in fs::read_dir(run).map_err(|error| unreadable(run, error))? {
        let entry = entry.map_err(|error| unreadable(run, error))?;
        let path = entry.path();
        let kind = entry.file_type().map_err(|error| unreadable(&path, error))?;
        let what = match entry.file_name().into_string() {
            Ok(name) if kind.is_file() => {
                let content = limited(&path, left)?;
                left -= content.len() as u64;
                files.insert(name, content);
                continue;
            }
            Ok(_) if kind.is_symlink() => "a link",
            Ok(_) if kind.is_dir() => "a folder",
            Ok(_) => "no regular file",
            Err(_) => "its name is no text",
        };
        return Err(UsageError::NoFile { path, what }.into());
    }
    Ok(files)
}

/// The bytes of a file, at most so many.
fn limited(path: &Path, most: u64) -> Result<Vec<u8>, CliError> {
    let read = || -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().map_err(|error| FileError::unreadable(path, error))?;
    if bytes.len() as u64 > most {
        return Err(UsageError::TooLarge { path: path.to_owned(), limit: format!("{} KiB", most >> 10) }.into());
    }
    Ok(bytes)
}
