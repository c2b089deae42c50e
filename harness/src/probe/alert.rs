//! `alert`: the state of one alert, stage by stage: pending and firing in Prometheus, received by Alertmanager, delivered to
//! a receiver. A probe follows it through a drill, and `detectionTime` judges when it reached each stage; a check compares
//! its state.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::BoxFuture;
use meshdrill_checks::detection::{Other, Stage, Standing};
use meshdrill_checks::observe::alertmanager::{
    AlertState as Received, Config, Notifications, ReceivedAlert, Receiver, Route, Waits,
};
use meshdrill_checks::observe::prometheus::{AlertState, Rule, RuleGroup};
use meshdrill_checks::record::Series;
use meshdrill_checks::units::TimeSpan;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::http_observer::HttpObserver;
use super::outcome::settle;
use super::role::{MinDetectionTime, Observation, Observer, Role, SpecError, Timing};
use super::{Answer, Http, Metrics, Outcome, ProbeError};
use crate::cluster::{Permission, World};
use crate::format::{ClusterChoice, MeshSpec};

/// One alert. As a probe, it is followed through a drill for `detectionTime`; as a check, it must be in a state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Alert {
    /// The cluster with the Prometheus and the Alertmanager.
    pub cluster: ClusterChoice,
    /// The name of the alert, such as `IstiodDown`.
    pub name: String,
    /// Labels that the alert must have, where several alerts share the name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The last stage of the detection: `firing`, `alertmanager` or `receiver`; default `receiver`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Until>,
    /// A request to the receiver itself, where the counters of Alertmanager mix this alert with others. Its response must list
    /// the names of the alerts that the receiver got.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heard: Option<Http>,
    /// For a check, the state: `inactive`, `pending` or `firing`; default `inactive`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<WantedState>,
}

/// The last stage of a detection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Until {
    /// The alert fires in Prometheus.
    Firing,
    /// Alertmanager has the alert and does not suppress it.
    Alertmanager,
    /// A receiver was notified.
    Receiver,
}

/// The state of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum WantedState {
    /// Its expression selects nothing.
    Inactive,
    /// It waits for its `for`.
    Pending,
    /// It fires.
    Firing,
}

impl Alert {
    /// The last stage of its detection.
    pub fn last_stage(&self) -> Stage {
        match self.until {
            Some(Until::Firing) => Stage::Firing,
            Some(Until::Alertmanager) => Stage::Alertmanager,
            Some(Until::Receiver) | None => Stage::Receiver,
        }
    }
}

impl Observation for Alert {
    fn describe(&self) -> String {
        if self.name.is_empty() {
            return format!("an alert that the mesh file does not name ({})", self.cluster);
        }
        format!("alert {} ({})", self.name, self.cluster)
    }

    fn subject(&self) -> String {
        self.name.clone()
    }

    fn choices(&mut self) -> Vec<&mut ClusterChoice> {
        let heard = self.heard.iter_mut().flat_map(Observation::choices);
        [&mut self.cluster].into_iter().chain(heard).collect()
    }

    fn spec_errors(&self) -> Vec<SpecError> {
        let heard = self.heard.iter().flat_map(Observation::spec_errors);
        heard.map(|one| SpecError::new("heard", one.message, one.help)).collect()
    }

    fn timing(&self) -> Timing {
        Timing { every: TimeSpan::secs(1), ..Timing::api() }
    }

    fn permissions(&self, mesh: &MeshSpec) -> Vec<Permission> {
        let mut all = Metrics::prometheus_permissions(mesh, self.cluster.key());
        if self.last_stage() > Stage::Firing {
            all.extend(Metrics::alertmanager_permissions(mesh, self.cluster.key()));
        }
        all.extend(self.heard.iter().flat_map(|http| http.permissions(mesh)));
        all
    }

