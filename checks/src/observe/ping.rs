//! What `ping` printed: that of iputils, busybox, inetutils or toybox.
//!
//! Loss is counted from packets, not taken from the rounded percentage. An output without its statistics is an error: it
//! was cut off, and nobody can say how many packets were sent.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Excerpt;

/// One run of `ping`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ping {
    /// Echoes sent.
    pub transmitted: u64,
    /// Echoes answered, each counted once.
    pub received: u64,
    /// Answers that came again.
    pub duplicates: u64,
    /// Echoes to which something else answered, such as "destination unreachable".
    pub errors: u64,
    /// The sequence number of the first echo: iputils and toybox begin at 1, busybox and inetutils at 0.
    #[serde(default)]
    pub first_seq: u64,
    /// Every answer in its order, duplicates left out. Empty under `-q`.
    pub replies: Vec<Reply>,
    /// Lines in which the network or `ping` itself complains.
    pub complaints: Vec<Complaint>,
}

/// One answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// Its sequence number.
    pub seq: u64,
    /// Round-trip time. `None` where it was not printed, or was printed as 0, which is a measuring error. Toybox cuts it to whole
    /// milliseconds; then it is the next whole one, which it was below.
    pub rtt: Option<Duration>,
}

/// A line that is no answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Complaint {
    /// What it amounts to.
    pub kind: ComplaintKind,
    /// The echo it is about, if it says so.
    pub seq: Option<u64>,
    /// The line.
    pub line: String,
}

/// What a complaint amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ComplaintKind {
    /// No way to the target: no route, or a router or host refused.
    Unreachable,
    /// The name was not resolved.
    Name,
    /// No socket: the capability or the group is missing.
    NotPermitted,
    /// There is no `ping` here.
    NotInstalled,
    /// It does not know an option.
    Option(char),
    /// Only root may send this often.
    TooFast,
    /// Something else.
    Other,
}

/// An output that does not say how it went. Fits "failed to ping …: ".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PingError {
    /// `ping` gave up and said why.
    #[error("{}", .0.line)]
    GaveUp(Complaint),
    /// No statistics at the end: it was stopped too early, or this is no output of `ping`.
    #[error("no statistics in {0}")]
    NoStatistics(Excerpt),
}

impl Ping {
    /// Share of echoes without an answer; `None` if none was sent.
    pub fn loss(&self) -> Option<f64> {
        (self.transmitted > 0).then(|| self.lost() as f64 / self.transmitted as f64)
    }

    /// Echoes without an answer.
    pub fn lost(&self) -> u64 {
        self.transmitted.saturating_sub(self.received)
    }
}

/// Reads standard output, with or without standard error mixed into it.
pub fn parse(output: &str) -> Result<Ping, PingError> {
    let mut ping = Ping::default();
    let mut statistics = false;
    let toybox = output.lines().any(|line| line.starts_with("Ping "));
    for line in output.lines().map(str::trim) {
        if line.starts_with("PING ") || line.starts_with("Ping ") {
            ping.first_seq = u64::from(!line.ends_with("data bytes"));
        } else if let Some(mut reply) = reply(line) {
            if toybox {
                reply.rtt = whole_millis(line).map(|ms| Duration::from_millis(ms + 1));
            }
            if !line.contains("DUP!") {
                ping.replies.push(reply);
            }
        } else if line.contains("packets transmitted") {
            statistics |= ping.read_statistics(line).is_some();
        } else if let Some(complaint) = complaint(line) {
            ping.complaints.push(complaint);
        }
    }
    if statistics {
        return Ok(ping);
    }
    // What names an option is followed by usage.
    let named = |complaint: &Complaint| matches!(complaint.kind, ComplaintKind::Option(_));
    let complaints = ping.complaints;
    match complaints.iter().find(|one| named(one)).or(complaints.last()).cloned() {
        Some(complaint) => Err(PingError::GaveUp(complaint)),
        None => Err(PingError::NoStatistics(Excerpt::of(output.as_bytes()))),
    }
}

impl Ping {
    /// `3 packets transmitted, 2 received, +1 duplicates, +1 errors, 33% packet loss, time 405ms`.
    fn read_statistics(&mut self, line: &str) -> Option<()> {
        let (mut transmitted, mut received) = (None, None);
        for part in line.split(',') {
            let mut words = part.split_whitespace();
            let Some(count) = words.next().and_then(|n| n.trim_start_matches('+').parse::<u64>().ok()) else {
                continue;
            };
            match words.next_back() {
                Some("transmitted") => transmitted = Some(count),
                Some("received") => received = Some(count),
                Some("duplicates") => self.duplicates = count,
                Some("errors") => self.errors = count,
                _ => {}
            }
        }
        (self.transmitted, self.received) = (transmitted?, received?);
        Some(())
    }
}

