//! What happens by itself as time passes: sessions expire, subscriptions renew or end, failed payments are tried again. However far the
//! clock jumps, each thing happens at its own moment and in order.

use super::store::{State, Turn};
use super::{checkout, invoices, subscriptions};

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Expire(String),
    End(String),
    Renew(String),
    Retry(String),
}

/// Does all that is due by `turn.now`.
pub(super) fn catch_up(turn: &mut Turn<'_>) {
    let until = turn.now;
    while let Some((at, due)) = next(turn.state).filter(|(at, _)| *at <= until) {
        turn.now = at;
        happen(turn, due);
    }
    turn.now = until;
    turn.forget_old_events();
}

/// Whether anything is due by then: a cheap look, for the clock's tick.
pub(super) fn is_due(state: &State, by: i64) -> bool {
    next(state).is_some_and(|(at, _)| at <= by)
}

fn next(state: &State) -> Option<(i64, Due)> {
    let sessions = state.checkouts.iter().filter(|(_, session)| session["status"] == "open");
    let expiries = sessions.filter_map(|(id, session)| Some((session["expires_at"].as_i64()?, Due::Expire(id.clone()))));
    let running = || state.subscriptions.iter().filter(|(_, subscription)| subscriptions::is_running(subscription));
    let ends = running().filter_map(|(id, subscription)| Some((subscription["cancel_at"].as_i64()?, Due::End(id.clone()))));
    let renewals = running().map(|(id, subscription)| (subscriptions::period(subscription).1, Due::Renew(id.clone())));
    let open = state.invoices.iter().filter(|(_, invoice)| invoice["status"] == "open");
    let retries = open.filter_map(|(id, invoice)| Some((invoice["next_payment_attempt"].as_i64()?, Due::Retry(id.clone()))));
    // At the same moment an end comes before a renewal: that is the order of the variants.
    expiries.chain(ends).chain(renewals).chain(retries).min()
}

fn happen(turn: &mut Turn<'_>, due: Due) {
    match due {
        Due::Expire(id) => {
            if let Ok(session) = checkout::get(turn, &id) {
                checkout::close(turn, session);
            }
        }
        Due::End(id) => {
            // It was running a moment ago, under the same lock.
            let _ended = subscriptions::cancel(turn, &id);
        }
        Due::Renew(id) => renew(turn, &id),
        Due::Retry(id) => {
            let ended = turn.state.invoices.get(&id).is_some_and(|invoice| {
                let subscription = invoice["parent"]["subscription_details"]["subscription"].as_str().unwrap_or_default();
                turn.state.subscriptions.get(subscription).is_none_or(|found| !subscriptions::is_running(found))
            });
            // Nobody is charged for what is over.
            if ended {
                if let Some(invoice) = turn.state.invoices.get_mut(&id) {
                    invoice["next_payment_attempt"] = serde_json::Value::Null;
                }
            } else {
                invoices::collect(turn, &id);
            }
        }
    }
}

fn renew(turn: &mut Turn<'_>, id: &str) {
    let Ok(mut subscription) = subscriptions::get(turn, id) else { return };
    let anchor = subscription["billing_cycle_anchor"].as_i64().unwrap_or_default();
    let item = &mut subscription["items"]["data"][0];
    let interval = item["price"]["recurring"]["interval"].as_str().unwrap_or_default().to_owned();
    item["current_period_start"] = turn.now.into();
    item["current_period_end"] = subscriptions::period_end(anchor, turn.now, &interval).into();
    let invoice = invoices::bill(turn, &mut subscription, "subscription_cycle");
    turn.emit("customer.subscription.updated", &subscription);
    invoices::collect(turn, &invoice);
}