    fn prepare<'a>(&'a self, world: &'a World, role: Role) -> BoxFuture<'a, Result<Box<dyn Observer>, ProbeError>> {
        Box::pin(async move {
            let key = self.cluster.key();
            let prometheus = Metrics::prometheus(world, key).await?;
            let alertmanager = match self.last_stage() {
                Stage::Pending | Stage::Firing => None,
                Stage::Alertmanager | Stage::Receiver => Some(Metrics::alertmanager(world, key).await?),
            };
            let sampled = role == Role::Probe;
            let config = match &alertmanager {
                Some(alertmanager) => {
                    let status = alertmanager.alertmanager_status().await?;
                    Some(status.config().map_err(|error| alertmanager.wrong(error))?)
                }
                None => None,
            };
            let heard = match &self.heard {
                Some(http) => Some(http.observer(world, Role::Probe).await?),
                None => None,
            };
            let observer = AlertObserver { prometheus, alertmanager, config, heard, sampled, spec: self.clone() };
            if sampled {
                let standing = observer.standing().await?;
                if standing.state != AlertState::Inactive {
                    return Err(ProbeError(
                        format!(
                            "alert {} is already {:?}, so the fault cannot be its cause; wait until it is inactive",
                            self.name, standing.state
                        )
                        .to_lowercase(),
                    ));
                }
            }
            Ok(Box::new(observer) as Box<dyn Observer>)
        })
    }
}

struct AlertObserver {
    prometheus: Metrics,
    alertmanager: Option<Metrics>,
    /// The configuration of the Alertmanager, where one is needed.
    config: Option<Config>,
    /// The request to the receiver itself.
    heard: Option<HttpObserver>,
    /// Whether it is a probe: only a check compares the state.
    sampled: bool,
    spec: Alert,
}

impl AlertObserver {
    async fn ask(&self) -> Result<Outcome, ProbeError> {
        let standing = self.standing().await?;
        let message = standing.to_string();
        let seen = json!(standing);
        let wanted = match self.spec.expect {
            None | Some(WantedState::Inactive) => AlertState::Inactive,
            Some(WantedState::Pending) => AlertState::Pending,
            Some(WantedState::Firing) => AlertState::Firing,
        };
        let good = self.sampled || standing.state == wanted;
        let expected = if good { String::new() } else { format!(", expected {wanted:?}").to_lowercase() };
        Ok(Outcome::judged(good, format!("alert {} is {message}{expected}", self.spec.name), seen))
    }

    async fn rule(&self) -> Result<(RuleGroup, Rule), ProbeError> {
        let groups = self.prometheus.rules().await?;
        let mut rules = groups.iter().flat_map(|group| group.rules.iter().map(move |rule| (group, rule)));
        let found =
            rules.find(|(_, rule)| rule.name == self.spec.name).map(|(group, rule)| (group.clone(), rule.clone()));
        found.ok_or_else(|| {
            ProbeError(format!(
                "cannot detect: no rule {} is loaded at {} ({} rule groups are); check `rule_files` of prometheus.yml",
                self.spec.name,
                self.prometheus.name(),
                groups.len()
            ))
        })
    }

