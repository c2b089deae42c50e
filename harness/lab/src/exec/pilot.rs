//! `pilot-agent request` and `pilot-discovery request`.

use super::channels::{Exit, Output};
use super::command::Cx;
use crate::plane::apps;
use crate::plane::call::Call;

/// Runs either program; only `request` and `version` are known.
pub(super) async fn run(cx: &Cx, program: &str, args: &[String], output: &Output) -> Exit {
    match args.first().map(String::as_str) {
        Some("request") => {}
        Some("version") => {
            output.out(format!("version.BuildInfo{{Version:\"{}\"}}\n", crate::kube::admission::ISTIO)).await;
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
    let mut call = Call::get(&format!("/{}", path.trim_start_matches('/')));
    call.method = method.parse().unwrap_or(http::Method::GET);
    match apps::direct(&cx.lab, cx.c, &cx.place.uid, "localhost", port, &call, 0.2).await {
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
