//! Why a command ends without having done its work, and the exit code that follows.

use std::io;
use std::path::{Path, PathBuf};

use meshdrill_checks::exit_code::ExitCode;
use meshdrill_checks::record::RecordError;
use meshdrill_evidence::bundle::BundleError;
use meshdrill_evidence::keys::KeyError;
use meshdrill_lab::{DefectError, LabError};
use meshdrill_reports::ReportError;

use super::left_out::LeftOut;
use crate::catalogue::{NotFound, did_you_mean};
use crate::cluster::AccessError;
use crate::probe::ProbeError;
use meshdrill_document::Problems;

/// Why a command ends without having done its work.
#[derive(Debug, thiserror::Error)]
pub(super) enum CliError {
    /// Wrong usage or an invalid file: nothing was contacted.
    #[error(transparent)]
    Usage(#[from] UsageError),
    /// A file that cannot be written or read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A cluster that cannot be asked.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// A question that cannot be asked.
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// Damage of an earlier run that `--clean` could not undo.
    #[error("leftovers of cluster `{0}` could not be undone; nothing was injected")]
    Leftovers(String),
    /// The mesh has nothing that the selected scenarios are about.
    #[error("nothing that is selected runs on this mesh:{}", left_out(.0))]
    NothingApplies(Vec<LeftOut>),
    /// A report that cannot be rendered.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// The embedded mesh does not start.
    #[error(transparent)]
    Lab(#[from] LabError),
    /// This machine does not allow it.
    #[error("the operating system refused it: {0}")]
    System(#[from] io::Error),
    /// A value of ours that cannot be written; a bug.
    #[error("{what} cannot be written: {source}; this is a bug of meshdrill")]
    Unwritable {
        /// What was to be written.
        what: &'static str,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A file of ours that does not read back as it was made; a bug.
    #[error("the mesh file does not read back as what was detected; this is a bug of meshdrill:\n{0}")]
    Unreadable(String),
}

/// Wrong usage, or a file that is not valid.
#[derive(Debug, thiserror::Error)]
pub(super) enum UsageError {
    /// `run` without a selection.
    #[error(
        "no scenario is selected: name files, folders, suites or scenarios, as in `meshdrill run readiness`; `meshdrill list` shows them"
    )]
    NothingSelected,
    /// `mesh diff` of a mesh file of before.
    #[error("the mesh file has no inventory to compare with; `meshdrill mesh init --update` adds one")]
    NoInventory,
    /// The answer to the question was no.
    #[error("not confirmed; nothing was changed")]
    NotConfirmed,
    /// Nothing is selected by a word.
    #[error(transparent)]
    NotFound(NotFound),
    /// A defect that the embedded mesh does not have.
    #[error("{0}; `meshdrill lab --list-defects` lists them")]
    Defect(#[from] DefectError),
    /// Files that are not valid; what is wrong with them was printed.
    #[error("{invalid} of {all} scenario files are not valid; nothing was contacted")]
    InvalidScenarios {
        /// How many.
        invalid: usize,
        /// Of how many.
        all: usize,
    },
    /// Two selected files of one name.
    #[error(
        "two selected scenarios are named `{name}`: {} and {}; change `metadata.name` of one, or run them one after the other",
        .first.display(), .second.display()
    )]
    Namesakes {
        /// The name.
        name: String,
        /// The one file.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// A mesh file that is not valid; what is wrong with it was printed.
    #[error("the mesh file is not valid; nothing was contacted")]
    InvalidMesh,
    /// A mesh file that would not be valid.
    #[error("the mesh file would not be valid:\n{}", .0.render(false))]
    WouldBeInvalid(Box<Problems>),
    /// A scenario that names clusters, and no mesh file.
    #[error(
        "{0} names clusters, and there is no mesh file: give --mesh FILE, write mesh.yaml with `meshdrill mesh init`, or try it with --lab"
    )]
    ClustersWithoutMesh(String),
    /// A context that the kubeconfig lacks.
    #[error("--context {context}: the kubeconfig {kubeconfig} has no such context; it has {known}")]
    NoContext {
        /// The name.
        context: String,
        /// The kubeconfig.
        kubeconfig: String,
        /// The contexts that it has.
        known: String,
    },
    /// A command about clusters, and no mesh file.
    #[error("no mesh file: give --mesh FILE, or write mesh.yaml with `meshdrill mesh init`")]
    NoMesh,
    /// `--set` without a name and a value.
    #[error("--set {0}: write NAME=VALUE")]
    Assignment(String),
    /// `--set` of a name that nothing uses.
    #[error("--set {name}: no selected scenario uses `${{{name}}}`{}", did_you_mean(.nearest.as_deref()))]
    UnusedName {
        /// The name.
        name: String,
        /// A name that is used.
        nearest: Option<String>,
    },
    /// Live clusters would be broken, and there is nobody to ask.
    #[error(
        "drills that break live clusters ({clusters}) need a confirmation, and there is no terminal to ask on ({drills} selected): give --yes; nothing was changed"
    )]
    NeedsConsent {
        /// How many.
        drills: usize,
        /// Which.
        clusters: String,
    },
    /// Folders without a file to check.
    #[error("no YAML file in {0}")]
    NoFiles(String),
    /// A file that would be overwritten.
    #[error("{} exists already; remove it or name another --out", .0.display())]
    Exists(PathBuf),
    /// A name that no scenario may have.
    #[error("`{0}` cannot be a scenario's name; use lower-case letters, digits and dashes")]
    Name(String),
    /// A key that a section does not have.
    #[error("`{section}` has no `{key}`\n\n{help}")]
    NoSuchKey {
        /// The section.
        section: String,
        /// The key.
        key: String,
        /// What the section has.
        help: String,
    },
    /// A word that `explain` does not know.
    #[error("`{path}` is not a kind or section; `meshdrill explain` lists all{}", did_you_mean(.nearest.as_deref()))]
    NotExplained {
        /// The word.
        path: String,
        /// A word that it knows.
        nearest: Option<String>,
    },
    /// A number of jobs that is none.
    #[error("MESHDRILL_JOBS: `{0}` is not a number of validations; write 1 or more, or unset it")]
    Jobs(String),
    /// A document of an unknown form.
    #[error("--out {}: the name decides the form: end it with .md, .html or .json", .0.display())]
    SignoffForm(PathBuf),
    /// A file of a sign-off that is not valid; what is wrong with it was printed.
    #[error("a file of the sign-off is not valid; nothing was decided")]
    InvalidSigning,
    /// A participant without a name or a role.
    #[error("--participant {0}: write NAME=ROLE, as in --participant \"Jo Kim=halt owner\"")]
    Participant(String),
    /// A file of participants that is not valid; what is wrong with it was printed.
    #[error("the file of --participants is not valid; nothing was contacted")]
    InvalidParticipants,
    /// A file that is no key.
    #[error("{}: {source}", .path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: KeyError,
    },
    /// A key file that would be overwritten.
    #[error("{} exists already; a key is never overwritten: name another file", .0.display())]
    KeyExists(PathBuf),
    /// `--key` for a run directory.
    #[error("{} is a run directory, which is not signed: make a bundle with `meshdrill bundle`, or leave out --key", .0.display())]
    KeyForRun(PathBuf),
    /// Runs that cannot be put into a bundle.
    #[error("no bundle was written: {0}")]
    Bundle(#[from] BundleError),
    /// What is in a run directory beside files.
    #[error("{}: {what}; a run directory has regular files only", .path.display())]
    NoFile {
        /// Where.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// More bytes than a key or bundle may have.
    #[error("{}: too large; at most {limit} are read", .path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// How large it may be.
        limit: String,
    },
    /// A run and a folder of runs.
    #[error("{} is one run and {} is a folder: give two runs, or two folders of runs", .0.display(), .1.display())]
    OneRunOneFolder(PathBuf, PathBuf),
    /// A gate that can never fire.
    #[error("--gate {0}: no compared run has this criterion; `meshdrill compare A B --json` lists the ids")]
    UnknownCriterion(String),
    /// Two runs that have nothing to do with each other.
    #[error(transparent)]
    Incomparable(#[from] meshdrill_history::compare::Incomparable),
    /// A folder without runs.
    #[error("{} has no run directory that can be read", .0.display())]
    NoRuns(PathBuf),
    /// No scorecard at all.
    #[error("{} has no scorecard that can be read; name a folder with run directories, as `run` makes them", .0.display())]
    NoScorecards(PathBuf),
    /// Two folders without a scenario in common.
    #[error("{} and {} have no scenario in common that can be compared: the name, the binding and the mesh must be the same", .0.display(), .1.display())]
    NothingInCommon(PathBuf, PathBuf),
    /// A file that is no scorecard.
    #[error("{}: {source}", .path.display())]
    Card {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: meshdrill_history::card::CardError,
    },
    /// A file that is not a record.
    #[error("{}: {source}", .path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: RecordError,
    },
}

