//! An embedded mesh of several clusters that speaks the same HTTP as a real one.
