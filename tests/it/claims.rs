//! Domains that customers bring: ordered and built like any other, and served once their records point here.

use chrono::TimeDelta;
use paddock::billing::{OrderError, Placement};
use paddock::ids::InstanceId;
use paddock::instance::claim::LocalDomain;
use paddock::instance::dns::{LookupFailed, RecordKind};
use paddock::instance::sites::Answer;
use paddock::queue::JobRow;
use paddock::resource::StepName;
use serde_json::json;

use crate::harness::{Client, Start, TestApp};

/// What is done when only the address is missing.
const BUILT: [StepName; 8] = [
    StepName::Namespace,
    StepName::Identity,
    StepName::Bucket,
    StepName::Database,
    StepName::Cache,
    StepName::Migrations,
    StepName::Owner,
    StepName::Processes,
];

fn point_here(app: &TestApp, names: &[&str]) {
    for name in names {
        app.resolver.set(name, RecordKind::Cname, &["gate.meadow.social"]);
    }
}

/// The time of the waiting job comes, and it looks.
async fn look(app: &TestApp) {
    app.advance(TimeDelta::hours(6));
    app.run_jobs().await;
}

/// The jobs that look at a server's records.
async fn looks_due(app: &TestApp) -> Vec<JobRow> {
    app.jobs().await.into_iter().filter(|job| job.task == "check_address").collect()
}

async fn audit(app: &TestApp, id: InstanceId) -> Vec<String> {
    let query = "select action from audit_events where subject = $1 order by id";
    sqlx::query_scalar(query).bind(id.to_string()).fetch_all(app.sql()).await.unwrap()
}

#[tokio::test]
async fn it_is_built_at_once_and_served_when_its_records_point_here() {
    let Start { app, customer, .. } = TestApp::start().await;
    let instance = app.paid_own(&customer, "social.birds.org", None).await;
    assert!(instance.awaits_records() && instance.address_checked_at.is_some(), "looked at as soon as it was paid");
    assert_eq!(instance.generation, 1, "it is built without waiting");
    let waiting = looks_due(&app).await;
    assert_eq!(waiting.len(), 1);
    assert_eq!(waiting[0].run_at.timestamp(), (app.clock_now() + TimeDelta::seconds(30)).timestamp());

    // The page says what is waited for, however long that takes.
    let path = format!("/instances/{}", instance.id);
    app.observe(instance.id, &app.status(&[StepName::Namespace])).await;
    customer.get(&path).await.see("is being built");
    app.observe(instance.id, &app.status(&BUILT)).await;
    app.advance(TimeDelta::hours(2));
    let page = customer.get(&path).await.see("social.birds.org waits for your DNS records").not_see("taking longer");
    assert!(page.attributes("a", "href").contains(&format!("{path}/address")));
    customer.get("/instances").await.see("Waits for DNS records");
    let told = customer.api_get(&format!("/api/v1{path}")).await.is(200).json();
    assert_eq!((&told["phase"], &told["reason"]), (&json!("awaiting-records"), &json!(null)));

    // Pages alone are not enough: media must point here as well. What some resolver can't tell is no answer.
    point_here(&app, &["social.birds.org"]);
    look(&app).await;
    assert!(app.find_instance(instance.id).await.awaits_records());
    app.resolver.fail("files.social.birds.org", RecordKind::Cname, LookupFailed::ServerFailed);
    look(&app).await;
    assert!(app.find_instance(instance.id).await.awaits_records());
    let page = customer.get(&format!("{path}/address")).await.is(200).see("Waits for your records").see("Not checked");
    page.see("files.social.birds.org");

    point_here(&app, &["files.social.birds.org"]);
    look(&app).await;
    let instance = app.find_instance(instance.id).await;
    assert!(!instance.awaits_records());
    assert_eq!(instance.generation, 2, "the cluster is told");
    assert!(looks_due(&app).await.is_empty(), "nothing is left to look for");
    assert_eq!(audit(&app, instance.id).await, ["instance.intent", "instance.address_confirmed"]);
    customer.get(&path).await.see("is being built").not_see("waits for your DNS records");
    customer.get(&format!("{path}/address")).await.see("Points to us").see("Right").not_see("Not seen yet");

    // What is gone for a while is still the customer's.
    app.resolver.set("social.birds.org", RecordKind::Cname, &[]);
    customer.post(&format!("{path}/address/check"), &[]).await.redirects_to(&format!("{path}/address"));
    app.run_jobs().await;
    assert!(!app.find_instance(instance.id).await.awaits_records());

    app.observe(instance.id, &app.status(&StepName::ALL)).await;
    app.run_jobs().await;
    assert!(app.mail_to(&customer.who.email).text.contains("https://social.birds.org"), "a mail when it serves");
}

