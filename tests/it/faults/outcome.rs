//! That there is exactly one of everything, asserted the same way after every fault.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use kube::ResourceExt as _;
use paddock::ids::InstanceId;
use paddock::resource::{MastodonInstance, instance_id, namespace_name};
use sqlx::PgConnection;

use super::LOOK;
use super::customer::Customer;
use super::world::World;
use crate::operator::{WHOLE, objects};

/// What a fault may leave behind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Excuse {
    /// One mail may have come twice, if it was taken up twice: the server took it and we died before we could write that down. SMTP
    /// can't tell.
    pub a_mail_twice: bool,
    /// A Job that failed because its database was away, beside the one that did the work.
    pub failed_jobs: bool,
    /// Everything is compared with Stripe every second: jobs come and go for ever, and only those that fail tell of trouble.
    pub sweeps: bool,
}

/// Waits until nothing is on its way any more, then counts.
pub async fn assert_one_of_everything(world: &World, customer: &Customer, excuse: Excuse) -> anyhow::Result<()> {
    all_done(world, customer.email(), excuse).await?;
    let order = rows(world, customer.email()).await.context("the database")?;
    stripe(world, &order).context("Stripe")?;
    let resource = world.resource_of(customer.email()).await?.context("there is no custom resource")?;
    let id = instance_id(&resource.name_any()).context("a custom resource with a foreign name")?;
    cluster(world, &resource, id, excuse).await.context("the cluster")?;
    buckets(world, id).context("the object store")?;
    mails(world, customer.email(), excuse).await.context("mails")
}

/// One bucket for media and one for backups, and as many keys as buckets over all that these tests have made, each world's vault among
/// them: a key that nobody uses would show.
fn buckets(world: &World, id: InstanceId) -> anyhow::Result<()> {
    let names: Vec<String> = std::fs::read_dir(world.rig.dir().join("s3"))?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<anyhow::Result<_>>()?;
    let ours: BTreeSet<&String> = names.iter().filter(|name| name.starts_with(&namespace_name(id))).collect();
    let wanted = [namespace_name(id), format!("{}-backup", namespace_name(id))];
    ensure!(ours == wanted.iter().collect(), "buckets {ours:?}");
    let users = std::fs::read_to_string(world.rig.dir().join("s3-users/users.json"))?;
    let users: serde_json::Value = serde_json::from_str(&users)?;
    let keys = users["accessAccounts"].as_object().map_or(0, serde_json::Map::len);
    let all = names.iter().filter(|name| name.starts_with("mastodon-")).count();
    let vaults = std::fs::read_dir(world.rig.dir().join("worlds"))?.count();
    ensure!(keys == all + vaults, "{keys} keys for {all} buckets and {vaults} vaults");
    Ok(())
}

async fn count(conn: &mut PgConnection, sql: &'static str, email: &str) -> anyhow::Result<i64> {
    sqlx::query_scalar(sql).bind(email).fetch_one(conn).await.with_context(|| sql.to_owned())
}

/// Until both mails have left and no job waits or runs but those that are due some other day.
async fn all_done(world: &World, email: &str, excuse: Excuse) -> anyhow::Result<()> {
    let end = Instant::now() + Duration::from_secs(40);
    loop {
        let look = async {
            let mut conn = world.database().await?;
            let sent = count(&mut conn, "select count(*) from mails where recipient = $1 and state = 'sent'", email).await?;
            let jobs: Vec<(String, Option<String>)> = sqlx::query_as(
                "select t.identifier, j.last_error from graphile_worker._private_jobs j
                 join graphile_worker._private_tasks t on t.id = j.task_id
                 where (j.locked_at is not null or j.run_at < now() + interval '1 minute')
                   and (j.last_error is not null or not $1)",
            )
            .bind(excuse.sweeps)
            .fetch_all(&mut conn)
            .await?;
            ensure!(sent >= 2, "{sent} mails have left");
            ensure!(jobs.is_empty(), "jobs: {jobs:?}");
            Ok(())
        };
        match look.await {
            Ok(()) => return Ok(()),
            Err(error) if Instant::now() > end => return Err(error).context("something is still on its way after 40 s"),
            Err(_) => tokio::time::sleep(LOOK).await,
        }
    }
}

