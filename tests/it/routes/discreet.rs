//! Known and unknown addresses: the same answers, after the same time.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use paddock::account;
use paddock::account::email::EmailAddress;
use serde_json::json;
use sqlx::{Connection as _, PgConnection};

use crate::harness::{Client, Identity, PASSWORD, Start, TestApp};

/// Nothing that tells whether an address is known leaves before this.
const BEAT: Duration = Duration::from_millis(250);

/// After how long the same address is as it was: it gets a few mails in a day.
const RESTS: TimeDelta = TimeDelta::hours(6);

/// What anybody may send for an address.
#[derive(Debug, Clone, Copy)]
enum Ask {
    SignUp,
    Resend,
    Forgot,
    LogIn,
}

impl Ask {
    const ALL: [Self; 4] = [Self::SignUp, Self::Resend, Self::Forgot, Self::LogIn];

    fn path(self) -> &'static str {
        match self {
            Self::SignUp => "/sign-up",
            Self::Resend => "/verify/resend",
            Self::Forgot => "/forgot",
            Self::LogIn => "/log-in",
        }
    }

    /// Milliseconds until the answer.
    async fn time(self, client: &Client, email: &str) -> f64 {
        client.csrf_token().await;
        let began = Instant::now();
        client.post(self.path(), &[("email", email), ("password", "a wrong password")]).await;
        began.elapsed().as_secs_f64() * 1000.0
    }
}

/// How often a value of the one is larger than one of the other: 0.5 when nobody can tell them apart, 0 or 1 when anybody can.
fn told_apart(one: &[f64], other: &[f64]) -> f64 {
    let wins = one.iter().flat_map(|a| {
        other.iter().map(move |b| {
            if a > b {
                1.0
            } else if a < b {
                0.0
            } else {
                0.5
            }
        })
    });
    let pairs = f64::from(u32::try_from(one.len() * other.len()).unwrap());
    wins.sum::<f64>() / pairs
}

fn middle(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// The figures are printed; what is asserted leaves room for a busy machine (a difference of one statement was seen at 0.99).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_time_of_an_answer_does_not_say_whether_an_address_is_known() {
    let Start { app, customer, other_customer, .. } = TestApp::start().await;
    // So that a link may be sent to each again: the most that is ever done for a known address.
    sqlx::query("update people set verified_at = null").execute(app.sql()).await.unwrap();
    let members = app.members().map(|client| client.who.email.clone());
    let known = [
        customer.who.email.clone(),
        other_customer.who.email.clone(),
        app.unverified().who.email.clone(),
        members[0].clone(),
        members[1].clone(),
    ];
    let anon = app.client(Identity::default());
    anon.csrf_token().await;
    for ask in Ask::ALL {
        let (mut of_known, mut of_unknown) = (Vec::new(), Vec::new());
        for round in 0..6 {
            app.advance(RESTS);
            let pairs = known.iter().enumerate().map(async |(number, known)| {
                let unknown = format!("nobody{round}{number}{ask:?}@mail.example");
                // Hashes wait for their turn: the first of a pair is the one as often as the other.
                if (round + number) % 2 == 0 {
                    tokio::join!(ask.time(&anon, known), ask.time(&anon, &unknown))
                } else {
                    let (unknown, known) = tokio::join!(ask.time(&anon, &unknown), ask.time(&anon, known));
                    (known, unknown)
                }
            });
            for (known, unknown) in futures::future::join_all(pairs).await {
                of_known.push(known);
                of_unknown.push(unknown);
            }
        }
        let told = told_apart(&of_known, &of_unknown);
        println!(
            "{ask:?}: known {:.0} ms, unknown {:.0} ms (middle of {}); told apart {told:.2}",
            middle(&of_known),
            middle(&of_unknown),
            of_known.len()
        );
        assert!((0.2..=0.8).contains(&told), "{ask:?}: told apart {told:.2}: {of_known:?} {of_unknown:?}");
    }
    app.leave_jobs();
}

#[tokio::test]
async fn answers_to_anybody_leave_on_a_beat() {
    let Start { app, anon, customer, .. } = TestApp::start().await;
    anon.csrf_token().await;
    for email in [customer.who.email.as_str(), "unknown@mail.example"] {
        let body = json!({ "email": email, "password": "long enough" });
        let address = json!({ "email": email });
        let form = [("email", email), ("password", "long enough")];
        let answers = [
            timed(anon.post("/sign-up", &form)).await,
            timed(anon.post("/verify/resend", &form)).await,
            timed(anon.post("/forgot", &form)).await,
            timed(anon.api_post("/api/v1/accounts", &body)).await,
            timed(anon.api_post("/api/v1/verifications/resend", &address)).await,
            timed(anon.api_post("/api/v1/password-resets", &address)).await,
        ];
        assert!(answers.iter().all(|time| *time >= BEAT), "{email}: {answers:?}");
    }
    app.leave_jobs();
}

async fn timed<T>(work: impl Future<Output = T>) -> Duration {
    let began = Instant::now();
    work.await;
    began.elapsed()
}

#[tokio::test]
async fn a_log_in_asks_one_question_whether_the_address_is_known_or_not() {
    let Start { app, customer, .. } = TestApp::start().await;
    for (email, known) in [(customer.who.email.as_str(), true), ("unknown@mail.example", false)] {
        let mut conn = PgConnection::connect(&app.database_url()).await.unwrap();
        let found = account::credentials(&mut conn, &EmailAddress::parse(email).unwrap()).await.unwrap();
        assert_eq!(found.is_some(), known);
        assert_eq!(conn.cached_statements_size(), 1, "{email}");
    }
    // And what it finds is good for signing in.
    let browser = app.client(Identity::default());
    browser.post("/log-in", &[("email", &customer.who.email), ("password", PASSWORD)]).await.redirects_to("/instances");
}
