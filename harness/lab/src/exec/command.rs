//! Runs one command in a container: a program that is implemented here, or a shell script of such programs.

use std::time::Duration;

use tokio::time::sleep;

use super::channels::{Exit, Output};
use super::context::Context;
use super::image::has_program;
use super::script::{Join, parse};
use super::{curl, files, pilot, ping};

/// Runs one command.
pub(super) async fn run(cx: &Context, words: &[String], output: &Output) -> Exit {
    let Some(program) = words.first() else { return Exit::Missing(String::new()) };
    if !has_program(&cx.container.image, program) {
        return Exit::Missing(program.clone());
    }
    let name = program.rsplit('/').next().unwrap_or(program);
    let args = &words[1..];
    let text = |i: usize| args.get(i).map_or("", String::as_str);
    match name {
        "true" => Exit::Code(0),
        "false" => Exit::Code(1),
        "busybox" => Box::pin(run(cx, args, output)).await,
        "sh" | "bash" => Box::pin(shell(cx, args, output)).await,
        "timeout" => Box::pin(with_timeout(cx, args, output)).await,
        "ping" => ping::run(cx, args, output).await,
        "curl" => curl::curl(cx, args, output).await,
        "wget" => curl::wget(cx, args, output).await,
        "pilot-agent" | "pilot-discovery" => pilot::run(cx, name, args, output).await,
        "echo" => {
            let (newline, words) = if text(0) == "-n" { ("", &args[1..]) } else { ("\n", args) };
            output.out(format!("{}{newline}", words.join(" "))).await;
            Exit::Code(0)
        }
        "printf" => {
            output.out(text(0).replace("\\n", "\n").replacen("%s", text(1), 1)).await;
            Exit::Code(0)
        }
        "sleep" => {
            let seconds: f64 = text(0).trim_end_matches('s').parse().unwrap_or(0.0);
            sleep(Duration::from_secs_f64(seconds.clamp(0.0, 1e9))).await;
            Exit::Code(0)
        }
        "hostname" => {
            let name = cx.engine.with(|world| {
                world.clusters[cx.cluster].pods.get(&cx.container.uid).map(|p| p.name.clone()).unwrap_or_default()
            });
            output.out(format!("{name}\n")).await;
            Exit::Code(0)
        }
        "env" | "printenv" => files::environment(cx, text(0), output).await,
        "cat" | "head" => files::cat(cx, args, output).await,
        "date" => {
            let date = cx.engine.with(|world| world.date());
            output.out(format!("{date}\n")).await;
            Exit::Code(0)
        }
        "id" | "whoami" => {
            output
                .out(if cx.container.proxy {
                    "uid=1337(istio-proxy) gid=1337(istio-proxy)\n"
                } else {
                    "uid=0(root) gid=0(root)\n"
                })
                .await;
            Exit::Code(0)
        }
        "nslookup" => files::lookup(cx, text(0), output).await,
        "pwd" => {
            output.out("/\n").await;
            Exit::Code(0)
        }
        "uname" => {
            output.out("Linux\n").await;
            Exit::Code(0)
        }
        "ls" => {
            output.out("bin\ndev\netc\nproc\nsys\ntmp\nusr\nvar\n").await;
            Exit::Code(0)
        }
        "test" | "[" => Exit::Code(i32::from(
            text(0) == "!" || text(0) == "-z" && !text(1).is_empty() || text(1) == "=" && text(0) != text(2),
        )),
        _ => Exit::Missing(program.clone()),
    }
}

async fn with_timeout(cx: &Context, args: &[String], output: &Output) -> Exit {
    let args: Vec<String> = args.iter().skip_while(|a| a.starts_with('-')).cloned().collect();
    let seconds: f64 = args.first().and_then(|s| s.trim_end_matches('s').parse().ok()).unwrap_or(0.0);
    let limit = Duration::from_secs_f64(seconds.clamp(0.0, 1e9));
    match tokio::time::timeout(limit, run(cx, args.get(1..).unwrap_or(&[]), output)).await {
        Ok(exit) => exit,
        Err(_) => Exit::Code(if cx.container.image.contains("/app") { 143 } else { 124 }),
    }
}

/// Runs `sh` with its arguments.
async fn shell(cx: &Context, args: &[String], output: &Output) -> Exit {
    let mut args = args.iter();
    let script = loop {
        match args.next().map(String::as_str) {
            Some(flag) if flag.starts_with('-') && flag.contains('c') => break args.next(),
            Some(flag) if flag.starts_with('-') => {}
            _ => return Exit::Code(0),
        }
    };
    let Some(script) = script else { return Exit::Code(2) };
    let host = cx.engine.with(|world| {
        world.clusters[cx.cluster].pods.get(&cx.container.uid).map(|p| p.name.clone()).unwrap_or_default()
    });
    let mut code = 0;
    for (join, words) in parse(script) {
        let skip = match join {
            Join::Always => false,
            Join::And => code != 0,
            Join::Or => code == 0,
        };
        if skip || words.is_empty() {
            continue;
        }
        let mut out = output.clone();
        let mut command = Vec::new();
        for word in words {
            match word.as_str() {
                ">/dev/null" | "1>/dev/null" => out.quiet_out = true,
                "2>/dev/null" => out.quiet_err = true,
                "2>&1" => out.joined = true,
                "&>/dev/null" => (out.quiet_out, out.quiet_err) = (true, true),
                _ => command.push(word.replace("$?", &code.to_string()).replace("$HOSTNAME", &host)),
            }
        }
        if command.first().is_some_and(|w| w == "exit") {
            return Exit::Code(command.get(1).and_then(|n| n.parse().ok()).unwrap_or(code));
        }
        if command.first().is_some_and(|w| w == "exec") {
            command.remove(0);
        }
        code = match run(cx, &command, &out).await {
            Exit::Code(code) => code,
            Exit::Missing(program) => {
                out.err(format!("sh: {program}: not found\n")).await;
                127
            }
        };
    }
    Exit::Code(code)
}
