//! What the environment must have (`needs:`), what it was said not to have (`without:`), and what follows from both.

use meshdrill_checks::record::Event;

use super::Recorder;
use crate::cluster::World;
use crate::spec::MeshSpec;

/// Why something does not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Missing {
    pub reason: String,
    pub waived: bool,
}

/// The first need that is not met; none if all are.
pub(super) async fn first_missing(needs: &[String], world: &World, today: jiff::civil::Date) -> Option<Missing> {
    for need in needs {
        let spec = world.mesh.as_ref().map(|mesh| &mesh.spec);
        if let Some(missing) = waived(need, spec, today) {
            return Some(missing);
        }
        if let Some(what) = absent(need, world).await {
            return Some(Missing { reason: format!("needs {need}: {what}"), waived: false });
        }
    }
    None
}

/// A declared absence; one that has run out counts as undeclared.
fn waived(need: &str, spec: Option<&MeshSpec>, today: jiff::civil::Date) -> Option<Missing> {
    let key = need.rsplit(':').next().unwrap_or(need).trim();
    let waiver = spec?.without.get(need).or_else(|| spec?.without.get(key))?;
    let until: jiff::civil::Date = waiver.until.parse().ok()?;
    let words = format!("{} ({}, until {})", waiver.reason, waiver.owner, waiver.until);
    Some(if today <= until {
        Missing { reason: format!("without {key}: {words}"), waived: true }
    } else {
        Missing { reason: format!("without {key}: the waiver has expired: {words}"), waived: false }
    })
}

/// Whether a program can be run by its name.
pub fn on_path(program: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(program).is_file()))
}

/// What is not there of what can be looked for.
async fn absent(need: &str, world: &World) -> Option<String> {
    if let Some(program) = need.strip_prefix("command:").or_else(|| need.strip_prefix("command ")).map(str::trim) {
        return (!on_path(program)).then(|| format!("there is no program `{program}` on the PATH"));
    }
    if need == "alertmanager" {
        for cluster in world.clusters.values() {
            if let Err(error) = crate::cluster::discover_alertmanager(cluster).await {
                return Some(error.to_string());
            }
        }
    }
    None
}

impl Missing {
    /// Says so in the record.
    pub fn record(&self, recorder: &Recorder, id: &str) {
        recorder.event(Event::NotRun { id: id.to_owned(), reason: self.reason.clone(), waived: self.waived });
    }
}
