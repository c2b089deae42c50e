//! Defects of a mesh nobody touches: what validations must notice.

use serde_json::{Value, json};

use super::quirks::{Api, PodQuirk};
use super::{DefectInfo, Row, When};
use crate::store::{Resource, object, resources};
use crate::world::{Broken, World};

pub(super) const fn row(name: &'static str, when: When, what: &'static str, apply: fn(&mut World, usize)) -> Row {
    Row { info: DefectInfo { name, scoped: true, default_cluster: "secondary", what }, when, apply }
}

/// A row whose usual cluster is the primary.
pub(super) const fn first(name: &'static str, when: When, what: &'static str, apply: fn(&mut World, usize)) -> Row {
    Row { info: DefectInfo { name, scoped: true, default_cluster: "primary", what }, when, apply }
}

pub(super) fn edit(
    world: &mut World,
    c: usize,
    resource: &'static Resource,
    namespace: &str,
    name: &str,
    change: impl FnOnce(&mut Value),
) {
    world.edit(c, resource, namespace, name, change);
    world.settle();
}

pub(super) fn scale(world: &mut World, c: usize, namespace: &str, name: &str, replicas: i64) {
    edit(world, c, resources::deployments(), namespace, name, |d| object::set(d, "/spec/replicas", json!(replicas)));
}

pub(super) fn broken(
    world: &mut World,
    c: usize,
    app: &'static str,
    version: &'static str,
    how: Broken,
    from_start: bool,
) {
    world.clusters[c].quirks.pods.push(PodQuirk { app, version, from_start, broken: Some(how), slow_ms: 0 });
}

const REVIEWS: &str = "reviews";

use When::{Before, Configured, Objects, Start};

