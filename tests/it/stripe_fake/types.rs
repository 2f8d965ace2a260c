//! Every body that the fake answers with is one that async-stripe's types read: what our adapter would read of Stripe.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use paddock::billing::stripe::Stripe;
use serde_json::Value;
use stripe_shared as shared;

use super::bench::{Bench, FAILS_LATER, GOOD};
use super::raw::text;

/// Kinds of objects that were read.
#[derive(Default)]
struct Seen(BTreeSet<String>);

impl Seen {
    /// Reads an answer, or each object of a list.
    fn read(&mut self, body: &Value) {
        let kind = text(&body["object"]);
        if kind == "list" {
            let all = body["data"].as_array().unwrap();
            assert!(!all.is_empty(), "an empty list proves nothing: {}", body["url"]);
            for one in all {
                self.read(one);
            }
            return;
        }
        let json = body.to_string();
        macro_rules! read {
            ($($name:literal => $type:ty),+ $(,)?) => {
                match kind.as_str() {
                    $($name => miniserde::json::from_str::<$type>(&json).map(drop).is_ok(),)+
                    other => panic!("nobody reads `{other}`: {json}"),
                }
            };
        }
        let is_read = read! {
            "charge" => shared::Charge,
            "checkout.session" => shared::CheckoutSession,
            "coupon" => shared::Coupon,
            "credit_note" => shared::CreditNote,
            "customer" => shared::Customer,
            "customer_balance_transaction" => shared::CustomerBalanceTransaction,
            "discount" => shared::Discount,
            "dispute" => shared::Dispute,
            "event" => shared::Event,
            "invoice" => shared::Invoice,
            "invoice_payment" => shared::InvoicePayment,
            "line_item" => shared::InvoiceLineItem,
            "price" => shared::Price,
            "product" => shared::Product,
            "promotion_code" => shared::PromotionCode,
            "refund" => shared::Refund,
            "subscription" => shared::Subscription,
            "tax_id" => shared::TaxId,
            "billing_portal.session" => stripe_billing::BillingPortalSession,
        };
        assert!(is_read, "async-stripe does not read this {kind}: {json:#}");
        self.0.insert(kind);
    }
}

#[tokio::test]
async fn async_stripe_reads_every_body() {
    let (bench, mut seen) = (Bench::new().await, Seen::default());
    let coupon = bench.ask("POST", "coupons", &[("percent_off", "12.5"), ("duration", "forever")]).await;
    let coupon_id = text(&coupon["id"]);
    let fixed = bench.ask("POST", "coupons", &[("amount_off", "100"), ("currency", "eur"), ("duration", "once")]).await;
    let code = [("promotion[type]", "coupon"), ("promotion[coupon]", &coupon_id), ("code", "HELLO")];
    for body in [coupon, fixed, bench.ask("POST", "promotion_codes", &code).await] {
        seen.read(&body);
    }

    let (wanted, subscription) = bench.subscribed(FAILS_LATER).await;
    let (id, customer) = (subscription.id.to_string(), subscription.customer.to_string());
    let first = subscription.latest_invoice.clone().unwrap().to_string();
    seen.read(&bench.ask("POST", &format!("customers/{customer}"), &[("address[country]", "FR"), ("phone", "+33")]).await);
    let tax_id = [("type", "eu_vat"), ("value", "FR12345678901")];
    seen.read(&bench.ask("POST", &format!("customers/{customer}/tax_ids"), &tax_id).await);
    let terms = [
        ("automatic_tax[enabled]", "true"),
        ("discounts[0][coupon]", coupon_id.as_str()),
        ("pause_collection[behavior]", "void"),
    ];
    seen.read(&bench.ask("POST", &format!("subscriptions/{id}"), &terms).await);
    seen.read(&bench.ask("POST", &format!("subscriptions/{id}"), &[("pause_collection", "")]).await);
    seen.read(&bench.ask("POST", "invoices/create_preview", &[("subscription", &id)]).await);
    let intent = bench.intent_of(&first).await;
    seen.read(&bench.ask("POST", "refunds", &[("payment_intent", &intent), ("amount", "100")]).await);
    let note = [("invoice", first.as_str()), ("amount", "300"), ("refund_amount", "100"), ("credit_amount", "200")];
    seen.read(&bench.ask("POST", "credit_notes", &note).await);
    let balance = [("amount", "-50"), ("currency", "eur")];
    seen.read(&bench.ask("POST", &format!("customers/{customer}/balance_transactions"), &balance).await);
    bench.control.advance(TimeDelta::days(32));
    let (_, other) = bench.subscribed(GOOD).await;
    let charge = text(&bench.ask("GET", &format!("charges?customer={}", other.customer), &[]).await["data"][0]["id"]);
    bench.control.dispute(&charge, "fraudulent").unwrap();
    let trial = [("customer", customer.as_str()), ("items[0][price]", wanted.price.as_str()), ("trial_period_days", "7")];
    seen.read(&bench.ask("POST", "subscriptions", &trial).await);
    let portal = [("customer", customer.as_str()), ("return_url", "http://127.0.0.1:1/")];
    seen.read(&bench.ask("POST", "billing_portal/sessions", &portal).await);
    bench.ask("DELETE", &format!("subscriptions/{}", other.id), &[]).await;

    for list in [
        "customers",
        "products",
        "prices",
        "checkout/sessions",
        "subscriptions?status=all",
        "invoices?limit=100",
        "invoice_payments",
        "charges",
        "refunds",
        "credit_notes",
        "disputes",
        "coupons",
        "promotion_codes",
        "events?limit=100",
    ] {
        seen.read(&bench.ask("GET", list, &[]).await);
    }
    for path in [
        format!("customers/{customer}/tax_ids"),
        format!("customers/{customer}/balance_transactions"),
        format!("invoices/{first}/lines"),
    ] {
        seen.read(&bench.ask("GET", &path, &[]).await);
    }
    let whole =
        bench.ask("GET", &format!("subscriptions/{id}?expand[]=customer&expand[]=latest_invoice&expand[]=discounts"), &[]).await;
    seen.read(&whole);
    seen.read(&whole["discounts"][0]);
    assert_eq!(seen.0.len(), 19, "{:?}", seen.0);

    // The bodies of events are those of their objects.
    let events = bench.ask("GET", "events?limit=100", &[]).await;
    for event in events["data"].as_array().unwrap() {
        seen.read(&event["data"]["object"]);
    }
    assert!(bench.stripe.list_subscriptions(None).await.is_ok());
}
