//! grade
fn main() {}
