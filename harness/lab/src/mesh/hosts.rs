//! Host names and localities, as Istio's objects write them.

use serde_json::Value;

use crate::store::object;

/// The full names of the hosts of a `VirtualService`. Istio completes a name without a dot and uses every other name
/// unchanged.
pub(crate) fn claimed_hosts(service: &Value) -> Vec<String> {
    let hosts = object::items(service, "/spec/hosts").iter().filter_map(Value::as_str);
    let full =
        |host: &str| if host.contains('.') { host.to_owned() } else { full_host(host, object::namespace(service)) };
    hosts.map(full).collect()
}

/// The full name of a host that an object in `namespace` may abbreviate.
pub(crate) fn full_host(host: &str, namespace: &str) -> String {
    if host.contains('*') || host.parse::<std::net::IpAddr>().is_ok() {
        return host.to_owned();
    }
    match host.split('.').collect::<Vec<_>>().as_slice() {
        [one] => format!("{one}.{namespace}.svc.cluster.local"),
        [a, b] | [a, b, "svc"] => format!("{a}.{b}.svc.cluster.local"),
        _ => host.to_owned(),
    }
}

/// Whether a pattern, such as `*` or `*.shop.example`, matches a host.
pub(crate) fn host_matches(pattern: &str, host: &str) -> bool {
    pattern.strip_prefix('*').map_or(pattern == host, |end| host.ends_with(end))
}

/// Whether a locality pattern such as `us-sanjose-1/*` covers a region and zone.
pub(crate) fn locality_matches(pattern: &str, region: &str, zone: &str) -> bool {
    let mut parts = pattern.split('/');
    let part = |given: Option<&str>, actual: &str| given.is_none_or(|g| g == "*" || g == actual);
    part(parts.next(), region) && part(parts.next(), zone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_localities() {
        assert_eq!(full_host("reviews", "bookinfo"), "reviews.bookinfo.svc.cluster.local");
        let service = serde_json::json!({ "metadata": { "namespace": "c" }, "spec": { "hosts": ["a", "a.b"] } });
        assert_eq!(claimed_hosts(&service), [full_host("a", "c"), "a.b".to_owned()]);
        assert_eq!(full_host("a.b.svc.cluster.local", "c"), "a.b.svc.cluster.local");
        assert!(locality_matches("us-sanjose-1/*", "us-sanjose-1", "z") && !locality_matches("phx/*", "iad", "z"));
    }
}
