//! Webhooks that come often, out of order, or never: the same end.

use std::time::Duration;

use anyhow::Context as _;
use paddock::demo::stripe::{Order, Policy, Rule};

use super::customer::Customer;
use super::outcome::{Excuse, assert_one_of_everything};
use super::world::{Split, World};
use super::{Choice, choice};

const THRICE: Rule = Rule::Deliver { copies: 3, delay_millis: 0 };

fn policy(order: Order, rule: Rule) -> Policy {
    Policy { order, rule, ..Policy::default() }
}

fn cases() -> Vec<(String, Policy)> {
    let seeds = if let Choice::Sample(_) = choice() { 1 } else { 5 };
    let mut cases = vec![
        ("thrice, reversed".to_owned(), policy(Order::Reversed, THRICE)),
        ("never".to_owned(), policy(Order::InOrder, Rule::Drop)),
    ];
    if seeds > 1 {
        cases.push(("thrice, in order".to_owned(), policy(Order::InOrder, THRICE)));
    }
    cases.extend((1..=seeds).map(|seed| (format!("thrice, shuffled {seed}"), policy(Order::Shuffled(seed), THRICE))));
    cases
}

#[tokio::test]
async fn however_webhooks_come_the_end_is_the_same() {
    let mut world = World::open("faults_webhooks").await.unwrap();
    for (number, (name, policy)) in cases().into_iter().enumerate() {
        let began = std::time::Instant::now();
        let dropped = policy.rule == Rule::Drop;
        // The daily sweep, a little more often: without webhooks nothing else tells us.
        let every = if dropped { 1 } else { 86_400_u32 };
        world.stage.stripe.control().set_policy(policy);
        world.start(Split::Whole, &[], &[("PADDOCK__STRIPE__SWEEP_SECONDS", every.to_string())]).unwrap();
        let outcome = case(&world, number, dropped).await;
        let took = began.elapsed().as_secs_f64();
        assert!(outcome.is_ok(), "{name}: {:#}\n{}", outcome.unwrap_err(), world.logs());
        println!("{took:6.1} s  webhooks {name}: one of everything");
        world.stop().await;
    }
}

/// Events that there are, that we keep, and that nobody has taken.
async fn events(world: &World) -> anyhow::Result<[usize; 3]> {
    let control = world.stage.stripe.control();
    let mut conn = world.database().await?;
    let kept: i64 =
        sqlx::query_scalar("select count(*) from stripe_events where source = 'webhook'").fetch_one(&mut conn).await?;
    let missed = control.state()["undelivered"].as_array().map_or(0, Vec::len);
    Ok([control.event_types().len(), usize::try_from(kept)?, missed])
}

async fn case(world: &World, number: usize, dropped: bool) -> anyhow::Result<()> {
    let mut customer = Customer::new(world, &format!("hook{number}"))?;
    let before = events(world).await?;
    customer.until_ready().await?;
    if !dropped {
        let idle = world.stage.stripe.control();
        tokio::time::timeout(Duration::from_secs(20), idle.idle()).await.context("webhooks that nobody takes")?;
    }
    let after = events(world).await?;
    let [made, kept, missed] = [0, 1, 2].map(|at| after[at] - before[at]);
    let [kept_should, missed_should] = if dropped { [0, made] } else { [made, 0] };
    anyhow::ensure!(
        made > 0 && (kept, missed) == (kept_should, missed_should),
        "of {made} events {kept} came and {missed} did not"
    );
    assert_one_of_everything(world, &customer, Excuse { sweeps: dropped, ..Excuse::default() }).await
}
