//! The columns of tables, by resource.

use serde_json::Value;

use crate::clock::{Dates, Ms, age};
use crate::store::{Resource, object};

/// One column.
pub(crate) struct Column {
    pub(crate) name: &'static str,
    /// Only with `-o wide`.
    pub(crate) wide: bool,
    pub(crate) cell: fn(&Value, &Moment) -> String,
}

const fn col(name: &'static str, cell: fn(&Value, &Moment) -> String) -> Column {
    Column { name, wide: false, cell }
}

const fn wide(name: &'static str, cell: fn(&Value, &Moment) -> String) -> Column {
    Column { name, wide: true, cell }
}

const NAME: Column = col("Name", |v, _| object::name(v).to_owned());
const AGE: Column = col("Age", |v, moment| moment.age(v));

/// When a table is made: ages are counted from it.
pub(crate) struct Moment {
    pub(crate) now: Ms,
    pub(crate) dates: Dates,
}

impl Moment {
    /// The time since a date, as kubectl shows ages.
    pub(crate) fn since(&self, date: &str) -> String {
        self.dates.parse(date).map_or_else(|| "<unknown>".into(), |at| age(self.now - at))
    }

    pub(crate) fn age(&self, item: &Value) -> String {
        self.since(object::text(item, "/metadata/creationTimestamp"))
    }
}

/// The columns of a resource; name and age for all others.
pub(crate) fn columns(resource: &Resource) -> Vec<Column> {
    let plural = resource.plural;
    if resource.group == "gateway.networking.k8s.io" {
        return gateway_api_columns(plural).unwrap_or_else(|| vec![NAME, AGE]);
    }
    workload_columns(plural)
        .or_else(|| core_columns(plural))
        .or_else(|| other_columns(plural))
        .unwrap_or_else(|| vec![NAME, AGE])
}

fn gateway_api_columns(plural: &str) -> Option<Vec<Column>> {
    Some(match plural {
        "gatewayclasses" => vec![
            NAME,
            col("Controller", |v, _| object::text(v, "/spec/controllerName").to_owned()),
            col("Accepted", |v, _| condition(v, "Accepted")),
            AGE,
        ],
        "gateways" => vec![
            NAME,
            col("Class", |v, _| object::text(v, "/spec/gatewayClassName").to_owned()),
            col("Address", |v, _| join(v, "/status/addresses", "/value")),
            col("Programmed", |v, _| condition(v, "Programmed")),
            AGE,
        ],
        "httproutes" => vec![
            NAME,
            col("Hostnames", |v, _| v.pointer("/spec/hostnames").map(Value::to_string).unwrap_or_default()),
            AGE,
        ],
        _ => return None,
    })
}

/// The status of a condition.
fn condition(value: &Value, kind: &str) -> String {
    let found = object::items(value, "/status/conditions").iter().find(|one| object::text(one, "/type") == kind);
    found.map(|one| object::text(one, "/status").to_owned()).unwrap_or_default()
}

fn workload_columns(plural: &str) -> Option<Vec<Column>> {
    Some(match plural {
        "pods" => vec![
            NAME,
            col("Ready", |v, _| ready_containers(v)),
            col("Status", |v, _| pod_status(v)),
            col("Restarts", |v, _| restarts(v)),
            AGE,
            wide("IP", |v, _| or_none(object::text(v, "/status/podIP"))),
            wide("Node", |v, _| or_none(object::text(v, "/spec/nodeName"))),
            wide("Nominated Node", |_, _| "<none>".into()),
            wide("Readiness Gates", |_, _| "<none>".into()),
        ],
        "deployments" => vec![
            NAME,
            col("Ready", |v, _| format!("{}/{}", count(v, "/status/readyReplicas"), count(v, "/spec/replicas"))),
            col("Up-to-date", |v, _| count(v, "/status/updatedReplicas").to_string()),
            col("Available", |v, _| count(v, "/status/availableReplicas").to_string()),
            AGE,
            wide("Containers", |v, _| join(v, "/spec/template/spec/containers", "/name")),
            wide("Images", |v, _| join(v, "/spec/template/spec/containers", "/image")),
            wide("Selector", |v, _| pairs(v.pointer("/spec/selector/matchLabels"))),
        ],
        "replicasets" => vec![
            NAME,
            col("Desired", |v, _| count(v, "/spec/replicas").to_string()),
            col("Current", |v, _| count(v, "/status/replicas").to_string()),
            col("Ready", |v, _| count(v, "/status/readyReplicas").to_string()),
            AGE,
        ],
        "statefulsets" => {
            vec![
                NAME,
                col("Ready", |v, _| format!("{}/{}", count(v, "/status/readyReplicas"), count(v, "/spec/replicas"))),
                AGE,
            ]
        }
        _ => return None,
    })
}

