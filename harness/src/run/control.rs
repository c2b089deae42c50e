//! Control targets: the API servers of the mesh, asked beside the probes, to distinguish a runner that lost its own
//! network from a service that is down. Judges nothing; that is `meshdrill_checks::control`.

use std::sync::Arc;
use std::time::Duration;

use meshdrill_checks::record::Event;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::{Recorder, WorldSource};
use crate::cluster::{Cluster, World, connect};
use crate::fault::FaultKind;
use crate::format::ClusterSpec;
use crate::plan::Plan;

/// How often each target is asked. A loss shorter than twice this cannot be distinguished from an outage.
const EVERY: Duration = Duration::from_secs(1);
/// How long an answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// Asks the API servers of all clusters of the mesh until the set is dropped; those that the run breaks too, because one
/// that answers shows that there is a network.
pub(super) fn watch(plan: &Plan, source: &WorldSource, world: &World, recorder: &Recorder) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    let Some(mesh) = source.mesh.as_ref().filter(|_| !plan.probes.is_empty()) else { return tasks };
    // A command may do anything, also to the network of this machine.
    let anything = plan.faults.iter().any(|fault| matches!(fault.kind, FaultKind::Command(_)));
    for (key, spec) in &mesh.spec.clusters {
        let target = Target {
            name: format!("API server of {key}"),
            outside: !anything && !plan.broken.contains(key),
            recorder: recorder.clone(),
        };
        let known = world.clusters.get(key).cloned();
        tasks.spawn(target.ask(known, source.clone(), key.clone(), spec.clone()));
    }
    tasks
}

struct Target {
    name: String,
    outside: bool,
    recorder: Recorder,
}

impl Target {
    async fn ask(self, known: Option<Arc<Cluster>>, source: WorldSource, key: String, spec: ClusterSpec) {
        let cluster = match known {
            Some(cluster) => cluster,
            // The run needs nothing of this cluster; one that cannot be asked is no control.
            None => match connect(&source.kubeconfigs, &key, &spec).await {
                Ok(cluster) => cluster,
                Err(_) => return,
            },
        };
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            ticks.tick().await;
            let asked = Instant::now();
            let Some(answered) = answers(&cluster).await else { return };
            self.recorder.event(Event::Control {
                target: self.name.clone(),
                outside: self.outside,
                asked: self.recorder.clock().at(asked),
                answered,
            });
        }
    }
}

/// Whether the API server answers anything, also a refusal; none if the request cannot be sent.
async fn answers(cluster: &Cluster) -> Option<bool> {
    let request = http::Request::get("/version").body(Vec::new()).ok()?;
    match timeout(ANSWER_WITHIN, cluster.client.request_text(request)).await {
        Ok(Ok(_) | Err(kube::Error::Api(_))) => Some(true),
        Err(_) | Ok(Err(kube::Error::HyperError(_) | kube::Error::Service(_))) => Some(false),
        Ok(Err(_)) => None,
    }
}
