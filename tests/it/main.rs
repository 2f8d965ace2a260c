//! One test binary: everything that is tested from outside the modules.

mod address;
mod dns;
mod plan;
