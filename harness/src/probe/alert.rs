//! `alert`: where one alert stands, stage by stage: pending and firing at Prometheus, at Alertmanager, told to a receiver.
//! As a probe it is watched through a drill, and `detectionTime` judges when each stage was reached; as a check it must be
//! in a state.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::BoxFuture;
use meshdrill_checks::detection::{Stage, Standing};
use meshdrill_checks::observe::alertmanager::{AlertState as Received, Config, Route};
use meshdrill_checks::observe::prometheus::{AlertState, Rule, RuleGroup, parse_exposition};
use meshdrill_checks::record::Series;
use meshdrill_checks::units::TimeSpan;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::kind::{Floor, Kind, Observer, Role, Timing};
use super::outcome::settle;
use super::{CannotAsk, Metrics, Outcome};
use crate::cluster::{Permission, World};
use crate::spec::{ClusterChoice, MeshSpec};

/// One alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Alert {
    /// The cluster whose Prometheus and Alertmanager are asked.
    pub cluster: ClusterChoice,
    /// Its name.
    pub name: String,
    /// Labels it must carry, where several alerts share the name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The last stage of its detection: `firing`, `alertmanager` or `receiver`; a receiver is told without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Until>,
    /// As a check, the state it must be in: `inactive`, `pending` or `firing`; inactive without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<WantedState>,
}

/// The last stage of a detection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Until {
    /// It fires at Prometheus.
    Firing,
    /// Alertmanager has it, and does not suppress it.
    Alertmanager,
    /// A receiver was told.
    Receiver,
}

/// A state of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum WantedState {
    /// Its expression gives nothing.
    Inactive,
    /// It waits for its `for`.
    Pending,
    /// It fires.
    Firing,
}

impl Alert {
    /// The stage that ends its detection.
    pub fn last_stage(&self) -> Stage {
        match self.until {
            Some(Until::Firing) => Stage::Firing,
            Some(Until::Alertmanager) => Stage::Alertmanager,
            Some(Until::Receiver) | None => Stage::Receiver,
        }
    }
}

impl Kind for Alert {
    fn describe(&self) -> String {
        format!("alert {} at {}", self.name, self.cluster)
    }

    fn subject(&self) -> String {
        self.name.clone()
    }

    fn choices(&mut self) -> Vec<&mut ClusterChoice> {
        vec![&mut self.cluster]
    }

    fn timing(&self) -> Timing {
        Timing { every: TimeSpan::secs(1), ..Timing::of_api() }
    }

    fn permissions(&self, mesh: &MeshSpec) -> Vec<Permission> {
        let mut all = Metrics::prometheus_permissions(mesh, self.cluster.key());
        if self.last_stage() > Stage::Firing {
            all.extend(Metrics::alertmanager_permissions(mesh, self.cluster.key()));
        }
        all
    }

