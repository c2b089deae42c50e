//! `meshdrill check`: validates files offline.

use std::collections::BTreeMap;
use std::path::Path;

use meshdrill_lab::{Lab, LabConfig};

use super::args::CheckArgs;
use super::lab::lab_mesh;
use super::plans::{find_mesh, plans_of};
use super::{Failure, USAGE};
use crate::catalogue::valid_files;
use crate::document::{Problems, read_file};
use crate::spec::{ScenarioSource, load_mesh};

/// Checks every file; 0 if all are valid, 2 if not.
pub(super) fn check(args: &CheckArgs) -> Result<u8, Failure> {
    let mesh = match &args.mesh {
        _ if args.lab => {
            let outline = Lab::outline(&LabConfig::default());
            Some(lab_mesh(outline.map_err(|error| Failure::Internal(error.to_string()))?))
        }
        Some(path) => find_mesh(Some(path))?,
        None => None,
    };
    let paths = if args.paths.is_empty() { vec!["scenarios".to_owned()] } else { args.paths.clone() };
    let mut files = Vec::new();
    for path in &paths {
        let path = Path::new(path);
        if path.is_dir() { files.extend(valid_files(path)) } else { files.push(path.to_owned()) }
    }
    if files.is_empty() {
        return Err(Failure::Usage(format!("no YAML file in {}", paths.join(", "))));
    }
    let mut invalid = 0;
    for file in &files {
        if let Err(problems) = check_one(file, mesh.as_ref()) {
            invalid += 1;
            eprint!("{}", problems.render(super::colour()));
        }
    }
    super::say!("valid files: {} of {}", files.len() - invalid, files.len());
    if mesh.is_none() && invalid == 0 {
        eprintln!("the names of clusters and `${{…}}` were not checked: give --mesh FILE, or --lab");
    }
    Ok(if invalid == 0 { 0 } else { USAGE })
}

fn check_one(file: &Path, mesh: Option<&crate::spec::MeshFile>) -> Result<(), Problems> {
    let (source, node) = read_file(file)?;
    if node.get("kind").and_then(crate::document::Node::text) == Some("Mesh") {
        return load_mesh(file).map(|_| ());
    }
    plans_of(&ScenarioSource { source, node }, mesh, &BTreeMap::new(), 1).map(|_| ())
}
