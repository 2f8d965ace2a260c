//! What is on an invoice, and what becomes of one that nobody pays: lines, tax, discounts, tries, and the words that follow.

use chrono::TimeDelta;
use paddock::billing::stripe::{RemoteStatus, Stripe};
use paddock::demo::stripe::{AfterRetries, Collection};
use serde_json::{Value, json};

use super::bench::{Bench, FAILS_LATER, GOOD};
use super::raw::text;

const ASKS_ALWAYS: &str = "4000 0027 6000 3184";

async fn set_address(bench: &Bench, customer: &str, country: &str) {
    bench.ask("POST", &format!("customers/{customer}"), &[("address[country]", country)]).await;
}

/// A session as the adapter makes it, with more.
async fn session(bench: &Bench, more: &[(&str, &str)]) -> (u16, Value, String) {
    let (customer, price) = (bench.customer().await.to_string(), bench.price().await.to_string());
    let mut form = vec![
        ("mode", "subscription"),
        ("success_url", "http://127.0.0.1:1/paid"),
        ("customer", &customer),
        ("line_items[0][price]", &price),
        ("line_items[0][quantity]", "1"),
    ];
    form.extend(more);
    let (status, body) = bench.try_ask("POST", "checkout/sessions", &form).await;
    (status, body, customer)
}

#[tokio::test]
async fn tax_depends_on_where_the_customer_is() {
    let bench = Bench::new().await;
    let (status, refused, _) = session(&bench, &[("automatic_tax[enabled]", "true")]).await;
    assert_eq!((status, refused["error"]["code"].as_str()), (400, Some("customer_tax_location_invalid")));

    let more = [("automatic_tax[enabled]", "true"), ("customer_update[address]", "auto"), ("tax_id_collection[enabled]", "true")];
    let (_, open, customer) = session(&bench, &more).await;
    assert_eq!(open["amount_total"], 1900);
    let page = format!("checkout/{}", text(&open["id"]));
    let card = [("number", GOOD), ("expiry", "12/34"), ("cvc", "123")];
    let form = [&card[..], &[("country", "somewhere")]].concat();
    assert_eq!(bench.page(&page).form(&form).send().await.unwrap().status(), 402);
    let form = [&card[..], &[("country", "FR")]].concat();
    assert_eq!(bench.page(&page).form(&form).send().await.unwrap().status(), 303);
    let paid = bench.ask("GET", &format!("checkout/sessions/{}?expand[]=invoice", text(&open["id"])), &[]).await;
    assert_eq!((&paid["amount_total"], &paid["total_details"]["amount_tax"]), (&2280.into(), &380.into()));
    let invoice = &paid["invoice"];
    assert_eq!(
        (&invoice["subtotal"], &invoice["total"], &invoice["total_excluding_tax"]),
        (&1900.into(), &2280.into(), &1900.into())
    );
    assert_eq!(invoice["total_taxes"][0]["amount"], 380);
    assert_eq!(bench.control.charges()[0].amount, 2280);

    // A business of another member state owes the tax itself, from the next invoice on.
    let ids = format!("customers/{customer}/tax_ids");
    assert_eq!(bench.refusal("POST", &ids, &[("type", "eu_vat"), ("value", "12")]).await, "tax_id_invalid");
    bench.ask("POST", &ids, &[("type", "eu_vat"), ("value", "FR12345678901")]).await;
    bench.control.advance(TimeDelta::days(31));
    assert_eq!(bench.control.charges()[1].amount, 1900);
    set_address(&bench, &customer, "US").await;
    bench.control.advance(TimeDelta::days(31));
    assert_eq!(bench.control.charges()[2].amount, 1900);
}

#[tokio::test]
async fn coupons_last_as_long_as_they_say() {
    let bench = Bench::new().await;
    for (duration, months, expected) in
        [("once", None, [950, 1900, 1900]), ("repeating", Some("2"), [950, 950, 1900]), ("forever", None, [950, 950, 950])]
    {
        let mut form = vec![("percent_off", "50"), ("duration", duration)];
        form.extend(months.map(|months| ("duration_in_months", months)));
        let coupon = text(&bench.ask("POST", "coupons", &form).await["id"]);
        let (_, open, customer) = session(&bench, &[("discounts[0][coupon]", &coupon)]).await;
        assert_eq!((&open["amount_total"], &open["total_details"]["amount_discount"]), (&950.into(), &950.into()));
        bench.control.pay(&text(&open["id"]).parse().unwrap(), GOOD).unwrap();
        bench.control.advance(TimeDelta::days(63));
        let amounts: Vec<i64> =
            bench.control.charges().iter().filter(|charge| charge.customer == customer).map(|charge| charge.amount).collect();
        assert_eq!(amounts, expected, "{duration}");
        assert_eq!(bench.ask("GET", &format!("coupons/{coupon}"), &[]).await["times_redeemed"], 1);
    }
    assert_eq!(bench.refusal("POST", "coupons", &[("duration", "once")]).await, "parameter_missing");
    assert_eq!(bench.refusal("POST", "coupons", &[("percent_off", "101")]).await, "percent_off");
}

