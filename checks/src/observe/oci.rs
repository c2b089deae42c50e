//! What the `oci` command line answers about the network between two clusters.
//!
//! It wraps everything in `data` and writes its field names with dashes. It prints nothing at all for an empty list.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Cidr, Excerpt};

/// An output that is not what was asked for. Fits "failed to read …: ".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OciError {
    /// No JSON, as when the command line reports an error.
    #[error("not the JSON of oci but {0}")]
    NotJson(Excerpt),
    /// JSON without a field that it must have.
    #[error("the answer has no `{0}`")]
    Missing(&'static str),
}

/// One side of a remote peering connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peering {
    /// Its OCID.
    pub id: String,
    /// Its name.
    pub name: String,
    /// As this side sees it; the other has to be asked as well.
    pub status: PeeringStatus,
    /// `AVAILABLE`, `PROVISIONING`, `TERMINATING` or `TERMINATED`.
    pub lifecycle: String,
    /// OCID of the other side, empty before it is connected.
    pub peer: String,
    /// Region of the other side.
    pub peer_region: String,
}

/// How a remote peering connection is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum PeeringStatus {
    /// Both sides are connected.
    Peered,
    /// Never connected.
    New,
    /// Being connected.
    Pending,
    /// The other side is gone.
    Revoked,
    /// The connection cannot work.
    Invalid,
    /// A status this version does not know.
    #[serde(untagged)]
    Other(String),
}

/// Reads `oci network remote-peering-connection get`.
pub fn parse_peering(output: &[u8]) -> Result<Peering, OciError> {
    let data = data(output)?;
    let text = |name: &str| data.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let status = data.get("peering-status").cloned().ok_or(OciError::Missing("peering-status"))?;
    Ok(Peering {
        id: text("id"),
        name: text("display-name"),
        status: serde_json::from_value(status).map_err(|_| OciError::Missing("peering-status"))?,
        lifecycle: text("lifecycle-state"),
        peer: text("peer-id"),
        peer_region: text("peer-region-name"),
    })
}

/// One rule of a route table, of a VCN or of a DRG.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteRule {
    /// Range in CIDR notation, or the name of a service.
    pub destination: String,
    /// OCID of where its packets go: a DRG, a gateway, an attachment.
    pub target: String,
    /// `STATIC`, `DYNAMIC`, `LOCAL`; empty where it is not told.
    pub kind: String,
}

impl RouteRule {
    /// Whether the rule catches every address of a range. `None` where its destination or the range is none.
    pub fn covers(&self, range: &str) -> Option<bool> {
        let (outer, inner): (Cidr, Cidr) = (self.destination.parse().ok()?, range.parse().ok()?);
        Some(outer.contains(&inner))
    }
}

/// Reads the rules of `oci network route-table get`, `route-table list` and `drg-route-rule list`.
pub fn parse_route_rules(output: &[u8]) -> Result<Vec<RouteRule>, OciError> {
    if output.trim_ascii().is_empty() {
        return Ok(Vec::new());
    }
    let data = data(output)?;
    let tables = match &data {
        Value::Array(list) => list.iter().collect(),
        one => vec![one],
    };
    let mut rules = Vec::new();
    for entry in tables {
        match entry.get("route-rules") {
            Some(Value::Array(list)) => rules.extend(list.iter().filter_map(rule)),
            _ => rules.push(rule(entry).ok_or(OciError::Missing("route-rules"))?),
        }
    }
    Ok(rules)
}

fn rule(value: &Value) -> Option<RouteRule> {
    let text = |names: [&str; 2]| names.into_iter().find_map(|name| value.get(name)?.as_str()).map(str::to_owned);
    Some(RouteRule {
        destination: text(["destination", "cidr-block"])?,
        target: text(["network-entity-id", "next-hop-drg-attachment-id"]).unwrap_or_default(),
        kind: text(["route-type", ""]).unwrap_or_default(),
    })
}

/// Reads the network types of `oci ce cluster get`: `OCI_VCN_IP_NATIVE`, `FLANNEL_OVERLAY`.
pub fn parse_cni_types(output: &[u8]) -> Result<Vec<String>, OciError> {
    const FIELD: &str = "cluster-pod-network-options";
    let data = data(output)?;
    let options = data.get(FIELD).and_then(Value::as_array).ok_or(OciError::Missing(FIELD))?;
    let kind = |option: &Value| Some(option.get("cni-type")?.as_str()?.to_owned());
    options.iter().map(|option| kind(option).ok_or(OciError::Missing("cni-type"))).collect()
}

