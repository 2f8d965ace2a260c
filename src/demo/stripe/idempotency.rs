//! Idempotency keys as Stripe keeps them: <https://docs.stripe.com/api/idempotent_requests>.
//!
//! An answer is kept for 24 hours once the request was carried out, be it with success or with a 500; a request that was refused before
//! it had an effect keeps nothing.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::errors::ApiError;
use super::store::State;

const KEPT_SECONDS: i64 = 24 * 3600;

/// What was answered.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct StoredAnswer {
    /// Method, path and parameters in one order.
    pub request: String,
    pub status: u16,
    pub body: Value,
    pub at: i64,
}

/// The keys whose requests are being carried out.
#[derive(Debug, Default)]
pub(super) struct InFlight(Mutex<HashSet<String>>);

/// Holds a key until dropped.
#[derive(Debug)]
pub(super) struct Claim<'a> {
    all: &'a InFlight,
    key: String,
}

impl InFlight {
    pub(super) fn claim(&self, key: &str) -> Result<Claim<'_>, ApiError> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.insert(key.to_owned()) { Ok(Claim { all: self, key: key.to_owned() }) } else { Err(ApiError::key_in_use(key)) }
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.all.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

impl State {
    /// What was answered to this request before; an error when the key was used for another one.
    pub(super) fn stored_answer(&mut self, key: &str, request: &str, now: i64) -> Result<Option<StoredAnswer>, ApiError> {
        self.answers.retain(|_, answer| answer.at + KEPT_SECONDS > now);
        match self.answers.get(key) {
            Some(answer) if answer.request == request => Ok(Some(answer.clone())),
            Some(_) => Err(ApiError::key_reused(key)),
            None => Ok(None),
        }
    }
}
