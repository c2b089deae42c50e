//! Scrapes targets, with the staleness rules of Prometheus.

use std::collections::BTreeSet;

use super::labels::NAME;
use super::target::Target;
use super::tsdb::stale;
use super::{Prometheus, discovery, rule_file, rules, samples};
use crate::clock::Ms;
use crate::world::{Event, Role, World};

/// Evaluation interval of the rules, and the shortest scrape interval.
pub(crate) const INTERVAL: Ms = 5_000;

/// Begins scraping; each cluster has its own offset.
pub(crate) fn begin(world: &mut World, cluster: usize) {
    let offset = 900 + 1_400 * i64::try_from(cluster).unwrap_or(0);
    world.after(offset % INTERVAL, Event::Scrape(cluster));
}

/// Runs one round and schedules the next.
pub(crate) fn tick(world: &mut World, cluster: usize) {
    world.after(INTERVAL, Event::Scrape(cluster));
    if !world.clusters[cluster].quirks.prometheus_frozen {
        round(world, cluster, true);
    }
}

/// Scrapes every target if the scrape interval has passed, and evaluates the rules if `judge` is set.
pub(crate) fn round(world: &mut World, cluster: usize, judge: bool) {
    let Some(instance) =
        world.clusters[cluster].pods.values().find(|p| p.role == Role::Prometheus && p.serving).map(|p| p.uid.clone())
    else {
        return;
    };
    if world.clusters[cluster].prometheus.instance.as_ref() != Some(&instance) {
        let rules = rule_file::load(world, cluster);
        let prometheus = &mut world.clusters[cluster].prometheus;
        *prometheus = Prometheus { instance: Some(instance), rules, ..Prometheus::default() };
    }
    let every = world.clusters[cluster].quirks.scrape_interval;
    if world.clusters[cluster].prometheus.scraped.is_none_or(|last| world.now - last > every - INTERVAL / 2) {
        scrape_all(world, cluster);
    }
    if judge {
        rules::evaluate(world, cluster);
    }
}

fn scrape_all(world: &mut World, cluster: usize) {
    let now = world.dates.unix_ms(world.now);
    let mut old = std::mem::take(&mut world.clusters[cluster].prometheus.targets);
    let mut targets = discovery::discover(world, cluster);
    for target in &mut targets {
        if let Some(at) = old.iter().position(|o| o.source == target.source && o.url == target.url) {
            let previous = old.swap_remove(at);
            target.series = previous.series;
        }
        scrape(world, cluster, target, now);
    }
    // The series of targets that discovery no longer returns end.
    let db = &mut world.clusters[cluster].prometheus.db;
    for gone in old.iter().filter(|t| !t.foreign) {
        gone.series.iter().for_each(|i| db.push(*i, now, stale()));
    }
    world.clusters[cluster].prometheus.targets = targets;
    world.clusters[cluster].prometheus.scraped = Some(world.now);
    world.clusters[cluster].prometheus.scrapes += 1;
}

fn scrape(world: &mut World, cluster: usize, target: &mut Target, now: i64) {
    let got = samples::expose(world, cluster, &target.source, now);
    let db = &mut world.clusters[cluster].prometheus.db;
    let mut series = BTreeSet::new();
    let count = got.as_ref().map_or(0, Vec::len);
    match got {
        Ok(samples) => {
            target.up = true;
            target.error.clear();
            for (labels, at, value) in samples {
                let labels = if target.foreign { labels } else { target.labels.or_from(&labels) };
                series.insert(db.append(&labels, at.unwrap_or(now), value));
            }
        }
        Err(why) => {
            target.up = false;
            target.error = why;
        }
    }
    for (name, value) in
        [("up", f64::from(target.up)), ("scrape_samples_scraped", count as f64), ("scrape_duration_seconds", 0.004)]
    {
        series.insert(db.append(&target.labels.with(NAME, name), now, value));
    }
    if !target.foreign {
        for gone in target.series.difference(&series) {
            if db.live(*gone, now) {
                db.push(*gone, now, stale());
            }
        }
    }
    target.series = series;
    target.scraped = world.now;
}