fn core_columns(plural: &str) -> Option<Vec<Column>> {
    Some(match plural {
        "services" => vec![
            NAME,
            col("Type", |v, _| object::text(v, "/spec/type").to_owned()),
            col("Cluster-IP", |v, _| or_none(object::text(v, "/spec/clusterIP"))),
            col("External-IP", |v, _| external(v)),
            col("Port(s)", |v, _| ports(v)),
            AGE,
            wide("Selector", |v, _| pairs(v.pointer("/spec/selector"))),
        ],
        "nodes" => vec![
            NAME,
            col("Status", |v, _| node_status(v)),
            col("Roles", |_, _| "<none>".into()),
            AGE,
            col("Version", |v, _| object::text(v, "/status/nodeInfo/kubeletVersion").to_owned()),
            wide("Internal-IP", |v, _| object::text(v, "/status/addresses/0/address").to_owned()),
            wide("External-IP", |_, _| "<none>".into()),
            wide("OS-Image", |v, _| object::text(v, "/status/nodeInfo/osImage").to_owned()),
            wide("Kernel-Version", |v, _| object::text(v, "/status/nodeInfo/kernelVersion").to_owned()),
            wide("Container-Runtime", |v, _| object::text(v, "/status/nodeInfo/containerRuntimeVersion").to_owned()),
        ],
        "namespaces" => vec![NAME, col("Status", |v, _| object::text(v, "/status/phase").to_owned()), AGE],
        "configmaps" => vec![NAME, col("Data", |v, _| size(v, "/data").to_string()), AGE],
        "secrets" => {
            vec![
                NAME,
                col("Type", |v, _| object::text(v, "/type").to_owned()),
                col("Data", |v, _| size(v, "/data").to_string()),
                AGE,
            ]
        }
        "endpoints" => vec![NAME, col("Endpoints", |v, _| endpoint_list(v)), AGE],
        "endpointslices" => vec![
            NAME,
            col("AddressType", |v, _| object::text(v, "/addressType").to_owned()),
            col("Ports", |v, _| join(v, "/ports", "/port")),
            col("Endpoints", |v, _| join(v, "/endpoints", "/addresses/0")),
            AGE,
        ],
        _ => return None,
    })
}

fn other_columns(plural: &str) -> Option<Vec<Column>> {
    Some(match plural {
        "leases" => vec![NAME, col("Holder", |v, _| object::text(v, "/spec/holderIdentity").to_owned()), AGE],
        "horizontalpodautoscalers" => vec![
            NAME,
            col("Reference", |v, _| {
                format!(
                    "{}/{}",
                    object::text(v, "/spec/scaleTargetRef/kind"),
                    object::text(v, "/spec/scaleTargetRef/name")
                )
            }),
            col("Targets", |_, _| "cpu: <unknown>/80%".into()),
            col("MinPods", |v, _| count(v, "/spec/minReplicas").to_string()),
            col("MaxPods", |v, _| count(v, "/spec/maxReplicas").to_string()),
            col("Replicas", |v, _| count(v, "/status/currentReplicas").to_string()),
            AGE,
        ],
        "jobs" => vec![
            NAME,
            col("Status", |v, _| if count(v, "/status/succeeded") > 0 { "Complete" } else { "Running" }.into()),
            col("Completions", |v, _| format!("{}/1", count(v, "/status/succeeded"))),
            AGE,
        ],
        "poddisruptionbudgets" => vec![
            NAME,
            col("Min Available", |v, _| plain(v.pointer("/spec/minAvailable"))),
            col("Max Unavailable", |v, _| plain(v.pointer("/spec/maxUnavailable"))),
            col("Allowed Disruptions", |v, _| count(v, "/status/disruptionsAllowed").to_string()),
            AGE,
        ],
        "events" => vec![
            col("Last Seen", |v, moment| moment.since(object::text(v, "/lastTimestamp"))),
            col("Type", |v, _| object::text(v, "/type").to_owned()),
            col("Reason", |v, _| object::text(v, "/reason").to_owned()),
            col("Object", |v, _| {
                format!(
                    "{}/{}",
                    object::text(v, "/involvedObject/kind").to_lowercase(),
                    object::text(v, "/involvedObject/name")
                )
            }),
            col("Message", |v, _| object::text(v, "/message").to_owned()),
        ],
        "networkpolicies" => {
            vec![NAME, col("Pod-Selector", |v, _| pairs(v.pointer("/spec/podSelector/matchLabels"))), AGE]
        }
        "destinationrules" => vec![NAME, col("Host", |v, _| object::text(v, "/spec/host").to_owned()), AGE],
        "virtualservices" => vec![
            NAME,
            col("Gateways", |v, _| plain(v.pointer("/spec/gateways"))),
            col("Hosts", |v, _| plain(v.pointer("/spec/hosts"))),
            AGE,
        ],
        "customresourcedefinitions" | "clusterroles" => {
            vec![NAME, col("Created At", |v, _| object::text(v, "/metadata/creationTimestamp").to_owned())]
        }
        _ => return None,
    })
}

