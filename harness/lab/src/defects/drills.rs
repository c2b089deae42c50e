//! Defects that show only when something is broken: what drills must notice.

use serde_json::{Value, json};

use super::quirks::PodQuirk;
use super::validation::{at_home, broken, edit, first, row};
use super::{DefectInfo, Row, When};
use crate::store::{object, resources};
use crate::world::{Broken, Event, World};

use When::{Before, Objects, Start};

/// A row that concerns every cluster.
const fn everywhere(name: &'static str, when: When, what: &'static str, apply: fn(&mut World, usize)) -> Row {
    Row { info: DefectInfo { name, scoped: true, default_cluster: "all", what }, when, apply }
}

/// Milliseconds after the start at which the runner's machine is cut off, and at which it is not any more.
const CUT: (crate::clock::Ms, crate::clock::Ms) = (22_000, 28_000);

/// Milliseconds after the start at which an API server is away, and at which it is back.
const AWAY: (crate::clock::Ms, crate::clock::Ms) = (28_000, 333_000);

pub(super) static ROWS: &[Row] = &[
    Row {
        info: DefectInfo {
            name: "runner-cut-off",
            scoped: false,
            default_cluster: "primary",
            what: "the runner's machine has no network from 22 s to 28 s after the start",
        },
        when: Start,
        apply: |w, _| w.runner_cut = Some(CUT),
    },
    first("api-away", Start, "the API server is away from 28 s to 333 s after the start", |w, c| {
        w.clusters[c].quirks.api_away = Some(AWAY);
    }),
    first("gateway-replacement-never-ready", Before, "a new ingress gateway pod never becomes ready", |w, c| {
        broken(w, c, "istio-ingressgateway", "", Broken::Unready, false);
    }),
    first("gateway-slow-restart", Before, "a new ingress gateway pod takes six minutes to become ready", |w, c| {
        w.clusters[c].quirks.pods.push(PodQuirk {
            app: "istio-ingressgateway",
            version: "",
            from_start: false,
            broken: None,
            slow_ms: 360_000,
        });
    }),
    first("replica-restore-blocked", Start, "istiod may not be scaled up again", |w, c| {
        w.clusters[c].quirks.no_scale_up.push("istiod".into());
    }),
    first("data-plane-depends-on-control-plane", Start, "the ingress answers 503 while istiod is gone", |w, c| {
        w.clusters[c].quirks.needs_istiod = true;
    }),
    everywhere(
        "reviews-no-redistribution",
        Objects,
        "reviews' traffic is bound to its home, whoever is left there",
        at_home,
    ),
    everywhere("replacement-never-ready", Before, "a new reviews pod never becomes ready", |w, c| {
        broken(w, c, "reviews", "", Broken::Unready, false);
    }),
    everywhere(
        "east-west-never-readmitted",
        Start,
        "a new east-west gateway pod is ready and passes nothing through",
        |w, c| {
            w.clusters[c].quirks.deaf_gateways = true;
        },
    ),
    everywhere(
        "east-west-replacement-never-ready",
        Before,
        "a new east-west gateway pod never becomes ready",
        |w, c| {
            broken(w, c, "istio-eastwestgateway", "", Broken::Unready, false);
        },
    ),
    row("secondary-depends-on-primary", Objects, "this cluster asks only the first cluster for reviews", |w, c| {
        let (here, there) =
            (w.clusters[c].ident.region, w.clusters[usize::from(c == 0).min(w.clusters.len() - 1)].ident.region);
        let rule = json!([{"from": format!("{here}/*"), "to": {format!("{there}/*"): 100}}]);
        edit(w, c, resources::destinationrules(), "bookinfo", "reviews", |d| {
            object::set(d, "/spec/trafficPolicy/loadBalancer/localityLbSetting/distribute", rule);
        });
    }),
    everywhere("delay-left-behind", Start, "proxies keep an injected fault after it was removed", |w, c| {
        w.clusters[c].quirks.sticky_faults = true;
    }),
    everywhere(
        "second-virtual-service",
        Objects,
        "two VirtualServices claim reviews; Istio heeds the older one",
        |w, c| {
            let second = json!({"apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
            "metadata": {"name": "reviews-delay", "namespace": "bookinfo"},
            "spec": {"hosts": ["reviews.bookinfo.svc.cluster.local"], "http": [{"route": [{"destination": {"host": "reviews"}}]}]}});
            w.create(c, resources::virtualservices(), second);
            w.settle();
        },
    ),
    everywhere("cni-ignores-policies", Start, "NetworkPolicies are stored and not enforced", |w, c| {
        w.clusters[c].quirks.ignore_policies = true;
    }),
    everywhere("rollout-stuck", Start, "pods of a new reviews template never become ready", |w, c| {
        broken(w, c, "reviews", "", Broken::Unready, false);
    }),
    everywhere("alert-silenced", Start, "a silence covers every alert", crate::alerts::silence_all),
    everywhere("another-teams-alert", Start, "an alert of another team comes and goes at its own receiver", |w, c| {
        w.clusters[c].quirks.bystander = true;
        w.after(0, Event::Bystander(c));
    }),
    everywhere("receiver-dead", Objects, "nothing runs behind the on-call receiver", |w, c| {
        edit(w, c, resources::deployments(), "istio-system", "oncall", |d| object::set(d, "/spec/replicas", json!(0)));
    }),
    everywhere("fault-has-no-effect", Start, "deletions and scalings are accepted and change nothing", |w, c| {
        w.clusters[c].quirks.inert = true;
    }),
    everywhere("pdb-blocks-eviction", Objects, "disruption budgets allow no eviction", |w, c| {
        for (namespace, name, app) in
            [("istio-system", "ingress", "istio-ingressgateway"), ("bookinfo", "reviews", "reviews")]
        {
            let budget = json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name, "namespace": namespace},
                "spec": {"maxUnavailable": 0, "selector": {"matchLabels": {"app": app}}}});
            w.create(c, resources::pdbs(), budget);
        }
        w.settle();
    }),
    everywhere("scale-reverted", Start, "an autoscaler brings gateways and istiod back from zero", |w, c| {
        let all: Vec<String> = w.clusters[c]
            .store
            .list(resources::hpas(), None)
            .map(|h: &std::sync::Arc<Value>| object::name(h).to_owned())
            .collect();
        w.clusters[c].quirks.restless = all;
    }),
];
