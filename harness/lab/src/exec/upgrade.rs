//! Upgrades requests to `WebSockets`. SPDY is refused.

use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role as Side;

use super::context::Container;
use super::{forward, session};
use crate::api::body::Body;
use crate::api::failure::ApiFailure;
use crate::api::path::Target;
use crate::api::query::Query;
use crate::engine::Engine;
use crate::store::{object, resources};
use crate::world::Stage;

/// Upgrades a request to a WebSocket and starts the session.
pub(crate) fn upgrade(
    engine: &Engine,
    cluster: usize,
    target: &Target,
    query: &Query,
    request: &mut http::Request<Incoming>,
) -> Result<http::Response<Body>, ApiFailure> {
    let header = |name: &str| request.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or("");
    let place = find(engine, cluster, target, query.get("container"))?;
    let wanted = header("upgrade").to_ascii_lowercase();
    if wanted.contains("spdy") {
        return Err(ApiFailure::bad_request(
            "SPDY is not spoken here: use WebSockets (v5.channel.k8s.io, v4.channel.k8s.io)",
        ));
    }
    if wanted != "websocket" {
        return Err(ApiFailure::bad_request("Upgrade request required"));
    }
    let offered: Vec<String> = request
        .headers()
        .get_all("sec-websocket-protocol")
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(','))
        .map(|p| p.trim().to_owned())
        .collect();
    let spoken: &[&str] = if target.sub == "portforward" {
        &["v4.channel.k8s.io", "portforward.k8s.io"]
    } else {
        &["v5.channel.k8s.io", "v4.channel.k8s.io"]
    };
    let protocol = spoken.iter().find(|p| offered.iter().any(|o| o == *p)).copied();
    if protocol.is_none() && !offered.is_empty() {
        return Err(ApiFailure::bad_request(format!(
            "unable to upgrade: none of the offered subprotocols is spoken: {}",
            offered.join(", ")
        )));
    }
    let accept = derive_accept_key(header("sec-websocket-key").as_bytes());
    let upgraded = hyper::upgrade::on(request);
    let query = query.clone();
    let engine = engine.clone();
    let forward = target.sub == "portforward";
    tokio::spawn(async move {
        let Ok(upgraded) = upgraded.await else { return };
        let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Side::Server, None).await;
        if forward {
            forward::run(engine, cluster, place.uid, &query, socket).await;
        } else {
            let argv: Vec<String> = query.all("command").map(str::to_owned).collect();
            session::run(engine, cluster, place, argv, query.flag("stdin"), socket).await;
        }
    });
    let mut response = http::Response::builder()
        .status(101)
        .header("upgrade", "websocket")
        .header("connection", "Upgrade")
        .header("sec-websocket-accept", accept);
    if let Some(protocol) = protocol {
        response = response.header("sec-websocket-protocol", protocol);
    }
    response.body(Body::empty()).map_err(|e| ApiFailure::internal(e.to_string()))
}

fn find(engine: &Engine, cluster: usize, target: &Target, container: Option<&str>) -> Result<Container, ApiFailure> {
    engine.with(|world| {
        let cluster = &world.clusters[cluster];
        let Some(value) = cluster.store.get(resources::pods(), &target.namespace, &target.name) else {
            return Err(ApiFailure::not_found(resources::pods(), &target.name));
        };
        let container = container.unwrap_or_else(|| object::text(value, "/spec/containers/0/name"));
        let spec = ["/spec/containers", "/spec/initContainers"]
            .iter()
            .flat_map(|list| object::items(value, list))
            .find(|x| object::text(x, "/name") == container);
        let Some(spec) = spec else {
            return Err(ApiFailure::bad_request(format!("container {container} is not valid for pod {}", target.name)));
        };
        let running = cluster.pods.get(object::uid(value)).is_some_and(|p| p.network && p.stage != Stage::Done);
        if !running {
            return Err(ApiFailure::internal(format!(
                "unable to upgrade connection: container not found (\"{container}\")"
            )));
        }
        Ok(Container {
            uid: object::uid(value).into(),
            name: container.to_owned(),
            image: object::text(spec, "/image").to_owned(),
            proxy: container == "istio-proxy",
        })
    })
}
