//! File names of scenario pages: letters, digits and dashes only, whatever a scenario is called.

use std::collections::{BTreeMap, BTreeSet};

use crate::nights::History;

/// The longest part of a file name that comes from a scenario.
const LONGEST: usize = 100;

/// The files of all scenarios, by the place of their mesh and their own.
pub(super) struct Names(BTreeMap<(usize, usize), String>);

impl Names {
    pub fn new(history: &History) -> Self {
        let mut used = BTreeSet::new();
        let mut names = BTreeMap::new();
        for (place, mesh) in history.meshes.iter().enumerate() {
            for (scenario, one) in mesh.scenarios.iter().enumerate() {
                let lab = if mesh.lab { "lab-" } else { "" };
                let mesh = mesh.mesh.as_deref().unwrap_or("no-mesh");
                let stem = slug(&format!("{lab}{mesh}-{}", one.title));
                let mut file = format!("scenario-{stem}.html");
                let mut count = 1;
                while !used.insert(file.clone()) {
                    count += 1;
                    file = format!("scenario-{stem}-{count}.html");
                }
                names.insert((place, scenario), file);
            }
        }
        Self(names)
    }

    pub fn file(&self, key: (usize, usize)) -> &str {
        self.0.get(&key).map_or("", String::as_str)
    }
}

fn slug(text: &str) -> String {
    let kept = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    text.chars().take(LONGEST).map(kept).collect()
}

#[cfg(test)]
mod tests {
    use super::slug;

    #[test]
    fn no_name_leads_out_of_the_folder() {
        assert_eq!(slug("../../etc/passwd@a\0b"), "------etc-passwd-a-b");
        assert_eq!(slug(&"x".repeat(5_000)).len(), 100);
    }
}
