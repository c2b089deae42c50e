//! `PromQL`: parsed by promql-parser, evaluated here. Native histograms are not supported.

mod aggregate;
mod binary;
mod functions;
mod value;

use promql_parser::parser::{self, Expr, Offset, VectorSelector};

use super::labels::{Labels, NAME};
use super::tsdb::Tsdb;
pub(crate) use value::{QueryError, Ranged, Sample, Value, number};

/// Parses a query. Errors have Prometheus' wording.
pub(crate) fn parse(text: &str) -> Result<Expr, QueryError> {
    if text.trim().is_empty() {
        return Err(QueryError::bad("unknown position: parse error: no expression found in input"));
    }
    parser::parse(text).map_err(|why| QueryError::bad(format!("1:1: parse error: {why}")))
}

/// Evaluates at one instant, Unix milliseconds.
pub(crate) fn eval(db: &Tsdb, expr: &Expr, at: i64) -> Result<Value, QueryError> {
    match expr {
        Expr::NumberLiteral(n) => Ok(Value::Scalar(n.val)),
        Expr::StringLiteral(s) => Ok(Value::Text(s.val.clone())),
        Expr::Paren(p) => eval(db, &p.expr, at),
        Expr::Unary(u) => Ok(match eval(db, &u.expr, at)? {
            Value::Scalar(n) => Value::Scalar(-n),
            Value::Vector(list) => Value::Vector(
                list.into_iter().map(|s| Sample { labels: s.labels.without_name(), value: -s.value, ..s }).collect(),
            ),
            other => {
                return Err(QueryError::bad(format!(
                    "unary expression only allowed on expressions of type scalar or instant vector, got {}",
                    other.kind()
                )));
            }
        }),
        Expr::VectorSelector(selector) => Ok(Value::Vector(instant(db, selector, at))),
        Expr::MatrixSelector(m) => Ok(Value::Matrix(ranged(db, &m.vs, m.range.as_millis() as i64, at))),
        Expr::Subquery(sub) => {
            let range = sub.range.as_millis() as i64;
            let step = sub.step.map_or(60_000, |s| s.as_millis() as i64).max(1);
            let end = at - offset(sub.offset.as_ref());
            subquery(db, &sub.expr, range, step, end)
        }
        Expr::Aggregate(aggregate) => aggregate::eval(db, aggregate, at),
        Expr::Binary(binary) => binary::eval(db, binary, at),
        Expr::Call(call) => functions::eval(db, call, at),
        Expr::Extension(_) => Err(QueryError::bad("unknown expression")),
    }
}

fn offset(offset: Option<&Offset>) -> i64 {
    match offset {
        Some(Offset::Pos(d)) => d.as_millis() as i64,
        Some(Offset::Neg(d)) => -(d.as_millis() as i64),
        None => 0,
    }
}

fn shifted(selector: &VectorSelector, at: i64) -> i64 {
    at - offset(selector.offset.as_ref())
}

fn instant(db: &Tsdb, selector: &VectorSelector, at: i64) -> Vec<Sample> {
    let at = shifted(selector, at);
    db.select(selector.name.as_deref(), &selector.matchers)
        .filter_map(|s| s.at(at).map(|(t, value)| Sample { labels: s.labels.clone(), value, at: t }))
        .collect()
}

fn ranged(db: &Tsdb, selector: &VectorSelector, range: i64, at: i64) -> Ranged {
    let end = shifted(selector, at);
    let series = db
        .select(selector.name.as_deref(), &selector.matchers)
        .map(|s| (s.labels.clone(), s.range(end - range, end)))
        .filter(|(_, samples)| !samples.is_empty())
        .collect();
    Ranged { series, start: end - range, end }
}

fn subquery(db: &Tsdb, expr: &Expr, range: i64, step: i64, end: i64) -> Result<Value, QueryError> {
    let mut series: std::collections::BTreeMap<Labels, Vec<(i64, f64)>> = std::collections::BTreeMap::new();
    let mut t = (end - range).div_euclid(step) * step + step;
    while t <= end {
        match eval(db, expr, t)? {
            Value::Vector(list) => {
                for sample in list {
                    series.entry(sample.labels).or_default().push((t, sample.value));
                }
            }
            Value::Scalar(n) => series.entry(Labels::default()).or_default().push((t, n)),
            _ => return Err(QueryError::bad("subquery is only allowed on instant vector")),
        }
        t += step;
    }
    Ok(Value::Matrix(Ranged { series: series.into_iter().collect(), start: end - range, end }))
}

