//! `httpFault`: a delay or an abort in the HTTP routes of the `VirtualService` that owns a host. In effect once all proxies
//! have it and a control request shows it; undone once no proxy has it any more.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use meshdrill_checks::observe::routing;
use meshdrill_checks::units::{Ratio, TimeSpan};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::control::{self, Control};
use super::fields::{by_whom, change, find_same};
use super::http_fault_undo::RemoveRouteFault;
use super::proxies::{Named, Proxies, Watch, as_seen};
use super::routes;
use super::{
    Effect, Fault, FaultBehavior, FaultError, FaultOptions, SYSTEM, UndoData, UndoOutcome, system_namespace_error,
};
use crate::cluster::{Cluster, Object, ObjectRef, Permission, VIRTUAL_SERVICES, World, label_selector};
use crate::format::{ClusterChoice, MeshSpec, Selector};
use crate::probe::configuration::API_ROUTES;
use crate::probe::{Answer, ProbeKind, SpecError};

/// How many attempts the proxies have to respond before the fault, and the pause between two.
const TRIES: usize = 4;
const PAUSE: Duration = Duration::from_secs(1);

/// Delays or aborts HTTP requests to a host, through the `VirtualService` that owns the host. Removed at the end.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HttpFault {
    /// The cluster.
    pub cluster: ClusterChoice,
    /// The namespace of `clients`, and of the host if that is a short name.
    pub namespace: String,
    /// The host: the short name of a Service, `NAME.NAMESPACE`, or a fully qualified name.
    pub host: String,
    /// The name of one route; all routes of the `VirtualService` without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// The delay of each request, such as `2s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay: Option<TimeSpan>,
    /// The HTTP status that replaces the response, such as `503`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub abort: Option<u16>,
    /// The share of requests with the fault, such as `50%`; default `100%`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<Ratio>,
    /// The client pods in `namespace` whose proxies must have the fault, by label. Without it, all proxies of the cluster that
    /// route to the host: sidecars and gateways, in all namespaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clients: Option<Selector>,
    /// A request, of any probe kind, that passes before the fault and shows the fault while it lasts.
    pub control: Box<ProbeKind>,
}

impl HttpFault {
    fn fault(&self) -> Value {
        let percent = self.percent.map_or(100.0, |percent| percent.get() * 100.0);
        // The API server returns whole numbers without a fraction, and the undo compares with what it returns.
        let value = if percent.fract() == 0.0 { json!(percent as u64) } else { json!(percent) };
        let percentage = json!({ "value": value });
        let mut fault = json!({});
        if let Some(delay) = self.delay {
            fault["delay"] = json!({ "fixedDelay": format!("{}s", delay.as_secs_f64()), "percentage": percentage });
        }
        if let Some(abort) = self.abort {
            fault["abort"] = json!({ "httpStatus": abort, "percentage": percentage });
        }
        fault
    }

    /// The proxies that may route to the host by a `VirtualService`, and the Gateways that it names but that do not exist.
    async fn proxies(&self, cluster: &Cluster, service: &Object) -> Result<(Vec<Proxies>, Vec<String>), FaultError> {
        let owner = service.object_ref();
        let spaces = routing::exported(service).map_or_else(|| vec![None], |all| all.into_iter().map(Some).collect());
        let everywhere = |selector: &Option<String>| {
            let selector = selector.clone();
            spaces.clone().into_iter().map(move |namespace| Proxies { namespace, selector: selector.clone() })
        };
        if let Some(clients) = &self.clients {
            let selector = Some(clients.as_str().to_owned());
            return Ok((vec![Proxies { namespace: Some(self.namespace.clone()), selector }], Vec::new()));
        }
        if routing::is_for_sidecars(service) {
            return Ok((everywhere(&None).collect(), Vec::new()));
        }
        let (mut found, mut missing) = (Vec::new(), Vec::new());
        for (namespace, name) in routing::bound_gateways(service) {
            let path = format!("/apis/networking.istio.io/v1/namespaces/{namespace}/gateways/{name}");
            match cluster.find::<Object>(&path).await? {
                Some(gateway) => found.extend(everywhere(&Some(label_selector(&gateway["spec"]["selector"])))),
                None => missing
                    .push(format!("VirtualService {owner} names Gateway {namespace}/{name}, which does not exist")),
            }
        }
        if found.is_empty() { Err(FaultError::NoTarget(missing.join("; "))) } else { Ok((found, missing)) }
    }

