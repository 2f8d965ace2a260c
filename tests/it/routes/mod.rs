//! What each page and each resource of the API does, one file per area, called as `src/web` is.

mod instance;
mod order;
mod staff;
mod api;
mod account;
mod new;
mod public;