#[tokio::test]
async fn the_button_makes_the_worker_look_at_once() {
    let Start { app, customer, other_customer, .. } = TestApp::start().await;
    let instance = app.paid_own(&customer, "birds.org", None).await;
    let path = format!("/instances/{}/address", instance.id);
    let page = customer.get(&path).await.is(200).see("192.0.2.1").see("2001:db8::1").see("files.birds.org").see("Not seen yet");
    app.resolver.set("birds.org", RecordKind::A, &["192.0.2.1"]);
    app.resolver.set("birds.org", RecordKind::Aaaa, &["2001:db8::1"]);
    point_here(&app, &["files.birds.org"]);
    let back = customer.submit(&page, &format!("{path}/check"), &[]).await.redirects_to(&path);
    customer.follow(back).await.see("We look again at this moment").see("Right");
    app.run_jobs().await;
    assert!(!app.find_instance(instance.id).await.awaits_records());

    // The same in JSON; a second press is one job.
    let instance = app.paid_own(&customer, "wrens.org", None).await;
    let path = format!("/api/v1/instances/{}/address", instance.id);
    for _ in 0..2 {
        let told = customer.api_post(&format!("{path}/check"), &json!({})).await.is(202).json();
        assert_eq!((&told["served"], &told["all_right"], &told["handles"]), (&json!(false), &json!(false), &json!(null)));
    }
    assert_eq!(looks_due(&app).await.len(), 1);
    app.run_jobs().await;
    assert!(customer.api_get(&path).await.is(200).json()["looked_at"].is_string());
    other_customer.api_get(&path).await.is(404);

    // A name under the host's domain needs nothing.
    let hosted = app.paid(&customer, "herons").await;
    let path = format!("/instances/{}/address", hosted.id);
    customer.get(&path).await.is(200).see("There is nothing for you to set");
    customer.post(&format!("{path}/check"), &[]).await.redirects_to(&path);
    let told = customer.api_get(&format!("/api/v1{path}")).await.is(200).json();
    assert_eq!((&told["served"], &told["records"]), (&json!(true), &json!([])));
    assert!(app.jobs().await.iter().all(|job| !job.payload.to_string().contains(&hosted.id.to_string())));
}

#[tokio::test]
async fn who_answers_for_the_handles_is_read_off_the_dns() {
    let Start { app, customer, .. } = TestApp::start().await;
    point_here(&app, &["social.birds.org", "files.social.birds.org"]);
    app.resolver.set("birds.org", RecordKind::A, &["198.51.100.7"]);
    let instance = app.paid_own(&customer, "birds.org", Some("social.birds.org")).await;
    assert_eq!((instance.local_domain, instance.awaits_records()), (Some(LocalDomain::Elsewhere), false));

    // The customer's own site redirects, or not yet, or not as it should.
    let path = format!("/instances/{}/address", instance.id);
    let answer = |status, location: &str, origin: Option<&str>| Answer {
        status,
        location: Some(location.to_owned()),
        allow_origin: origin.map(str::to_owned),
    };
    customer.get(&path).await.see("Handles on birds.org").see("https://birds.org/.well-known/webfinger").see("no address yet");
    app.sites.set("birds.org", answer(404, "", None));
    customer.get(&path).await.see("answers with status 404");
    let right = "https://social.birds.org/.well-known/webfinger?{query}";
    app.sites.set("birds.org", answer(301, right, None));
    customer.get(&path).await.see("The header is missing");
    app.sites.set("birds.org", answer(301, right, Some("*")));
    customer.get(&path).await.not_see("The header is missing").not_see("Different");
    let told = customer.api_get(&format!("/api/v1{path}")).await.is(200).json();
    assert_eq!((&told["local_domain"], &told["handles"]["redirect"]), (&json!("elsewhere"), &json!("right")));

    // The domain itself is given to us, and later taken back.
    let look = async || {
        customer.post(&format!("{path}/check"), &[]).await.redirects_to(&path);
        app.run_jobs().await;
        let instance = app.find_instance(instance.id).await;
        (instance.local_domain.unwrap(), instance.generation)
    };
    app.resolver.set("birds.org", RecordKind::A, &["192.0.2.1"]);
    app.resolver.set("birds.org", RecordKind::Aaaa, &["2001:db8::1"]);
    app.sites.set("birds.org", answer(404, "", None));
    customer.get(&path).await.see("Points to us").see("We redirect there once your server answers");
    assert_eq!(look().await, (LocalDomain::Served, 3));
    app.resolver.fail("birds.org", RecordKind::A, LookupFailed::Timeout);
    assert_eq!(look().await, (LocalDomain::Served, 3), "what nobody can tell changes nothing");
    app.resolver.set("birds.org", RecordKind::A, &["198.51.100.7"]);
    assert_eq!(look().await, (LocalDomain::Elsewhere, 4));
    let actions = audit(&app, instance.id).await;
    let expected = ["instance.intent", "instance.address_confirmed", "instance.local_domain", "instance.local_domain"];
    assert_eq!(actions, expected);
}

