//! How often a caller may call the API, and the headers that say so (`draft-ietf-httpapi-ratelimit-headers`).
//!
//! Counted in the process that answers: the bound keeps one program from being in the way of others. What must not be tried too often at all is
//! counted in the database (`account::attempt`).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use chrono::{DateTime, TimeDelta, Utc};

/// Calls in a [`WINDOW`].
pub const CALLS: u32 = 600;
/// For how long calls are counted together.
pub const WINDOW: TimeDelta = TimeDelta::minutes(1);
/// So many callers are remembered before those whose window is over are forgotten.
const REMEMBERED: usize = 10_000;

/// What is allowed, and where the caller stands.
pub(super) fn headers() -> [HeaderName; 2] {
    [HeaderName::from_static("ratelimit-policy"), HeaderName::from_static("ratelimit")]
}

/// Who has called how often.
#[derive(Debug, Clone, Default)]
pub struct Limits(Arc<Mutex<HashMap<[u8; 32], Counted>>>);

#[derive(Debug, Clone, Copy)]
struct Counted {
    since: DateTime<Utc>,
    calls: u32,
}

/// Where a caller stands after a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    /// Calls that are left; `None`: this one was too many.
    pub left: Option<u32>,
    /// Seconds until all are free again.
    pub seconds: i64,
}

impl Limits {
    /// Counts a call of whoever is known by `who`.
    pub(super) fn take(&self, who: [u8; 32], now: DateTime<Utc>) -> Standing {
        // What a panic could leave behind is a count.
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= REMEMBERED {
            all.retain(|_, counted| now - counted.since < WINDOW);
        }
        let counted = all.entry(who).or_insert(Counted { since: now, calls: 0 });
        if now - counted.since >= WINDOW {
            *counted = Counted { since: now, calls: 0 };
        }
        let seconds = (counted.since + WINDOW - now).num_seconds().max(1);
        let left = CALLS.checked_sub(counted.calls + 1);
        if left.is_some() {
            counted.calls += 1;
        }
        Standing { left, seconds }
    }
}

impl Standing {
    /// Says it to the caller.
    pub(super) fn write(self, into: &mut HeaderMap) {
        let [policy, standing] = headers();
        let texts = [
            (policy, format!("\"calls\";q={CALLS};w={}", WINDOW.num_seconds())),
            (standing, format!("\"calls\";r={};t={}", self.left.unwrap_or_default(), self.seconds)),
        ];
        for (name, text) in texts {
            if let Ok(value) = HeaderValue::from_str(&text) {
                into.insert(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_caller_has_a_minute_of_their_own() {
        let limits = Limits::default();
        let now = DateTime::from_timestamp(1_795_503_600, 0).unwrap();
        for call in 1..=CALLS {
            assert_eq!(limits.take([1; 32], now), Standing { left: Some(CALLS - call), seconds: 60 });
        }
        let later = now + TimeDelta::seconds(20);
        assert_eq!(limits.take([1; 32], later), Standing { left: None, seconds: 40 });
        assert_eq!(limits.take([2; 32], later).left, Some(CALLS - 1));
        // Those who go on calling do not have to wait longer for it.
        assert_eq!(limits.take([1; 32], now + WINDOW).left, Some(CALLS - 1));
    }

    #[test]
    fn callers_whose_minute_is_over_are_forgotten() {
        let limits = Limits::default();
        let now = DateTime::from_timestamp(1_795_503_600, 0).unwrap();
        for caller in 0..REMEMBERED {
            let mut who = [0; 32];
            who[..8].copy_from_slice(&u64::try_from(caller).unwrap().to_be_bytes());
            limits.take(who, now);
        }
        limits.take([1; 32], now + WINDOW);
        assert_eq!(limits.0.lock().unwrap().len(), 1);
    }
}