/// One of each row; returns the order's id.
async fn rows(world: &World, email: &str) -> anyhow::Result<String> {
    let mut conn = world.database().await?;
    for (what, sql) in [
        ("accounts", "select count(*) from members m join people p on p.id = m.person_id where p.email = $1"),
        ("instances that are ready", "select count(*) from instances where owner_email = $1 and ready_at is not null"),
        ("instances", "select count(*) from instances where owner_email = $1"),
        (
            "answered instances",
            "select count(*) from instances where owner_email = $1 and observed_generation = generation and pushed_generation = generation",
        ),
        ("orders", "select count(*) from orders o join instances i on i.id = o.instance_id where i.owner_email = $1"),
        (
            "paid orders",
            "select count(*) from orders o join instances i on i.id = o.instance_id where i.owner_email = $1 and o.state = 'paid'",
        ),
        ("places", "select count(*) from places p join instances i on i.id = p.instance_id where i.owner_email = $1"),
        (
            "confirmed places",
            "select count(*) from places p join instances i on i.id = p.instance_id where i.owner_email = $1 and p.state = 'confirmed'",
        ),
        (
            "subscriptions",
            "select count(*) from subscriptions s join instances i on i.id = s.instance_id where i.owner_email = $1",
        ),
        (
            "notes that the order was paid and its place confirmed",
            "select count(*) from audit_events a join instances i on i.account_id = a.account_id
             where i.owner_email = $1 and a.action = 'order.paid'",
        ),
    ] {
        let found = count(&mut conn, sql, email).await?;
        ensure!(found == 1, "{found} {what} instead of one");
    }
    let mails = count(&mut conn, "select count(*) from mails where recipient = $1", email).await?;
    ensure!(mails == 2, "{mails} mails were owed instead of two");
    // (The queue takes key and tries from a running job when another of its key is enqueued; that one does its work.)
    let dead: Vec<String> = sqlx::query_scalar(
        "select coalesce(last_error, '') from graphile_worker._private_jobs where attempts >= max_attempts and key is not null",
    )
    .fetch_all(&mut conn)
    .await?;
    ensure!(dead.is_empty(), "jobs are dead: {dead:?}");
    let order: uuid::Uuid =
        sqlx::query_scalar("select o.id from orders o join instances i on i.id = o.instance_id where i.owner_email = $1")
            .bind(email)
            .fetch_one(&mut conn)
            .await?;
    Ok(paddock::ids::OrderId::from(order).to_string())
}

fn stripe(world: &World, order: &str) -> anyhow::Result<()> {
    let control = world.stage.stripe.control();
    let state = control.state();
    let with_order =
        |list: &str| state[list].as_array().into_iter().flatten().filter(|object| object.to_string().contains(order)).count();
    let charges = control.charges().iter().filter(|charge| charge.order.as_deref() == Some(order)).count();
    ensure!(charges == 1, "{charges} charges for {order}");
    ensure!(with_order("subscriptions") == 1, "{} subscriptions for {order}", with_order("subscriptions"));
    ensure!(with_order("checkouts") == 1, "{} checkouts for {order}", with_order("checkouts"));
    // Every customer of these tests buys one server.
    let (customers, all) = (state["customers"].as_u64().unwrap_or(0), control.charges().len());
    ensure!(usize::try_from(customers)? == all, "{customers} customers for {all} charges in all");
    Ok(())
}

async fn cluster(world: &World, resource: &MastodonInstance, id: InstanceId, excuse: Excuse) -> anyhow::Result<()> {
    let there = objects(&world.client, id).await;
    let version = resource.spec.version.replace('.', "-");
    let mut wanted: BTreeSet<String> = WHOLE.into_iter().map(|name| name.replace("4-5-20", &version)).collect();
    // The relay of the stage knows every server by a login of its own.
    wanted.insert("Secret/mastodon-mail".to_owned());
    if resource.spec.size.web.replicas < 2 {
        wanted.remove("PodDisruptionBudget/web");
    }
    let mut there: BTreeSet<String> = there.into_keys().collect();
    if excuse.failed_jobs {
        there.retain(|name| wanted.contains(name) || !name.starts_with("Job/"));
    }
    let (more, less): (Vec<_>, Vec<_>) = (there.difference(&wanted).collect(), wanted.difference(&there).collect());
    ensure!(more.is_empty() && less.is_empty(), "too much: {more:?}; missing: {less:?}");
    vault(world).await
}

/// The identity that the server has is the one in the vault.
async fn vault(world: &World) -> anyhow::Result<()> {
    let mut check = tokio::process::Command::new(env!("CARGO_BIN_EXE_paddock"));
    let output = check.args(["admin", "vault", "check", "--config"]).arg(&world.stage.config_file).output().await?;
    let told = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    ensure!(output.status.success() && !told.starts_with('0'), "the vault: {told}");
    Ok(())
}

async fn mails(world: &World, email: &str, excuse: Excuse) -> anyhow::Result<()> {
    let mut conn = world.database().await?;
    let owed: Vec<(uuid::Uuid, i32)> =
        sqlx::query_as("select id, attempts from mails where recipient = $1").bind(email).fetch_all(&mut conn).await?;
    let came = world.stage.mailbox.mails_to(email);
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    for mail in &came {
        *times.entry(mail.message_id.as_str()).or_default() += 1;
    }
    let subjects: Vec<&str> = came.iter().map(|mail| mail.subject.as_str()).collect();
    ensure!(times.len() == 2, "{} different mails instead of two: {subjects:?}", times.len());
    for part in ["/verify/", "/instances/"] {
        ensure!(came.iter().any(|mail| mail.link_with(part).is_some()), "no mail has a link to {part}: {subjects:?}");
    }
    for (id, attempts) in owed {
        let start = format!("<{}@", paddock::ids::MailId::from(id));
        let copies: usize = times.iter().filter(|(message, _)| message.starts_with(&start)).map(|(_, copies)| copies).sum();
        let most = if excuse.a_mail_twice && attempts > 1 { 2 } else { 1 };
        ensure!((1..=most).contains(&copies), "{copies} copies of {start}…, taken up {attempts} times: {subjects:?}");
    }
    let most = if excuse.a_mail_twice { 3 } else { 2 };
    ensure!(came.len() <= most, "{} mails instead of at most {most}: {subjects:?}", came.len());
    Ok(())
}
