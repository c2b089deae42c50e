//! A history as pages: an index of nights, and one page for each scenario. Each is one file without a script, and asks nothing of the
//! network.

mod chart;
mod index;
mod names;
mod scenario;

use maud::{Markup, html};
use meshdrill_checks::verdict::Verdict;
use meshdrill_reports::{LAB, inert, still_document};

use crate::nights::{Flag, History, MeshHistory};
use names::Names;

/// The file of the index.
pub const INDEX: &str = "index.html";

const STYLE: &str = include_str!("style.css");

/// All files with their names, the index last.
pub fn pages(history: &History) -> impl Iterator<Item = (String, Vec<u8>)> {
    let names = Names::new(history);
    let index = index::render(history, &names);
    let scenarios = history.meshes.iter().enumerate().flat_map(|(place, mesh)| {
        mesh.scenarios.iter().enumerate().map(move |(scenario, one)| ((place, scenario), mesh, one))
    });
    let scenarios =
        scenarios.map(move |(key, mesh, one)| (names.file(key).to_owned(), scenario::render(history, mesh, one)));
    scenarios.chain([(INDEX.to_owned(), index)])
}

fn document(heading: &str, verdict: Verdict, content: &Markup) -> Vec<u8> {
    still_document(&inert(heading), STYLE, verdict, content)
}

fn lab(mesh: &MeshHistory) -> Markup {
    html! { @if mesh.lab { p.lab { (LAB) } } }
}

/// The file of a scenario, by its title.
type Link<'a> = &'a dyn Fn(&str) -> Option<String>;

/// What changed, as a table; the scenario is left out where it is known.
fn flags<'a>(flags: impl Iterator<Item = &'a Flag>, link: Option<Link<'_>>) -> Markup {
    html! {
        table.flags {
            thead { tr { th { "Since" } th { "What" } @if link.is_some() { th { "Scenario" } } th { "Change" } } }
            tbody {
                @for flag in flags {
                    tr {
                        td.num { (flag.since) }
                        td { span class={ "kind " (flag.direction.word()) } { (flag.kind.word()) } }
                        @if let Some(link) = link {
                            td.long { @match link(&flag.scenario) { Some(file) => a href=(file) { (inert(&flag.scenario)) } None => (inert(&flag.scenario)) } }
                        }
                        td.long { (inert(&flag.text)) }
                    }
                }
            }
        }
    }
}
