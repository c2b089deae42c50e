//! `meshdrill check`: validates files offline.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use meshdrill_checks::exit_code::ExitCode;
use meshdrill_lab::{Lab, LabConfig};

use super::args::CheckArgs;
use super::error::{CliError, UsageError};
use super::lab::lab_mesh;
use super::mesh_file::find_mesh;
use super::plans::{assignments, plans_of, refuse_unused};
use crate::catalogue::{Catalogue, Selection, own_files};
use crate::format::MeshFile;
use crate::spec::{ScenarioSource, alias_clashes, bindings, check_signing, load_mesh, read_scenario};
use meshdrill_document::{Node, Problems, read_file};

/// Checks every file; 0 if all are valid, 2 if not. Without paths: `./scenarios`, or the built-in catalogue where there is
/// none, and the mesh file.
pub(super) fn check(args: &CheckArgs) -> Result<ExitCode, CliError> {
    let mesh = if args.lab {
        Some(lab_mesh(Lab::outline(&LabConfig::default())?))
    } else {
        // Files that were named are checked against a mesh file that was named, not against one that lies there.
        let named = args.mesh.is_some() || args.paths.is_empty();
        if named { find_mesh(args.mesh.as_deref())? } else { None }
    };
    let set = assignments(&args.set)?;
    let (results, sources) = if args.paths.is_empty() {
        let Selection { scenarios, unreadable } = Catalogue::choose(None).map_err(UsageError::NotFound)?.all_valid();
        let checked = scenarios.iter().map(|source| plans_of(source, mesh.as_ref(), &set, 1).map(|_| ()));
        (unreadable.into_iter().map(Err).chain(checked).collect::<Vec<_>>(), scenarios)
    } else {
        let files = files(&args.paths)?;
        let results = files.iter().map(|file| check_one(file, mesh.as_ref(), &set)).collect::<Vec<_>>();
        (results, files.iter().filter_map(|file| read_scenario(file).ok()).collect())
    };
    // A file that cannot be read may use any name.
    if results.iter().all(Result::is_ok) {
        refuse_unused(&set, &sources)?;
    }
    let mut invalid: BTreeSet<&Path> = BTreeSet::new();
    let clashes = alias_clashes(&sources);
    for problems in results.iter().filter_map(|result| result.as_ref().err()).chain(&clashes) {
        invalid.insert(&problems.source.path);
        eprint!("{}", problems.render(super::colour()));
    }
    let invalid = invalid.len();
    super::say!("valid files: {} of {}", results.len() - invalid, results.len());
    let absent = sources.iter().filter(|source| bindings(&source.node, mesh.as_ref()).absent.is_some()).count();
    if absent > 0 {
        super::say!("not for this mesh: {absent} (`meshdrill list` says why)");
    }
    if mesh.is_none() && invalid == 0 {
        super::say_err!("the names of clusters and `${{…}}` were not checked: give --mesh FILE, or --lab");
    }
    Ok(if invalid == 0 { ExitCode::Pass } else { ExitCode::Usage })
}

fn files(paths: &[String]) -> Result<Vec<PathBuf>, CliError> {
    let mut files = Vec::new();
    for path in paths.iter().map(Path::new) {
        if !path.is_dir() {
            files.push(path.to_owned());
            continue;
        }
        let own = own_files(path);
        files.extend(own.scenarios.into_iter().chain(own.meshes).chain(own.signing));
        if own.foreign > 0 {
            super::say_err!("{}: skipped {} YAML files that are not meshdrill's", path.display(), own.foreign);
        }
    }
    if files.is_empty() {
        return Err(UsageError::NoFiles(paths.join(", ")).into());
    }
    Ok(files)
}

fn check_one(file: &Path, mesh: Option<&MeshFile>, set: &BTreeMap<String, String>) -> Result<(), Problems> {
    let (source, node) = read_file(file)?;
    if node.get("kind").and_then(Node::text) == Some("Mesh") {
        let mesh = load_mesh(file)?;
        mesh.warnings().iter().for_each(|warning| super::say_err!("warning: {}: {warning}", file.display()));
        return Ok(());
    }
    if let Some(checked) = node.get("kind").and_then(Node::text).and_then(|kind| check_signing(file, kind)) {
        return checked;
    }
    plans_of(&ScenarioSource { source, node }, mesh, set, 1).map(|_| ())
}
