//! Where the integrations of an Alertmanager's receivers lead: to a Service of the cluster, back to Alertmanager, or out of
//! the cluster, where only earlier deliveries prove that something listens.

use meshdrill_checks::observe::alertmanager::{Config, Destination, Notifications, Receiver, Route};

use super::ProbeError;
use super::slices::service_endpoints;
use crate::cluster::Cluster;
use crate::net::port_of;

/// Where one integration leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Leads {
    /// To a Service with ready endpoints.
    Ready,
    /// To nothing, for this reason.
    Broken(String),
    /// Out of the cluster, or to a hidden address.
    External,
}

/// One integration of a receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RoutedIntegration {
    pub(super) receiver: String,
    /// `webhook`, `email`, …
    pub(super) kind: String,
    pub(super) leads: Leads,
}

/// Which integrations lead to an existing endpoint.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Reach {
    /// Problems that keep notifications from a receiver.
    pub(super) missed: Vec<String>,
    /// The default receiver, if it notifies nobody. That is a problem unless the ways of all critical alerts are known.
    pub(super) empty_default: Option<String>,
    /// The receivers that routes use.
    pub(super) routed: Vec<String>,
    /// The receivers that no route uses.
    pub(super) unrouted: Vec<String>,
    /// The number of integrations that lead to an existing endpoint.
    pub(super) proven: usize,
    /// Integrations that cannot be verified.
    pub(super) unproven: Vec<String>,
}

/// Judges every integration by itself: a working one does not make up for a broken one.
pub(super) fn judge(config: &Config, ways: &[RoutedIntegration], counts: &Notifications) -> Reach {
    let mut reach = Reach { routed: routed_receivers(&config.route), ..Reach::default() };
    for name in &reach.routed {
        match config.receiver(name) {
            None => reach.missed.push(format!("a route names the receiver {name}, which is not defined")),
            // An empty receiver is the way to drop alerts on purpose. The default one gets what no route matches.
            Some(receiver) if receiver.integrations.is_empty() && config.route.receiver == *name => {
                reach.empty_default = Some(format!("receiver {name} has no integration, so it is never notified"));
            }
            Some(_) => {}
        }
    }
    let names = config.receivers.iter().map(|receiver| &receiver.name);
    reach.unrouted = names.filter(|name| !reach.routed.contains(name)).cloned().collect();
    for way in ways {
        let counted = counts.way(&way.kind, &way.receiver);
        let notified = counts.by(&counted);
        // A counter that several integrations share does not show which of them it counted.
        let alone = ways.iter().filter(|other| counts.way(&other.kind, &other.receiver) == counted).count() == 1;
        let all_failed = notified.delivered == 0 && notified.failed > 0;
        match &way.leads {
            Leads::Broken(why) => reach.missed.push(why.clone()),
            _ if all_failed => {
                let (name, kind, count) = (&way.receiver, &way.kind, notified.failed);
                let which = if alone { "" } else { ", together with those of other receivers," };
                reach.missed.push(format!("receiver {name}: all {count} notifications by {kind}{which} have failed"));
            }
            Leads::Ready => reach.proven += 1,
            Leads::External if alone && notified.delivered > 0 => reach.proven += 1,
            Leads::External => reach.unproven.push(format!("{} ({})", way.receiver, way.kind)),
        }
    }
    reach.missed.dedup();
    reach
}

/// Every receiver that a route uses.
fn routed_receivers(route: &Route) -> Vec<String> {
    let mut names = vec![route.receiver.clone()];
    for name in route.routes.iter().flat_map(routed_receivers) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// What host names are compared with.
pub(super) struct IntegrationResolver<'a> {
    pub(super) cluster: &'a Cluster,
    /// All namespaces, to recognize a host name as a Service: `chat.example` is none.
    pub(super) namespaces: &'a [String],
    /// Host and port of the Alertmanager itself.
    pub(super) own: (String, u16),
}

