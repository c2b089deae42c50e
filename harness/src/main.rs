//! The `meshdrill` command.

fn main() {}