    /// Checks all of these proxies before the fault: recovery could not be verified for a proxy that does not respond.
    async fn routing(
        &self,
        watch: &Watch,
        owner: &ObjectRef,
        named: Option<&Named>,
        places: &[Proxies],
    ) -> Result<(), FaultError> {
        let origin = (owner.namespace.as_str(), owner.name.as_str());
        let mut tries = TRIES;
        let carried = loop {
            tries -= 1;
            match watch.ask(origin, named, as_seen(&self.fault())).await {
                Ok(carried) => break carried,
                Err(error) if tries == 0 => {
                    return Err(FaultError::Refused(format!(
                        "the proxies do not respond, so their recovery could not be verified: {error}"
                    )));
                }
                // A pod may have gone since it was listed.
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        };
        if let Some(pod) = carried.complete.first().or(carried.partial.first()) {
            let why =
                format!("the proxy of pod {pod} already has this fault, so the effect of this run could not be seen");
            return Err(FaultError::Refused(why));
        }
        if carried.none.is_empty() {
            let places = places.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            return Err(FaultError::NoTarget(format!(
                "no proxy of {places} has a route of VirtualService {owner}, so the fault would affect no request; run `istioctl analyze` to see why"
            )));
        }
        Ok(())
    }
}

impl FaultBehavior for HttpFault {
    fn describe(&self) -> String {
        let delay = self.delay.map(|delay| format!("delay by {delay}"));
        let abort = self.abort.map(|status| format!("abort with {status}"));
        let what = delay.into_iter().chain(abort).collect::<Vec<_>>().join(" and ");
        let share = self.percent.map_or_else(|| "all".to_owned(), |percent| percent.to_string());
        format!("{what} {share} requests to {} in {}", routing::full_host(&self.host, &self.namespace), self.cluster)
    }

    fn sustained(&self) -> bool {
        true
    }

    fn spec_errors(&self) -> Vec<SpecError> {
        let of_host = routing::full_host(&self.host, "").contains(&format!(".{SYSTEM}."));
        let namespace = if of_host { SYSTEM } else { &self.namespace };
        let mut found: Vec<SpecError> =
            system_namespace_error("namespace", Some(namespace), "name a host of the mesh").into_iter().collect();
        if self.delay.is_none_or(|delay| delay.0.is_zero()) && self.abort.is_none() {
            found.push(SpecError::new(
                "delay",
                "a fault needs `delay` or `abort`",
                "write `delay: 2s` or `abort: 503`",
            ));
        }
        if self.abort.is_some_and(|status| !(200..=599).contains(&status)) {
            found.push(SpecError::new(
                "abort",
                "this is not a final HTTP status",
                "write a status from 200 to 599, such as 503",
            ));
        }
        if self.percent.is_some_and(|percent| percent.get() == 0.0) {
            found.push(SpecError::new("percent", "a fault needs more than 0% of the requests", "write more than 0%"));
        }
        if self.host.is_empty() || self.host.contains('*') {
            found.push(SpecError::new("host", "this is not the name of one host", "write the name of a Service"));
        }
        found.extend(control::spec_errors(&self.control));
        found
    }