/// One that was served for somebody is not served for somebody else by records alone.
#[tokio::test]
async fn a_domain_that_was_anothers_is_left_to_staff() {
    let Start { app, customer, other_customer, staff, .. } = TestApp::start().await;
    point_here(&app, &["social.birds.org", "files.social.birds.org"]);
    let theirs = app.paid_own(&other_customer, "social.birds.org", None).await;
    assert!(!theirs.awaits_records());
    // They leave, and their records stay.
    let released = "update instances set released_at = now(), intent = 'absent' where id = $1";
    sqlx::query(released).bind(theirs.id).execute(app.sql()).await.unwrap();
    let placed = app.try_order_own(&customer, "social.birds.org", None).await.unwrap();
    assert!(matches!(placed, Placement::Placed(_)));
    let Placement::Placed(order) = placed else { return };
    let order = app.find_order(order).await;
    app.shop_pays(&customer, &order).await;
    let failed = app.try_run_jobs().await;
    assert_eq!(failed.len(), 1);
    assert!(failed[0].is_dead() && failed[0].last_error.as_ref().unwrap().contains("another account"), "{failed:?}");
    assert!(app.find_instance(order.instance_id).await.awaits_records());
    staff.get("/staff").await.see("check_address").see("another account before");
    app.leave_jobs();
}

#[tokio::test]
async fn one_that_never_points_here_is_shown_to_staff() {
    let Start { app, customer, staff, .. } = TestApp::start().await;
    let instance = app.paid_own(&customer, "birds.org", None).await;
    app.observe(instance.id, &app.status(&BUILT)).await;
    app.advance(TimeDelta::days(13));
    app.run_jobs().await;
    let staff = app.sign_in_again(&staff).await;
    let figure = |page: crate::harness::Answer| {
        let alarms = page.all(".figures .alarm");
        (page.see("Domains not pointing here"), alarms.iter().any(|alarm| alarm.contains("Domains not pointing here")))
    };
    let (page, alarm) = figure(staff.get("/staff").await);
    assert!(!alarm, "two weeks are given");
    page.see("None. Every server that should run does");
    app.advance(TimeDelta::days(2));
    app.run_jobs().await;
    let staff = app.sign_in_again(&staff).await;
    let (page, alarm) = figure(staff.get("/staff").await);
    assert!(alarm);
    assert!(page.attributes("a.name", "href").contains(&format!("/staff/instances/{}", instance.id)));
    staff.get(&format!("/staff/instances/{}", instance.id)).await.see("Domain points here since").see("Domain last looked at");
    // It is looked at all the same.
    app.resolver.set("birds.org", RecordKind::A, &["192.0.2.1"]);
    point_here(&app, &["files.birds.org"]);
    look(&app).await;
    assert!(!app.find_instance(instance.id).await.awaits_records());
}

#[tokio::test]
async fn a_name_under_the_hosts_domain_that_has_served_is_for_nobody_else() {
    let Start { app, customer, other_customer, .. } = TestApp::start().await;
    let served = app.running(&customer, "birds").await.id;
    let never = app.order(&customer, "owls").await.instance_id;
    for id in [served, never] {
        let gone = "update instances set intent = 'absent', released_at = now() where id = $1";
        sqlx::query(gone).bind(id).execute(app.sql()).await.unwrap();
    }
    assert!(matches!(app.try_order(&other_customer, "birds").await, Err(OrderError::DomainTaken)));
    assert!(matches!(app.try_order(&other_customer, "owls").await, Ok(Placement::Placed(_))));
    assert!(matches!(app.try_order(&customer, "birds").await, Ok(Placement::Placed(_))), "whose people are known by it");
    app.leave_jobs();
}

