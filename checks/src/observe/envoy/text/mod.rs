//! The text form of `/clusters`: one `<cluster>::<…>::<value>` per line, 19 lines for every host.
//!
//! `::` also stands inside IPv6 addresses and may stand inside cluster names, so no line can be split from the left
//! alone. What a line is about is read from the names already seen, and, for the first line of a host or a cluster,
//! from the keys that end it.

mod line;
mod value;

use std::collections::HashMap;

use memchr::{memchr, memmem, memrchr};

use self::line::{HOST_KEYS, Line, SEPARATOR, Subject, is_group, rsplit, split};
use self::value::{lossy, set_cluster, set_host};
use super::{Address, Cluster, Clusters, EnvoyError, Host, Select};
use crate::observe::Excerpt;

/// Reads the text form. With [`Select::Host`] only lines that contain the host are looked at.
///
/// Fails when the body is not empty and none of its first lines has a form of `/clusters`: an error page is not
/// "no clusters".
pub fn parse_text(body: &[u8], select: Select<'_>) -> Result<Clusters, EnvoyError> {
    let mut reader = Reader::new(select);
    match select {
        Select::All => lines(body).for_each(|line| reader.line(line)),
        Select::Host(host) => lines_with(body, host.as_bytes(), |line| reader.line(line)),
    }
    let mut clusters = reader.clusters;
    if clusters.clusters.is_empty() {
        let mut first = lines(body).filter(|line| !line.trim_ascii().is_empty()).take(20).peekable();
        if first.peek().is_some() && !first.any(|line| Line::read(line).is_some_and(|line| line.known)) {
            return Err(EnvoyError::NotClusters(Excerpt::of(body)));
        }
    }
    clusters.truncated = body.last().is_some_and(|last| *last != b'\n');
    Ok(clusters)
}

fn lines(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = body;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = memchr(b'\n', rest).unwrap_or(rest.len());
        let line = &rest[..end];
        rest = rest.get(end + 1..).unwrap_or_default();
        Some(line)
    })
}

/// Every line that contains the needle, without looking at the others.
fn lines_with<'a>(body: &'a [u8], needle: &[u8], mut visit: impl FnMut(&'a [u8])) {
    let finder = memmem::Finder::new(needle);
    let mut from = 0;
    while let Some(found) = body.get(from..).and_then(|rest| finder.find(rest)) {
        let at = from + found;
        let start = memrchr(b'\n', &body[from..at]).map_or(from, |newline| from + newline + 1);
        let end = memchr(b'\n', &body[at..]).map_or(body.len(), |newline| at + newline);
        visit(&body[start..end]);
        from = end + 1;
    }
}

