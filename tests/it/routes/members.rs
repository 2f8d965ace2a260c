//! Accounts of several people: invitations, roles, ownership, the second contact.

use chrono::TimeDelta;
use paddock::account::member::{INVITED_A_DAY, TAKE_OVER_AFTER};
use paddock::account::session::PROVEN_FOR;
use paddock::ids::{InvitationId, PersonId};
use serde_json::{Value, json};

use crate::harness::{Answer, Client, Identity, PASSWORD, Start, TestApp};

/// The owner of an account with a viewer, a payer and an admin, all with sessions that have just begun.
struct Team {
    app: TestApp,
    owner: Client,
    viewer: Client,
    payer: Client,
    admin: Client,
    other: Client,
}

async fn team() -> Team {
    let Start { app, customer, other_customer, .. } = TestApp::start().await;
    let [viewer, payer] = app.members();
    Team {
        owner: app.sign_in_again(&customer).await,
        viewer: app.sign_in_again(&viewer).await,
        payer: app.sign_in_again(&payer).await,
        admin: app.sign_in_again(&app.admin_member()).await,
        other: app.sign_in_again(&other_customer).await,
        app,
    }
}

impl Team {
    fn id(of: &Client) -> PersonId {
        of.who.person.unwrap()
    }

    async fn role(&self, of: &Client) -> Option<String> {
        let query = "select role from members where account_id = $1 and person_id = $2";
        let query = sqlx::query_scalar(query).bind(self.owner.who.account()).bind(Self::id(of));
        query.fetch_optional(self.app.sql()).await.unwrap()
    }

    async fn on(&self, by: &Client, whom: &Client, what: &str, fields: &[(&str, &str)]) -> Answer {
        by.post(&format!("/account/members/{}/{what}", Self::id(whom)), fields).await
    }

    async fn invite(&self, email: &str, role: &str) -> Answer {
        self.owner.post("/account/members/invite", &[("email", email), ("role", role)]).await
    }

    /// Subjects of the mails to somebody since the last look.
    async fn told(&self, whom: &Client) -> Vec<String> {
        self.app.run_jobs().await;
        let told = self.app.mails_to(&whom.who.email).into_iter().map(|letter| letter.subject).collect();
        self.app.transport.take();
        told
    }
}

async fn log_in(app: &TestApp, email: &str, password: &str) -> Client {
    let client = app.client(Identity { email: email.to_owned(), ..Identity::default() });
    client.post("/log-in", &[("email", email), ("password", password)]).await.is(303);
    client
}

