//! What people may ask of whoever keeps records of them: a copy of everything, the end of it, and what they have agreed to.

pub mod agreement;
mod erasure;
mod export;
mod store;

pub use erasure::{EraseError, Keep, Kept, erase, forget_kept, ledger};
pub use export::{LEFT_OUT, TABLES, export};
