//! TCP connections from the proxy of a pod, made by `pilot-agent`: every Istio proxy has it, even if its image has no shell.
//! `pilot-agent` sends HTTP, so only the connection counts and never the response.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use meshdrill_checks::record::{Class, Series};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::exec::exec_target;
use super::expect::excerpt;
use super::outcome::settle;
use super::role::Observer;
use super::{Answer, Outcome, ProbeError};
use crate::cluster::{Cluster, ExecOutput, Object, has_proxy, is_serving, label_selector};
use crate::format::{ClusterChoice, DataPlane, GatewayRole, Inventory, Selector};

/// A pod with a sidecar, whose proxy connects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProxyPlace {
    /// The cluster.
    pub cluster: ClusterChoice,
    /// The namespace.
    pub namespace: String,
    /// The pod, by label; the first ready one is used.
    pub selector: Selector,
}

impl ProxyPlace {
    /// The place of one pod, by its labels.
    pub fn of_pod(cluster: ClusterChoice, pod: &Object) -> Result<Self, ProbeError> {
        let selector = label_selector(pod.labels());
        let selector =
            selector.parse().map_err(|error| ProbeError(format!("labels of {}: {error}", pod.object_ref())))?;
        Ok(Self { cluster, namespace: pod.namespace().to_owned(), selector })
    }
}

/// A serving pod of the mesh with a proxy that may connect: of an application, or else of an ingress gateway.
pub fn pod_with_proxy<'a>(
    inventory: &Inventory,
    pods: &'a [Object],
    is_meant: impl Fn(&Object) -> bool,
) -> Option<&'a Object> {
    let ready = |namespace: &str| {
        pods.iter().find(|pod| pod.namespace() == namespace && is_serving(pod) && has_proxy(pod) && is_meant(pod))
    };
    let meshed = inventory.namespaces.iter().filter(|(_, entry)| entry.data_plane == DataPlane::Sidecar);
    let ingress = inventory.gateways.values().filter(|gateway| gateway.role == GatewayRole::Ingress);
    meshed
        .map(|(name, _)| name)
        .find_map(|name| ready(name))
        .or_else(|| ingress.map(|gateway| gateway.namespace.as_str()).find_map(ready))
}

/// Connects from the proxy's container of a pod, as the user whose traffic the sidecar does not intercept.
pub(super) struct FromProxy {
    pub cluster: Arc<Cluster>,
    pub place: ProxyPlace,
    /// `HOST:PORT`.
    pub address: String,
    pub timeout: Duration,
    /// The time above which a connection of a check is late.
    pub late_after: Option<Duration>,
}

impl FromProxy {
    async fn ask(&self) -> Result<Outcome, ProbeError> {
        let ProxyPlace { namespace, selector, .. } = &self.place;
        let (pod, _) = exec_target(&self.cluster, namespace, selector, Some("istio-proxy")).await?;
        // pilot-agent retries until its seconds are over; they end while the first slow attempt is still open.
        let seconds = self.timeout.as_secs().max(1).to_string();
        let millis = self.timeout.as_millis().to_string();
        let url = format!("http://{}/", self.address);
        let command =
            ["pilot-agent", "wait", "--url", &url, "--timeoutSeconds", &seconds, "--requestTimeoutMillis", &millis]
                .into_iter()
                .chain(["--periodMillis", "100"])
                .map(str::to_owned);
        let command: Vec<String> = command.collect();
        let deadline = self.timeout * 2 + Duration::from_secs(5);
        let begun = Instant::now();
        let output = self.cluster.exec(&pod.namespace, &pod.name, Some("istio-proxy"), &command, deadline).await?;
        let took = begun.elapsed();
        let outcome = connected(&output, &self.address);
        let outcome = outcome.map_err(|why| ProbeError(format!("pilot-agent of {pod}: {why}")))?;
        Ok(outcome.within(took, self.late_after))
    }
}

impl Observer for FromProxy {
    fn observe(&self, _: Series) -> BoxFuture<'_, Outcome> {
        Box::pin(async move { settle(self.ask().await) })
    }
}

/// Whether the last attempt of `pilot-agent wait` connected: any response proves that, even a reset. Its own exit code
/// demands more, a response with status 200.
fn connected(output: &ExecOutput, address: &str) -> Result<Outcome, String> {
    if output.exit_code == 0 {
        return Ok(Outcome::new(Answer::Good, format!("connected to {address}")));
    }
    let reported = output.stderr.lines().chain(output.stdout.lines()).find_map(|line| line.split_once("Last error: "));
    let Some((_, last)) = reported.filter(|(_, last)| *last != "<nil>") else {
        let last = excerpt(output.stderr.lines().last().unwrap_or_default());
        return Err(format!("failed with exit code {} and reported no connection error: {last}", output.exit_code));
    };
    let class = if last.contains("no such host") || last.contains("dial tcp: lookup") {
        Class::Dns
    } else if last.contains("Client.Timeout") || last.contains("deadline exceeded") || last.contains("i/o timeout") {
        Class::ConnectTimeout
    } else if last.contains("dial tcp") {
        Class::Refused
    } else {
        return Ok(Outcome::new(Answer::Good, format!("connected to {address}: {}", excerpt(last))));
    };
    Ok(Outcome::new(Answer::Bad(class), format!("{address}: {}", excerpt(last))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_pilot_agent_meets_is_told_apart() {
        let answer = |exit_code: i32, last: &str| {
            let stderr = format!("Error: timeout waiting for Envoy proxy to become ready. Last error: {last}\n");
            connected(&ExecOutput { exit_code, stdout: String::new(), stderr }, "cart.shop:80")
                .map(|found| found.answer)
        };
        assert_eq!(answer(0, ""), Ok(Answer::Good));
        let get = |what: &str| answer(255, &format!("Get \"http://cart.shop:80/\": {what}"));
        assert_eq!(answer(255, "HTTP status code 404"), Ok(Answer::Good));
        assert_eq!(get("EOF"), Ok(Answer::Good), "strict mutual TLS closes what speaks plain HTTP");
        assert_eq!(get("read tcp 10.0.0.1:41->10.0.0.2:80: read: connection reset by peer"), Ok(Answer::Good));
        assert_eq!(get("dial tcp 10.0.0.2:80: connect: connection refused"), Ok(Answer::Bad(Class::Refused)));
        let late = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)";
        assert_eq!(get(late), Ok(Answer::Bad(Class::ConnectTimeout)));
        assert_eq!(get("dial tcp: lookup cart.shop on 10.0.0.10:53: no such host"), Ok(Answer::Bad(Class::Dns)));
        assert!(answer(255, "<nil>").is_err(), "it never came to ask");
    }
}
