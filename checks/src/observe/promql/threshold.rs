//! The number that an alert's expression is compared with.

use promql_parser::parser::Expr;

use super::{PromqlError, walk};

/// The outermost comparison with a number, as people write it: `> 0.05`. `None` where the expression ends in none, as an
/// `absent(…)` does.
pub fn threshold(query: &str) -> Result<Option<String>, PromqlError> {
    let expr = super::read(query)?;
    Ok(outermost(&expr))
}

fn outermost(expr: &Expr) -> Option<String> {
    match walk::bare(expr) {
        Expr::Binary(binary) => {
            let operator = binary.op.to_string();
            let compares = matches!(operator.as_str(), ">" | "<" | ">=" | "<=" | "==" | "!=");
            match (walk::constant(&binary.lhs), walk::constant(&binary.rhs)) {
                (None, Some(number)) if compares => Some(format!("{operator} {number}")),
                // `0.05 < x` is `x > 0.05`.
                (Some(number), None) if compares => Some(format!("{} {number}", turned(&operator))),
                // `x > 1 and y > 2`: the first side carries the threshold.
                _ if matches!(operator.as_str(), "and" | "unless" | "or") => outermost(&binary.lhs),
                _ => None,
            }
        }
        _ => None,
    }
}

/// The operator with its sides exchanged.
fn turned(operator: &str) -> &str {
    match operator {
        ">" => "<",
        "<" => ">",
        ">=" => "<=",
        "<=" => ">=",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_of_rules() {
        for (query, wanted) in [
            ("(sum(rate(a[5m])) or vector(0)) / sum(rate(b[5m])) > 0.05", Some("> 0.05")),
            ("(histogram_quantile(0.99, sum by (le) (rate(x_bucket[5m]))) > 1000)", Some("> 1000")),
            ("sum(rate(a[5m])) == 0", Some("== 0")),
            ("a > 1 and b > 2", Some("> 1")),
            ("absent(up{app=\"istiod\"} == 1)", None),
            ("a > b", None),
            ("backlog_seconds > 15 * 60", Some("> 900")),
            ("x < bool (2 ^ 10) / 4", Some("< 256")),
            ("x > -(3 - 1)", Some("> -2")),
            ("0.05 < errors", Some("> 0.05")),
            ("100 >= x", Some("<= 100")),
            ("1 == x", Some("== 1")),
            ("1 <bool 2", None),
        ] {
            assert_eq!(threshold(query).unwrap().as_deref(), wanted, "{query}");
        }
        assert!(threshold("sum(").is_err());
    }
}