/// `64 bytes from 10.0.0.1: icmp_seq=1 ttl=64 time=0.579 ms`, busybox `seq=0`; a timestamp in brackets may precede.
fn reply(line: &str) -> Option<Reply> {
    if !line.contains(" bytes from ") {
        return None;
    }
    let seq = field(line, "seq=")?;
    let millis = line.split_once("time=").and_then(|(_, rest)| rest.split_whitespace().next());
    let rtt = millis
        .and_then(|text| text.trim_end_matches("ms").parse::<f64>().ok())
        .and_then(|ms| Duration::try_from_secs_f64(ms / 1e3).ok())
        .filter(|rtt| !rtt.is_zero());
    Some(Reply { seq, rtt })
}

/// The time of toybox: whole milliseconds, the rest cut off.
fn whole_millis(line: &str) -> Option<u64> {
    line.split_once("time=").and_then(|(_, rest)| rest.split_whitespace().next())?.parse().ok()
}

/// The option that a `ping` does not know: `invalid option -- 'n'`, `Unknown option 'n'`, `unrecognized option: n`.
fn unknown_option(lower: &str) -> Option<char> {
    let (_, rest) = ["invalid option", "unknown option", "unrecognized option", "illegal option"]
        .iter()
        .find_map(|words| lower.split_once(words))?;
    rest.chars().find(char::is_ascii_alphanumeric)
}

