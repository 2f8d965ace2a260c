//! Lines of invoices: amounts, the parts of them that are prorated, discounts and tax, and their sums. All of it is arithmetic.
//!
//! Simpler than Stripe: amounts are rounded to the nearest amount that a card can be charged (a minor unit; ten of them in currencies with three
//! decimal places), halves away from zero, line by line (Stripe rounds tax per line or per invoice, as the dashboard says).

use chrono::DateTime;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::money::Currency;

/// What is to be paid or given back for one item and one span of time, before discounts and tax.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Line {
    /// Minor units; negative gives back.
    pub amount: i64,
    pub quantity: i64,
    pub description: String,
    /// The whole price object, as it was.
    pub price: Value,
    /// From and until, Unix seconds.
    pub period: (i64, i64),
    pub item: String,
    /// A part of a period.
    pub proration: bool,
}

/// An item of a subscription as far as money is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    pub item: String,
    pub price: Value,
    pub quantity: i64,
    /// What customers read.
    pub name: String,
}

impl Held {
    /// For a whole period.
    pub(super) fn full(&self) -> i64 {
        self.price["unit_amount"].as_i64().unwrap_or_default().saturating_mul(self.quantity)
    }

    /// The line of a whole period.
    pub(super) fn line(&self, period: (i64, i64)) -> Line {
        self.part(self.full(), self.name.clone(), period, false)
    }

    fn part(&self, amount: i64, description: String, period: (i64, i64), proration: bool) -> Line {
        Line {
            amount,
            quantity: self.quantity,
            description,
            price: self.price.clone(),
            period,
            item: self.item.clone(),
            proration,
        }
    }

    fn remaining(&self, at: i64, period: (i64, i64)) -> i64 {
        share(self.full(), (period.1 - at).max(0), period.1 - period.0, step(&self.price))
    }

    /// What is given back for the time from `at` on.
    pub(super) fn unused(&self, at: i64, period: (i64, i64)) -> Line {
        let words = format!("Unused time on {} after {}", self.name, day(at));
        self.part(-self.remaining(at, period), words, (at, period.1), true)
    }

    /// What is to be paid for the time from `at` on.
    fn rest(&self, at: i64, period: (i64, i64)) -> Line {
        let words = format!("Remaining time on {} after {}", self.name, day(at));
        self.part(self.remaining(at, period), words, (at, period.1), true)
    }
}

/// What a change in the middle of a period costs: what is unused of each item that goes or changes, then what remains of each that comes.
pub(super) fn prorate(old: &[Held], new: &[Held], at: i64, period: (i64, i64)) -> Vec<Line> {
    let kept = |held: &Held, others: &[Held]| {
        others
            .iter()
            .any(|other| other.item == held.item && other.price["id"] == held.price["id"] && other.quantity == held.quantity)
    };
    let credits = old.iter().filter(|held| !kept(held, new)).map(|held| held.unused(at, period));
    let debits = new.iter().filter(|held| !kept(held, old)).map(|held| held.rest(at, period));
    credits.chain(debits).collect()
}

/// The smallest amount of a price's currency that a card can be charged, in minor units.
fn step(price: &Value) -> i64 {
    price["currency"].as_str().and_then(Currency::from_code).map_or(1, Currency::step)
}

/// `part` of `whole` of an amount, to the nearest multiple of `step`.
fn share(amount: i64, part: i64, whole: i64, step: i64) -> i64 {
    let (whole, step) = (i128::from(whole), i128::from(step));
    if whole <= 0 {
        return 0;
    }
    let (product, whole) = (i128::from(amount) * i128::from(part), whole * step);
    let rounded = (product.abs() * 2 + whole) / (whole * 2) * product.signum() * step;
    i64::try_from(rounded).unwrap_or(if rounded < 0 { i64::MIN } else { i64::MAX })
}

/// A coupon at work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cut {
    /// The discount's id.
    pub discount: String,
    pub off: Off,
}