    fn prepare<'a>(&'a self, world: &'a World, role: Role) -> BoxFuture<'a, Result<Box<dyn Observer>, CannotAsk>> {
        Box::pin(async move {
            let key = self.cluster.key();
            let prometheus = Metrics::prometheus(world, key).await?;
            let alertmanager = match self.last_stage() {
                Stage::Pending | Stage::Firing => None,
                Stage::Alertmanager | Stage::Receiver => Some(Metrics::alertmanager(world, key).await?),
            };
            let sampled = role == Role::Probe;
            let observer = AlertObserver { prometheus, alertmanager, sampled, spec: self.clone() };
            if sampled {
                let standing = observer.standing().await?;
                if standing.state != AlertState::Inactive {
                    return Err(CannotAsk(
                        format!(
                            "{} is {:?} already: what would set it off cannot be told apart",
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
    /// Sampled, an alert is watched; only as a check must it be in a state.
    sampled: bool,
    spec: Alert,
}

impl AlertObserver {
    async fn ask(&self) -> Result<Outcome, CannotAsk> {
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
        Ok(Outcome::judged(good, format!("{} is {message}{expected}", self.spec.name), seen))
    }

    async fn rule(&self) -> Result<(RuleGroup, Rule), CannotAsk> {
        let groups = self.prometheus.rules().await?;
        let mut rules = groups.iter().flat_map(|group| group.rules.iter().map(move |rule| (group, rule)));
        let found =
            rules.find(|(_, rule)| rule.name == self.spec.name).map(|(group, rule)| (group.clone(), rule.clone()));
        found.ok_or_else(|| {
            CannotAsk(format!(
                "cannot detect: no rule {} is loaded at {} ({} rule groups are)",
                self.spec.name,
                self.prometheus.name(),
                groups.len()
            ))
        })
    }

    async fn standing(&self) -> Result<Standing, CannotAsk> {
        let (_, rule) = self.rule().await?;
        let own = |labels: &BTreeMap<String, String>| {
            self.spec.labels.iter().all(|(name, value)| labels.get(name) == Some(value))
        };
        let mut state = AlertState::Inactive;
        for alert in rule.alerts.iter().filter(|alert| own(&alert.labels)) {
            state = state.max(alert.state);
        }
        let mut standing = Standing { state, received: None, suppressed_by: Vec::new(), told: None, untold: None };
        if let Some(alertmanager) = &self.alertmanager {
            let received = alertmanager.received(&self.spec.name).await?;
            let received: Vec<_> = received.iter().filter(|alert| own(&alert.labels)).collect();
            standing.received = received
                .iter()
                .map(|alert| if alert.state == Received::Suppressed { Received::Suppressed } else { Received::Active })
                .min_by_key(|state| *state == Received::Suppressed);
            standing.suppressed_by = received
                .iter()
                .flat_map(|alert| alert.silenced_by.iter().chain(&alert.inhibited_by).cloned())
                .collect();
            if self.spec.last_stage() == Stage::Receiver {
                let (sent, failed) = notifications(alertmanager).await?;
                (standing.told, standing.untold) = (Some(sent.saturating_sub(failed)), Some(failed));
            }
        }
        Ok(standing)
    }
}

/// How many notifications an Alertmanager has tried to send, and how many of them failed.
async fn notifications(alertmanager: &Metrics) -> Result<(u64, u64), CannotAsk> {
    let answer = alertmanager.get("/metrics").await?;
    let exposition = parse_exposition(answer.status, &answer.body).map_err(|error| alertmanager.wrong(error))?;
    let sum = |name: &str| {
        let missing = || alertmanager.wrong(format!("/metrics has no {name}: who was told is not known"));
        exposition.sum(name, &[]).map(|count| count as u64).ok_or_else(missing)
    };
    Ok((sum("alertmanager_notifications_total")?, sum("alertmanager_notifications_failed_total")?))
}

impl Observer for AlertObserver {
    fn observe(&self, _: Series) -> BoxFuture<'_, Outcome> {
        Box::pin(async move { settle(self.ask().await) })
    }

    fn floor(&self) -> BoxFuture<'_, Result<Option<Floor>, CannotAsk>> {
        Box::pin(async move {
            let (group, rule) = self.rule().await?;
            let scrape = self.prometheus.targets().await?.active.iter().filter_map(|one| one.scrape_interval).min();
            let wait = match &self.alertmanager {
                Some(alertmanager) => {
                    let status = alertmanager.alertmanager_status().await?;
                    group_wait(&status.config().map_err(|error| alertmanager.wrong(error))?)
                }
                None => Duration::ZERO,
            };
            Ok(Some(Floor::of(scrape.unwrap_or_default(), group.interval, rule.hold, wait)))
        })
    }
}

/// The shortest wait before a first notification: which route an alert takes is settled by labels it does not have yet.
fn group_wait(config: &Config) -> Duration {
    fn shortest(route: &Route) -> Duration {
        route.routes.iter().map(shortest).fold(route.group_wait, Duration::min)
    }
    shortest(&config.route)
}
