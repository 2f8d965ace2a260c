//! Disputes: a card's holder wants money back through the bank. Opened and decided by the control; get, list, close (which accepts it).
//!
//! Simpler than Stripe: always for the whole charge, no evidence is taken, and no fee.

use serde_json::{Value, json};

use super::charges;
use super::errors::{Answered, ApiError};
use super::list::Cursor;
use super::params::Params;
use super::store::Turn;

/// How long one may answer.
const WEEK: i64 = 7 * 24 * 3600;

/// The holder disputes a charge.
pub(super) fn open(turn: &mut Turn<'_>, charge: &str, reason: &str) -> Answered {
    let mut found = charges::get(turn, charge)?;
    if found["paid"] != true || found["disputed"] == true {
        return Err(ApiError::refused("charge", "Only a charge that took money can be disputed, and once."));
    }
    found["disputed"] = true.into();
    let id = turn.id("du");
    let dispute = json!({
        "id": id, "object": "dispute", "created": turn.now, "livemode": false, "amount": found["amount"], "currency": found["currency"],
        "charge": charge, "payment_intent": found["payment_intent"], "reason": reason, "status": "needs_response", "metadata": {},
        "balance_transactions": [], "enhanced_eligibility_types": [], "evidence": { "enhanced_evidence": {} }, "is_charge_refundable": false,
        "evidence_details": {
            "due_by": turn.now + WEEK, "enhanced_eligibility": {}, "has_evidence": false, "past_due": false, "submission_count": 0,
        },
    });
    turn.state.attempts.insert(charge.to_owned(), found);
    turn.state.disputes.insert(id, dispute.clone());
    turn.emit("charge.dispute.created", &dispute);
    Ok(dispute)
}

/// The bank has decided.
pub(super) fn decide(turn: &mut Turn<'_>, id: &str, won: bool) -> Answered {
    let mut dispute = get(turn, id)?;
    if matches!(dispute["status"].as_str(), Some("won" | "lost")) {
        return Err(ApiError::refused("id", "This dispute is closed already."));
    }
    dispute["status"] = if won { "won" } else { "lost" }.into();
    if let Some(charge) = turn.state.attempts.get_mut(dispute["charge"].as_str().unwrap_or_default()).filter(|_| won) {
        charge["disputed"] = false.into();
    }
    turn.state.disputes.insert(id.to_owned(), dispute.clone());
    turn.emit("charge.dispute.closed", &dispute);
    Ok(dispute)
}

pub(super) fn get(turn: &Turn<'_>, id: &str) -> Answered {
    turn.state.disputes.get(id).cloned().ok_or_else(|| ApiError::missing("dispute", id))
}

pub(super) fn list(turn: &Turn<'_>, mut params: Params) -> Answered {
    let (cursor, charge, intent) = (Cursor::take(&mut params)?, params.take("charge"), params.take("payment_intent"));
    params.finish()?;
    cursor.page("dispute", "/v1/disputes", &turn.state.disputes, |dispute: &Value| {
        (charge.is_none() || dispute["charge"].as_str() == charge.as_deref())
            && (intent.is_none() || dispute["payment_intent"].as_str() == intent.as_deref())
    })
}
