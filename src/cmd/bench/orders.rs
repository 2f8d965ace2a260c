//! Orders as customers leave them behind, by the functions that pages and webhooks call: only Stripe is not asked.

use anyhow::Context as _;

use crate::account;
use crate::account::email::EmailAddress;
use crate::account::password::Passwords;
use crate::audit::Actor;
use crate::billing::stripe::{RemoteStatus, RemoteSubscription};
use crate::billing::{self, NewOrder, Placement, Remote};
use crate::clock::{Clock as _, SystemClock};
use crate::config::Config;
use crate::db::Db;
use crate::demo::stage::HOSTS_DOMAIN;
use crate::ids::{InstanceId, OrderId};
use crate::instance;
use crate::plan::{Catalogue, Interval};

/// An order that waits for its payment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Placed {
    pub order: OrderId,
    pub instance: InstanceId,
}

/// Signs `count` customers up and places one order of the first plan for each.
pub(super) async fn place(db: &Db, config: &Config, count: u32) -> anyhow::Result<Vec<Placed>> {
    let catalogue = Catalogue::load(&config.catalogue.plans)?;
    let plan = catalogue.offered().next().context("the catalogue offers no plan")?;
    let hash = Passwords::new(1).hash("a password of the bench".into()).await?;
    let mut placed = Vec::new();
    for number in 0..count {
        let address = format!("owner-{number}@example.org");
        let email = EmailAddress::parse(&address).map_err(|problem| anyhow::anyhow!("{address}: {problem:?}"))?;
        let mut tx = db.auth().begin().await?;
        account::sign_up(&mut tx, &SystemClock, &email, &hash, "en").await?;
        let (person, _) = account::credentials(&mut tx, &email).await?.context("nobody was signed up")?;
        let (account, _) = account::membership(&mut tx, person.id).await?.context("nobody owns the account")?;
        tx.commit().await?;

        let name = format!("bench-{number}");
        let new = NewOrder {
            plan,
            interval: Interval::Month,
            domain: &format!("{name}.{HOSTS_DOMAIN}"),
            // What names look like is not the matter here; no two may look alike.
            skeleton: &name,
            hosted: true,
            web_domain: None,
            owner_username: "owner",
            owner_email: &address,
            locale: "en",
            checkout_minutes: 60,
        };
        let mut tx = db.begin_account(account).await?;
        let order = match billing::place(&mut tx, &SystemClock, Actor::Person(person.id), &new).await? {
            Placement::Placed(order) => order,
            Placement::Full => anyhow::bail!("the cluster is full"),
        };
        tx.commit().await?;
        let mut conn = db.owner().acquire().await?;
        let order = billing::find_order(&mut conn, order).await?.context("the order was not written")?;
        placed.push(Placed { order: order.id, instance: order.instance_id });
    }
    Ok(placed)
}

/// Takes the payment in, as the job after a webhook does: the transaction whose commit starts the server.
pub(super) async fn pay(db: &Db, placed: Placed) -> anyhow::Result<()> {
    let mut tx = db.worker().begin().await?;
    let order = billing::find_order(&mut tx, placed.order).await?.context("the order is gone")?;
    let now = SystemClock.now();
    let remote = RemoteSubscription {
        id: format!("sub_{}", placed.order.to_string().replace('-', "_")).parse()?,
        status: RemoteStatus::Active,
        customer: "cus_bench".parse()?,
        item: "si_bench".parse()?,
        price: "price_bench".parse()?,
        packs: None,
        interval: order.billing_interval,
        amount: order.price(),
        created: now,
        current_period_start: now,
        current_period_end: now + chrono::TimeDelta::days(30),
        cancel_at: None,
        cancel_at_period_end: false,
        canceled_at: None,
        ended_at: None,
        latest_invoice: None,
        order: Some(order.id),
        account: Some(order.account_id),
        instance: Some(order.instance_id),
    };
    let remote = Remote { fetched_at: now, checkout: None, subscription: Some(remote), open_invoice: None, declined_at: None };
    billing::sync(&mut tx, &SystemClock, &remote).await?;
    tx.commit().await?;
    Ok(())
}

/// When the order was committed and when the server was first seen ready.
pub(super) async fn times(
    db: &Db,
    id: InstanceId,
) -> anyhow::Result<Option<(chrono::DateTime<chrono::Utc>, chrono::DateTime<chrono::Utc>)>> {
    let mut conn = db.owner().acquire().await?;
    let instance = instance::find(&mut conn, id).await?.context("the instance is gone")?;
    Ok(instance.intent_at.zip(instance.ready_at))
}
