//! `compare` and `history`: planted regressions, files that are not what they should be, and names that mean harm.

mod hostile;
mod made;
mod pages;
mod planted;
mod runs;

use libtest_mimic::Trial;

pub fn trials() -> Vec<Trial> {
    [planted::trials(), runs::trials(), hostile::trials(), pages::trials()].into_iter().flatten().collect()
}
