//! `pods/log`: one line per container.

use super::body::{Body, with_type};
use super::failure::ApiFailure;
use super::request::Request;
use crate::engine::Engine;
use crate::store::{object, resources};

pub(crate) fn answer(engine: &Engine, cluster: usize, request: &Request) -> Result<http::Response<Body>, ApiFailure> {
    let target = &request.target;
    engine.with(|world| {
        let Some(value) = world.clusters[cluster].store.get(resources::pods(), &target.namespace, &target.name) else {
            return Err(ApiFailure::not_found(resources::pods(), &target.name));
        };
        let container =
            request.query.get("container").unwrap_or_else(|| object::text(value, "/spec/containers/0/name"));
        let known = ["/spec/containers", "/spec/initContainers"]
            .iter()
            .any(|list| object::items(value, list).iter().any(|x| object::text(x, "/name") == container));
        if !known {
            return Err(ApiFailure::bad_request(format!("container {container} is not valid for pod {}", target.name)));
        }
        let started = world.clusters[cluster].pods.get(object::uid(value)).map_or(0, |pod| pod.started);
        let stamp =
            if request.query.flag("timestamps") { format!("{} ", world.dates.micros(started)) } else { String::new() };
        let line = format!("{stamp}{} {container} of {} started\n", world.dates.seconds(started), target.name);
        Ok(with_type(200, "text/plain", line))
    })
}
