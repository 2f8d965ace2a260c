//! Placing an order, paying, walking away, giving up; the waiting list.

use chrono::TimeDelta;
use paddock::billing::stripe::RemoteStatus;
use paddock::billing::{self, Order, OrderState};
use paddock::clock::Clock as _;
use paddock::db::slice;
use paddock::demo::stripe::{Fault, FaultOrder};
use paddock::desk::orders;

use crate::harness::{Answer, Capacity, Client, Identity, PASSWORD, Start, TestApp};

/// Answers the questions of the order path, up to the review.
async fn choose(customer: &Client, name: &str, period: &str) -> Answer {
    let page = customer.get("/new/address").await.is(200);
    customer.submit(&page, "/new/address", &[("kind", "hosted"), ("name", name)]).await.redirects_to("/new/owner");
    let page = customer.get("/new/owner").await.is(200);
    let owner = [("owner_name", "wren"), ("owner_email", "wren@mail.example")];
    customer.submit(&page, "/new/owner", &owner).await.redirects_to("/new/plan");
    let page = customer.get("/new/plan").await.is(200);
    let plan = page.attributes("input[name=plan]", "value").remove(0);
    customer.submit(&page, "/new/plan", &[("plan", &plan), ("period", period)]).await.redirects_to("/new/review");
    customer.get("/new/review").await.is(200)
}

/// Presses the button of the review.
async fn order(customer: &Client, name: &str) -> Answer {
    let review = choose(customer, name, "month").await;
    customer.submit(&review, "/orders", &[]).await
}

async fn only_order(app: &TestApp) -> Order {
    let mut conn = app.db.staff().acquire().await.unwrap();
    let mut orders = orders::list(&mut conn, orders::Show::All, slice::Start::Top).await.unwrap().rows;
    assert_eq!(orders.len(), 1, "{orders:?}");
    orders.remove(0)
}

#[tokio::test]
async fn an_order_leads_to_the_payment_page_and_from_there_to_the_server() {
    let Start { app, customer, .. } = TestApp::start().await;
    let payment = order(&customer, "birds").await.is(303).location();
    let placed = only_order(&app).await;
    assert_eq!((placed.state, placed.checkout_url.as_deref()), (OrderState::Open, Some(payment.as_str())));

    app.shop.pay_well(placed.checkout_id.as_ref().unwrap());
    let path = format!("/orders/{}?came=paid", placed.id);
    // The customer may be back before Stripe's word: nothing may be said that is not known.
    if only_order(&app).await.state == OrderState::Open {
        customer.get(&path).await.is(200).see("Waiting for the payment").not_see("Not paid");
    }
    app.run_jobs().await;
    customer.get(&path).await.redirects_to(&format!("/instances/{}", placed.instance_id));
    customer.get(&format!("/orders/{}/live", placed.id)).await.is(200).see("Paid");
    customer.get("/instances").await.see("birds.meadow.social").see("Being built");
    assert_eq!(app.shop.charges_of(placed.id), 1);
}

#[tokio::test]
async fn a_double_click_is_one_order_and_one_checkout() {
    let Start { app, customer, .. } = TestApp::start().await;
    let review = choose(&customer, "birds", "month").await;
    let (one, two) = tokio::join!(customer.submit(&review, "/orders", &[]), customer.submit(&review, "/orders", &[]));
    let third = customer.submit(&review, "/orders", &[]).await;
    let placed = only_order(&app).await;
    for answer in [one, two, third] {
        assert_eq!(Some(answer.is(303).location()), placed.checkout_url);
    }
    assert_eq!(app.rows().await["places"], 1);
}

#[tokio::test]
async fn other_wishes_for_an_address_that_waits_for_payment_are_not_sold_at_the_old_price() {
    let Start { app, customer, .. } = TestApp::start().await;
    let yearly = choose(&customer, "birds", "year").await;
    let monthly = app.order(&customer, "birds").await;
    let to = format!("/orders/{}", monthly.id);
    let answer = customer.submit(&yearly, "/orders", &[]).await.redirects_to(&to);
    customer.follow(answer).await.see("differs from it");
}

