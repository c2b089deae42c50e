//! The files of a run directory that people and scripts read, each written completely or not at all.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::Path;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use meshdrill_checks::findings::{DrillRun, Finding, FindingOwners, findings};
use meshdrill_checks::record::Record;
use meshdrill_checks::scorecard::Scorecard;
use meshdrill_evidence::document::{EVIDENCE, document};
use meshdrill_evidence::manifest::{FileEntry, MANIFEST, Manifest};
use meshdrill_reports::{Format, ReportError, Run, SuiteRun};

use crate::cluster::encode;
use crate::run::RunDir;

/// The reports every run writes, with their file names.
const REPORTS: [(Format, &str); 4] =
    [(Format::Json, SCORECARD), (Format::Junit, "junit.xml"), (Format::Html, PAGE), (Format::Markdown, "report.md")];
/// The judgement of a run.
pub(crate) const SCORECARD: &str = "scorecard.json";
/// The page of a run.
pub(crate) const PAGE: &str = "report.html";

/// Writes all of them.
pub fn write_reports(dir: &RunDir, record: &Record, scorecard: &Scorecard) -> io::Result<()> {
    let found = findings_of(&[(dir.path(), record, scorecard)], &FindingOwners::new());
    let run = Run { record, scorecard, findings: &found };
    for (format, name) in REPORTS {
        dir.write(name, &format.render(&run).map_err(io::Error::other)?)?;
    }
    Ok(())
}

/// Writes the evidence document and, last of all files, the manifest.
pub fn write_evidence(dir: &RunDir, record: &Record, scorecard: &Scorecard) -> io::Result<()> {
    let mut files = entries(dir.path())?;
    let evidence = document(record, scorecard, &files).to_bytes();
    dir.write(EVIDENCE, &evidence)?;
    files.retain(|file| file.name != EVIDENCE);
    files.push(FileEntry::new(EVIDENCE, &evidence));
    dir.write(MANIFEST, &Manifest::new(files).to_bytes())
}

/// The files of a directory with their hashes, in the order of their names.
fn entries(dir: &Path) -> io::Result<Vec<FileEntry>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            let name = entry.file_name().to_string_lossy().into_owned();
            files.push(FileEntry::read(&name, fs::File::open(entry.path())?)?);
        }
    }
    files.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(files)
}

/// A judged run with its directory.
pub type Judged<'a> = (&'a Path, &'a Record, &'a Scorecard);

/// The findings that some runs opened and closed.
pub fn findings_of(runs: &[Judged<'_>], owners: &FindingOwners) -> Vec<Finding> {
    let drill = |&(dir, record, scorecard): &Judged<'_>| {
        let clusters = record.history().clusters;
        let place = dir.file_name().map_or_else(|| dir.to_string_lossy(), OsStr::to_string_lossy);
        DrillRun::new(&place, scorecard, clusters)
    };
    findings(&runs.iter().filter_map(drill).collect::<Vec<_>>(), owners, today())
}

/// The date, in UTC.
pub fn today() -> jiff::civil::Date {
    Timestamp::now().to_zoned(TimeZone::UTC).date()
}

/// Renders one report of some runs. One run is written out; several are summed up, with links
/// from `out` to their own pages.
pub fn render_runs(
    format: Format,
    runs: &[Judged<'_>],
    out: Option<&Path>,
    owners: &FindingOwners,
) -> Result<Vec<u8>, ReportError> {
    let found = findings_of(runs, owners);
    if let &[(_, record, scorecard)] = runs {
        return format.render(&Run { record, scorecard, findings: &found });
    }
    let linked = runs.iter().map(|&(dir, record, scorecard)| SuiteRun {
        run: Run::new(record, scorecard),
        page: out.and_then(|out| link(out, &dir.join(PAGE))),
    });
    format.render_all(&linked.collect::<Vec<_>>(), &found)
}

/// A link from one file to another, if that exists.
pub(crate) fn link(from: &Path, to: &Path) -> Option<String> {
    let folder = from.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (folder, to) = (folder.canonicalize().ok()?, to.canonicalize().ok()?);
    let common = folder.components().zip(to.components()).take_while(|(one, other)| one == other).count();
    let up = folder.components().skip(common).map(|_| "..".to_owned());
    let down = to.components().skip(common).map(|part| part.as_os_str().to_string_lossy().into_owned());
    Some(up.chain(down.map(|part| encode(&part))).collect::<Vec<_>>().join("/"))
}
