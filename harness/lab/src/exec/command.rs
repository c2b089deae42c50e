//! One exec session: runs the command, carries its streams, reports its exit.

use std::time::Duration;

use bytes::Bytes;
use futures::{SinkExt as _, StreamExt as _};
use tokio::sync::{Mutex, mpsc};
use tokio::time::sleep;
use tokio_tungstenite::tungstenite::Message;

use super::channels::{CLOSE, ERROR, Exit, Output, STDIN, end, send};
use super::{In, Socket, curl, pilot, ping, shell};
use crate::lab::Lab;
use crate::store::object;

/// What a runtime takes at the least to start a program. Clients rely on it: kubectl drops what arrives before it has made its streams.
const START: Duration = Duration::from_millis(20);

/// What a command knows of its surroundings.
pub(super) struct Cx {
    pub(super) lab: Lab,
    pub(super) c: usize,
    pub(super) place: In,
    pub(super) stdin: Mutex<mpsc::Receiver<Bytes>>,
}

/// Runs a session to its end.
pub(super) async fn session(lab: Lab, c: usize, place: In, argv: Vec<String>, stdin: bool, mut socket: Socket) {
    let (to, mut written) = mpsc::channel(64);
    let (feed, stdin_end) = mpsc::channel(64);
    let mut feed = stdin.then_some(feed);
    let output = Output { to, quiet_out: false, quiet_err: false, joined: false };
    let cx = Cx { lab, c, place, stdin: Mutex::new(stdin_end) };
    let mut running = Box::pin(async move {
        sleep(START).await;
        let exit = run(&cx, &argv, &output).await;
        drop(output);
        exit
    });
    let exit = loop {
        tokio::select! {
            biased;
            Some((channel, data)) = written.recv() => if !send(&mut socket, channel, &data).await { return },
            exit = &mut running => break exit,
            message = socket.next() => match message {
                Some(Ok(Message::Binary(data))) => match data.first() {
                    Some(&STDIN) if data.len() > 1 => if let Some(feed) = &feed {
                        let _ = feed.send(data.slice(1..)).await;
                    },
                    Some(&CLOSE) => feed = None,
                    _ => {}
                },
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => {}
            },
        }
    };
    while let Ok((channel, data)) = written.try_recv() {
        if !send(&mut socket, channel, &data).await {
            return;
        }
    }
    let _ = send(&mut socket, ERROR, exit.status().as_bytes()).await;
    let _ = socket.send(end()).await;
    // The client closes its side when it has read everything.
    while let Some(Ok(_)) = socket.next().await {}
}

/// Whether the container's image has a program.
fn installed(cx: &Cx, program: &str) -> bool {
    const SHELL: &[&str] = &[
        "sh", "busybox", "cat", "echo", "printf", "true", "false", "sleep", "env", "printenv", "hostname", "timeout",
        "date", "id", "whoami", "wget", "nslookup", "test", "[", "ls", "head", "pwd", "uname",
    ];
    let image = &cx.place.image;
    let program = program.rsplit('/').next().unwrap_or(program);
    let shell = SHELL.contains(&program);
    if image.contains("/proxyv2") && image.contains("distroless") {
        return program == "pilot-agent";
    }
    if image.contains("/coredns") || image.contains("distroless") {
        return false;
    }
    if image.contains("/proxyv2") {
        return shell && program != "wget" || matches!(program, "pilot-agent" | "curl" | "ping" | "bash");
    }
    if image.contains("/pilot") {
        return shell && program != "wget" || matches!(program, "pilot-discovery" | "curl");
    }
    shell || matches!(program, "curl" | "ping") && image.contains("/app")
}