#[tokio::test]
async fn promotion_codes_are_typed_on_the_page_and_have_conditions() {
    let bench = Bench::new().await;
    let coupon = text(&bench.ask("POST", "coupons", &[("amount_off", "500"), ("currency", "eur")]).await["id"]);
    let form = [
        ("promotion[type]", "coupon"),
        ("promotion[coupon]", coupon.as_str()),
        ("code", "SPRING"),
        ("max_redemptions", "1"),
        ("restrictions[first_time_transaction]", "true"),
    ];
    let code = bench.ask("POST", "promotion_codes", &form).await;
    assert_eq!(bench.refusal("POST", "promotion_codes", &form).await, "resource_already_exists");
    assert_eq!(bench.ask("GET", "promotion_codes?code=spring&active=true", &[]).await["data"][0]["id"], code["id"]);

    let (_, open, _) = session(&bench, &[("allow_promotion_codes", "true")]).await;
    let page = format!("checkout/{}", text(&open["id"]));
    let pay = async |code: &str| {
        let form = [("number", GOOD), ("expiry", "12/34"), ("cvc", "123"), ("code", code)];
        bench.page(&page).form(&form).send().await.unwrap()
    };
    assert!(pay("AUTUMN").await.text().await.unwrap().contains("This code is invalid"));
    assert_eq!(pay("spring").await.status(), 303);
    assert_eq!(bench.control.charges()[0].amount, 1400);
    let id = text(&code["id"]);
    let (status, refused, _) = session(&bench, &[("discounts[0][promotion_code]", &id)]).await;
    assert_eq!((status, refused["error"]["param"].as_str()), (400, Some("discounts[0][promotion_code]")), "used up");
    bench.ask("POST", &format!("promotion_codes/{id}"), &[("active", "false")]).await;
    let list = bench.ask("GET", "promotion_codes?active=true", &[]).await;
    assert_eq!(list["data"], json!([]));
}

#[tokio::test]
async fn nothing_to_pay_needs_no_card_where_that_is_agreed() {
    let bench = Bench::new().await;
    let coupon = text(&bench.ask("POST", "coupons", &[("percent_off", "100"), ("duration", "forever")]).await["id"]);
    let free = [("discounts[0][coupon]", coupon.as_str()), ("payment_method_collection", "if_required")];
    let (_, open, _) = session(&bench, &free).await;
    let page = format!("checkout/{}", text(&open["id"]));
    assert_eq!(bench.page(&page).form(&[("number", "")]).send().await.unwrap().status(), 303);
    let done = bench.ask("GET", &format!("checkout/sessions/{}", text(&open["id"])), &[]).await;
    assert_eq!((done["status"].as_str(), done["payment_status"].as_str()), (Some("complete"), Some("no_payment_required")));
    bench.control.advance(TimeDelta::days(63));
    assert!(bench.control.charges().is_empty());
    let subscription = bench.stripe.subscription(&text(&done["subscription"]).parse().unwrap()).await.unwrap();
    assert_eq!(subscription.status, RemoteStatus::Active);
}

#[tokio::test]
async fn after_the_last_try_comes_what_the_dashboard_says() {
    let bench = Bench::new().await;
    for (then, status) in [
        (AfterRetries::PastDue, RemoteStatus::PastDue),
        (AfterRetries::Unpaid, RemoteStatus::Unpaid),
        (AfterRetries::Cancel, RemoteStatus::Canceled),
    ] {
        bench.control.set_collection(Collection { retry_days: vec![1, 2], then });
        let (_, subscription) = bench.subscribed(FAILS_LATER).await;
        let end = subscription.current_period_end;
        bench.control.advance(end - bench.control.now() + TimeDelta::days(2));
        assert_eq!(bench.stripe.subscription(&subscription.id).await.unwrap().status, RemoteStatus::PastDue);
        bench.control.advance(TimeDelta::days(2));
        assert_eq!(bench.stripe.subscription(&subscription.id).await.unwrap().status, status);
        let owed = bench.stripe.oldest_open_invoice(&subscription.id).await.unwrap().unwrap();
        assert_eq!((owed.attempt_count, owed.next_attempt), (3, None));
        if then == AfterRetries::Unpaid {
            bench.control.advance(TimeDelta::days(31));
            let drafts = bench.ask("GET", &format!("invoices?subscription={}&status=draft", subscription.id), &[]).await;
            assert_eq!(drafts["data"].as_array().unwrap().len(), 1, "from then on bills are drafts");
            bench.control.set_card(&subscription.customer, GOOD).unwrap();
            bench.ask("POST", &format!("invoices/{}/pay", text(&drafts["data"][0]["id"])), &[]).await;
            assert_eq!(bench.stripe.subscription(&subscription.id).await.unwrap().status, RemoteStatus::Active);
            // The newest invoice says where it stands, and the older one is owed nevertheless.
            assert_eq!(bench.stripe.oldest_open_invoice(&subscription.id).await.unwrap().unwrap().id, owed.id);
        }
    }
}

