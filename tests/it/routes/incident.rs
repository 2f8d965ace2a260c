//! Incidents: told by staff, read by everybody.

use paddock::account::Scope;
use paddock::db::slice::ROWS;
use paddock::ids::IncidentId;

use crate::harness::{Client, Start, TestApp};

const TOLD: [(&str, &str); 5] = [
    ("title", "Pictures do not load"),
    ("impact", "degraded"),
    ("state", "investigating"),
    ("began", ""),
    ("text", "New pictures do not show on some servers.\nWe look for the cause & say more at 15:00."),
];

/// Tells of an incident with some fields changed; the path of its page.
async fn tell(staff: &Client, changed: &[(&str, &str)]) -> String {
    let page = staff.get("/staff/incidents/new").await.is(200);
    let fields = TOLD.map(|(name, usual)| {
        let other = changed.iter().find(|(of, _)| *of == name);
        (name, other.map_or(usual, |(_, value)| *value))
    });
    staff.submit(&page, "/staff/incidents", &fields).await.is(303).location()
}

async fn say(staff: &Client, path: &str, state: &str, text: &str) {
    let page = staff.get(path).await.is(200);
    let answer = staff.submit(&page, &format!("{path}/say"), &[("state", state), ("text", text)]).await.redirects_to(path);
    staff.follow(answer).await.is(200).see("Everybody can read it now.").see(text);
}

#[tokio::test]
async fn what_staff_tell_stands_on_the_status_page_until_it_is_over_and_then_among_the_past() {
    let Start { app, anon, .. } = TestApp::start().await;
    let staff = app.staff_with(Scope::Operations);
    anon.get("/status").await.is(200).see("All is well").see("Past incidents None so far.");
    let path = tell(&staff, &[]).await;
    let page = anon.get("/status").await.is(200).see("Something is not well").see("Pictures do not load");
    let page =
        page.see("Looking for the cause").see("A part is slow or missing").see("We look for the cause & say more at 15:00.");
    page.see("None so far.");
    anon.get("/status/live").await.is(200).see("Pictures do not load").not_see("Past incidents");

    app.advance(chrono::TimeDelta::minutes(10));
    say(&staff, &path, "found", "A disk was full. We make room.").await;
    let page = anon.get("/status").await.see("A disk was full.");
    let said = page.all("ol.said li strong");
    assert_eq!(said, ["Cause found", "Looking for the cause"], "the newest first");

    app.advance(chrono::TimeDelta::minutes(10));
    say(&staff, &path, "over", "There is room again.").await;
    let page = anon.get("/status").await.is(200).see("All is well").not_see("None so far.").see("There is room again.");
    assert_eq!(page.all("section.incident h3"), ["Pictures do not load"]);
    // What is over stays as it was said.
    staff.get(&path).await.is(200).see("It is over.").not_see("Say more");
    staff
        .post(&format!("{path}/say"), &[("state", "found"), ("text", "And again.")])
        .await
        .is(422)
        .see("What is new is another incident.");
    staff.get("/staff/incidents").await.is(200).see("Pictures do not load").see("Over from");

    let audited: Vec<(String, String)> =
        sqlx::query_as("select action, actor_kind from audit_events where action like 'incident.%' order by id")
            .fetch_all(app.sql())
            .await
            .unwrap();
    let staffs = |action: &str| (action.to_owned(), "staff".to_owned());
    assert_eq!(audited, [staffs("incident.opened"), staffs("incident.said"), staffs("incident.said")]);
}

#[tokio::test]
async fn a_notice_does_not_say_that_something_is_wrong() {
    let Start { app: _app, anon, staff, .. } = TestApp::start().await;
    tell(&staff, &[("impact", "notice"), ("title", "Work on Sunday")]).await;
    anon.get("/status").await.see("All is well").see("Work on Sunday").see("Nothing is missing");
    staff.get("/staff").await.see("Open incidents 1");
}

#[tokio::test]
async fn both_feeds_tell_the_same() {
    let Start { app, anon, staff, .. } = TestApp::start().await;
    let empty = anon.get("/status.json").await.is(200);
    assert_eq!(empty.json()["items"], serde_json::json!([]));
    let path = tell(&staff, &[("title", "Slow <b>& \"odd\"")]).await;
    let id = path.rsplit('/').next().unwrap();
    app.advance(chrono::TimeDelta::minutes(10));
    say(&staff, &path, "over", "It was a cable.").await;

    let feed = anon.get("/status.json").await.is(200);
    assert!(feed.header("content-type").starts_with("application/feed+json"));
    assert_eq!(feed.header("cache-control"), "public, max-age=60");
    let feed = feed.json();
    assert_eq!(feed["version"], "https://jsonfeed.org/version/1.1");
    let item = &feed["items"][0];
    assert_eq!(item["title"], "Over: Slow <b>& \"odd\"");
    assert_eq!(item["url"], format!("{}/status#{id}", app.base()));
    assert_eq!(item["tags"], serde_json::json!(["degraded", "over"]));
    let text = item["content_text"].as_str().unwrap();
    assert!(text.find("It was a cable.").unwrap() < text.find("We look for the cause & say more").unwrap(), "{text}");
    assert_ne!(item["date_published"], item["date_modified"]);

    let atom = anon.get("/status.atom").await.is(200);
    assert!(atom.header("content-type").starts_with("application/atom+xml"));
    assert!(atom.header("set-cookie").is_empty(), "feed readers get no cookie");
    assert!(!atom.body.contains("<b>") && atom.body.contains(&format!("<id>urn:paddock:incident:{id}</id>")), "{}", atom.body);
    for part in ["<title>Over: Slow ", "It was a cable.", item["date_modified"].as_str().unwrap(), "<category term=\"over\"/>"] {
        assert!(atom.body.contains(part), "{part} in {}", atom.body);
    }
    // The page names both, and an incident by the name that the feeds link to.
    let page = anon.get("/status").await;
    assert_eq!(page.attributes("link[rel=alternate]", "href"), ["/status.atom", "/status.json"]);
    assert_eq!(page.attributes("section.incident", "id"), [id]);
}

