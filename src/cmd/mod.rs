//! Composition roots, one file per subcommand: configuration → pools → clients → run → shut down in order.
