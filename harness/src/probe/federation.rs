//! `federation`: each cluster's series at the federating Prometheus exist, are fresh, and come from that cluster: at the time
//! of the federated sample, the cluster's own Prometheus has the same value under the same labels, apart from those that
//! its configuration adds.

use std::collections::BTreeMap;

use futures::future::BoxFuture;
use meshdrill_checks::observe::prometheus::{Series as Found, Vector};
use meshdrill_checks::record::Series;
use meshdrill_checks::units::TimeSpan;
use schemars::JsonSchema;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::federated::{Added, Original};
use super::outcome::settle;
use super::role::{Observation, Observer, Role};
use super::{Answer, Metrics, Outcome, ProbeError};
use crate::cluster::{Permission, World};
use crate::format::{ClusterChoice, MeshSpec};

/// Federation of clusters' series at one Prometheus: they exist, are fresh, and come from the cluster that they name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Federation {
    /// The cluster with the federating Prometheus.
    pub hub: ClusterChoice,
    /// The clusters whose series are compared; `all` means all but the hub.
    pub of: ClusterChoice,
    /// The label with the cluster of a federated series; default `cluster`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The metrics to compare; default `up` and `istio_requests_total`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<String>,
    /// Series that the hub has under another name or aggregated: `{ hub: istio_requests_total, source:
    /// "workload:istio_requests_total" }`, or a list of such. `source` is a query that gives at the source what the hub has.
    /// With it, only `metrics` that are named are also compared.
    #[serde(default, deserialize_with = "one_or_several", skip_serializing_if = "Vec::is_empty")]
    pub series: Vec<Renamed>,
    /// The maximum age of a series, such as `1m`; default two scrape intervals of the hub.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fresh: Option<TimeSpan>,
}

/// A series of the hub and what it is at its source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Renamed {
    /// The metric at the hub.
    pub hub: String,
    /// The query at the source, such as `sum without (pod, instance) (istio_requests_total)`.
    pub source: String,
}

/// Reads one entry, or a list of them.
fn one_or_several<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Renamed>, D::Error> {
    struct Read;
    impl<'de> Visitor<'de> for Read {
        type Value = Vec<Renamed>;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("`{ hub: METRIC, source: QUERY }` or a list of such")
        }
        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Vec<Renamed>, A::Error> {
            Ok(vec![Renamed::deserialize(MapAccessDeserializer::new(map))?])
        }
        fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Vec<Renamed>, A::Error> {
            Vec::deserialize(SeqAccessDeserializer::new(items))
        }
    }
    from.deserialize_any(Read)
}

impl Observation for Federation {
    fn describe(&self) -> String {
        format!("series of {} at the Prometheus ({})", self.of, self.hub)
    }

    fn subject(&self) -> String {
        format!("at-{}", self.hub)
    }

    fn choices(&mut self) -> Vec<&mut ClusterChoice> {
        vec![&mut self.hub, &mut self.of]
    }

    fn is_vacuous(&self) -> bool {
        self.hub == self.of
    }

    fn permissions(&self, mesh: &MeshSpec) -> Vec<Permission> {
        let both = [self.hub.key(), self.of.key()];
        both.into_iter().flat_map(|key| Metrics::prometheus_permissions(mesh, key)).collect()
    }

    fn prepare<'a>(&'a self, world: &'a World, _: Role) -> BoxFuture<'a, Result<Box<dyn Observer>, ProbeError>> {
        Box::pin(async move {
            let hub = Metrics::prometheus(world, self.hub.key()).await?;
            let source = Metrics::prometheus(world, self.of.key()).await?;
            let id = world.cluster(self.of.key())?.istio_id().to_owned();
            let observer = FederationObserver { hub, source, id, spec: self.clone() };
            Ok(Box::new(observer) as Box<dyn Observer>)
        })
    }
}

struct FederationObserver {
    hub: Metrics,
    source: Metrics,
    id: String,
    spec: Federation,
}

impl FederationObserver {
    async fn ask(&self) -> Result<Outcome, ProbeError> {
        let default = ["up".to_owned(), "istio_requests_total".to_owned()];
        let metrics =
            if self.spec.metrics.is_empty() && self.spec.series.is_empty() { &default[..] } else { &self.spec.metrics };
        let same = metrics.iter().map(|metric| (metric.as_str(), metric.as_str()));
        let renamed = self.spec.series.iter().map(|one| (one.hub.as_str(), one.source.as_str()));
        let fresh = match self.spec.fresh {
            Some(fresh) => fresh.as_secs_f64(),
            None => 2.0 * self.scrape_interval().await?,
        };
        let label = self.spec.label.clone().unwrap_or_else(|| "cluster".to_owned());
        // Not every server shows its configuration; then only the cluster label is assumed.
        let external = self.source.config().await.unwrap_or_default().external_labels;
        let targets = self.hub.targets().await?.active.into_iter().map(|target| target.labels).collect();
        let added = Added { cluster: label, external, targets };
        let mut compared = 0;
        for (metric, source) in same.chain(renamed) {
            match self.compare(metric, source, fresh, &added).await? {
                Ok(count) => compared += count,
                Err(outcome) => return Ok(outcome),
            }
        }
        let message =
            format!("{compared} series of {} at {} are fresh and equal to their source", self.id, self.hub.name());
        Ok(Outcome::judged(true, message, json!({ "series": compared, "fresh": fresh })))
    }

