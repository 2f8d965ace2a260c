//! Whole-program tests: real servers on loopback, one binary.

mod stripe_fake;
