//! The command that runs some of the selected scenarios again.

use std::path::Path;

use meshdrill_checks::scorecard::Scorecard;
use meshdrill_lab::LabMesh;

use super::args::RunArgs;
use crate::plan::Plan;

/// `meshdrill run` with the same flags for these runs only. Without `--yes`: what breaks live clusters is asked for again.
pub(super) fn command(args: &RunArgs, plans: &[Plan], cards: &[&Scorecard]) -> String {
    let mut words: Vec<String> = vec!["meshdrill".to_owned(), "run".to_owned()];
    let select = &args.select;
    let mut flag = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            words.extend([name.to_owned(), quoted(&value)]);
        }
    };
    let path = |path: &Path| path.display().to_string();
    flag("--mesh", select.mesh.as_deref().map(path));
    flag("--kubeconfig", args.kubeconfig.as_deref().map(path));
    flag("--scenarios", select.scenarios.as_deref().map(path));
    select.set.iter().for_each(|set| flag("--set", Some(set.clone())));
    select.lab_defect.iter().for_each(|defect| flag("--lab-defect", Some(defect.clone())));
    flag("--lab-mesh", (select.lab_mesh != LabMesh::default()).then(|| select.lab_mesh.to_string()));
    flag("--lab-clusters", (select.lab_clusters != 2).then(|| select.lab_clusters.to_string()));
    flag("--seed", (select.seed != 1).then(|| select.seed.to_string()));
    flag("--runs", (args.runs != Path::new("runs")).then(|| path(&args.runs)));
    flag("--ticket", args.ticket.clone());
    flag("--by", args.by.clone());
    flag("--approver", args.approver.clone());
    args.participant.iter().for_each(|one| flag("--participant", Some(one.clone())));
    flag("--participants", args.participants.as_deref().map(path));
    flag("--window", args.window.map(|window| window.to_string()));
    let switches = [
        (select.lab, "--lab"),
        (select.lab_least_privilege, "--lab-least-privilege"),
        (args.conclusive, "--conclusive"),
    ];
    words.extend(switches.into_iter().filter(|(given, _)| *given).map(|(_, name)| name.to_owned()));
    let named = |plan: &&Plan| {
        cards.iter().any(|card| card.run.scenario == plan.name && card.run.binding == plan.binding.label())
    };
    words.extend(plans.iter().filter(named).map(|plan| quoted(&selector(args, plan))));
    words.join(" ")
}

/// What selects a plan again: its file where a file or folder was named, else its title.
fn selector(args: &RunArgs, plan: &Plan) -> String {
    let label = plan.binding.label();
    let at = if label.is_empty() { String::new() } else { format!("@{label}") };
    let file = args.select.select.iter().any(|word| Path::new(word).exists() && plan.path.starts_with(word));
    if file { format!("{}{at}", plan.path.display()) } else { plan.title() }
}

/// As a shell takes it for one word.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=@:,+%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}
