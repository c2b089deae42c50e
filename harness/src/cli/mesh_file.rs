//! Mesh files: found, and as text.

use std::path::{Path, PathBuf};

use super::error::{CliError, UsageError};
use crate::format::MeshFile;
use crate::spec::{load_mesh, load_mesh_to_update};
use meshdrill_document::Problems;

/// The mesh file that was named, else that of `MESHDRILL_MESH`, else `mesh.yaml` if there is one.
pub(super) fn find_mesh(named: Option<&Path>) -> Result<Option<MeshFile>, CliError> {
    let given = named.map(Path::to_owned).or_else(|| std::env::var_os("MESHDRILL_MESH").map(PathBuf::from));
    let default = PathBuf::from("mesh.yaml");
    let Some(path) = given.or_else(|| default.is_file().then_some(default)) else { return Ok(None) };
    let mesh = read_mesh(&path)?;
    mesh.warnings().iter().for_each(|warning| super::say_err!("warning: {}: {warning}", path.display()));
    Ok(Some(mesh))
}

/// Reads a mesh file; its problems are shown.
pub(super) fn read_mesh(path: &Path) -> Result<MeshFile, CliError> {
    load_mesh(path).map_err(|problems| shown(&problems))
}

/// The same of one whose inventory will be detected again.
pub(super) fn read_mesh_to_update(path: &Path) -> Result<MeshFile, CliError> {
    load_mesh_to_update(path).map_err(|problems| shown(&problems))
}

fn shown(problems: &Problems) -> CliError {
    eprint!("{}", problems.render(super::colour()));
    UsageError::InvalidMesh.into()
}

/// A mesh file as text.
pub(super) fn mesh_to_yaml(mesh: &MeshFile) -> Result<String, CliError> {
    serde_saphyr::to_string(mesh).map_err(|error| CliError::Unwritable { what: "the mesh file", source: error.into() })
}
