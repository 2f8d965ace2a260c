//! What servers cost and what is kept: the customer's page of one, and the staff's of all.

use chrono::TimeDelta;
use paddock::account::Scope;
use paddock::instance::usage;
use serde_json::json;

use crate::harness::{Start, TestApp};
use crate::standing::pass;

#[tokio::test]
async fn a_customer_sees_where_the_money_goes() {
    let Start { app, customer, other_customer, .. } = TestApp::start().await;
    let server = app.running(&customer, "birds").await;
    let (billing, costs) = (format!("/instances/{}/billing", server.id), format!("/instances/{}/billing/costs", server.id));
    customer.get(&billing).await.see("What your server costs and what we keep");
    let page = customer
        .get(&costs)
        .await
        .is(200)
        .see("€19")
        .see("2.50 GiB")
        .see("€7.50")
        .see("up to 25 GiB")
        .see("has not been measured");
    // 7.50 of memory, 1.10 of disks, 0.50 of media, 2.00 of the share, 0.54 of fees: 11.64 of 19.
    page.see("€11.64").see("€7.36");
    let mut conn = app.db.fleet().acquire().await.unwrap();
    usage::note_usage(&mut conn, app.clock.as_ref(), server.id, 5 << 30, 1 << 30).await.unwrap();
    customer.get(&costs).await.see("5.00 GiB").see("€0.10").see("€7.76").see("was measured on");
    app.members()[0].get(&costs).await.is(200);
    other_customer.get(&costs).await.is(404);
    let order = app.order(&customer, "wrens").await;
    customer.get(&format!("/instances/{}/billing/costs", order.instance_id)).await.is(303);
}

#[tokio::test]
async fn staff_see_what_comes_in_who_leaves_and_what_each_server_costs() {
    let Start { app, customer, other_customer, staff, .. } = TestApp::start().await;
    staff.get("/staff/money").await.is(200).see("Nothing is paid for yet").see("€0");
    let birds = app.running(&customer, "birds").await;
    let foxes = app.running(&other_customer, "foxes").await;
    let bills = app.staff_with(Scope::Billing);
    bills.get("/staff").await.see("Money");
    let page = bills.get("/staff/money").await.is(200).see("€38").see("€456").see("Family").see("0 of 0 (0 %)");
    // Twice 11.64 of twice 19.
    page.see("€23.28").see("€14.72").see("38.73 %");
    let form = bills.get(&format!("/staff/instances/{}/money", birds.id)).await;
    let fields = [("from", "credit"), ("amount", "5.00"), ("reason", "an outage")];
    bills.submit(&form, &format!("/staff/instances/{}/money", birds.id), &fields).await.is(303);
    app.run_jobs().await;
    bills.get("/staff/money").await.see("Given as credit").see("€5 in 1");

    let table = bills.get("/staff/money.csv").await.is(200);
    assert!(table.header("content-type").starts_with("text/csv"));
    let lines: Vec<&str> = table.body.lines().collect();
    assert_eq!(lines.len(), 3);
    assert!(lines[0].starts_with("server,address,plan,packs,period,currency,paid,standing,"), "{}", lines[0]);
    assert!(lines[1].starts_with(&format!(
        "{},birds.meadow.social,family,0,month,eur,19.00,good,,,7.50,0.00,1.10,0.50,2.00,0.54,11.64,7.36",
        birds.id
    )));
    assert!(lines.iter().all(|line| line.matches(',').count() == lines[0].matches(',').count()));

    for client in [app.staff_with(Scope::Support), app.staff_with(Scope::Operations)] {
        for path in ["/staff/money", "/staff/money.csv"] {
            client.get(path).await.is(403);
        }
        client.get("/staff").await.is(200);
    }

    // A month later one is over and one does not pay.
    customer.api_post(&format!("/api/v1/instances/{}/billing/end", birds.id), &json!({ "when": "now" })).await.is(202);
    app.run_jobs().await;
    let known = paddock::billing::customer_of(&mut app.sql().acquire().await.unwrap(), other_customer.who.account())
        .await
        .unwrap()
        .unwrap();
    app.shop.set_card(&known, "4000 0000 0000 0341").unwrap();
    pass(&app, TimeDelta::days(32)).await;
    let staff = app.sign_in_again(&staff).await;
    staff
        .get("/staff/money")
        .await
        .see("1 of 2 (50 %)")
        .see("1, together €19 a month")
        .see("Payment due")
        .not_see("Given as credit");
    let left: String = sqlx::query_scalar(
        "select domain from instances i join subscriptions s on s.instance_id = i.id where s.status = 'past_due'",
    )
    .fetch_one(app.sql())
    .await
    .unwrap();
    assert_eq!(left, foxes.domain);
}
