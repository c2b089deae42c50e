//! Asks an entry point or a dashboard once, for what it answers.

use meshdrill_checks::record::Series;

use super::role::Role;
use super::{Http, Via};
use crate::cluster::{ForwardTarget, WorkloadKind, World};
use crate::format::{ClusterChoice, Dashboard};

/// The status that an entry point of the inventory answers with in a cluster, or why it does not answer.
pub(crate) async fn ask_entrypoint(world: &World, name: &str, key: &str) -> Result<u16, String> {
    let cluster = ClusterChoice::One(key.to_owned());
    ask(world, Via::Entrypoint { name: name.to_owned(), cluster }, None).await
}

/// The status that a dashboard answers with at a path.
pub(crate) async fn ask_dashboard(world: &World, dashboard: &Dashboard, path: &str) -> Result<u16, String> {
    let target = ForwardTarget {
        cluster: dashboard.cluster.clone(),
        namespace: dashboard.namespace.clone(),
        kind: WorkloadKind::Service,
        name: dashboard.service.clone(),
        port: dashboard.port,
    };
    let cluster = ClusterChoice::One(dashboard.cluster.clone());
    ask(world, Via::Forward { cluster, target }, Some(path)).await
}

async fn ask(world: &World, via: Via, path: Option<&str>) -> Result<u16, String> {
    let http = Http { path: path.map(str::to_owned), ..Http::through(via) };
    let observer = http.observer(world, Role::Check).await.map_err(|error| error.to_string())?;
    let series = if path.is_some() { Series::Kept } else { Series::New };
    let (outcome, answer) = observer.exchange(series).await;
    answer.map(|answer| answer.status).ok_or(outcome.message)
}
