//! How many questions a page asks the database, counted: what grows with the rows shows here before anybody waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use paddock::ids::{AccountId, InstanceId};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::harness::{Capacity, Client, Start, TestApp};

/// The most that a list may ask, whoever is signed in included.
const MOST: usize = 6;

/// Counts what sqlx says that it has sent, on this thread alone: a test and its program run on one.
#[derive(Clone, Default)]
struct Statements(Arc<AtomicUsize>);

impl<S: Subscriber> Layer<S> for Statements {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == "sqlx::query" {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Statements {
    /// The least of four times: the first one notes that somebody came, and each may have to open a connection, which asks as well.
    async fn of(&self, client: &Client, path: &str) -> usize {
        let mut least = usize::MAX;
        for _ in 0..4 {
            self.0.store(0, Ordering::Relaxed);
            client.get(path).await.is(200);
            least = least.min(self.0.load(Ordering::Relaxed));
        }
        least
    }
}

/// Accounts with an unpaid server, order and incident each.
async fn fill(app: &TestApp, by: uuid::Uuid, count: usize) {
    for number in 0..count {
        let (account, instance) = (AccountId::new(), InstanceId::new());
        let texts = [
            "insert into accounts (id, name, created_at) values ($1, $3, now())",
            "insert into instances (id, account_id, cluster_id, domain, domain_skeleton, hosted, owner_username, owner_email, locale,
                                    plan_code, size, mastodon_version, intent, created_at)
             select $2, $1, id, $3, $3, true, 'wren', 'wren@mail.example', 'en', 'family', '{}', '4.6.0', 'absent', now() from clusters limit 1",
            "insert into orders (id, account_id, instance_id, plan_code, billing_interval, amount_minor, currency, state, checkout_expires_at, created_at)
             select gen_random_uuid(), $1, $2, 'family', 'month', 1900, 'eur', 'expired', now(), now() where $3 <> ''",
        ];
        for text in texts {
            sqlx::query(text)
                .bind(account)
                .bind(instance)
                .bind(format!("{number}.meadow.social"))
                .execute(app.sql())
                .await
                .unwrap();
        }
        sqlx::query(
            "insert into incidents (id, title, impact, state, began_at, over_at, created_by, created_at, updated_at)
             values (gen_random_uuid(), 'Nothing much', 'notice', 'over', now(), now(), $1, now(), now())",
        )
        .bind(by)
        .execute(app.sql())
        .await
        .unwrap();
    }
}

#[tokio::test]
async fn lists_ask_six_questions_at_most_however_long_they_are() {
    let Start { app, anon, staff, .. } = TestApp::start_with(Capacity(200)).await;
    let statements = Statements::default();
    let _guard = tracing_subscriber::registry().with(statements.clone()).set_default();
    let by = staff.who.staff.unwrap().uuid();
    let pages = [
        (&staff, "/staff/instances"),
        (&staff, "/staff/instances?sort=address&q=1"),
        (&staff, "/staff/customers"),
        (&staff, "/staff/orders"),
        (&staff, "/staff/incidents"),
        (&staff, "/staff/queue"),
        (&staff, "/staff/alerts"),
        (&staff, "/staff/search?q=1"),
        (&anon, "/status"),
    ];
    fill(&app, by, 3).await;
    let mut few = Vec::new();
    for (client, path) in pages {
        let asked = statements.of(client, path).await;
        assert!((1..=MOST).contains(&asked), "{path}: {asked} statements");
        few.push(asked);
    }
    sqlx::query("update instances set domain = 'old-' || domain").execute(app.sql()).await.unwrap();
    sqlx::query("update instances set domain_skeleton = 'old-' || domain_skeleton").execute(app.sql()).await.unwrap();
    fill(&app, by, 70).await;
    for ((client, path), before) in pages.into_iter().zip(few) {
        assert_eq!(statements.of(client, path).await, before, "{path} asks more where there is more");
    }
}
