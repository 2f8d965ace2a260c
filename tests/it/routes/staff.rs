//! The host's own pages.

use std::io::Write as _;
use std::process::{Command, Stdio};

use paddock::account::Scope;
use paddock::billing::stripe::RemoteStatus;
use paddock::billing::{self, SyncError};
use paddock::config::REFERENCE;
use paddock::queue;
use paddock::resource::StepName;

use crate::harness::{PASSWORD, Start, TestApp};

#[tokio::test]
async fn staff_sign_in_apart_from_customers() {
    let Start { app, anon, customer, .. } = TestApp::start().await;
    anon.get("/staff").await.redirects_to("/staff/log-in");
    let page = anon.get("/staff/log-in").await.is(200);
    let wrong = [
        ("staff@host.example", "wrong horse battery staple"),
        ("nobody@host.example", PASSWORD),
        (customer.who.email.as_str(), PASSWORD),
        ("no address", PASSWORD),
        ("", ""),
    ];
    for (email, password) in wrong {
        let answer = anon.submit(&page, "/staff/log-in", &[("email", email), ("password", password)]).await;
        answer.is(422).see("do not belong together");
    }
    let logged = async || -> i64 {
        let count = sqlx::query_scalar("select count(*) from audit_events where action = 'staff.logged_in'");
        count.fetch_one(app.sql()).await.unwrap()
    };
    let before = logged().await;
    anon.submit(&page, "/staff/log-in", &[("email", "staff@host.example"), ("password", PASSWORD)]).await.redirects_to("/staff");
    anon.get("/staff").await.is(200).see("Overview").see("staff@host.example");
    assert_eq!(logged().await, before + 1);
}

/// As docs/installation.md says: the program itself, with the password on its standard input.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_staff_account_is_made_at_the_command_line() {
    let Start { app, anon, .. } = TestApp::start().await;
    let file = std::env::temp_dir().join(format!("paddock-admin-{}.toml", std::process::id()));
    let config = REFERENCE.replacen("postgres://paddock@127.0.0.1/paddock", &app.database_url(), 1);
    std::fs::write(&file, config).unwrap();
    let admin = |password: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_paddock"));
        command.args(["admin", "staff", "--email", "first@host.example", "--scope", "admin"]).env("PADDOCK_CONFIG", &file);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(format!("{password}\n").as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    };
    let log_in =
        async |password: &str| anon.post("/staff/log-in", &[("email", "first@host.example"), ("password", password)]).await;
    assert!(String::from_utf8_lossy(&admin("short").stderr).contains("the password is too short: between 8 and 128"));
    log_in("short").await.is(422);
    for password in ["a quiet harbour", "another harbour"] {
        let done = admin(password);
        assert!(done.status.success() && done.stdout.starts_with(b"stf_"), "{done:?}");
        log_in(password).await.redirects_to("/staff");
    }
    log_in("a quiet harbour").await.is(422);
    std::fs::remove_file(&file).unwrap();
}

#[tokio::test]
async fn to_customers_there_are_no_staff_pages() {
    let Start { app, customer, .. } = TestApp::start().await;
    let instance = app.paid(&customer, "birds").await;
    for path in ["/staff", "/staff/instances", "/staff/orders", &format!("/staff/instances/{}", instance.id)] {
        customer.get(path).await.is(404);
    }
}

#[tokio::test]
async fn the_overview_says_what_is_well_and_what_is_not() {
    let Start { app, customer, other_customer, staff, .. } = TestApp::start().await;
    app.running(&customer, "birds").await;
    let building = app.paid(&customer, "fish").await;
    app.order(&other_customer, "bees").await;
    let page = staff.get("/staff").await.is(200);
    let page = page.see("Orders waiting 1").see("Being built 1").see("Places left 7").see("bees.meadow.social").not_see("Look:");
    assert!(!page.visible_text().contains("staff-"), "{}", page.visible_text());

    app.advance(chrono::TimeDelta::minutes(11));
    let page = staff.get("/staff").await.see("Look: Building for too long 1").see("fish.meadow.social");
    assert!(page.attributes("a", "href").contains(&format!("/staff/instances/{}", building.id)));
}

#[tokio::test]
async fn a_server_is_shown_with_all_that_is_known_of_it() {
    let Start { app, customer, staff, .. } = TestApp::start().await;
    let instance = app.paid(&customer, "birds").await;
    app.observe(instance.id, &app.status(&[StepName::Namespace])).await;
    let page = staff.get(&format!("/staff/instances/{}", instance.id)).await.is(200);
    let page = page.see("NamespaceReady: True").see("DatabaseReady: False").see("order.placed").see("instance.intent");
    page.see(&instance.id.to_string()).see(&customer.who.email);
    staff.get("/staff/instances").await.is(200).see("birds.meadow.social").see("Being built");
    staff.get("/staff/orders").await.is(200).see("birds.meadow.social").see("Paid");
    staff.get("/staff/instances/ins_nonsense").await.is(404);
    app.staff_with(Scope::Support).get("/staff/orders").await.is(200);
}

