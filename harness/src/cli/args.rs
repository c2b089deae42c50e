//! The command line's shape.

use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use meshdrill_checks::units::TimeSpan;
use meshdrill_lab::{LabMesh, UnknownMesh};
use meshdrill_reports::Format;

use super::compare::CompareArgs;
use super::history::HistoryArgs;
use crate::run::ChangeWindow;

/// Breaks a live multi-cluster Istio mesh in a controlled way, measures the effect, undoes it, and reports what the samples prove.
#[derive(Debug, Parser)]
#[command(name = "meshdrill", version, max_term_width = 110)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run scenarios
    #[command(
        after_help = "Examples:\n  meshdrill run --lab drills/ingress-gateway-failover\n  meshdrill run readiness drills --mesh mesh.yaml --junit junit.xml"
    )]
    Run(Box<RunArgs>),
    /// Show what a run would do, with every default and sample size; changes nothing
    #[command(after_help = "Example:\n  meshdrill plan drills/control-plane-failover --mesh mesh.yaml")]
    Plan(PlanArgs),
    /// List scenarios with suite, clusters, faults and expected duration
    #[command(after_help = "Example:\n  meshdrill list drills")]
    List(ListArgs),
    /// Validate files offline: no cluster is contacted, all problems are shown at once
    #[command(after_help = "Example:\n  meshdrill check scenarios/ mesh.yaml")]
    Check(CheckArgs),
    /// Print a commented scaffold
    #[command(after_help = "Example:\n  meshdrill new drill my-drill > my-drill.yaml")]
    New(NewArgs),
    /// Explain a kind, a section or a key of the file format
    #[command(
        after_help = "Examples:\n  meshdrill explain deletePods\n  meshdrill explain http.expect\n  meshdrill explain scenario --recursive"
    )]
    Explain(ExplainArgs),
    /// Print the JSON Schema of a kind of file
    #[command(after_help = "Example:\n  meshdrill schema scenario > scenario.schema.json")]
    Schema(SchemaArgs),
    /// Print shell completions
    #[command(after_help = "Example:\n  meshdrill completions bash > /etc/bash_completion.d/meshdrill")]
    Completions(CompletionsArgs),
    /// Work with mesh files
    Mesh(MeshArgs),
    /// Serve the embedded mesh on loopback sockets until interrupted
    #[command(
        after_help = "Example:\n  meshdrill lab --kubeconfig lab.kubeconfig --mesh lab.yaml\n  kubectl --kubeconfig lab.kubeconfig --context primary-cluster-context get pods -A"
    )]
    Lab(LabArgs),
    /// Judge a recorded run again, offline: the same record gives the same verdict
    #[command(after_help = "Example:\n  meshdrill score runs/20261123T020000Z-control-plane-failover-0a1b2c3d")]
    Score(RunDirArgs),
    /// Print the events and samples of a recorded run as JSON Lines
    #[command(
        after_help = "Examples:\n  meshdrill record runs/… | jq -c 'select(.event == \"sample\" and .class != \"good\")'\n  meshdrill record runs/… | jq -r 'select(.event == \"phase\") | [.at, .phase] | @tsv'"
    )]
    Record(RunDirArgs),
    /// Render a report of recorded runs
    #[command(
        after_help = "Examples:\n  meshdrill report runs/… --format md\n  meshdrill report runs/* --format html --out index.html"
    )]
    Report(ReportArgs),
    /// Put runs into one evidence bundle: a reproducible tar.gz with a signed statement
    #[command(
        after_help = "Examples:\n  meshdrill bundle runs/20261123T020000Z-control-plane-failover-0a1b2c3d --sign operator.key\n  meshdrill bundle runs/* --sign operator.key --sign approver.key --out drill.tar.gz\n\nWithout --sign, the bundle is not signed. A run directory that is not as its run left it is refused: exit code 2."
    )]
    Bundle(BundleArgs),
    /// Check a bundle or run directory, offline, and name what was altered
    #[command(
        after_help = "Examples:\n  meshdrill verify drill.tar.gz --key operator.key.pub --key approver.key.pub\n  meshdrill verify runs/20261123T020000Z-control-plane-failover-0a1b2c3d\n\nExit codes: 0 nothing was altered, and every --key signed; 10 something was altered, or a signature is missing or wrong; 2 the file cannot be read.\nNothing is written, and nothing of the bundle is run. Without --key it is not known who signed."
    )]
    Verify(VerifyArgs),
    /// Make an Ed25519 key for signing bundles
    #[command(
        after_help = "Example:\n  meshdrill keygen operator.key\n\nWrites operator.key (private, mode 0600) and operator.key.pub, in PEM. Neither replaces a file. Keys of `openssl genpkey -algorithm ed25519` work as well."
    )]
    Keygen(KeygenArgs),
    /// Compare two runs, or two folders of runs, offline
    #[command(
        after_help = "Examples:\n  meshdrill compare runs/… runs/…\n  meshdrill compare nightly/2026-11-27 nightly/2026-11-28 --gate latency --gate recovery"
    )]
    Compare(CompareArgs),
    /// Show what changed over many nights, and since when, from their scorecards
    #[command(after_help = "Examples:\n  meshdrill history runs\n  meshdrill history nightly/* --html site")]
    History(HistoryArgs),
    /// Decide GO or NO-GO from recorded runs
    #[command(
        after_help = "Examples:\n  meshdrill signoff runs --out signoff.html\n  meshdrill signoff runs --required signoff.yaml --attest attestations.yaml --out signoff.md\n\nGO needs a fresh, intact, passing run of the same clusters for every required line.\nWithout --required, every scenario of the suites readiness and drills that applies to the mesh is required.\nExit codes: 0 only for GO; 10 NO-GO."
    )]
    Signoff(SignoffArgs),
    /// Show who holds which cluster and what earlier runs left behind
    #[command(after_help = "Example:\n  meshdrill status --mesh mesh.yaml")]
    Status(ClustersArgs),
    /// Undo what earlier runs left behind, from any machine
    #[command(after_help = "Example:\n  meshdrill recover --mesh mesh.yaml")]
    Recover(RecoverArgs),
    /// Stop all runs on the clusters of a mesh file, and block new ones
    #[command(after_help = "Example:\n  meshdrill halt --mesh mesh.yaml")]
    Halt(ClustersArgs),
    /// Lift a halt, so that runs can start again
    #[command(after_help = "Example:\n  meshdrill resume --mesh mesh.yaml")]
    Resume(ClustersArgs),
}

