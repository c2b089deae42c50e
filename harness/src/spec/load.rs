//! Loading files: read, bind `forEach`, replace names, decode; all problems of a file at once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::placeholders::unfilled;
use super::references::unknown_names;
use super::{API_VERSION, Binding, ScenarioFile, bindings, names};
use crate::format::{AnnotateSpec, MeshFile};
use meshdrill_document as document;
use meshdrill_document::{Node, Problem, Problems, Source};
use meshdrill_evidence::sha256;

/// A scenario file that was read but not decoded.
#[derive(Debug, Clone)]
pub struct ScenarioSource {
    /// The file.
    pub source: Source,
    /// Its tree.
    pub node: Node,
}

/// One scenario, bound and decoded.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The file.
    pub path: PathBuf,
    /// SHA-256 of its text, in hex.
    pub sha256: String,
    /// What `forEach` bound.
    pub binding: Binding,
    /// Its contents.
    pub file: ScenarioFile,
    /// The tree it was decoded from; paths into `file` are paths into this.
    pub node: Node,
    /// Where something was wrong; what follows from that is not reported again.
    pub lost: Vec<document::Path>,
}

impl Loaded {
    /// Whether the value at a path, something in it, or what it stands in was wrong.
    pub fn lacks(&self, path: &document::Path) -> bool {
        self.lost.iter().any(|gone| gone.0.starts_with(&path.0) || path.0.starts_with(&gone.0))
    }
}

/// Reads a scenario file without deciding anything about it.
pub fn read_scenario(path: &Path) -> Result<ScenarioSource, Problems> {
    let (source, node) = document::read_file(path)?;
    Ok(ScenarioSource { source, node })
}

/// Decodes a scenario once per binding of its `forEach`. Problems of all bindings come together, each once.
pub fn load_scenario(
    scenario: &ScenarioSource,
    mesh: Option<&MeshFile>,
    set: &BTreeMap<String, String>,
) -> (Vec<Loaded>, Vec<Problem>) {
    let mut loaded = Vec::new();
    let mut problems = Vec::new();
    let wrong = wrong_file(&scenario.node, "Scenario");
    if !wrong.is_empty() {
        return (loaded, wrong);
    }
    for binding in bindings(&scenario.node, mesh).runs {
        let mut node = scenario.node.clone();
        document::substitute(&mut node, &names(mesh, set, &binding), &mut problems);
        let decoded = document::decode::<ScenarioFile>(&node);
        let (lost, mut left): (Vec<_>, Vec<_>) = unfilled(&node).into_iter().unzip();
        left = without_consequences(left, &problems);
        problems.extend(without_consequences(decoded.problems, &left));
        problems.extend(left);
        if let Some(file) = decoded.value {
            loaded.push(Loaded {
                path: scenario.source.path.clone(),
                sha256: sha256(scenario.source.text.as_bytes()),
                binding,
                file,
                node: decoded.node,
                lost: [decoded.lost, lost].concat(),
            });
        }
    }
    (loaded, problems)
}

/// The problems that do not stand where a placeholder was left.
fn without_consequences(mut problems: Vec<Problem>, left: &[Problem]) -> Vec<Problem> {
    problems.retain(|problem| !left.iter().any(|cause| cause.span == problem.span));
    problems
}

/// Reads and decodes a mesh file.
pub fn load_mesh(path: &Path) -> Result<MeshFile, Problems> {
    let (source, node) = document::read_file(path)?;
    decode_mesh(source, &node, unknown_names)
}

/// Reads a mesh file whose inventory will be detected again: its names may lead to nothing.
pub fn load_mesh_to_update(path: &Path) -> Result<MeshFile, Problems> {
    let (source, node) = document::read_file(path)?;
    decode_mesh(source, &node, |_, _| Vec::new())
}

/// Decodes the text of a mesh file.
pub fn parse_mesh(source: Source) -> Result<MeshFile, Problems> {
    let (source, node) = document::read(source)?;
    decode_mesh(source, &node, unknown_names)
}

fn decode_mesh(source: Source, node: &Node, names: fn(&MeshFile, &Node) -> Vec<Problem>) -> Result<MeshFile, Problems> {
    let wrong = wrong_file(node, "Mesh");
    if !wrong.is_empty() {
        return Err(Problems::new(source, wrong));
    }
    let document::Decoded { value: file, mut problems, node, lost } = document::decode::<MeshFile>(node);
    if let Some(file) = &file {
        problems.extend(judge_mesh(file, &node, &lost));
        problems.extend(names(file, &node));
    }
    let left: Vec<Problem> = unfilled(&node).into_iter().map(|(_, problem)| problem).collect();
    problems = without_consequences(problems, &left);
    problems.extend(left);
    match (file, problems.is_empty()) {
        (Some(file), true) => Ok(file),
        _ => Err(Problems::new(source, problems)),
    }
}