#[tokio::test]
async fn a_job_that_was_given_up_gets_its_tries_again() {
    let Start { app, customer, staff, .. } = TestApp::start().await;
    app.order(&customer, "birds").await;
    let id = app.jobs().await[0].id;
    let give_up = "update graphile_worker._private_jobs set attempts = max_attempts, last_error = 'the moon' where id = $1";
    sqlx::query(give_up).bind(id).execute(app.sql()).await.unwrap();
    let page = staff.get("/staff").await.see("Look: Failed jobs 1").see("the moon").see("Given up");
    let path = format!("/staff/jobs/{id}/retry");
    let support = app.staff_with(Scope::Support);
    support.get("/staff").await.is(200).see("the moon").not_see("Try again");
    support.post(&path, &[]).await.is(403).see("none of your scopes allows this").not_see("owner of the account");
    let answer = staff.submit(&page, &path, &[]).await.redirects_to("/staff");
    staff.follow(answer).await.see("all its tries again");
    let job = app.jobs().await.into_iter().find(|job| job.id == id).unwrap();
    assert_eq!((job.attempts, job.is_dead()), (0, false));
    let audited: i64 =
        sqlx::query_scalar("select count(*) from audit_events where action = 'job.retried' and actor_kind = 'staff'")
            .fetch_one(app.sql())
            .await
            .unwrap();
    assert_eq!(audited, 1);
    let answer = staff.post("/staff/jobs/999999/retry", &[]).await.redirects_to("/staff");
    staff.follow(answer).await.see("is done, or is being worked on");
    app.run_jobs().await;
}

#[tokio::test]
async fn money_for_an_order_that_is_not_there_stays_before_the_staffs_eyes() {
    let Start { app, customer, staff, .. } = TestApp::start().await;
    let order = app.order(&customer, "birds").await;
    customer.post(&format!("/orders/{}/pay", order.id), &[]).await.is(303);
    let checkout = app.find_order(order.id).await.checkout_id.unwrap();
    // A restored backup, say, that is older than the order.
    sqlx::query("delete from orders where id = $1").bind(order.id).execute(app.sql()).await.unwrap();
    app.shop.pay_well(&checkout);
    let failed = app.try_run_jobs().await;
    let tasks: Vec<&str> = failed.iter().map(|job| job.task.as_str()).collect();
    assert!(tasks.contains(&"sync_subscription") && failed.iter().all(queue::JobRow::is_dead), "{failed:?}");
    let page = staff.get("/staff").await.see("Look: Failed jobs").see(&order.id.to_string());
    page.see("Stripe takes money").see("cancel the subscription at Stripe");

    // The sweep does not make it go away, and a subscription that takes nothing is no reason to call anybody.
    sqlx::query("select enqueue_job('sweep_stripe', '{}', 'sweep_stripe:all', null, null)").execute(app.sql()).await.unwrap();
    assert!(app.try_run_jobs().await.iter().any(|job| job.task == "sync_subscription" && job.is_dead()));
    let page = app.deps.stripe.list_subscriptions(None).await.unwrap();
    let mut remote = billing::fetch_subscription(app.deps.stripe.as_ref(), app.clock.as_ref(), &page.items[0].id).await.unwrap();
    let all = [
        (RemoteStatus::Active, true),
        (RemoteStatus::Trialing, true),
        (RemoteStatus::PastDue, true),
        (RemoteStatus::Incomplete, false),
        (RemoteStatus::IncompleteExpired, false),
        (RemoteStatus::Canceled, false),
        (RemoteStatus::Unpaid, false),
        (RemoteStatus::Paused, false),
    ];
    for (status, calls) in all {
        remote.subscription.as_mut().unwrap().status = status;
        let mut tx = app.db.worker().begin().await.unwrap();
        let taken = billing::sync(&mut tx, app.clock.as_ref(), &remote).await;
        assert_eq!(matches!(taken, Err(SyncError::PaidWithoutOrder { .. })), calls, "{status:?}: {taken:?}");
    }
    app.leave_jobs();
}

#[tokio::test]
async fn what_became_of_conditions_is_kept_and_shown() {
    let Start { app, customer, staff, .. } = TestApp::start().await;
    let server = app.paid(&customer, "birds").await;
    app.observe(server.id, &app.status(&[StepName::Namespace])).await;
    let before: i64 = sqlx::query_scalar("select count(*) from condition_changes").fetch_one(app.sql()).await.unwrap();
    assert!(before > 5, "at first all is new: {before}");
    // What is said twice has changed once.
    app.observe(server.id, &app.status(&[StepName::Namespace])).await;
    app.observe(server.id, &app.status(&[StepName::Namespace, StepName::Identity])).await;
    let changed: Vec<(String, String)> = sqlx::query_as("select condition, status from condition_changes order by id offset $1")
        .bind(before)
        .fetch_all(app.sql())
        .await
        .unwrap();
    assert_eq!(changed, [("IdentityReady".to_owned(), "True".to_owned())]);
    let page = staff.get(&format!("/staff/instances/{}", server.id)).await.is(200);
    page.see("What became of its conditions").see("IdentityReady: True");
    app.advance(chrono::TimeDelta::days(91));
    sqlx::query("select enqueue_job('tidy', '{}', 'tidy:all', null, null)").execute(app.sql()).await.unwrap();
    app.run_jobs().await;
    assert_eq!(app.rows().await["condition_changes"], 0);
    app.leave_jobs();
}