impl IntegrationResolver<'_> {
    /// Every integration that a route uses, and where it leads.
    pub(super) async fn resolve(&self, config: &Config) -> Result<Vec<RoutedIntegration>, ProbeError> {
        let mut ways = Vec::new();
        for receiver in routed_receivers(&config.route).iter().filter_map(|name| config.receiver(name)) {
            for integration in &receiver.integrations {
                let leads = match &integration.destination {
                    Destination::Url(url) => self.leads(receiver, url).await?,
                    Destination::Hidden | Destination::Implied => Leads::External,
                };
                ways.push(RoutedIntegration { receiver: receiver.name.clone(), kind: integration.kind.clone(), leads });
            }
        }
        Ok(ways)
    }

    async fn leads(&self, receiver: &Receiver, url: &str) -> Result<Leads, ProbeError> {
        let name = &receiver.name;
        let Ok(uri) = url.parse::<http::Uri>() else {
            return Ok(Leads::Broken(format!("receiver {name}: `{url}` is not a URL")));
        };
        let host = uri.host().unwrap_or_default();
        if self.is_itself(host, port_of(&uri)) {
            return Ok(Leads::Broken(format!("receiver {name} points at Alertmanager itself: {url}")));
        }
        let Some((service, namespace)) = self.in_cluster(host) else { return Ok(Leads::External) };
        let Some(endpoints) = service_endpoints(self.cluster, &namespace, &service).await? else {
            // A name that is no Service here may exist elsewhere, unless the API server reports that it does not.
            let path = format!("/api/v1/namespaces/{namespace}/services/{service}");
            let missing = matches!(self.cluster.find::<serde_json::Value>(&path).await, Ok(None));
            let why = format!("receiver {name}: Service {namespace}/{service} does not exist");
            return Ok(if missing { Leads::Broken(why) } else { Leads::External });
        };
        let why = format!("receiver {name}: Service {namespace}/{service} has no ready endpoint");
        Ok(if endpoints.ready() == 0 { Leads::Broken(why) } else { Leads::Ready })
    }

    fn is_itself(&self, host: &str, port: u16) -> bool {
        let (own_host, own_port) = &self.own;
        let (own_service, own_namespace) = self.service();
        let loopback = host == "localhost" || host.starts_with("127.") || host == "[::1]";
        let by_name = self.in_cluster(host).is_some_and(|(name, space)| name == own_service && space == own_namespace);
        (loopback || by_name || host == own_host) && (port == *own_port || port == 9093)
    }

    /// Name and namespace of Alertmanager's own Service, as discovery found it.
    fn service(&self) -> (String, String) {
        let (host, _) = &self.own;
        match host.split_once('.') {
            Some((name, namespace)) if host.parse::<std::net::IpAddr>().is_err() => {
                (name.to_owned(), namespace.split('.').next().unwrap_or_default().to_owned())
            }
            _ => ("alertmanager".to_owned(), "istio-system".to_owned()),
        }
    }

    /// The Service that a host name may stand for: `NAME`, `NAME.NAMESPACE`, `NAME.NAMESPACE.svc…`.
    fn in_cluster(&self, host: &str) -> Option<(String, String)> {
        let parts: Vec<&str> = host.split('.').collect();
        match parts.as_slice() {
            [name] if *name != "localhost" && !name.starts_with('[') => Some(((*name).to_owned(), self.service().1)),
            [name, namespace] if self.namespaces.iter().any(|known| known == namespace) => {
                Some(((*name).to_owned(), (*namespace).to_owned()))
            }
            [name, namespace, "svc", ..] => Some(((*name).to_owned(), (*namespace).to_owned())),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use meshdrill_checks::observe::prometheus::parse_exposition;

    const YAML: &str = "route: { receiver: a, routes: [{ receiver: b, routes: [{ receiver: a }, {}] }, { receiver: c }] }\n\
        receivers: [{ name: a, webhook_configs: [{}] }, { name: b, email_configs: [{}] }, { name: c }, { name: old }]";

    fn config() -> Config {
        Config::parse(YAML).unwrap()
    }

    fn way(receiver: &str, kind: &str, leads: Leads) -> RoutedIntegration {
        RoutedIntegration { receiver: receiver.to_owned(), kind: kind.to_owned(), leads }
    }

    fn counts(tried: u64, failed: u64) -> Notifications {
        let text = format!(
            "alertmanager_notifications_total{{integration=\"email\"}} {tried}\nalertmanager_notifications_failed_total{{integration=\"email\"}} {failed}\n"
        );
        Notifications::of(&parse_exposition(200, text.as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn receivers_of_all_routes_and_of_none() {
        let reach = judge(&config(), &[], &counts(0, 0));
        assert_eq!((reach.routed, reach.unrouted), (vec!["a".into(), "b".into(), "c".into()], vec!["old".to_owned()]));
        assert!(reach.missed.is_empty(), "only the default receiver needs an integration: {:?}", reach.missed);
        assert_eq!(reach.empty_default, None);
        let dropping = Config::parse("route: { receiver: c }\nreceivers: [{ name: c }]").unwrap();
        let says = "receiver c has no integration, so it is never notified";
        assert_eq!(judge(&dropping, &[], &counts(0, 0)).empty_default.as_deref(), Some(says));
    }

    #[test]
    fn one_that_works_does_not_make_up_for_one_that_does_not() {
        let ways = [way("a", "webhook", Leads::Ready), way("a", "webhook", Leads::Broken("no Service".to_owned()))];
        let reach = judge(&config(), &ways, &counts(0, 0));
        assert_eq!((reach.missed, reach.proven), (vec!["no Service".to_owned()], 1));
    }

    #[test]
    fn elsewhere_only_what_was_delivered_shows_that_somebody_is_there() {
        let away = || way("b", "email", Leads::External);
        let reach = judge(&config(), &[away()], &counts(0, 0));
        assert_eq!((reach.proven, reach.unproven), (0, vec!["b (email)".to_owned()]));
        assert_eq!(judge(&config(), &[away()], &counts(5, 1)).proven, 1);
        assert_eq!(judge(&config(), &[away(), way("c", "email", Leads::External)], &counts(5, 1)).unproven.len(), 2);
        let failed = judge(&config(), &[away()], &counts(3, 3)).missed;
        assert_eq!(failed, ["receiver b: all 3 notifications by email have failed"]);
    }
}