    fn permissions(&self, mesh: &MeshSpec) -> Vec<Permission> {
        let key = self.cluster.key();
        let routing = |verb| Permission::new(key, "", "networking.istio.io", "virtualservices", verb);
        // Which proxies route to the host is known only with its VirtualService.
        let space = if self.clients.is_some() { self.namespace.as_str() } else { "" };
        let mut all = ["list", "get", "patch"].map(routing).to_vec();
        if self.clients.is_none() {
            all.push(Permission::new(key, "", "networking.istio.io", "gateways", "get"));
        }
        all.extend(Permission::for_port_forward(key, space));
        all.extend(self.control.as_observation().permissions(mesh));
        all
    }

    fn resolve<'a>(&'a self, world: &'a World, _: FaultOptions) -> BoxFuture<'a, Result<Box<dyn Fault>, FaultError>> {
        Box::pin(async move {
            let cluster = Arc::clone(world.cluster(self.cluster.key())?);
            let services = cluster.list(VIRTUAL_SERVICES, None).await;
            let services = services.map_err(FaultError::missing)?;
            let host = routing::full_host(&self.host, &self.namespace);
            let service = match routes::owner(&services, &host) {
                Err(FaultError::NoTarget(why)) => return Err(unowned(&cluster, &host, why).await),
                owner => owner?,
            };
            let owner = service.object_ref();
            let named = self.route.as_ref().map(|name| {
                let missing = || FaultError::NoTarget(format!("VirtualService {owner} has no route named {name}"));
                Named::find(service, name).ok_or_else(missing)
            });
            let named = named.transpose()?;
            if let Some(other) = routes::other_fault(service, self.route.as_deref()) {
                return Err(FaultError::Refused(format!(
                    "VirtualService {owner} ({}) already injects a fault: {other}; remove that fault first",
                    cluster.key
                )));
            }
            if let Some(trouble) = routes::delegate_trouble(&services, service, self.route.as_deref()) {
                return Err(FaultError::Refused(format!(
                    "VirtualService {owner} ({}) {trouble}; a fault in the delegating route would not take effect",
                    cluster.key
                )));
            }
            let hosts = service["spec"]["hosts"].as_array().map_or(0, Vec::len);
            let (proxies, mut remarks) = self.proxies(&cluster, service).await?;
            if hosts > 1 {
                remarks.push(format!(
                    "VirtualService {owner} has {hosts} hosts; the fault affects requests to all of them"
                ));
            }
            let (fault, watch) = (self.fault(), Watch::new(&cluster, &proxies));
            self.routing(&watch, &owner, named.as_ref(), &proxies).await?;
            let control = Control::prepare(&self.control, world, self.delay.map(|delay| delay.0)).await?;
            Ok(Box::new(Injected {
                cluster,
                owner,
                spec: self.clone(),
                named,
                fault,
                proxies,
                watch,
                control,
                remarks,
                felt: Mutex::default(),
            }) as Box<dyn Fault>)
        })
    }
}

/// Why no `VirtualService` owns a host. The Gateway API has no delays and aborts, so that a route of it is no target.
async fn unowned(cluster: &Cluster, host: &str, why: String) -> FaultError {
    // Only a hint: who may not list routes gets the reason without it.
    let listed = API_ROUTES[0].list(cluster).await.unwrap_or_default();
    match routes::http_route(&listed, host) {
        Some(route) => FaultError::Refused(format!(
            "HTTPRoute {} ({}) routes for {host}, and an HTTPRoute cannot delay or abort requests; route for the host with a VirtualService, or break what is behind it with `scale` or `deletePods`",
            route.object_ref(),
            cluster.key
        )),
        None => FaultError::NoTarget(why),
    }
}

struct Injected {
    cluster: Arc<Cluster>,
    owner: ObjectRef,
    spec: HttpFault,
    named: Option<Named>,
    fault: Value,
    proxies: Vec<Proxies>,
    watch: Watch,
    control: Control,
    remarks: Vec<String>,
    felt: Mutex<Felt>,
}

/// The control requests since the fault took hold.
#[derive(Debug, Clone, Copy, Default)]
struct Felt {
    /// How many showed it.
    shown: u32,
    /// How many did not, before the last that did.
    hidden: u32,
    /// How many in a row did not since then.
    missed: u32,
}

impl Felt {
    fn show(&mut self) {
        self.shown += 1;
        self.hidden += std::mem::take(&mut self.missed);
    }

