//! What each page and each resource of the API does, one file per area, called as `src/web` is.

mod account;
mod alerts;
mod api;
mod cases;
mod desk;
mod discreet;
mod incident;
mod instance;
mod lifecycle;
mod lists;
mod mail;
mod members;
mod new;
mod once;
mod order;
mod public;
mod security;
mod staff;
mod statements;
mod tokens;
mod tools;
mod usage;
