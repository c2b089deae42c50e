//! The live arm: the catalogue against real clusters, and what only real clusters can show. It breaks the clusters that
//! `MESHDRILL_LIVE_MESH` names, and leaves them as they were; without that variable its trials are ignored.

mod calm;
mod independent;
mod inventory;
mod kubectl;
mod planted;
mod rescue;
mod signoff;

pub use kubectl::{CONTEXTS, as_before, state};

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use libtest_mimic::{Failed, Trial};

use crate::command::{meshdrill, run, run_dirs, scratch};
use crate::scenarios::{catalogue, name, waived, whole};

/// The mesh file of the clusters that may be broken.
fn mesh() -> Option<PathBuf> {
    std::env::var_os("MESHDRILL_LIVE_MESH").map(PathBuf::from)
}

/// What a trial without a mesh is called, so that a reader of the list knows why it was ignored.
const KIND: &str = "needs MESHDRILL_LIVE_MESH";

pub fn trials() -> Vec<Trial> {
    // Those that run beside a prober of the tests' own have their trials below; validations run together, as users run them.
    let alone = |path: &PathBuf| !independent::SCENARIOS.iter().any(|scenario| path.ends_with(scenario));
    let mut trials: Vec<Trial> = catalogue()
        .into_iter()
        .filter(|path| name(path).starts_with("drills/") && alone(path) && !is_by_inventory(path))
        .map(|path| trial(&name(&path), move |mesh| in_tries(2, || passes_on_the_mesh(path.as_os_str(), mesh, &[]))))
        .collect();
    trials.push(trial("readiness", |mesh| suite(mesh, "readiness")));
    trials.push(trial("guide", |mesh| suite(mesh, "guide")));
    trials.push(trial("a mesh file of today: ready, unchanged, and broken by its inventory", inventory::of_today));
    trials.push(trial("an independent prober sees the same outage", |mesh| in_tries(3, || independent::crash(mesh))));
    trials.push(trial("the east-west outage is seen from the other cluster", |mesh| {
        in_tries(3, || independent::east_west(mesh))
    }));
    trials.push(trial("the sign-off of these runs", signoff::of_these_runs));
    trials.push(trial("SIGTERM restores the control plane", rescue::terminated));
    trials.push(trial("SIGKILL leaves what recover needs", rescue::killed));
    trials.push(trial("a second run is refused", rescue::second_run));
    trials.push(trial("a pinned cluster is not mistaken", rescue::wrong_cluster));
    trials.push(trial("the commands of the README, in order", |mesh| in_tries(2, || crate::readme::on_the_mesh(mesh))));
    trials.extend(planted::trials(|name, body| trial(name, body)));
    trials
}

/// Whether a drill runs over `drills:` of the mesh file, which that of the testbed does not have: `inventory` runs those.
fn is_by_inventory(path: &Path) -> bool {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    ["ingress", "controlPlane", "workload", "eastWest", "lost", "alert"]
        .iter()
        .any(|kind| text.contains(&format!("  forEach: {kind}\n")))
}

/// A trial that is ignored without a mesh.
fn trial(name: &str, body: impl FnOnce(&Path) -> Result<(), Failed> + Send + 'static) -> Trial {
    let mesh = mesh();
    let ignored = mesh.is_none();
    let run = move || match mesh {
        Some(mesh) => {
            // What the trial before left to do is not to be measured by this one.
            calm::wait();
            body(&mesh)
        }
        None => Err(KIND.into()),
    };
    let trial = Trial::test(format!("live::{name}"), run).with_ignored_flag(ignored);
    if ignored { trial.with_kind(KIND) } else { trial }
}

/// A machine that others use too may starve the mesh for a moment: what fails is tried again once the machine is calm, and
/// not in silence.
fn in_tries(most: u32, mut body: impl FnMut() -> Result<(), Failed>) -> Result<(), Failed> {
    for _ in 1..most {
        match body() {
            Ok(()) => return Ok(()),
            Err(why) => eprintln!("tried once more, because: {}", why.message().unwrap_or("no reason was given")),
        }
        calm::wait();
    }
    body()
}

/// A suite as users run it; where two cores are too few for all of it at once, one validation after the other.
fn suite(mesh: &Path, name: &str) -> Result<(), Failed> {
    let mut options: &[&str] = &[];
    in_tries(2, || {
        let tried = passes_on_the_mesh(name.as_ref(), mesh, options);
        options = &["--jobs", "1"];
        tried
    })
}

/// Runs scenarios by name or path; each passes, or is waived by the mesh file.
fn passes_on_the_mesh(selected: &OsStr, mesh: &Path, options: &[&str]) -> Result<(), Failed> {
    let before = state()?;
    let runs = scratch("live");
    let mut command = meshdrill();
    command.args(["run", "--yes"]).arg("--mesh").arg(mesh).arg("--runs").arg(&runs).arg(selected).args(options);
    let ran = run(&mut command);
    let (mut passed, dirs) = (0, run_dirs(&runs));
    for dir in &dirs {
        if !waived(std::slice::from_ref(dir))? {
            whole(dir)?;
            passed += 1;
        }
    }
    // Where nothing ran, that is what the exit code is about.
    ran.expect_code(if passed == 0 { 11 } else { 0 })?;
    signoff::keep(&dirs);
    as_before(&before)
}
