//! The host's own pages.

use std::io::Write as _;
use std::process::{Command, Stdio};

use paddock::account::email::EmailAddress;
use paddock::account::{self, Scope};
use paddock::billing::stripe::RemoteStatus;
use paddock::billing::{self, SyncError};
use paddock::config::REFERENCE;
use paddock::ids::StaffId;
use paddock::queue;
use paddock::resource::StepName;

use crate::harness::{Answer, Identity, PASSWORD, Start, TestApp};

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
    let right = [("email", "staff@host.example"), ("password", PASSWORD)];
    let page = anon.follow(anon.submit(&page, "/staff/log-in", &right).await.redirects_to("/staff/log-in/code")).await;
    // The password alone opens nothing.
    anon.get("/staff").await.redirects_to("/staff/log-in");
    anon.submit(&page, "/staff/log-in/code", &[("code", "000000")]).await.is(422).see("The code is not right");
    let code = app.staffs_code();
    anon.submit(&page, "/staff/log-in/code", &[("code", &code)]).await.redirects_to("/staff");
    anon.get("/staff").await.is(200).see("Overview").see("staff@host.example");
    assert_eq!(logged().await, before + 1);
    // No code counts twice, and what stood between the steps is over.
    anon.get("/staff/log-in/code").await.redirects_to("/staff/log-in");
    let other = app.client(Identity::default());
    other.post("/staff/log-in", &right).await.redirects_to("/staff/log-in/code");
    other.post("/staff/log-in/code", &[("code", &code)]).await.is(422);
    app.advance(chrono::TimeDelta::minutes(11));
    other.post("/staff/log-in/code", &[("code", &app.staffs_code())]).await.redirects_to("/staff/log-in");
}

/// The app that the page of setting up shows.
fn app_of(page: &Answer) -> totp_rs::Totp {
    let secret = totp_rs::Secret::try_from_base32(&page.all("main code").remove(0).replace(' ', "")).unwrap();
    totp_rs::Builder::new().with_secret(secret).build().unwrap()
}

async fn new_member(app: &TestApp, email: &str) -> StaffId {
    let hash = app.state.passwords.hash(PASSWORD.into()).await.unwrap();
    let mut tx = app.sql().begin().await.unwrap();
    let email = EmailAddress::parse(email).unwrap();
    let id = account::put_staff(&mut tx, app.clock.as_ref(), &email, &hash, &[Scope::Support]).await.unwrap();
    tx.commit().await.unwrap();
    id
}

#[tokio::test]
async fn whoever_of_the_staff_has_no_second_factor_sets_it_up_and_can_do_nothing_else() {
    let Start { app, anon, .. } = TestApp::start().await;
    let id = new_member(&app, "new@host.example").await;
    let log_in = [("email", "new@host.example"), ("password", PASSWORD)];
    let page = anon.follow(anon.post("/staff/log-in", &log_in).await.redirects_to("/staff/log-in/set-up")).await.is(200);
    for path in ["/staff", "/staff/instances", "/staff/security", "/staff/step-up"] {
        anon.get(path).await.redirects_to("/staff/log-in");
    }
    anon.post("/staff/log-in/code", &[("code", "000000")]).await.is(422);
    // A session, were there one, would open nothing either.
    let who = Identity { email: "new@host.example".to_owned(), staff: Some(id), ..Identity::default() };
    let forced = app.sign_in_again(&app.client(who)).await;
    forced.get("/staff").await.redirects_to("/staff/log-in");

    let authenticator = app_of(&page);
    let code = |app: &TestApp| authenticator.generate(app.clock_now().timestamp().try_into().unwrap()).to_string();
    let again = anon.submit(&page, "/staff/log-in/set-up", &[("code", "000000")]).await.is(422).see("The code is not right");
    assert_eq!(again.all("main code"), page.all("main code"), "the secret stays the same");
    let codes =
        anon.submit(&page, "/staff/log-in/set-up", &[("code", &code(&app))]).await.is(200).see("They are not shown again.");
    anon.get("/staff").await.is(200).see("Overview");
    anon.get("/staff/security").await.is(200).see("10 recovery codes are left");
    app.run_jobs().await;
    assert_eq!(app.mail_to("new@host.example").subject, "Your second factor as staff of Meadow Hosting");
    // From now on it is asked for; a recovery code does as well, once.
    let other = app.client(Identity::default());
    let recovery = codes.all("main code").remove(0);
    other.post("/staff/log-in", &log_in).await.redirects_to("/staff/log-in/code");
    other.get("/staff/log-in/set-up").await.redirects_to("/staff/log-in/code");
    other.post("/staff/log-in/code", &[("code", &recovery)]).await.redirects_to("/staff");
    other.post("/staff/log-in", &log_in).await.redirects_to("/staff/log-in/code");
    other.post("/staff/log-in/code", &[("code", &recovery)]).await.is(422);
    app.run_jobs().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_second_factor_is_forgotten_at_the_machine_alone() {
    let Start { app, staff, .. } = TestApp::start().await;
    let file = std::env::temp_dir().join(format!("paddock-factor-{}.toml", std::process::id()));
    std::fs::write(&file, REFERENCE.replacen("postgres://paddock@127.0.0.1/paddock", &app.database_url(), 1)).unwrap();
    let forget = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_paddock"));
        command.args(["admin", "staff-second-factor", "--email", "staff@host.example", "--forget"]);
        command.env("PADDOCK_CONFIG", &file).output().unwrap()
    };
    staff.get("/staff").await.is(200);
    assert!(forget().status.success());
    staff.get("/staff").await.redirects_to("/staff/log-in");
    let log_in = [("email", "staff@host.example"), ("password", PASSWORD)];
    staff.post("/staff/log-in", &log_in).await.redirects_to("/staff/log-in/set-up");
    let again = forget();
    assert!(!again.status.success() && String::from_utf8_lossy(&again.stderr).contains("no second factor"), "{again:?}");
    app.run_jobs().await;
    assert!(app.mail_to("staff@host.example").text.contains("was forgotten"));
    std::fs::remove_file(&file).unwrap();
}

#[tokio::test]
async fn what_asks_staff_again_who_they_are_holds_for_ten_minutes() {
    let Start { app, staff, .. } = TestApp::start().await;
    let staff = app.sign_in_again(&staff).await;
    staff.post("/staff/security/codes", &[]).await.is(200).see("They are not shown again.");
    app.advance(chrono::TimeDelta::minutes(11));
    let ask = "/staff/step-up?next=%2Fstaff";
    staff.post("/staff/security/codes", &[]).await.redirects_to(ask);
    let page = staff.get(ask).await.is(200);
    staff.submit(&page, "/staff/step-up", &[("code", "000000")]).await.is(422);
    staff.submit(&page, "/staff/step-up", &[("code", &app.staffs_code())]).await.redirects_to("/staff");
    staff.post("/staff/security/codes", &[]).await.is(200);
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
        log_in(password).await.redirects_to("/staff/log-in/set-up");
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