#[tokio::test]
async fn an_address_that_was_taken_meanwhile_leads_back_to_the_question() {
    let Start { app, customer, other_customer, .. } = TestApp::start().await;
    let review = choose(&customer, "birds", "month").await;
    app.order(&other_customer, "birds").await;
    let answer = customer.submit(&review, "/orders", &[]).await.redirects_to("/new/address");
    customer.follow(answer).await.see("taken a moment ago");
    assert_eq!(app.rows().await["orders"], 1);
}

#[tokio::test]
async fn as_many_unpaid_orders_as_there_may_be_are_enough() {
    let Start { app, customer, .. } = TestApp::start().await;
    for nth in 0..billing::MOST_UNPAID {
        app.order(&customer, &format!("birds-{nth}")).await;
    }
    let answer = order(&customer, "herons").await.redirects_to("/instances");
    customer.follow(answer).await.see(&format!("{} of your orders wait", billing::MOST_UNPAID));
    assert_eq!(app.rows().await["orders"], billing::MOST_UNPAID);
}

#[tokio::test]
async fn without_answers_there_is_no_order() {
    let Start { app, customer, .. } = TestApp::start().await;
    customer.get("/instances").await;
    customer.post("/orders", &[]).await.redirects_to("/new/address");
    assert_eq!(app.rows().await["orders"], 0);
}

#[tokio::test]
async fn who_walks_away_may_come_back_and_pay() {
    let Start { app, customer, .. } = TestApp::start().await;
    let payment = order(&customer, "birds").await.is(303).location();
    let placed = only_order(&app).await;
    assert!(app.shop.pay(placed.checkout_id.as_ref().unwrap(), "4000 0000 0000 0002").is_err(), "declined");
    let page = customer.get(&format!("/orders/{}?came=back", placed.id)).await.is(200);
    // True for whoever turned back and for whoever's card was declined: which of them it was, Stripe is asked.
    let page = page.see("Not paid yet").see("You came back from the payment page without having paid").see("kept for you until");
    let pay = format!("/orders/{}/pay", placed.id);
    assert_eq!(customer.submit(&page, &pay, &[]).await.is(303).location(), payment);
    customer.get("/instances").await.see("Not paid");
    app.run_jobs().await;
    assert_eq!(app.shop.charges().len(), 0);
}

#[tokio::test]
async fn whoever_has_to_log_in_on_the_way_back_comes_back_to_the_same_words() {
    let Start { app, customer, .. } = TestApp::start().await;
    order(&customer, "birds").await.is(303);
    let path = format!("/orders/{}?came=paid", only_order(&app).await.id);
    // The session has ended while they paid.
    let browser = app.client(Identity::default());
    let to = browser.get(&path).await.is(303);
    let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("next", &path).finish();
    assert_eq!(to.location(), format!("/log-in?{query}"));
    let page = browser.follow(to).await.is(200);
    let fields = [("email", customer.who.email.as_str()), ("password", PASSWORD)];
    let back = browser.submit(&page, "/log-in", &fields).await.redirects_to(&path);
    browser.follow(back).await.is(200).see("Waiting for the payment").not_see("Not paid yet");
    app.run_jobs().await;
}

