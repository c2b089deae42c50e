//! Renders a judged run for people and machines. Pure: what it needs is handed in, what it makes is handed back.
