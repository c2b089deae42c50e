//! Time: events happen when they are due.

use super::changes::settle;
use crate::alerts::notify;
use crate::clock::Ms;
use crate::kube::controllers::{deployment, replicaset, service};
use crate::kube::{kube_proxy, kubelet, scheduler};
use crate::mesh::push;
use crate::prom::scrape;
use crate::world::{Event, World};

/// Lets every event up to `now` happen, each at its own time.
pub(super) fn advance(world: &mut World, now: Ms) {
    while let Some(event) = world.next_event(now) {
        happen(world, event);
        settle(world);
    }
}

fn happen(world: &mut World, event: Event) {
    match event {
        Event::Bind(c, uid) => scheduler::bind(world, c, &uid),
        Event::Start(c, uid) => kubelet::start(world, c, &uid),
        Event::Probe(c, uid) => kubelet::probe(world, c, &uid),
        Event::Exit(c, uid) => kubelet::exit(world, c, &uid),
        Event::Remove(c, uid) => kubelet::remove(world, c, &uid),
        Event::Replicas(c, namespace, name) => replicaset::reconcile(world, c, &namespace, &name),
        Event::Rollout(c, namespace, name) => deployment::reconcile(world, c, &namespace, &name),
        Event::Complete(c, uid) => kubelet::complete(world, c, &uid),
        Event::KubeProxy(c) => kube_proxy::sync(world, c),
        Event::Address(c, namespace, name) => service::address(world, c, &namespace, &name),
        Event::Push(c) => push::push(world, c),
        Event::Scrape(c) => scrape::tick(world, c),
        Event::Notify(c) => notify::flush(world, c),
        Event::Bystander(c) => notify::bystander(world, c),
    }
}