#[tokio::test]
async fn a_declined_card_is_said_by_the_orders_page() {
    let Start { app, customer, .. } = TestApp::start().await;
    let payment = order(&customer, "birds").await.is(303).location();
    let placed = only_order(&app).await;
    let path = format!("/orders/{}", placed.id);
    let mut events = customer.events(&format!("{path}/live?came=back")).await;
    assert!(events.next().await.unwrap().1.contains("Not paid yet"));
    app.shop.pay(placed.checkout_id.as_ref().unwrap(), "4000 0000 0000 0002").unwrap_err();
    customer.get(&format!("{path}?came=back")).await.is(200);
    app.run_jobs().await;
    // The page that is open says so by itself, and every later one too.
    assert!(events.next().await.unwrap().1.contains("Your card was declined"));
    let page = customer.get(&path).await.see("Your card was declined").see("nothing was charged").see("kept for you until");
    assert_eq!(customer.submit(&page, &format!("{path}/pay"), &[]).await.is(303).location(), payment);
    let api = customer.api_get(&format!("/api/v1{path}")).await.json();
    assert!(api["state"] == "open" && api["declined_at"].is_string(), "{api}");

    // An order that comes later has nothing to do with it.
    app.advance(TimeDelta::minutes(1));
    let later = order(&customer, "foxes").await.is(303);
    assert_ne!(later.location(), payment);
    let mut conn = app.db.staff().acquire().await.unwrap();
    let later = orders::list(&mut conn, orders::Show::All, slice::Start::Top).await.unwrap().rows.remove(0);
    drop(conn);
    customer.get(&format!("/orders/{}?came=back", later.id)).await.is(200);
    app.run_jobs().await;
    customer.get(&format!("/orders/{}", later.id)).await.see("Not paid yet").not_see("declined");
    app.shop.pay_well(placed.checkout_id.as_ref().unwrap());
    app.run_jobs().await;
    customer.get(&path).await.redirects_to(&format!("/instances/{}", placed.instance_id));
}

/// Comes back to an order's page without having paid; whether it says that a card was declined once Stripe has been asked.
async fn says_declined(app: &TestApp, customer: &Client, order: &Order) -> bool {
    let path = format!("/orders/{}", order.id);
    customer.get(&format!("{path}?came=back")).await.is(200);
    app.run_jobs().await;
    let noted: i64 = sqlx::query_scalar("select count(*) from audit_events where action = 'order.declined' and subject = $1")
        .bind(order.id.to_string())
        .fetch_one(app.sql())
        .await
        .unwrap();
    let declined = customer.get(&path).await.is(200).visible_text().contains("Your card was declined");
    assert_eq!(declined, noted == 1, "what is shown and what is noted are the same");
    declined
}

async fn newest_order(app: &TestApp) -> Order {
    let mut conn = app.db.staff().acquire().await.unwrap();
    orders::list(&mut conn, orders::Show::All, slice::Start::Top).await.unwrap().rows.remove(0)
}

#[tokio::test]
async fn a_declined_card_is_said_of_no_order_that_it_may_not_have_been_for() {
    let Start { app, customer, .. } = TestApp::start().await;
    order(&customer, "birds").await.is(303);
    let birds = newest_order(&app).await;
    order(&customer, "foxes").await.is(303);
    let foxes = newest_order(&app).await;
    app.shop.pay(birds.checkout_id.as_ref().unwrap(), "4000 0000 0000 0002").unwrap_err();
    // The same customer and the same amount: Stripe can't say which of them it was.
    assert!(!says_declined(&app, &customer, &birds).await);
    assert!(!says_declined(&app, &customer, &foxes).await);
    // Nor does it become the other one's when the one is paid.
    app.shop.pay_well(birds.checkout_id.as_ref().unwrap());
    app.run_jobs().await;
    assert!(!says_declined(&app, &customer, &foxes).await);
    app.advance(TimeDelta::minutes(1));
    app.shop.pay(foxes.checkout_id.as_ref().unwrap(), "4000 0000 0000 0002").unwrap_err();
    assert!(says_declined(&app, &customer, &foxes).await, "now it can only have been this one");
}