/// Runs one command.
pub(super) async fn run(cx: &Cx, words: &[String], output: &Output) -> Exit {
    let Some(program) = words.first() else { return Exit::Missing(String::new()) };
    if !installed(cx, program) {
        return Exit::Missing(program.clone());
    }
    let name = program.rsplit('/').next().unwrap_or(program);
    let args = &words[1..];
    let text = |i: usize| args.get(i).map_or("", String::as_str);
    match name {
        "true" => Exit::Code(0),
        "false" => Exit::Code(1),
        "busybox" => Box::pin(run(cx, args, output)).await,
        "sh" | "bash" => Box::pin(shell::run(cx, args, output)).await,
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
            let name = cx
                .lab
                .with(|world| world.clusters[cx.c].pods.get(&cx.place.uid).map(|p| p.name.clone()).unwrap_or_default());
            output.out(format!("{name}\n")).await;
            Exit::Code(0)
        }
        "env" | "printenv" => environment(cx, text(0), output).await,
        "cat" | "head" => cat(cx, args, output).await,
        "date" => {
            let date = cx.lab.with(|world| world.date());
            output.out(format!("{date}\n")).await;
            Exit::Code(0)
        }
        "id" | "whoami" => {
            output
                .out(if cx.place.proxy {
                    "uid=1337(istio-proxy) gid=1337(istio-proxy)\n"
                } else {
                    "uid=0(root) gid=0(root)\n"
                })
                .await;
            Exit::Code(0)
        }
        "nslookup" => lookup(cx, text(0), output).await,
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

async fn with_timeout(cx: &Cx, args: &[String], output: &Output) -> Exit {
    let args: Vec<String> = args.iter().skip_while(|a| a.starts_with('-')).cloned().collect();
    let seconds: f64 = args.first().and_then(|s| s.trim_end_matches('s').parse().ok()).unwrap_or(0.0);
    let limit = Duration::from_secs_f64(seconds.clamp(0.0, 1e9));
    match tokio::time::timeout(limit, run(cx, args.get(1..).unwrap_or(&[]), output)).await {
        Ok(exit) => exit,
        Err(_) => Exit::Code(if cx.place.image.contains("/app") { 143 } else { 124 }),
    }
}

async fn environment(cx: &Cx, wanted: &str, output: &Output) -> Exit {
    let pairs = cx.lab.with(|world| {
        let name = world.clusters[cx.c].pods.get(&cx.place.uid).map(|p| p.name.clone()).unwrap_or_default();
        let mut pairs = vec![
            ("PATH".to_owned(), "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned()),
            ("HOSTNAME".to_owned(), name),
        ];
        if let Some(value) = world.pod_object(cx.c, &cx.place.uid) {
            let containers =
                ["/spec/containers", "/spec/initContainers"].into_iter().flat_map(|l| object::items(value, l));
            for one in containers
                .filter(|x| object::text(x, "/name") == cx.place.container)
                .flat_map(|x| object::items(x, "/env"))
            {
                pairs.push((object::text(one, "/name").to_owned(), object::text(one, "/value").to_owned()));
            }
        }
        pairs
    });
    if !wanted.is_empty() {
        let Some((_, value)) = pairs.iter().find(|(k, _)| k == wanted) else { return Exit::Code(1) };
        output.out(format!("{value}\n")).await;
        return Exit::Code(0);
    }
    let lines: Vec<String> = pairs.iter().map(|(k, v)| format!("{k}={v}")).collect();
    output.out(lines.join("\n") + "\n").await;
    Exit::Code(0)
}

async fn cat(cx: &Cx, args: &[String], output: &Output) -> Exit {
    let Some(path) = args.iter().find(|a| !a.starts_with('-') && a.parse::<u32>().is_err()) else {
        let mut stdin = cx.stdin.lock().await;
        while let Some(data) = stdin.recv().await {
            output.out(data).await;
        }
        return Exit::Code(0);
    };
    let found = cx.lab.with(|world| {
        let pod = world.clusters[cx.c].pods.get(&cx.place.uid)?;
        Some(match path.as_str() {
            "/etc/hostname" => format!("{}\n", pod.name),
            "/var/run/secrets/kubernetes.io/serviceaccount/namespace" => pod.namespace.clone(),
            "/dev/null" => String::new(),
            _ => return None,
        })
    });
    if let Some(text) = found {
        output.out(text).await;
        Exit::Code(0)
    } else {
        output.err(format!("cat: can't open '{path}': No such file or directory\n")).await;
        Exit::Code(1)
    }
}

async fn lookup(cx: &Cx, host: &str, output: &Output) -> Exit {
    let found = cx.lab.with(|world| {
        let namespace = world.clusters[cx.c].pods.get(&cx.place.uid)?.namespace.clone();
        crate::plane::resolve::pod(world, cx.c, &namespace, host).map(|(ip, _)| ip)
    });
    if let Some(ip) = found {
        output.out(format!("Server:\t\tkube-dns\n\nName:\t{host}\nAddress: {ip}\n")).await;
        Exit::Code(0)
    } else {
        output.err(format!("** server can't find {host}: NXDOMAIN\n")).await;
        Exit::Code(1)
    }
}
