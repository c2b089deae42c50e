//! Outages whose beginning and end are known must be found, and none must be found where there was none.

mod drill;
mod server;
mod trial;

use libtest_mimic::Trial;

pub fn trials() -> Vec<Trial> {
    vec![
        Trial::test("known-outages::twenty outages are found", trial::outages_are_found),
        Trial::test("known-outages::none is found where there was none", trial::none_is_invented),
        Trial::test("known-outages::a command fault is undone and recovery measured", drill::recovery_is_measured),
        Trial::test("known-outages::SIGTERM undoes a command fault", drill::a_signal_undoes),
        Trial::test("known-outages::SIGKILL leaves the undo in the journal", drill::a_kill_leaves_the_journal),
    ]
}