pub(super) static ROWS: &[Row] = &[
    row("wrong-cluster", Before, "the API address leads to the first cluster", |w, c| {
        w.clusters[c].quirks.api_alias = Some(usize::from(c == 0));
    }),
    row("api-down", Start, "nothing listens at the API address", |w, c| w.clusters[c].quirks.api = Api::Down),
    row("api-hangs", Start, "the API server accepts connections and never answers", |w, c| {
        w.clusters[c].quirks.api = Api::Hangs;
    }),
    row("api-401", Start, "the API server does not know the credentials", |w, c| {
        w.clusters[c].quirks.api = Api::Unauthorized;
    }),
    row("api-403", Start, "the user may do nothing", |w, c| w.clusters[c].quirks.api = Api::Forbidden),
    row("api-read-only", Start, "the user may read and nothing else", |w, c| w.clusters[c].quirks.api = Api::ReadOnly),
    row("api-no-exec", Start, "the user may neither exec nor forward ports", |w, c| {
        w.clusters[c].quirks.api = Api::NoExec;
    }),
    row("clock-skew", Start, "the API server's clock is two minutes ahead", |w, c| w.clusters[c].quirks.skew = 120_000),
    row("kubernetes-version-drift", Before, "API server and nodes are v1.33.5", |w, c| {
        w.clusters[c].quirks.kubernetes_version = Some("v1.33.5".into());
    }),
    row("kubelet-version-drift", Before, "one kubelet is v1.33.5", |w, c| {
        w.clusters[c].quirks.kubelet_version = Some((2, "v1.33.5"));
    }),
    row("node-not-ready", Before, "a node is NotReady", |w, c| w.clusters[c].quirks.unready_nodes.push(3)),
    row("node-cordoned", Before, "a node is cordoned", |w, c| w.clusters[c].quirks.cordoned_nodes.push(3)),
    row("node-missing", Before, "there are two nodes instead of three", |w, c| w.clusters[c].quirks.nodes = 2),
    row("overlay-pod-ips", Before, "pods have overlay addresses", |w, c| w.clusters[c].quirks.overlay = true),
    row("overlapping-pod-cidrs", Before, "pods have addresses of the first cluster's network", |w, c| {
        w.clusters[c].quirks.overlapping = true;
    }),
    row(
        "dual-stack-undeclared",
        Before,
        "pods have IPv6 addresses as well, of which nobody declared a range",
        |w, c| {
            w.clusters[c].quirks.dual_stack = true;
        },
    ),
    row("ping-loss-20", Start, "one in five echoes to other clusters is lost", |w, c| {
        each_other(w, c, |l| l.loss = 0.2);
    }),
    first("ping-one-direction-dead", Start, "echoes from this cluster to the others get no reply", |w, c| {
        for d in (0..w.clusters.len()).filter(|d| *d != c) {
            w.links.change(c, d, |l| l.dead = true);
        }
    }),
    row("ping-rtt-300ms", Start, "an echo to another cluster takes 300 ms", |w, c| {
        each_other(w, c, |l| l.rtt_ms = Some(300.0));
    }),
    row("istio-version-drift", Before, "control plane and proxies are 1.27.1", |w, c| {
        w.clusters[c].quirks.istio_version = Some("1.27.1".into());
    }),
    row("istio-images-by-digest", Before, "Istio's images are named by digest: no tag tells a version", |w, c| {
        w.clusters[c].quirks.images_by_digest = true;
    }),
    row(
        "identity-untold",
        Before,
        "nothing tells istiod and the proxies which cluster and mesh they are in",
        |w, c| {
            w.clusters[c].quirks.nameless = true;
        },
    ),
    row("wrong-network-label", Objects, "the east-west gateway is labelled with another network", |w, c| {
        let label = "/metadata/labels/topology.istio.io~1network";
        edit(w, c, resources::services(), "istio-system", "istio-eastwestgateway", |s| {
            object::set(s, label, json!("wrong-network"));
        });
        edit(w, c, resources::namespaces(), "", "istio-system", |n| object::set(n, label, json!("wrong-network")));
    }),
    row("istiod-crash-looping", Start, "istiod restarts again and again", |w, c| {
        broken(w, c, "istiod", "", Broken::CrashLoop, true);
        replace_pods(w, c, "istiod");
    }),
    row("stale-proxies", Configured, "the proxies of reviews take no pushes", |w, c| {
        for pod in w.clusters[c].pods.values_mut().filter(|p| p.label("app") == REVIEWS) {
            if let Some(proxy) = pod.proxy.as_mut() {
                proxy.stale = true;
            }
        }
        crate::mesh::istiod::push(w, c);
    }),
    row("webhooks-without-hooks", Objects, "the configuration that injects sidecars holds no webhook", |w, c| {
        edit(w, c, resources::mutating_webhooks(), "", "istio-sidecar-injector", |v| object::unset(v, "/webhooks"));
    }),
    row("validation-webhook-dead", Objects, "the webhook that validates configuration leads to no Service", |w, c| {
        edit(w, c, resources::validating_webhooks(), "", "istio-validator-istio-system", |v| {
            if let Some(name) = v.pointer_mut("/webhooks/0/clientConfig/service/name") {
                *name = json!("istiod-old");
            }
        });
    }),
    row("webhooks-by-url", Objects, "istiod's webhooks are called by an address", |w, c| {
        let address = w.clusters[c]
            .store
            .get(resources::services(), "istio-system", "istiod")
            .map(|s| object::text(s, "/spec/clusterIP").to_owned());
        by_url(w, c, &format!("{}:443", address.unwrap_or_default()));
    }),
    row(
        "webhooks-by-unknown-url",
        Objects,
        "istiod's webhooks are called by a URL that the runner does not know",
        |w, c| {
            by_url(w, c, "istiod.elsewhere.example:15017");
        },
    ),
    row("different-roots", Before, "this cluster's CA chains to another root", |w, c| {
        w.clusters[c].quirks.foreign_root = true;
    }),
    row("expired-intermediate", Before, "the intermediate CA expired yesterday", |w, c| {
        w.clusters[c].quirks.expired_intermediate = true;
    }),
    row("cacerts-missing-key", Objects, "cacerts has no ca-key.pem", |w, c| {
        edit(w, c, resources::secrets(), "istio-system", "cacerts", |s| object::unset(s, "/data/ca-key.pem"));
    }),
    row("ingress-load-balancer-pending", Before, "the ingress Service has no address", |w, c| {
        w.clusters[c].quirks.pending_balancers.push("istio-ingressgateway".into());
    }),
    row(
        "east-west-gateway-unaddressed",
        Before,
        "the east-west Service has no address: proxies elsewhere get pod addresses",
        |w, c| {
            w.clusters[c].quirks.pending_balancers.push("istio-eastwestgateway".into());
        },
    ),
    row("gateway-port-missing", Objects, "the east-west Service has no port 15443", |w, c| {
        edit(w, c, resources::services(), "istio-system", "istio-eastwestgateway", |s| remove_port(s, 15443));
    }),
    row("gateway-without-endpoints", Objects, "the ingress Service selects no pod", |w, c| {
        edit(w, c, resources::services(), "istio-system", "istio-ingressgateway", |s| {
            object::set(s, "/spec/selector", json!({"app": "nothing"}));
        });
    }),
    row("cross-network-gateway-missing", Objects, "the Gateway object that exposes services is not there", |w, c| {
        w.clusters[c].store.remove(resources::gateways(), "istio-system", "cross-network-gateway");
    }),
    row(
        "cross-network-gateway-wrong-selector",
        Objects,
        "the Gateway object that exposes services selects no gateway",
        |w, c| {
            edit(w, c, resources::gateways(), "istio-system", "cross-network-gateway", |g| {
                object::set(g, "/spec/selector", json!({"istio": "nothing"}));
            });
        },
    ),
    row("remote-secret-missing", Objects, "there is no remote secret for the other clusters", |w, c| {
        for d in (0..w.clusters.len()).filter(|d| *d != c) {
            let name = format!("istio-remote-secret-{}", w.clusters[d].ident.istio);
            w.clusters[c].store.remove(resources::secrets(), "istio-system", &name);
        }
    }),
    row(
        "remote-secret-dead-token",
        Start,
        "the token for the other clusters is dead; what was read before stays in use",
        |w, c| {
            for d in (0..w.clusters.len()).filter(|d| *d != c) {
                w.clusters[d].token = format!("{}-renewed", w.clusters[d].token);
                crate::mesh::istiod::push(w, c);
                let own: Vec<usize> = (0..w.clusters.len()).filter(|e| *e != c && *e != d).collect();
                let (token, id) = (w.clusters[d].token.clone(), w.clusters[d].ident.istio.clone());
                for e in own {
                    edit(w, e, resources::secrets(), "istio-system", &format!("istio-remote-secret-{id}"), |s| {
                        use base64::Engine as _;
                        let text = base64::engine::general_purpose::STANDARD.encode(format!("token: {token}"));
                        object::set(s, &format!("/data/{id}"), json!(text));
                    });
                }
            }
        },
    ),
    row("helloworld-silent", Objects, "no helloworld runs here", |w, c| {
        for name in ["helloworld-v1", "helloworld-v2"] {
            scale(w, c, "sample", name, 0);
        }
    }),
    Row {
        info: DefectInfo {
            name: "helloworld-everywhere",
            scoped: true,
            default_cluster: "all",
            what: "both versions of helloworld run in every cluster",
        },
        when: Before,
        apply: |w, c| w.clusters[c].quirks.every_helloworld = true,
    },
    Row {
        info: DefectInfo {
            name: "client-called-curl",
            scoped: true,
            default_cluster: "all",
            what: "the pod that asks is called curl and not sleep",
        },
        when: Before,
        apply: |w, c| w.clusters[c].quirks.client = "curl",
    },
    row("application-pod-unready", Before, "reviews-v2 stays at 1/2", |w, c| {
        broken(w, c, REVIEWS, "v2", Broken::Unready, true);
    }),
    row("sidecar-missing", Before, "ratings-v1 runs without a sidecar", |w, c| {
        w.clusters[c].quirks.without_sidecar.push("ratings-v1".into());
    }),
    row("deployment-missing", Before, "there is no Deployment reviews-v3", |w, c| {
        w.clusters[c].quirks.missing_deployments.push("reviews-v3".into());
    }),
    Row {
        info: DefectInfo {
            name: "reviews-down",
            scoped: true,
            default_cluster: "all",
            what: "no reviews pod runs; the page still answers 200",
        },
        when: Objects,
        apply: |w, c| {
            for version in ["v1", "v2", "v3"] {
                scale(w, c, "bookinfo", &format!("reviews-{version}"), 0);
            }
        },
    },
    row("wrong-title", Before, "productpage serves another application's page", |w, c| {
        w.clusters[c].quirks.title = "Welcome to nginx!".into();
    }),
    row("destination-rule-drifted", Objects, "the DestinationRule has other limits and ejection times", |w, c| {
        edit(w, c, resources::destinationrules(), "bookinfo", REVIEWS, |d| {
            object::set(d, "/spec/trafficPolicy/outlierDetection/consecutive5xxErrors", json!(7));
            object::set(d, "/spec/trafficPolicy/connectionPool/tcp/maxConnections", json!(10));
        });
    }),
    row("destination-rule-missing", Objects, "there is no DestinationRule for reviews", |w, c| {
        w.clusters[c].store.remove(resources::destinationrules(), "bookinfo", REVIEWS);
    }),
    row("destination-rule-plain", Objects, "the DestinationRule turns mutual TLS off", |w, c| {
        edit(w, c, resources::destinationrules(), "bookinfo", REVIEWS, |d| {
            object::set(d, "/spec/trafficPolicy/tls", json!({"mode": "DISABLE"}));
        });
    }),
    row("peer-authentication-off", Objects, "a PeerAuthentication turns mutual TLS of the application off", |w, c| {
        let policy = json!({"apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication",
            "metadata": {"name": "default", "namespace": "bookinfo"}, "spec": {"mtls": {"mode": "DISABLE"}}});
        w.create(c, resources::peerauthentications(), policy);
        w.settle();
    }),
    row("weights-changed", Objects, "the VirtualService sends 90/10/0 to v1/v2/v3", |w, c| {
        edit(w, c, resources::virtualservices(), "bookinfo", "reviews-traffic-split", |v| {
            for (i, weight) in [90, 10, 0].into_iter().enumerate() {
                if let Some(route) = v.pointer_mut(&format!("/spec/http/0/route/{i}/weight")) {
                    *route = json!(weight);
                }
            }
        });
    }),
    row("delay-in-route", Objects, "the VirtualService delays one request in five by 3 s", |w, c| {
        edit(w, c, resources::virtualservices(), "bookinfo", "reviews-traffic-split", |v| {
            object::set(v, "/spec/http/0/fault", json!({"delay": {"fixedDelay": "3s", "percentage": {"value": 20.0}}}));
        });
    }),
    row("subset-undefined", Objects, "the VirtualService names a subset v4 that no DestinationRule defines", |w, c| {
        edit(w, c, resources::virtualservices(), "bookinfo", "reviews-traffic-split", |v| {
            if let Some(subset) = v.pointer_mut("/spec/http/0/route/2/destination/subset") {
                *subset = json!("v4");
            }
        });
    }),
    row("locality-100-0", Objects, "all of reviews' traffic stays at home", at_home),
    row("remote-endpoints-missing", Configured, "istiod knows no endpoint of the other clusters", |w, c| {
        for d in (0..w.clusters.len()).filter(|d| *d != c) {
            let name = format!("istio-remote-secret-{}", w.clusters[d].ident.istio);
            w.clusters[c].store.remove(resources::secrets(), "istio-system", &name);
        }
        crate::mesh::istiod::push(w, c);
    }),
    row("remote-endpoints-ejected", Configured, "productpage's proxy has ejected every remote reviews endpoint", eject),
    row("one-503-in-ten", Start, "one in ten answers of the ingress is 503", |w, c| {
        w.clusters[c].quirks.gateway_errors = 0.1;
    }),
    first("steady-state-errors", Start, "one in thirty answers of the ingress is 503", |w, c| {
        w.clusters[c].quirks.gateway_errors = 1.0 / 30.0;
    }),
    row("slow-application", Start, "every application takes 750 ms longer", |w, c| {
        w.clusters[c].quirks.slow_apps = 750.0;
    }),
    row("one-503-in-thirty", Start, "one in thirty answers of the ingress is 503", |w, c| {
        w.clusters[c].quirks.gateway_errors = 1.0 / 30.0;
    }),
    row("east-west-gateway-without-endpoints", Objects, "the east-west Service selects no pod", |w, c| {
        edit(w, c, resources::services(), "istio-system", "istio-eastwestgateway", |s| {
            object::set(s, "/spec/selector", json!({"app": "nothing"}));
        });
    }),
    row(
        "bookinfo-gateway-missing",
        Objects,
        "the Gateway object of the ingress is not there: nothing listens on port 80",
        |w, c| {
            w.clusters[c].store.remove(resources::gateways(), "bookinfo", "bookinfo-gateway");
        },
    ),
    row("bookinfo-gateway-wrong-selector", Objects, "the Gateway object of the ingress selects no gateway", |w, c| {
        edit(w, c, resources::gateways(), "bookinfo", "bookinfo-gateway", |g| {
            object::set(g, "/spec/selector", json!({"istio": "nothing"}));
        });
    }),
    row(
        "bookinfo-gateway-without-port",
        Objects,
        "the Gateway object of the ingress serves port 8081, not 80",
        |w, c| {
            edit(w, c, resources::gateways(), "bookinfo", "bookinfo-gateway", |g| {
                object::set(g, "/spec/servers/0/port/number", json!(8081));
            });
        },
    ),
    row(
        "ingress-without-routes",
        Objects,
        "no VirtualService is bound to the Gateway object of the ingress",
        |w, c| {
            w.clusters[c].store.remove(resources::virtualservices(), "bookinfo", "bookinfo");
        },
    ),
    row("bookinfo-gateway-other-host", Objects, "the Gateway object of the ingress serves another host", |w, c| {
        edit(w, c, resources::gateways(), "bookinfo", "bookinfo-gateway", |g| {
            object::set(g, "/spec/servers/0/hosts", json!(["shop.example"]));
        });
    }),
    row("ingress-route-other-path", Objects, "the VirtualService of the ingress routes other paths", |w, c| {
        edit(w, c, resources::virtualservices(), "bookinfo", "bookinfo", |v| {
            object::set(v, "/spec/http/0/match", json!([{"uri": {"prefix": "/shop"}}]));
        });
    }),
    row(
        "ingress-route-wrong-port",
        Objects,
        "the VirtualService of the ingress leads to a port that is not served",
        |w, c| {
            edit(w, c, resources::virtualservices(), "bookinfo", "bookinfo", |v| {
                object::set(v, "/spec/http/0/route/0/destination/port", json!({"number": 9081}));
            });
        },
    ),
    row(
        "reviews-port-not-http",
        Objects,
        "the Service reviews declares its port as TCP: routes do not count",
        |w, c| {
            edit(w, c, resources::services(), "bookinfo", REVIEWS, |s| {
                object::set(s, "/spec/ports/0/name", json!("tcp-reviews"));
            });
        },
    ),
    row(
        "reviews-service-wrong-port",
        Objects,
        "the Service reviews leads to a port at which nothing listens",
        |w, c| {
            edit(w, c, resources::services(), "bookinfo", REVIEWS, |s| {
                object::set(s, "/spec/ports/0/targetPort", json!(9999));
            });
        },
    ),
    row("reviews-service-missing", Objects, "there is no Service reviews", |w, c| {
        w.clusters[c].store.remove(resources::services(), "bookinfo", REVIEWS);
    }),
];