/// How much a coupon takes off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Off {
    /// Hundredths of a percent of each line.
    Share(i64),
    /// Minor units off the whole periods.
    Amount(i64),
}

/// What tax is due on each line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tax {
    /// Hundredths of a percent.
    pub basis_points: i64,
    /// Two letters.
    pub country: [u8; 2],
    /// Stripe's word for why it is this much.
    pub reason: &'static str,
}

/// Lines as Stripe shows them, and their sums.
#[derive(Debug, Default)]
pub(super) struct Sums {
    pub lines: Vec<Value>,
    pub subtotal: i64,
    pub total: i64,
    pub tax: i64,
    pub discount: i64,
    /// By discount, for those that took something off.
    pub discounts: Vec<(String, i64)>,
    /// Tax that is part of the prices, and tax that comes on top.
    taxes: [(i64, i64); 2],
    tax_rule: Option<Tax>,
}

impl Sums {
    /// Adds everything up. `ids` names the lines.
    pub(super) fn of(
        lines: &[Line],
        cuts: &[Cut],
        tax: Option<Tax>,
        mut ids: impl FnMut() -> String,
        invoice: &str,
        subscription: &Value,
    ) -> Self {
        let mut sums = Self { tax_rule: tax, ..Self::default() };
        let mut left: Vec<i64> = cuts.iter().map(|cut| if let Off::Amount(amount) = cut.off { amount } else { 0 }).collect();
        for line in lines {
            let (taken, net) = sums.cut(line, cuts, &mut left);
            let is_inside = line.price["tax_behavior"] == "inclusive";
            let taxes = sums.add_tax(net, is_inside, step(&line.price));
            sums.subtotal += line.amount;
            let on_top = taxes.iter().filter(|_| !is_inside).filter_map(|tax| tax["amount"].as_i64());
            sums.total += net + on_top.sum::<i64>();
            sums.lines.push(shown(line, &ids(), invoice, subscription, &taken, &taxes));
        }
        sums
    }

    fn cut(&mut self, line: &Line, cuts: &[Cut], left: &mut [i64]) -> (Vec<(String, i64)>, i64) {
        let (mut taken, mut net) = (Vec::new(), line.amount);
        for (cut, left) in cuts.iter().zip(left) {
            let off = match cut.off {
                Off::Share(basis_points) => share(net, basis_points, 10_000, step(&line.price)),
                // Parts of periods are not lowered by an amount that is per period.
                Off::Amount(_) if line.proration => 0,
                Off::Amount(_) => (*left).min(net).max(0),
            };
            *left -= if matches!(cut.off, Off::Amount(_)) { off } else { 0 };
            if off != 0 {
                net -= off;
                self.discount += off;
                taken.push((cut.discount.clone(), off));
                if let Some((_, sum)) = self.discounts.iter_mut().find(|(id, _)| *id == cut.discount) {
                    *sum += off;
                } else {
                    self.discounts.push((cut.discount.clone(), off));
                }
            }
        }
        (taken, net)
    }

    fn add_tax(&mut self, net: i64, is_inside: bool, step: i64) -> Vec<Value> {
        let Some(tax) = self.tax_rule else { return Vec::new() };
        let whole = if is_inside { 10_000 + tax.basis_points } else { 10_000 };
        let amount = share(net, tax.basis_points, whole, step);
        let base = if is_inside { net - amount } else { net };
        self.tax += amount;
        let (sum, of) = &mut self.taxes[usize::from(!is_inside)];
        *sum += amount;
        *of += base;
        vec![tax.shown(amount, base, is_inside)]
    }

    /// The invoice's sum of taxes.
    pub(super) fn total_taxes(&self) -> Vec<Value> {
        let Some(tax) = self.tax_rule else { return Vec::new() };
        let all = self.taxes.iter().zip([true, false]);
        all.filter(|((_, of), _)| *of != 0).map(|((sum, of), is_inside)| tax.shown(*sum, *of, is_inside)).collect()
    }