fn count(v: &Value, pointer: &str) -> i64 {
    object::int(v, pointer).unwrap_or(0)
}

fn size(v: &Value, pointer: &str) -> usize {
    v.pointer(pointer).and_then(Value::as_object).map_or(0, serde_json::Map::len)
}

fn or_none(text: &str) -> String {
    if text.is_empty() { "<none>".into() } else { text.to_owned() }
}

fn plain(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "N/A".into(),
        Some(Value::String(s)) => s.clone(),
        Some(other) => other.to_string(),
    }
}

fn join(v: &Value, list: &str, field: &str) -> String {
    let found: Vec<String> = object::items(v, list).iter().map(|x| plain(x.pointer(field))).collect();
    if found.is_empty() { "<unset>".into() } else { found.join(",") }
}

fn pairs(value: Option<&Value>) -> String {
    let map = value.and_then(Value::as_object);
    let found: Vec<String> =
        map.into_iter().flatten().map(|(k, v)| format!("{k}={}", v.as_str().unwrap_or(""))).collect();
    if found.is_empty() { "<none>".into() } else { found.join(",") }
}

/// Ready containers and native sidecars, out of all.
fn ready_containers(v: &Value) -> String {
    let sidecars: Vec<&str> = object::items(v, "/spec/initContainers")
        .iter()
        .filter(|x| object::text(x, "/restartPolicy") == "Always")
        .map(|x| object::text(x, "/name"))
        .collect();
    let total = object::items(v, "/spec/containers").len() + sidecars.len();
    let init = object::items(v, "/status/initContainerStatuses")
        .iter()
        .filter(|s| sidecars.contains(&object::text(s, "/name")));
    let ready =
        object::items(v, "/status/containerStatuses").iter().chain(init).filter(|s| object::flag(s, "/ready")).count();
    format!("{ready}/{total}")
}

fn pod_status(v: &Value) -> String {
    if object::deleting(v) {
        return "Terminating".into();
    }
    for list in ["/status/initContainerStatuses", "/status/containerStatuses"] {
        for status in object::items(v, list) {
            let reason = object::text(status, "/state/waiting/reason");
            if !reason.is_empty() {
                return if reason == "PodInitializing" { "Init:0/2".into() } else { reason.to_owned() };
            }
        }
    }
    match object::text(v, "/status/phase") {
        "Succeeded" => "Completed".into(),
        phase => phase.to_owned(),
    }
}

fn restarts(v: &Value) -> String {
    let total: i64 = object::items(v, "/status/containerStatuses").iter().map(|s| count(s, "/restartCount")).sum();
    total.to_string()
}

fn external(v: &Value) -> String {
    if object::text(v, "/spec/type") != "LoadBalancer" {
        return "<none>".into();
    }
    let ips: Vec<&str> =
        object::items(v, "/status/loadBalancer/ingress").iter().map(|i| object::text(i, "/ip")).collect();
    if ips.is_empty() { "<pending>".into() } else { ips.join(",") }
}

fn ports(v: &Value) -> String {
    let one = |p: &Value| match object::int(p, "/nodePort") {
        Some(node) => format!("{}:{node}/TCP", count(p, "/port")),
        None => format!("{}/TCP", count(p, "/port")),
    };
    object::items(v, "/spec/ports").iter().map(one).collect::<Vec<_>>().join(",")
}

fn node_status(v: &Value) -> String {
    let ready = object::items(v, "/status/conditions")
        .iter()
        .any(|x| object::text(x, "/type") == "Ready" && object::text(x, "/status") == "True");
    let cordoned = if object::flag(v, "/spec/unschedulable") { ",SchedulingDisabled" } else { "" };
    format!("{}{cordoned}", if ready { "Ready" } else { "NotReady" })
}

fn endpoint_list(v: &Value) -> String {
    let port = count(v, "/subsets/0/ports/0/port");
    let found: Vec<String> =
        object::items(v, "/subsets/0/addresses").iter().map(|a| format!("{}:{port}", object::text(a, "/ip"))).collect();
    if found.is_empty() { "<none>".into() } else { found.join(",") }
}
