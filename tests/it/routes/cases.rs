//! What staff have to answer in time, what they tell customers, and the settings that hold.

use chrono::TimeDelta;
use paddock::account::Scope;
use paddock::ids::CaseId;

use crate::harness::{Client, Start, TestApp};

const CASE: [(&str, &str); 7] = [
    ("kind", "abuse"),
    ("title", "Spam from one account"),
    ("sender", "somebody@mail.example, 4711"),
    ("server", ""),
    ("received", ""),
    ("due", ""),
    ("note", "They name the account.\nWe look."),
];

/// Fields with some changed.
fn with(changed: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    let other = |name: &str| changed.iter().find(|(of, _)| *of == name).map(|(_, value)| *value);
    CASE.iter().map(|(name, usual)| (*name, other(name).unwrap_or(usual))).collect()
}

async fn write_down(staff: &Client, changed: &[(&'static str, &'static str)]) -> String {
    let page = staff.get("/staff/cases/new").await.is(200);
    staff.submit(&page, "/staff/cases", &with(changed)).await.is(303).location()
}

#[tokio::test]
async fn a_case_is_open_then_late_then_closed_and_nothing_of_it_is_taken_back() {
    let Start { app, staff, .. } = TestApp::start().await;
    staff.get("/staff/cases").await.is(200).see("Nothing to answer.");
    let path = write_down(&staff, &[]).await;
    let later = write_down(&staff, &[("kind", "privacy"), ("title", "What do you keep of me?")]).await;
    let list = staff.get("/staff/cases").await.is(200);
    assert_eq!(
        list.all("ul.rows a.name"),
        ["Spam from one account", "What do you keep of me?"],
        "the one that is due first in front"
    );
    staff.get("/staff").await.see("Cases that are late 0");
    app.advance(TimeDelta::days(4));
    let staff = app.sign_in_again(&staff).await;
    staff.get("/staff/cases").await.see("Late due");
    staff.get("/staff").await.see("Cases that are late 1");
    let page = staff.get(&path).await.is(200).see("They name the account.").see("Report of abuse");
    let answer =
        staff.submit(&page, &format!("{path}/say"), &[("note", "Warned its owner."), ("outcome", "")]).await.redirects_to(&path);
    let page = staff.follow(answer).await.see("It is kept.").see("Warned its owner.");
    let answer =
        staff.submit(&page, &format!("{path}/say"), &[("note", "Done."), ("outcome", "acted")]).await.redirects_to(&path);
    staff.follow(answer).await.see("Done what was asked for").see("It is closed.").not_see("Write more");
    staff
        .post(&format!("{path}/say"), &[("note", "And again."), ("outcome", "")])
        .await
        .is(422)
        .see("What is new is another case");
    staff.get("/staff/cases").await.not_see("Spam from one account").see("What do you keep of me?");
    staff.get("/staff/cases?show=closed").await.see("Spam from one account");
    staff.get(&later).await.see("Open due");
    staff.get(&format!("/staff/cases/{}", CaseId::new())).await.is(404);
    let actions: Vec<String> = sqlx::query_scalar("select action from audit_events where action like 'case.%' order by id")
        .fetch_all(app.sql())
        .await
        .unwrap();
    assert_eq!(actions, ["case.opened", "case.opened", "case.said", "case.closed"]);
}

