//! `ping`: ICMP echo, from the runner or from a pod. The mesh does not carry ICMP: this measures the network below it.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use meshdrill_checks::observe::ping::{self, ComplaintKind, PingError};
use meshdrill_checks::record::{Class, Series};
use meshdrill_checks::units::TimeSpan;
use meshdrill_lab::Lab;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use surge_ping::{Client, Config, ICMP, PingIdentifier, PingSequence};

use super::exec::{exec_permissions, exec_target};
use super::role::{Observation, Observer, Role, SpecError, Timing};
use super::{Answer, Outcome, ProbeError};
use crate::cluster::{Cluster, Permission, World, pod_addresses, ready_pods};
use crate::format::{ClusterChoice, MeshSpec, Selector};
use crate::net::Net;

/// ICMP echo, from the runner or from a pod. The mesh does not carry ICMP: this measures the network below it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Ping {
    /// The pod that sends; by default the runner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<PodPlace>,
    /// The destination.
    pub to: Destination,
    /// The timeout, such as `500ms`; 1 s by default. A packet without a reply by then is lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<TimeSpan>,
}

/// A pod that sends pings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PodPlace {
    /// The cluster.
    pub cluster: ClusterChoice,
    /// The namespace.
    pub namespace: String,
    /// The pod, by label; the first ready one is used.
    pub selector: Selector,
    /// The container with `ping` (iputils, busybox, inetutils or toybox); by default the first one of the pod that is not a sidecar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
}

/// The destination: a pod or a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Destination {
    /// A pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<PodPlace>,
    /// An address or host name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
}

/// How long one exec sends echoes.
const BATCH: TimeSpan = TimeSpan::secs(1);

impl Observation for Ping {
    fn describe(&self) -> String {
        let pod = |place: &PodPlace| format!("{}/{} ({})", place.namespace, place.selector, place.cluster);
        let to = self.to.pod.as_ref().map(pod).or_else(|| self.to.host.clone()).unwrap_or_default();
        format!("ping from {} to {to}", self.from.as_ref().map_or_else(|| "the runner".to_owned(), pod))
    }

    fn subject(&self) -> String {
        let to = self.to.pod.as_ref().map(|place| place.cluster.to_string());
        to.or_else(|| self.to.host.clone()).unwrap_or_default()
    }

    fn choices(&mut self) -> Vec<&mut ClusterChoice> {
        let from = self.from.iter_mut().map(|place| &mut place.cluster);
        from.chain(self.to.pod.iter_mut().map(|place| &mut place.cluster)).collect()
    }

    fn timing(&self) -> Timing {
        let timeout = self.timeout.unwrap_or(TimeSpan::secs(1));
        Timing {
            timeout,
            slow: timeout,
            every: TimeSpan::millis(50),
            series: vec![Series::New],
            batch: self.from.is_some().then_some(BATCH),
        }
    }

    fn spec_errors(&self) -> Vec<SpecError> {
        let one = self.to.pod.is_some() != self.to.host.is_some();
        (!one)
            .then(|| {
                SpecError::new(
                    "to",
                    "exactly one of `pod` and `host` is needed",
                    "write `to: { pod: {…} }` or `to: { host: ADDRESS }`",
                )
            })
            .into_iter()
            .collect()
    }

    fn permissions(&self, _: &MeshSpec) -> Vec<Permission> {
        let from = self.from.iter().flat_map(|place| exec_permissions(place.cluster.key(), &place.namespace));
        let to =
            self.to.pod.iter().map(|place| Permission::new(place.cluster.key(), &place.namespace, "", "pods", "list"));
        from.chain(to).collect()
    }

