//! Faults on order, for tests: each hits one request of the API and is gone.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// 503 without an effect, kept under no key.
    Unavailable,
    /// 429 without an effect.
    RateLimited,
    /// 500 without an effect, kept under the request's key like a success.
    StoredError,
    /// The effect, and no answer.
    LostAnswer,
    /// The effect after a while, the key in use until then.
    Slow {
        /// How long.
        millis: u64,
    },
}

/// A fault and the requests it waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultOrder {
    /// What goes wrong.
    pub fault: Fault,
    /// How the request begins, such as `POST /v1/checkout/sessions`; empty fits all.
    #[serde(default)]
    pub request: String,
}

#[derive(Debug, Default)]
pub(super) struct Faults(Mutex<VecDeque<FaultOrder>>);

impl Faults {
    pub(super) fn order(&self, fault: FaultOrder) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(fault);
    }

    pub(super) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub(super) fn take(&self, request: &str) -> Option<Fault> {
        let mut orders = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = orders.iter().position(|order| request.starts_with(&order.request))?;
        orders.remove(place).map(|order| order.fault)
    }
}