    fn stale(&self, metric: &str, age: f64, fresh: f64, series: &Found) -> Outcome {
        let message = format!("stale: {metric} of {} is {age:.0} s old, expected at most {fresh:.0} s", self.id);
        Outcome::judged(false, message, json!({ "labels": series.labels }))
    }

    /// The longest scrape interval of the hub's targets.
    async fn scrape_interval(&self) -> Result<f64, ProbeError> {
        let targets = self.hub.targets().await?;
        let intervals = targets.active.iter().filter_map(|target| target.scrape_interval);
        intervals.max().map(|longest| longest.as_secs_f64()).ok_or_else(|| {
            ProbeError(format!("{}: no scrape target reports its interval; set `fresh:`", self.hub.name()))
        })
    }

    /// How many series of a metric agree, or the first difference.
    async fn compare(
        &self,
        metric: &str,
        source: &str,
        fresh: f64,
        added: &Added,
    ) -> Result<Result<usize, Outcome>, ProbeError> {
        let label = &added.cluster;
        let selector = format!("{metric}{{{label}=\"{}\"}}", self.id);
        let federated = self.hub.query(&selector, None).await?;
        if matches!(federated, Vector::NoData) && matches!(self.source.query(source, None).await?, Vector::NoData) {
            let (id, at) = (&self.id, self.source.name());
            let message = format!("no data: {at} has no series {source} of {id}, so there is nothing to federate");
            return Ok(Err(Outcome::new(Answer::NoData, message)));
        }
        if matches!(federated, Vector::NoData) {
            let message = format!(
                "no series of {}: {selector} selects nothing at {}; {}",
                self.id,
                self.hub.name(),
                declare(metric)
            );
            return Ok(Err(Outcome::new(Answer::Bad(meshdrill_checks::record::Class::Unexpected), message)));
        }
        let times = self.hub.query(&format!("timestamp({selector})"), None).await?;
        let now = self.hub.time().await?;
        let live = self.source.query(source, None).await?;
        let originals = added.originals(live.samples());
        let by_labels: BTreeMap<_, _> = federated.samples().iter().map(|series| (labels(series), series)).collect();
        let mut by_time: BTreeMap<u64, Vec<&Found>> = BTreeMap::new();
        let mut oldest = None;
        for time in times.samples() {
            let Some(at) = time.number() else { continue };
            if now - at > fresh {
                // A series that ended at its source stays at the hub for five minutes; one that still exists must be fresh.
                let gone = originals.of(time) == Original::Nowhere;
                oldest = Some((now - at, time));
                if gone {
                    continue;
                }
                return Ok(Err(self.stale(metric, now - at, fresh, time)));
            }
            by_time.entry((at * 1000.0).round() as u64).or_default().extend(by_labels.get(&labels(time)));
        }
        if let (true, Some((age, time))) = (by_time.is_empty(), oldest) {
            return Ok(Err(self.stale(metric, age, fresh, time)));
        }
        let mut count = 0;
        for (millis, series) in by_time {
            let then = self.source.query(source, Some(millis as f64 / 1000.0)).await?;
            let originals = added.originals(then.samples());
            for one in series {
                if let Some(difference) = self.difference(metric, one, &originals.of(one)) {
                    return Ok(Err(difference));
                }
                count += 1;
            }
        }
        Ok(Ok(count))
    }

    /// How a series of the hub differs from the one at its source; none if they agree.
    fn difference(&self, metric: &str, one: &Found, original: &Original<'_>) -> Option<Outcome> {
        let (hub, source, id) = (self.hub.name(), self.source.name(), &self.id);
        let seen = json!({ "labels": one.labels });
        match original {
            Original::This(twin) if twin.number() == one.number() => None,
            Original::This(twin) => {
                let (here, there) = (one.number(), twin.number());
                let message = format!(
                    "{metric} is {here:?} at {hub} and {there:?} at its source {source}: it comes from elsewhere"
                );
                Some(Outcome::judged(false, message, seen))
            }
            Original::OfAnotherReplica(replica) => {
                let message = format!(
                    "{hub} has series of {id} from another replica ({replica}) than the one asked at {source}: values of two \
                     replicas cannot be compared"
                );
                Some(Outcome { seen, ..Outcome::new(Answer::NoData, message) })
            }
            Original::Nowhere => {
                let message = format!(
                    "{hub} labels a series as {id} that {source} does not have: it comes from elsewhere; {}",
                    declare(metric)
                );
                Some(Outcome::judged(false, message, seen))
            }
        }
    }
}

/// How to declare a series that the hub renames or aggregates.
fn declare(metric: &str) -> String {
    format!(
        "if the hub renames or aggregates it, declare it: `series: {{ hub: {metric}, source: QUERY }}`, with the query that gives the same at the source"
    )
}

/// The labels of a series without its name, which `timestamp` drops.
fn labels(series: &Found) -> BTreeMap<&String, &String> {
    series.labels.iter().filter(|(name, _)| *name != "__name__").collect()
}

impl Observer for FederationObserver {
    fn observe(&self, _: Series) -> BoxFuture<'_, Outcome> {
        Box::pin(async move { settle(self.ask().await) })
    }
}