/// Puts lines together. Remembers the names of the cluster and host that the last line was about.
struct Reader<'a, 's> {
    select: Select<'s>,
    clusters: Clusters,
    /// Place of every cluster met, `None` where it is not selected.
    places: HashMap<&'a [u8], Option<usize>>,
    /// Name of the current cluster and its place, which is `None` where it is not selected.
    cluster: Option<(&'a [u8], Option<usize>)>,
    /// Address of the current host, the last one of the current cluster, and a bit for every key it has had.
    host: Option<(&'a [u8], u32)>,
}

impl<'a, 's> Reader<'a, 's> {
    fn new(select: Select<'s>) -> Self {
        Self { select, clusters: Clusters::default(), places: HashMap::new(), cluster: None, host: None }
    }

    fn line(&mut self, line: &'a [u8]) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if self.known(line).is_some() || line.trim_ascii().is_empty() {
            return;
        }
        match Line::read(line) {
            None => self.clusters.unreadable += 1,
            Some(read) if !read.known && !self.about_known(line) => self.clusters.unreadable += 1,
            Some(read) => self.place(line, read),
        }
    }

    /// Whether the line belongs to the current cluster.
    fn about_known(&self, line: &[u8]) -> bool {
        self.cluster.and_then(|(name, _)| line.strip_prefix(name)).is_some_and(|rest| rest.starts_with(SEPARATOR))
    }

    /// The common case: another line about the cluster or host of the line before.
    fn known(&mut self, line: &'a [u8]) -> Option<()> {
        let (name, at) = self.cluster?;
        let rest = line.strip_prefix(name)?.strip_prefix(SEPARATOR)?;
        let Some(at) = at else { return Some(()) };
        if let Some((address, _)) = self.host
            && let Some(pair) = rest.strip_prefix(address).and_then(|rest| rest.strip_prefix(SEPARATOR))
        {
            let (key, value) = split(pair)?;
            let place = HOST_KEYS.iter().position(|known| *known == key)?;
            self.host_line(at, address, Some(place), key, value);
            return Some(());
        }
        let (group, pair) = split(rest)?;
        if !is_group(group) {
            return None;
        }
        let (key, value) = split(pair)?;
        set_cluster(self.clusters.clusters.get_mut(at)?, group, key, value)
    }

    fn place(&mut self, line: &'a [u8], mut read: Line<'a>) {
        // The name seen before knows better where it ends, be it before a key of tomorrow or before a pipe's path.
        if let Some((name, _)) = self.cluster
            && read.cluster != name
            && let Some(rest) = line.strip_prefix(name).and_then(|rest| rest.strip_prefix(SEPARATOR))
        {
            match read.subject {
                Subject::Cluster(_) if !read.known => {
                    if let Some((key, value)) = rsplit(rest) {
                        (read.cluster, read.key, read.value) = (name, key, value);
                    }
                }
                Subject::Host(address) if !address.contains(&b':') => {
                    let pair = read.key.len() + read.value.len() + 2 * SEPARATOR.len();
                    if let Some(address) = rest.len().checked_sub(pair).map(|end| &rest[..end]) {
                        (read.cluster, read.subject) = (name, Subject::Host(address));
                    }
                }
                Subject::Cluster(_) | Subject::Host(_) => {}
            }
        }
        let Some(at) = self.enter(read.cluster) else { return };
        match read.subject {
            Subject::Host(address) => {
                let place = HOST_KEYS.iter().position(|known| *known == read.key);
                self.host_line(at, address, place, read.key, read.value);
            }
            Subject::Cluster(group) => {
                let Some(cluster) = self.clusters.clusters.get_mut(at) else { return };
                if set_cluster(cluster, group, read.key, read.value).is_none() {
                    let key =
                        if group.is_empty() { lossy(read.key) } else { lossy(&[group, read.key].join(SEPARATOR)) };
                    cluster.unknown.push((key, lossy(read.value)));
                }
            }
        }
    }

    /// A line about a host: the last one, unless the address differs or the key repeats.
    fn host_line(&mut self, at: usize, address: &'a [u8], place: Option<usize>, key: &[u8], value: &[u8]) {
        let Some(cluster) = self.clusters.clusters.get_mut(at) else { return };
        let bit = place.map_or(0, |place| 1u32 << place);
        match &mut self.host {
            Some((current, seen)) if *current == address && *seen & bit == 0 => *seen |= bit,
            _ => {
                cluster.hosts.push(Host::at(Address::parse(&String::from_utf8_lossy(address))));
                self.host = Some((address, bit));
            }
        }
        if let Some(host) = cluster.hosts.last_mut()
            && set_host(host, key, value).is_none()
        {
            host.unknown.push((lossy(key), lossy(value)));
        }
    }

    /// Makes the cluster of this name the current one.
    fn enter(&mut self, name: &'a [u8]) -> Option<usize> {
        if let Some((current, at)) = self.cluster
            && current == name
        {
            return at;
        }
        self.host = None;
        let clusters = &mut self.clusters.clusters;
        let at = *self.places.entry(name).or_insert_with(|| {
            let cluster = Cluster::named(lossy(name));
            self.select.keeps(cluster.service.as_ref()).then(|| {
                clusters.push(cluster);
                clusters.len() - 1
            })
        });
        self.cluster = Some((name, at));
        at
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::observe::envoy::HealthClass;

    const CAPTURE: &[u8] = include_bytes!("../../../../tests/captures/envoy/clusters.txt");

    fn all(text: &[u8]) -> Clusters {
        parse_text(text, Select::All).unwrap()
    }

    #[test]
    fn the_capture_is_read_to_the_last_line() {
        let read = all(CAPTURE);
        assert_eq!((read.clusters.len(), read.unreadable, read.truncated), (24, 0, false));
        assert_eq!(read.clusters.iter().map(|c| c.hosts.len()).sum::<usize>(), 55);
        assert!(read.clusters.iter().all(|c| c.unknown.is_empty() && c.hosts.iter().all(|h| h.unknown.is_empty())));
    }

    #[test]
    fn colons_in_names_and_addresses() {
        let read = all(CAPTURE);
        let weird = read.get("weird::name with::colons").unwrap();
        assert_eq!(weird.hosts[0].address.to_string(), "10.9.9.9:1");
        let v6 = read.get("outbound|80||v6svc.bookinfo.svc.cluster.local").unwrap();
        let addresses: Vec<String> = v6.hosts.iter().map(|h| h.address.to_string()).collect();
        assert_eq!(addresses, ["[fd00:10::77]:8080", "[2603:c020:4000:1::9]:15443", "[::ffff:10.0.0.9]:8080"]);
        assert_eq!(read.get("abstract-uds").unwrap().hosts[0].address.to_string(), "@/abstract/sock");
        let local = &read.get("outbound|443||localhost").unwrap().hosts[0];
        assert_eq!((local.address.to_string().as_str(), local.hostname.as_str()), ("[::1]:18081", "localhost"));
    }

    #[test]
    fn three_states_of_a_cluster() {
        let read = all(CAPTURE);
        assert!(read.get("outbound|1||none").is_none());
        let empty = read.get("outbound|9080|v9|reviews.bookinfo.svc.cluster.local");
        assert!(empty.is_some_and(|cluster| cluster.hosts.is_empty()));
        let Some(reviews) = read.get("outbound|9080||reviews.bookinfo.svc.cluster.local") else {
            panic!("reviews has hosts");
        };
        assert_eq!(reviews.hosts.len(), 6);
        assert!(reviews.hosts.iter().all(|h| h.health.class() == HealthClass::Healthy));
    }

    #[test]
    fn selecting_while_reading_is_selecting_afterwards() {
        let host = "reviews.bookinfo.svc.cluster.local";
        let selected = parse_text(CAPTURE, Select::Host(host)).unwrap();
        let mut wanted = all(CAPTURE);
        wanted.clusters.retain(|c| c.service.as_ref().is_some_and(|s| s.host == host));
        assert_eq!(selected, wanted);
        assert!(parse_text(CAPTURE, Select::Host("reviews.bookinfo")).unwrap().clusters.is_empty());
    }

    #[test]
    fn an_error_page_is_not_an_empty_answer() {
        for body in [&b"<html><body>502 Bad Gateway</body></html>"[..], b"404 page not found\n", b"a::b::c\n", b"\0\0"]
        {
            for select in [Select::All, Select::Host("reviews")] {
                let error = parse_text(body, select).unwrap_err();
                assert!(matches!(error, EnvoyError::NotClusters(_)), "{error}");
            }
        }
        assert_eq!(all(b""), Clusters::default());
        assert_eq!(all(b"\n"), Clusters::default());
    }

    #[test]
    fn a_cut_off_answer_is_told() {
        assert!(all(&CAPTURE[..5_000]).truncated);
    }

    #[test]
    fn unknown_keys_are_kept() {
        let read = all(b"c::observability_name::c;\nc::lb_policy::RANDOM\nc::retry_budget::percent::20\n\
              c::1.2.3.4:5::cx_active::1\nc::1.2.3.4:5::fancy::x\nc::1.2.3.4:5::weight::heavy\n");
        let cluster = &read.clusters[0];
        assert_eq!(cluster.unknown[0], ("lb_policy".to_owned(), "RANDOM".to_owned()));
        assert_eq!(cluster.unknown[1], ("retry_budget::percent".to_owned(), "20".to_owned()));
        assert_eq!(cluster.hosts.len(), 1);
        assert_eq!(cluster.hosts[0].unknown[0], ("fancy".to_owned(), "x".to_owned()));
        assert_eq!(cluster.hosts[0].unknown[1], ("weight".to_owned(), "heavy".to_owned()));
        assert_eq!((read.clusters.len(), read.unreadable), (1, 0));
    }

    #[test]
    fn lines_without_their_header_are_understood() {
        // What is left after somebody's grep.
        let read =
            all(b"outbound|80||a.b::[fd00::1]:80::rq_total::7\noutbound|80||a.b::[fd00::1]:80::hostname::fd00::1\n\
              outbound|80||a.b::[fd00::2]:80::rq_total::8\nx::y::./sock::rq_total::9\n");
        assert_eq!(read.clusters.len(), 2);
        assert_eq!(read.clusters[0].hosts.len(), 2);
        assert_eq!(read.clusters[0].hosts[0].hostname, "fd00::1");
        assert_eq!(read.clusters[1].name, "x::y");
        assert_eq!(read.clusters[1].hosts[0].stats.rq_total, 9);
    }

    #[test]
    fn one_address_in_two_priorities_is_two_hosts() {
        let read = all(b"c::observability_name::c\nc::1.2.3.4:5::cx_active::1\nc::1.2.3.4:5::priority::0\n\
              c::1.2.3.4:5::cx_active::2\nc::1.2.3.4:5::priority::1\n");
        let seen: Vec<_> = read.clusters[0].hosts.iter().map(|h| (h.stats.cx_active, h.priority)).collect();
        assert_eq!(seen, [(1, 0), (2, 1)]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(body in prop::collection::vec(any::<u8>(), 0..500)) {
            let _ = parse_text(&body, Select::All);
            let _ = parse_text(&body, Select::Host("reviews"));
        }

        #[test]
        fn any_arrangement_of_separators_is_survived(
            parts in prop::collection::vec(prop::sample::select(vec![
                "::", ":", "\n", "c", "|", "cx_active", "hostname", "observability_name", "default_priority", "[", "]:80",
                "envoy://", "./p", "1.2.3.4:5", "7", "\r", "é",
            ]), 0..60),
        ) {
            let body = parts.concat();
            let _ = parse_text(body.as_bytes(), Select::All);
            let _ = parse_text(body.as_bytes(), Select::Host("c"));
        }

        #[test]
        fn a_capture_with_a_damaged_byte_is_survived(at in 0usize..106_357, byte in any::<u8>()) {
            let mut body = CAPTURE.to_vec();
            body[at] = byte;
            let read = parse_text(&body, Select::All).unwrap();
            prop_assert!(read.clusters.len() >= 24);
        }
    }
}
