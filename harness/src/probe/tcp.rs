//! `tcp`: the time to connect from the runner; or whether the proxy of a pod can connect, by `pilot-agent`, which every
//! Istio proxy has, even if its image has no shell. Shows nothing about what answers on the connection.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use meshdrill_checks::record::{Class, Series};
use meshdrill_checks::units::TimeSpan;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout};

use super::exec::exec_permissions;
use super::from_proxy::{FromProxy, ProxyPlace};
use super::http_observer::first_connecting;
use super::role::{Observation, Observer, Role, SpecError, Timing, slow_error};
use super::{Answer, Outcome, ProbeError, Via, entrypoint};
use crate::cluster::{Permission, World, discover_east_west, discover_ingress};
use crate::format::{ClusterChoice, MeshSpec};
use crate::net::{HttpFailure, Net};

/// The time to open a TCP connection, from the runner or from the proxy of a pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tcp {
    /// The pod whose proxy connects, without interception by the mesh; by default the runner. The proxy sends an HTTP request
    /// for `/`, and any response will do. The measured time is that of a program in the pod, not of the connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<ProxyPlace>,
    /// The destination, `HOST:PORT`. Write this or `via`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The gateway, `ingress/CLUSTER[:PORT]` or `eastWest/CLUSTER[:PORT]`. Write this or `to`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<Via>,
    /// The timeout, such as `2s`; default 5 s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<TimeSpan>,
    /// The time above which a connection is late. A late sample of a probe is bad; 500 ms by default, and the timeout with `from`. A
    /// check fails above it only where it is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow: Option<TimeSpan>,
}

impl Observation for Tcp {
    fn describe(&self) -> String {
        let to = self.to.clone().or_else(|| self.via.as_ref().map(ToString::to_string));
        let from = |place: &ProxyPlace| {
            format!(" from the proxy of {}/{} ({})", place.namespace, place.selector, place.cluster)
        };
        let from = self.from.as_ref().map_or_else(String::new, from);
        format!("TCP connection to {}{from}", to.unwrap_or_default())
    }

    fn subject(&self) -> String {
        self.to.clone().or_else(|| self.via.as_ref().map(|via| via.to_string().replace('/', "-"))).unwrap_or_default()
    }

    fn choices(&mut self) -> Vec<&mut ClusterChoice> {
        let from = self.from.iter_mut().map(|place| &mut place.cluster);
        from.chain(self.via.iter_mut().map(Via::choice)).collect()
    }

    fn clusters(&self, mesh: &MeshSpec) -> Vec<String> {
        self.via.as_ref().map_or_else(|| mesh.keys(), |via| via.clusters(mesh))
    }

    fn timing(&self) -> Timing {
        let timeout = self.timeout.unwrap_or(TimeSpan::secs(5));
        let (slow, every) = match self.from {
            Some(_) => (timeout, TimeSpan::secs(2)),
            None => (TimeSpan::millis(500), TimeSpan::millis(100)),
        };
        Timing { timeout, slow: self.slow.unwrap_or(slow), every, series: vec![Series::New], batch: None }
    }

    fn spec_errors(&self) -> Vec<SpecError> {
        let mut found = Vec::new();
        if self.to.is_some() == self.via.is_some() {
            found.push(SpecError::new(
                "to",
                "exactly one of `to` and `via` is needed",
                "write `to: HOST:PORT` or `via: ingress/CLUSTER`",
            ));
        }
        if self.to.as_ref().is_some_and(|to| split(to).is_none() && !to.contains("${")) {
            found.push(SpecError::new("to", "this is not HOST:PORT", "write HOST:PORT, with a port from 1 to 65535"));
        }
        if matches!(self.via, Some(Via::Forward { .. })) {
            found.push(SpecError::new(
                "via",
                "a port-forward always connects: it ends at the API server",
                "use an `http` probe with it",
            ));
        }
        if self.from.is_some() && self.via.is_some() {
            found.push(SpecError::new(
                "via",
                "`via` and `from` exclude each other",
                "write `to: HOST:PORT` with `from`",
            ));
        }
        found.extend(slow_error(self.slow, self.timing().timeout));
        found
    }

    fn permissions(&self, mesh: &MeshSpec) -> Vec<Permission> {
        let via = self.via.as_ref().map_or_else(Vec::new, |via| via.permissions(mesh));
        let from = self.from.iter().flat_map(|place| exec_permissions(place.cluster.key(), &place.namespace));
        via.into_iter().chain(from).collect()
    }