/// The names of the embedded meshes.
fn lab_meshes() -> impl TypedValueParser<Value = LabMesh> {
    // The mesh for measuring is no offer.
    let name = |mesh: LabMesh| PossibleValue::new(mesh.name()).hide(!LabMesh::ALL.contains(&mesh));
    let names = PossibleValuesParser::new(LabMesh::WITH_LARGE.map(name));
    names.try_map(|name| -> Result<LabMesh, UnknownMesh> { name.parse() })
}

/// What selects scenarios and the mesh they run against.
#[derive(Debug, Clone, Args)]
pub(super) struct SelectArgs {
    /// Files, folders, suites, names (`drills/ingress-gateway-failover`) or labels (`week=5`). Default: all; `run` needs at
    /// least one
    #[arg(value_name = "PATH|SUITE")]
    pub select: Vec<String>,
    /// Mesh file; default `$MESHDRILL_MESH`, else `mesh.yaml`, if it exists
    #[arg(long, value_name = "FILE", conflicts_with = "lab")]
    pub mesh: Option<PathBuf>,
    /// Folder with suites and scenarios, or `builtin`; default `./scenarios`, else the built-in catalogue
    #[arg(long, value_name = "DIR")]
    pub scenarios: Option<PathBuf>,
    /// Set a name that scenarios use as `${NAME}`
    #[arg(long = "set", value_name = "NAME=VALUE")]
    pub set: Vec<String>,
    /// Use the embedded mesh on virtual time instead of clusters
    #[arg(long)]
    pub lab: bool,
    /// Plant a defect in the embedded mesh (repeatable); `meshdrill lab --list-defects` lists them
    #[arg(long, value_name = "NAME[@CLUSTER]", requires = "lab")]
    pub lab_defect: Vec<String>,
    /// Which mesh the embedded mesh is
    #[arg(long, value_name = "NAME", requires = "lab", default_value = LabMesh::Guide.name(), value_parser = lab_meshes())]
    pub lab_mesh: LabMesh,
    /// How many clusters the embedded mesh has; only the guide's mesh has a choice
    #[arg(long, value_name = "N", requires = "lab", default_value_t = 2, conflicts_with = "lab_mesh")]
    pub lab_clusters: usize,
    /// The embedded mesh grants only the permissions that preflight asked for
    #[arg(long, requires = "lab")]
    pub lab_least_privilege: bool,
    /// Seed of the embedded mesh and of `count` and `percent` selections
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
}

