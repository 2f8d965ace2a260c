//! `paddock admin plans sync`: Stripe gets what the catalogue has, what it has besides stays, and nothing is done before it was listed.

use paddock::audit::Actor;
use paddock::billing::shelf::{self, Plan};
use paddock::billing::stripe::PACK;
use paddock::plan::{Catalogue, Interval};

use crate::harness::{Start, TestApp};

const PLANS: &str = include_str!("../../catalogue/plans.toml");

fn told(plan: &Plan) -> Vec<String> {
    plan.steps.iter().map(ToString::to_string).collect()
}

async fn apply(app: &TestApp, plan: &Plan) {
    for step in &plan.steps {
        let (db, clock, stripe) = (&app.db, app.clock.as_ref(), app.deps.stripe.as_ref());
        shelf::apply(db, clock, stripe, Actor::System("test"), step).await.unwrap();
    }
}

#[tokio::test]
async fn stripe_gets_what_the_catalogue_has_and_keeps_what_it_had() {
    let Start { app, customer, .. } = TestApp::start().await;
    let stripe = app.deps.stripe.as_ref();
    let first = Catalogue::parse(PLANS).unwrap();
    let plan = shelf::look(stripe, &first).await.unwrap();
    let (plans, prices) = (first.plans().len() + 1, 2 * (first.plans().len() + 1));
    assert_eq!((plan.steps.len(), plan.kept.len(), plan.odd.len()), (plans + prices, 0, 0), "{:?}", told(&plan));
    // A look changes nothing: the next one says the same.
    assert_eq!(shelf::look(stripe, &first).await.unwrap(), plan);
    apply(&app, &plan).await;
    apply(&app, &plan).await;
    assert_eq!(shelf::look(stripe, &first).await.unwrap(), Plan::default());
    assert_eq!(stripe.prices_of(PACK).await.unwrap().len(), 2, "each price is made once");
    let known: i64 = sqlx::query_scalar("select count(*) from prices").fetch_one(app.sql()).await.unwrap();
    assert_eq!(known, i64::try_from(prices).unwrap());

    // Somebody pays the old price; the catalogue gets another, and another name.
    let server = app.running(&customer, "birds").await;
    let text =
        PLANS.replacen("monthly = \"19.00\"", "monthly = \"21.00\"", 1).replacen("name = \"Family\"", "name = \"Families\"", 1);
    let second = Catalogue::parse(&text).unwrap();
    let plan = shelf::look(stripe, &second).await.unwrap();
    let expected = [
        "call the product family \"Families\" (now \"Family\")",
        "make the price paddock-family-month-2100-eur of €21 per month",
    ];
    assert_eq!(told(&plan), expected);
    let kept: Vec<_> = plan.kept.iter().map(|price| price.lookup_key.clone().unwrap()).collect();
    assert_eq!(kept, ["paddock-family-month-1900-eur"]);
    apply(&app, &plan).await;
    let after = shelf::look(stripe, &second).await.unwrap();
    assert_eq!((told(&after).len(), after.kept.len()), (0, 1), "the old price stays");
    let of = crate::standing::subscription(&app, server.id).await;
    let remote = stripe.subscription(&of.stripe_subscription_id).await.unwrap();
    assert_eq!((remote.amount, remote.interval), (of.price(), Interval::Month));
    assert_eq!(remote.amount.minor, 1900, "who has it keeps it");
}

#[tokio::test]
async fn what_was_taken_off_the_shelf_by_hand_is_put_back() {
    let Start { app, .. } = TestApp::start().await;
    let (stripe, catalogue) = (app.deps.stripe.as_ref(), Catalogue::parse(PLANS).unwrap());
    apply(&app, &shelf::look(stripe, &catalogue).await.unwrap()).await;
    let price = stripe.prices_of("town").await.unwrap()[0].clone();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    for path in [format!("prices/{}", price.id), "products/paddock_town".to_owned()] {
        let answer = app.shop.post(&http, &path, &[("active", "false")]).await;
        assert_eq!(answer.status(), 200, "{path}");
    }
    let plan = shelf::look(stripe, &catalogue).await.unwrap();
    let key = price.lookup_key.clone().unwrap();
    let expected = ["put the product town on sale again".to_owned(), format!("put the price {key} ({}) on sale again", price.id)];
    assert_eq!(told(&plan), expected);
    apply(&app, &plan).await;
    assert_eq!(shelf::look(stripe, &catalogue).await.unwrap(), Plan::default());
    assert_eq!(stripe.prices_of("town").await.unwrap().len(), 2, "nothing was made anew");
}
