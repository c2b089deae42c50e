//! From the arguments of the command line to plans; `plan` and `list`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use meshdrill_checks::exit_code::ExitCode;
use meshdrill_checks::units::TimeSpan;
use meshdrill_lab::{Defect, Lab, LabConfig, LabMesh};

use super::args::{ListArgs, PlanArgs, SelectArgs};
use super::as_json;
use super::error::{CliError, UsageError};
use super::lab::{inventoried, lab_mesh};
use super::left_out::LeftOut;
use super::mesh_file::find_mesh;
use crate::catalogue::{Catalogue, HIDES, NotFound, Selection};
use crate::cluster::Permission;
use crate::format::MeshFile;
use crate::plan::{Plan, build, to_text};
use crate::run::{Findings, WorldSource, look};
use crate::spec::{ScenarioSource, alias_clashes, bindings, load_scenario};
use meshdrill_document::{Node, Problem, Problems, nearest, used_names};

/// What a command works on.
pub(super) struct Selected {
    pub mesh: Option<Arc<MeshFile>>,
    pub plans: Vec<Plan>,
    /// Scenarios that do not run, or not for everything, on this mesh.
    pub left_out: Vec<LeftOut>,
    pub defects: Vec<Defect>,
}

/// Selects scenarios and builds their plans. All problems of all files are shown at once.
pub(super) fn select(args: &SelectArgs) -> Result<Selected, CliError> {
    let (selected, invalid) = select_valid(args)?;
    if let Some(invalid) = invalid {
        return Err(invalid.into());
    }
    if selected.plans.is_empty() && !selected.left_out.is_empty() {
        return Err(CliError::NothingApplies(selected.left_out));
    }
    Ok(selected)
}

/// The same without the files that are not valid, and how many those are. Their problems are shown.
fn select_valid(args: &SelectArgs) -> Result<(Selected, Option<UsageError>), CliError> {
    let defects = args.lab_defect.iter().map(|name| name.parse()).collect::<Result<Vec<Defect>, _>>();
    let defects = defects.map_err(UsageError::from)?;
    let mesh =
        if args.lab { Some(Arc::new(mesh_of_lab(args)?)) } else { find_mesh(args.mesh.as_deref())?.map(Arc::new) };
    let choice = Choice { words: &args.select, scenarios: args.scenarios.as_deref(), set: &args.set, seed: args.seed };
    let Chosen { plans, left_out, invalid } = choose(&choice, mesh.as_deref())?;
    Ok((Selected { mesh, plans, left_out, defects }, invalid))
}

impl Selected {
    /// The exit code of what ran, where some of the mesh is not known: no pass. Reports what that is.
    pub fn with_unknown(&self, code: ExitCode) -> ExitCode {
        let unknown: Vec<&LeftOut> = self.left_out.iter().filter(|one| one.unknown).collect();
        for one in &unknown {
            super::say_err!("not-run  {}: {}", one.name, one.why);
        }
        if unknown.is_empty() { code } else { ExitCode::merge([code, ExitCode::Inconclusive]) }
    }
}

/// The plans of a choice.
pub(super) struct Chosen {
    /// The plans.
    pub plans: Vec<Plan>,
    /// What does not run on this mesh.
    pub left_out: Vec<LeftOut>,
    /// How many files are not valid. Their problems were shown.
    pub invalid: Option<UsageError>,
}

/// The arguments that select scenarios and set their values.
pub(super) struct Choice<'a> {
    /// What selects scenarios.
    pub words: &'a [String],
    /// The folder of `--scenarios`.
    pub scenarios: Option<&'a Path>,
    /// `NAME=VALUE` of `--set`.
    pub set: &'a [String],
    /// The seed of `count` and `percent` selections.
    pub seed: u64,
}