#[tokio::test]
async fn what_is_wrong_with_a_case_is_said_at_its_field_and_nothing_is_written() {
    let Start { app, customer, staff, .. } = TestApp::start().await;
    let rows = app.rows().await;
    let wrong = [
        ("kind", "nothing", "#kind"),
        ("title", "a", "#title"),
        ("sender", "", "#sender"),
        ("server", "ins_nonsense", "#server"),
        ("server", "ins_01jd0000000000000000000000", "#server"),
        ("received", "2999-01-01", "#received"),
        ("due", "1999-01-01", "#due"),
        ("note", "", "#note"),
    ];
    for (field, value, at) in wrong {
        let page = staff.get("/staff/cases/new").await.is(200);
        let answer = staff.submit(&page, "/staff/cases", &with(&[(field, value)])).await.is(422);
        assert_eq!(answer.attributes("#errors a", "href"), [at], "{field} = {value}");
        if field != "title" {
            assert_eq!(answer.attributes("#title", "value"), ["Spam from one account"], "nothing typed is lost");
        }
    }
    // An authority names its own day.
    let page = staff.get("/staff/cases/new").await;
    staff.submit(&page, "/staff/cases", &with(&[("kind", "legal")])).await.is(422).see("Enter the day by which");
    assert_eq!(app.rows().await, rows);
    let server = app.running(&customer, "birds").await;
    let page = staff.get("/staff/cases/new").await;
    let id = server.id.to_string();
    let mut fields: Vec<(&str, &str)> = with(&[("kind", "legal"), ("due", "2999-01-01")]);
    fields.retain(|(name, _)| *name != "server");
    fields.push(("server", &id));
    let path = staff.submit(&page, "/staff/cases", &fields).await.is(303).location();
    let links = staff.get(&path).await.is(200).attributes("dl.facts a", "href");
    assert_eq!(links, [format!("/staff/instances/{id}")]);
}

#[tokio::test]
async fn customers_read_an_announcement_for_its_time_and_no_longer() {
    let Start { app, customer, staff, .. } = TestApp::start().await;
    let until = (app.clock_now() + TimeDelta::hours(2)).format("%Y-%m-%dT%H:%M").to_string();
    let fields =
        [("title", "Work on Sunday"), ("text", "Servers are slow for an hour."), ("from", ""), ("until", until.as_str())];
    app.staff_with(Scope::Support).post("/staff/announcements", &fields).await.is(403);
    let page = staff.get("/staff/announcements").await.is(200).see("Nothing was announced yet.");
    let answer = staff.submit(&page, "/staff/announcements", &fields).await.redirects_to("/staff/announcements");
    let page = staff.follow(answer).await.see("Shown until");
    customer.get("/instances").await.is(200).see("Work on Sunday").see("Servers are slow for an hour.");
    app.run_jobs().await;
    assert!(app.mails_to(&customer.who.email).iter().all(|letter| letter.subject != "Work on Sunday"), "the box was not ticked");
    let path = page.attributes("form[action$='/end']", "action").pop().unwrap();
    let answer = staff.submit(&page, &path, &[]).await.redirects_to("/staff/announcements");
    staff.follow(answer).await.see("Nobody sees it any more.");
    customer.get("/instances").await.is(200).not_see("Work on Sunday");
    let answer = staff.post(&path, &[]).await.redirects_to("/staff/announcements");
    staff.follow(answer).await.see("It is not up any more.");

    let page = staff.get("/staff/announcements").await;
    staff.submit(&page, "/staff/announcements", &fields).await.is(303);
    app.advance(TimeDelta::hours(3));
    let customer = app.sign_in_again(&customer).await;
    customer.get("/instances").await.is(200).not_see("Work on Sunday");
    let staff = app.sign_in_again(&staff).await;
    let page = staff.get("/staff/announcements").await;
    let past = staff.submit(&page, "/staff/announcements", &fields).await.is(422);
    assert_eq!(past.attributes("#errors a", "href"), ["#until"]);
}

#[tokio::test]
async fn settings_are_shown_without_secrets() {
    let Start { app: _app, customer, staff, .. } = TestApp::start().await;
    let page = staff.get("/staff/settings").await.is(200).see("alerts.certificate_days 14").see("a secret that is set");
    let page = page.see("alerts.webhook not set");
    for secret in ["sk_test_fake", "whsec_fake", "AGE-SECRET-KEY", "postgres://"] {
        assert!(!page.body.contains(secret), "{secret}");
    }
    customer.get("/staff/settings").await.is(404);
}