#[tokio::test]
async fn somebody_new_is_invited_joins_and_is_taken_out() {
    let team = team().await;
    let app = &team.app;
    let page = team.owner.get("/account/members").await.is(200).see("viewer@mail.example").see("Invite somebody");
    let sent = [("email", "Owl@mail.example"), ("role", "billing")];
    let done = team.owner.submit(&page, "/account/members/invite", &sent).await.redirects_to("/account/members");
    let page = team.owner.follow(done).await.see("The invitation is on its way.").see("Owl@mail.example");
    assert_eq!(page.all("form[action$='/withdraw'] button").len(), 1);
    app.run_jobs().await;
    let mail = app.mail_to("Owl@mail.example");
    assert!(mail.text.contains(&team.owner.who.email), "{}", mail.text);

    let link = app.link_to("Owl@mail.example");
    let anon = app.client(Identity::default());
    let page = anon.get(&link).await.is(200).see("invites you to act for").see("as: Billing");
    anon.submit(&page, &link, &[("password", "short")]).await.is(422).see("at least 8 characters");
    let done = anon.submit(&page, &link, &[("password", "an owl in a tree")]).await.redirects_to("/log-in");
    anon.follow(done).await.see("You are a member now");
    app.run_jobs().await;
    assert_eq!(app.mail_to(&team.owner.who.email).subject, "Somebody joined your account at Meadow Hosting");
    // The link is used up.
    anon.get(&link).await.is(410);
    anon.post(&link, &[("password", "an owl in a tree")]).await.is(410);

    let owl = log_in(app, "owl@mail.example", "an owl in a tree").await;
    owl.get("/account/members").await.is(200).see("Owl@mail.example").see("you").not_see("Invite somebody");
    let id: PersonId = sqlx::query_scalar("select id from people where email_canonical = 'owl@mail.example'")
        .fetch_one(app.sql())
        .await
        .unwrap();
    let verified = "select verified_at is not null from people where id = $1";
    assert!(sqlx::query_scalar::<_, bool>(verified).bind(id).fetch_one(app.sql()).await.unwrap());

    let remove = format!("/account/members/{id}/remove");
    let page = team.owner.get("/account/members").await;
    let done = team.owner.submit(&page, &remove, &[]).await.redirects_to("/account/members");
    team.owner.follow(done).await.see("They are no member any more.").not_see("Owl@mail.example");
    owl.get("/instances").await.redirects_to("/log-in?next=%2Finstances");
    app.run_jobs().await;
    assert_eq!(app.mail_to("Owl@mail.example").subject, "You no longer act for an account at Meadow Hosting");
    // Whoever belongs to no account gets one: a log-in always leads somewhere.
    let owl = log_in(app, "owl@mail.example", "an owl in a tree").await;
    owl.get("/account/members").await.is(200).see("Owner").not_see(&team.owner.who.email);
    app.run_jobs().await;
}

#[tokio::test]
async fn one_person_acts_for_several_accounts_one_at_a_time() {
    let team = team().await;
    let (app, other) = (&team.app, &team.other);
    app.order(&team.owner, "birds").await;
    team.invite(&other.who.email, "viewer").await.redirects_to("/account/members");
    app.run_jobs().await;
    let link = app.link_to(&other.who.email);
    // Whom it is not for can't take it, and who is not logged in is asked to.
    team.viewer.get(&link).await.is(200).see("You are logged in as viewer@mail.example");
    team.viewer.post(&link, &[]).await.is(403);
    let anon = app.client(Identity::default());
    anon.get(&link).await.is(200).see("Log in and join");
    let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("next", &link).finish();
    anon.post(&link, &[("password", "a password of their own")]).await.redirects_to(&format!("/log-in?{query}"));

    let page = other.get(&link).await.is(200).see("Join the account");
    let done = other.submit(&page, &link, &[]).await.redirects_to("/instances");
    other.follow(done).await.see("You act for this account now.").see("birds.meadow.social");
    let mine = other.who.account();
    let page = other.get("/account/members").await.see("Your other accounts").see("Viewer");
    let switched = other.submit(&page, "/account/switch", &[("account", &mine.to_string())]).await.redirects_to("/instances");
    other.follow(switched).await.is(200).not_see("birds.meadow.social");

    // The session of their programs is another one, and acts for itself.
    let accounts = other.api_get("/api/v1/accounts").await.is(200).json();
    assert_eq!(accounts["accounts"].as_array().unwrap().len(), 2);
    assert_eq!(other.api_get("/api/v1/me").await.json()["role"], "owner");
    let theirs = json!({ "account": team.owner.who.account().to_string() });
    other.api_post("/api/v1/sessions/current/account", &theirs).await.is(204);
    let me = other.api_get("/api/v1/me").await.is(200).json();
    assert_eq!((&me["role"], &me["account"]), (&json!("viewer"), &theirs["account"]));
    other.api_post("/api/v1/invitations", &json!({})).await.is(403);

    // An account that is not theirs is as one that is not there.
    for account in [paddock::ids::AccountId::new().to_string(), "acc_nonsense".to_owned(), String::new()] {
        other.post("/account/switch", &[("account", &account)]).await.is(404);
        other.api_post("/api/v1/sessions/current/account", &json!({ "account": account })).await.is(404);
    }
    team.viewer.post("/account/switch", &[("account", &mine.to_string())]).await.is(404);
    app.run_jobs().await;
}

