//! `ping` as iputils prints it.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::channels::{Exit, Output};
use super::context::Context;
use crate::plane::echo::round_trip;
use crate::plane::reach::Caller;
use crate::plane::resolve;

struct Options {
    count: Option<u32>,
    interval: f64,
    /// Seconds to wait for the last reply.
    wait: f64,
    deadline: Option<f64>,
    quiet: bool,
    size: u32,
    host: String,
}

fn options(args: &[String]) -> Result<Options, String> {
    let mut o =
        Options { count: None, interval: 1.0, wait: 10.0, deadline: None, quiet: false, size: 56, host: String::new() };
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        let Some(flag) = arg.strip_prefix('-').filter(|f| !f.is_empty()) else {
            o.host.clone_from(arg);
            continue;
        };
        for (at, letter) in flag.char_indices() {
            match letter {
                'q' => o.quiet = true,
                'n' | '4' | 'D' | 'O' | 'A' | 'b' | 'v' => {}
                'c' | 'i' | 'W' | 'w' | 's' | 't' | 'I' => {
                    let inline = &flag[at + 1..];
                    let value =
                        if inline.is_empty() { rest.next().cloned().unwrap_or_default() } else { inline.to_owned() };
                    let number: f64 = if letter == 'I' {
                        0.0
                    } else {
                        value.parse().map_err(|_| format!("ping: invalid argument: '{value}'\n"))?
                    };
                    match letter {
                        'c' => o.count = Some(number as u32),
                        'i' => o.interval = number,
                        'W' => o.wait = number,
                        'w' => o.deadline = Some(number),
                        's' => o.size = number as u32,
                        _ => {}
                    }
                    break;
                }
                other => return Err(format!("ping: invalid option -- '{other}'\n")),
            }
        }
    }
    if o.host.is_empty() { Err("ping: usage error: Destination address required\n".into()) } else { Ok(o) }
}

/// Runs `ping`.
pub(super) async fn run(cx: &Context, args: &[String], output: &Output) -> Exit {
    let o = match options(args) {
        Ok(options) => options,
        Err(why) => {
            output.err(why).await;
            return Exit::Code(2);
        }
    };
    if cx.container.proxy {
        output.err("ping: socktype: SOCK_RAW\nping: socket: Operation not permitted\nping: => missing cap_net_raw+p capability or setuid?\n").await;
        return Exit::Code(2);
    }
    let found = cx.engine.with(|world| {
        let namespace = world.clusters[cx.cluster].pods.get(&cx.container.uid)?.namespace.clone();
        resolve::pod(world, cx.cluster, &namespace, &o.host).map(|(ip, _)| ip)
    });
    let Some(ip) = found else {
        output.err(format!("ping: {}: Name or service not known\n", o.host)).await;
        return Exit::Code(2);
    };
    echoes(cx, &o, ip, output).await
}

async fn echoes(cx: &Context, o: &Options, ip: Ipv4Addr, output: &Output) -> Exit {
    output.out(format!("PING {} ({ip}) {}({}) bytes of data.\n", o.host, o.size, o.size + 28)).await;
    let caller = Caller::Pod(cx.cluster, cx.container.uid.clone());
    let begun = Instant::now();
    let end = o.deadline.map(|s| begun + seconds(s));
    let far = !cx.engine.with(|world| world.clusters[cx.cluster].ips.contains_key(&ip));
    let ttl = if far { 61 } else { 63 };
    let (mut sent, mut times) = (0_u32, Vec::new());
    let mut pending: VecDeque<(Instant, String)> = VecDeque::new();
    let mut last = begun;
    while o.count.is_none_or(|n| sent < n) {
        let at = begun + seconds(o.interval * f64::from(sent));
        if end.is_some_and(|end| at >= end) {
            break;
        }
        print(&mut pending, at, output).await;
        sleep_until(at).await;
        sent += 1;
        last = at;
        if let Some(ms) = cx.engine.with(|world| round_trip(world, &caller, ip)) {
            times.push(ms);
            let line = if o.quiet {
                String::new()
            } else {
                format!("{} bytes from {ip}: icmp_seq={sent} ttl={ttl} time={} ms\n", o.size + 8, three_digits(ms))
            };
            pending.push_back((at + seconds(ms / 1000.0), line));
        }
    }
    let received = u32::try_from(times.len()).unwrap_or(u32::MAX);
    let missing = sent > received;
    let linger =
        if times.is_empty() { o.wait } else { o.wait.min(2.0 * times.iter().copied().fold(0.0, f64::max) / 1000.0) };
    let until = if missing { last + seconds(linger) } else { last };
    print(&mut pending, end.unwrap_or(until + seconds(3600.0)), output).await;
    if missing {
        sleep_until(end.map_or(until, |e| e.min(until))).await;
    }
    let loss = if sent == 0 { 0.0 } else { 100.0 * f64::from(sent - received) / f64::from(sent) };
    let elapsed = begun.elapsed().as_millis();
    let loss = format!("{}", (loss * 10_000.0).round() / 10_000.0);
    let mut summary = format!(
        "\n--- {} ping statistics ---\n{sent} packets transmitted, {received} received, {loss}% packet loss, time {elapsed}ms\n",
        o.host
    );
    if received > 0 {
        let n = f64::from(received);
        let mean = times.iter().sum::<f64>() / n;
        let deviation = (times.iter().map(|t| t * t).sum::<f64>() / n - mean * mean).max(0.0).sqrt();
        let (low, high) = times.iter().fold((f64::MAX, 0.0_f64), |(a, b), t| (a.min(*t), b.max(*t)));
        let _ = writeln!(summary, "rtt min/avg/max/mdev = {low:.3}/{mean:.3}/{high:.3}/{deviation:.3} ms");
    } else {
        summary.push('\n');
    }
    output.out(summary).await;
    let short = o.deadline.is_some() && o.count.is_some_and(|n| received < n);
    Exit::Code(i32::from(received == 0 || short))
}

/// Prints the replies that have arrived by `until`, each when it arrives.
async fn print(pending: &mut VecDeque<(Instant, String)>, until: Instant, output: &Output) {
    while pending.front().is_some_and(|(at, _)| *at <= until) {
        if let Some((at, line)) = pending.pop_front() {
            sleep_until(at).await;
            if !line.is_empty() {
                output.out(line).await;
            }
        }
    }
}

fn seconds(s: f64) -> Duration {
    Duration::from_secs_f64(s.clamp(0.0, 1e9))
}

/// Three significant digits, as iputils prints times.
fn three_digits(ms: f64) -> String {
    if ms >= 100.0 {
        format!("{ms:.0}")
    } else if ms >= 10.0 {
        format!("{ms:.1}")
    } else if ms >= 1.0 {
        format!("{ms:.2}")
    } else {
        format!("{ms:.3}")
    }
}