#[tokio::test]
async fn a_name_belongs_to_one_server_even_where_only_media_are() {
    let Start { app, customer, other_customer, .. } = TestApp::start().await;
    app.paid_own(&customer, "birds.org", Some("social.birds.org")).await;
    app.paid_own(&customer, "files.wrens.org", None).await;
    let other = async |domain: &str, web: Option<&str>| app.try_order_own(&other_customer, domain, web).await;
    for (domain, web) in [
        ("birds.org", None),
        ("social.birds.org", None),
        ("files.social.birds.org", None),
        ("birds.org", Some("elsewhere.org")),
        ("files.social.birds.org", Some("elsewhere.org")),
        ("wrens.org", None),
    ] {
        assert!(matches!(other(domain, web).await, Err(OrderError::DomainTaken)), "{domain} {web:?}");
    }
    for (domain, web) in [("herons.org", "social.birds.org"), ("herons.org", "wrens.org"), ("herons.org", "files.wrens.org")] {
        assert!(matches!(other(domain, Some(web)).await, Err(OrderError::WebDomainTaken)), "{domain} {web}");
    }
    for (domain, web) in [("files.birds.org", None), ("media.wrens.org", Some("more.wrens.org"))] {
        assert!(matches!(other(domain, web).await, Ok(Placement::Placed(_))), "{domain} {web:?}");
    }
    app.leave_jobs();
}

async fn answer(client: &Client, path: &str, fields: &[(&str, &str)]) {
    let page = client.get(path).await.is(200);
    client.submit(&page, path, fields).await.is(303);
}

#[tokio::test]
async fn an_own_domain_is_ordered_on_the_pages_and_in_json() {
    let Start { app, customer, other_customer, .. } = TestApp::start().await;
    answer(&customer, "/new/address", &[("kind", "own"), ("domain", "birds.org"), ("web_domain", "social.birds.org")]).await;
    let page = customer.get("/new/dns").await.is(200).see("Point social.birds.org to us").see("There is no hurry");
    let page = page.see("Handles on birds.org").see("No website at birds.org?");
    assert_eq!(page.all("details .record").len(), 2, "an address of each kind, for those without a website");
    answer(&customer, "/new/owner", &[("owner_name", "wren")]).await;
    answer(&customer, "/new/plan", &[("plan", "family")]).await;
    let review = customer.get("/new/review").await.is(200).see("It answers once your DNS records point to us").see("Pay €");
    customer.submit(&review, "/orders", &[]).await.is(303);
    let order = json!({ "kind": "own", "domain": "wrens.org", "owner_name": "wren", "owner_email": "wren@mail.example",
                        "plan": "family", "period": "month" });
    let placed = other_customer.api_post("/api/v1/orders", &order).await.is(201).json();
    assert_eq!(placed["domain"], "wrens.org");
    let check = other_customer.api_get("/api/v1/addresses/check?kind=own&domain=herons.org").await.is(200).json();
    assert_eq!((&check["free"], &check["errors"]), (&json!(true), &json!([])));
    let dns = other_customer.api_get("/api/v1/addresses/dns?domain=herons.org&web_domain=social.herons.org").await.is(200).json();
    assert_eq!(dns["handles"]["redirect"], "unreachable");
    assert_eq!(dns["handles"]["to"], "https://social.herons.org/.well-known/webfinger");
    let instances: Vec<(String, Option<String>, Option<String>)> =
        sqlx::query_as("select domain, web_domain, local_domain from instances order by domain")
            .fetch_all(app.sql())
            .await
            .unwrap();
    let some = |text: &str| Some(text.to_owned());
    let expected = [("birds.org".to_owned(), some("social.birds.org"), some("elsewhere")), ("wrens.org".to_owned(), None, None)];
    assert_eq!(instances, expected);
}

#[tokio::test]
async fn whether_a_domain_points_here_is_not_for_a_customers_request_to_write() {
    let Start { app, customer, .. } = TestApp::start().await;
    let placed = app.try_order_own(&customer, "birds.org", Some("social.birds.org")).await.unwrap();
    assert!(matches!(placed, Placement::Placed(_)));
    let mut tx = app.db.begin_account(customer.who.account()).await.unwrap();
    for (more, refused) in [("'x', 1", false), ("'address_confirmed_at', now()", true), ("'local_domain', 'served'", true)] {
        let sql = format!(
            "insert into instances select (jsonb_populate_record(i, jsonb_build_object('id', gen_random_uuid()::text, {more}))).* from instances i"
        );
        let mut savepoint = sqlx::Connection::begin(tx.conn()).await.unwrap();
        let error = sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&mut *savepoint).await.unwrap_err();
        savepoint.rollback().await.unwrap();
        let code = error.as_database_error().unwrap().code().unwrap().into_owned();
        assert_eq!(code == "42501", refused, "{more}: {error}");
    }
    drop(tx);
    app.leave_jobs();
}
