//! What Mastodon is, as far as an archive needs to know: its `.env.production`, its schema, how it encrypts, its keys.

pub mod code;
pub mod env;
pub mod keys;
pub mod rails;
pub mod release;
pub mod store;