#[derive(Debug, Clone, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(super) struct RunArgs {
    #[command(flatten)]
    pub select: SelectArgs,
    /// Folder for run directories
    #[arg(long, value_name = "DIR", default_value = "runs")]
    pub runs: PathBuf,
    /// Also write one `JUnit` file for all runs
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Also write one page for all runs
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Also write one Markdown file for all runs, for a job summary
    #[arg(long, value_name = "FILE")]
    pub md: Option<PathBuf>,
    /// Also write one file of metrics for all runs, for the textfile collector or a Pushgateway
    #[arg(long, value_name = "FILE")]
    pub openmetrics: Option<PathBuf>,
    /// Skip the confirmation question
    #[arg(long)]
    pub yes: bool,
    /// Show the plan and stop
    #[arg(long)]
    pub dry_run: bool,
    /// Undo leftovers of earlier runs first
    #[arg(long)]
    pub clean: bool,
    /// Stop after the first run that does not pass
    #[arg(long)]
    pub fail_fast: bool,
    /// Number of validations that run at the same time; default `$MESHDRILL_JOBS`, else 16. On a small mesh, take fewer:
    /// their requests add up
    #[arg(long, value_name = "N")]
    pub jobs: Option<usize>,
    /// Keep sampling until every criterion is decided, at most one hour longer
    #[arg(long)]
    pub conclusive: bool,
    /// Ticket of the change, stored in the record
    #[arg(long, value_name = "ID")]
    pub ticket: Option<String>,
    /// Person or job that runs it, stored in the record
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
    /// Person who approved it, stored in the record
    #[arg(long, value_name = "NAME")]
    pub approver: Option<String>,
    /// Participant and role, as `--participant "Jo Kim=halt owner"` (repeatable), stored in the record
    #[arg(long, value_name = "NAME=ROLE")]
    pub participant: Vec<String>,
    /// YAML file with `participants`, `approver`, `ticket` and `window` of the change; flags take precedence
    #[arg(
        long,
        value_name = "FILE",
        long_help = "YAML file with `participants`, `approver`, `ticket` and `window` of the change; flags take precedence:\n  participants:\n    - { name: Jo Kim, role: halt owner }\n  approver: { name: Ana Ruiz, at: 2026-11-23T16:00:00Z }\n  ticket: CHG-1\n  window: 2026-11-24T22:00:00Z/2026-11-25T02:00:00Z"
    )]
    pub participants: Option<PathBuf>,
    /// Change window in RFC 3339; a drill that does not fit into it is refused
    #[arg(long, value_name = "START/END")]
    pub window: Option<ChangeWindow>,
    /// Print only what did not pass, and the last line
    #[arg(long, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Show the plan, and every bad sample with its details
    #[arg(long)]
    pub verbose: bool,
    /// Kubeconfig file; default `$KUBECONFIG`, else ~/.kube/config
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
}

impl RunArgs {
    /// The reports of all runs together that are asked for.
    pub fn reports(&self) -> impl Iterator<Item = (Format, &PathBuf)> {
        let all = [
            (Format::Junit, &self.junit),
            (Format::Html, &self.html),
            (Format::Markdown, &self.md),
            (Format::OpenMetrics, &self.openmetrics),
        ];
        all.into_iter().filter_map(|(format, path)| Some((format, path.as_ref()?)))
    }
}

#[derive(Debug, Clone, Args)]
pub(super) struct PlanArgs {
    #[command(flatten)]
    pub select: SelectArgs,
    /// Kubeconfig file; default `$KUBECONFIG`, else ~/.kube/config
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Contact nothing: no targets, permissions or infeasible criteria
    #[arg(long)]
    pub offline: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Args)]
pub(super) struct ListArgs {
    #[command(flatten)]
    pub select: SelectArgs,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Args)]
pub(super) struct CheckArgs {
    /// Files and folders; default `./scenarios`, else the built-in catalogue
    #[arg(value_name = "PATH")]
    pub paths: Vec<String>,
    /// Mesh file to check names and clusters against; default, without PATH, as for `run`
    #[arg(long, value_name = "FILE")]
    pub mesh: Option<PathBuf>,
    /// Check names and clusters against the embedded mesh instead
    #[arg(long, conflicts_with = "mesh")]
    pub lab: bool,
    /// Set a name that scenarios use as `${NAME}`
    #[arg(long = "set", value_name = "NAME=VALUE")]
    pub set: Vec<String>,
}