#[tokio::test]
async fn what_is_switched_off_is_refused_by_pages_and_api_and_what_is_under_way_goes_on() {
    let Start { app, anon, customer, other_customer, staff } = TestApp::start().await;
    let turn = async |switch: &str, on: &str, reason: &str| {
        let page = staff.get("/staff/settings").await.is(200);
        let fields = [("switch", switch), ("on", on), ("reason", reason)];
        let answer = staff.submit(&page, "/staff/settings/switches", &fields).await.redirects_to("/staff/settings");
        staff.follow(answer).await
    };
    turn("orders", "no", " ").await.see("say why").see("New orders On");
    turn("everything", "no", "a test").await.see("use the button of the page");
    let waiting = app.order(&customer, "birds").await;
    turn("orders", "no", "The store is being mended").await.see("New orders Off since").see("The store is being mended");
    let body = serde_json::json!({"kind": "hosted", "name": "bees", "owner_name": "wren", "owner_email": "wren@mail.example",
        "plan": "family", "period": "month"});
    let problem = other_customer.api_post("/api/v1/orders", &body).await.is(409).json();
    assert_eq!(problem["code"], "closed", "{problem}");
    let orders: i64 = sqlx::query_scalar("select count(*) from orders").fetch_one(app.sql()).await.unwrap();
    assert_eq!(orders, 1);
    // What was ordered before is paid.
    app.shop_pays(&customer, &waiting).await;
    app.run_jobs().await;
    turn("orders", "yes", "It is mended").await.see("New orders On since");
    other_customer.api_post("/api/v1/orders", &body).await.is(201);

    turn("sign-ups", "no", "Too many strangers").await;
    let fields = [("email", "new@mail.example"), ("password", "a quiet harbour")];
    anon.post("/sign-up", &fields).await.is(422).see("We take no new accounts at the moment.");
    let new = serde_json::json!({"email": "new@mail.example", "password": "a quiet harbour"});
    assert_eq!(anon.api_post("/api/v1/accounts", &new).await.is(409).json()["code"], "closed");
    turn("sign-ups", "yes", "They are gone").await;
    anon.post("/sign-up", &fields).await.is(303);
    app.run_jobs().await;
    let turned: Vec<String> = sqlx::query_scalar("select subject from audit_events where action = 'switch.turned' order by id")
        .fetch_all(app.sql())
        .await
        .unwrap();
    assert_eq!(turned, ["orders", "orders", "sign-ups", "sign-ups"]);
    app.staff_with(Scope::Support).post("/staff/settings/switches", &[("switch", "orders"), ("on", "no")]).await.is(403);
}

#[tokio::test]
async fn an_announcement_goes_by_mail_to_those_who_have_a_server_once() {
    let Start { app, customer, other_customer, staff, .. } = TestApp::start().await;
    app.running(&customer, "birds").await;
    let until = (app.clock_now() + TimeDelta::days(2)).format("%Y-%m-%dT%H:%M").to_string();
    let from = (app.clock_now() + TimeDelta::hours(2)).format("%Y-%m-%dT%H:%M").to_string();
    let fields = [
        ("title", "Work on Sunday"),
        ("text", "It is slow."),
        ("from", from.as_str()),
        ("until", until.as_str()),
        ("by_mail", "yes"),
    ];
    let page = staff.get("/staff/announcements").await.is(200);
    staff.submit(&page, "/staff/announcements", &fields).await.is(303);
    let told = |who: &Client| app.mails_to(&who.who.email).iter().filter(|letter| letter.subject == "Work on Sunday").count();
    app.run_jobs().await;
    assert_eq!(told(&customer), 0, "not before its time");
    app.advance(TimeDelta::hours(3));
    app.run_jobs().await;
    assert_eq!((told(&customer), told(&other_customer)), (1, 0));
    let id: uuid::Uuid = sqlx::query_scalar("select id from announcements").fetch_one(app.sql()).await.unwrap();
    let job = serde_json::json!({"announcement": paddock::ids::AnnouncementId::from(id), "after": null});
    sqlx::query("select enqueue_job('mail_announcement', $1::json, 'again', null, null)")
        .bind(job)
        .execute(app.sql())
        .await
        .unwrap();
    app.run_jobs().await;
    assert_eq!(told(&customer), 1, "each gets it once");
}