/// Builds the plans of a choice, without those of files that are not valid, and how many those are. Their problems are shown.
pub(super) fn choose(choice: &Choice<'_>, mesh: Option<&MeshFile>) -> Result<Chosen, CliError> {
    let set = assignments(choice.set)?;
    // An instance of a scenario is selected by the title that `list` prints.
    let instances: Vec<&String> = choice.words.iter().filter(|word| is_instance(word)).collect();
    let words: Vec<String> = choice
        .words
        .iter()
        .map(|word| if is_instance(word) { word.split('@').next().unwrap_or(word).to_owned() } else { word.clone() })
        .collect();
    let selection =
        Catalogue::choose(choice.scenarios).and_then(|found| found.select(&words)).map_err(UsageError::NotFound)?;
    let Selection { scenarios: sources, unreadable } = selection;
    let all = sources.len() + unreadable.len();
    let mut invalid: BTreeSet<PathBuf> = BTreeSet::new();
    for problems in unreadable.iter().chain(&alias_clashes(&sources)) {
        invalid.insert(problems.source.path.clone());
        eprint!("{}", problems.render(super::colour()));
    }
    // A file that cannot be read may use any name.
    if invalid.is_empty() {
        refuse_unused(&set, &sources)?;
    }
    let (mut plans, mut left_out) = (Vec::new(), Vec::new());
    for source in &sources {
        left_out.extend(left_out_of(source, mesh));
        match plans_of(source, mesh, &set, choice.seed) {
            Ok(found) => plans.extend(found),
            Err(problems) => {
                invalid.insert(problems.source.path.clone());
                eprint!("{}", problems.render(super::colour()));
            }
        }
    }
    let invalid = (!invalid.is_empty()).then_some(UsageError::InvalidScenarios { invalid: invalid.len(), all });
    if !instances.is_empty() {
        // An instance that is not there may be one of a file that is not valid.
        if let Err(error) = keep_instances(&mut plans, &instances, choice.words) {
            return Err(invalid.unwrap_or(error).into());
        }
    }
    refuse_namesakes(&plans)?;
    if mesh.is_none()
        && let Some(plan) = plans.iter().find(|plan| !plan.clusters.is_empty())
    {
        return Err(UsageError::ClustersWithoutMesh(plan.name.clone()).into());
    }
    Ok(Chosen { plans, left_out, invalid })
}

/// An error if no scenario uses a name of `--set`.
pub(super) fn refuse_unused(set: &BTreeMap<String, String>, sources: &[ScenarioSource]) -> Result<(), UsageError> {
    let used: BTreeSet<String> = sources.iter().flat_map(|source| used_names(&source.node)).collect();
    match set.keys().find(|name| !used.contains(*name)) {
        None => Ok(()),
        Some(name) => {
            let nearest = nearest(name, used.iter().map(String::as_str)).map(str::to_owned);
            Err(UsageError::UnusedName { name: name.clone(), nearest })
        }
    }
}

/// Why a scenario does not run on a mesh, or not for everything.
fn left_out_of(source: &ScenarioSource, mesh: Option<&MeshFile>) -> Vec<LeftOut> {
    let found = bindings(&source.node, mesh);
    let metadata = source.node.get("metadata");
    let text = |node: Option<&Node>| node.and_then(Node::text).unwrap_or_default().to_owned();
    let one = |why: String, unknown: bool| LeftOut {
        name: text(metadata.and_then(|metadata| metadata.get("name"))),
        why,
        unknown,
    };
    let unknown = found.unknown.map(|why| one(why, true));
    // Of what is not known nobody can say that it is not there.
    let absent = found.absent.filter(|_| unknown.is_none()).map(|why| one(why, false));
    absent.into_iter().chain(unknown).collect()
}

/// Whether a word names one instance of a scenario, as `latency-injection@primary`.
fn is_instance(word: &str) -> bool {
    word.contains('@') && !Path::new(word).exists()
}

