//! A customer's own mail server: talked to for real before anything is kept, and kept sealed.

use std::net::IpAddr;
use std::time::Duration;

use paddock::demo::mailbox::{Behaviour, Entrance, Mailbox};
use paddock::instance::dns::{LookupFailed, RecordKind};
use paddock::mail::probe::{ProbeFault, Prober, Wanted};
use paddock::resource::{MailSecurity, OwnMail, resource_name};
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use tokio::io::AsyncWriteExt as _;

use crate::harness::{Answer, Client, LOGIN, SMTP_HOST, SMTP_PASSWORD, Shown, Start, TestApp, mail_server, operator_key};

const FROM: &str = "social@mail.example";

/// What is typed for a server that lets one in.
fn typed(server: &Mailbox, security: &str) -> Vec<(&'static str, String)> {
    vec![
        ("mail_host", SMTP_HOST.to_owned()),
        ("mail_port", server.smtp_addr().port().to_string()),
        ("mail_security", security.to_owned()),
        ("mail_login", LOGIN.to_owned()),
        ("mail_password", SMTP_PASSWORD.to_owned()),
        ("mail_from", FROM.to_owned()),
    ]
}

async fn submit(customer: &Client, path: &str, typed: &[(&'static str, String)]) -> Answer {
    let page = customer.get(path).await.is(200);
    let fields: Vec<(&str, &str)> = typed.iter().map(|(name, value)| (*name, value.as_str())).collect();
    customer.submit(&page, path, &fields).await
}

/// Whether a text is anywhere in the database, the queue included.
async fn is_kept(app: &TestApp, text: &str) -> bool {
    let tables = "select format('%I.%I', table_schema, table_name) from information_schema.tables
                  where table_type = 'BASE TABLE' and table_schema in ('public', 'graphile_worker')";
    let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(app.sql()).await.unwrap();
    assert!(tables.len() > 20, "{tables:?}");
    for table in tables {
        let query = format!("select exists (select 1 from {table} t where t::text like '%' || $1 || '%')");
        if sqlx::query_scalar(AssertSqlSafe(query)).bind(text).fetch_one(app.sql()).await.unwrap() {
            return true;
        }
    }
    false
}

#[tokio::test]
async fn a_mail_server_of_ones_own_is_tried_sealed_and_given_up() {
    let Start { app, customer, .. } = TestApp::start().await;
    let instance = app.running(&customer, "birds").await;
    app.resolver.set(SMTP_HOST, RecordKind::A, &["127.0.0.1"]);
    let path = format!("/instances/{}/mail", instance.id);
    let server = customer.get(&format!("/instances/{}", instance.id)).await.is(200);
    assert!(server.attributes("a", "href").contains(&path));
    let page = customer.get(&path).await.is(200).see("leave through ours").see("up to 500 mails a day");
    assert!(!page.visible_text().contains("mail-") && !page.visible_text().contains("field-"), "{}", page.visible_text());

    let good = mail_server(Entrance::StartTls, Shown::Good, |_| {}).await;
    let answer = submit(&customer, &path, &typed(&good, "starttls")).await.redirects_to(&path);
    let page = customer.follow(answer).await.see("It works").see("through your own mail server").see(FROM);
    assert_eq!(page.attributes("#mail_password", "value"), [""], "it is never shown again");
    assert!(good.mails().is_empty(), "nothing was sent");

    // What is kept: facts in the clear, and all of it sealed to the operator, for this server alone.
    let kept = app.find_instance(instance.id).await;
    assert_eq!(kept.generation, instance.generation + 1, "the fleet carries it on");
    let (sealed, facts): (String, Value) = sqlx::query_as("select own_mail_sealed, own_mail from instances where id = $1")
        .bind(instance.id)
        .fetch_one(app.sql())
        .await
        .unwrap();
    let opened = operator_key().open(&sealed).unwrap();
    let own: OwnMail = serde_json::from_str(&opened).unwrap();
    assert_eq!((own.instance, own.host.as_str(), own.from.as_str()), (resource_name(instance.id), SMTP_HOST, FROM));
    assert!(opened.contains(SMTP_PASSWORD) && !facts.to_string().contains(SMTP_PASSWORD));
    assert!(!is_kept(&app, SMTP_PASSWORD).await, "the password is in the database");
    assert!(is_kept(&app, FROM).await, "this look finds what is there");

    // Another one, over TLS from the first byte, which knows LOGIN alone; and a test mail.
    let other = mail_server(Entrance::Tls, Shown::Good, |guard| guard.mechanisms = "LOGIN").await;
    let mut fields = typed(&other, "tls");
    fields.push(("mail_test", "yes".to_owned()));
    submit(&customer, &path, &fields).await.redirects_to(&path);
    let mail = other.wait_for(|mail| mail.to == [customer.who.email.clone()], Duration::from_secs(5)).await.unwrap();
    assert!(mail.subject.contains("birds.meadow.social"), "{}", mail.subject);
    let sealed: String = sqlx::query_scalar("select own_mail_sealed from instances where id = $1")
        .bind(instance.id)
        .fetch_one(app.sql())
        .await
        .unwrap();
    assert!(operator_key().open(&sealed).unwrap().contains("\"method\":\"login\""));

    let page = customer.get(&path).await;
    let answer = customer.submit(&page, &format!("{path}/remove"), &[]).await.redirects_to(&path);
    customer.follow(answer).await.see("goes back to ours").see("leave through ours");
    let left: (Option<String>, Option<Value>) = sqlx::query_as("select own_mail_sealed, own_mail from instances where id = $1")
        .bind(instance.id)
        .fetch_one(app.sql())
        .await
        .unwrap();
    assert_eq!(left, (None, None));
    let answer = customer.post(&format!("{path}/remove"), &[]).await;
    customer.follow(answer).await.see("uses ours already");
}

#[tokio::test]
async fn what_is_wrong_is_said_of_the_field_that_is_wrong() {
    let Start { app, customer, .. } = TestApp::start().await;
    let instance = app.running(&customer, "birds").await;
    for host in [SMTP_HOST, "other.mail.example"] {
        app.resolver.set(host, RecordKind::A, &["127.0.0.1"]);
    }
    app.resolver.fail("away.mail.example", RecordKind::A, LookupFailed::ServerFailed);
    app.resolver.fail("away.mail.example", RecordKind::Aaaa, LookupFailed::Timeout);
    let path = format!("/instances/{}/mail", instance.id);
    let good = mail_server(Entrance::StartTls, Shown::Good, |guard| guard.sender = Some(FROM.to_owned())).await;
    let refused = async |server: &Mailbox, security: &str, changes: &[(&str, &str)], field: &str, text: &str| {
        let mut fields = typed(server, security);
        fields.retain(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
        for (name, value) in changes {
            let name = ["mail_host", "mail_port", "mail_security", "mail_login", "mail_password", "mail_from", "mail_test"]
                .into_iter()
                .find(|known| known == name)
                .unwrap();
            fields.push((name, (*value).to_owned()));
        }
        let page = submit(&customer, &path, &fields).await.is(422).see("There is a problem").see(text);
        assert_eq!(page.attributes(".errors a", "href"), [format!("#{field}")], "{text}");
        assert!(!page.body.contains(SMTP_PASSWORD), "{text}");
    };

    refused(&good, "starttls", &[("mail_password", "wrong")], "mail_password", "does not accept login and password").await;
    refused(&good, "starttls", &[("mail_password", "wrong")], "mail_password", "It said: “535 5.7.8 login or password is wrong")
        .await;
    refused(&good, "starttls", &[("mail_from", "eve@mail.example")], "mail_from", "does not take mails from this sender").await;
    refused(&good, "starttls", &[("mail_host", "other.mail.example")], "mail_host", "certificate is for another name").await;
    refused(&good, "tls", &[], "mail_security", "does not begin with TLS").await;
    refused(&good, "starttls", &[("mail_host", "nobody.mail.example")], "mail_host", "no server of that name").await;
    refused(&good, "starttls", &[("mail_host", "away.mail.example")], "mail_host", "could not be looked up").await;
    good.behave(Behaviour::Refuse);
    refused(&good, "starttls", &[("mail_test", "yes")], "mail_test", "did not take the test mail").await;
    good.behave(Behaviour::Closed);
    refused(&good, "starttls", &[], "mail_host", "turns us away").await;

    let open = mail_server(Entrance::Open, Shown::Good, |_| {}).await;
    refused(&open, "starttls", &[], "mail_security", "offers no STARTTLS").await;
    let silent = mail_server(Entrance::StartTls, Shown::Good, |guard| guard.mechanisms = "").await;
    refused(&silent, "starttls", &[], "mail_login", "no login with a password").await;
    for (shown, text) in [(Shown::Expired, "out of date"), (Shown::Stranger, "not signed by an authority that is known")] {
        for (entrance, security) in [(Entrance::StartTls, "starttls"), (Entrance::Tls, "tls")] {
            let server = mail_server(entrance, shown, |_| {}).await;
            refused(&server, security, &[], "mail_host", text).await;
        }
    }
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = nobody.local_addr().unwrap().port().to_string();
    drop(nobody);
    refused(&good, "starttls", &[("mail_port", &port)], "mail_port", "Nothing answers on this port").await;
    let pages = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = pages.local_addr().unwrap().port().to_string();
    let serving = tokio::spawn(async move {
        while let Ok((mut stream, _)) = pages.accept().await {
            let _gone = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    refused(&good, "starttls", &[("mail_port", &port)], "mail_port", "is no mail server").await;
    serving.abort();
    assert!(app.find_instance(instance.id).await.own_mail.is_none());
    // That was enough trying for an hour.
    let tries: i64 = sqlx::query_scalar("select count(*) from audit_events where action = 'instance.own_mail_tried'")
        .fetch_one(app.sql())
        .await
        .unwrap();
    for _ in tries..20 {
        refused(&open, "starttls", &[], "mail_security", "offers no STARTTLS").await;
    }
    let answer = submit(&customer, &path, &typed(&open, "starttls")).await.redirects_to(&path);
    customer.follow(answer).await.see("tried too often");
    app.advance(chrono::TimeDelta::minutes(61));
    refused(&open, "starttls", &[], "mail_security", "offers no STARTTLS").await;
    app.run_jobs().await;
}

#[tokio::test]
async fn nothing_is_tried_that_can_not_be_right() {
    let Start { app, customer, .. } = TestApp::start().await;
    let instance = app.running(&customer, "birds").await;
    let path = format!("/instances/{}/mail", instance.id);
    let page = customer
        .post(&path, &[("mail_host", "a b"), ("mail_port", "0"), ("mail_login", "a\r\nRSET"), ("mail_from", "nobody")])
        .await;
    let fields = page.is(422).attributes(".errors a", "href");
    assert_eq!(fields, ["#mail_host", "#mail_port", "#mail_security", "#mail_login", "#mail_password", "#mail_from"]);
    let tries: i64 = sqlx::query_scalar("select count(*) from audit_events where action = 'instance.own_mail_tried'")
        .fetch_one(app.sql())
        .await
        .unwrap();
    assert_eq!(tries, 0);
    // A server that was never ready has nothing to send.
    let early = app.paid(&customer, "bees").await;
    let path = format!("/instances/{}/mail", early.id);
    let page = customer.get(&path).await.is(200);
    assert!(page.all("#mail_host").is_empty());
    let answer = customer.post(&path, &[]).await.redirects_to(&path);
    customer.follow(answer).await.see("is not running yet");
}

fn prober() -> Prober {
    Prober {
        only_public: false,
        own: Vec::new(),
        ports: Vec::new(),
        authorities: Vec::new(),
        hello: "paddock.test".to_owned(),
        places: Prober::places(),
    }
}

/// What is asked for at a server on this machine.
fn wanted(port: u16, security: MailSecurity) -> Wanted {
    Wanted {
        host: SMTP_HOST.to_owned(),
        port,
        security,
        login: LOGIN.to_owned(),
        password: SMTP_PASSWORD.to_owned().into(),
        from: FROM.parse().unwrap(),
        letter: None,
    }
}

#[tokio::test]
async fn a_server_that_never_ends_its_line_is_left_after_a_little() {
    for security in [MailSecurity::StartTls, MailSecurity::Tls] {
        let babbler = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = babbler.local_addr().unwrap().port();
        let sent = tokio::spawn(async move {
            let (mut stream, _) = babbler.accept().await.unwrap();
            let mut sent = 0_usize;
            // Until it hangs up.
            while stream.write_all(&[b'2'; 4096]).await.is_ok() {
                sent += 4096;
            }
            sent
        });
        let began = tokio::time::Instant::now();
        let fault = prober().probe(&[IpAddr::from([127, 0, 0, 1])], &wanted(port, security)).await.unwrap_err();
        assert!(began.elapsed() < Duration::from_secs(5), "it is not waited for");
        assert!(matches!(fault, ProbeFault::NotSmtp | ProbeFault::NoTls | ProbeFault::BrokeOff), "{fault:?}");
        // What it could get rid of is what was read, and what fits into the buffers of both ends.
        assert!(sent.await.unwrap() < 16 * 1024 * 1024);
    }
}

#[tokio::test]
async fn only_so_many_servers_are_talked_to_at_a_time() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, prober) = (silent.local_addr().unwrap().port(), prober());
    let places = prober.places.available_permits();
    let tries: Vec<_> = (0..=places)
        .map(|_| {
            let prober = prober.clone();
            tokio::spawn(
                async move { prober.probe(&[IpAddr::from([127, 0, 0, 1])], &wanted(port, MailSecurity::StartTls)).await },
            )
        })
        .collect();
    let mut faults = Vec::new();
    for one in tries {
        faults.push(one.await.unwrap().unwrap_err());
    }
    let count = |wanted: &ProbeFault| faults.iter().filter(|fault| *fault == wanted).count();
    // The last one waits as long as the first step of the others takes.
    assert_eq!(count(&ProbeFault::Silent) + count(&ProbeFault::Busy), places + 1, "{faults:?}");
    assert!(count(&ProbeFault::Silent) >= places, "{faults:?}");
    assert_eq!(prober.places.available_permits(), places, "each gives its place back");
}

#[tokio::test]
async fn tries_that_come_at_once_are_counted_one_by_one() {
    let Start { app, customer, .. } = TestApp::start().await;
    let instance = app.running(&customer, "birds").await;
    let path = format!("/instances/{}/mail", instance.id);
    // Nothing is looked up or talked to: the name has no address.
    let typed = [
        ("mail_host", "nowhere.mail.example"),
        ("mail_port", "587"),
        ("mail_security", "starttls"),
        ("mail_login", LOGIN),
        ("mail_password", SMTP_PASSWORD),
        ("mail_from", FROM),
    ];
    let page = customer.get(&path).await.is(200);
    futures::future::join_all((0..25).map(|_| customer.submit(&page, &path, &typed))).await;
    let noted: i64 = sqlx::query_scalar("select count(*) from audit_events where action = 'instance.own_mail_tried'")
        .fetch_one(app.sql())
        .await
        .unwrap();
    assert_eq!(noted, 20);
}

#[tokio::test]
async fn a_business_never_connects_into_a_private_network() {
    let own = ["192.88.98.0/24", "2a01:db9::/48"].map(|range| range.parse().unwrap()).to_vec();
    let prober = Prober { only_public: true, own, ports: vec![465, 587], ..prober() };
    let watched = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let wanted = wanted(watched.local_addr().unwrap().port(), MailSecurity::StartTls);
    for addresses in [
        &["127.0.0.1"][..],
        &["10.0.0.1"],
        &["169.254.169.254"],
        &["::ffff:127.0.0.1"],
        &["1.1.1.1", "127.0.0.1"],
        &["fd00::1"],
        &["192.88.98.7"],
        &["::ffff:192.88.98.7"],
        &["2a01:db9::7"],
    ] {
        let addresses: Vec<IpAddr> = addresses.iter().map(|text| text.parse().unwrap()).collect();
        assert_eq!(prober.probe(&addresses, &wanted).await, Err(ProbeFault::Private), "{addresses:?}");
    }
    let came = tokio::time::timeout(Duration::from_millis(200), watched.accept()).await;
    assert!(came.is_err(), "somebody was connected to");
}

#[tokio::test]
async fn the_api_does_the_same() {
    let Start { app, customer, .. } = TestApp::start().await;
    let instance = app.running(&customer, "birds").await;
    app.resolver.set(SMTP_HOST, RecordKind::A, &["127.0.0.1"]);
    let path = format!("/api/v1/instances/{}/mail", instance.id);
    let before = customer.api_get(&path).await.is(200).json();
    assert_eq!(before, json!({"own": null, "relay_mails_per_day": 500}));
    let server = mail_server(Entrance::StartTls, Shown::Good, |_| {}).await;
    let mut wanted = json!({
        "host": SMTP_HOST, "port": server.smtp_addr().port(), "security": "starttls", "login": LOGIN, "password": "wrong", "from": FROM,
    });
    let problem = customer.api_post(&path, &wanted).await.is(422).json();
    assert_eq!(problem["errors"][0]["field"], "password", "{problem}");
    wanted["password"] = SMTP_PASSWORD.into();
    let kept = customer.api_post(&path, &wanted).await.is(200);
    assert!(!kept.body.contains(SMTP_PASSWORD));
    assert_eq!(kept.json()["own"]["login"], LOGIN);
    assert_eq!(customer.api_get(&path).await.json(), kept.json());
    let [viewer, _] = app.members();
    viewer.api_post(&path, &wanted).await.is(403);
    customer.api_delete(&path).await.is(204);
    assert_eq!(customer.api_get(&path).await.json(), before);
}
