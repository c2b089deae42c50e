//! What identifies a run: the program, the scenario's file, the clusters, and how good the clocks are. Whatever cannot be read
//! is left out.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use futures::future::join_all;
use jiff::fmt::rfc2822::DateTimeParser;
use jiff::{SignedDuration, Timestamp};
use meshdrill_checks::observe::kube::Image;
use meshdrill_checks::record::{ClockOffset, ClusterFacts, Event, Identity, RunnerClock, ScenarioFile, WaiverEntry};
use meshdrill_evidence::sha256_of;
use serde_json::Value;

use super::clock_state::clock_sync;
use super::{Recorder, WorldSource};
use crate::cluster::{Cluster, World, encode};
use crate::plan::Plan;

/// The kernel's clock source.
const CLOCK_SOURCE: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
/// Exists while systemd-timesyncd has the clock synchronised.
const TIMESYNC: &str = "/run/systemd/timesync/synchronized";
/// The resolution of a `Date` header, in seconds.
const DATE_RESOLUTION: f64 = 1.0;

/// What is known of a run before it begins. What has to be read of this machine is read on a thread of its own: other runs are
/// being measured meanwhile.
pub(super) async fn identity(plan: &Plan, source: &WorldSource) -> Identity {
    let (path, sha256, lab) = (plan.path.clone(), plan.sha256.clone(), source.lab);
    let read = move || {
        // A lab run is no evidence, and there are many of them: the program is not read for it.
        (scenario_file(&path, sha256), if lab { None } else { binary_sha256() }, (!lab).then(runner_clock))
    };
    let (scenario_file, binary_sha256, clock) = match tokio::task::spawn_blocking(read).await {
        Ok((file, binary, clock)) => (Some(file), binary, clock),
        Err(_) => (None, None, None),
    };
    let waivers = source.mesh.iter().filter(|_| !plan.clusters.is_empty()).flat_map(|mesh| &mesh.spec.without);
    let waivers = waivers.map(|(name, waiver)| WaiverEntry {
        name: name.clone(),
        reason: waiver.reason.clone(),
        owner: waiver.owner.clone(),
        until: waiver.until.clone(),
    });
    Identity { scenario_file, binary_sha256, waivers: waivers.collect(), clock }
}

fn scenario_file(path: &Path, sha256: String) -> ScenarioFile {
    // The path of a built-in scenario names no file of this machine.
    let commit = if path.is_file() { git(path, &["rev-parse", "--verify", "HEAD"]) } else { None };
    let modified = commit.as_ref().and_then(|_| {
        let name = path.file_name()?.to_str()?;
        git(path, &["status", "--porcelain", "--ignored", "--", name]).map(|changes| !changes.is_empty())
    });
    ScenarioFile { path: path.display().to_string(), sha256, commit, modified }
}