    fn prepare<'a>(&'a self, world: &'a World, _: Role) -> BoxFuture<'a, Result<Box<dyn Observer>, ProbeError>> {
        Box::pin(async move {
            let addresses = self.addresses(world).await?;
            if let [address] = addresses.as_slice() {
                return Ok(self.try_address(world, *address).await?.0);
            }
            let mut tried = Vec::new();
            for address in addresses {
                match self.try_address(world, address).await {
                    Ok((observer, true)) => return Ok(observer),
                    other => tried.push(other.map(|(observer, _)| observer)),
                }
            }
            // None of them replies: that is for the samples to say, at the first that can be asked.
            let first = tried.iter().position(Result::is_ok).unwrap_or_default();
            tried.swap_remove(first)
        })
    }
}

impl Ping {
    /// An observer of one address, and whether the address replied to an echo.
    async fn try_address(&self, world: &World, address: IpAddr) -> Result<(Box<dyn Observer>, bool), ProbeError> {
        let timeout = self.timing().timeout.0;
        let observer: Box<dyn Observer> = match (&self.from, &world.net) {
            (Some(place), _) => {
                let cluster = Arc::clone(world.cluster(place.cluster.key())?);
                let without = Mutex::default();
                let observer = PodPing { cluster, place: place.clone(), address, timeout, without };
                let replied = observer.batch(1, Duration::from_millis(200)).await?;
                let replied = replied.iter().all(|echo| echo.answer == Answer::Good);
                return Ok((Box::new(observer), replied));
            }
            (None, Net::Lab(lab)) => Box::new(LabPing { lab: lab.clone(), address, timeout }),
            (None, Net::Machine) => Box::new(RunnerPing::open(address, timeout)?),
        };
        let replied = observer.observe(Series::New).await.answer == Answer::Good;
        Ok((observer, replied))
    }

    /// All addresses of the target, of both families.
    async fn addresses(&self, world: &World) -> Result<Vec<IpAddr>, ProbeError> {
        if let Some(place) = &self.to.pod {
            let cluster = world.cluster(place.cluster.key())?;
            let pods = ready_pods(cluster, &place.namespace, place.selector.as_str()).await?;
            return pods.iter().map(|pod| in_order(pod)).find(|addresses| !addresses.is_empty()).ok_or_else(|| {
                ProbeError(format!(
                    "cluster `{}`: no ready pod with an address matches {}/{}",
                    cluster.key, place.namespace, place.selector
                ))
            });
        }
        let host = self.to.host.as_deref().unwrap_or_default();
        if let Ok(address) = host.trim_matches(['[', ']']).parse() {
            return Ok(vec![address]);
        }
        let mut found: Vec<IpAddr> = Vec::new();
        for socket in tokio::net::lookup_host((host, 0)).await.into_iter().flatten() {
            if !found.contains(&socket.ip()) {
                found.push(socket.ip());
            }
        }
        if found.is_empty() { Err(ProbeError(format!("`{host}` does not resolve"))) } else { Ok(found) }
    }
}

/// The addresses of a pod, the primary one first.
fn in_order(pod: &Value) -> Vec<IpAddr> {
    let primary = pod["status"]["podIP"].as_str().and_then(|ip| ip.parse().ok());
    let mut all = pod_addresses(pod);
    all.sort_by_key(|address| Some(*address) != primary);
    all
}

/// From the runner, with a raw socket or an unprivileged datagram socket, whichever is permitted.
struct RunnerPing {
    client: Client,
    address: IpAddr,
    timeout: Duration,
    identifier: PingIdentifier,
    sequence: AtomicU16,
}