    /// How often in a row a request may not show the fault before it counts as gone: the chance of that is one in a million
    /// while the fault is in effect. A request may miss the fault by its share, or on a path that leads past it, as to
    /// another cluster: so the share that was observed so far counts too. At least 2: a single answer may be chance.
    fn tolerated(self, percent: Option<Ratio>) -> u32 {
        let observed = f64::from(self.shown + 1) / f64::from(self.shown + self.hidden + 2);
        let spared = 1.0 - percent.map_or(1.0, Ratio::get).min(observed);
        ((1e-6_f64).ln() / spared.ln()).ceil().clamp(2.0, 1e6) as u32
    }
}

impl Injected {
    async fn write(&self, query: &'static str) -> Result<(), FaultError> {
        let path = routes::path(&self.owner.namespace, &self.owner.name);
        let step = |service: &Object| routes::add(service, self.spec.route.as_deref(), &self.fault, query);
        match change(&self.cluster, &path, &self.owner.uid, step).await? {
            UndoOutcome::Restored | UndoOutcome::AlreadyRight => Ok(()),
            UndoOutcome::ChangedByOthers(what) => {
                Err(FaultError::Refused(format!("VirtualService {}: {what}", self.owner)))
            }
            UndoOutcome::Gone => Err(FaultError::NoTarget(format!("VirtualService {} is gone", self.owner))),
        }
    }

    fn history(&self) -> MutexGuard<'_, Felt> {
        self.felt.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the control request shows the fault; the result either way.
    async fn felt(&self) -> Result<String, String> {
        let (outcome, took) = self.control.ask().await;
        let slow = self.spec.delay.is_some_and(|delay| took >= delay.0 && outcome.answer != Answer::Error);
        let refused = self.spec.abort.is_some() && matches!(outcome.answer, Answer::Bad(_));
        let seen = format!("{} after {} ms", outcome.message, took.as_millis());
        if slow || refused { Ok(seen) } else { Err(seen) }
    }
}

impl Fault for Injected {
    fn targets(&self) -> Vec<String> {
        vec![format!("VirtualService {}", self.owner)]
    }

    fn uids(&self) -> Vec<String> {
        vec![self.owner.uid.clone()]
    }

    fn undo(&self) -> Vec<UndoData> {
        vec![Arc::new(RemoveRouteFault {
            cluster: self.cluster.key.clone(),
            namespace: self.owner.namespace.clone(),
            name: self.owner.name.clone(),
            uid: self.owner.uid.clone(),
            wrote: self.fault.clone(),
            proxies: self.proxies.clone(),
        })]
    }

    fn remarks(&self) -> Vec<String> {
        self.remarks.clone()
    }

    fn dry_run(&self) -> BoxFuture<'_, Result<(), FaultError>> {
        Box::pin(self.write("?dryRun=All"))
    }

