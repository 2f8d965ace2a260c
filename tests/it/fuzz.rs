//! Random input to everything that reads what strangers send: nothing panics, nothing is taken that was not signed, and what is taken is what
//! was meant. A sample in every run of the tests; `./dev fuzz` gives each target five minutes.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use paddock::account::email::EmailAddress;
use paddock::account::link::{self, Purpose};
use paddock::archive::Manifest;
use paddock::archive::manifest::{Completeness, Database, FORMAT, Identity, MediaScope, Part, Source, VERSION};
use paddock::billing::stripe::{sign_webhook, verify_webhook};
use paddock::capacity;
use paddock::clock::Clock as _;
use paddock::crypto::HostKey;
use paddock::ids::{AccountId, InstanceId};
use paddock::instance::address::{Address, AddressRules, WebDomain};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use secrecy::SecretString;

use crate::harness::{self, Start, TestApp};

/// For how long each target is tried; a sample when nothing is said.
fn until() -> Option<Instant> {
    let seconds = std::env::var("PADDOCK_FUZZ_SECONDS").ok()?;
    Some(Instant::now() + Duration::from_secs(seconds.parse().unwrap()))
}

fn runner() -> TestRunner {
    TestRunner::new(Config { cases: 256, failure_persistence: None, ..Config::default() })
}

/// Tries a target with what a strategy makes.
fn fuzz<S: Strategy>(name: &str, strategy: &S, check: impl Fn(S::Value) -> Result<(), TestCaseError>)
where
    S::Value: Debug,
{
    let (until, mut rounds) = (until(), 0u64);
    loop {
        // Each runner begins with chance of its own.
        runner().run(strategy, &check).unwrap_or_else(|error| panic!("{name}: {error}"));
        rounds += 1;
        if until.is_none_or(|until| Instant::now() >= until) {
            println!("{name}: {} cases without a finding", rounds * 256);
            return;
        }
    }
}

/// A text with some of its bytes changed, taken out or doubled.
fn mutated(text: String) -> impl Strategy<Value = Vec<u8>> {
    let bytes = text.into_bytes();
    prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0u8..3), 0..6).prop_map(move |changes| {
        let mut bytes = bytes.clone();
        for (at, byte, how) in changes {
            if bytes.is_empty() {
                break;
            }
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => drop(bytes.remove(at)),
                _ => bytes.insert(at, bytes[at]),
            }
        }
        bytes
    })
}

/// The same as text.
fn mutated_text(text: String) -> impl Strategy<Value = String> {
    mutated(text).prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

#[test]
fn a_webhooks_header_is_taken_only_with_its_body_and_time() {
    let (secret, now) = (SecretString::from("whsec_fuzz"), paddock::clock::SystemClock.now());
    let body = br#"{"id":"evt_1","type":"customer.updated","created":1,"data":{"object":{}}}"#.to_vec();
    let header = sign_webhook(&body, &secret, now);
    let secrets = [secret];
    let strategy = (
        prop_oneof![mutated_text(header.clone()), "\\PC{0,80}", "t=[0-9]{0,25}(,v1=[0-9a-f]{0,80}){0,12}"],
        prop_oneof![Just(body.clone()), mutated(String::from_utf8(body.clone()).unwrap())],
    );
    fuzz("webhook header", &strategy, |(tried, tried_body)| {
        let taken = verify_webhook(&tried_body, &tried, &secrets, now).is_ok();
        // Letters of hexadecimal may be large or small; all else has to be as it was signed.
        let same = tried_body == body && signatures(&tried).is_some_and(|found| found == signatures(&header).unwrap_or_default());
        prop_assert!(!taken || same || tried.contains(&header), "{tried} {tried_body:?}");
        Ok(())
    });
}

/// Time and first signature of a header.
fn signatures(header: &str) -> Option<(String, String)> {
    let field = |name: &str| {
        let mut parts = header.split(',').filter_map(|part| part.trim().split_once('='));
        parts.find(|(found, _)| *found == name).map(|(_, value)| value.trim().to_ascii_lowercase())
    };
    Some((field("t")?, field("v1")?))
}

#[test]
fn a_hostname_that_is_taken_is_one() {
    let rules = AddressRules::new("meadow.social");
    let host = prop_oneof![
        "\\PC{0,80}",
        mutated_text("birds.example.org".to_owned()),
        mutated_text("xn--bcher-kva.example".to_owned()),
        mutated_text("https://wren@birds.example.org:443/x".to_owned()),
        "[a-zäßøա-ֆα-ω0-9.。-]{0,80}",
    ];
    fuzz("hostname", &host, |text| {
        for found in [Address::parse_own(&text, &rules), Address::parse_name(&text, &rules)].into_iter().flatten() {
            let domain = found.domain().to_owned();
            let is_label = |label: &str| {
                (1..=63).contains(&label.len())
                    && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
                    && !label.starts_with('-')
                    && !label.ends_with('-')
            };
            prop_assert!(domain.len() <= 253 && domain.contains('.') && domain.split('.').all(is_label), "{text} → {domain}");
            // What was taken is taken again and is the same.
            if let Ok(again) = Address::parse_own(&domain, &rules) {
                prop_assert_eq!(again.domain(), domain.as_str());
            }
            let _ = (found.display().len(), found.skeleton(), WebDomain::parse(&text, &found, &rules).is_ok());
        }
        Ok(())
    });
}

fn sample() -> Manifest {
    let at = "2026-11-25T12:00:00Z".parse().unwrap();
    let part = |name: &str, unpacked, objects| Part { name: name.into(), bytes: 10, sha256: "0".repeat(64), unpacked, objects };
    Manifest {
        format: FORMAT.into(),
        version: VERSION,
        program: "paddock 0.1.0".into(),
        began: at,
        snapshot: at,
        ended: at,
        signer: "AAAA".into(),
        source: Source {
            domain: "birds.example".into(),
            web_domain: "birds.example".into(),
            mastodon: Some("4.5".into()),
            migrations: vec!["20251023210145".into()],
        },
        database: Database {
            server: 150_020,
            client: 15,
            encoding: "UTF8".into(),
            collation: "C.UTF-8".into(),
            bytes: 1,
            tables: [("accounts".to_owned(), 3)].into(),
            sequences: [("accounts_id_seq".to_owned(), Some(3))].into(),
        },
        identity: Identity { actors: 1, actors_sha256: "0".repeat(64), vapid_public_key: None },
        completeness: Completeness {
            media: MediaScope::WithoutCache,
            secrets: true,
            objects: 2,
            object_bytes: 7,
            vanished: 0,
            left_out: Vec::new(),
            left_out_count: 0,
        },
        parts: vec![
            part("RESTORE.md", None, None),
            part("SHA256SUMS", None, None),
            part("compose.yaml", None, None),
            part("database.dump.zst", Some(100), None),
            part("media-00001.sha256", None, Some(2)),
            part("media-00001.tar.zst", Some(100), Some(2)),
            part("restore.sh", None, None),
            part("secrets.age", None, None),
        ],
    }
}

#[test]
fn a_manifest_that_is_read_is_written_as_it_was() {
    let whole = String::from_utf8(sample().to_bytes().unwrap()).unwrap();
    assert_eq!(Manifest::from_bytes(whole.as_bytes()).unwrap(), sample());
    let json = prop_oneof![
        mutated(whole.clone()),
        mutated(whole[..whole.len() / 2].to_owned()),
        prop::collection::vec(any::<u8>(), 0..200)
    ];
    fuzz("manifest", &json, |bytes| {
        if let Ok(manifest) = Manifest::from_bytes(&bytes) {
            prop_assert_eq!(manifest.to_bytes().ok(), Some(bytes));
        }
        Ok(())
    });
}

#[test]
fn tokens_and_links_are_taken_only_as_they_were_made() {
    let key = HostKey::new([7; 32]);
    let id = uuid::Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001);
    let made = link::write(&key, id, Purpose::Reset);
    let instance = InstanceId::from(id).to_string();
    let text = prop_oneof!["\\PC{0,90}", mutated_text(made.clone()), mutated_text(instance), "[A-Za-z0-9_-]{0,90}"];
    fuzz("tokens", &text, |text| {
        prop_assert!(link::read(&key, &text, Purpose::Reset).is_none() || text == made, "{text}");
        prop_assert!(link::read(&key, &text, Purpose::Verify).is_none(), "a link for one thing is none for another: {text}");
        let _ = capacity::read_leave_link(&key, &text);
        if let Ok(id) = text.parse::<AccountId>() {
            prop_assert_eq!(id.to_string(), text.clone());
        }
        let _ = EmailAddress::parse(&text).map(|email| (email.smtp(), email.masked()));
        Ok(())
    });
}