#[tokio::test]
async fn invitations_end_and_are_bounded() {
    let team = team().await;
    let app = &team.app;
    for (email, role, says) in [
        ("", "viewer", "The e-mail address is empty"),
        ("owl@mail.example", "", "Choose a role"),
        ("owl@mail.example", "owner", "Choose a role"),
        ("VIEWER@mail.example", "viewer", "a member of this account already"),
    ] {
        team.invite(email, role).await.is(422).see(says);
    }
    // A second one for the same address takes the place of the first.
    team.invite("owl@mail.example", "viewer").await.is(303);
    app.run_jobs().await;
    let first = app.link_to("owl@mail.example");
    team.invite("OWL@mail.example", "admin").await.is(303);
    app.run_jobs().await;
    let second = app.link_to("OWL@mail.example");
    let anon = app.client(Identity::default());
    anon.get(&first).await.is(410);
    anon.get(&second).await.is(200).see("as: Admin");
    // Withdrawn.
    let all = team.owner.api_get("/api/v1/invitations").await.is(200).json();
    assert_eq!(all["invitations"].as_array().unwrap().len(), 1);
    let id = all["invitations"][0]["id"].as_str().unwrap();
    team.other.api_delete(&format!("/api/v1/invitations/{id}")).await.is(404);
    team.owner.api_delete(&format!("/api/v1/invitations/{}", InvitationId::new())).await.is(404);
    team.owner.post(&format!("/account/members/invitations/{id}/withdraw"), &[]).await.redirects_to("/account/members");
    team.owner.api_delete(&format!("/api/v1/invitations/{id}")).await.is(404);
    anon.post(&second, &[("password", "an owl in a tree")]).await.is(410).see("Go to the first page");
    // Too old.
    team.invite("owl@mail.example", "viewer").await.is(303);
    app.run_jobs().await;
    let third = app.link_to("owl@mail.example");
    app.advance(TimeDelta::days(7));
    anon.get(&third).await.is(410);
    let owner = app.sign_in_again(&team.owner).await;
    assert_eq!(owner.api_get("/api/v1/invitations").await.json()["invitations"], json!([]));
    // No way to write to strangers without end.
    for number in 0..INVITED_A_DAY {
        let to = json!({ "email": format!("owl{number}@mail.example"), "role": "viewer" });
        owner.api_post("/api/v1/invitations", &to).await.is(201);
    }
    let to = json!({ "email": "one-more@mail.example", "role": "viewer" });
    let refused = owner.api_post("/api/v1/invitations", &to).await.is(409).json();
    assert_eq!(refused["code"], "too_many_invitations");
    app.run_jobs().await;
    assert!(app.mails_to("one-more@mail.example").is_empty());
}

#[tokio::test]
async fn who_has_not_proven_their_address_invites_nobody() {
    let Start { app, .. } = TestApp::start().await;
    let unverified = app.sign_in_again(&app.unverified()).await;
    unverified.post("/account/members/invite", &[("email", "owl@mail.example"), ("role", "viewer")]).await.is(403);
    let to = json!({ "email": "owl@mail.example", "role": "viewer" });
    assert_eq!(unverified.api_post("/api/v1/invitations", &to).await.is(403).json()["code"], "unverified");
    app.run_jobs().await;
    assert!(app.mails_to("owl@mail.example").is_empty());
}