    fn inject(&self) -> BoxFuture<'_, Result<(), FaultError>> {
        Box::pin(self.write(""))
    }

    fn held(&self) -> BoxFuture<'_, Effect> {
        Box::pin(async move {
            let path = routes::path(&self.owner.namespace, &self.owner.name);
            let service = match find_same(&self.cluster, &path, &self.owner.uid).await {
                Ok(service) => service,
                Err(effect) => return effect,
            };
            if !routes::carry_all(&service, self.spec.route.as_deref(), &self.fault) {
                let by = by_whom(&service, &["spec", "http"]);
                return Effect::NotYet(format!("a route of VirtualService {} lost the fault{by}", self.owner));
            }
            let seen = match self.felt().await {
                Ok(seen) => {
                    self.history().show();
                    return Effect::Seen(seen);
                }
                Err(seen) => seen,
            };
            let (missed, tolerated) = {
                let mut felt = self.history();
                felt.missed += 1;
                (felt.missed, felt.tolerated(self.spec.percent))
            };
            if missed < tolerated {
                return Effect::Seen(format!("VirtualService {} has the fault", self.owner));
            }
            Effect::NotYet(format!("{missed} control requests in a row did not show the fault: {seen}"))
        })
    }

    fn effect(&self) -> BoxFuture<'_, Effect> {
        Box::pin(async move {
            let origin = (self.owner.namespace.as_str(), self.owner.name.as_str());
            let carried = match self.watch.ask(origin, self.named.as_ref(), as_seen(&self.fault)).await {
                Ok(carried) => carried,
                Err(error) => return Effect::Unknown(error.to_string()),
            };
            let (with, lacking) = (carried.complete.len(), carried.none.len() + carried.partial.len());
            if lacking > 0 || with == 0 {
                let lacks = carried.none.first().or(carried.partial.first());
                let example = lacks.map_or_else(String::new, |pod| format!(", such as {pod}"));
                let total = with + lacking;
                return Effect::NotYet(format!(
                    "{lacking} of {total} proxies with these routes do not have the fault yet{example}"
                ));
            }
            match self.felt().await {
                Ok(seen) => {
                    self.history().show();
                    Effect::Seen(format!("{with} proxies have the fault; control request: {seen}"))
                }
                Err(seen) => Effect::NotYet(format!(
                    "{with} proxies have the fault, but the control request does not show it: {seen}"
                )),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(extra: &Value) -> HttpFault {
        let mut spec = json!({ "cluster": "a", "namespace": "shop", "host": "cart",
            "control": { "http": { "via": "ingress/a", "path": "/" } } });
        super::super::fields::merge(&mut spec, extra.clone());
        serde_json::from_value(spec).unwrap()
    }

    #[test]
    fn the_fault_is_written_as_istio_reads_it() {
        let fault = spec(&json!({ "delay": "1500ms", "abort": 503, "percent": "50%" })).fault();
        let percentage = json!({ "value": 50 });
        assert_eq!(fault["delay"], json!({ "fixedDelay": "1.5s", "percentage": percentage }));
        assert_eq!(fault["abort"], json!({ "httpStatus": 503, "percentage": percentage }));
        assert_eq!(as_seen(&fault).delay, Some(Duration::from_millis(1500)));
    }

    #[test]
    fn a_fault_of_a_share_of_the_requests_may_be_missed_more_often() {
        let percent = |text: &str| Some(text.parse().unwrap());
        let always = Felt { shown: 1_000_000, hidden: 0, missed: 0 };
        assert_eq!(
            [None, percent("100%"), percent("50%"), percent("10%")].map(|one| always.tolerated(one)),
            [2, 2, 20, 132]
        );
        // Half of the requests go to the other cluster, which has no fault.
        let mut half = Felt::default();
        for _ in 0..50 {
            half.missed += 1;
            half.show();
        }
        assert_eq!((half.shown, half.hidden, half.missed, half.tolerated(None)), (50, 50, 0, 20));
        assert_eq!(Felt { shown: 1, hidden: 0, missed: 3 }.tolerated(None), 13, "one that showed it says little");
    }

    #[test]
    fn what_would_do_nothing_or_too_much_is_refused() {
        assert!(spec(&json!({ "delay": "2s" })).spec_errors().is_empty());
        for bad in [
            json!({}),
            json!({ "delay": "0s" }),
            json!({ "abort": 99 }),
            json!({ "delay": "2s", "percent": "0%" }),
            json!({ "delay": "2s", "host": "*" }),
            json!({ "delay": "2s", "namespace": "kube-system" }),
            json!({ "delay": "2s", "host": "dns.kube-system" }),
            json!({ "delay": "2s", "control": { "http": { "path": "x" } } }),
        ] {
            assert!(!spec(&bad).spec_errors().is_empty(), "{bad}");
        }
    }
}