    async fn standing(&self) -> Result<Standing, ProbeError> {
        let (_, rule) = self.rule().await?;
        let own = |labels: &BTreeMap<String, String>| {
            self.spec.labels.iter().all(|(name, value)| labels.get(name) == Some(value))
        };
        let mut state = AlertState::Inactive;
        for alert in rule.alerts.iter().filter(|alert| own(&alert.labels)) {
            state = state.max(alert.state);
        }
        let mut standing = Standing { state, ..Standing::unseen() };
        if let Some(alertmanager) = &self.alertmanager {
            let all = alertmanager.received().await?;
            let is_own = |alert: &&ReceivedAlert| alert.name() == self.spec.name && own(&alert.labels);
            let relevant = all.iter().filter(|alert| is_own(alert) || alert.state != Received::Suppressed);
            let (received, others): (Vec<_>, Vec<_>) = relevant.partition(is_own);
            standing.received = received
                .iter()
                .map(|alert| if alert.state == Received::Suppressed { Received::Suppressed } else { Received::Active })
                .min_by_key(|state| *state == Received::Suppressed);
            standing.suppressed_by = received
                .iter()
                .flat_map(|alert| alert.silenced_by.iter().chain(&alert.inhibited_by).cloned())
                .collect();
            if self.spec.last_stage() == Stage::Receiver {
                let notified = alertmanager.notifications().await?.ok_or_else(|| {
                    alertmanager.wrong("/metrics has no notification counters, so deliveries cannot be verified")
                })?;
                (standing.delivered, standing.undelivered) =
                    (Some(notified.all().delivered), Some(notified.all().failed));
                standing.ways = received.iter().flat_map(|alert| self.ways(alert, &notified)).collect();
                if !others.is_empty() {
                    standing.others = self.others(&others, &notified, self.prometheus.time().await?);
                }
                standing.notified = notified;
                standing.heard = self.heard().await?;
            }
        }
        Ok(standing)
    }
}

impl AlertObserver {
    /// The integrations of an alert's receivers, each once.
    fn ways(&self, alert: &ReceivedAlert, notified: &Notifications) -> Vec<String> {
        let config = self.config.as_ref();
        let receivers = alert.receivers.iter().filter_map(|name| config?.receiver(name));
        let way = |receiver: &Receiver| -> Vec<String> {
            receiver.integrations.iter().map(|one| notified.way(&one.kind, &receiver.name)).collect()
        };
        receivers.flat_map(way).collect()
    }

    /// Other alerts that also cause notifications; `now` in Unix seconds.
    fn others(&self, others: &[&ReceivedAlert], notified: &Notifications, now: f64) -> Vec<Other> {
        let other = |alert: &ReceivedAlert| {
            let waits = alert.receivers.iter().filter_map(|name| self.config.as_ref()?.waits(name));
            Other {
                id: alert.fingerprint.clone(),
                name: alert.name().to_owned(),
                age: (now - alert.starts_at.as_second() as f64).max(0.0) as u64,
                ways: self.ways(alert, notified),
                waits: waits.reduce(Waits::both).unwrap_or_default(),
            }
        };
        others.iter().map(|alert| other(alert)).collect()
    }

    /// How often the receiver lists the alert; none if there is no request to it.
    async fn heard(&self) -> Result<Option<u64>, ProbeError> {
        let Some(heard) = &self.heard else { return Ok(None) };
        match heard.exchange(Series::Kept).await {
            (outcome, Some(answer)) if outcome.answer == Answer::Good => {
                let body = answer.text().map_err(ProbeError)?.into_owned();
                Ok(Some(body.matches(&self.spec.name).count() as u64))
            }
            (outcome, _) => Err(ProbeError(format!("the receiver does not list its alerts: {}", outcome.message))),
        }
    }
}

impl Observer for AlertObserver {
    fn observe(&self, _: Series) -> BoxFuture<'_, Outcome> {
        Box::pin(async move { settle(self.ask().await) })
    }

    fn min_detection_time(&self) -> BoxFuture<'_, Result<Option<MinDetectionTime>, ProbeError>> {
        Box::pin(async move {
            let (group, rule) = self.rule().await?;
            let scrape = self.prometheus.targets().await?.active.iter().filter_map(|one| one.scrape_interval).min();
            let wait = self.config.as_ref().map_or(Duration::ZERO, group_wait);
            Ok(Some(MinDetectionTime::new(scrape.unwrap_or_default(), group.interval, rule.hold, wait)))
        })
    }
}

/// The shortest `group_wait` of all routes: the route of an alert depends on labels that it does not have yet.
fn group_wait(config: &Config) -> Duration {
    fn shortest(route: &Route) -> Duration {
        route.routes.iter().map(shortest).fold(route.group_wait, Duration::min)
    }
    shortest(&config.route)
}