    fn prepare<'a>(&'a self, world: &'a World, role: Role) -> BoxFuture<'a, Result<Box<dyn Observer>, ProbeError>> {
        Box::pin(async move {
            let addresses = match (&self.to, &self.via) {
                (Some(to), _) => vec![to.clone()],
                (None, Some(Via::Ingress { cluster, port })) => {
                    let urls = discover_ingress(world.cluster(cluster.key())?, *port).await?;
                    urls.iter().map(|url| url.trim_start_matches("http://").to_owned()).collect()
                }
                (None, Some(Via::EastWest { cluster, port })) => {
                    let found = discover_east_west(world.cluster(cluster.key())?).await?;
                    if found.is_empty() {
                        return Err(ProbeError(format!(
                            "cluster `{cluster}` has no east-west gateway with an address"
                        )));
                    }
                    let at_port = |address: &String| match (port, split(address)) {
                        (Some(port), Some((host, _))) => format!("{host}:{port}"),
                        _ => address.clone(),
                    };
                    found.iter().map(at_port).collect()
                }
                (None, Some(Via::Entrypoint { name, cluster })) => {
                    let inventory = world.inventory();
                    let (_, urls) = entrypoint::bases(world, &inventory, name, cluster.key()).await?;
                    let address = |url: &String| url.rsplit("//").next().unwrap_or_default().to_owned();
                    urls.iter().map(address).collect()
                }
                (None, Some(Via::Forward { .. }) | None) => Vec::new(),
            };
            let late_after = role.late_after(self.slow);
            let address = addresses.first().cloned().unwrap_or_default();
            let targets = addresses
                .iter()
                .map(|address| split(address).ok_or_else(|| ProbeError(format!("`{address}` is not HOST:PORT"))));
            let mut targets = targets.collect::<Result<Vec<_>, _>>()?;
            if let Some(place) = &self.from {
                let cluster = Arc::clone(world.cluster(place.cluster.key())?);
                let timeout = self.timing().timeout.0;
                let observer = FromProxy { cluster, place: place.clone(), address, timeout, late_after };
                return Ok(Box::new(observer) as Box<dyn Observer>);
            }
            // A probe keeps to one address, so that its samples are those of one target; a check needs all of them.
            if role == Role::Probe && targets.len() > 1 {
                let addresses: Vec<_> = targets.iter().cloned().map(Some).collect();
                let first = first_connecting(&world.net, &addresses).await;
                targets = vec![targets.swap_remove(first)];
            }
            let timeout = self.timing().timeout.0;
            let observer = TcpObserver { net: world.net.clone(), targets, timeout, late_after };
            Ok(Box::new(observer) as Box<dyn Observer>)
        })
    }
}

fn split(address: &str) -> Option<(String, u16)> {
    let address = address.trim_start_matches("https://");
    let (host, port) = address.trim_end_matches('/').rsplit_once(':')?;
    let host = host.trim_matches(['[', ']']);
    let port = port.parse().ok().filter(|port| *port > 0)?;
    (!host.is_empty()).then_some((host.to_owned(), port))
}

struct TcpObserver {
    net: Net,
    /// The addresses, each with its port; a check connects to all of them.
    targets: Vec<(String, u16)>,
    timeout: Duration,
    /// The time above which a connection of a check is late.
    late_after: Option<Duration>,
}

impl TcpObserver {
    async fn connect(&self, host: &str, port: u16) -> Outcome {
        let begun = Instant::now();
        match timeout(self.timeout, self.net.connect(host, port)).await {
            Ok(Ok(_)) => Outcome::new(Answer::Good, format!("connected to {host}:{port}"))
                .within(begun.elapsed(), self.late_after),
            Ok(Err(error)) => {
                let failure = HttpFailure::of(&error, true);
                Outcome::new(Answer::Bad(failure.class), format!("{host}:{port}: {failure}"))
            }
            Err(_) => Outcome::new(
                Answer::Bad(Class::ConnectTimeout),
                format!("{host}:{port}: no connection within {}", TimeSpan(self.timeout)),
            ),
        }
    }
}

impl Observer for TcpObserver {
    fn observe(&self, _: Series) -> BoxFuture<'_, Outcome> {
        Box::pin(async move {
            let all = self.targets.iter().map(|(host, port)| self.connect(host, *port));
            let mut outcomes = futures::future::join_all(all).await;
            if let Some(bad) = outcomes.iter().position(|outcome| outcome.answer != Answer::Good) {
                return outcomes.swap_remove(bad);
            }
            let message = outcomes.iter().map(|outcome| outcome.message.as_str()).collect::<Vec<_>>().join(", ");
            Outcome::new(Answer::Good, message)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_connects_to_an_address_only() {
        let mesh = serde_json::from_value(serde_json::json!({ "clusters": {} })).unwrap();
        let from = serde_json::json!({ "cluster": "a", "namespace": "shop", "selector": "app=x" });
        let inside: Tcp = serde_json::from_value(serde_json::json!({ "from": from, "to": "cart.shop:80" })).unwrap();
        assert!(inside.spec_errors().is_empty() && !inside.permissions(&mesh).is_empty());
        let outside: Tcp = serde_json::from_value(serde_json::json!({ "from": from, "via": "eastWest/a" })).unwrap();
        assert_eq!(outside.spec_errors().len(), 1);
    }
}
