//! A whole HTML file around some content.

use base64::Engine as _;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use meshdrill_checks::verdict::Verdict;
use sha2::{Digest as _, Sha256};

/// What a file looks like and does. Its policy forbids every request; style and script are allowed by their hash alone.
pub(super) struct Shell<'a> {
    /// The style.
    pub style: &'a str,
    /// The script, if it has one.
    pub script: Option<&'a str>,
}

impl Shell<'_> {
    /// The file. The verdict gives its colour.
    pub fn document(&self, heading: &str, verdict: Verdict, content: &Markup) -> Markup {
        let hash =
            |text: &str| format!("'sha256-{}'", base64::engine::general_purpose::STANDARD.encode(Sha256::digest(text)));
        let script = self.script.map(|script| format!(" script-src {};", hash(script))).unwrap_or_default();
        let policy =
            format!("default-src 'none'; style-src {};{script} base-uri 'none'; form-action 'none'", hash(self.style));
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta http-equiv="Content-Security-Policy" content=(policy);
                    meta name="color-scheme" content="light dark";
                    title { (heading) }
                    style { (PreEscaped(self.style)) }
                }
                body class={ "verdict-" (verdict.word()) } {
                    main { (content) }
                    @if let Some(script) = self.script { script { (PreEscaped(script)) } }
                }
            }
        }
    }
}

/// A file without a script, in the style of the report page and some more of its own.
pub fn still_document(heading: &str, more_style: &str, verdict: Verdict, content: &Markup) -> Vec<u8> {
    let style = format!("{}{more_style}", super::STYLE);
    Shell { style: &style, script: None }.document(heading, verdict, content).into_string().into_bytes()
}