#[tokio::test]
async fn roles_are_given_by_the_owner_who_stays_what_they_are() {
    let team = team().await;
    team.on(&team.owner, &team.viewer, "role", &[("role", "billing")]).await.redirects_to("/account/members");
    assert_eq!(team.role(&team.viewer).await.as_deref(), Some("billing"));
    for nonsense in ["", "owner", "king"] {
        team.on(&team.owner, &team.viewer, "role", &[("role", nonsense)]).await.is(400);
    }
    team.on(&team.owner, &team.owner, "role", &[("role", "viewer")]).await.is(409).see("Hand the account over first");
    team.on(&team.owner, &team.owner, "remove", &[]).await.is(409);
    team.on(&team.owner, &team.owner, "hand-over", &[]).await.is(409);
    team.owner.post("/account/members/leave", &[("sure", "yes")]).await.is(409);
    team.on(&team.owner, &team.other, "role", &[("role", "viewer")]).await.is(404);
    let path = format!("/api/v1/members/{}", Team::id(&team.payer));
    team.owner.api_post(&path, &json!({ "role": "viewer" })).await.is(204);
    let invalid = team.owner.api_post(&path, &json!({ "role": "owner" })).await.is(422).json();
    assert_eq!(invalid["errors"][0]["field"], "role");
    assert_eq!(team.role(&team.payer).await.as_deref(), Some("viewer"));
    // What was theirs to do a moment ago is not any more.
    team.payer.post("/waiting/leave", &[]).await.is(403);
    for by in [&team.admin, &team.payer, &team.viewer] {
        team.on(by, &team.viewer, "role", &[("role", "admin")]).await.is(403);
        team.on(by, &team.viewer, "remove", &[]).await.is(403);
        team.on(by, by, "hand-over", &[]).await.is(403);
        by.get("/account/members").await.is(200).not_see("Make them the owner");
    }
    // Another account's owner finds nobody.
    team.on(&team.other, &team.viewer, "role", &[("role", "admin")]).await.is(404);
    team.on(&team.other, &team.viewer, "remove", &[]).await.is(404);
    let roles = [team.role(&team.owner).await, team.role(&team.admin).await];
    assert_eq!(roles, [Some("owner".to_owned()), Some("admin".to_owned())]);
}

#[tokio::test]
async fn somebody_leaves_by_themselves() {
    let team = team().await;
    let page = team.viewer.get("/account/members").await.see("Leave this account");
    team.viewer.submit(&page, "/account/members/leave", &[]).await.is(422).see("Tick the box");
    let left = team.viewer.submit(&page, "/account/members/leave", &[("sure", "yes")]).await.redirects_to("/log-in");
    team.viewer.follow(left).await.see("You have left the account.");
    assert_eq!(team.role(&team.viewer).await, None);
    assert_eq!(team.told(&team.viewer).await, ["You no longer act for an account at Meadow Hosting"]);
    let leave = |account: String| json!({ "account": account });
    team.payer.api_post("/api/v1/members/leave", &leave(team.other.who.account().to_string())).await.is(404);
    team.payer.api_post("/api/v1/members/leave", &leave(team.owner.who.account().to_string())).await.is(204);
    team.payer.api_get("/api/v1/me").await.is(401);
    assert_eq!(team.told(&team.payer).await.len(), 1);
}

#[tokio::test]
async fn an_account_is_handed_over() {
    let team = team().await;
    sqlx::query("update people set verified_at = null where id = $1")
        .bind(Team::id(&team.viewer))
        .execute(team.app.sql())
        .await
        .unwrap();
    team.on(&team.owner, &team.viewer, "hand-over", &[]).await.is(409).see("has not confirmed their e-mail address");
    team.on(&team.owner, &team.other, "hand-over", &[]).await.is(404);
    let done = team.on(&team.owner, &team.admin, "hand-over", &[]).await.redirects_to("/account/members");
    team.owner.follow(done).await.see("The account has another owner now.");
    assert_eq!(team.role(&team.owner).await.as_deref(), Some("admin"));
    assert_eq!(team.role(&team.admin).await.as_deref(), Some("owner"));
    team.app.run_jobs().await;
    for member in [&team.owner, &team.admin, &team.viewer, &team.payer] {
        let mail = team.app.mail_to(&member.who.email);
        assert!(mail.subject.contains("another owner") && mail.text.contains(&team.admin.who.email), "{}", mail.text);
    }
    team.on(&team.owner, &team.viewer, "remove", &[]).await.is(403);
    team.on(&team.admin, &team.owner, "remove", &[]).await.redirects_to("/account/members");
    assert_eq!(team.told(&team.owner).await.last().unwrap(), "You no longer act for an account at Meadow Hosting");
}