fn judge_mesh(file: &MeshFile, node: &Node, lost: &[document::Path]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let clusters = document::Path::of(&["spec", "clusters"]);
    if file.spec.clusters.is_empty() && !lost.iter().any(|path| path.0.starts_with(&clusters.0)) {
        let problem = Problem::at(node.key_span_at(&clusters), "a mesh has at least one cluster");
        problems
            .push(problem.help("add one, as in `primary: { context: CONTEXT }`; `meshdrill mesh init` writes them"));
    }
    for (key, cluster) in &file.spec.clusters {
        let place = clusters.key(key);
        let well_formed =
            !key.is_empty() && key.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        if !well_formed || key == "all" {
            let problem = Problem::at(node.key_span_at(&place), format!("`{key}` cannot be a cluster's key"));
            problems.push(problem.help("use lower-case letters, digits and dashes; `all` is taken"));
        }
        let twins = file.spec.clusters.iter().filter(|(other, twin)| *other != key && twin.context == cluster.context);
        if twins.count() > 0 {
            let problem = Problem::at(node.span_at(&place.key("context")), "another cluster has the same context");
            problems.push(problem.help("remove one of the two: with two keys for one cluster, a run on one key would not notice a run on the other"));
        }
    }
    for (key, cluster) in &file.spec.clusters {
        for (name, places) in cluster.monitoring() {
            for (index, place) in places.iter().enumerate() {
                let at = clusters.key(key).key(name).index(index);
                for (below, what, remedy) in place.problems() {
                    problems.push(Problem::at(node.span_at(&at.key(below)), what).help(remedy));
                }
            }
        }
    }
    let annotate = document::Path::of(&["spec", "annotate"]);
    for (below, what, remedy) in file.spec.annotate.iter().flat_map(AnnotateSpec::problems) {
        problems.push(Problem::at(node.span_at(&annotate.key(below)), what).help(remedy));
    }
    for (need, waiver) in &file.spec.without {
        if waiver.until.parse::<jiff::civil::Date>().is_err() {
            let place = document::Path::of(&["spec", "without", need, "until"]);
            let problem = Problem::at(node.span_at(&place), format!("`{}` is not a date", waiver.until));
            problems.push(problem.help("write it as 2027-01-31"));
        }
    }
    problems
}

/// Problems with `apiVersion`, `kind`, `metadata` and `spec`.
pub(super) fn wrong_file(node: &Node, wanted: &str) -> Vec<Problem> {
    let Some(kind) = node.get("kind") else {
        let problem = Problem::at(node.span.clone(), "this is not a meshdrill file: it has no `kind`");
        return vec![problem.help(format!("begin it with `apiVersion: {API_VERSION}` and `kind: {wanted}`"))];
    };
    match kind.text() {
        Some(text) if text == wanted => {}
        Some(other @ ("Scenario" | "Mesh" | "SignOff" | "Attestations" | "Findings")) => {
            let help = match other {
                "Mesh" => "give a mesh file with `--mesh FILE`; scenarios have `kind: Scenario`",
                "SignOff" => "give it with `signoff --required FILE`",
                "Attestations" => "give it with `signoff --attest FILE`",
                "Findings" => "give it with `signoff --findings FILE`",
                _ if wanted == "Mesh" => "a mesh file has `kind: Mesh`; `meshdrill mesh init` writes one",
                _ => "a scenario is given by its path, as `meshdrill run FILE`",
            };
            return vec![Problem::at(kind.span.clone(), format!("a {other} is not a {wanted}")).help(help)];
        }
        _ => {
            let problem = Problem::at(kind.span.clone(), "unknown kind of file");
            return vec![problem.help("write `kind: Scenario`, `Mesh`, `SignOff`, `Attestations` or `Findings`")];
        }
    }
    let mut problems = Vec::new();
    let help = format!("write `apiVersion: {API_VERSION}`");
    match node.get("apiVersion") {
        Some(version) if version.text() == Some(API_VERSION) => {}
        Some(version) => {
            problems.push(Problem::at(version.span.clone(), "unknown version of the file format").help(help));
        }
        None => problems.push(Problem::at(node.span.clone(), "`apiVersion` is missing").help(help)),
    }
    for section in ["metadata", "spec"].into_iter().filter(|section| node.get(section).is_none()) {
        let problem = Problem::at(node.span.clone(), format!("`{section}` is missing"));
        problems.push(problem.help(format!("add `{section}: …`")));
    }
    problems
}
