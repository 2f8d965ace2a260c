//! `paddock`: see `paddock --help`.

fn main() {}
