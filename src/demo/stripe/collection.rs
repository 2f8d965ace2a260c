//! What the dashboard says about payments that fail: when they are tried again, and what follows the last try.
//!
//! Simpler than Stripe: no "smart" retries, whose times nobody can predict.

use serde::{Deserialize, Serialize};

/// The dashboard's "manage failed payments".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Collection {
    /// Days until the next try, after the first, the second and so on; at least 1 each.
    pub retry_days: Vec<u16>,
    /// What becomes of the subscription when the last try has failed.
    pub then: AfterRetries,
}

/// See [`Collection`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AfterRetries {
    /// It stays past due: what Paddock asks for.
    #[default]
    PastDue,
    /// It is unpaid: invoices are drafts from then on.
    Unpaid,
    /// It ends.
    Cancel,
}

impl Default for Collection {
    fn default() -> Self {
        Self { retry_days: vec![3, 5, 7], then: AfterRetries::PastDue }
    }
}

impl Collection {
    /// Seconds until the next try after this many.
    pub(super) fn wait(&self, attempts: i64) -> Option<i64> {
        let place = usize::try_from(attempts.checked_sub(1)?).ok()?;
        self.retry_days.get(place).map(|days| i64::from(*days).max(1) * 24 * 3600)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_gives_up_after_the_last_wait() {
        let waits: Vec<_> = (0..5).map(|attempts| Collection::default().wait(attempts).map(|seconds| seconds / 86400)).collect();
        assert_eq!(waits, [None, Some(3), Some(5), Some(7), None]);
    }
}