/// Makes the API server call istiod's webhooks at a host and port.
fn by_url(world: &mut World, c: usize, authority: &str) {
    for (resource, name, path) in [
        (resources::mutating_webhooks(), "istio-sidecar-injector", "inject"),
        (resources::validating_webhooks(), "istio-validator-istio-system", "validate"),
    ] {
        edit(world, c, resource, "", name, |v| {
            if let Some(client) = v.pointer_mut("/webhooks/0/clientConfig").and_then(Value::as_object_mut) {
                client.remove("service");
                client.insert("url".into(), json!(format!("https://{authority}/{path}")));
            }
        });
    }
}

fn each_other(world: &mut World, c: usize, change: fn(&mut crate::plane::Link)) {
    for d in (0..world.clusters.len()).filter(|d| *d != c) {
        world.links.change(c, d, change);
        world.links.change(d, c, change);
    }
}

fn remove_port(service: &mut Value, port: i64) {
    if let Some(ports) = service.pointer_mut("/spec/ports").and_then(Value::as_array_mut) {
        ports.retain(|p| object::int(p, "/port") != Some(port));
    }
}

/// Sends all of a cluster's traffic to reviews to its own pods.
pub(super) fn at_home(world: &mut World, c: usize) {
    let region = world.clusters[c].ident.region;
    let rule = json!([{"from": format!("{region}/*"), "to": {format!("{region}/*"): 100}}]);
    edit(world, c, resources::destinationrules(), "bookinfo", REVIEWS, |d| {
        object::set(d, "/spec/trafficPolicy/loadBalancer/localityLbSetting/distribute", rule);
    });
}