/// The labels of an absent series: those matched for equality.
fn absent_labels(expr: &Expr) -> Labels {
    let selector = match expr {
        Expr::VectorSelector(s) => s,
        Expr::MatrixSelector(m) => &m.vs,
        Expr::Paren(p) => return absent_labels(&p.expr),
        _ => return Labels::default(),
    };
    let equal = selector.matchers.matchers.iter().filter(|m| matches!(m.op, promql_parser::label::MatchOp::Equal));
    Labels::new(equal.filter(|m| m.name != NAME).map(|m| (m.name.clone(), m.value.clone())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn db() -> Tsdb {
        let mut db = Tsdb::default();
        for (code, step) in [("200", 10.0), ("503", 1.0)] {
            let labels = Labels::new([(NAME, "req"), ("code", code), ("job", "a")]);
            for i in 0..=60 {
                db.append(&labels, i * 5_000, step * i as f64);
            }
        }
        let up = Labels::new([(NAME, "up"), ("job", "a")]);
        db.append(&up, 300_000, 1.0);
        for (le, n) in [("10", 50.0), ("100", 90.0), ("+Inf", 100.0)] {
            db.append(&Labels::new([(NAME, "h_bucket"), ("le", le)]), 300_000, n);
        }
        db
    }

    fn ask(query: &str) -> Vec<(String, f64)> {
        match eval(&db(), &parse(query).unwrap(), 300_000).unwrap() {
            Value::Vector(list) => list.into_iter().map(|s| (s.labels.braces(), s.value)).collect(),
            Value::Scalar(n) => vec![(String::new(), n)],
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn rates_sums_and_ratios() {
        let near = |query: &str, wanted: f64| {
            let got = ask(query);
            assert_eq!(got.len(), 1, "{query}: {got:?}");
            assert!((got[0].1 - wanted).abs() < 1e-6, "{query}: {got:?}");
        };
        near("sum(rate(req[1m]))", 2.2);
        near(r#"sum(rate(req{code=~"5.."}[1m])) / sum(rate(req[1m]))"#, 1.0 / 11.0);
        near("sum(increase(req[1m]))", 132.0);
        near("histogram_quantile(0.5, h_bucket)", 10.0);
        near("histogram_quantile(0.9, h_bucket)", 100.0);
        near("count(req)", 2.0);
        near("scalar(up) + 1", 2.0);
        near("quantile(0.5, req)", 330.0);
        near("(sum(rate(nothing[5m])) or vector(0)) / 4", 0.0);
        near("max_over_time(req{code=\"200\"}[1m] offset 5s)", 590.0);
    }

    #[test]
    fn comparisons_filter_and_absence_is_seen() {
        assert_eq!(ask("up == 0"), []);
        assert_eq!(ask("up == bool 0"), [("{job=\"a\"}".to_owned(), 0.0)]);
        assert_eq!(ask(r#"absent(up{job="b"} == 1)"#), [(String::new(), 1.0)]);
        assert_eq!(ask(r#"absent(up{job="b"})"#), [("{job=\"b\"}".to_owned(), 1.0)]);
        assert_eq!(ask("sum(rate(nothing[5m])) == 0"), []);
        assert_eq!(ask("req unless on(code) req{code=\"200\"}"), [("{code=\"503\",job=\"a\"}".to_owned(), 60.0)]);
        assert_eq!(ask("req{code=\"503\"} * on(job) group_left up"), [("{code=\"503\",job=\"a\"}".to_owned(), 60.0)]);
        assert_eq!(ask(r#"label_replace(up, "x", "$1", "job", "(.*)")"#), [("{job=\"a\",x=\"a\"}".to_owned(), 1.0)]);
        assert_eq!(ask("topk(1, req)"), [("{code=\"200\",job=\"a\"}".to_owned(), 600.0)]);
    }

    #[test]
    fn mistakes_are_bad_data() {
        assert!(parse("rate(req[5m]) by (x)").is_err());
        assert!(parse("$value").is_err());
        assert!(parse("sum(").is_err());
    }
}
