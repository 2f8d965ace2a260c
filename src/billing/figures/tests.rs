use chrono::DateTime;
use proptest::prelude::*;

use super::*;
use crate::money::Currency;

fn eur(minor: i64) -> Money {
    Money::new(minor, Currency::Eur)
}

fn costs() -> Costs {
    Costs {
        memory_gib: eur(300),
        core: eur(100),
        volume_gib: eur(10),
        bucket_gib: eur(2),
        share: eur(150),
        fee: eur(25),
        fee_basis_points: 150,
    }
}

fn takes() -> Amounts {
    Amounts { services: 4, pods: 11, custom_resources: 3, memory_mib: 2560, cpu_milli: 800, volumes: 2, volume_gib: 11 }
}

fn of(price: Money, interval: Interval, media_bytes: Option<i64>) -> Account {
    let usage = media_bytes.map(|media_bytes| Usage { media_bytes, database_bytes: 0, measured_at: DateTime::UNIX_EPOCH });
    account(&costs(), &Server { price, interval, takes: &takes(), usage, media_gib: 25 })
}

#[test]
fn a_price_is_taken_apart() {
    let month = of(eur(1900), Interval::Month, None);
    let minor: Vec<(&str, i64)> = month.costs.iter().map(|(cost, amount)| (cost.as_str(), amount.minor)).collect();
    // 2.5 GiB, 0.8 cores, 11 GiB, 25 GiB of media, the share, 25 cents and 1.5 %.
    let expected = [("memory", 750), ("processor", 80), ("volumes", 110), ("bucket", 50), ("share", 150), ("fee", 54)];
    assert_eq!(minor, expected);
    assert_eq!((month.paid, month.cost, month.kept), (eur(1900), eur(1194), eur(706)));
}

#[test]
fn what_is_measured_counts_and_a_year_has_one_fee() {
    let half = of(eur(1900), Interval::Month, Some(12 << 30));
    assert_eq!(half.costs[3], (Cost::Bucket, eur(24)));
    assert_eq!(of(eur(1900), Interval::Month, Some(1)).costs[3].1, eur(0), "a hundredth of a GiB is nothing");
    assert_eq!(of(eur(1900), Interval::Month, Some(-1)).costs[3].1, eur(0));
    let year = of(eur(19_000), Interval::Year, None);
    assert_eq!(year.paid, eur(1583));
    assert_eq!(year.costs[5].1, eur(2 + 24), "25 cents over twelve months, and 1.5 % of a month");
    assert_eq!(monthly(eur(100), Interval::Month), eur(100));
}

#[test]
fn who_costs_more_than_they_bring_is_said() {
    assert!(of(eur(500), Interval::Month, None).kept.minor < 0);
    let huge = Costs { share: eur(i64::MAX), fee: eur(i64::MAX), ..costs() };
    let server = Server { price: eur(1), interval: Interval::Month, takes: &takes(), usage: None, media_gib: u32::MAX };
    assert_eq!(account(&huge, &server).cost, eur(i64::MAX), "sums do not run over");
    assert_eq!(part(eur(i64::MAX), 3, 1), eur(i64::MAX));
    assert_eq!(hundredths(i64::MAX), 858_993_459_200);
}

#[test]
fn shares_are_written_as_people_write_them() {
    assert_eq!([churn(1, 40), churn(0, 0), churn(3, 0), churn(i64::MAX, 1)], [250, 0, 0, i64::MAX]);
    assert_eq!(
        [percent(250), percent(0), percent(1234), percent(-50), percent(1005)],
        ["2.5 %", "0 %", "12.34 %", "-0.5 %", "10.05 %"]
    );
}

proptest! {
    #[test]
    fn nothing_of_a_price_is_lost(price in 0i64..10_000_000, yearly: bool, media in 0i64..1 << 45) {
        let interval = if yearly { Interval::Year } else { Interval::Month };
        let account = of(eur(price), interval, Some(media));
        prop_assert_eq!(account.costs.iter().map(|(_, amount)| amount.minor).sum::<i64>(), account.cost.minor);
        prop_assert_eq!(account.cost.minor + account.kept.minor, account.paid.minor);
        prop_assert!(account.costs.iter().all(|(_, amount)| amount.minor >= 0));
    }
}
