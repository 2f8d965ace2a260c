//! How a new release of Mastodon reaches the servers that run: step by step, at a pace, within their owners' hours, and no further once
//! too many go wrong.
//!
//! `wave` plans (pure), `judge` says what became of an upgrade (pure), `advance` is the one reconciler: it takes no input and makes the next
//! thing equal the plan, whenever it is nudged and now and then without being nudged. An upgrade is a change of intent and nothing else
//! ([`crate::instance::upkeep::set_version`]): the operator does it, and says in its status how far it is.
//!
//! ```text
//! rollout   running ⇄ paused → finished | aborted       running | paused | aborted | finished → returning → returned
//! server    waiting → upgrading → done | failed | left out       done | failed | upgrading → to return → returning → returned
//! ```

mod act;
mod advance;
pub mod jobs;
mod judge;
mod policy;
mod release;
mod store;
mod wave;

pub use act::{BadAct, Preview, abort, begin, leave_out, pause, preview, resume, roll_back};
pub use advance::advance;
pub use judge::{ItemState, Over, Sight, Verdict, judge, too_many};
pub use policy::{BadPolicy, Bounds, Policy, Step};
pub use release::{BadRelease, add_release, offer, withdraw};
pub use store::{
    Due, Item, Rollout, RolloutState, StepCount, count_by_version, count_paused, counts, due_of, find_rollout, is_under_way,
    list_failed, list_next, list_rollouts, published,
};
pub use wave::{Candidate, LeftOut, Plan, Turn, Waiting, may_begin, plan, schedule};
