//! `login`: what wrong passwords by the hundred do to everybody else.
//!
//! What runs: real Postgres, with its writes made durable, and `paddock web` as a process of its own. They and the one that sends share the cores
//! of this machine.
//!
//! First some people log in, so that their browsers are known, and pages are looked at for a while (`pages_base_p99_ms`). Then, for a minute:
//! * 500 wrong passwords a second, whatever becomes of them, from 1,000 addresses in turn; every second one is for one of those people, the
//!   others for nobody. `hashed` is how many were looked at, `refused` how many the bounds of an address turned away, `crowded` how many found
//!   no room; `unanswered` has to be 0.
//! * four of the people a second log in with the right password: `real_p50_ms`, `real_p99_ms`; `turned_away` has to be 0.
//! * pages, as before: `pages_p99_ms`, and `ratio` over the base.
//!
//! `hash_cores` is how much of the cores went into hashing: hashes made, by what one takes alone. `web_cores` is all of the program. At the
//! end each of the people logs in once more from their browser: `locked_out` is how many could not, and has to be 0.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use super::child::processor_seconds;
use super::door::{Browser, Door, PASSWORD};
use super::sides::{percentile, step};
use crate::account::password::Passwords;

const PEOPLE: u32 = 20;
const ADDRESSES: u32 = 1000;
/// Between two wrong passwords: 500 a second.
const WRONG_EVERY: Duration = Duration::from_millis(2);
const REAL_EVERY: Duration = Duration::from_millis(250);
const PAGE_EVERY: Duration = Duration::from_millis(50);
const BASE: Duration = Duration::from_secs(15);

/// How often what was answered, and how long it took.
#[derive(Default)]
struct Tally {
    /// Microseconds of those that were answered as they should, sorted in the end.
    micros: Vec<i64>,
    hashed: u32,
    refused: u32,
    crowded: u32,
    other: u32,
}

/// The whole measurement; returns its line.
pub(super) async fn measure(dir: &Path, seconds: u32) -> anyhow::Result<String> {
    let door = Door::open(dir, 1).await?;
    let one_hash = step("a hash alone", one_hash()).await?;
    let people = step("people have logged in", people(&door)).await?;
    let end = Instant::now() + BASE;
    let base = step("pages, with nobody else there", pages(&door, end)).await?;
    let span = Duration::from_secs(seconds.into());
    let (pid, began) = (door.web.pid(), Instant::now());
    let before = processor_seconds(pid).context("the program is gone")?;
    let until = began + span;
    let rush = async {
        let (wrong, real, pages) = tokio::join!(wrong(&door, until), real(&people, until), pages(&door, until));
        anyhow::Ok((wrong?, real?, pages?))
    };
    let (wrong, real, pages) = step("wrong passwords", rush).await?;
    let (used, wall) = (processor_seconds(pid).context("the program is gone")? - before, began.elapsed().as_secs_f64());
    let locked_out = step("they log in once more", once_more(&people)).await?;
    door.close().await?;
    let hashes = f64::from(wrong.hashed) + f64::from(u32::try_from(real.micros.len())?);
    let (base_p99, pages_p99) = (percentile(&base.micros, 99), percentile(&pages.micros, 99));
    let tenths = |micros: i64| format!("{}.{}", micros / 1000, micros % 1000 / 100);
    let ratio = f64::from(u32::try_from(pages_p99)?) / f64::from(u32::try_from(base_p99.max(1))?);
    let sent = wrong.hashed + wrong.refused + wrong.crowded + wrong.other;
    Ok(format!(
        "login: seconds {seconds}; wrong {sent}; wrong_per_s {:.0}; hashed {}; refused {}; crowded {}; unanswered {}; hash_ms {:.1}; \
         hash_cores {:.2}; web_cores {:.2}; real {}; real_p50_ms {}; real_p99_ms {}; turned_away {}; pages_base_p99_ms {}; pages_p99_ms {}; \
         ratio {ratio:.2}; locked_out {locked_out}",
        f64::from(sent) / wall,
        wrong.hashed,
        wrong.refused,
        wrong.crowded,
        wrong.other,
        one_hash * 1000.0,
        hashes * one_hash / wall,
        used / wall,
        real.micros.len(),
        tenths(percentile(&real.micros, 50)),
        tenths(percentile(&real.micros, 99)),
        real.other,
        tenths(base_p99),
        tenths(pages_p99),
    ))
}

