//! `curl` (with ranges such as `[1-20]` in its URL) and busybox `wget`. Requests go through the sidecar, unless the container is the sidecar.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::channels::{Exit, Output};
use super::context::Context;
use crate::plane::apps;
use crate::plane::call::{HttpAnswer, HttpCall};
use crate::plane::listen::Kind;
use crate::plane::reach::{Caller, Reach, reach};
use crate::plane::resolve;

#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is one of curl's flags")]
struct Options {
    silent: bool,
    show_errors: bool,
    fail: bool,
    fail_early: bool,
    head: bool,
    include: bool,
    discard: bool,
    format: String,
    limit: Option<f64>,
    url: String,
    method: Option<String>,
    headers: Vec<(String, String)>,
    body: String,
}

fn options(args: &[String]) -> Result<Options, String> {
    let mut o = Options::default();
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        let mut value =
            |inline: &str| if inline.is_empty() { rest.next().cloned().unwrap_or_default() } else { inline.to_owned() };
        if let Some(long) = arg.strip_prefix("--") {
            match long {
                "silent" => o.silent = true,
                "show-error" => o.show_errors = true,
                "fail" | "fail-with-body" => o.fail = true,
                "fail-early" => o.fail_early = true,
                "head" => o.head = true,
                "include" => o.include = true,
                "max-time" => o.limit = value("").parse().ok(),
                "write-out" => o.format = value(""),
                "output" => o.discard = value("") != "-",
                "header" => header(&mut o, &value("")),
                "request" => o.method = Some(value("")),
                "data" | "data-urlencode" => o.body = value(""),
                "connect-timeout" | "retry" | "resolve" | "user" => drop(value("")),
                "insecure" | "location" | "compressed" | "http1.1" | "no-keepalive" | "get" => {}
                other => return Err(format!("curl: option --{other}: is unknown\n")),
            }
            continue;
        }
        let Some(flags) = arg.strip_prefix('-').filter(|f| !f.is_empty()) else {
            o.url.clone_from(arg);
            continue;
        };
        for (at, letter) in flags.char_indices() {
            let inline = &flags[at + 1..];
            match letter {
                's' => o.silent = true,
                'S' => o.show_errors = true,
                'f' => o.fail = true,
                'I' => o.head = true,
                'i' => o.include = true,
                'k' | 'L' | 'v' | 'g' | 'G' | 'N' | '4' => {}
                'm' | 'w' | 'o' | 'H' | 'X' | 'd' | 'u' | 'A' => {
                    let given = value(inline);
                    match letter {
                        'm' => o.limit = given.parse().ok(),
                        'w' => o.format = given,
                        'o' => o.discard = given != "-",
                        'H' => header(&mut o, &given),
                        'X' => o.method = Some(given),
                        'd' => o.body = given,
                        _ => {}
                    }
                    break;
                }
                other => return Err(format!("curl: option -{other}: is unknown\n")),
            }
        }
    }
    if o.url.is_empty() { Err("curl: (2) no URL specified\n".into()) } else { Ok(o) }
}

fn header(o: &mut Options, text: &str) {
    if let Some((name, value)) = text.split_once(':') {
        o.headers.push((name.trim().to_lowercase(), value.trim().to_owned()));
    }
}

/// Host, port and path of a URL; the scheme may be missing.
pub(super) fn split(url: &str) -> (String, u16, String) {
    let (secure, rest) = match url.split_once("://") {
        Some((scheme, rest)) => (scheme == "https", rest),
        None => (false, url),
    };
    let (authority, path) = rest.find('/').map_or((rest, "/"), |at| (&rest[..at], &rest[at..]));
    let default = if secure { 443 } else { 80 };
    let (host, port) =
        authority.rsplit_once(':').map_or((authority, default), |(h, p)| (h, p.parse().unwrap_or(default)));
    (host.to_owned(), port, path.to_owned())
}

pub(super) enum Fetched {
    Answered(HttpAnswer),
    Unresolved,
    NoConnection,
    /// Connected to something that does not speak HTTP.
    Closed,
    TimedOut,
}

pub(super) async fn fetch(cx: &Context, host: &str, port: u16, call: &HttpCall, limit: Option<f64>) -> Fetched {
    let known = cx.engine.with(|world| {
        let namespace = world.clusters[cx.cluster].pods.get(&cx.container.uid)?.namespace.clone();
        resolve::pod(world, cx.cluster, &namespace, host)
    });
    if known.is_none() {
        return Fetched::Unresolved;
    }
    let sent = async {
        if cx.container.proxy {
            apps::direct(&cx.engine, cx.cluster, &cx.container.uid, host, port, call, 0.3).await
        } else {
            apps::request(&cx.engine, cx.cluster, &cx.container.uid, host, port, call).await
        }
    };
    let limit = Duration::from_secs_f64(limit.unwrap_or(1e6).clamp(0.0, 1e9));
    match timeout(limit, sent).await {
        Ok(Some(answer)) => Fetched::Answered(answer),
        Ok(None) if is_opaque(cx, known.map(|(ip, _)| ip), port) => Fetched::Closed,
        Ok(None) => Fetched::NoConnection,
        Err(_) => Fetched::TimedOut,
    }
}

/// Whether something listens there that takes connections and does not speak HTTP.
fn is_opaque(cx: &Context, ip: Option<std::net::Ipv4Addr>, port: u16) -> bool {
    let caller = Caller::Pod(cx.cluster, cx.container.uid.clone());
    let reached = ip.map(|ip| cx.engine.with(|world| reach(world, &caller, ip, port)));
    matches!(reached, Some(Reach::To(place)) if place.kind == Kind::Opaque)
}