#[tokio::test]
async fn a_declined_renewal_is_not_said_of_an_order() {
    let Start { app, customer, .. } = TestApp::start().await;
    order(&customer, "birds").await.is(303);
    let birds = newest_order(&app).await;
    app.shop.pay(birds.checkout_id.as_ref().unwrap(), "4000 0000 0000 0341").unwrap();
    app.run_jobs().await;
    let subscription = async || {
        let mut conn = app.db.staff().acquire().await.unwrap();
        billing::find_subscription(&mut conn, birds.instance_id).await.unwrap().unwrap()
    };
    app.advance(subscription().await.current_period_end - app.clock.now() - TimeDelta::minutes(10));
    let customer = app.sign_in_again(&customer).await;
    order(&customer, "foxes").await.is(303);
    let foxes = newest_order(&app).await;
    app.advance(TimeDelta::minutes(20));
    assert!(!says_declined(&app, &customer, &foxes).await);
    assert_eq!(subscription().await.status, RemoteStatus::PastDue);
}

#[tokio::test]
async fn an_order_that_is_given_up_frees_address_and_place() {
    let Start { app, customer, .. } = TestApp::start().await;
    order(&customer, "birds").await.is(303);
    let placed = only_order(&app).await;
    let page = customer.get(&format!("/orders/{}", placed.id)).await;
    let answer = customer.submit(&page, &format!("/orders/{}/cancel", placed.id), &[]).await;
    customer.follow(answer.is(303)).await.see("being ended");
    app.run_jobs().await;
    customer.get(&format!("/orders/{}", placed.id)).await.see("The order has ended").see("Nothing was charged");
    order(&customer, "birds").await.is(303);
}

#[tokio::test]
async fn an_order_that_nobody_pays_ends() {
    let Start { app, customer, .. } = TestApp::start().await;
    order(&customer, "birds").await.is(303);
    let path = format!("/orders/{}", only_order(&app).await.id);
    app.advance(TimeDelta::minutes(61));
    customer.get(&path).await.see("being ended");
    app.run_jobs().await;
    customer.get(&path).await.see("The order has ended");
    customer.get("/instances").await.not_see("birds");
}

#[tokio::test]
async fn an_order_whose_time_is_nearly_over_says_why_it_can_not_be_paid() {
    let Start { app, customer, .. } = TestApp::start().await;
    let path = format!("/orders/{}", app.order(&customer, "birds").await.id);
    // Less than the shortest time that Stripe opens a page for.
    app.advance(TimeDelta::minutes(31));
    let page = customer.get(&path).await.is(200).see("Not paid yet");
    let answer = customer.submit(&page, &format!("{path}/pay"), &[]).await.redirects_to(&path);
    customer.follow(answer).await.see("no payment page opens for it any more");
    app.run_jobs().await;
    customer.get(&path).await.see("The order has ended");
    // And so says a button that was pressed too late.
    let answer = customer.submit(&page, &format!("{path}/pay"), &[]).await.redirects_to(&path);
    customer.follow(answer).await.see("The time of this order is over").see("The order has ended");
}

#[tokio::test]
async fn an_order_survives_that_stripe_is_away() {
    let Start { app, customer, .. } = TestApp::start().await;
    let review = choose(&customer, "birds", "month").await;
    // As often as the adapter may try.
    for _ in 0..20 {
        app.shop.fault(FaultOrder { fault: Fault::Unavailable, request: "POST /v1/checkout/sessions".to_owned() });
    }
    let answer = customer.submit(&review, "/orders", &[]).await;
    let placed = only_order(&app).await;
    let answer = answer.redirects_to(&format!("/orders/{}", placed.id));
    assert_eq!(placed.state, OrderState::Placed);
    customer.follow(answer).await.see("does not answer just now").see("could not be opened").see("Pay");
    app.leave_jobs();
}

#[tokio::test]
async fn foreign_orders_are_not_there() {
    let Start { app, customer, other_customer, .. } = TestApp::start().await;
    let placed = app.order(&customer, "birds").await;
    let path = format!("/orders/{}", placed.id);
    other_customer.get(&path).await.is(404);
    other_customer.get(&format!("{path}/live")).await.is(404);
    other_customer.post(&format!("{path}/pay"), &[]).await.is(404);
    other_customer.post(&format!("{path}/cancel"), &[]).await.is(404);
    customer.get("/orders/ord_nonsense").await.is(404);
}

