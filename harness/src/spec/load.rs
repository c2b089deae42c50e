//! From a file to what it says: read, `forEach` bound, names replaced, decoded; all problems of the file at once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use super::{API_VERSION, Binding, MeshFile, ScenarioFile, names};
use crate::document::{self, Node, Problem, Problems, Source};

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
    /// What `forEach` bound.
    pub binding: Binding,
    /// What it says.
    pub file: ScenarioFile,
    /// The tree it was decoded from; paths into `file` are paths into this.
    pub node: Node,
    /// Keys that were wrong and left out; what refers to them is not reported again.
    pub removed: BTreeSet<String>,
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
    if let Some(problem) = wrong_kind(&scenario.node, "Scenario") {
        return (loaded, vec![problem]);
    }
    for binding in bindings(&scenario.node, mesh) {
        let mut node = scenario.node.clone();
        document::substitute(&mut node, &names(mesh, set, &binding), &mut problems);
        let decoded = document::decode::<ScenarioFile>(&node);
        problems.extend(decoded.problems);
        if let Some(file) = decoded.value {
            loaded.push(Loaded {
                path: scenario.source.path.clone(),
                binding,
                file,
                node: decoded.node,
                removed: decoded.removed,
            });
        }
    }
    (loaded, problems)
}

/// Reads and decodes a mesh file.
pub fn load_mesh(path: &Path) -> Result<MeshFile, Problems> {
    let (source, node) = document::read_file(path)?;
    if let Some(problem) = wrong_kind(&node, "Mesh") {
        return Err(Problems::new(source, vec![problem]));
    }
    let (file, mut problems, node) = decoded::<MeshFile>(&node);
    if let Some(file) = &file {
        problems.extend(judge_mesh(file, &node));
    }
    match (file, problems.is_empty()) {
        (Some(file), true) => Ok(file),
        _ => Err(Problems::new(source, problems)),
    }
}

fn decoded<T: DeserializeOwned>(node: &Node) -> (Option<T>, Vec<Problem>, Node) {
    let decoded = document::decode::<T>(node);
    (decoded.value, decoded.problems, decoded.node)
}

fn judge_mesh(file: &MeshFile, node: &Node) -> Vec<Problem> {
    let mut problems = Vec::new();
    let clusters = document::Path::of(&["spec", "clusters"]);
    if file.spec.clusters.is_empty() {
        problems.push(Problem::at(node.key_span_at(&clusters), "a mesh has at least one cluster"));
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
            problems.push(problem.help("two keys that lead to one cluster would hide each other's faults"));
        }
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

/// The bindings of `forEach`. Without a mesh file one stands for all.
fn bindings(node: &Node, mesh: Option<&MeshFile>) -> Vec<Binding> {
    let for_each = node.get("spec").and_then(|spec| spec.get("forEach")).and_then(Node::text);
    let keys = mesh.map_or_else(|| vec!["primary".to_owned(), "secondary".to_owned()], |mesh| mesh.spec.keys());
    let one =
        |cluster: &String, other: Option<&String>| Binding { cluster: Some(cluster.clone()), other: other.cloned() };
    let all: Vec<Binding> = match for_each {
        Some("cluster") => keys.iter().map(|key| one(key, None)).collect(),
        Some("pair") => keys
            .iter()
            .flat_map(|cluster| {
                keys.iter().filter(move |other| *other != cluster).map(move |other| one(cluster, Some(other)))
            })
            .collect(),
        _ => vec![Binding::default()],
    };
    if mesh.is_none() { all.into_iter().take(1).collect() } else { all }
}

/// The two lines that say what a file is.
fn wrong_kind(node: &Node, wanted: &str) -> Option<Problem> {
    let Some(kind) = node.get("kind") else {
        let problem = Problem::at(node.span.clone(), "this is not a meshdrill file: it has no `kind`");
        return Some(problem.help(format!("begin it with `apiVersion: {API_VERSION}` and `kind: {wanted}`")));
    };
    if kind.text() != Some(wanted) {
        let problem =
            Problem::at(kind.span.clone(), format!("a {} is not a {wanted}", kind.text().unwrap_or("number")));
        return Some(problem.help(format!("a file of this kind begins with `kind: {wanted}`")));
    }
    let version = node.get("apiVersion");
    if version.and_then(Node::text) == Some(API_VERSION) {
        return None;
    }
    let span = version.map_or_else(|| kind.span.clone(), |version| version.span.clone());
    Some(Problem::at(span, "unknown version of the file format").help(format!("write `apiVersion: {API_VERSION}`")))
}
