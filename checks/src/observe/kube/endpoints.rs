//! Who stands behind a service, from its `EndpointSlice`s.

use std::borrow::Borrow;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::field::{self, KubeError};

/// One endpoint of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Its addresses, those of both families where it has them.
    pub addresses: Vec<String>,
    /// Gets new traffic.
    pub ready: bool,
    /// Answers, even while it is terminating.
    pub serving: bool,
    /// Is being deleted.
    pub terminating: bool,
    /// Name of the pod, empty where it is none.
    pub pod: String,
    /// Its node, empty where it is not set.
    pub node: String,
}

/// All endpoints of a service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoints {
    /// Every one of them once.
    pub endpoints: Vec<Endpoint>,
    /// Ports by name, as the slices give them.
    pub ports: Vec<(String, u16)>,
}

/// Label by which a slice names its service.
const SERVICE: &str = "kubernetes.io/service-name";

impl Endpoints {
    /// Puts the slices of one service together; those of other services in the list are left out.
    pub fn read<T: Borrow<Value>>(slices: &[T], service: &str) -> Result<Self, KubeError> {
        let mut all = Self::default();
        for slice in slices.iter().map(Borrow::borrow) {
            field::named(slice, "EndpointSlice")?;
            let of = slice.pointer("/metadata/labels").and_then(|l| l.get(SERVICE)).and_then(Value::as_str);
            if of != Some(service) {
                continue;
            }
            for port in field::list(slice, "/ports") {
                let number = field::number(port, "/port").and_then(|n| u16::try_from(n).ok());
                let port = number.map(|number| (field::string(port, "/name"), number));
                all.ports.extend(port.filter(|port| !all.ports.contains(port)));
            }
            for entry in field::list(slice, "/endpoints") {
                all.add(entry);
            }
        }
        Ok(all)
    }

    /// Adds an entry, to the endpoint of the same pod if another slice has listed it under another family.
    fn add(&mut self, entry: &Value) {
        // Unset means: ready, unless set otherwise; serving as far as ready; not terminating.
        let told = |name: &str| entry.pointer("/conditions").and_then(|c| c.get(name)).and_then(Value::as_bool);
        let ready = told("ready").unwrap_or(true);
        let endpoint = Endpoint {
            addresses: field::strings(entry, "/addresses"),
            ready,
            serving: told("serving").unwrap_or(ready),
            terminating: told("terminating").unwrap_or(false),
            pod: field::text(entry, "/targetRef/kind")
                .filter(|kind| *kind == "Pod")
                .map(|_| field::string(entry, "/targetRef/name"))
                .unwrap_or_default(),
            node: field::string(entry, "/nodeName"),
        };
        let same = |known: &&mut Endpoint| {
            if endpoint.pod.is_empty() { known.addresses == endpoint.addresses } else { known.pod == endpoint.pod }
        };
        match self.endpoints.iter_mut().find(same) {
            None => self.endpoints.push(endpoint),
            Some(known) => {
                for address in endpoint.addresses {
                    if !known.addresses.contains(&address) {
                        known.addresses.push(address);
                    }
                }
                known.ready |= endpoint.ready;
                known.serving |= endpoint.serving;
            }
        }
    }

    /// Number of endpoints that get new traffic.
    pub fn ready(&self) -> usize {
        self.endpoints.iter().filter(|e| e.ready && !e.terminating).count()
    }

    /// Number of endpoints that answer, terminating ones among them: kube-proxy uses those when no other is left.
    pub fn serving(&self) -> usize {
        self.endpoints.iter().filter(|e| e.serving).count()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn slice(service: &str, endpoints: &Value) -> Value {
        json!({"metadata": {"name": format!("{service}-x"), "labels": {SERVICE: service}},
            "ports": [{"name": "http", "port": 9080}], "endpoints": endpoints})
    }

    #[test]
    fn every_state_is_counted_once() {
        let slices = [
            slice(
                "reviews",
                &json!([
                {"addresses": ["10.0.0.1"], "conditions": {"ready": true, "serving": true, "terminating": false},
                    "targetRef": {"kind": "Pod", "name": "a"}},
                {"addresses": ["10.0.0.2"], "conditions": {"ready": false, "serving": true, "terminating": true},
                    "targetRef": {"kind": "Pod", "name": "b"}},
                {"addresses": ["10.0.0.3"], "conditions": {"ready": false}},
                {"addresses": ["10.0.0.4"]}]),
            ),
            slice(
                "reviews",
                &json!([{"addresses": ["fd00::1"], "conditions": {"ready": true},
                "targetRef": {"kind": "Pod", "name": "a"}}]),
            ),
            slice("ratings", &json!([{"addresses": ["10.0.0.9"]}])),
        ];
        let got = Endpoints::read(&slices, "reviews").unwrap();
        assert_eq!((got.endpoints.len(), got.ready(), got.serving()), (4, 2, 3));
        assert_eq!(got.endpoints[0].addresses, ["10.0.0.1", "fd00::1"]);
        assert_eq!(got.ports, [("http".to_owned(), 9080)]);
        assert_eq!(Endpoints::read(&slices, "details").unwrap(), Endpoints::default());
        assert!(Endpoints::read(&[json!({"kind": "Endpoints", "metadata": {"name": "a"}})], "a").is_err());
    }

    proptest! {
        #[test]
        fn any_object_is_survived(object in field::tests::any_object()) {
            let _ = Endpoints::read(&[object], "x");
        }
    }
}
