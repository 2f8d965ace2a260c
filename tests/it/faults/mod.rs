//! What must hold whatever dies: somebody signs up, pays and gets a server, and there is exactly one of everything in the end.
//!
//! The real program runs as child processes against real servers; a customer who does not give up uses its pages. `./dev test` takes a
//! sample; `PADDOCK_FAULTS=all ./dev test faults` takes everything. `PADDOCK_FAULTS` may also be a number (another sample) or a part of
//! a case's name (those cases).

mod customer;
mod idle;
mod outcome;
mod points;
mod webhooks;
mod world;

use std::time::Duration;

/// What `PADDOCK_FAULTS` asks for.
enum Choice {
    /// Everything.
    All,
    /// A few, drawn with this seed.
    Sample(u64),
    /// Those whose name contains this.
    Named(String),
}

fn choice() -> Choice {
    match std::env::var("PADDOCK_FAULTS").unwrap_or_default().as_str() {
        "all" => Choice::All,
        "" => Choice::Sample(1),
        text => text.parse().map_or_else(|_| Choice::Named(text.to_owned()), Choice::Sample),
    }
}

/// Between two looks at something that is awaited.
const LOOK: Duration = Duration::from_millis(25);
