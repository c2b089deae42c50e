//! Malformed files are refused, and what is said of them is snapshot beside each: `UPDATE_SNAPSHOTS=1` writes it again.
//!
//! The files of `with-mesh` are checked together with the mesh file that lies there.

use std::path::{Path, PathBuf};

use libtest_mimic::{Failed, Trial};

use crate::command::{Ran, meshdrill, root, run, run_dirs, scratch};
use crate::scenarios::{name, walk};

/// The mesh file of the folder `with-mesh`.
const MESH: &str = "scenarios/invalid/with-mesh/two-clusters.mesh";
/// The fewest files that the corpus holds; fewer means that it was not found.
const LEAST: usize = 40;

pub fn trials() -> Vec<Trial> {
    let mut files = Vec::new();
    walk(&root().join("scenarios/invalid"), &mut files);
    files.sort();
    let found = files.len();
    let whole = Trial::test("invalid::the corpus is there", move || {
        if found >= LEAST { Ok(()) } else { Err(format!("{found} files; at least {LEAST} are expected").into()) }
    });
    let check = |path: &PathBuf| {
        let path = path.clone();
        Trial::test(format!("{}::check", name(&path)), move || is_refused(&path))
    };
    let run = |path: &PathBuf| {
        let path = path.clone();
        Trial::test(format!("{}::run", name(&path)), move || does_not_run(&path))
    };
    let generated = [
        Trial::test("invalid::a file of 10 MB", too_large),
        Trial::test("invalid::a folder without files", || refused(&scratch("invalid"), "no YAML file")),
        Trial::test("invalid::a file that is not there", || {
            refused(&scratch("invalid").join("x.yaml"), "cannot be read")
        }),
        Trial::test("invalid::a file that is a folder", a_folder),
        Trial::test("invalid::a file that may not be read", unreadable),
        Trial::test("invalid::a mesh file that is a scenario", scenario_as_mesh),
    ];
    files.iter().map(check).chain(files.iter().map(run)).chain(generated).chain([whole]).collect()
}

/// The arguments that name a file of the corpus, relative to the root of the repository.
fn arguments(path: &Path) -> Vec<String> {
    let root = root();
    let relative = path.strip_prefix(&root).unwrap_or(path).display().to_string();
    if relative.contains("/with-mesh/") { vec!["--mesh".to_owned(), MESH.to_owned(), relative] } else { vec![relative] }
}

fn is_refused(path: &Path) -> Result<(), Failed> {
    let ran = run(meshdrill().arg("check").args(arguments(path)));
    ran.expect_code(2)?;
    tells_nothing_hostile(&ran)?;
    let snapshot = path.with_extension("stderr");
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&snapshot, &ran.stderr)?;
        return Ok(());
    }
    let expected = std::fs::read_to_string(&snapshot)
        .map_err(|error| format!("{}: {error}\n{}", snapshot.display(), ran.said()))?;
    if expected == ran.stderr {
        Ok(())
    } else {
        Err(format!("{} says\n{expected}\nbut this was said\n{}", snapshot.display(), ran.stderr).into())
    }
}

/// `run` refuses it too, and leaves nothing behind.
fn does_not_run(path: &Path) -> Result<(), Failed> {
    let runs = scratch("invalid");
    let ran = run(meshdrill().args(["run", "--yes", "--runs"]).arg(&runs).args(arguments(path)));
    ran.expect_code(2)?;
    tells_nothing_hostile(&ran)?;
    if run_dirs(&runs).is_empty() { Ok(()) } else { Err(format!("a run directory was made\n{}", ran.said()).into()) }
}

/// Control characters of a file reach neither terminal nor log.
fn tells_nothing_hostile(ran: &Ran) -> Result<(), String> {
    let hostile = |c: char| c.is_control() && c != '\n' || ('\u{202a}'..='\u{202e}').contains(&c);
    match ran.stdout.chars().chain(ran.stderr.chars()).find(|c| hostile(*c)) {
        Some(c) => Err(format!("{} reached the terminal\n{}", c.escape_unicode(), ran.said().escape_debug())),
        None => Ok(()),
    }
}

/// `check` and `run` refuse a path, in words that contain some.
fn refused(path: &Path, words: &str) -> Result<(), Failed> {
    let runs = scratch("invalid");
    let check = run(meshdrill().arg("check").arg(path));
    let run = run(meshdrill().args(["run", "--yes", "--runs"]).arg(&runs).arg(path));
    check.expect_code(2)?;
    run.expect_code(2)?;
    if !check.stderr.contains(words) || !run_dirs(&runs).is_empty() {
        return Err(format!("expected `{words}` and no run directory\n{}\n{}", check.said(), run.said()).into());
    }
    Ok(())
}

fn too_large() -> Result<(), Failed> {
    let path = scratch("invalid").join("large.yaml");
    let line = "# Nothing but a comment that goes on and on and on.\n";
    std::fs::write(&path, line.repeat(10_000_000 / line.len()))?;
    refused(&path, "larger than 1 MiB")
}

fn a_folder() -> Result<(), Failed> {
    let folder = scratch("invalid");
    std::fs::create_dir(folder.join("folder.yaml"))?;
    refused(&folder, "no YAML file")
}

fn unreadable() -> Result<(), Failed> {
    let path = scratch("invalid").join("unreadable.yaml");
    std::fs::write(&path, "kind: Scenario\n")?;
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o000))?;
    if std::fs::File::open(&path).is_err() {
        return refused(&path, "cannot be read");
    }
    // Root may read everything, so somebody else is asked to; a copy of the binary is where everybody may run it.
    let folder = std::env::temp_dir().join(format!("meshdrill-unreadable-{}", std::process::id()));
    std::fs::create_dir(&folder)?;
    std::fs::copy(meshdrill().get_program(), folder.join("meshdrill"))?;
    std::fs::copy(&path, folder.join("unreadable.yaml"))?;
    for (name, mode) in [(".", 0o755), ("meshdrill", 0o755), ("unreadable.yaml", 0o000)] {
        std::fs::set_permissions(folder.join(name), std::os::unix::fs::PermissionsExt::from_mode(mode))?;
    }
    let mut command = std::process::Command::new(folder.join("meshdrill"));
    std::os::unix::process::CommandExt::uid(&mut command, 65_534);
    let ran = run(command.current_dir(&folder).args(["check", "unreadable.yaml"]));
    std::fs::remove_dir_all(&folder)?;
    ran.expect_code(2)?;
    if ran.stderr.contains("cannot be read: Permission denied") { Ok(()) } else { Err(ran.said().into()) }
}

fn scenario_as_mesh() -> Result<(), Failed> {
    let scenario = "scenarios/drills/control-plane-failover.yaml";
    let ran = run(meshdrill().args(["check", "--mesh", scenario, scenario]));
    ran.expect_code(2)?;
    let named = ran.stderr.contains(&format!("{scenario}:2:7"));
    if named && ran.stderr.contains("a Scenario is not a Mesh") { Ok(()) } else { Err(ran.said().into()) }
}