/// Leaves out the instances of scenarios of which only some are named, by title or as `FILE@CLUSTER`.
fn keep_instances(plans: &mut Vec<Plan>, instances: &[&String], words: &[String]) -> Result<(), UsageError> {
    let last = |word: &str| word.rsplit('/').next().unwrap_or(word).to_owned();
    let is_named = |plan: &Plan, word: &str| match word.rsplit_once('@') {
        Some((file, label)) if Path::new(file).is_file() => {
            plan.path == Path::new(file) && plan.binding.label() == label
        }
        _ => last(word) == plan.title(),
    };
    let is_selected = |plan: &Plan, word: &str| {
        if Path::new(word).is_file() { plan.path == Path::new(word) } else { last(word) == plan.name }
    };
    for instance in instances {
        if !plans.iter().any(|plan| is_named(plan, instance)) {
            let titles: Vec<String> = plans.iter().map(Plan::title).collect();
            let nearest = nearest(&last(instance), titles.iter().map(String::as_str)).map(str::to_owned);
            return Err(UsageError::NotFound(NotFound::Nothing { word: (*instance).clone(), nearest }));
        }
    }
    plans.retain(|plan| {
        let only = instances.iter().any(|word| is_selected(plan, word.rsplit_once('@').map_or(word, |(name, _)| name)));
        let whole = words.iter().any(|word| !is_instance(word) && is_selected(plan, word));
        !only || whole || instances.iter().any(|instance| is_named(plan, instance))
    });
    Ok(())
}

/// Reports know a scenario by its suite and name: two files with the same would be one there.
fn refuse_namesakes(plans: &[Plan]) -> Result<(), UsageError> {
    for (place, plan) in plans.iter().enumerate() {
        if let Some(other) = plans[..place]
            .iter()
            .find(|other| other.name == plan.name && other.suite == plan.suite && other.path != plan.path)
        {
            return Err(UsageError::Namesakes {
                name: plan.name.clone(),
                first: other.path.clone(),
                second: plan.path.clone(),
            });
        }
    }
    Ok(())
}

/// The plans of one file, one per binding.
pub(super) fn plans_of(
    source: &ScenarioSource,
    mesh: Option<&MeshFile>,
    set: &BTreeMap<String, String>,
    seed: u64,
) -> Result<Vec<Plan>, Problems> {
    let (loaded, mut problems) = load_scenario(source, mesh, set);
    let mut plans = Vec::new();
    for one in &loaded {
        match build(one, mesh, seed) {
            Ok(plan) => plans.push(plan),
            Err(found) => problems.extend(found),
        }
    }
    if problems.is_empty() { Ok(plans) } else { Err(Problems::new(source.source.clone(), unique(problems))) }
}

/// The same problem in several bindings is one problem.
fn unique(problems: Vec<Problem>) -> Vec<Problem> {
    let mut kept: Vec<Problem> = Vec::new();
    for problem in problems {
        if !kept.contains(&problem) {
            kept.push(problem);
        }
    }
    kept
}

/// The mesh file of an embedded mesh like the one that will be started.
fn mesh_of_lab(args: &SelectArgs) -> Result<MeshFile, CliError> {
    let config = lab_config(args, &[]);
    if args.lab_mesh == LabMesh::Guide {
        return Ok(lab_mesh(Lab::outline(&config)?));
    }
    // What a healthy mesh of this kind consists of, whatever is planted in the one that runs.
    let config = LabConfig { least_privilege: false, ..config };
    super::virtual_runtime()?.block_on(async { inventoried(args.lab_mesh, &Lab::start(config)?).await })
}

/// An embedded mesh, as the command line asks for it.
pub(super) fn start_lab(args: &SelectArgs, defects: &[Defect]) -> Result<Lab, CliError> {
    Ok(Lab::start(lab_config(args, defects))?)
}

fn lab_config(args: &SelectArgs, defects: &[Defect]) -> LabConfig {
    LabConfig {
        mesh: args.lab_mesh,
        clusters: args.lab_clusters,
        seed: args.seed,
        defects: defects.to_vec(),
        least_privilege: args.lab_least_privilege,
        ..LabConfig::default()
    }
}

pub(super) fn assignments(set: &[String]) -> Result<BTreeMap<String, String>, CliError> {
    let pair = |text: &String| {
        let (name, value) = text.split_once('=').filter(|(name, _)| !name.is_empty())?;
        Some((name.to_owned(), value.to_owned()))
    };
    set.iter().map(|text| pair(text).ok_or_else(|| UsageError::Assignment(text.clone()).into())).collect()
}