#[tokio::test]
async fn a_card_that_always_asks_fails_at_renewals_until_its_holder_confirms() {
    let bench = Bench::new().await;
    let (_, open) = bench.checkout().await;
    let page = format!("checkout/{}", open.id);
    let asked = bench.page(&page).form(&[("number", ASKS_ALWAYS), ("expiry", "12/34"), ("cvc", "123")]).send().await.unwrap();
    assert_eq!(asked.headers()["location"], format!("/{page}/authenticate?always").as_str());
    bench.page(&format!("{page}/authenticate")).form(&[("result", "complete"), ("always", "true")]).send().await.unwrap();
    let subscription = bench.stripe.checkout(&open.id).await.unwrap().subscription.unwrap();
    bench.control.advance(TimeDelta::days(31));
    assert_eq!(bench.stripe.subscription(&subscription).await.unwrap().status, RemoteStatus::PastDue);
    assert!(bench.control.event_types().contains(&"invoice.payment_action_required".to_owned()));
    let owed = bench.stripe.oldest_open_invoice(&subscription).await.unwrap().unwrap();
    let card = [("number", ASKS_ALWAYS), ("expiry", "12/34"), ("cvc", "123")];
    bench.http.post(owed.hosted_url.unwrap()).form(&card).send().await.unwrap();
    assert_eq!(bench.stripe.subscription(&subscription).await.unwrap().status, RemoteStatus::Active);
}

#[tokio::test]
async fn invoices_are_voided_written_off_and_paid_elsewhere() {
    let bench = Bench::new().await;
    for (step, status, left) in [("void", "void", 0), ("mark_uncollectible", "uncollectible", 1900), ("pay", "paid", 0)] {
        let (_, subscription) = bench.subscribed(FAILS_LATER).await;
        bench.control.advance(TimeDelta::days(31));
        let owed = bench.stripe.oldest_open_invoice(&subscription.id).await.unwrap().unwrap();
        let charges = bench.control.charges().len();
        let form: &[(&str, &str)] = if step == "pay" { &[("paid_out_of_band", "true")] } else { &[] };
        let invoice = bench.ask("POST", &format!("invoices/{}/{step}", owed.id), form).await;
        assert_eq!(invoice["status"], status);
        if step != "void" {
            assert_eq!(invoice["amount_remaining"], left);
        }
        assert_eq!(bench.control.charges().len(), charges);
        assert_eq!(bench.stripe.oldest_open_invoice(&subscription.id).await.unwrap(), None);
        assert_eq!(bench.stripe.subscription(&subscription.id).await.unwrap().status, RemoteStatus::Active);
        assert_eq!(
            bench.refusal("POST", &format!("invoices/{}/void", text(&invoice["id"])), &[("x", "1")]).await,
            "parameter_unknown"
        );
    }
}

#[tokio::test]
async fn objects_come_in_the_place_of_their_ids() {
    let bench = Bench::new().await;
    let (wanted, subscription) = bench.subscribed(GOOD).await;
    let path = format!("subscriptions/{}?expand[]=customer&expand[]=latest_invoice.customer", subscription.id);
    let expanded = bench.ask("GET", &path, &[]).await;
    assert_eq!(expanded["customer"]["id"], wanted.customer.as_str());
    assert_eq!(expanded["latest_invoice"]["customer"]["email"], "ada@example.test");
    let list = bench.ask("GET", "invoices?expand[]=data.customer&limit=1", &[]).await;
    assert_eq!(list["data"][0]["customer"]["object"], "customer");
    for wrong in ["subscription", "customer.nothing", "latest_invoice.customer.address.country.x", "status"] {
        assert_eq!(bench.refusal("GET", &format!("subscriptions/{}?expand[]={wrong}", subscription.id), &[]).await, "expand");
    }
}
