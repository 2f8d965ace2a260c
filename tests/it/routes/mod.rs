//! What each page and each resource of the API does, one file per area, called as `src/web` is.

mod account;
mod api;
mod approvals;
mod archives;
mod desk;
mod discreet;
mod glass;
mod incident;
mod instance;
mod lifecycle;
mod lists;
mod log;
mod mail;
mod members;
mod move_in;
mod new;
mod once;
mod order;
mod paged;
mod public;
mod security;
mod staff;
mod statements;
mod tokens;
mod tools;
