//! `tcp`: the time to connect. Says nothing of what answers behind the connection.

use std::time::Duration;

use futures::future::BoxFuture;
use meshdrill_checks::record::{Class, Series};
use meshdrill_checks::units::TimeSpan;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::kind::{Complaint, Kind, Observer, Role, Timing};
use super::{Answer, CannotAsk, Outcome, Via};
use crate::cluster::{Permission, World, discover_east_west, discover_ingress};
use crate::net::{Failure, Net};
use crate::spec::{ClusterChoice, MeshSpec};

/// A TCP connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tcp {
    /// `HOST:PORT`; this or `via`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// `ingress/CLUSTER[:PORT]` or `eastWest/CLUSTER[:PORT]`; this or `to`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<Via>,
    /// The longest it may take; 5 s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<TimeSpan>,
    /// The bound beyond which a connection is `late`; 500 ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow: Option<TimeSpan>,
}

impl Kind for Tcp {
    fn describe(&self) -> String {
        let to = self.to.clone().or_else(|| self.via.as_ref().map(ToString::to_string));
        format!("TCP connection to {}", to.unwrap_or_default())
    }

    fn subject(&self) -> String {
        self.to.clone().or_else(|| self.via.as_ref().map(|via| via.to_string().replace('/', "-"))).unwrap_or_default()
    }

    fn choices(&mut self) -> Vec<&mut ClusterChoice> {
        self.via.iter_mut().map(Via::choice).collect()
    }

    fn timing(&self) -> Timing {
        Timing {
            timeout: self.timeout.unwrap_or(TimeSpan::secs(5)),
            slow: self.slow.unwrap_or(TimeSpan::millis(500)),
            every: TimeSpan::millis(100),
            series: vec![Series::New],
            batch: None,
        }
    }

    fn complaints(&self) -> Vec<Complaint> {
        let mut found = Vec::new();
        if self.to.is_some() == self.via.is_some() {
            found.push(Complaint::new("to", "`to` or `via` must say where to connect", "write exactly one of the two"));
        }
        if self.to.as_ref().is_some_and(|to| split(to).is_none() && !to.contains("${")) {
            found.push(Complaint::new("to", "not an address", "write HOST:PORT"));
        }
        if matches!(self.via, Some(Via::Forward { .. })) {
            found.push(Complaint::new(
                "via",
                "a port-forward always connects, to the API server",
                "use `http` through it",
            ));
        }
        found
    }

    fn permissions(&self, mesh: &MeshSpec) -> Vec<Permission> {
        self.via.as_ref().map_or_else(Vec::new, |via| via.permissions(mesh))
    }

    fn prepare<'a>(&'a self, world: &'a World, _: Role) -> BoxFuture<'a, Result<Box<dyn Observer>, CannotAsk>> {
        Box::pin(async move {
            let address = match (&self.to, &self.via) {
                (Some(to), _) => to.clone(),
                (None, Some(Via::Ingress { cluster, port })) => {
                    let urls = discover_ingress(world.cluster(cluster.key())?, *port).await?;
                    urls.first().map(|url| url.trim_start_matches("http://").to_owned()).unwrap_or_default()
                }
                (None, Some(Via::EastWest { cluster, port })) => {
                    let found = discover_east_west(world.cluster(cluster.key())?).await?;
                    let first = found.first().ok_or_else(|| {
                        CannotAsk(format!("cluster `{cluster}` has no east-west gateway with an address"))
                    })?;
                    match (port, split(first)) {
                        (Some(port), Some((host, _))) => format!("{host}:{port}"),
                        _ => first.clone(),
                    }
                }
                _ => String::new(),
            };
            let (host, port) = split(&address).ok_or_else(|| CannotAsk(format!("`{address}` is not HOST:PORT")))?;
            let observer = TcpObserver { net: world.net.clone(), host, port, timeout: self.timing().timeout.0 };
            Ok(Box::new(observer) as Box<dyn Observer>)
        })
    }
}

fn split(address: &str) -> Option<(String, u16)> {
    let (host, port) = address.trim_end_matches('/').rsplit_once(':')?;
    let host = host.trim_matches(['[', ']']);
    (!host.is_empty()).then_some((host.to_owned(), port.parse().ok()?))
}

struct TcpObserver {
    net: Net,
    host: String,
    port: u16,
    timeout: Duration,
}

impl Observer for TcpObserver {
    fn observe(&self, _: Series) -> BoxFuture<'_, Outcome> {
        Box::pin(async move {
            match timeout(self.timeout, self.net.connect(&self.host, self.port)).await {
                Ok(Ok(_)) => Outcome::new(Answer::Good, format!("connected to {}:{}", self.host, self.port)),
                Ok(Err(error)) => {
                    let failure = Failure::of(&error, true);
                    Outcome::new(Answer::Bad(failure.class), format!("{}:{}: {failure}", self.host, self.port))
                }
                Err(_) => Outcome::new(
                    Answer::Bad(Class::ConnectTimeout),
                    format!("{}:{}: no connection within {}", self.host, self.port, TimeSpan(self.timeout)),
                ),
            }
        })
    }
}
