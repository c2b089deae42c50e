//! What a new user does with a mesh: `mesh init`, look, `run readiness`, and the drills that its inventory allows.

use std::path::Path;

use libtest_mimic::Failed;

use super::kubectl::contexts;
use super::{as_before, in_tries, state};
use crate::command::{Ran, meshdrill, run, scratch};

/// A mesh file is written, all of what it lists is ready, nothing differs from it, and what it allows is broken and comes
/// back. Nothing in it is edited.
pub fn of_today(_: &Path) -> Result<(), Failed> {
    let folder = scratch("live-inventory");
    let mut init = meshdrill();
    init.current_dir(&folder).args(["mesh", "init", "--faults", "allowed", "--out", "mesh.yaml"]);
    for context in contexts()? {
        // A cluster is called as its context is, where that can be a key.
        let key = context.split(['-', '@']).next().unwrap_or_default();
        init.args(["--context", &format!("{key}={context}")]);
    }
    run(&mut init).expect_code(0)?;
    let within = |arguments: &[&str]| -> Ran { run(meshdrill().current_dir(&folder).args(arguments)) };
    let mut jobs = "4";
    in_tries(2, || {
        let ran = within(&["run", "readiness", "--jobs", jobs]);
        jobs = "1";
        Ok(ran.expect_code(0)?)
    })?;
    within(&["mesh", "diff"]).expect_code(0)?;
    let before = state()?;
    let listed = within(&["list", "gateway-replacement", "workload-pod-loss"]);
    listed.expect_code(0)?;
    let titles: Vec<&str> =
        listed.stdout.lines().filter_map(|line| line.split(' ').next()).filter(|title| title.contains('@')).collect();
    for kind in ["gateway-replacement@", "workload-pod-loss@"] {
        let title = titles
            .iter()
            .find(|title| title.starts_with(kind))
            .ok_or_else(|| format!("no {kind}: {}", listed.said()))?;
        in_tries(2, || Ok(within(&["run", "--yes", title]).expect_code(0)?))?;
    }
    as_before(&before)
}