#[derive(Debug, Clone, Args)]
pub(super) struct SignoffArgs {
    /// Run directories, or folders of run directories
    #[arg(value_name = "RUN|DIR", required = true)]
    pub runs: Vec<PathBuf>,
    /// File of what is required; `meshdrill new signoff NAME` prints one
    #[arg(long, value_name = "FILE")]
    pub required: Option<PathBuf>,
    /// File of what people attest; `meshdrill new attestations NAME` prints one
    #[arg(long, value_name = "FILE")]
    pub attest: Option<PathBuf>,
    /// File of who takes care of findings, and until when
    #[arg(long, value_name = "FILE")]
    pub findings: Option<PathBuf>,
    /// How old evidence may be [default: that of the file of --required, else 7d]
    #[arg(long, value_name = "DURATION")]
    pub max_age: Option<TimeSpan>,
    /// Write the document here: .md, .html or .json
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Mesh file; default `$MESHDRILL_MESH`, else `mesh.yaml`, if it exists
    #[arg(long, value_name = "FILE")]
    pub mesh: Option<PathBuf>,
    /// Folder with suites and scenarios, or `builtin`; default `./scenarios`, else the built-in catalogue
    #[arg(long, value_name = "DIR")]
    pub scenarios: Option<PathBuf>,
    /// Set a name that scenarios use as `${NAME}`
    #[arg(long = "set", value_name = "NAME=VALUE")]
    pub set: Vec<String>,
}

#[derive(Debug, Clone, Args)]
pub(super) struct NewArgs {
    /// What to scaffold
    #[arg(value_enum)]
    pub kind: NewKind,
    /// Its name
    pub name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum NewKind {
    /// A scenario with a fault
    Drill,
    /// A scenario without one
    Validation,
    /// What a sign-off requires
    Signoff,
    /// What people attest for a sign-off
    Attestations,
}

#[derive(Debug, Clone, Args)]
pub(super) struct ExplainArgs {
    /// A kind (`http`, `deletePods`, `latency`, …), a section (`scenario`, `probe`, `sla`, `mesh`, …), or a part of one
    /// (`http.expect`); the list of them without one
    #[arg(value_name = "PATH")]
    pub path: Option<String>,
    /// Everything that can be written below it
    #[arg(long)]
    pub recursive: bool,
}

#[derive(Debug, Clone, Args)]
pub(super) struct SchemaArgs {
    /// Which kind of file
    #[arg(value_enum)]
    pub file: SchemaKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum SchemaKind {
    /// Scenario files
    Scenario,
    /// Mesh files
    Mesh,
    /// Files of what a sign-off requires
    Signoff,
    /// Files of what people attest
    Attestations,
    /// Files of who takes care of findings
    Findings,
    /// The lines of a record
    Record,
}

#[derive(Debug, Clone, Args)]
pub(super) struct CompletionsArgs {
    /// Which shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

#[derive(Debug, Clone, Args)]
pub(super) struct MeshArgs {
    #[command(subcommand)]
    pub command: MeshCommand,
}

#[derive(Debug, Clone, Subcommand)]
pub(super) enum MeshCommand {
    /// Write a mesh file from live clusters
    #[command(
        after_help = "Example:\n  meshdrill mesh init --context primary-cluster-context --context secondary-cluster --out mesh.yaml"
    )]
    Init(MeshInitArgs),
    /// Show what changed in the clusters since the mesh file was written
    #[command(
        after_help = "Exit codes: 0 nothing changed, 10 something did, 11 not everything could be read.\n\nExample:\n  meshdrill mesh diff --mesh mesh.yaml"
    )]
    Diff(MeshDiffArgs),
}

#[derive(Debug, Clone, Args)]
pub(super) struct MeshInitArgs {
    /// A context of the kubeconfig (repeatable), named primary, secondary, third, … in order, or NAME=CONTEXT
    #[arg(long, value_name = "[NAME=]CONTEXT", required_unless_present = "update")]
    pub context: Vec<String>,
    /// Whether faults may be injected
    #[arg(long, value_name = "allowed|forbidden", default_value = "forbidden", value_parser = ["allowed", "forbidden"])]
    pub faults: String,
    /// The name of the mesh
    #[arg(long, default_value = "mesh")]
    pub name: String,
    /// Output file; default stdout
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Look again at the clusters of an existing file (`--out`, default mesh.yaml) and bring its inventory up to date
    #[arg(long)]
    pub update: bool,
    /// Kubeconfig file; default `$KUBECONFIG`, else ~/.kube/config
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
}

