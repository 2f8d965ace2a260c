//! `access`: whether anybody learns from an answer, or from how long it took, what is not theirs to know.
//!
//! What runs: real Postgres and `paddock web`. Each pair is asked for in turns, the one and the other, N times each, and the middles of
//! both are compared; the answers must be the same but for the id that was asked for.
//! * `instance`, `order`, `billing`: pages of somebody else's server and order, and of ones that never were, by somebody who is signed in.
//! * `log_in`: a wrong password for an address that is known, and for one that is not.
//! * `sign_up`, `reset`: the same for signing up and for asking for a new password, which answer on a beat.
//! * `worst_ms`: the largest difference of two middles; it has to stay under 1.
//! * `unlike`: answers that differed in status or body; it has to be 0.

use std::path::Path;

use anyhow::Context as _;
use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::door::{Browser, Door, PASSWORD, Said};
use super::orders::{self, Placed};
use super::sides::{percentile, step};
use crate::account;
use crate::account::email::EmailAddress;
use crate::account::password::Passwords;
use crate::account::session::{self, Client, Kind, Subject};
use crate::clock::SystemClock;
use crate::ids::{InstanceId, OrderId};

/// What answers on a beat is asked for so many at a time: most of it is waiting.
const ON_THE_BEAT: usize = 8;
/// Attempts for one address that are answered with a hash, with some to spare (`account::attempt`).
const EACH: u32 = 5;

/// How two ways to ask compare.
struct Pair {
    name: &'static str,
    /// Middles in microseconds.
    one: i64,
    other: i64,
    /// Answers that differed from the first of all.
    unlike: usize,
}

impl Pair {
    fn new(name: &'static str, first: &[Told], second: &[Told]) -> Self {
        let middle = |all: &[Told]| {
            let mut micros: Vec<i64> = all.iter().map(|told| told.micros).collect();
            micros.sort_unstable();
            percentile(&micros, 50)
        };
        let model = first.first().map(|told| &told.said);
        let unlike = first.iter().chain(second).filter(|told| Some(&told.said) != model).count();
        Self { name, one: middle(first), other: middle(second), unlike }
    }

    fn difference(&self) -> i64 {
        (self.one - self.other).abs()
    }
}

/// An answer without what differs from request to request.
struct Told {
    said: String,
    micros: i64,
}

impl Told {
    fn new(said: &Said, asked_for: &str) -> Self {
        let body = said.body.replace(asked_for, "ID");
        // The server's time, for scripts.
        let body = match body.split_once("data-now=\"") {
            Some((before, rest)) => format!("{before}{}", rest.split_once('"').map_or("", |(_, after)| after)),
            None => body,
        };
        Self { said: format!("{} {body}", said.status), micros: said.micros }
    }
}

/// The whole measurement; returns its line.
pub(super) async fn measure(dir: &Path, requests: u32) -> anyhow::Result<String> {
    let door = Door::open(dir, 10).await?;
    let placed = step("somebody has a server", orders::place(&door.db, &door.config, 1)).await?;
    let placed = placed.first().copied().context("nobody has ordered")?;
    let known = step("people have signed up", people(&door, requests)).await?;
    let mut pairs = step("pages", pages(&door, placed, requests)).await?;
    pairs.push(step("logging in", log_in(&door, &known, requests)).await?);
    for (name, path) in [("sign_up", "/sign-up"), ("reset", "/forgot")] {
        pairs.push(step(name, on_the_beat(&door, name, path, &known, requests)).await?);
    }
    door.close().await?;
    let milliseconds = |micros: i64| format!("{}.{:03}", micros / 1000, micros % 1000);
    let told: Vec<String> = pairs
        .iter()
        .map(|pair| {
            let Pair { name, one, other, unlike: _ } = pair;
            let difference = milliseconds(pair.difference());
            format!(
                "{name}_ms {}; {name}_other_ms {}; {name}_difference_ms {difference}",
                milliseconds(*one),
                milliseconds(*other)
            )
        })
        .collect();
    let worst = pairs.iter().map(Pair::difference).max().unwrap_or_default();
    let unlike: usize = pairs.iter().map(|pair| pair.unlike).sum();
    Ok(format!("access: requests {requests}; {}; worst_ms {}; unlike {unlike}", told.join("; "), milliseconds(worst)))
}

