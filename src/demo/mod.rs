//! Everything on this machine: a stateful fake Stripe, a mail catcher, and the rig of real servers that demo and tests share.
//! Nothing in here runs in production; `config` refuses it.

pub mod journey;
pub mod mailbox;
pub mod rig;
pub mod stage;
pub mod stripe;