    /// What is left without tax.
    pub(super) fn total_without_tax(&self) -> i64 {
        self.total - self.tax
    }
}

impl Tax {
    fn shown(self, amount: i64, base: i64, is_inside: bool) -> Value {
        let country = String::from_utf8_lossy(&self.country).to_ascii_lowercase();
        json!({
            "amount": amount, "tax_behavior": if is_inside { "inclusive" } else { "exclusive" }, "taxability_reason": self.reason,
            "taxable_amount": base, "type": "tax_rate_details",
            "tax_rate_details": { "tax_rate": format!("txr_{country}_{}", self.basis_points) },
        })
    }
}

/// Discounts with their amounts, as Stripe shows them.
pub(super) fn discount_amounts(taken: &[(String, i64)]) -> Vec<Value> {
    taken.iter().map(|(id, amount)| json!({ "amount": amount, "discount": id })).collect()
}

fn shown(line: &Line, id: &str, invoice: &str, subscription: &Value, taken: &[(String, i64)], taxes: &[Value]) -> Value {
    json!({
        "id": id, "object": "line_item", "amount": line.amount, "currency": line.price["currency"], "description": line.description,
        "discountable": !line.proration, "discounts": taken.iter().map(|(id, _)| id).collect::<Vec<_>>(),
        "discount_amounts": discount_amounts(taken), "invoice": invoice, "livemode": false, "metadata": {},
        "period": { "start": line.period.0, "end": line.period.1 }, "quantity": line.quantity, "subtotal": line.amount, "taxes": taxes,
        "pricing": {
            "type": "price_details", "unit_amount_decimal": line.price["unit_amount_decimal"],
            "price_details": { "price": line.price["id"], "product": line.price["product"] },
        },
        "parent": {
            "type": "subscription_item_details", "invoice_item_details": null,
            "subscription_item_details": {
                "invoice_item": null, "proration": line.proration, "proration_details": { "credited_items": null },
                "subscription": subscription, "subscription_item": line.item,
            },
        },
    })
}