#[tokio::test]
async fn a_second_contact_takes_over_after_the_time_and_not_before() {
    let team = team().await;
    let take_over = async |by: &Client, what: &str| by.post(&format!("/account/contact/{what}"), &[]).await;
    // Nobody is one yet.
    take_over(&team.payer, "take-over").await.is(409).see("not the second contact");
    take_over(&team.payer, "finish").await.is(409);
    team.on(&team.owner, &team.owner, "nominate", &[]).await.is(409);
    team.on(&team.admin, &team.payer, "nominate", &[]).await.is(403);
    team.on(&team.owner, &team.payer, "nominate", &[]).await.redirects_to("/account/members");
    assert_eq!(team.told(&team.payer).await, ["You are the second contact of an account at Meadow Hosting"]);
    take_over(&team.viewer, "take-over").await.is(409);
    take_over(&team.payer, "finish").await.is(409).see("has not passed yet");

    let page = team.payer.get("/account/members").await.see("Ask to take over");
    let asked = team.payer.submit(&page, "/account/contact/take-over", &[]).await.redirects_to("/account/members");
    team.payer.follow(asked).await.see("All members are told.").not_see("Take the account over");
    take_over(&team.payer, "take-over").await.is(303);
    team.app.run_jobs().await;
    for member in [&team.owner, &team.admin, &team.viewer, &team.payer] {
        let mails = team.app.mails_to(&member.who.email);
        let asks = mails.iter().filter(|mail| mail.subject.contains("asks to take over")).count();
        assert_eq!(asks, 1, "{} is told once", member.who.email);
    }
    // The owner is there: one button, which needs no password again.
    team.app.advance(PROVEN_FOR);
    take_over(&team.admin, "stop").await.is(403);
    let page = team.owner.get("/account/members").await.see("I am here: stop it");
    team.owner.submit(&page, "/account/contact/stop", &[]).await.redirects_to("/account/members");
    assert!(team.told(&team.viewer).await.last().unwrap().contains("stays with its owner"));
    let payer = team.app.sign_in_again(&team.payer).await;
    team.app.advance(TAKE_OVER_AFTER);
    let payer = team.app.sign_in_again(&payer).await;
    take_over(&payer, "finish").await.is(409);

    // And once more, with an owner who is not.
    take_over(&payer, "take-over").await.is(303);
    team.app.advance(TAKE_OVER_AFTER - TimeDelta::seconds(1));
    let payer = team.app.sign_in_again(&payer).await;
    take_over(&payer, "finish").await.is(409);
    team.app.advance(TimeDelta::seconds(1));
    let page = payer.get("/account/members").await.see("The owner had 14 days");
    payer.submit(&page, "/account/contact/finish", &[]).await.redirects_to("/account/members");
    assert_eq!(team.role(&team.payer).await.as_deref(), Some("owner"));
    assert_eq!(team.role(&team.owner).await.as_deref(), Some("admin"));
    assert!(team.told(&team.owner).await.last().unwrap().contains("another owner"));
    take_over(&payer, "finish").await.is(409);
}

