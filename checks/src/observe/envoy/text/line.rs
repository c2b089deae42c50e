//! What one line is about, read without knowing the lines before it.

use memchr::{memchr, memmem, memrchr};

use crate::observe::envoy::Address;

pub(super) const SEPARATOR: &[u8] = b"::";
/// Keys that belong to the cluster itself.
const CLUSTER_KEYS: [&[u8]; 3] = [b"observability_name", b"added_via_api", b"eds_service_name"];
/// Keys of a host in Envoy's order. The bit of a key is its place here.
pub(super) const HOST_KEYS: [&[u8]; 19] = [
    b"cx_active",
    b"cx_connect_fail",
    b"cx_total",
    b"rq_active",
    b"rq_error",
    b"rq_pending_active",
    b"rq_success",
    b"rq_timeout",
    b"rq_total",
    b"hostname",
    b"health_flags",
    b"weight",
    b"region",
    b"zone",
    b"sub_zone",
    b"canary",
    b"priority",
    b"success_rate",
    b"local_origin_success_rate",
];

/// What a line says, found without knowing what came before.
#[derive(Debug, PartialEq)]
pub(super) struct Line<'a> {
    pub(super) cluster: &'a [u8],
    pub(super) subject: Subject<'a>,
    pub(super) key: &'a [u8],
    pub(super) value: &'a [u8],
    /// Whether the key is one of Envoy's. A line of unknown key says nothing until its cluster is known.
    pub(super) known: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Subject<'a> {
    /// The cluster itself, or one of its groups of settings such as `default_priority`.
    Cluster(&'a [u8]),
    Host(&'a [u8]),
}

impl<'a> Line<'a> {
    pub(super) fn read(line: &'a [u8]) -> Option<Self> {
        for key in CLUSTER_KEYS {
            if let Some((cluster, value)) = split_around(line, key) {
                return Some(Self { cluster, subject: Subject::Cluster(b""), key, value, known: true });
            }
        }
        let (rest, value) = rsplit(line)?;
        let (rest, key) = rsplit(rest)?;
        if let Some((cluster, group)) = rsplit(rest)
            && is_group(group)
        {
            return Some(Self { cluster, subject: Subject::Cluster(group), key, value, known: true });
        }
        let known = HOST_KEYS.contains(&key);
        if known && let Some((cluster, address)) = split_address(rest) {
            return Some(Self { cluster, subject: Subject::Host(address), key, value, known });
        }
        // A value with `::` in it: only names have that, and a hostname is the only name among the hosts' values.
        if let Some((rest, value)) = split_around(line, b"hostname")
            && let Some((cluster, address)) = split_address(rest)
        {
            return Some(Self { cluster, subject: Subject::Host(address), key: b"hostname", value, known: true });
        }
        Some(match split_address(rest) {
            Some((cluster, address)) if Address::plausible(address) => {
                Self { cluster, subject: Subject::Host(address), key, value, known }
            }
            _ => Self { cluster: rest, subject: Subject::Cluster(b""), key, value, known: false },
        })
    }
}

pub(super) fn is_group(name: &[u8]) -> bool {
    matches!(name, b"default_priority" | b"high_priority" | b"outlier")
}

/// Splits at the first `::key::`.
fn split_around<'a>(line: &'a [u8], key: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let mut from = 0;
    while let Some(found) = memmem::find(line.get(from..)?, key) {
        let at = from + found;
        let after = line.get(at + key.len()..)?;
        if let (Some(before), Some(value)) = (line[..at].strip_suffix(SEPARATOR), after.strip_prefix(SEPARATOR)) {
            return Some((before, value));
        }
        from = at + 1;
    }
    None
}

/// Splits at the last `::`, the leftmost of three colons in a row.
pub(super) fn rsplit(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut end = text.len();
    loop {
        let colon = memrchr(b':', &text[..end])?;
        if colon > 0 && text[colon - 1] == b':' {
            return Some((&text[..colon - 1], &text[colon + 1..]));
        }
        end = colon;
    }
}

/// Splits at the first `::`.
pub(super) fn split(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut from = 0;
    loop {
        let colon = from + memchr(b':', text.get(from..)?)?;
        if text.get(colon + 1) == Some(&b':') {
            return Some((&text[..colon], &text[colon + 2..]));
        }
        from = colon + 1;
    }
}

/// Splits `cluster::address`: an internal address begins with `envoy://`, an IPv6 one with its bracket.
fn split_address(text: &[u8]) -> Option<(&[u8], &[u8])> {
    if let Some(at) = memmem::find(text, b"::envoy://") {
        return Some((&text[..at], &text[at + SEPARATOR.len()..]));
    }
    let port = text.iter().rposition(|b| !b.is_ascii_digit());
    if port.is_some_and(|colon| colon > 0 && text[colon] == b':' && text[colon - 1] == b']') {
        let at = memmem::rfind(text, b"::[")?;
        return Some((&text[..at], &text[at + SEPARATOR.len()..]));
    }
    rsplit(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host<'a>(cluster: &'a str, address: &'a str, key: &'a str, value: &'a str) -> Line<'a> {
        let subject = Subject::Host(address.as_bytes());
        Line { cluster: cluster.as_bytes(), subject, key: key.as_bytes(), value: value.as_bytes(), known: true }
    }

    #[test]
    fn the_hard_lines() {
        for (line, wanted) in [
            ("weird::name::10.9.9.9:1::rq_total::0", host("weird::name", "10.9.9.9:1", "rq_total", "0")),
            ("a::[::ffff:10.0.0.9]:8080::hostname::", host("a", "[::ffff:10.0.0.9]:8080", "hostname", "")),
            ("a::[::1]:80::hostname::fd00::1", host("a", "[::1]:80", "hostname", "fd00::1")),
            ("a::envoy://main/::zone::z", host("a", "envoy://main/", "zone", "z")),
            ("a::envoy://l/[fd00::7]:9::zone::z", host("a", "envoy://l/[fd00::7]:9", "zone", "z")),
        ] {
            assert_eq!(Line::read(line.as_bytes()), Some(wanted), "{line}");
        }
        let group = Line::read(b"a::b::high_priority::max_retries::3").unwrap();
        assert_eq!((group.cluster, group.subject), (&b"a::b"[..], Subject::Cluster(b"high_priority")));
        let eds = Line::read(b"a::b::eds_service_name::a::b").unwrap();
        assert_eq!((eds.cluster, eds.value), (&b"a::b"[..], &b"a::b"[..]));
        assert_eq!(Line::read(b"no separators: none"), None);
    }
}
