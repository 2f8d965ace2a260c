use super::*;

fn eur(minor: i64) -> Money {
    Money::new(minor, Currency::Eur)
}

const LIMITS: Limits = Limits { billing: 100, admin: 1000 };

#[test]
fn who_may_more_gives_more() {
    let most = |scopes: &[Scope]| LIMITS.of(scopes, Currency::Eur).minor;
    assert_eq!(most(&[Scope::Billing]), 10_000);
    assert_eq!(most(&[Scope::Billing, Scope::Admin]), 100_000);
    assert_eq!([most(&[Scope::Support, Scope::Operations]), most(&[])], [0, 0]);
    assert_eq!(LIMITS.of(&[Scope::Billing], Currency::Jpy), Money::new(100, Currency::Jpy));
}

#[test]
fn an_amount_is_checked_from_all_sides() {
    let by_one = Allowed::ByOne { most: eur(10_000) };
    let key = |checked: Result<(), GiveError>| checked.err().and_then(|error| error.key());
    assert_eq!(key(check(eur(10_000), Some(eur(10_000)), eur(0), by_one)), None);
    assert_eq!(key(check(eur(0), None, eur(0), by_one)), Some("give-amount-wrong"));
    assert_eq!(key(check(eur(-5), None, eur(0), by_one)), Some("give-amount-wrong"));
    assert_eq!(key(check(Money::new(5, Currency::Kwd), None, eur(0), by_one)), Some("give-amount-wrong"));
    assert_eq!(key(check(eur(1901), Some(eur(1900)), eur(0), by_one)), Some("give-more-than-paid"));
    assert_eq!(key(check(eur(1), Some(Money::new(1900, Currency::Usd)), eur(0), by_one)), Some("give-more-than-paid"));
    assert_eq!(key(check(eur(10_001), None, eur(0), by_one)), Some("give-second-needed"));
    assert_eq!(key(check(Money::new(1, Currency::Usd), None, eur(0), by_one)), Some("give-second-needed"));
    // Many small ones are not more than a large one.
    assert_eq!(key(check(eur(4000), None, eur(6000), by_one)), None);
    assert_eq!(key(check(eur(4001), None, eur(6000), by_one)), Some("give-second-needed"));
    // Two may give what was paid, and no more.
    let by_two = Allowed::ByTwo { second: StaffId::new() };
    assert_eq!(key(check(eur(50_000), Some(eur(50_000)), eur(60_000), by_two)), None);
    assert_eq!(key(check(eur(50_001), Some(eur(50_000)), eur(0), by_two)), Some("give-more-than-paid"));
}

#[test]
fn each_refusal_has_its_words() {
    assert_eq!(GiveError::Reason.key(), Some("give-reason-length"));
    assert_eq!(GiveError::NothingPaid.key(), Some("give-nothing-paid"));
    assert_eq!(GiveError::Database(sqlx::Error::RowNotFound).key(), None);
    let second = GiveError::SecondNeeded { most: eur(10_000), given: eur(5000) };
    assert_eq!(second.to_string(), "one person may give €100, and has given €50 in the last days: a second person is needed");
}