/// Enough people for the log-ins that are tried, so that nobody is tried too often.
async fn people(door: &Door, requests: u32) -> anyhow::Result<Vec<String>> {
    let hash = Passwords::new(1).hash(PASSWORD.into()).await?;
    let known: Vec<String> = (0..requests.div_ceil(EACH)).map(|number| format!("known-{number:05}@example.org")).collect();
    for email in &known {
        door.sign_up(email, &hash).await?;
    }
    Ok(known)
}

/// Somebody else's and nobody's, by turns.
async fn pages(door: &Door, placed: Placed, requests: u32) -> anyhow::Result<Vec<Pair>> {
    let email = EmailAddress::parse("known-00000@example.org").map_err(|problem| anyhow::anyhow!("{problem:?}"))?;
    let mut tx = door.db.auth().begin().await?;
    let (person, _) = account::credentials(&mut tx, &email).await?.context("nobody was signed up")?;
    let (account, _) = account::membership(&mut tx, person.id).await?.context("nobody owns the account")?;
    let (subject, client) = (Subject::Person { person: person.id, account }, Client { agent: "bench", network: "198.18.0.1" });
    let secret = session::begin(&mut tx, &SystemClock, subject, Kind::Browser, client).await?;
    tx.commit().await?;
    let browser = door.browser(1).await?.with_session(secret.expose());
    let mut pairs = Vec::new();
    for (name, before, behind, theirs) in [
        ("instance", "/instances/", "", placed.instance.to_string()),
        ("billing", "/instances/", "/billing", placed.instance.to_string()),
        ("order", "/orders/", "", placed.order.to_string()),
    ] {
        let ask = async |id: &str| {
            let said = browser.get(&format!("{before}{id}{behind}")).await?;
            anyhow::Ok(Told::new(&said, id))
        };
        // The first requests open connections.
        for _ in 0..20 {
            ask(&theirs).await?;
        }
        let (mut foreign, mut missing) = (Vec::new(), Vec::new());
        for _ in 0..requests {
            foreign.push(ask(&theirs).await?);
            let nobodys = if name == "order" { OrderId::new().to_string() } else { InstanceId::new().to_string() };
            missing.push(ask(&nobodys).await?);
        }
        pairs.push(Pair::new(name, &foreign, &missing));
    }
    Ok(pairs)
}

/// Wrong passwords, by turns for who is known and who is not, each from an address of its own.
async fn log_in(door: &Door, known: &[String], requests: u32) -> anyhow::Result<Pair> {
    let browser = door.browser(2).await?;
    let ask = async |number: u32, email: &str| {
        let said = browser.at(number).log_in(email, "a wrong password").await?;
        anyhow::ensure!(said.status == 422, "a wrong password was answered {}", said.status);
        anyhow::Ok(Told::new(&said, email))
    };
    let (mut one, mut other) = (Vec::new(), Vec::new());
    for number in 0..requests {
        let email = known.get(usize::try_from(number / EACH)?).context("too few people")?;
        one.push(ask(10 + 2 * number, email).await?);
        other.push(ask(11 + 2 * number, &unknown("log-in", number)).await?);
    }
    Ok(Pair::new("log_in", &one, &other))
}

/// As long as those that are known.
fn unknown(of: &str, number: u32) -> String {
    format!("{of}-{number:05}@nobody.example")
}

/// What is answered on a beat: several at a time, in the same order.
async fn on_the_beat(
    door: &Door,
    name: &'static str,
    path: &'static str,
    known: &[String],
    requests: u32,
) -> anyhow::Result<Pair> {
    let browser = &door.browser(3).await?;
    let asked = (0..requests).flat_map(|number| {
        let known = usize::try_from(number).ok().and_then(|at| known.get(at % known.len())).cloned().unwrap_or_default();
        [(true, known), (false, unknown(name, number))]
    });
    let ask = |(is_known, email): (bool, String)| async move {
        let said = send(browser, path, &email).await?;
        anyhow::Ok((is_known, Told::new(&said, &email)))
    };
    let told: Vec<(bool, Told)> = stream::iter(asked).map(ask).buffered(ON_THE_BEAT).try_collect().await?;
    let (one, other): (Vec<_>, Vec<_>) = told.into_iter().partition(|(is_known, _)| *is_known);
    let only = |all: Vec<(bool, Told)>| all.into_iter().map(|(_, told)| told).collect::<Vec<_>>();
    Ok(Pair::new(name, &only(one), &only(other)))
}

async fn send(browser: &Browser, path: &str, email: &str) -> anyhow::Result<Said> {
    let said = browser.post(path, &[("email", email), ("password", PASSWORD)]).await?;
    anyhow::ensure!(said.status == 303, "{path} was answered {}", said.status);
    Ok(said)
}
