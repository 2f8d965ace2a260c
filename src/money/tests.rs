use proptest::prelude::*;

use super::*;

#[test]
fn reads_as_people_write_it() {
    assert_eq!(Money::new(1900, Currency::Eur).to_string(), "€19");
    assert_eq!(Money::new(-350, Currency::Usd).to_string(), "-$3.50");
    assert_eq!(Money::new(5, Currency::Gbp).to_string(), "£0.05");
    assert_eq!(Money::new(1205, Currency::Chf).to_string(), "CHF 12.05");
    assert_eq!(Money::new(1900, Currency::Jpy).to_string(), "¥1900");
    assert_eq!(Money::new(-6050, Currency::Kwd).to_string(), "-KWD 6.050");
    assert_eq!(Money::new(i64::MIN, Currency::Eur).to_string(), "-€92233720368547758.08");
}

#[test]
fn sums_are_checked() {
    let one = Money::new(1, Currency::Eur);
    assert_eq!(one.checked_add(Money::new(2, Currency::Eur)), Some(Money::new(3, Currency::Eur)));
    assert_eq!(one.checked_add(Money::new(2, Currency::Usd)), None);
    assert_eq!(one.checked_add(Money::new(i64::MAX, Currency::Eur)), None);
    assert_eq!(Money::new(250, Currency::Kwd).checked_times(3), Some(Money::new(750, Currency::Kwd)));
    assert_eq!(Money::new(i64::MAX, Currency::Eur).checked_times(2), None);
}

#[test]
fn a_currency_is_known_by_its_code_in_either_case() {
    for currency in Currency::ALL {
        assert_eq!(Currency::from_code(&currency.code().to_uppercase()), Some(currency));
        assert!(currency.step() >= 1);
    }
    assert_eq!(Currency::from_code("dkk"), None);
    assert_eq!(Currency::Kwd.step(), 10);
    assert_eq!(
        [Currency::Eur, Currency::Jpy, Currency::Kwd].map(|currency| Money::whole(19, currency).minor),
        [1900, 19, 19_000]
    );
}

#[test]
fn an_amount_is_read_with_the_decimals_of_its_currency_or_none() {
    let read = |text: &str, currency| Money::parse(text, currency).map(|money| money.minor);
    assert_eq!(
        [read("19", Currency::Eur), read("19.05", Currency::Eur), read("0.99", Currency::Usd)],
        [Some(1900), Some(1905), Some(99)]
    );
    assert_eq!(
        [read("1900", Currency::Jpy), read("6", Currency::Kwd), read("6.050", Currency::Kwd)],
        [Some(1900), Some(6000), Some(6050)]
    );
    for wrong in ["", ".", "1.", ".50", "1.5", "1.500", "-1", "1,50", "€1", " 1", "1234567890", "1.x0", "x", "1.0.0", "१"] {
        assert_eq!(read(wrong, Currency::Eur), None, "{wrong:?}");
    }
    assert_eq!([read("1900.", Currency::Jpy), read("19.00", Currency::Jpy), read("6.05", Currency::Kwd)], [None, None, None]);
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(minor in 0i64..100_000_000_000, which in 0usize..6) {
        let money = Money::new(minor, Currency::ALL[which]);
        let text = money.to_string();
        let digits = text.trim_start_matches(|letter: char| !letter.is_ascii_digit());
        prop_assert_eq!(Money::parse(digits, money.currency), Some(money));
    }
}
