use super::*;
use crate::billing::stripe::tests::remote;
use crate::money::{Currency, Money};

#[test]
fn an_hour_of_the_old_period_is_all_that_may_come_on_top() {
    let month = remote();
    assert_eq!(bearable(&month, Interval::Month), 0);
    // 1900 over 720 hours, rounded up.
    assert_eq!(bearable(&month, Interval::Year), 3);
    let large = RemoteSubscription { amount: Money::new(72_000, Currency::Eur), ..month };
    assert_eq!(bearable(&large, Interval::Year), 101);
}