fn day(at: i64) -> String {
    DateTime::from_timestamp(at, 0).map(|at| at.format("%-d %b %Y").to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn held(item: &str, amount: i64, quantity: i64) -> Held {
        let price = json!({ "id": format!("price_{amount}"), "unit_amount": amount, "currency": "eur" });
        Held { item: item.to_owned(), price, quantity, name: "Small".to_owned() }
    }

    fn sums(lines: &[Line], cuts: &[Cut], tax: Option<Tax>) -> Sums {
        Sums::of(lines, cuts, tax, || "il_1".to_owned(), "in_1", &Value::Null)
    }

    const VAT: Tax = Tax { basis_points: 1900, country: *b"DE", reason: "standard_rated" };

    #[test]
    fn halves_go_away_from_zero() {
        assert_eq!(
            [share(5, 1, 2, 1), share(-5, 1, 2, 1), share(1, 1, 3, 1), share(7, 0, 3, 1), share(7, 1, 0, 1)],
            [3, -3, 0, 0, 0]
        );
        assert_eq!(share(i64::MAX, 2, 1, 1), i64::MAX);
    }

    #[test]
    fn no_card_is_charged_a_thousandth() {
        assert_eq!(
            [share(1000, 1, 3, 10), share(-1000, 1, 3, 10), share(150, 1, 10, 10), share(140, 1, 10, 10)],
            [330, -330, 20, 10]
        );
        let dinars = Held { price: json!({ "id": "price_1", "unit_amount": 6000, "currency": "kwd" }), ..held("si_1", 6000, 1) };
        assert_eq!(dinars.unused(2, (0, 7)).amount, -4290);
        let line = Line { price: dinars.price.clone(), ..dinars.line((0, 1)) };
        assert_eq!(
            sums(&[line], &[Cut { discount: "di_1".to_owned(), off: Off::Share(333) }], Some(VAT)).lines[0]["taxes"][0]["amount"],
            1100
        );
    }

    #[test]
    fn in_the_middle_half_is_given_back_and_half_is_due() {
        let lines = prorate(&[held("si_1", 1900, 1)], &[held("si_1", 4900, 1)], 50, (0, 100));
        assert_eq!(lines.iter().map(|line| line.amount).collect::<Vec<_>>(), [-950, 2450]);
        assert!(lines.iter().all(|line| line.proration && line.period == (50, 100)));
        assert_eq!(lines[0].description, "Unused time on Small after 1 Jan 1970");
        // What stays is not touched; what comes on top is due alone.
        let more = prorate(&[held("si_1", 1900, 1)], &[held("si_1", 1900, 1), held("si_2", 500, 2)], 75, (0, 100));
        assert_eq!(more.iter().map(|line| line.amount).collect::<Vec<_>>(), [250]);
    }

    #[test]
    fn tax_comes_on_top_or_is_inside() {
        let line = held("si_1", 1900, 1).line((0, 100));
        let on_top = sums(std::slice::from_ref(&line), &[], Some(VAT));
        assert_eq!((on_top.subtotal, on_top.tax, on_top.total, on_top.total_without_tax()), (1900, 361, 2261, 1900));
        let mut inside = line;
        inside.price["tax_behavior"] = "inclusive".into();
        let inside = sums(&[inside], &[], Some(VAT));
        assert_eq!((inside.subtotal, inside.tax, inside.total, inside.total_without_tax()), (1900, 303, 1900, 1597));
        assert_eq!(inside.total_taxes()[0]["tax_behavior"], "inclusive");
    }

    #[test]
    fn discounts_come_before_tax_and_never_below_nothing() {
        let line = held("si_1", 1000, 1).line((0, 100));
        let quarter = Cut { discount: "di_1".to_owned(), off: Off::Share(2500) };
        let fixed = Cut { discount: "di_2".to_owned(), off: Off::Amount(5000) };
        let one = sums(std::slice::from_ref(&line), std::slice::from_ref(&quarter), Some(VAT));
        assert_eq!((one.discount, one.tax, one.total), (250, 143, 893));
        let both = sums(&[line], &[quarter, fixed], None);
        assert_eq!((both.discount, both.total), (1000, 0));
        assert_eq!(both.discounts, [("di_1".to_owned(), 250), ("di_2".to_owned(), 750)]);
    }

    proptest! {
        #[test]
        fn there_and_back_costs_nothing(amount in 0i64..10_000_000, other in 0i64..10_000_000, at in 0i64..2_678_400) {
            let (one, two, period) = ([held("si_1", amount, 1)], [held("si_1", other, 1)], (0, 2_678_400));
            let sum: i64 = prorate(&one, &two, at, period).iter().chain(&prorate(&two, &one, at, period)).map(|line| line.amount).sum();
            prop_assert_eq!(sum, 0);
        }

        #[test]
        fn a_change_at_the_start_costs_the_difference(amount in 0i64..10_000_000, other in 0i64..10_000_000) {
            let lines = prorate(&[held("si_1", amount, 1)], &[held("si_1", other, 1)], 0, (0, 2_678_400));
            prop_assert_eq!(lines.iter().map(|line| line.amount).sum::<i64>(), other - amount);
        }

        #[test]
        fn lines_add_up_to_the_invoice(amounts in prop::collection::vec(0i64..1_000_000, 1..6), off in 0i64..=10_000, tax: bool) {
            let lines: Vec<_> = amounts.iter().map(|amount| held("si_1", *amount, 1).line((0, 1))).collect();
            let cuts = [Cut { discount: "di_1".to_owned(), off: Off::Share(off) }];
            let sums = sums(&lines, &cuts, tax.then_some(VAT));
            prop_assert_eq!(sums.total, sums.subtotal - sums.discount + sums.tax);
            prop_assert!(sums.total >= 0);
        }
    }
}