/// How plans are shown.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PlanOutput {
    /// Nothing is contacted.
    pub offline: bool,
    /// As JSON.
    pub json: bool,
}

/// `meshdrill plan`: what is written, what the clusters have of it now, and the exit code that a run would have.
pub(super) fn plan(args: &PlanArgs) -> Result<ExitCode, CliError> {
    let output = PlanOutput { offline: args.offline, json: args.json };
    show_plans(&args.select, &select(&args.select)?, args.kubeconfig.clone(), output)
}

/// Shows the plans of a selection. Unless `offline`, preflight asks the clusters; nothing is taken and nothing changes.
pub(super) fn show_plans(
    args: &SelectArgs,
    selected: &Selected,
    kubeconfig: Option<PathBuf>,
    output: PlanOutput,
) -> Result<ExitCode, CliError> {
    let mut codes = Vec::new();
    let mut permissions = BTreeSet::new();
    let mut runs = Vec::new();
    let clusters = (!args.lab).then(|| WorldSource::of_clusters(selected.mesh.clone(), kubeconfig));
    let runtime = super::runtime()?;
    for plan in &selected.plans {
        let found = match &clusters {
            _ if output.offline => None,
            Some(source) => Some(runtime.block_on(look(plan, source))),
            // As in a run, every plan has an embedded mesh and a virtual clock of its own.
            None => Some(super::virtual_runtime()?.block_on(async {
                let lab = start_lab(args, &selected.defects)?;
                Ok::<_, CliError>(look(plan, &WorldSource::of_lab(selected.mesh.clone(), lab)).await)
            })?),
        };
        if output.json {
            runs.push(as_json::run(plan, found.as_ref()));
        } else {
            let text = found.as_ref().map_or_else(String::new, preflight_text);
            super::say!("{}{text}", to_text(plan));
        }
        if let Some(found) = found {
            codes.push((found.exit_code(), found.is_waived()));
            permissions.extend(found.permissions);
        }
    }
    let code = if output.offline { ExitCode::Pass } else { selected.with_unknown(suite_exit_code(codes)) };
    if output.json {
        super::say!("{:#}", as_json::plan(&runs, &permissions, &selected.left_out, code));
    } else if !output.offline {
        super::say_part!("{}{}", permissions_text(&permissions), total_text(&selected.plans, args.lab));
    }
    Ok(code)
}

/// The permissions of all plans as a table: the verbs on each resource in each place.
fn permissions_text(permissions: &BTreeSet<Permission>) -> String {
    let verbs = Permission::verbs_by_resource(permissions);
    if verbs.is_empty() {
        return String::new();
    }
    let rows = verbs.into_iter().map(|((cluster, namespace, resource), verbs)| {
        let namespace = if namespace.is_empty() { "(all)" } else { namespace };
        [cluster, namespace, &resource, &verbs.join(",")].map(str::to_owned)
    });
    format!("\n{}", table(["CLUSTER", "NAMESPACE", "RESOURCE", "VERBS"], rows.collect()))
}

/// How many runs there are and how long they take.
fn total_text(plans: &[Plan], lab: bool) -> String {
    if plans.len() < 2 {
        return String::new();
    }
    let (drills, validations): (Vec<&Plan>, Vec<&Plan>) = plans.iter().partition(|plan| plan.is_drill());
    let sum = |plans: &[&Plan]| plans.iter().map(|plan| plan.duration().0).sum::<Duration>();
    let longest = validations.iter().map(|plan| plan.duration().0).max().unwrap_or_default();
    let seconds = |length: Duration| TimeSpan::secs(length.as_secs());
    let time = if lab {
        "virtual time, one after the other".to_owned()
    } else if validations.is_empty() {
        format!("about {}, one after the other", seconds(sum(&drills)))
    } else {
        format!(
            "about {} at least: validations side by side, then drills one after the other",
            seconds(longest + sum(&drills))
        )
    };
    format!("\n{} validations and {} drills; {time}\n", validations.len(), drills.len())
}

