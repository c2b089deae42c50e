use proptest::prelude::*;

use super::Mistake::{
    AbsentMissing, AggregationClause, DivisionByFlag, EmptyShare, ForeignGrouping, LabelAgainstLiteral, LooseFlags,
    QuantileLostBuckets, QuantilePerSeries, ReporterMissing, Syntax,
};
use super::*;

fn mistakes(query: &str) -> Vec<Mistake> {
    check(query).into_iter().map(|finding| finding.mistake).collect()
}

fn finding(query: &str, mistake: Mistake) -> Finding {
    check(query).into_iter().find(|f| f.mistake == mistake).unwrap_or_else(|| panic!("{query}: {:?}", check(query)))
}

fn correct(query: &str, mistake: Mistake) -> String {
    finding(query, mistake).correct.unwrap()
}

/// The correct form must be free of every mistake that can be put right, and must stay as it is.
fn stands(query: &str) {
    assert!(read(query).is_ok(), "{query}");
    assert_eq!(mistakes(query), [], "{query}");
}

#[test]
fn a_clause_without_an_aggregation() {
    let query = r#"rate(istio_requests_total{response_code=~"5.."}[5m]) by (cluster)"#;
    let found = finding(query, AggregationClause);
    assert_eq!(found.severity, Severity::Invalid);
    let better = found.correct.unwrap();
    assert_eq!(
        better,
        r#"sum by (source_cluster) (rate(istio_requests_total{reporter="source",response_code=~"5.."}[5m]))"#
    );
    stands(&better);
    assert_eq!(mistakes("rate(x[5m])) by (a)"), [Syntax]);
    assert_eq!(mistakes("$value"), [Syntax]);
    assert_eq!(mistakes(r#"x{a="b" or c="d"}"#), [Syntax]);
}

#[test]
fn a_label_compared_with_a_word() {
    let query = r#"istio_requests_total{source_cluster!="destination_cluster"}"#;
    let found = finding(query, LabelAgainstLiteral);
    assert!(found.why.contains("every series passes"));
    assert!(
        found.correct.unwrap().starts_with("sum by (source_cluster, destination_cluster) (rate(istio_requests_total")
    );
    let never = r#"istio_requests_total{reporter="source",source_cluster="destination_cluster"}"#;
    assert!(finding(never, LabelAgainstLiteral).why.contains("no series passes"));
    stands(r#"istio_requests_total{reporter="source",source_cluster="a",destination_cluster="b"}"#);
    stands(r#"istio_requests_total{reporter="destination",destination_workload="source"}"#);
}

#[test]
fn grouping_by_a_label_that_is_not_there() {
    let query = "sum(rate(istio_requests_total[5m])) by (cluster)";
    assert_eq!(mistakes(query), [ForeignGrouping, ReporterMissing]);
    let better = correct(query, ForeignGrouping);
    assert_eq!(better, r#"sum by (source_cluster) (rate(istio_requests_total{reporter="source"}[5m]))"#);
    stands(&better);
    stands("sum by (cluster) (rate(other_total[5m]))");
    stands("sum by (reporter, source_cluster) (rate(istio_requests_total[5m]))");
}

#[test]
fn quantiles_of_single_series_and_of_nothing() {
    let query = "histogram_quantile(0.99, rate(istio_request_duration_milliseconds_bucket[5m]))";
    let better = correct(query, QuantilePerSeries);
    assert_eq!(
        better,
        "histogram_quantile(0.99, sum by (le, destination_service) \
         (rate(istio_request_duration_milliseconds_bucket{reporter=\"source\"}[5m])))"
    );
    stands(&better);
    let lost = "histogram_quantile(0.9, sum by (app) (rate(x_bucket[5m])))";
    assert_eq!(correct(lost, QuantileLostBuckets), "histogram_quantile(0.9, sum by (le, app) (rate(x_bucket[5m])))");
    let without = "histogram_quantile(0.9, sum without (le, pod) (rate(x_bucket[5m])))";
    stands(&correct(without, QuantileLostBuckets));
    stands("histogram_quantile(0.9, sum without (pod) (rate(x_bucket[5m])))");
    // A native histogram has no buckets to keep.
    stands("histogram_quantile(0.9, sum(rate(x[5m])))");
}

#[test]
fn division_by_what_is_zero_or_one() {
    let query = "(envoy_cluster_upstream_cx_active / envoy_cluster_circuit_breakers_default_cx_pool_open) > 0.8";
    let better = correct(query, DivisionByFlag);
    assert_eq!(better, "envoy_cluster_circuit_breakers_default_cx_pool_open == 1");
    stands(&better);
    assert_eq!(mistakes("a / up"), [DivisionByFlag]);
    stands("sum(a) / sum(up)");
    stands("a / b");
}

#[test]
fn zero_of_what_is_gone() {
    let query = r#"up{app="istiod",job="kubernetes-pods"} == 0"#;
    let found = finding(query, AbsentMissing);
    assert_eq!(found.severity, Severity::Blind);
    let better = found.correct.unwrap();
    assert_eq!(better, r#"absent(up{app="istiod",job="kubernetes-pods"} == 1)"#);
    stands(&better);
    let sum = correct("sum(rate(a_total[5m])) == 0", AbsentMissing);
    assert_eq!(sum, "(sum(rate(a_total[5m])) or vector(0)) == 0");
    stands(&sum);
    stands(&correct("pilot_xds < 1", AbsentMissing));
    stands("kube_deployment_status_replicas_available{deployment=\"istiod\"} == 0");
    stands("up == 1");
    stands("a > 0");
}

#[test]
fn a_remedy_is_never_the_query_itself() {
    for query in [
        "sum by (job) (up) == 0",
        "100 * count by (job) (up == 0) / count by (job) (up) > 10",
        "min by (a) (x) < 1",
        "sum by (job) (rate(x[5m])) == 0",
    ] {
        let as_written = read(query).unwrap().to_string();
        for finding in check(query) {
            assert_ne!(finding.correct.as_ref(), Some(&as_written), "{query}");
        }
    }
}

#[test]
fn alerts_that_name_their_targets() {
    for query in [r#"up{app="istiod"} == 0"#, r#"sum(up{job="x"}) < 1"#, r#"(up{app=~"a.*"}) == 0"#] {
        assert!(names_its_targets(query), "{query}");
    }
    for query in [
        "up == 0",
        "sum by (job) (up) == 0",
        r#"100 * count by (job) (up{a="b"} == 0) / count by (job) (up) > 10"#,
        r#"absent(up{app="istiod"} == 1)"#,
        r#"up{a="b"} > 0"#,
    ] {
        assert!(!names_its_targets(query), "{query}");
    }
}

#[test]
fn a_share_that_is_empty() {
    let query =
        r#"(sum(rate(istio_requests_total{response_code=~"5.."}[5m])) / sum(rate(istio_requests_total[5m]))) * 100"#;
    let better = correct(query, EmptyShare);
    assert!(better.contains("or vector(0)) / sum(rate(istio_requests_total{reporter=\"source\"}[5m]))"), "{better}");
    stands(&better);
    let grouped = r#"sum by (a) (rate(x{response_code="503"}[5m])) / sum by (a) (rate(x[5m]))"#;
    stands(&correct(grouped, EmptyShare));
}

#[test]
fn the_other_queries_of_the_guide() {
    let flags = r#"sum(rate(istio_requests_total{response_flags=~".*UO.*"}[5m])) by (destination_service)"#;
    assert_eq!(mistakes(flags), [ReporterMissing, LooseFlags]);
    let better = correct(flags, LooseFlags);
    assert!(better.contains(r#"response_flags=~"(.*,)?UO(,.*)?""#), "{better}");
    stands(&better);
    stands(r#"up{job="prometheus-federated"}"#);
    assert_eq!(mistakes(r#"istio_requests_total{destination_app="productpage"}"#), [ReporterMissing]);
}

#[test]
fn the_seven_rules_of_the_guide() {
    let body = include_bytes!("../../../tests/captures/prometheus/api_v1_rules.json");
    let groups = crate::observe::prometheus::parse_rules(200, body).unwrap().data;
    let found: Vec<(String, Vec<Mistake>)> =
        groups[0].rules.iter().map(|rule| (rule.name.clone(), mistakes(&rule.query))).collect();
    let found: Vec<(&str, &[Mistake])> = found.iter().map(|(name, list)| (name.as_str(), &list[..])).collect();
    assert_eq!(
        found,
        [
            ("HighErrorRate", &[EmptyShare, ReporterMissing][..]),
            ("IngressGatewayDown", &[AbsentMissing]),
            ("IstiodDown", &[AbsentMissing]),
            ("HighLatency", &[ReporterMissing]),
            ("CrossClusterConnectivityIssue", &[LabelAgainstLiteral, AbsentMissing, ReporterMissing]),
            ("CircuitBreakerTriggered", &[ReporterMissing, LooseFlags]),
            ("HighConnectionPoolUsage", &[DivisionByFlag]),
        ]
    );
}

#[test]
fn what_a_rule_needs() {
    let query =
        r#"sum(rate(istio_requests_total{reporter="source",response_code=~"5.."}[5m])) > 0 or absent(up{app="a\"b"})"#;
    let found = selectors(query).unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].metric.as_deref(), Some("istio_requests_total"));
    assert_eq!(found[0].labels().into_iter().collect::<Vec<_>>(), ["reporter", "response_code"]);
    assert_eq!(found[0].potential(), r#"istio_requests_total{reporter="source",response_code!=""}"#);
    assert!(!found[0].absent && found[1].absent);
    assert_eq!(found[1].potential(), r#"up{app="a\"b"}"#);
    assert!(read(&found[1].potential()).is_ok());
    let unnamed = selectors(r#"{__name__="x",a!~"b"}"#).unwrap();
    assert_eq!((unnamed[0].metric.as_deref(), unnamed[0].potential().as_str()), (Some("x"), r#"x{a!~"b"}"#));
    assert!(selectors("1 + 1").unwrap().is_empty());
    assert!(selectors("sum(").is_err());
}

#[test]
fn monstrous_queries_are_refused() {
    for query in
        ["(".repeat(4000), "-".repeat(4000) + "1", "1+".repeat(2000) + "1", "sum(".repeat(900), "x".repeat(5000)]
    {
        assert_eq!(selectors(&query), Err(PromqlError::TooLarge));
    }
    let deep = "(".repeat(DEEPEST) + "x" + &")".repeat(DEEPEST);
    assert_eq!(selectors(&deep).unwrap().len(), 1);
}

proptest! {
    #[test]
    fn any_text_is_survived(query in "\\PC{0,80}") {
        let _ = (check(&query), selectors(&query));
    }

    #[test]
    fn any_arrangement_is_survived(parts in prop::collection::vec(prop::sample::select(vec![
        "sum", "rate", "(", ")", "[5m]", "{", "}", "x", "up", "x_bucket", "istio_requests_total", "=", "=~", "!=", "\"5..\"",
        "\".*UO.*\"", "response_code", "response_flags", "==", "0", "1", "/", "by", "le", "cluster", ",", " ", "or", "absent",
        "histogram_quantile", "0.99", "-", "offset", "@", "[1h:5m]", "\"destination_cluster\"", "source_cluster", "without",
    ]), 0..30)) {
        let query = parts.concat();
        for finding in check(&query) {
            prop_assert_eq!(finding.severity, finding.mistake.severity());
        }
        let _ = selectors(&query);
    }
}
