//! Defects planted on the real clusters with kubectl: each turns the rows of `readiness` that must notice it and no others,
//! with words that name it, and is taken away again. Afterwards all of them pass and the mesh is as it was.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::kubectl::{self, CONTEXTS, apply, kubectl};
use crate::command::{Ran, meshdrill, run_dirs, scorecard, scratch};
use crate::scenarios::{catalogue, name};
use crate::turned::{self, Turned};

const PRIMARY: &str = CONTEXTS[0];
const SECONDARY: &str = CONTEXTS[1];
/// How long a defect may take to be felt, and its removal to be seen.
const PATIENCE: Duration = Duration::from_mins(5);

/// An object that a defect changes: context, namespace (empty for none), kind and name.
type Object = (&'static str, &'static str, &'static str, &'static str);

/// What is done to an object.
#[derive(Clone, Copy)]
enum Change {
    /// It is deleted.
    Delete,
    /// It is made, as JSON has it.
    Create(&'static str),
    /// It is changed by a JSON patch.
    Patch(&'static str),
    /// A text in one entry of its `data` is replaced, and the Deployment that reads it is restarted.
    Text { key: &'static str, from: &'static str, to: &'static str, restart: &'static str },
    /// An entry of its `data`, in base64, is replaced by what a function makes of it.
    Secret { key: &'static str, with: fn(&str) -> String },
    /// Its status is changed by a merge patch.
    Status(&'static str),
}

/// One defect.
struct Plant {
    name: &'static str,
    /// Its name in the table of what turns.
    defect: &'static str,
    changes: &'static [(Object, Change)],
    /// A command in the network namespace of a node, and the one that takes it back.
    shell: Option<[&'static str; 2]>,
    says: &'static str,
}

const fn plant(
    name: &'static str,
    defect: &'static str,
    changes: &'static [(Object, Change)],
    says: &'static str,
) -> Plant {
    Plant { name, defect, changes, shell: None, says }
}

const SYSTEM: &str = "istio-system";
const REVIEWS: [Object; 6] = [
    (PRIMARY, "bookinfo", "deployment", "reviews-v1"),
    (PRIMARY, "bookinfo", "deployment", "reviews-v2"),
    (PRIMARY, "bookinfo", "deployment", "reviews-v3"),
    (SECONDARY, "bookinfo", "deployment", "reviews-v1"),
    (SECONDARY, "bookinfo", "deployment", "reviews-v2"),
    (SECONDARY, "bookinfo", "deployment", "reviews-v3"),
];
const TO_ZERO: Change = Change::Patch(r#"[{"op":"replace","path":"/spec/replicas","value":0}]"#);
const REVIEWS_SPLIT: Object = (SECONDARY, "bookinfo", "virtualservice", "reviews-traffic-split");
const OTHER_WEIGHTS: Change = Change::Patch(
    r#"[{"op":"replace","path":"/spec/http/0/route/0/weight","value":90},{"op":"replace","path":"/spec/http/0/route/1/weight","value":10},
    {"op":"replace","path":"/spec/http/0/route/2/weight","value":0}]"#,
);
const PROMETHEUS: Object = (PRIMARY, SYSTEM, "configmap", "prometheus");

static PLANTS: &[Plant] = &[
    plant(
        "the gateway that exposes services is gone",
        "cross-network-gateway-missing@secondary",
        &[((SECONDARY, SYSTEM, "gateway.networking.istio.io", "cross-network-gateway"), Change::Delete)],
        "Gateway istio-system/cross-network-gateway (secondary) does not exist",
    ),
    plant(
        "a remote secret is gone",
        "remote-secret-missing@secondary",
        &[((SECONDARY, SYSTEM, "secret", "istio-remote-secret-primary-cluster"), Change::Delete)],
        "does not know cluster primary-cluster; is its remote secret missing?",
    ),
    plant(
        "the token of a remote secret is dead",
        "remote-secret-dead-token@secondary",
        &[(
            (SECONDARY, SYSTEM, "secret", "istio-remote-secret-primary-cluster"),
            Change::Secret { key: "primary-cluster", with: dead_token },
        )],
        "has not synced cluster primary-cluster",
    ),
    plant(
        "another root CA",
        "another-root-certificate",
        &[((SECONDARY, SYSTEM, "secret", "cacerts"), Change::Secret { key: "root-cert.pem", with: other_root })],
        "is not the root of",
    ),
    plant(
        "a pod without its sidecar",
        "sidecar-missing@secondary",
        &[(
            (SECONDARY, "bookinfo", "deployment", "ratings-v1"),
            Change::Patch(
                r#"[{"op":"add","path":"/spec/template/metadata/labels/sidecar.istio.io~1inject","value":"false"}]"#,
            ),
        )],
        "has no container istio-proxy",
    ),
    plant(
        "a subset that is not defined",
        "subset-undefined@secondary",
        &[(
            REVIEWS_SPLIT,
            Change::Patch(r#"[{"op":"replace","path":"/spec/http/0/route/2/destination/subset","value":"v4"}]"#),
        )],
        "the proxy has no cluster outbound|9080|v4|reviews",
    ),
    plant("other weights", "weights-changed@secondary", &[(REVIEWS_SPLIT, OTHER_WEIGHTS)], "is 90, expected 50"),
    plant(
        "two VirtualServices for one host",
        "second-virtual-service",
        &[(
            (SECONDARY, "bookinfo", "virtualservice", "reviews-v3-only"),
            Change::Create(
                r#"{"apiVersion":"networking.istio.io/v1","kind":"VirtualService","metadata":{"name":"reviews-v3-only","namespace":"bookinfo"},
                "spec":{"hosts":["reviews"],"http":[{"route":[{"destination":{"host":"reviews","subset":"v3"}}]}]}}"#,
            ),
        )],
        "VirtualService bookinfo/reviews-v3-only also claims reviews.bookinfo.svc.cluster.local",
    ),
    plant(
        "no DestinationRule in one cluster",
        "destination-rule-missing@secondary",
        &[((SECONDARY, "bookinfo", "destinationrule", "reviews"), Change::Delete)],
        "DestinationRule bookinfo/reviews (secondary) does not exist",
    ),
    plant(
        "reviews down behind a page that answers 200",
        "reviews-down",
        &[
            (REVIEWS[0], TO_ZERO),
            (REVIEWS[1], TO_ZERO),
            (REVIEWS[2], TO_ZERO),
            (REVIEWS[3], TO_ZERO),
            (REVIEWS[4], TO_ZERO),
            (REVIEWS[5], TO_ZERO),
        ],
        "Deployment bookinfo/reviews-v1 in secondary is scaled to 0",
    ),
    plant(
        "rules that are not loaded",
        "rules-not-loaded@primary",
        &[(
            PROMETHEUS,
            Change::Text {
                key: "prometheus.yml",
                from: "rule_files: [/etc/rules/*.yml]",
                to: "rule_files: []",
                restart: "prometheus",
            },
        )],
        "no rule is loaded",
    ),
    plant(
        "a rule that fails",
        "rule-error@primary",
        &[(
            (PRIMARY, SYSTEM, "configmap", "prometheus-rules"),
            Change::Text {
                key: "mesh.yml",
                from: "expr: sum by (pod) (envoy_cluster_upstream_cx_active) / 100 > 0.8",
                to: "expr: up * on(job) group_left(instance) up > 0.8",
                restart: "prometheus",
            },
        )],
        "rule HighConnectionPoolUsage is not healthy",
    ),
    plant(
        "federation of the hub itself under another name",
        "federation-self-scrape@primary",
        &[(
            PROMETHEUS,
            Change::Text {
                key: "prometheus.yml",
                from: "static_configs: [{targets: [\"198.18.2.20:9090\"]}]",
                to: "static_configs: [{targets: [\"localhost:9090\"]}]\n  metric_relabel_configs: [{target_label: cluster, replacement: secondary-cluster}]",
                restart: "prometheus",
            },
        )],
        "it comes from elsewhere",
    ),
    plant(
        "an Alertmanager that nobody sends to",
        "alertmanager-detached@primary",
        &[(
            PROMETHEUS,
            Change::Text {
                key: "prometheus.yml",
                from: "targets: [\"alertmanager.istio-system:9093\"]",
                to: "targets: []",
                restart: "prometheus",
            },
        )],
        "sends to no Alertmanager",
    ),
    plant(
        "an Alertmanager that tells itself",
        "alertmanager-loop-receiver@primary",
        &[(
            (PRIMARY, SYSTEM, "configmap", "alertmanager-config"),
            Change::Text {
                key: "alertmanager.yml",
                from: "http://oncall.istio-system:8080/alerts",
                to: "http://localhost:9093/webhook",
                restart: "alertmanager",
            },
        )],
        "points at Alertmanager itself",
    ),
    plant(
        "a Service without endpoints",
        "observability-without-endpoints@primary",
        &[(
            (PRIMARY, SYSTEM, "service", "kiali"),
            Change::Patch(r#"[{"op":"replace","path":"/spec/selector","value":{"app":"nothing"}}]"#),
        )],
        "Service istio-system/kiali in primary selects no pod: none has app=nothing",
    ),
    plant(
        "a load balancer that is pending",
        "ingress-load-balancer-pending@secondary",
        &[(
            (SECONDARY, SYSTEM, "service", "istio-ingressgateway"),
            Change::Status(r#"{"status":{"loadBalancer":{"ingress":null}}}"#),
        )],
        "Service istio-system/istio-ingressgateway (secondary): no load-balancer address (pending)",
    ),
    plant(
        "a node that is cordoned",
        "node-cordoned@secondary",
        &[(
            (SECONDARY, "", "node", "NODE"),
            Change::Patch(r#"[{"op":"add","path":"/spec/unschedulable","value":true}]"#),
        )],
        "is cordoned",
    ),
    Plant {
        name: "one packet in five lost between the clusters",
        defect: "ping-loss-20@secondary",
        changes: &[],
        shell: Some([
            "iptables -I FORWARD -p icmp -m statistic --mode random --probability 0.2 -j DROP",
            "iptables -D FORWARD -p icmp -m statistic --mode random --probability 0.2 -j DROP",
        ]),
        says: "lost of 300",
    },
    plant(
        "a Gateway that selects no gateway",
        "bookinfo-gateway-wrong-selector@secondary",
        &[(
            (SECONDARY, "bookinfo", "gateway.networking.istio.io", "bookinfo-gateway"),
            Change::Patch(r#"[{"op":"replace","path":"/spec/selector","value":{"istio":"nothing"}}]"#),
        )],
        "Gateway bookinfo/bookinfo-gateway selects no pod: none in secondary has istio=nothing",
    ),
    plant(
        "a Service that is gone",
        "reviews-service-missing@secondary",
        &[((SECONDARY, "bookinfo", "service", "reviews"), Change::Delete)],
        "Service bookinfo/reviews in secondary does not exist",
    ),
    plant(
        "mutual TLS turned off",
        "peer-authentication-off@secondary",
        &[(
            (SECONDARY, "bookinfo", "peerauthentication", "default"),
            Change::Create(
                r#"{"apiVersion":"security.istio.io/v1","kind":"PeerAuthentication","metadata":{"name":"default","namespace":"bookinfo"},
                "spec":{"mtls":{"mode":"DISABLE"}}}"#,
            ),
        )],
        "PeerAuthentication bookinfo/default in secondary turns mutual TLS off",
    ),
    plant(
        "a fault left in a route",
        "delay-in-route@secondary",
        &[(
            REVIEWS_SPLIT,
            Change::Patch(
                r#"[{"op":"add","path":"/spec/http/0/fault","value":{"delay":{"fixedDelay":"3s","percentage":{"value":20}}}}]"#,
            ),
        )],
        "$.spec.http[*].fault exists",
    ),
    plant(
        "one 503 in thirty",
        "one-503-in-thirty@secondary",
        &[(
            (SECONDARY, "bookinfo", "virtualservice", "bookinfo"),
            Change::Patch(
                r#"[{"op":"add","path":"/spec/http/0/fault","value":{"abort":{"httpStatus":503,"percentage":{"value":3.3}}}}]"#,
            ),
        )],
        "productpage@secondary/error-rate",
    ),
];

/// A kubeconfig whose token no API server knows.
fn dead_token(text: &str) -> String {
    let lines = text.lines().map(|line| match line.split_once("token: ") {
        Some((indent, _)) => format!("{indent}token: dead"),
        None => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The root of nobody.
fn other_root(_: &str) -> String {
    let key = scratch("root").join("key.pem");
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "90",
            "-subj",
            "/O=Elsewhere/CN=Root CA",
            "-keyout",
        ])
        .arg(key)
        .output();
    made.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
}

/// What a trial does with the mesh it is given.
type Body = Box<dyn FnOnce(&Path) -> Result<(), Failed> + Send>;

/// One trial per defect.
pub fn trials(trial: fn(&str, Body) -> Trial) -> Vec<Trial> {
    PLANTS.iter().map(|one| trial(&format!("planted: {}", one.name), Box::new(move |mesh| caught(one, mesh)))).collect()
}

/// Takes a defect away when it is dropped, whatever happened in between.
struct Planted {
    saved: Vec<(Object, Value, Change)>,
    shell: Option<&'static str>,
}

impl Drop for Planted {
    fn drop(&mut self) {
        if let Err(error) = self.remove() {
            eprintln!("the defect was not taken away: {error:?}");
        }
    }
}

impl Planted {
    fn new(plant: &Plant) -> Result<Self, Failed> {
        let mut planted = Self { saved: Vec::new(), shell: None };
        for (object, change) in plant.changes {
            let (context, namespace, kind, name) = *object;
            let name = if name == "NODE" { node(context)? } else { name.to_owned() };
            let saved: Value = match change {
                // What was there already is not ours to take away.
                Change::Create(text) => {
                    let made = read(text)?;
                    apply(context, "create", &made)?;
                    made
                }
                _ => read(&kubectl(context, &place(namespace, &["get", kind, &name, "-o", "json"]))?)?,
            };
            planted.saved.push((*object, saved.clone(), *change));
            let set = |patch: &str, kind_of: &str, more: &[&str]| {
                let mut arguments = vec!["patch", kind, &name, kind_of, "-p", patch];
                arguments.extend(more);
                kubectl(context, &place(namespace, &arguments))
            };
            match change {
                Change::Create(_) => {}
                Change::Delete => drop(kubectl(context, &place(namespace, &["delete", kind, &name]))?),
                Change::Patch(patch) => drop(set(patch, "--type=json", &[])?),
                Change::Status(patch) => drop(set(patch, "--type=merge", &["--subresource=status"])?),
                Change::Text { key, from, to, restart } => {
                    let text = saved["data"][key].as_str().unwrap_or_default();
                    if !text.contains(from) {
                        return Err(format!("{name} does not contain `{from}`:\n{text}").into());
                    }
                    set(&json!({ "data": { *key: text.replace(from, to) } }).to_string(), "--type=merge", &[])?;
                    restarted(context, namespace, restart)?;
                }
                Change::Secret { key, with } => {
                    let text = kubectl::decoded(saved["data"][key].as_str().unwrap_or_default());
                    set(&json!({ "stringData": { *key: with(&text) } }).to_string(), "--type=merge", &[])?;
                }
            }
        }
        if let Some([plant, remove]) = plant.shell {
            in_node(plant)?;
            planted.shell = Some(remove);
        }
        Ok(planted)
    }

    fn remove(&mut self) -> Result<(), Failed> {
        if let Some(remove) = self.shell.take() {
            in_node(remove)?;
        }
        while let Some(((context, namespace, kind, _), mut saved, change)) = self.saved.pop() {
            let name = saved["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            if let Change::Create(_) = change {
                kubectl(context, &place(namespace, &["delete", kind, &name]))?;
                continue;
            }
            if let Change::Status(_) = change {
                let patch = json!({ "status": saved["status"] }).to_string();
                let arguments = ["patch", kind, &name, "--type=merge", "-p", &patch, "--subresource=status"];
                kubectl(context, &place(namespace, &arguments))?;
                continue;
            }
            for key in ["resourceVersion", "uid", "creationTimestamp", "generation", "managedFields"] {
                saved["metadata"].as_object_mut().map(|metadata| metadata.remove(key));
            }
            saved.as_object_mut().map(|object| object.remove("status"));
            apply(context, if matches!(change, Change::Delete) { "create" } else { "replace" }, &saved)?;
            if let Change::Text { restart, .. } = change {
                restarted(context, namespace, restart)?;
            }
            // A secret of a cluster that goes and comes back a second time is passed over ("was already replaced, skipping
            // delete"): the cluster stays unknown until istiod starts again.
            if name.starts_with("istio-remote-secret") {
                restarted(context, namespace, "istiod")?;
            }
            if kind == "deployment" {
                kubectl(context, &place(namespace, &["rollout", "status", "deployment", &name, "--timeout=120s"]))?;
            }
        }
        Ok(())
    }
}

fn place<'a>(namespace: &'a str, arguments: &[&'a str]) -> Vec<&'a str> {
    let mut all = arguments.to_vec();
    if !namespace.is_empty() {
        all.extend(["-n", namespace]);
    }
    all
}

fn read(text: &str) -> Result<Value, Failed> {
    serde_json::from_str(text).map_err(|error| format!("kubectl answers no JSON: {error}").into())
}

fn node(context: &str) -> Result<String, Failed> {
    kubectl(context, &["get", "nodes", "-o", "jsonpath={.items[0].metadata.name}"])
}

fn restarted(context: &str, namespace: &str, deployment: &str) -> Result<(), Failed> {
    kubectl(context, &place(namespace, &["rollout", "restart", "deployment", deployment]))?;
    kubectl(context, &place(namespace, &["rollout", "status", "deployment", deployment, "--timeout=120s"]))?;
    Ok(())
}

/// Runs a command in the network namespace of the secondary's node, which is on this machine.
fn in_node(command: &str) -> Result<(), Failed> {
    let mut words = vec!["netns", "exec", "mesh-secondary"];
    words.extend(command.split(' '));
    let output = Command::new("ip").args(&words).output().map_err(|error| error.to_string())?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned().into()) }
}

/// Plants the defect, waits until the rows that must notice it have turned and no others, takes it away and waits until they
/// pass again.
fn caught(plant: &Plant, mesh: &Path) -> Result<(), Failed> {
    let row = turned::all().into_iter().find(|row| row.defect == plant.defect);
    let row = row.ok_or_else(|| format!("turned.json has no row for {}", plant.defect))?;
    let before = kubectl::state()?;
    let mut planted = Planted::new(plant)?;
    let noticed = noticed(plant, &row, mesh);
    let removed = planted.remove();
    let found = noticed?;
    removed?;
    passes_again(mesh, &found.into_iter().collect::<Vec<_>>())?;
    kubectl::as_before(&before)
}

/// Runs the validations by the guide's weeks until the rows that must notice the defect have turned, and say so, and no others have.
fn noticed(plant: &Plant, row: &Turned, mesh: &Path) -> Result<BTreeSet<String>, Failed> {
    let deadline = Instant::now() + PATIENCE;
    let (files, names) = weekly();
    let row = row.among(&names);
    loop {
        let suite = Suite::run(mesh, &files)?;
        let (blind, wrong) = row.compare(&suite.turned);
        let why = if !blind.is_empty() || suite.code == 0 {
            format!("not noticed by {blind:?} (exit code {})", suite.code)
        } else if !suite.said.contains(plant.says) {
            format!("`{}` was not said", plant.says)
        } else {
            let wrong = wrong.into_iter().map(|row| alone(mesh, row)).collect::<Result<Vec<_>, _>>()?;
            let wrong: Vec<String> = wrong.into_iter().flatten().collect();
            if wrong.is_empty() {
                return Ok(suite.turned);
            }
            format!("turned without being told to:\n{}", wrong.join("\n"))
        };
        if Instant::now() >= deadline {
            return Err(format!("{}: {why}\n{}", plant.defect, suite.ran.said()).into());
        }
        eprintln!("{}: not yet: {why}", plant.defect);
    }
}

/// What a row says by itself, while the defect is there; nothing if it passes. On two cores that two clusters share, a row can
/// turn from all that runs beside it: what the defect did to it, it does again.
fn alone(mesh: &Path, row: String) -> Result<Option<String>, Failed> {
    let suite = Suite::run(mesh, &[row])?;
    Ok((suite.code != 0).then(|| suite.ran.said()))
}

/// Runs the rows that turned until all of them pass.
fn passes_again(mesh: &Path, rows: &[String]) -> Result<(), Failed> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let suite = Suite::run(mesh, rows)?;
        if suite.code == 0 {
            return Ok(());
        }
        if Instant::now() >= deadline {
            let why = format!("after it was taken away, these do not pass: {:?}", suite.turned);
            return Err(format!("{why}\n{}", suite.ran.said()).into());
        }
    }
}

/// What is run to see which rows turn: the validations in the folders of the guide's weeks, by file and by name. Those over the
/// inventory are compared on the embedded mesh.
fn weekly() -> (Vec<String>, BTreeSet<String>) {
    let weekly: Vec<PathBuf> = catalogue().into_iter().filter(|path| name(path).starts_with("validation/")).collect();
    let names = weekly.iter().filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned())).collect();
    (weekly.iter().map(|path| path.display().to_string()).collect(), names)
}

/// What some scenarios said.
struct Suite {
    code: i32,
    ran: Ran,
    turned: BTreeSet<String>,
    /// The scorecards of what did not pass.
    said: String,
}

impl Suite {
    fn run(mesh: &Path, what: &[String]) -> Result<Self, Failed> {
        let (ran, runs) = turned::outcome(meshdrill().args(["run", "--yes"]).arg("--mesh").arg(mesh), what);
        let cards = run_dirs(&runs).iter().map(|dir| scorecard(dir)).collect::<Result<Vec<_>, _>>()?;
        let bad = cards.iter().filter(|card| card["verdict"] != "pass");
        let said = bad.map(ToString::to_string).collect::<Vec<_>>().join("\n");
        Ok(Self { code: ran.code, turned: turned::turned(&runs)?, said, ran })
    }
}