/// Rows below a header, in columns.
fn table<const N: usize>(header: [&str; N], rows: Vec<[String; N]>) -> String {
    let all: Vec<[String; N]> = std::iter::once(header.map(str::to_owned)).chain(rows).collect();
    let widths: [usize; N] =
        std::array::from_fn(|column| all.iter().map(|row| row[column].len()).max().unwrap_or_default());
    all.iter().fold(String::new(), |text, row| {
        let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        text + cells.join("  ").trim_end() + "\n"
    })
}

/// What preflight found, in lines.
fn preflight_text(found: &Findings) -> String {
    let mut lines: Vec<(&str, String)> = Vec::new();
    lines.extend(found.targets.iter().map(|target| ("target", target.clone())));
    lines.extend(found.remarks.iter().map(|remark| ("remark", remark.clone())));
    lines.extend(found.notes.iter().map(|note| ("remark", note.to_string())));
    lines.extend(found.obstacles.iter().map(|obstacle| (obstacle.label(), obstacle.to_string())));
    lines.push((
        "preflight",
        match (found.stops(), found.exit_code()) {
            (true, code) => format!("a run would end here with exit code {code}; nothing would be injected"),
            (false, ExitCode::Pass) => "a run would begin".to_owned(),
            (false, code) => format!("a run would begin, and end with exit code {code} at best"),
        },
    ));
    lines.into_iter().fold(String::new(), |mut text, (label, line)| {
        let _ = writeln!(text, "  {label:<10} {line}");
        text
    })
}

/// The exit code of several runs, each with whether the mesh file waives all of it: those weigh nothing, unless there is
/// nothing else.
pub(super) fn suite_exit_code(runs: impl IntoIterator<Item = (ExitCode, bool)>) -> ExitCode {
    ExitCode::merge(runs.into_iter().filter(|(_, waived)| !waived).map(|(code, _)| code))
}

/// `meshdrill list`: without a mesh file, scenarios are listed as they would be for two clusters.
pub(super) fn list(args: &ListArgs) -> Result<ExitCode, CliError> {
    let mut select_args = args.select.clone();
    if !select_args.lab && select_args.mesh.is_none() && !PathBuf::from("mesh.yaml").is_file() {
        select_args.lab = true;
    }
    let (selected, invalid) = select_valid(&select_args)?;
    if args.select.select.is_empty() && Catalogue::choose(args.select.scenarios.as_deref()).is_ok_and(|one| one.hides())
    {
        super::say_err!("{HIDES}");
    }
    if args.json {
        super::say!("{:#}", as_json::list(&selected.plans, &selected.left_out));
        return invalid.map_or(Ok(ExitCode::Pass), |invalid| Err(invalid.into()));
    }
    let rows: Vec<[String; 5]> = selected
        .plans
        .iter()
        .map(|plan| {
            let faults = plan.faults.iter().map(|fault| fault.kind.name()).collect::<Vec<_>>().join(",");
            let clusters = plan.clusters.iter().cloned().collect::<Vec<_>>().join(",");
            let dash = |text: String| if text.is_empty() { "-".to_owned() } else { text };
            [plan.title(), dash(plan.suite.clone()), dash(clusters), dash(faults), format!("~{}", plan.duration())]
        })
        .collect();
    super::say!("{}", table(["NAME", "SUITE", "CLUSTERS", "FAULTS", "DURATION"], rows).trim_end());
    if !selected.left_out.is_empty() {
        let rows = selected.left_out.iter().map(|one| {
            let word = if one.unknown { "unknown" } else { "absent" };
            [one.name.clone(), word.to_owned(), one.why.clone()]
        });
        super::say!("\n{}", table(["NOT ON THIS MESH", "", "WHY"], rows.collect()).trim_end());
    }
    invalid.map_or(Ok(ExitCode::Pass), |invalid| Err(invalid.into()))
}