#[derive(Debug, Clone, Args)]
pub(super) struct MeshDiffArgs {
    /// The mesh file; default `$MESHDRILL_MESH`, else mesh.yaml
    #[arg(long, value_name = "FILE")]
    pub mesh: Option<PathBuf>,
    /// Kubeconfig file; default `$KUBECONFIG`, else ~/.kube/config
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
}

#[derive(Debug, Clone, Args)]
pub(super) struct LabArgs {
    /// Plant a defect (repeatable)
    #[arg(long, value_name = "NAME[@CLUSTER]")]
    pub defect: Vec<String>,
    /// List the defects that can be planted
    #[arg(long)]
    pub list_defects: bool,
    /// Which mesh
    #[arg(long, value_name = "NAME", default_value = LabMesh::Guide.name(), value_parser = lab_meshes())]
    pub lab_mesh: LabMesh,
    /// How many clusters; only the guide's mesh has a choice
    #[arg(long, value_name = "N", default_value_t = 2, conflicts_with = "lab_mesh")]
    pub clusters: usize,
    /// Seed
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Write a kubeconfig with the lab's contexts
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Write a mesh file with the lab's addresses
    #[arg(long, value_name = "FILE")]
    pub mesh: Option<PathBuf>,
    /// Leave out the label that marks runs against it as lab runs: the trials of this repository need a stand-in for clusters
    #[arg(long, hide = true)]
    pub unmarked: bool,
}

#[derive(Debug, Clone, Args)]
pub(super) struct RunDirArgs {
    /// The run directory
    pub run: PathBuf,
}

#[derive(Debug, Clone, Args)]
pub(super) struct ReportArgs {
    /// The run directories; several are summed up in one report
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<PathBuf>,
    /// Report format
    #[arg(long, value_parser = format_parser())]
    pub format: Format,
    /// Output file; default stdout
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// File of who takes care of findings, and until when; pages show it
    #[arg(long, value_name = "FILE")]
    pub findings: Option<PathBuf>,
}

#[derive(Debug, Clone, Args)]
pub(super) struct BundleArgs {
    /// The run directories
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<PathBuf>,
    /// Output file, which must not exist; default `YYYYmmddHHMM_meshdrill_ID.tar.gz`, by time and id of the run
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Private Ed25519 key in PEM that signs it (repeatable)
    #[arg(long, value_name = "KEY")]
    pub sign: Vec<PathBuf>,
    /// File of who takes care of findings, and until when; the bundle has it in `findings.json`
    #[arg(long, value_name = "FILE")]
    pub findings: Option<PathBuf>,
}

#[derive(Debug, Clone, Args)]
pub(super) struct VerifyArgs {
    /// A bundle, or a run directory
    #[arg(value_name = "BUNDLE")]
    pub path: PathBuf,
    /// Public Ed25519 key in PEM that must have signed it (repeatable)
    #[arg(long, value_name = "PUB")]
    pub key: Vec<PathBuf>,
}

#[derive(Debug, Clone, Args)]
pub(super) struct KeygenArgs {
    /// The file of the private key; the public key goes to FILE.pub
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// The formats that the reports have, with what each is.
fn format_parser() -> impl TypedValueParser<Value = Format> {
    let values = Format::ALL.map(|format| PossibleValue::new(format.name()).help(format.describe()));
    PossibleValuesParser::new(values).try_map(|name| name.parse::<Format>())
}

#[derive(Debug, Clone, Args)]
pub(super) struct ClustersArgs {
    /// Mesh file; default `$MESHDRILL_MESH`, else `mesh.yaml`
    #[arg(long, value_name = "FILE")]
    pub mesh: Option<PathBuf>,
    /// Kubeconfig file; default `$KUBECONFIG`, else ~/.kube/config
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
}

#[derive(Debug, Clone, Args)]
pub(super) struct RecoverArgs {
    #[command(flatten)]
    pub clusters: ClustersArgs,
    /// Only list what would be undone
    #[arg(long)]
    pub list: bool,
    /// Folder with the runs of this machine, for faults outside of clusters
    #[arg(long, value_name = "DIR", default_value = "runs")]
    pub runs: PathBuf,
}