/// What git prints about the folder of a file; none where it is no checkout, or where there is no git.
fn git(file: &Path, arguments: &[&str]) -> Option<String> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut command = Command::new("git");
    // No program that the configuration of a checkout names is started, and nothing is written.
    command.args(["-c", "core.fsmonitor=false", "-C"]).arg(folder).args(arguments).env("GIT_OPTIONAL_LOCKS", "0");
    // The checkout of the file, not one that a hook or CI job works on.
    ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"].iter().for_each(|name| {
        command.env_remove(name);
    });
    let output = command.stdin(std::process::Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

/// SHA-256 of the running program, read once per process.
fn binary_sha256() -> Option<String> {
    static KNOWN: OnceLock<Option<String>> = OnceLock::new();
    let read = || {
        // The link leads to the program even where its file was replaced since.
        let file = std::fs::File::open("/proc/self/exe").or_else(|_| std::fs::File::open(std::env::current_exe()?));
        sha256_of(file.ok()?).ok().map(|(_, hash)| hash)
    };
    KNOWN.get_or_init(read).clone()
}

fn runner_clock() -> RunnerClock {
    let source = std::fs::read_to_string(CLOCK_SOURCE).ok().map(|text| text.trim().to_owned());
    let synchronized_by = Path::new(TIMESYNC).exists().then(|| "systemd-timesyncd".to_owned());
    RunnerClock { source, synchronized_by, sync: Some(clock_sync()) }
}

/// Records what identifies the clusters of a run.
pub(super) async fn identify(world: &World, lab: bool, recorder: &Recorder) {
    let facts = world.clusters.values().map(|cluster| async move {
        // Runs of a suite that begin together find the same.
        let facts = async || Ok::<_, std::convert::Infallible>(facts(cluster, world, lab).await);
        let Ok(facts) = cluster.shared.read("identity", facts).await;
        (cluster, facts.as_ref().clone())
    });
    for (cluster, facts) in join_all(facts).await {
        recorder.event(Event::ClusterIdentified { cluster: cluster.key.clone(), facts });
    }
}

async fn facts(cluster: &Cluster, world: &World, lab: bool) -> ClusterFacts {
    // A pinned UID was compared when the cluster was connected.
    let uid = match &cluster.spec.uid {
        Some(pinned) => Some(pinned.clone()),
        None => {
            let system: Option<Value> = cluster.get("/api/v1/namespaces/kube-system").await.ok();
            system.and_then(|system| system["metadata"]["uid"].as_str().map(str::to_owned))
        }
    };
    let (kubernetes, clock) = version(cluster, lab).await;
    let istio = istio(cluster, world).await;
    ClusterFacts { uid, kubernetes, istio, region: cluster.spec.region.clone(), clock, lab: cluster.lab }
}

/// The version of the API server, and its clock against that of this machine.
async fn version(cluster: &Cluster, lab: bool) -> (Option<String>, Option<ClockOffset>) {
    let (asked, begun) = (Timestamp::now(), std::time::Instant::now());
    let Ok((version, headers)) = cluster.get_with_headers("/version").await else { return (None, None) };
    let round_trip = begun.elapsed();
    let date = headers.get(http::header::DATE).and_then(|date| date.to_str().ok());
    let clock = date.filter(|_| !lab).and_then(|date| clock_offset(date, asked, round_trip));
    (version["gitVersion"].as_str().map(str::to_owned), clock)
}

/// The clock of a server by its `Date` header, which has whole seconds, cut off.
fn clock_offset(date: &str, asked: Timestamp, round_trip: std::time::Duration) -> Option<ClockOffset> {
    let date = DateTimeParser::new().parse_timestamp(date).ok()?;
    let round_trip = round_trip.as_secs_f64();
    let middle = asked.checked_add(SignedDuration::try_from_secs_f64(round_trip / 2.0).ok()?).ok()?;
    let rounded = |seconds: f64| (seconds * 1e6).round() / 1e6;
    Some(ClockOffset {
        offset: rounded(date.duration_since(middle).as_secs_f64() + DATE_RESOLUTION / 2.0),
        uncertainty: rounded(f64::midpoint(DATE_RESOLUTION, round_trip)),
        round_trip: rounded(round_trip),
    })
}

/// The version of istiod, by the tag of its image.
async fn istio(cluster: &Cluster, world: &World) -> Option<String> {
    let mesh = &world.mesh.as_ref()?.spec;
    let path = format!("/api/v1/namespaces/{}/pods", encode(&mesh.var("istioNamespace")));
    let pods = cluster.list(&path, Some(&mesh.var("istiodSelector"))).await.ok()?;
    let image = pods.iter().find_map(|pod| pod["spec"]["containers"][0]["image"].as_str())?;
    Image::parse(image).version().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn an_offset_is_as_exact_as_the_header_allows() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let same =
            clock_offset("Sat, 28 Nov 2026 15:52:33 GMT", at("2026-11-28T15:52:33.4Z"), Duration::from_millis(200));
        let same = same.unwrap();
        // 33 to 34 s against 33.5 s in the middle of the request.
        assert_eq!((same.offset, same.uncertainty, same.round_trip), (0.0, 0.6, 0.2));
        let behind =
            clock_offset("Sat, 28 Nov 2026 15:52:33 GMT", at("2026-11-28T15:52:43.5Z"), Duration::ZERO).unwrap();
        assert_eq!((behind.offset, behind.uncertainty), (-10.0, 0.5));
        assert_eq!(clock_offset("yesterday", Timestamp::UNIX_EPOCH, Duration::ZERO), None);
    }
}
