//! The archive: everything of one Mastodon server in one folder, in an open format. See `docs/archive-format.md`.
//!
//! A library of its own: it knows Mastodon, Postgres and S3, and nothing of Paddock's services. The command line uses it, tests do, and
//! what runs inside a cluster can.
//!
//! ```text
//! mastodon ─┐                                        ┌─► reader ─► verify
//! postgres ─┼─► draft (writer, resumable) ─► shelf ──┤
//! media    ─┘                                        └─► restore ─► postgres, media
//! ```
//!
//! All of it is blocking code over `std::io`, to be run on a thread that may block: compression and hashing take a core for hours.

pub mod canonical;
pub mod draft;
pub mod error;
pub mod inspect;
pub mod key;
pub mod key_file;
pub mod manifest;
pub mod mastodon;
pub mod media;
pub mod names;
pub mod postgres;
pub mod reader;
pub mod restore;
pub mod secrets;
pub mod shelf;
pub mod signature;
pub mod stream;
pub mod tar;
mod texts;
pub mod verify;
pub mod watch;

pub use draft::Draft;
pub use error::{ArchiveError, Damage};
pub use manifest::Manifest;
pub use names::PartName;
pub use reader::Archive;
pub use shelf::Shelf;
pub use watch::{Progress, Step, Watch};