impl RunnerPing {
    fn open(address: IpAddr, timeout: Duration) -> Result<Self, ProbeError> {
        let kind = if address.is_ipv4() { ICMP::V4 } else { ICMP::V6 };
        let mut refusals = Vec::new();
        for (socket, name) in [(socket2::Type::DGRAM, "datagram"), (socket2::Type::RAW, "raw")] {
            let config = Config::builder().kind(kind).sock_type_hint(socket).build();
            match Client::new(&config) {
                Ok(client) => {
                    let identifier = PingIdentifier(std::process::id() as u16);
                    return Ok(Self { client, address, timeout, identifier, sequence: AtomicU16::new(0) });
                }
                Err(error) => {
                    // The library prints several lines of its own advice before the kernel's error.
                    let text = error.to_string();
                    let reason = text.lines().last().unwrap_or_default().trim_start_matches("Original error: ");
                    refusals.push(format!("{name} socket: {reason}"));
                }
            }
        }
        Err(ProbeError(format!(
            "this machine does not permit ICMP ({}); permit it with `sysctl net.ipv4.ping_group_range=\"0 2147483647\"` or `setcap cap_net_raw+ep` on meshdrill, or use `tcp`",
            refusals.join("; ")
        )))
    }

    async fn echo(&self) -> Outcome {
        let sequence = self.sequence.fetch_add(1, Ordering::Relaxed);
        // Each echo has its own pinger, so that slow replies do not delay each other.
        let mut pinger =
            self.client.pinger(self.address, PingIdentifier(self.identifier.0.wrapping_add(sequence >> 8))).await;
        pinger.timeout(self.timeout);
        match pinger.ping(PingSequence(sequence), &[0; 56]).await {
            Ok((_, rtt)) if rtt.is_zero() => {
                Outcome::new(Answer::NoData, "measurement error: the round-trip time is exactly 0")
            }
            Ok((_, rtt)) => answered(self.address, rtt),
            Err(surge_ping::SurgeError::Timeout { .. }) => lost(self.address, self.timeout),
            Err(error) => Outcome::new(Answer::Bad(Class::Refused), format!("{}: {error}", self.address)),
        }
    }
}

impl Observer for RunnerPing {
    fn observe(&self, _: Series) -> BoxFuture<'_, Outcome> {
        Box::pin(self.echo())
    }
}

/// From the runner into the lab.
struct LabPing {
    lab: Lab,
    address: IpAddr,
    timeout: Duration,
}

impl Observer for LabPing {
    fn observe(&self, _: Series) -> BoxFuture<'_, Outcome> {
        Box::pin(async move {
            match tokio::time::timeout(self.timeout, self.lab.echo(self.address)).await {
                Ok(Some(rtt)) => answered(self.address, rtt),
                _ => lost(self.address, self.timeout),
            }
        })
    }
}

/// From a pod, by exec: one exec sends the echoes of one second, timed by ping's own clock.
struct PodPing {
    cluster: Arc<Cluster>,
    place: PodPlace,
    address: IpAddr,
    timeout: Duration,
    /// Options that the pod's ping does not know and that the measurement does not need.
    without: Mutex<Vec<char>>,
}

/// The pings that are understood.
const DIALECTS: &str = "iputils, busybox 1.30 or later, inetutils or toybox";

impl PodPing {
    /// `ping` with the options that this dialect knows.
    fn command(&self, count: usize, every: Duration) -> Vec<String> {
        let seconds = self.timeout.as_secs_f64().ceil().max(1.0);
        let options = [
            ('n', None),
            ('c', Some(count.to_string())),
            ('i', Some(format!("{:.3}", every.as_secs_f64()))),
            ('W', Some(format!("{seconds:.0}"))),
        ];
        let without = self.without.lock().unwrap_or_else(PoisonError::into_inner);
        let known = options.into_iter().filter(|(option, _)| !without.contains(option));
        let words = known.flat_map(|(option, value)| [Some(format!("-{option}")), value]).flatten();
        std::iter::once("ping".to_owned()).chain(words).chain([self.address.to_string()]).collect()
    }

