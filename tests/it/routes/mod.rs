//! What each page and each resource of the API does, one file per area, called as `src/web` is.

mod account;
mod api;
mod discreet;
mod instance;
mod lifecycle;
mod mail;
mod members;
mod new;
mod once;
mod order;
mod public;
mod security;
mod staff;
mod tokens;
mod tools;
