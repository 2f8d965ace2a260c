//! Servers that staff give away: no payment, nothing at Stripe, and only to whom they were given.

use paddock::account::Scope;
use paddock::billing::OrderState;
use paddock::instance::Intent;

use crate::harness::{Client, Start, TestApp};

/// Orders `name` by the pages, with the first plan; where that leads.
async fn order(customer: &Client, name: &str) -> String {
    let answers: [(&str, &[(&str, &str)]); 3] = [
        ("/new/address", &[("kind", "hosted"), ("name", name)]),
        ("/new/owner", &[("owner_name", "wren")]),
        ("/new/plan", &[("plan", "family")]),
    ];
    for (path, fields) in answers {
        let page = customer.get(path).await.is(200);
        customer.submit(&page, path, fields).await.is(303);
    }
    let review = customer.get("/new/review").await.is(200);
    customer.submit(&review, "/orders", &[]).await.is(303).location()
}

#[tokio::test]
async fn a_server_that_is_given_away_runs_without_stripe() {
    let Start { app, customer, other_customer, .. } = TestApp::start().await;
    let bills = app.staff_with(Scope::Billing);
    let account = format!("/staff/customers/{}", customer.who.account());
    let free = format!("{account}/free");
    bills.get(&account).await.is(200).see("Servers given away");
    let page = bills.get(&free).await.is(200).see("Nothing was given");
    bills.submit(&page, &free, &[("plan", "none"), ("reason", "a moderator")]).await.is(422).see("Choose a plan");
    bills.submit(&page, &free, &[("plan", "family"), ("reason", "x")]).await.is(422).see("Write a reason");
    let answer = bills.submit(&page, &free, &[("plan", "family"), ("reason", "a moderator")]).await.redirects_to(&free);
    bills.follow(answer).await.see("It is given away").see("Not used yet").see("a moderator");

    // Nobody else gets it.
    let paid = order(&other_customer, "foxes").await;
    assert!(paid.contains("/checkout/"), "{paid}");
    let to = order(&customer, "birds").await;
    assert!(to.starts_with("/orders/"), "no payment page: {to}");
    app.run_jobs().await;
    let id = to.trim_start_matches("/orders/").split('?').next().unwrap().parse().unwrap();
    let placed = app.find_order(id).await;
    assert_eq!((placed.state, placed.price().minor, placed.checkout_id.is_none()), (OrderState::Paid, 0, true));
    let server = app.find_instance(placed.instance_id).await;
    assert_eq!((server.intent, server.intent_reason.as_deref()), (Intent::Running, Some("free")));
    let rows = app.rows().await;
    assert_eq!((rows["subscriptions"], app.shop.charges().len(), rows["free_servers"]), (0, 0, 1));
    let known = paddock::billing::customer_of(&mut app.sql().acquire().await.unwrap(), customer.who.account()).await.unwrap();
    assert_eq!(known, None, "Stripe never hears of it");
    customer.get(&format!("/instances/{}", server.id)).await.is(200);
    bills.get(&free).await.see("Used").not_see("Take it back");
    // It is used once: the next one is paid for.
    let next = order(&customer, "wrens").await;
    assert!(next.contains("/checkout/"), "{next}");
    // And where money is compared there is nothing to see.
    crate::differences::run(&app, &paddock::billing::jobs::SweepStripe {}).await;
    assert_eq!(app.rows().await["differences"], 0);
    app.leave_jobs();
}

#[tokio::test]
async fn what_is_not_used_can_be_taken_back_and_nobody_helps_themselves() {
    let Start { app, customer, other_customer, .. } = TestApp::start().await;
    let bills = app.staff_with(Scope::Billing);
    let free = format!("/staff/customers/{}/free", customer.who.account());
    let page = bills.get(&free).await;
    bills.submit(&page, &free, &[("plan", "family"), ("reason", "a partner")]).await.is(303);
    let id: uuid::Uuid = sqlx::query_scalar("select id from free_servers").fetch_one(app.sql()).await.unwrap();
    // Whatever another account's request is made to say: it is not theirs, and not for another plan.
    let placed = app.order(&other_customer, "foxes").await;
    for (client, plan) in [(&other_customer, "family"), (&customer, "town")] {
        let mut tx = app.db.begin_account(client.who.account()).await.unwrap();
        let insert =
            "insert into orders (id, account_id, instance_id, plan_code, billing_interval, amount_minor, currency, state,
                        checkout_expires_at, created_at, free_id)
                      values (gen_random_uuid(), $1, $2, $3, 'month', 0, 'eur', 'placed', now(), now(), $4)";
        let query = sqlx::query(insert).bind(client.who.account()).bind(placed.instance_id).bind(plan).bind(id);
        let refused = query.execute(tx.conn()).await.unwrap_err();
        assert_eq!(refused.as_database_error().unwrap().code().as_deref(), Some("42501"), "{plan}: row security, not an index");
    }
    let page = bills.get(&free).await.see("Take it back");
    let answer = bills.submit(&page, &format!("{free}/withdraw"), &[]).await.redirects_to(&free);
    bills.follow(answer).await.see("It is taken back").see("Taken back");
    let answer = bills.post(&format!("{free}/withdraw"), &[("free", "fre_nonsense")]).await.redirects_to(&free);
    bills.follow(answer).await.see("Nothing was changed");
    assert!(order(&customer, "birds").await.contains("/checkout/"));
    for client in [app.staff_with(Scope::Support), app.staff_with(Scope::Operations)] {
        client.get(&free).await.is(403);
        client.post(&free, &[("plan", "family"), ("reason", "mine")]).await.is(403);
    }
    app.leave_jobs();
}