/// A form, or something that is none.
fn form() -> impl Strategy<Value = Vec<(String, String)>> {
    let name = prop_oneof![
        prop::sample::select(vec![
            "email",
            "password",
            "code",
            "kind",
            "name",
            "domain",
            "web_domain",
            "plan",
            "period",
            "owner_name",
            "owner_email",
            "next",
            "wait",
        ])
        .prop_map(str::to_owned),
        "\\PC{0,12}",
    ];
    prop::collection::vec((name, prop_oneof!["\\PC{0,60}", "[\\x00-\\x7f]{0,60}", "[a-z.@]{0,40}"]), 0..8)
}

/// Sends forms and bodies of all kinds, and counts what came of them.
async fn send_forms(app: &TestApp, start: &[harness::Client; 2]) -> u64 {
    let (mut chance, until, mut sent) = (runner(), until(), 0);
    let pages = ["/sign-up", "/forgot", "/new/address", "/new/owner", "/new/plan", "/step-up", "/account/switch", "/log-in/code"];
    let calls = ["/api/v1/orders", "/api/v1/waiting", "/api/v1/verifications", "/api/v1/webhooks", "/api/v1/agreements"];
    let body = prop_oneof!["\\PC{0,80}", mutated_text(r#"{"kind":"hosted","name":"birds","plan":"family"}"#.to_owned())];
    loop {
        for client in start {
            let fields = form().new_tree(&mut chance).unwrap().current();
            let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            for page in pages {
                let answer = client.post(page, &fields).await;
                assert!(!answer.status.is_server_error(), "{page} with {fields:?}: {}", answer.body);
            }
            let body = body.new_tree(&mut chance).unwrap().current();
            for path in calls {
                let request = client.api(http::Method::POST, path).header("content-type", "application/json").body(body.clone());
                let answer = client.send(request).await;
                assert!(!answer.status.is_server_error(), "{path} with {body}: {}", answer.body);
            }
            sent += u64::try_from(pages.len() + calls.len()).unwrap();
        }
        let over = until.map_or(sent > 200, |until| Instant::now() >= until);
        if over {
            return sent;
        }
        // Nobody is kept out for having tried too often.
        app.advance(chrono::TimeDelta::minutes(2));
    }
}

#[tokio::test]
async fn forms_and_bodies_never_make_a_fault_of_ours() {
    let Start { app, customer, .. } = TestApp::start().await;
    let nobody = app.client(harness::Identity::default());
    let sent = send_forms(&app, &[nobody, customer]).await;
    println!("forms: {sent} requests without a finding");
    app.leave_jobs();
}