#[tokio::test]
async fn what_says_nothing_is_refused_at_its_field_and_nothing_typed_is_lost() {
    let Start { app, staff, .. } = TestApp::start().await;
    let rows = app.rows().await;
    let long = "a".repeat(2001);
    let later = (app.clock_now() + chrono::TimeDelta::hours(1)).format("%Y-%m-%dT%H:%M").to_string();
    let wrong = [
        ("title", "", "Write 3 to 120 characters"),
        ("title", "two\nlines", "Write 3 to 120 characters"),
        ("impact", "terrible", "Choose one."),
        ("state", "", "Choose one."),
        ("began", "yesterday", "Write a date and a time"),
        ("began", later.as_str(), "That is later than now."),
        ("text", " ", "Write 3 to 2000 characters"),
        ("text", long.as_str(), "Write 3 to 2000 characters"),
    ];
    for (field, value, says) in wrong {
        let fields: Vec<_> = TOLD.map(|(name, good)| (name, if name == field { value } else { good })).to_vec();
        let page = staff.post("/staff/incidents", &fields).await.is(422).see(says);
        assert_eq!(page.attributes("#errors a", "href"), [format!("#{field}")]);
        assert_eq!(page.attributes("[aria-invalid]", "name"), [field]);
        if field != "title" {
            assert_eq!(page.attributes("#title", "value"), ["Pictures do not load"]);
        }
    }
    assert_eq!(app.rows().await, rows);
    let path = tell(&staff, &[("began", "2024-01-02T03:04")]).await;
    staff.get(&path).await.is(200).see("since 3:04 UTC, 2 January");
    staff.post(&format!("{path}/say"), &[("state", "found"), ("text", "")]).await.is(422).see("Write 3 to 2000 characters");
    staff
        .post(&format!("{path}/say"), &[("state", "better"), ("text", "A sentence.")])
        .await
        .is(422)
        .see("Choose one.")
        .see("A sentence.");
}

#[tokio::test]
async fn those_who_may_not_tell_read() {
    let Start { app, customer, staff, .. } = TestApp::start().await;
    let path = tell(&staff, &[]).await;
    for scope in [Scope::Support, Scope::Billing] {
        let client = app.staff_with(scope);
        client.get("/staff/incidents").await.is(200).see("Pictures do not load").not_see("Tell of an incident");
        client.get(&path).await.is(200).see("We look for the cause").not_see("Say more");
        client.get("/staff/incidents/new").await.is(403);
        client.post("/staff/incidents", &TOLD).await.is(403);
        client.post(&format!("{path}/say"), &[("state", "over"), ("text", "It is over.")]).await.is(403);
    }
    customer.get(&path).await.is(404);
    staff.get(&format!("/staff/incidents/{}", IncidentId::new())).await.is(404);
    staff
        .post(&format!("/staff/incidents/{}/say", IncidentId::new()), &[("state", "over"), ("text", "It is over.")])
        .await
        .is(404);
}

#[tokio::test]
async fn the_staffs_list_goes_on_and_the_page_of_everybody_stays_short() {
    let Start { app, anon, staff, .. } = TestApp::start().await;
    let by = staff.who.staff.unwrap();
    for number in 0..ROWS + 2 {
        sqlx::query(
            "insert into incidents (id, title, impact, state, began_at, over_at, created_by, created_at, updated_at)
             values ($1, $2, 'notice', 'over', $3, $3, $4, $3, $3)",
        )
        .bind(IncidentId::new())
        .bind(format!("Number {number:02}"))
        .bind(app.clock_now())
        .bind(by)
        .execute(app.sql())
        .await
        .unwrap();
    }
    let page = staff.get("/staff/incidents").await.is(200);
    assert_eq!(page.all("ul.rows a.name")[0], format!("Number {:02}", ROWS + 1));
    let next = page.attributes(".pager a[rel=next]", "href");
    assert_eq!(staff.get(&next[0]).await.is(200).all("ul.rows a.name"), ["Number 01", "Number 00"]);
    assert_eq!(anon.get("/status").await.all("section.incident h3").len(), 20);
    assert_eq!(anon.get("/status.json").await.json()["items"].as_array().unwrap().len(), 20);
}
