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
        Event::Bind(cluster, uid) => scheduler::bind(world, cluster, &uid),
        Event::Start(cluster, uid) => kubelet::start(world, cluster, &uid),
        Event::Probe(cluster, uid) => kubelet::probe(world, cluster, &uid),
        Event::Exit(cluster, uid) => kubelet::exit(world, cluster, &uid),
        Event::Remove(cluster, uid) => kubelet::remove(world, cluster, &uid),
        Event::Replicas(cluster, namespace, name) => replicaset::reconcile(world, cluster, &namespace, &name),
        Event::Rollout(cluster, namespace, name) => deployment::reconcile(world, cluster, &namespace, &name),
        Event::Complete(cluster, uid) => kubelet::complete(world, cluster, &uid),
        Event::KubeProxy(cluster) => kube_proxy::sync(world, cluster),
        Event::Address(cluster, namespace, name) => service::address(world, cluster, &namespace, &name),
        Event::Push(cluster) => push::push(world, cluster),
        Event::Scrape(cluster) => scrape::tick(world, cluster),
        Event::Notify(cluster) => notify::flush(world, cluster),
        Event::Bystander(cluster) => notify::bystander(world, cluster),
    }
}