#[tokio::test]
async fn members_are_offered_what_their_role_may_do() {
    let Start { app, customer, .. } = TestApp::start().await;
    let placed = app.order(&customer, "birds").await;
    let path = format!("/orders/{}", placed.id);
    let [viewer, payer] = app.members();
    let page = viewer.get(&path).await.is(200).see("kept for you until").see("an admin or a payer of the account can pay it");
    assert!(page.attributes("main button", "type").is_empty(), "{}", page.body);
    viewer.post(&format!("{path}/pay"), &[]).await.is(403).see("Ask an owner of the account");
    let page = payer.get(&path).await.is(200).not_see("a payer of the account");
    payer.submit(&page, &format!("{path}/pay"), &[]).await.is(303);
    // It is the owner who is written to, whoever came back from the payment page.
    payer.get(&format!("{path}?came=paid")).await.see(&format!("We write to {} when", customer.who.email));
    app.run_jobs().await;
}

#[tokio::test]
async fn when_it_is_full_one_may_wait_and_leave_again() {
    let Start { app, customer, other_customer, .. } = TestApp::start_with(Capacity(1)).await;
    let before = choose(&customer, "birds", "month").await;
    app.order(&other_customer, "fish").await;
    // The last place went while the review was open: nobody is put on a list that they did not ask for.
    let answer = customer.submit(&before, "/orders", &[]).await.redirects_to("/new/review");
    let review = customer.follow(answer).await.see("Every place was taken").see("Join the waiting list");
    let answer = customer.submit(&review, "/orders", &[]).await.redirects_to("/waiting");
    let page = customer.follow(answer).await.see("Number 1 on the waiting list").see("birds.meadow.social");
    customer.submit(&review, "/orders", &[]).await.redirects_to("/waiting");
    customer.get("/instances").await.see("On the waiting list");
    app.run_jobs().await;
    assert_eq!(app.mails_to(&customer.who.email).len(), 1);
    assert_eq!(app.rows().await["orders"], 1);
    customer.submit(&page, "/waiting/leave", &[]).await.redirects_to("/instances");
    customer.get("/waiting").await.see("not on the waiting list");
}

#[tokio::test]
async fn who_waits_may_want_something_else_and_keeps_the_position() {
    let Start { app, customer, other_customer, .. } = TestApp::start_with(Capacity(0)).await;
    for (client, name) in [(&customer, "birds"), (&other_customer, "foxes")] {
        let review = choose(client, name, "month").await.see("we write to you and keep a place");
        client.submit(&review, "/orders", &[]).await.redirects_to("/waiting");
        app.advance(TimeDelta::minutes(1));
    }
    let review = choose(&customer, "herons", "month").await;
    let answer = customer.submit(&review, "/orders", &[]).await.redirects_to("/waiting");
    let page = customer.follow(answer).await.see("in place of what you chose before").see("Number 1 on the waiting list");
    page.see("herons.meadow.social").not_see("birds");
    other_customer.get("/waiting").await.see("Number 2 on the waiting list").see("foxes");
    app.run_jobs().await;
    assert_eq!(app.mails_to(&customer.who.email).len(), 1);
}

#[tokio::test]
async fn the_page_moves_on_when_the_payment_is_confirmed() {
    let Start { app, customer, .. } = TestApp::start().await;
    order(&customer, "birds").await.is(303);
    let placed = only_order(&app).await;
    let mut events = customer.events(&format!("/orders/{}/live?came=paid", placed.id)).await;
    let (_, first) = events.next().await.unwrap();
    assert!(first.contains("Waiting for the payment"), "{first}");
    app.shop.pay_well(placed.checkout_id.as_ref().unwrap());
    app.run_jobs().await;
    let (_, moved) = events.next().await.unwrap();
    assert!(moved.contains(&format!("data-go=\"/instances/{}\"", placed.instance_id)), "{moved}");
    assert_eq!(events.next().await, None, "nothing more will change");
}
