//! Programs that read files, the environment and DNS: `cat`, `env` and `nslookup`.

use super::channels::{Exit, Output};
use super::context::Context;
use crate::plane::resolve;
use crate::store::object;

pub(super) async fn environment(cx: &Context, wanted: &str, output: &Output) -> Exit {
    let pairs = cx.engine.with(|world| {
        let name = world.clusters[cx.cluster].pods.get(&cx.container.uid).map(|p| p.name.clone()).unwrap_or_default();
        let mut pairs = vec![
            ("PATH".to_owned(), "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned()),
            ("HOSTNAME".to_owned(), name),
        ];
        if let Some(value) = world.pod_object(cx.cluster, &cx.container.uid) {
            let containers =
                ["/spec/containers", "/spec/initContainers"].into_iter().flat_map(|l| object::items(value, l));
            for one in containers
                .filter(|x| object::text(x, "/name") == cx.container.name)
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

pub(super) async fn cat(cx: &Context, args: &[String], output: &Output) -> Exit {
    let Some(path) = args.iter().find(|a| !a.starts_with('-') && a.parse::<u32>().is_err()) else {
        let mut stdin = cx.stdin.lock().await;
        while let Some(data) = stdin.recv().await {
            output.out(data).await;
        }
        return Exit::Code(0);
    };
    let found = cx.engine.with(|world| {
        let pod = world.clusters[cx.cluster].pods.get(&cx.container.uid)?;
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

pub(super) async fn lookup(cx: &Context, host: &str, output: &Output) -> Exit {
    let found = cx.engine.with(|world| {
        let namespace = world.clusters[cx.cluster].pods.get(&cx.container.uid)?.namespace.clone();
        resolve::pod(world, cx.cluster, &namespace, host).map(|(ip, _)| ip)
    });
    if let Some(ip) = found {
        output.out(format!("Server:\t\tkube-dns\n\nName:\t{host}\nAddress: {ip}\n")).await;
        Exit::Code(0)
    } else {
        output.err(format!("** server can't find {host}: NXDOMAIN\n")).await;
        Exit::Code(1)
    }
}