/// Runs `curl`: one request per URL of a range.
pub(super) async fn curl(cx: &Context, args: &[String], output: &Output) -> Exit {
    let mut o = match options(args) {
        Ok(options) => options,
        Err(why) => {
            output.err(why).await;
            return Exit::Code(2);
        }
    };
    let mut last = 0;
    for url in ranged(&o.url) {
        o.url = url;
        last = one(cx, &o, output).await;
        if o.fail_early && last != 0 {
            break;
        }
    }
    Exit::Code(last)
}

/// The URLs of a URL with a numeric range.
fn ranged(url: &str) -> Vec<String> {
    let range = url.split_once('[').and_then(|(before, rest)| {
        let (range, after) = rest.split_once(']')?;
        let (first, last) = range.split_once('-')?;
        let (first, last): (u16, u16) = (first.parse().ok()?, last.parse().ok()?);
        Some((first..=last).map(|n| format!("{before}{n}{after}")).collect())
    });
    range.unwrap_or_else(|| vec![url.to_owned()])
}

/// Sends one request and prints the result; returns the exit code.
async fn one(cx: &Context, o: &Options, output: &Output) -> i32 {
    let (host, port, path) = split(&o.url);
    let method = if o.head {
        "HEAD"
    } else if o.body.is_empty() {
        "GET"
    } else {
        "POST"
    };
    let mut call = HttpCall::get(&path);
    call.method = o.method.as_deref().unwrap_or(method).parse().unwrap_or(http::Method::GET);
    call.headers.clone_from(&o.headers);
    call.body = o.body.clone().into();
    let begun = Instant::now();
    let got = fetch(cx, &host, port, &call, o.limit).await;
    let took = begun.elapsed();
    let (code, status, why) = match got {
        Fetched::Answered(answer) => {
            let failed = o.fail && answer.status >= 400;
            if o.head || o.include {
                output
                    .out(format!(
                        "HTTP/1.1 {}\r\ncontent-type: {}\r\ncontent-length: {}\r\n\r\n",
                        answer.status,
                        answer.kind,
                        answer.body.len()
                    ))
                    .await;
            }
            if !failed && !o.discard && !o.head {
                output.out(answer.body.clone()).await;
            }
            let text = format!("curl: (22) The requested URL returned error: {}\n", answer.status);
            (if failed { 22 } else { 0 }, answer.status, text)
        }
        Fetched::Unresolved => (6, 0, format!("curl: (6) Could not resolve host: {host}\n")),
        Fetched::NoConnection => (
            7,
            0,
            format!(
                "curl: (7) Failed to connect to {host} port {port} after {} ms: Couldn't connect to server\n",
                took.as_millis()
            ),
        ),
        Fetched::Closed => (52, 0, "curl: (52) Empty reply from server\n".to_owned()),
        Fetched::TimedOut => {
            (28, 0, format!("curl: (28) Connection timed out after {} milliseconds\n", took.as_millis()))
        }
    };
    if code != 0 && (!o.silent || o.show_errors) {
        output.err(why).await;
    }
    if !o.format.is_empty() {
        let text = o
            .format
            .replace("%{http_code}", &format!("{status:03}"))
            .replace("%{response_code}", &format!("{status:03}"))
            .replace("%{time_total}", &format!("{:.6}", took.as_secs_f64()))
            .replace("%{exitcode}", &code.to_string())
            .replace("\\n", "\n")
            .replace("\\t", "\t");
        output.out(text).await;
    }
    code
}

/// Runs `wget`.
pub(super) async fn wget(cx: &Context, args: &[String], output: &Output) -> Exit {
    let (mut url, mut limit, mut discard) = (String::new(), None, false);
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        match arg.as_str() {
            "-T" | "--timeout" => limit = rest.next().and_then(|v| v.parse().ok()),
            "-O" => discard = rest.next().is_none_or(|v| v != "-"),
            "-qO" => discard = rest.next().is_none_or(|v| v != "-"),
            a if a.starts_with("-T") => limit = a[2..].parse().ok(),
            a if a.starts_with("--timeout=") => limit = a["--timeout=".len()..].parse().ok(),
            "--header" => drop(rest.next()),
            a if a.starts_with('-') => {}
            other => url = other.to_owned(),
        }
    }
    let (host, port, path) = split(&url);
    match fetch(cx, &host, port, &HttpCall::get(&path), limit).await {
        Fetched::Answered(answer) if answer.status >= 400 => {
            output.err(format!("wget: server returned error: HTTP/1.1 {}\n", answer.status)).await;
            Exit::Code(1)
        }
        Fetched::Answered(answer) => {
            if !discard {
                output.out(answer.body).await;
            }
            Exit::Code(0)
        }
        Fetched::Unresolved => {
            output.err(format!("wget: bad address '{host}'\n")).await;
            Exit::Code(1)
        }
        Fetched::NoConnection => {
            output.err(format!("wget: can't connect to remote host ({host}): Connection refused\n")).await;
            Exit::Code(1)
        }
        Fetched::Closed => {
            output.err("wget: error getting response\n").await;
            Exit::Code(1)
        }
        Fetched::TimedOut => {
            output.err("wget: download timed out\n").await;
            Exit::Code(1)
        }
    }
}