/// Seconds that one hash takes while nothing else is done: the middle one of nine.
async fn one_hash() -> anyhow::Result<f64> {
    let (passwords, mut times) = (Passwords::new(1), Vec::new());
    for _ in 0..9 {
        let began = Instant::now();
        passwords.hash(PASSWORD.into()).await?;
        times.push(began.elapsed());
    }
    times.sort_unstable();
    Ok(times.get(times.len() / 2).context("no time")?.as_secs_f64())
}

/// Somebody real, in the browser that they always use.
struct Somebody {
    email: String,
    browser: Browser,
}

async fn people(door: &Door) -> anyhow::Result<Vec<Somebody>> {
    let hash = Passwords::new(1).hash(PASSWORD.into()).await?;
    let mut people = Vec::new();
    for number in 0..PEOPLE {
        let email = real_email(number);
        door.sign_up(&email, &hash).await?;
        let mut browser = door.browser(ADDRESSES + number).await?;
        let said = browser.log_in(&email, PASSWORD).await?;
        anyhow::ensure!(said.status == 303, "{email} could not log in: {}", said.status);
        browser.keep(&said);
        people.push(Somebody { email, browser });
    }
    Ok(people)
}

fn real_email(number: u32) -> String {
    format!("real-{number}@example.org")
}

/// Sends at its pace, whatever becomes of what was sent; all is waited for.
async fn wrong(door: &Door, until: Instant) -> anyhow::Result<Tally> {
    let browser = Arc::new(door.browser(0).await?);
    let (mut ticks, mut sent, mut number) = (interval(WRONG_EVERY), JoinSet::new(), 0_u32);
    // What could not be sent in time is sent at once: so many a second it is.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut tally = Tally::default();
    while Instant::now() < until {
        ticks.tick().await;
        let browser = Arc::clone(&browser);
        sent.spawn(async move {
            let email = if number.is_multiple_of(2) {
                real_email(number / 2 % PEOPLE)
            } else {
                format!("nobody-{}@example.org", number % 500)
            };
            let said = browser.at(number % ADDRESSES).log_in(&email, "a wrong password").await;
            said.map(|said| (said.status, said.micros)).ok()
        });
        number = number.wrapping_add(1);
        while let Some(done) = sent.try_join_next() {
            count(&mut tally, done?);
        }
    }
    while let Some(done) = sent.join_next().await {
        count(&mut tally, done?);
    }
    Ok(tally)
}

fn count(tally: &mut Tally, answer: Option<(u16, i64)>) {
    match answer {
        Some((422, micros)) => {
            tally.hashed += 1;
            tally.micros.push(micros);
        }
        Some((429, _)) => tally.refused += 1,
        Some((503, _)) => tally.crowded += 1,
        Some(_) | None => tally.other += 1,
    }
}

/// People with the right password, one after another at their pace, each waited for by itself.
async fn real(people: &[Somebody], until: Instant) -> anyhow::Result<Tally> {
    let (mut ticks, mut sent, mut tally) = (interval(REAL_EVERY), JoinSet::new(), Tally::default());
    for somebody in people.iter().cycle() {
        ticks.tick().await;
        if Instant::now() >= until {
            break;
        }
        let (browser, email) = (somebody.browser.clone(), somebody.email.clone());
        sent.spawn(async move { browser.log_in(&email, PASSWORD).await.map(|said| (said.status, said.micros)).ok() });
    }
    while let Some(done) = sent.join_next().await {
        match done? {
            Some((303, micros)) => tally.micros.push(micros),
            Some(_) | None => tally.other += 1,
        }
    }
    tally.micros.sort_unstable();
    Ok(tally)
}

/// A page that anybody looks at, at its pace.
async fn pages(door: &Door, until: Instant) -> anyhow::Result<Tally> {
    let browser = door.browser(ADDRESSES * 2).await?;
    let (mut ticks, mut sent, mut tally) = (interval(PAGE_EVERY), JoinSet::new(), Tally::default());
    while Instant::now() < until {
        ticks.tick().await;
        let browser = browser.clone();
        sent.spawn(async move { browser.get("/plans").await.map(|said| (said.status, said.micros)).ok() });
    }
    while let Some(done) = sent.join_next().await {
        let (status, micros) = done?.context("a page was not answered")?;
        anyhow::ensure!(status == 200, "a page was answered {status}");
        tally.micros.push(micros);
    }
    tally.micros.sort_unstable();
    Ok(tally)
}

/// Each of them from the browser that they always use; how many could not.
async fn once_more(people: &[Somebody]) -> anyhow::Result<u32> {
    let mut locked_out = 0;
    for Somebody { email, browser } in people {
        if browser.log_in(email, PASSWORD).await?.status != 303 {
            eprintln!("{email} is locked out");
            locked_out += 1;
        }
    }
    Ok(locked_out)
}