/// One line per scenario.
fn left_out(all: &[LeftOut]) -> String {
    all.iter().fold(String::new(), |text, one| text + "\n  " + &one.name + ": " + &one.why)
}

const UNREADABLE: &str = "cannot be read";

/// A file that cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{}: {what}: {source}{}", .path.display(), remedy(what, source))]
pub(super) struct FileError {
    path: PathBuf,
    what: &'static str,
    /// Whether something ran already.
    after: bool,
    source: io::Error,
}

fn remedy(what: &str, error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound if what == UNREADABLE => "; name a run directory, as in `runs/20261123T020000Z-…`",
        io::ErrorKind::NotFound => "; make its folder first, or name another path",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => "; name a path that you may write",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "; free space, or name another disk",
        io::ErrorKind::IsADirectory => "; name a file",
        io::ErrorKind::NotADirectory => "; a folder of this path is a file: name another path",
        _ => "",
    }
}

impl FileError {
    /// A file that cannot be read, before anything ran.
    pub fn unreadable(path: &Path, source: io::Error) -> Self {
        Self { path: path.to_owned(), what: UNREADABLE, after: false, source }
    }

    /// A path that cannot be written, noticed before anything ran.
    pub fn unwritable(path: &Path, source: io::Error) -> Self {
        Self { path: path.to_owned(), what: "cannot be written", after: false, source }
    }

    /// A report that could not be written after everything ran.
    pub fn not_written(path: &Path, source: io::Error) -> Self {
        Self { path: path.to_owned(), what: "was not written", after: true, source }
    }
}

impl CliError {
    /// The exit code of the command.
    pub const fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_) | Self::File(FileError { after: false, .. }) | Self::Lab(_) => ExitCode::Usage,
            Self::Access(_) | Self::Probe(_) | Self::Leftovers(_) => ExitCode::Refused,
            Self::NothingApplies(_) => ExitCode::Inconclusive,
            Self::File(FileError { after: true, .. })
            | Self::Report(_)
            | Self::System(_)
            | Self::Unwritable { .. }
            | Self::Unreadable(_) => ExitCode::Internal,
        }
    }
}
