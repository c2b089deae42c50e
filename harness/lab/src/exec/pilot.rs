//! `pilot-agent request`, `pilot-agent wait` and `pilot-discovery request`.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::channels::{Exit, Output};
use super::context::Context;
use super::curl::{Fetched, fetch, split};
use crate::mesh::control;
use crate::plane::apps;
use crate::plane::call::HttpCall;

/// Runs either program; supports `request`, `version` and the agent's `wait`.
pub(super) async fn run(cx: &Context, program: &str, args: &[String], output: &Output) -> Exit {
    match args.first().map(String::as_str) {
        Some("request") => {}
        Some("wait") if program == "pilot-agent" => return wait(cx, &args[1..], output).await,
        Some("version") => {
            let version = cx.engine.with(|world| {
                let here = &world.clusters[cx.cluster];
                here.pods.get(&cx.container.uid).map(|pod| control::version(here, pod))
            });
            output.out(format!("version.BuildInfo{{Version:\"{}\"}}\n", version.unwrap_or_default())).await;
            return Exit::Code(0);
        }
        _ => {
            output.err(format!("Error: unknown command for \"{program}\"\n")).await;
            return Exit::Code(255);
        }
    }
    let mut port = if program == "pilot-agent" { 15000 } else { 8080 };
    let mut words = Vec::new();
    let mut rest = args[1..].iter();
    while let Some(arg) = rest.next() {
        if arg == "--debug-port" {
            port = rest.next().and_then(|p| p.parse().ok()).unwrap_or(port);
        } else if let Some(given) = arg.strip_prefix("--debug-port=") {
            port = given.parse().unwrap_or(port);
        } else {
            words.push(arg.as_str());
        }
    }
    let (Some(method), Some(path)) = (words.first(), words.get(1)) else {
        output.err("Error: requires at least 2 arg(s)\n").await;
        return Exit::Code(1);
    };
    let mut call = HttpCall::get(&format!("/{}", path.trim_start_matches('/')));
    call.method = method.parse().unwrap_or(http::Method::GET);
    match apps::direct(&cx.engine, cx.cluster, &cx.container.uid, "localhost", port, &call, 0.2).await {
        Some(answer) if answer.status > 399 && answer.status != 404 => {
            output
                .err(format!(
                    "Error: received unsuccessful status code {}: {}\n",
                    answer.status,
                    String::from_utf8_lossy(&answer.body)
                ))
                .await;
            Exit::Code(1)
        }
        Some(answer) => {
            output.out(answer.body).await;
            output.out("\n").await;
            Exit::Code(0)
        }
        None => {
            output.err(format!("Error: failed to execute command on Envoy: Get \"http://localhost:{port}{}\": dial tcp 127.0.0.1:{port}: connect: connection refused\n", call.path)).await;
            Exit::Code(1)
        }
    }
}

/// Requests a URL until it answers 200, with a pause before each try. The deadline is checked between tries.
async fn wait(cx: &Context, args: &[String], output: &Output) -> Exit {
    let mut url = "http://localhost:15021/healthz/ready";
    let (mut seconds, mut each, mut pause) = (60, 500, 500);
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        let (name, inline) = arg.split_once('=').map_or((arg.as_str(), None), |(name, value)| (name, Some(value)));
        let value = inline.or_else(|| rest.next().map(String::as_str)).unwrap_or_default();
        match name {
            "--url" => url = value,
            "--timeoutSeconds" => seconds = value.parse().unwrap_or(seconds),
            "--requestTimeoutMillis" => each = value.parse().unwrap_or(each),
            "--periodMillis" => pause = value.parse().unwrap_or(pause),
            _ => {
                output.err(format!("Error: unknown flag: {arg}\n")).await;
                return Exit::Code(255);
            }
        }
    }
    let (host, port, path) = split(url);
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut last = "<nil>".to_owned();
    output.out(format!("info\tWaiting for Envoy proxy to be ready (timeout: {seconds} seconds)...\n")).await;
    while Instant::now() < end {
        sleep(Duration::from_millis(pause).min(end - Instant::now())).await;
        if Instant::now() >= end {
            break;
        }
        let limit = Duration::from_millis(each).as_secs_f64();
        let why = match fetch(cx, &host, port, &HttpCall::get(&path), Some(limit)).await {
            Fetched::Answered(answer) if answer.status == 200 => {
                output.out("info\tEnvoy is ready!\n").await;
                return Exit::Code(0);
            }
            Fetched::Answered(answer) => {
                last = format!("HTTP status code {}", answer.status);
                continue;
            }
            Fetched::Unresolved => format!("dial tcp: lookup {host} on 10.96.0.10:53: no such host"),
            Fetched::NoConnection => format!("dial tcp {host}:{port}: connect: connection refused"),
            Fetched::Closed => "EOF".to_owned(),
            Fetched::TimedOut => {
                "context deadline exceeded (Client.Timeout exceeded while awaiting headers)".to_owned()
            }
        };
        last = format!("Get \"{url}\": {why}");
    }
    output.err(format!("Error: timeout waiting for Envoy proxy to become ready. Last error: {last}\n")).await;
    Exit::Code(255)
}
