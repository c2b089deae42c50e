use std::collections::BTreeSet;

use super::*;

const YAML: &str = r#"
global: { resolve_timeout: 5m }
route:
  receiver: default
  routes:
  - matchers: [ 'team="infra"' ]
    receiver: pagerduty
    routes:
    - match: { app: shop }
      receiver: shop
  - match_re: { team: 'web|mobile' }
    receiver: chat
    continue: true
  - matchers: [ '{severity=~"critical|page", team!=infra}' ]
    receiver: mail
    mute_time_intervals: [weekends]
  - matchers: [ tier="night" ]
    receiver: pagerduty
    active_time_intervals: [hours]
  - matchers: [ tier="far" ]
    receiver: pagerduty
    mute_time_intervals: [far]
  - matchers: [ namespace="payments" ]
    receiver: nobody
inhibit_rules:
- source_matchers: [ alertname="ClusterDown" ]
  target_match_re: { severity: 'critical|warning' }
  equal: [cluster]
- source_match: { severity: critical }
  target_matchers: [ severity=~"critical|warning" ]
time_intervals:
- name: weekends
  time_intervals: [{ weekdays: [saturday, sunday] }]
- name: far
  time_intervals: [{ location: Nowhere/Far }]
mute_time_intervals:
- name: hours
  time_intervals: [{ weekdays: ['monday:friday'], times: [{ start_time: '08:00', end_time: '18:00' }] }]
receivers:
- { name: default, webhook_configs: [{ url: 'http://a' }] }
- { name: pagerduty, pagerduty_configs: [{}] }
- { name: shop, slack_configs: [{}] }
- { name: chat, slack_configs: [{}] }
- { name: mail, email_configs: [{}] }
- { name: nobody }
"#;

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// An alert with exactly these labels.
fn exact(pairs: &[(&str, &str)]) -> ExpectedLabels {
    ExpectedLabels::new("X", &labels(pairs), &BTreeMap::new(), Some(BTreeSet::new()))
}

fn deliver(yaml: &str, now: &str, firing: &[BTreeMap<String, String>], labels: &ExpectedLabels) -> Delivery {
    let config = Config::parse(yaml).unwrap();
    let context = DeliveryContext { config: &config, firing, now: now.parse().unwrap(), zone: &|_| None };
    context.delivery(labels)
}

/// On a Monday at noon.
fn monday(pairs: &[(&str, &str)]) -> Delivery {
    deliver(YAML, "2026-11-23T12:00:00Z", &[], &exact(pairs))
}

fn why(delivery: &Delivery) -> &str {
    match &delivery.reach {
        DeliveryReach::Somebody => "",
        DeliveryReach::Nobody(why) | DeliveryReach::Undecided(why) => why,
    }
}

#[test]
fn the_path_is_that_of_alertmanager() {
    for (pairs, paths) in [
        (&[][..], &["root -> default"][..]),
        (&[("team", "infra"), ("severity", "critical")], &["root -> team=infra -> pagerduty"]),
        (&[("team", "infra"), ("app", "shop")], &["root -> team=infra -> app=shop -> shop"]),
        (&[("team", "web")], &["root -> team=~web|mobile -> chat"]),
        (
            &[("team", "web"), ("severity", "page")],
            &["root -> team=~web|mobile -> chat", "root -> severity=~critical|page,team!=infra -> mail"],
        ),
        (&[("team", "webs")], &["root -> default"]),
    ] {
        assert_eq!(monday(pairs).paths, paths, "{pairs:?}");
    }
    assert_eq!(monday(&[("team", "infra")]).reach, DeliveryReach::Somebody);
}

#[test]
fn a_receiver_without_integrations_reaches_nobody() {
    let delivery = monday(&[("namespace", "payments")]);
    assert_eq!(delivery.reach, DeliveryReach::Nobody("receiver nobody has no integration".to_owned()));
}

#[test]
fn intervals_count_now_and_in_the_coming_week() {
    let critical = [("severity", "critical")];
    let says = "time interval weekends mutes it from Sat 2026-11-28 00:00 UTC until Mon 2026-11-30 00:00 UTC, 48 h of the coming week";
    assert_eq!(why(&monday(&critical)), says);
    let on_sunday = deliver(YAML, "2026-11-22T12:00:00Z", &[], &exact(&critical));
    assert!(why(&on_sunday).starts_with("time interval weekends mutes it now until Mon 2026-11-23 00:00 UTC"));
    // Somebody else is notified at the same time.
    assert_eq!(monday(&[("severity", "critical"), ("team", "web")]).reach, DeliveryReach::Somebody);
    let night = monday(&[("tier", "night")]);
    assert!(why(&night).starts_with("time interval hours mutes it from Mon 2026-11-23 18:00 UTC"), "{}", why(&night));
    let far = monday(&[("tier", "far")]);
    assert_eq!(
        far.reach,
        DeliveryReach::Undecided("the time zone Nowhere/Far of a time interval is not known here".to_owned())
    );
    let always = YAML.replace("[{ weekdays: [saturday, sunday] }]", "[{}]");
    let muted = deliver(&always, "2026-11-23T12:00:00Z", &[], &exact(&critical));
    assert_eq!(why(&muted), "time interval weekends mutes it now for more than a week, 168 h of the coming week");
}

#[test]
fn what_fires_inhibits() {
    let target = [("team", "infra"), ("severity", "critical"), ("cluster", "a")];
    let deliver_with =
        |source: &[(&str, &str)]| deliver(YAML, "2026-11-23T12:00:00Z", &[labels(source)], &exact(&target)).reach;
    let inhibited = DeliveryReach::Nobody("ClusterDown, which fires now, inhibits it".to_owned());
    assert_eq!(deliver_with(&[("alertname", "ClusterDown"), ("cluster", "a")]), inhibited);
    assert_eq!(deliver_with(&[("alertname", "ClusterDown"), ("cluster", "b")]), DeliveryReach::Somebody);
    assert_eq!(deliver_with(&[("alertname", "ClusterDown")]), DeliveryReach::Somebody);
    // Both are source and target of the second rule.
    assert_eq!(deliver_with(&[("alertname", "Other"), ("severity", "critical")]), DeliveryReach::Somebody);
}

#[test]
fn labels_of_the_expression_are_not_guessed() {
    let own = labels(&[("severity", "warning")]);
    let open = ExpectedLabels::new("X", &own, &BTreeMap::new(), None);
    let delivery = deliver(YAML, "2026-11-23T12:00:00Z", &[], &open);
    assert!(
        matches!(&delivery.reach, DeliveryReach::Undecided(why) if why.contains("depends on label")),
        "{delivery:?}"
    );
    // With a label that decides it, the others do not matter.
    let own = labels(&[("severity", "warning"), ("team", "infra")]);
    let open = ExpectedLabels::new("X", &own, &BTreeMap::new(), None);
    assert_eq!(deliver(YAML, "2026-11-23T12:00:00Z", &[], &open).reach, DeliveryReach::Somebody);
    // A template is not known either; an external label is, where the expression cannot give it.
    let own = labels(&[("team", "{{ $labels.team }}")]);
    let external = labels(&[("namespace", "payments")]);
    let open = ExpectedLabels::new("X", &own, &external, Some(BTreeSet::new()));
    assert!(matches!(deliver(YAML, "2026-11-23T12:00:00Z", &[], &open).reach, DeliveryReach::Undecided(_)));
    let known = ExpectedLabels::new("X", &BTreeMap::new(), &external, Some(BTreeSet::new()));
    assert!(matches!(deliver(YAML, "2026-11-23T12:00:00Z", &[], &known).reach, DeliveryReach::Nobody(_)));
}