fn field(line: &str, name: &str) -> Option<u64> {
    let (_, rest) = line.split_once(name)?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn complaint(line: &str) -> Option<Complaint> {
    let lower = line.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    let kind = if let Some(option) = unknown_option(&lower) {
        ComplaintKind::Option(option)
    } else if has(&["cannot flood", "need root for -i", "option value too small"]) {
        ComplaintKind::TooFast
    } else if has(&["unreachable", "no route to host", "prohibited", "time to live exceeded"]) {
        ComplaintKind::Unreachable
    } else if has(&[
        "bad address",
        "name or service",
        "name resolution",
        "unknown host",
        "not known",
        "name does not resolve",
    ]) {
        ComplaintKind::Name
    } else if has(&["not permitted", "permission denied", "are you root", "missing cap_net_raw"]) {
        ComplaintKind::NotPermitted
    } else if has(&["ping: not found", "executable file not found", "ping: command not found", "applet not found"]) {
        ComplaintKind::NotInstalled
    } else if line.starts_with("ping: ")
        || line.contains("/ping: ")
        || line.starts_with("ping6: ")
        || line.starts_with("From ")
    {
        ComplaintKind::Other
    } else {
        return None;
    };
    Some(Complaint { kind, seq: field(line, "seq="), line: line.to_owned() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn micros(ping: &Ping) -> Vec<(u64, u128)> {
        ping.replies.iter().map(|r| (r.seq, r.rtt.unwrap().as_micros())).collect()
    }

    #[test]
    fn iputils() {
        let ping = parse(include_str!("../../tests/captures/ping/iputils_ok.txt")).unwrap();
        assert_eq!((ping.transmitted, ping.received, ping.loss()), (3, 3, Some(0.0)));
        assert_eq!(micros(&ping), [(1, 579), (2, 50), (3, 39)]);
        let stamped = parse(include_str!("../../tests/captures/ping/iputils_stamped.txt")).unwrap();
        assert_eq!(micros(&stamped), [(1, 24), (2, 49), (3, 47)]);
        let v6 = parse(include_str!("../../tests/captures/ping/iputils_v6.txt")).unwrap();
        assert_eq!(micros(&v6), [(1, 126), (2, 53)]);
    }

    #[test]
    fn busybox() {
        let ping = parse(include_str!("../../tests/captures/ping/busybox_ok.txt")).unwrap();
        assert_eq!(micros(&ping), [(0, 45), (1, 77), (2, 69)]);
        let lost = parse(include_str!("../../tests/captures/ping/busybox_lost.txt")).unwrap();
        assert_eq!((lost.transmitted, lost.loss(), lost.replies.len()), (1, Some(1.0), 0));
    }

    #[test]
    fn inetutils() {
        let ping = parse(include_str!("../../tests/captures/ping/inetutils_ok.txt")).unwrap();
        assert_eq!((ping.transmitted, ping.received, ping.first_seq), (2, 2, 0));
        assert_eq!(micros(&ping), [(0, 183), (1, 200)]);
        let first = |name: &str| parse(name).unwrap().first_seq;
        assert_eq!(first(include_str!("../../tests/captures/ping/iputils_ok.txt")), 1);
        assert_eq!(first(include_str!("../../tests/captures/ping/busybox_lost.txt")), 0);
    }

    #[test]
    fn toybox_cuts_times_to_whole_milliseconds() {
        let ping = parse(include_str!("../../tests/captures/ping/toybox_ok.txt")).unwrap();
        assert_eq!((ping.transmitted, ping.received, ping.first_seq), (3, 3, 1));
        assert_eq!(micros(&ping), [(1, 2000), (2, 1000), (3, 1000)]);
    }

    #[test]
    fn options_that_a_dialect_lacks() {
        for (output, kind) in [
            (
                "ping: invalid option -- 'i'\nBusyBox v1.29.3 (2019-01-24) multi-call binary.\n\nUsage: ping [OPTIONS] HOST\n",
                ComplaintKind::Option('i'),
            ),
            ("ping: unrecognized option: n\nBusyBox v1.36.1 multi-call binary.\n", ComplaintKind::Option('n')),
            ("ping: Unknown option 'n' (see \"ping --help\")\n", ComplaintKind::Option('n')),
            (
                "/bin/ping: invalid option -- 'Z'\nTry 'ping --help' or 'ping --usage' for more information.\n",
                ComplaintKind::Option('z'),
            ),
            ("ping: need root for -i <200\n", ComplaintKind::TooFast),
            ("/bin/ping: option value too small: 0.05\n", ComplaintKind::TooFast),
            ("ping: cannot flood; minimal interval allowed for user is 200ms\n", ComplaintKind::TooFast),
        ] {
            let Err(PingError::GaveUp(complaint)) = parse(output) else { panic!("{output}") };
            assert_eq!(complaint.kind, kind, "{output}");
        }
    }

    #[test]
    fn an_unreachable_target() {
        let ping = parse(include_str!("../../tests/captures/ping/iputils_unreachable.txt")).unwrap();
        assert_eq!((ping.lost(), ping.errors), (1, 1));
        assert_eq!((ping.complaints[0].kind, ping.complaints[0].seq), (ComplaintKind::Unreachable, Some(1)));
    }

    #[test]
    fn duplicates_are_not_answers() {
        let ping = parse(
            "PING 10.1.1.87 (10.1.1.87) 56(84) bytes of data.\n\
             64 bytes from 10.1.1.87: icmp_seq=1 ttl=62 time=44.1 ms\n\
             64 bytes from 10.1.1.87: icmp_seq=1 ttl=62 time=44.9 ms (DUP!)\n\
             64 bytes from 10.1.1.87: icmp_seq=3 ttl=62 time=0.000 ms\n\
             \n--- 10.1.1.87 ping statistics ---\n\
             3 packets transmitted, 2 received, +1 duplicates, 33.3333% packet loss, time 2003ms\n",
        )
        .unwrap();
        assert_eq!((ping.duplicates, ping.lost(), ping.replies.len()), (1, 1, 2));
        assert_eq!(
            ping.replies.iter().filter_map(|reply| reply.rtt).collect::<Vec<_>>(),
            [Duration::from_micros(44_100)]
        );
    }

    #[test]
    fn giving_up_says_why() {
        for (output, kind) in [
            ("ping: bad address 'no.such.host.invalid'\n", ComplaintKind::Name),
            ("ping: no.such.host.invalid: Name or service not known\n", ComplaintKind::Name),
            ("ping: connect: Network is unreachable\n", ComplaintKind::Unreachable),
            (
                "PING 10.0.0.1 (10.0.0.1): 56 data bytes\nping: sendto: Network unreachable\n",
                ComplaintKind::Unreachable,
            ),
            ("ping: socket: Operation not permitted\n", ComplaintKind::NotPermitted),
            ("ping: permission denied (are you root?)\n", ComplaintKind::NotPermitted),
            ("sh: ping: not found\n", ComplaintKind::NotInstalled),
            ("ping: usage error: Destination address required\n", ComplaintKind::Other),
        ] {
            let Err(PingError::GaveUp(complaint)) = parse(output) else { panic!("{output}") };
            assert_eq!(complaint.kind, kind, "{output}");
        }
    }

    #[test]
    fn an_output_that_was_cut_off_is_no_result() {
        let whole = include_str!("../../tests/captures/ping/iputils_ok.txt");
        let cut = parse(&whole[..120]).unwrap_err();
        assert!(cut.to_string().starts_with("no statistics in text that begins with `PING 127.0.0.1"), "{cut}");
        assert_eq!(parse("").unwrap_err().to_string(), "no statistics in an empty body");
        assert!(parse("packets transmitted, received\n").is_err());
        let none = parse("0 packets transmitted, 0 received\n").unwrap();
        assert_eq!(none.loss(), None);
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "\\PC{0,200}") {
            let _ = parse(&text);
        }

        #[test]
        fn any_arrangement_is_survived(parts in prop::collection::vec(prop::sample::select(vec![
            "64 bytes from ", "icmp_seq=", "time=", "1", "-1", "1e400", " ms", "\n", " packets transmitted", ", ", "received", "+", "DUP!",
        ]), 0..40)) {
            let _ = parse(&parts.concat());
        }
    }
}