    async fn batch(&self, count: usize, every: Duration) -> Result<Vec<Outcome>, ProbeError> {
        let place = &self.place;
        let (pod, container) =
            exec_target(&self.cluster, &place.namespace, &place.selector, place.container.as_deref()).await?;
        let deadline = every * u32::try_from(count).unwrap_or(u32::MAX) + self.timeout + Duration::from_secs(10);
        loop {
            let command = self.command(count, every);
            let output = self.cluster.exec(&pod.namespace, &pod.name, container.as_deref(), &command, deadline).await?;
            let failed = |why: &str| Err(ProbeError(format!("ping in pod {pod} failed: {why}")));
            match ping::parse(&format!("{}\n{}", output.stdout, output.stderr)) {
                Ok(found) => return Ok((0..count).map(|index| self.outcome(&found, index)).collect()),
                Err(PingError::GaveUp(error)) => match error.kind {
                    // Toybox prints addresses anyway.
                    ComplaintKind::Option('n') if self.leave_out('n') => {}
                    ComplaintKind::Option(option) => {
                        return failed(&format!(
                            "{}; it has no option -{option}: use an image with ping of {DIALECTS}",
                            error.line
                        ));
                    }
                    ComplaintKind::NotInstalled => {
                        return failed(&format!("{}; use an image with ping of {DIALECTS}", error.line));
                    }
                    ComplaintKind::TooFast => {
                        return failed(&format!(
                            "{}; write `every: 200ms` or more, or let the container run as root",
                            error.line
                        ));
                    }
                    _ => return failed(&error.line),
                },
                Err(error) => {
                    return Err(ProbeError(format!("ping in pod {pod}: {error} (exit code {})", output.exit_code)));
                }
            }
        }
    }

    /// Leaves an option out from now on; false if it was left out already.
    fn leave_out(&self, option: char) -> bool {
        let mut without = self.without.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = !without.contains(&option);
        without.push(option);
        is_new
    }

    /// The outcome of one echo of a batch.
    fn outcome(&self, found: &ping::Ping, index: usize) -> Outcome {
        let sequence = index as u64 + found.first_seq;
        match found.replies.iter().find(|reply| reply.seq == sequence) {
            Some(reply) => match reply.rtt {
                Some(rtt) if rtt <= self.timeout => answered(self.address, rtt),
                Some(_) => lost(self.address, self.timeout),
                None => Outcome::new(Answer::NoData, "measurement error: the reply has no time"),
            },
            None => lost(self.address, self.timeout),
        }
    }
}

impl Observer for PodPing {
    fn observe(&self, _: Series) -> BoxFuture<'_, Outcome> {
        Box::pin(async move {
            match self.batch(1, Duration::from_millis(200)).await {
                Ok(mut outcomes) if !outcomes.is_empty() => outcomes.swap_remove(0),
                Ok(_) => Outcome::new(Answer::NoData, "measurement error: ping reported no result"),
                Err(error) => error.into(),
            }
        })
    }

    fn observe_batch(&self, count: usize, every: Duration) -> BoxFuture<'_, Vec<Outcome>> {
        Box::pin(async move {
            match self.batch(count, every).await {
                Ok(outcomes) => outcomes,
                Err(error) => vec![Outcome::from(error); count],
            }
        })
    }
}

fn answered(address: IpAddr, rtt: Duration) -> Outcome {
    Outcome {
        took: Some(rtt),
        waited: Duration::ZERO,
        ..Outcome::new(Answer::Good, format!("{address} replied in {:.1} ms", rtt.as_secs_f64() * 1e3))
    }
}

fn lost(address: IpAddr, timeout: Duration) -> Outcome {
    Outcome {
        took: Some(timeout),
        waited: Duration::ZERO,
        ..Outcome::new(Answer::Bad(Class::Timeout), format!("no reply from {address} within {}", TimeSpan(timeout)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn all_addresses_of_a_pod_are_tried_the_primary_one_first() {
        let pod = json!({ "status": { "podIP": "fd00::7", "podIPs": [{ "ip": "fd00::7" }, { "ip": "10.0.0.7" }] } });
        assert_eq!(in_order(&pod), ["fd00::7".parse::<IpAddr>().unwrap(), "10.0.0.7".parse().unwrap()]);
        assert!(in_order(&json!({ "status": {} })).is_empty());
    }
}