/// Replaces the pods of an application by new ones, at once.
pub(super) fn replace_pods(world: &mut World, c: usize, app: &str) {
    let pods: Vec<(String, String)> = world.clusters[c]
        .pods
        .values()
        .filter(|p| p.label("app") == app)
        .map(|p| (p.namespace.clone(), p.name.clone()))
        .collect();
    for (namespace, name) in pods {
        world.clusters[c].store.remove(resources::pods(), &namespace, &name);
    }
    world.settle();
}

/// Makes the proxies of productpage believe that every remote endpoint of reviews has failed.
fn eject(world: &mut World, c: usize) {
    let now = world.now;
    for pod in world.clusters[c].pods.values_mut().filter(|p| p.label("app") == "productpage") {
        let Some(proxy) = pod.proxy.as_mut() else { continue };
        let Some(snapshot) = proxy.snapshot.clone() else { continue };
        for upstream in snapshot.upstreams.values().filter(|u| u.host.starts_with("reviews.")) {
            let balancer = proxy.balancers.entry(upstream.name.clone()).or_default();
            for endpoint in upstream.endpoints.iter().filter(|e| e.owner != c) {
                balancer.hosts.entry((endpoint.ip, endpoint.port)).or_default().eject(now, 86_400_000);
            }
        }
    }
}
