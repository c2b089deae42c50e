//! What a tool was meant to fill in or to show and did not: placeholders of template engines, invisible characters and
//! conflict marks.

use std::ops::Range;

use super::problem::Problem;

/// The remedy for a placeholder that is left.
const FILL: &str = "fill it in before meshdrill reads the file; quotes do not help. Values that differ from mesh to mesh are `${name}` with `vars` of the mesh file or `--set`";

/// The problem of a placeholder that is left.
pub fn left_unfilled(at: Range<usize>, placeholder: &str) -> Problem {
    let message = format!("`{}` looks like a placeholder that was not filled in", placeholder.trim());
    Problem::at(at, message).help(FILL)
}

/// The brackets of template engines: Helm and Jinja, statements of Jinja, ERB, envsubst, Make, Octopus Deploy.
const BRACKETS: [(&str, &str); 6] = [("{{", "}}"), ("{%", "%}"), ("<%", "%>"), ("${", "}"), ("$(", ")"), ("#{", "}")];

/// The first placeholder in a text, in bytes: `{{ .Values.x }}`, `<% x %>`, `${X}`, `$X`, `$(X)`, `<x>`, `%X%`, `@X@`.
pub fn template_in(text: &str) -> Option<Range<usize>> {
    let bracketed = BRACKETS.iter().filter_map(|(open, close)| {
        let start =
            text.match_indices(open).map(|(at, _)| at).find(|at| *open != "${" || !text[..*at].ends_with('$'))?;
        let end = text[start..].find(close).map_or(text.len(), |length| start + length + close.len());
        Some(start..end)
    });
    let named =
        [("$", ""), ("<", ">"), ("%", "%"), ("@", "@")].iter().filter_map(|(open, close)| named(text, open, close));
    bracketed.chain(named).min_by_key(|found| found.start)
}

/// A name between two marks, without spaces beside them.
fn named(text: &str, open: &str, close: &str) -> Option<Range<usize>> {
    text.match_indices(open).find_map(|(start, _)| {
        let rest = &text[start + open.len()..];
        let name = |c: char| c.is_ascii_alphanumeric() || c == '_' || (open == "<" && "-. ".contains(c));
        let length = rest.find(|c| !name(c)).unwrap_or(rest.len());
        let word = &rest[..length];
        let starts = word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && !word.ends_with(' ');
        // `%2F` and `%AB` are parts of a URL, `user@host` is an address.
        let is_name = match open {
            "%" => word.len() > 2 && !word.bytes().take(2).all(|byte| byte.is_ascii_hexdigit()),
            "@" => word.chars().all(|c| c.is_ascii_uppercase() || c == '_'),
            _ => true,
        };
        (starts && is_name && rest[length..].starts_with(close))
            .then(|| start..start + open.len() + length + close.len())
    })
}

/// The first character that no reader can see, in bytes, and its name. A no-break space counts where `spaces` is set.
pub fn invisible_in(text: &str, spaces: bool) -> Option<(Range<usize>, String)> {
    text.char_indices().find_map(|(at, c)| {
        let name = match c {
            '\u{a0}' if spaces => "NO-BREAK SPACE",
            '\u{202f}' if spaces => "NARROW NO-BREAK SPACE",
            '\u{2000}'..='\u{200a}' | '\u{3000}' if spaces => "a space of typography",
            '\u{ad}' => "SOFT HYPHEN",
            '\u{200b}' => "ZERO WIDTH SPACE",
            '\u{200c}' | '\u{200d}' => "ZERO WIDTH JOINER",
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                "a mark of writing direction"
            }
            '\u{2060}' => "WORD JOINER",
            '\u{feff}' => "ZERO WIDTH NO-BREAK SPACE",
            _ => return None,
        };
        Some((at..at + c.len_utf8(), format!("U+{:04X} {name}", u32::from(c))))
    })
}

/// Whether a line is a conflict mark of git.
pub(crate) fn is_conflict_mark(line: &str) -> bool {
    ["<<<<<<<", "=======", ">>>>>>>", "|||||||"]
        .iter()
        .any(|mark| line.strip_prefix(mark).is_some_and(|rest| rest.trim_end().is_empty() || rest.starts_with(' ')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_found() {
        for (text, expected) in [
            ("{{ .Values.namespace }}", "{{ .Values.namespace }}"),
            ("a-{{ x }}-b", "{{ x }}"),
            ("{{- if .x", "{{- if .x"),
            ("{% if x %}", "{% if x %}"),
            ("<% count %>", "<% count %>"),
            ("$NAMESPACE", "$NAMESPACE"),
            ("shop-$ENV.svc", "$ENV"),
            ("${NAMESPACE}", "${NAMESPACE}"),
            ("$(NAMESPACE)", "$(NAMESPACE)"),
            ("<namespace>", "<namespace>"),
            ("<your namespace>", "<your namespace>"),
            ("app=<app-name>", "<app-name>"),
            ("%NAMESPACE%", "%NAMESPACE%"),
            ("@NAMESPACE@", "@NAMESPACE@"),
            ("#{Namespace}", "#{Namespace}"),
        ] {
            let found = template_in(text).map(|range| &text[range]);
            assert_eq!(found, Some(expected), "{text}");
        }
        for text in [
            "bookinfo",
            "app in (a,b)",
            "/a%2Fb%20c",
            "/x%ABCD%20",
            "http://u:p@h/",
            "a@b@c",
            "< 5",
            "> 3",
            "5%",
            "$5",
            "$",
            "$${X}",
            "100% of 20%",
        ] {
            assert_eq!(template_in(text), None, "{text}");
        }
    }

    #[test]
    fn conflict_marks_are_told_from_text() {
        assert!(is_conflict_mark("<<<<<<< HEAD") && is_conflict_mark("=======") && is_conflict_mark(">>>>>>> topic"));
        assert!(!is_conflict_mark("<<: *p") && !is_conflict_mark("========") && !is_conflict_mark("  ======="));
    }
}