#[tokio::test]
async fn a_second_contact_who_is_dismissed_or_removed_takes_nothing_over() {
    let team = team().await;
    let contact = async || team.owner.api_get("/api/v1/members").await.is(200).json()["second_contact"].clone();
    for how in ["dismissed", "removed", "replaced"] {
        let whom = if how == "removed" { &team.viewer } else { &team.payer };
        team.owner.api_post(&format!("/api/v1/members/{}/nominate", Team::id(whom)), &json!({})).await.is(204);
        whom.api_post("/api/v1/second-contact/take-over", &json!({})).await.is(204);
        assert!(contact().await["take_over_due"].is_string());
        match how {
            "dismissed" => team.owner.api_delete("/api/v1/second-contact").await.is(204),
            "removed" => team.owner.api_delete(&format!("/api/v1/members/{}", Team::id(whom))).await.is(204),
            _ => team.owner.api_post(&format!("/api/v1/members/{}/nominate", Team::id(&team.admin)), &json!({})).await.is(204),
        };
        let left = contact().await;
        assert!(left == Value::Null || left["take_over_due"] == Value::Null, "{how}: {left}");
        let refused = whom.api_post("/api/v1/second-contact/take-over/finish", &json!({})).await;
        assert!([401, 409].contains(&refused.status.as_u16()), "{how}: {}", refused.body);
    }
    team.app.run_jobs().await;
}

#[tokio::test]
async fn what_an_open_browser_is_not_enough_for_asks_again_who_one_is() {
    let team = team().await;
    team.app.advance(PROVEN_FOR);
    let page =
        team.owner.get("/account/members").await.is(200).see("confirm first that it is you").not_see("Send the invitation");
    assert_eq!(page.attributes("main .note a", "href"), ["/step-up?next=%2Faccount%2Fmembers"]);
    let rows = team.app.rows().await;
    team.on(&team.owner, &team.viewer, "remove", &[]).await.redirects_to("/step-up?next=%2Finstances");
    let referred = team.owner.request(reqwest::Method::POST, "/account/members/invite");
    let referred = referred.header("referer", format!("{}/account/members", team.app.base()));
    team.owner
        .send(referred.form(&[("csrf", team.owner.csrf_token().await)]))
        .await
        .redirects_to("/step-up?next=%2Faccount%2Fmembers");
    let elsewhere = team.owner.request(reqwest::Method::POST, "/account/members/invite");
    let elsewhere = elsewhere.header("referer", "https://evil.example/trap").form(&[("csrf", team.owner.csrf_token().await)]);
    team.owner.send(elsewhere).await.redirects_to("/step-up?next=%2Finstances");
    let path = format!("/api/v1/members/{}", Team::id(&team.viewer));
    assert_eq!(team.owner.api_delete(&path).await.is(403).json()["code"], "proof_required");
    // Whoever may not do it at all is not asked.
    team.on(&team.viewer, &team.payer, "remove", &[]).await.is(403);

    let page = team.owner.get("/step-up?next=%2Faccount%2Fmembers").await.is(200);
    team.owner.submit(&page, "/step-up", &[("password", "wrong")]).await.is(422).see("That is not your password");
    assert_eq!(team.app.rows().await, rows);
    team.owner.submit(&page, "/step-up", &[("password", PASSWORD)]).await.redirects_to("/account/members");
    team.owner.get("/account/members").await.see("Send the invitation");
    // In the API it is a session of its own.
    assert_eq!(team.owner.api_delete(&path).await.is(403).json()["code"], "proof_required");
    let wrong = team.owner.api_post("/api/v1/sessions/current/proof", &json!({ "password": "wrong" })).await.is(401).json();
    assert_eq!(wrong["code"], "wrong_credentials");
    team.owner.api_post("/api/v1/sessions/current/proof", &json!({ "password": PASSWORD })).await.is(204);
    team.owner.api_delete(&path).await.is(204);
    team.app.advance(PROVEN_FOR);
    team.on(&team.owner, &team.payer, "remove", &[]).await.redirects_to("/step-up?next=%2Finstances");
    let evil = [("password", PASSWORD), ("next", "//evil.example")];
    team.owner.post("/step-up", &evil).await.redirects_to("/account/security");
    team.app.run_jobs().await;
}
