//! What an order's page shows. Pure.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;

use crate::billing::{Order, OrderState};
use crate::web::instance::{time, view::readable};
use crate::words::Words;

/// How the customer came to the order's page. It only chooses words: whether the order is paid, Stripe says.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Came {
    /// `paid` and `back` from Stripe's page, `given-up` from the button; anything else counts as none.
    #[serde(default)]
    pub came: String,
    /// Since when a payment's confirmation is awaited: seconds since 1970.
    #[serde(default)]
    pub since: Option<i64>,
}

/// An order as its page shows it. An empty text means "none".
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct OrderView {
    pub id: String,
    /// `confirming`, `unpaid`, `ending`, `expired` or `paid`.
    pub state: String,
    pub address: String,
    pub price: String,
    /// unpaid: until when address and place are kept.
    pub kept_until: String,
    /// unpaid: when a card was declined.
    pub declined: String,
    /// unpaid: why, as a sentence.
    pub reason: String,
    /// confirming: RFC 3339 time of the return from Stripe's page.
    pub since: String,
    /// confirming: since then, at rendering.
    pub elapsed: String,
    /// confirming: it takes longer than it should.
    pub slow: bool,
    /// confirming: who gets a mail when it is over. Not in the row: the page fills it in.
    pub told: String,
    /// paid: the server's page.
    pub instance_url: String,
    /// Where the live part is.
    pub live: String,
    /// Where a browser without scripts looks again.
    pub again: String,
}

impl OrderView {
    /// Whether something is about to change by itself.
    pub fn moves(&self) -> bool {
        matches!(self.state.as_str(), "confirming" | "ending")
    }

    /// Without the time that runs on by itself.
    pub fn without_running_times(mut self) -> Self {
        self.elapsed.clear();
        self
    }
}

/// A confirmation usually takes seconds; after this long the page says so.
const SLOW: TimeDelta = TimeDelta::minutes(2);

/// The order with its address, as it is now.
pub(super) fn order_view(words: &Words, order: &Order, domain: &str, came: &Came, now: DateTime<Utc>) -> OrderView {
    let since =
        came.since.and_then(|seconds| DateTime::from_timestamp(seconds, 0)).unwrap_or(now).clamp(order.created_at.min(now), now);
    let (came_word, state) = match order.state {
        OrderState::Paid => ("", "paid"),
        OrderState::Expired => ("", "expired"),
        OrderState::Placed | OrderState::Open => match came.came.as_str() {
            "paid" => ("paid", "confirming"),
            "given-up" => ("given-up", "ending"),
            _ if order.checkout_expires_at <= now => ("", "ending"),
            "back" => ("back", "unpaid"),
            _ => ("", "unpaid"),
        },
    };
    let declined = order.declined_at.map(|at| time::moment(words, at)).unwrap_or_default();
    let reason = match (order.state, came_word) {
        (OrderState::Placed, _) => words.t("order-not-opened"),
        (OrderState::Open, _) if order.declined_at.is_some() => words.t1("order-declined-text", "time", &declined),
        (OrderState::Open, "back") => words.t("order-left"),
        (OrderState::Open | OrderState::Paid | OrderState::Expired, _) => String::new(),
    };
    let query = match came_word {
        "" => String::new(),
        "paid" => format!("?came=paid&since={}", since.timestamp()),
        word => format!("?came={word}"),
    };
    OrderView {
        id: order.id.to_string(),
        state: state.to_owned(),
        address: readable(domain),
        price: order.price().to_string(),
        kept_until: time::moment(words, order.checkout_expires_at),
        declined,
        reason,
        since: time::stamp(since),
        elapsed: time::elapsed(now - since),
        slow: now - since > SLOW,
        told: String::new(),
        instance_url: format!("/instances/{}", order.instance_id),
        live: format!("/orders/{}/live{query}", order.id),
        again: format!("/orders/{}{query}", order.id),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::billing::stripe::Terms;
    use crate::ids::{AccountId, InstanceId, OrderId};
    use crate::money::Currency;
    use crate::plan::Interval;

    const START: i64 = 1_800_000_000;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(START + seconds, 0).unwrap()
    }

    fn order(state: OrderState) -> Order {
        Order {
            id: OrderId::new(),
            account_id: AccountId::new(),
            instance_id: InstanceId::new(),
            plan_code: "small".to_owned(),
            billing_interval: Interval::Month,
            amount_minor: 900,
            currency: Currency::Eur,
            state,
            checkout_id: None,
            checkout_url: None,
            checkout_expires_at: at(1800),
            asked_price: None,
            asked_base: None,
            free_id: None,
            asked_terms: Terms::default(),
            paid_at: None,
            declined_at: None,
            created_at: at(0),
        }
    }

    fn view(state: OrderState, came: &str, seconds: i64) -> OrderView {
        let came = Came { came: came.to_owned(), since: Some(START + 10) };
        order_view(&Words::english(), &order(state), "harbour.example.social", &came, at(seconds))
    }

    #[test]
    fn every_way_to_the_page_has_its_state() {
        use OrderState::{Expired, Open, Paid, Placed};
        let cases = [
            (Paid, "paid", 60, "paid"),
            (Paid, "", 9999, "paid"),
            (Expired, "paid", 60, "expired"),
            (Open, "paid", 60, "confirming"),
            (Placed, "paid", 60, "confirming"),
            // Paid in the last second: the page must not say that nothing was charged.
            (Open, "paid", 1801, "confirming"),
            (Open, "back", 60, "unpaid"),
            (Open, "", 60, "unpaid"),
            (Open, "nonsense", 60, "unpaid"),
            (Open, "given-up", 60, "ending"),
            (Open, "back", 1800, "ending"),
        ];
        for (state, came, seconds, expected) in cases {
            assert_eq!(view(state, came, seconds).state, expected, "{state:?} came={came} after {seconds} s");
        }
    }

    #[test]
    fn waiting_for_a_confirmation_counts_from_the_return_and_owns_up_when_it_is_long() {
        let soon = view(OrderState::Open, "paid", 41);
        assert_eq!((soon.elapsed.as_str(), soon.slow), ("0:31", false));
        assert!(soon.live.ends_with(&format!("/live?came=paid&since={}", START + 10)), "{}", soon.live);
        assert!(view(OrderState::Open, "paid", 200).slow);
    }

    #[test]
    fn a_begin_in_the_future_or_before_the_order_is_not_believed() {
        let words = Words::english();
        for since in [START + 100_000, -5, i64::MAX] {
            let came = Came { came: "paid".to_owned(), since: Some(since) };
            let shown = order_view(&words, &order(OrderState::Open), "a.example", &came, at(60));
            assert!(["0:00", "1:00"].contains(&shown.elapsed.as_str()), "{since}: {}", shown.elapsed);
        }
    }

    #[test]
    fn a_declined_card_is_said_however_one_came() {
        let declined = Order { declined_at: Some(at(30)), ..order(OrderState::Open) };
        for came in ["", "back"] {
            let came = Came { came: came.to_owned(), since: None };
            let shown = order_view(&Words::english(), &declined, "a.example", &came, at(60));
            assert!(shown.state == "unpaid" && shown.reason.contains(&time::moment(&Words::english(), at(30))), "{shown:?}");
        }
    }

    #[test]
    fn an_order_without_a_payment_page_says_so() {
        assert_ne!(view(OrderState::Placed, "", 5).reason, "");
        assert_ne!(view(OrderState::Placed, "", 5).reason, view(OrderState::Open, "back", 5).reason);
    }
}
