//! Staff who look into a customer's account: what they see, what they can't do, and that the customer knows and decides.

use chrono::TimeDelta;
use paddock::account::Scope;
use paddock::audit::{self, Actor};
use paddock::ids::AccessId;
use serde_json::Value;

use crate::harness::{Client, Identity, Start, TestApp};

const BANNER: &str = "You look into a customer’s account until";

/// Begins one as the pages have it.
async fn look_into(app: &TestApp, staff: &Client, customer: &Client) -> Client {
    let staff = app.sign_in_again(staff).await;
    let here = format!("/staff/customers/{}/access", customer.who.account());
    let page = staff.get(&here).await.is(200);
    let form = [("ticket", "4711"), ("reason", "Pictures do not load."), ("minutes", "20")];
    staff.submit(&page, &here, &form).await.redirects_to("/instances");
    staff
}

/// The names of what the account's log has, with the details.
async fn log_of(customer: &Client) -> Vec<(String, Value)> {
    let json = customer.get("/account/log.json").await.is(200).json();
    let entries = json["entries"].as_array().unwrap().iter();
    entries.map(|entry| (entry["action"].as_str().unwrap().to_owned(), entry["detail"].clone())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn staff_see_what_the_customer_sees_and_the_customer_is_told() {
    let Start { app, customer, other_customer, .. } = TestApp::start().await;
    let instance = app.running(&customer, "birds").await;
    let foreign = app.running(&other_customer, "foxes").await;
    let [viewer, _] = app.members();
    let staff = look_into(&app, &app.staff_with(Scope::Support), &customer).await;
    app.run_jobs().await;
    // Owner and admins, nobody else.
    for told in [&customer, &app.admin_member()] {
        let letter = app.mail_to(&told.who.email);
        assert_eq!(letter.subject, "Staff of Meadow Hosting look into your account");
        assert!(letter.text.contains("4711") && letter.text.contains("Pictures do not load."), "{}", letter.text);
    }
    assert!(app.mails_to(&viewer.who.email).is_empty());
    assert_eq!(app.link_to(&customer.who.email), "/account/access");

    let path = format!("/instances/{}", instance.id);
    for page in ["/instances", &path, "/account/members", "/plans", "/nothing-here"] {
        let page = staff.get(page).await.see(BANNER).see("You can change nothing.").see("support@host.example");
        assert!(page.attributes("form[method=post]", "action").contains(&"/staff/access/end".to_owned()), "{}", page.asked);
    }
    staff.get(&format!("/instances/{}", foreign.id)).await.is(404).see(BANNER);
    // Nothing of the owner's other accounts, and nothing that is a person's.
    staff.get("/account/members").await.is(200).not_see("Your other accounts").not_see("· you");
    for own in ["/account/security", "/account/tokens", "/step-up", "/account/log"] {
        staff.get(own).await.is(403);
    }
    // Their own pages are there as ever, and say nothing of it.
    staff.get("/staff").await.is(200).not_see(BANNER);
    // What they looked at stands in the customer's log.
    let looked: Vec<String> = log_of(&customer)
        .await
        .into_iter()
        .filter(|(action, _)| action == "access.looked")
        .map(|(_, detail)| detail["path"].as_str().unwrap().to_owned())
        .collect();
    assert!(looked.contains(&path) && looked.contains(&"/account/members".to_owned()), "{looked:?}");
    customer.get("/account/log").await.see("Staff looked at a page").see("ticket: 4711");
    customer.get("/account/access").await.see("4711").see("Pictures do not load.").see("Goes on");
    assert!(log_of(&other_customer).await.iter().all(|(action, _)| !action.starts_with("access.")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_changed_unless_the_customer_lets_them() {
    let Start { app, customer, .. } = TestApp::start().await;
    let instance = app.running(&customer, "birds").await;
    let customer = app.sign_in_again(&customer).await;
    let staff = look_into(&app, &app.staff_with(Scope::Support), &customer).await;
    let window = format!("/instances/{}/upgrades", instance.id);
    let tools = format!("/instances/{}/tools", instance.id);
    for path in [&window, &tools, "/waiting/leave", "/account/members/leave", "/account/switch", "/account/security/password"] {
        let rows = app.rows().await;
        staff.post(path, &[]).await.is(403).see("change something only when they let you");
        assert_eq!(app.rows().await, rows, "{path}");
    }
    // The customer lets them, with a session that has just begun.
    let page = customer.get("/account/access").await.is(200);
    let allow = page.attributes("form[method=post]", "action").into_iter().find(|path| path.ends_with("/allow")).unwrap();
    customer.submit(&page, &allow, &[]).await.redirects_to("/account/access");
    customer.post(&allow, &[]).await.is(404);
    staff.get("/instances").await.see("The customer lets you change things.");
    staff.post("/waiting/leave", &[]).await.is(303);
    staff.post(&tools, &[("tool", "cache-clear")]).await.redirects_to(&tools);
    // An order agrees to the host's documents, which nobody does in the customer's name.
    staff.post("/new/address", &[("kind", "hosted"), ("name", "herons")]).await.redirects_to("/new/owner");
    let owner = [("owner_name", "wren"), ("owner_email", "wren@mail.example")];
    staff.post("/new/owner", &owner).await.redirects_to("/new/plan");
    let plan = staff.get("/new/plan").await.is(200).attributes("input[name=plan]", "value").remove(0);
    staff.post("/new/plan", &[("plan", &plan), ("period", "month")]).await.redirects_to("/new/review");
    staff.post("/orders", &[]).await.is(403);
    // What concerns people and the account stays theirs.
    for path in ["/account/members/leave", "/account/members/invite", "/account/security/password", "/account/switch"] {
        staff.post(path, &[]).await.is(403);
    }
    // Who did it stands there.
    let by: Vec<(String, String)> =
        sqlx::query_as("select actor_kind, actor_id from audit_events where account_id = $1 and action = 'run.requested'")
            .bind(customer.who.account())
            .fetch_all(app.sql())
            .await
            .unwrap();
    assert_eq!(by, [("staff".to_owned(), staff.who.staff.unwrap().to_string())]);
    // When it is over, not even the database takes an entry of theirs for the customer.
    let page = staff.get("/instances").await;
    staff.submit(&page, "/staff/access/end", &[]).await.is(303);
    let mut tx = app.db.begin_account(customer.who.account()).await.unwrap();
    let (actor, account) = (Actor::Staff(staff.who.staff.unwrap()), Some(customer.who.account()));
    let late = audit::record(tx.conn(), app.clock.as_ref(), actor, account, "run.requested", "late", serde_json::json!({})).await;
    assert!(late.is_err());
    app.leave_jobs();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_ends_by_itself_by_a_button_or_by_the_customer() {
    let Start { app, customer, staff: admin, .. } = TestApp::start().await;
    let support = app.staff_with(Scope::Support);
    let home = format!("/staff/customers/{}", customer.who.account());
    // By itself, however much it is used.
    let staff = look_into(&app, &support, &customer).await;
    for _ in 0..4 {
        staff.get("/instances").await.is(200);
        app.advance(TimeDelta::minutes(5));
    }
    staff.get("/instances").await.is(303);
    staff.get("/plans").await.is(200).not_see(BANNER);
    // By the button.
    let staff = look_into(&app, &support, &customer).await;
    let page = staff.get("/instances").await.is(200);
    let secret = staff.cookie("paddock_glass").unwrap();
    staff.submit(&page, "/staff/access/end", &[]).await.redirects_to(&home);
    staff.set_cookie("paddock_glass", Some(&secret));
    staff.get("/instances").await.is(303);
    // By the customer.
    let staff = look_into(&app, &support, &customer).await;
    let page = customer.get("/account/access").await.is(200);
    let end = page.attributes("form[method=post]", "action").into_iter().find(|path| path.ends_with("/end")).unwrap();
    customer.submit(&page, &end, &[]).await.redirects_to("/account/access");
    staff.get("/instances").await.is(303);
    customer.post(&end, &[]).await.is(404);
    // Another one of the staff can do nothing with the secret, nor can it without the staff's own session.
    let staff = look_into(&app, &support, &customer).await;
    let secret = staff.cookie("paddock_glass").unwrap();
    let other = app.sign_in_again(&admin).await;
    other.set_cookie("paddock_glass", Some(&secret));
    other.get("/instances").await.is(303);
    let nobody = app.client(Identity { glass: Some(secret), ..Identity::default() });
    nobody.get("/instances").await.redirects_to("/log-in?next=%2Finstances");
    // With the staff's session it ends as well.
    let page = staff.get("/instances").await.is(200);
    staff.submit(&page, "/log-out", &[]).await.is(303);
    staff.get("/instances").await.redirects_to("/log-in?next=%2Finstances");
    app.run_jobs().await;
    let log = log_of(&customer).await;
    assert_eq!(log.iter().filter(|(action, _)| action == "access.begun").count(), 4);
    assert_eq!(log.iter().filter(|(action, _)| action == "access.ended").count(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_begins_with_a_reason_a_ticket_and_a_proof_and_others_do_not_meddle() {
    let Start { app, customer, other_customer, staff, .. } = TestApp::start().await;
    let here = format!("/staff/customers/{}/access", customer.who.account());
    let staff = app.sign_in_again(&staff).await;
    let good = [("ticket", "4711"), ("reason", "Pictures do not load."), ("minutes", "20")];
    for (field, bad, says) in [
        ("ticket", " ", "Name the ticket"),
        ("reason", "because", "10 to 500 characters"),
        ("minutes", "31", "from 5 to 30"),
        ("minutes", "an hour", "from 5 to 30"),
    ] {
        let form: Vec<(&str, &str)> =
            good.iter().map(|(name, value)| (*name, if *name == field { bad } else { *value })).collect();
        staff.post(&here, &form).await.is(422).see(says);
    }
    staff.post(&format!("/staff/customers/{}/access", paddock::ids::AccountId::new()), &good).await.is(404);
    staff.post(&here, &good).await.redirects_to("/instances");
    let page = customer.get("/account/access").await.is(200);
    let end = page.attributes("form[method=post]", "action").into_iter().find(|path| path.ends_with("/end")).unwrap();
    // Another account neither ends nor allows what is not theirs; the answer is that of what does not exist.
    let other = app.sign_in_again(&other_customer).await;
    let unknown = end.rsplit('/').nth(1).map(|id| end.replace(id, &AccessId::new().to_string())).unwrap();
    for path in [&end, &unknown, &end.replace("/end", "/allow")] {
        other.post(path, &[]).await.is(404);
    }
    let [viewer, payer] = app.members();
    for member in [viewer, payer] {
        member.post(&end, &[]).await.is(403);
        member.get("/account/access").await.is(403);
    }
    staff.get("/instances").await.is(200);
    // Ten minutes later they show again who they are before another one.
    app.advance(TimeDelta::minutes(11));
    staff.get(&here).await.is(303);
    app.run_jobs().await;
}