fn data(output: &[u8]) -> Result<Value, OciError> {
    let mut answer: Value = serde_json::from_slice(output).map_err(|_| OciError::NotJson(Excerpt::of(output)))?;
    answer.get_mut("data").map(Value::take).ok_or(OciError::Missing("data"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn peerings_of_every_status() {
        let read = |status: &str| {
            let body = format!(
                r#"{{"data":{{"id":"ocid1.rpc.a","display-name":"to-b","lifecycle-state":"AVAILABLE","peer-id":"ocid1.rpc.b",
                "peer-region-name":"us-chicago-1","peering-status":"{status}"}},"etag":"x"}}"#
            );
            parse_peering(body.as_bytes()).unwrap()
        };
        let peered = read("PEERED");
        assert_eq!((&peered.status, peered.peer_region.as_str()), (&PeeringStatus::Peered, "us-chicago-1"));
        assert_eq!(read("REVOKED").status, PeeringStatus::Revoked);
        assert_eq!(read("ASLEEP").status, PeeringStatus::Other("ASLEEP".to_owned()));
        assert_eq!(parse_peering(b"{\"data\":{}}").unwrap_err(), OciError::Missing("peering-status"));
        let error = parse_peering(b"ServiceError:\n{\n \"code\": \"NotAuthorizedOrNotFound\"").unwrap_err();
        assert!(error.to_string().contains("ServiceError:"), "{error}");
    }

    #[test]
    fn routes_of_every_table() {
        let table = br#"{"data":{"id":"t","route-rules":[
            {"cidr-block":null,"destination":"10.1.0.0/16","destination-type":"CIDR_BLOCK","network-entity-id":"ocid1.drg.x","route-type":"STATIC"},
            {"destination":"all-services","network-entity-id":"ocid1.servicegateway.x"}]}}"#;
        let rules = parse_route_rules(table).unwrap();
        assert_eq!((rules.len(), rules[0].target.as_str(), rules[0].kind.as_str()), (2, "ocid1.drg.x", "STATIC"));
        assert_eq!(rules[0].covers("10.1.4.0/24"), Some(true));
        assert_eq!(rules[0].covers("10.0.0.0/8"), Some(false));
        assert_eq!(rules[1].covers("10.1.4.0/24"), None);
        let drg = br#"{"data":[{"destination":"10.1.0.0/16","next-hop-drg-attachment-id":"ocid1.drgattachment.y","route-type":"DYNAMIC"}]}"#;
        assert_eq!(parse_route_rules(drg).unwrap()[0].target, "ocid1.drgattachment.y");
        let list = br#"{"data":[{"id":"a","route-rules":[]},{"id":"b","route-rules":[{"destination":"::/0","network-entity-id":"i"}]}]}"#;
        assert_eq!(parse_route_rules(list).unwrap()[0].covers("fd00::/8"), Some(true));
        assert!(parse_route_rules(b"\n").unwrap().is_empty());
        assert!(parse_route_rules(br#"{"data":{"id":"a"}}"#).is_err());
    }

    #[test]
    fn ranges_that_hold_ranges() {
        let rule = |destination: &str| RouteRule {
            destination: destination.to_owned(),
            target: String::new(),
            kind: String::new(),
        };
        assert_eq!(rule("0.0.0.0/0").covers("10.1.0.0/16"), Some(true));
        assert_eq!(rule("10.1.0.0/16").covers("10.1.0.0/16"), Some(true));
        assert_eq!(rule("10.0.0.0/16").covers("10.1.0.0/16"), Some(false));
        assert_eq!(rule("0.0.0.0/0").covers("::/0"), Some(false));
        assert_eq!(rule("::1/128").covers("::1/128"), Some(true));
        assert_eq!(rule("10.0.0.0/33").covers("10.1.0.0/16"), None);
    }

    #[test]
    fn network_types() {
        let body = br#"{"data":{"cluster-pod-network-options":[{"cni-type":"OCI_VCN_IP_NATIVE"}]}}"#;
        assert_eq!(parse_cni_types(body).unwrap(), ["OCI_VCN_IP_NATIVE"]);
        assert!(parse_cni_types(br#"{"data":{"cluster-pod-network-options":null}}"#).is_err());
        assert!(parse_cni_types(br#"{"data":{"cluster-pod-network-options":[{}]}}"#).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = (parse_peering(&body), parse_route_rules(&body), parse_cni_types(&body));
        }

        #[test]
        fn any_ranges_are_survived(a in "[0-9a-f:./]{0,24}", b in "[0-9a-f:./]{0,24}") {
            let rule = RouteRule { destination: a, target: String::new(), kind: String::new() };
            let _ = rule.covers(&b);
        }
    }
}
