//! What happens by itself as time passes: sessions expire, subscriptions renew, pause, go on or end, failed payments are tried again.
//! However far the clock jumps, each thing happens at its own moment and in order.
//!
//! This is the one test clock: it advances everything, where Stripe has clocks that advance the customers made with them.

use serde_json::Value;

use super::invoices::Reason;
use super::store::{NextDue, State, Turn};
use super::{checkout, invoices, subscriptions};

/// Nothing that happens makes anything due within this time after it, so what is due in one such span is looked up once.
const SPAN: i64 = 12 * 3600;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Expire(String),
    End(String),
    NeverBegan(String),
    GoOn(String),
    Renew(String),
    Retry(String),
}

/// Does all that is due by `turn.now`. Cheap when nothing is, as long as nothing has changed.
pub(super) fn catch_up(turn: &mut Turn<'_>) {
    let until = turn.now;
    while let Some(first) = next_due(turn.state).filter(|at| *at <= until) {
        let mut batch: Vec<(i64, Due)> =
            all(turn.state).filter(|(at, _)| *at <= until.min(first.saturating_add(SPAN))).map(owned).collect();
        batch.sort();
        for (at, due) in batch {
            // Something that came before it may have put it off.
            if due.at(turn.state) == Some(at) {
                turn.now = at;
                happen(turn, &due);
            }
        }
        turn.state.next_due = None;
    }
    turn.now = until;
    turn.forget_old_events();
}

/// Whether anything is due by then.
pub(super) fn is_due(state: &mut State, by: i64) -> bool {
    next_due(state).is_some_and(|at| at <= by)
}

fn next_due(state: &mut State) -> Option<i64> {
    if let Some(NextDue(known)) = state.next_due {
        return known;
    }
    let next = all(state).map(|(at, _)| at).min();
    state.next_due = Some(NextDue(next));
    next
}

/// Makes a [`Due`] of an id.
type Kind = fn(String) -> Due;

fn owned((at, (kind, id)): (i64, (Kind, &String))) -> (i64, Due) {
    (at, kind(id.clone()))
}

/// Everything that will happen as things stand.
fn all(state: &State) -> impl Iterator<Item = (i64, (Kind, &String))> {
    let sessions = state.checkouts.iter().filter_map(|(id, found)| Some((expiry(found)?, (Due::Expire as Kind, id))));
    let subscriptions = state.subscriptions.iter().flat_map(|(id, found)| {
        let due: [(Option<i64>, Kind); 4] =
            [(end(found), Due::End), (begin_by(found), Due::NeverBegan), (go_on(found), Due::GoOn), (renewal(found), Due::Renew)];
        due.into_iter().filter_map(move |(at, kind)| Some((at?, (kind, id))))
    });
    let invoices = state.invoices.iter().filter_map(|(id, found)| Some((retry(found)?, (Due::Retry as Kind, id))));
    sessions.chain(subscriptions).chain(invoices)
}

impl Due {
    /// When it is due as things stand now; never, when it no longer is.
    fn at(&self, state: &State) -> Option<i64> {
        match self {
            Self::Expire(id) => state.checkouts.get(id).and_then(expiry),
            Self::End(id) => state.subscriptions.get(id).and_then(end),
            Self::NeverBegan(id) => state.subscriptions.get(id).and_then(begin_by),
            Self::GoOn(id) => state.subscriptions.get(id).and_then(go_on),
            Self::Renew(id) => state.subscriptions.get(id).and_then(renewal),
            Self::Retry(id) => state.invoices.get(id).and_then(retry),
        }
    }
}

fn expiry(session: &Value) -> Option<i64> {
    session["expires_at"].as_i64().filter(|_| session["status"] == "open")
}

fn end(subscription: &Value) -> Option<i64> {
    subscription["cancel_at"].as_i64().filter(|_| !subscriptions::is_over(subscription))
}

fn begin_by(subscription: &Value) -> Option<i64> {
    let made = subscription["created"].as_i64().filter(|_| subscription["status"] == "incomplete")?;
    Some(made + subscriptions::INCOMPLETE_SECONDS)
}

fn go_on(subscription: &Value) -> Option<i64> {
    subscription["pause_collection"]["resumes_at"].as_i64().filter(|_| !subscriptions::is_over(subscription))
}

fn renewal(subscription: &Value) -> Option<i64> {
    Some(subscriptions::period(subscription).1).filter(|_| subscriptions::is_running(subscription))
}

fn retry(invoice: &Value) -> Option<i64> {
    invoice["next_payment_attempt"].as_i64().filter(|_| invoice["status"] == "open")
}

fn happen(turn: &mut Turn<'_>, due: &Due) {
    match due {
        Due::Expire(id) => {
            if let Ok(session) = checkout::get(turn, id) {
                checkout::close(turn, session);
            }
        }
        Due::End(id) | Due::NeverBegan(id) => {
            // It was not over a moment ago, under the same lock.
            let _ended = subscriptions::cancel(turn, id);
        }
        Due::GoOn(id) => {
            if let Ok(mut subscription) = subscriptions::get(turn, id) {
                subscription["pause_collection"] = Value::Null;
                subscriptions::put(turn, subscription.clone());
                turn.emit("customer.subscription.updated", &subscription);
            }
        }
        Due::Renew(id) => renew(turn, id),
        Due::Retry(id) => {
            let ended = turn.state.invoices.get(id).is_some_and(|invoice| {
                let subscription = invoice["parent"]["subscription_details"]["subscription"].as_str().unwrap_or_default();
                turn.state.subscriptions.get(subscription).is_none_or(|found| !subscriptions::is_running(found))
            });
            // Nobody is charged for what is over.
            if ended {
                if let Some(invoice) = turn.state.invoices.get_mut(id) {
                    invoice["next_payment_attempt"] = serde_json::Value::Null;
                }
            } else {
                invoices::collect(turn, id);
            }
        }
    }
}

fn renew(turn: &mut Turn<'_>, id: &str) {
    let Ok(mut subscription) = subscriptions::get(turn, id) else { return };
    if subscription["status"] == "trialing"
        && !turn.state.cards.contains_key(subscription["customer"].as_str().unwrap_or_default())
    {
        match subscription["trial_settings"]["end_behavior"]["missing_payment_method"].as_str() {
            Some("cancel") => {
                // It was running a moment ago, under the same lock.
                let _ended = subscriptions::cancel(turn, id);
                return;
            }
            Some("pause") => {
                subscription["status"] = "paused".into();
                subscriptions::put(turn, subscription.clone());
                turn.emit("customer.subscription.paused", &subscription);
                return;
            }
            _ => {}
        }
    }
    subscriptions::next_period(&mut subscription, turn.now);
    let invoice = invoices::bill(turn, &mut subscription, Reason::Cycle);
    turn.emit("customer.subscription.updated", &subscription);
    invoices::collect(turn, &invoice);
}
