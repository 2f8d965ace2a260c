//! Plans: what is sold, for how much, and the size of what runs for it.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::costs::{Costs, read_costs};
use super::read::{self, Entry, Fault, FileError};
use super::{Amounts, Interval};
use crate::money::{Currency, Money};

/// One thing that a customer can buy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Its name for machines: lower-case letters, digits and hyphens. Written in subscriptions, so it never changes.
    pub code: String,
    /// Its name for people.
    pub name: String,
    /// For whom it is, in one sentence.
    pub summary: String,
    /// Price of a month.
    pub monthly: Money,
    /// Price of a year.
    pub yearly: Money,
    /// What the customer is told.
    pub limits: Limits,
    /// What the operator builds.
    pub size: Size,
    /// Whether it can be ordered. Plans that somebody still has stay in the file with `offered = false`.
    pub offered: bool,
}

/// What the customer is told. Indicators, never the base of a surprise charge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Limits {
    /// How many active people the plan is made for.
    pub users_hint: u32,
    /// Media in the bucket, GiB.
    pub media_gib: u32,
    /// Database, GiB.
    pub database_gib: u32,
    /// Mails that the server may send through the host's relay in a day.
    pub mails_per_day: u32,
}

/// Sizes of the parts of one server. Memory is in MiB and processor in thousandths of a core, each for one replica.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    /// Puma.
    pub web: WebSize,
    /// The streaming API.
    pub streaming: StreamingSize,
    /// Sidekiq without the scheduler queue.
    pub sidekiq: SidekiqSize,
    /// The one Sidekiq process that also listens to the scheduler queue.
    pub scheduler: SchedulerSize,
    /// Postgres.
    pub database: DatabaseSize,
    /// Valkey.
    pub cache: CacheSize,
}

/// See [`Size`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebSize {
    /// Pods.
    pub replicas: u32,
    /// `WEB_CONCURRENCY`: worker processes of each pod; 0 is one process without a master, which saves memory.
    pub concurrency: u32,
    /// `MAX_THREADS` of each process, and so its database pool.
    pub threads: u32,
    /// MiB.
    pub memory_mib: u32,
    /// Thousandths of a core.
    pub cpu_milli: u32,
}

/// See [`Size`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamingSize {
    /// Pods.
    pub replicas: u32,
    /// `DB_POOL` of each pod.
    pub db_pool: u32,
    /// MiB.
    pub memory_mib: u32,
    /// Thousandths of a core.
    pub cpu_milli: u32,
}

/// See [`Size`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SidekiqSize {
    /// Pods.
    pub replicas: u32,
    /// Threads of each pod, and so its database pool.
    pub concurrency: u32,
    /// MiB.
    pub memory_mib: u32,
    /// Thousandths of a core.
    pub cpu_milli: u32,
}

/// See [`Size`]. There is exactly one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchedulerSize {
    /// Threads, and so its database pool.
    pub concurrency: u32,
    /// MiB.
    pub memory_mib: u32,
    /// Thousandths of a core.
    pub cpu_milli: u32,
}

/// See [`Size`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseSize {
    /// Postgres instances: 1, or 2 and 3 with fail-over.
    pub instances: u32,
    /// Volume of each instance, GiB.
    pub storage_gib: u32,
    /// What it may grow to by itself before it is full, GiB; not at all when missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_most_gib: Option<u32>,
    /// MiB.
    pub memory_mib: u32,
    /// Thousandths of a core.
    pub cpu_milli: u32,
}

/// See [`Size`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheSize {
    /// MiB.
    pub memory_mib: u32,
    /// Volume for the append-only file, GiB.
    pub storage_gib: u32,
}

impl Size {
    /// What it takes from a cluster.
    ///
    /// Pods count with one more of each Deployment that rolls and with two Jobs (a migration, and a piece of work that staff or customer
    /// asked for). Memory and processor count what always runs: what stands beside it for some minutes lives in the share of a cluster
    /// that is never promised, since upgrades go at a pace.
    pub fn footprint(&self) -> Amounts {
        let Self { web, streaming, sidekiq, scheduler, database, cache } = self;
        let sum = |parts: [(u32, u32); 6]| parts.into_iter().map(|(pods, each)| i64::from(pods) * i64::from(each)).sum();
        let running = web.replicas + streaming.replicas + sidekiq.replicas + 1 + database.instances + 1;
        Amounts {
            services: SERVICES,
            pods: i64::from(running) + ROLLING + JOBS,
            custom_resources: CUSTOM_RESOURCES,
            memory_mib: sum([
                (web.replicas, web.memory_mib),
                (streaming.replicas, streaming.memory_mib),
                (sidekiq.replicas, sidekiq.memory_mib),
                (1, scheduler.memory_mib),
                (database.instances, database.memory_mib + BACKUPS_MIB),
                (1, cache.memory_mib),
            ]),
            cpu_milli: sum([
                (web.replicas, web.cpu_milli),
                (streaming.replicas, streaming.cpu_milli),
                (sidekiq.replicas, sidekiq.cpu_milli),
                (1, scheduler.cpu_milli),
                (database.instances, database.cpu_milli + BACKUPS_CPU_MILLI),
                (1, CACHE_CPU_MILLI),
            ]),
            volumes: i64::from(database.instances) + 1,
            // What it may grow to has to be there.
            volume_gib: i64::from(database.instances) * i64::from(database.storage_most_gib.unwrap_or(database.storage_gib))
                + i64::from(cache.storage_gib),
        }
    }
}

/// Services of a server: web, streaming, cache and the database's `-rw`.
const SERVICES: i64 = 4;
/// Deployments that start a new pod before an old one goes: web, streaming and Sidekiq.
const ROLLING: i64 = 3;
/// Jobs at a time.
const JOBS: i64 = 2;
/// `MastodonInstance`, `Cluster`, `HTTPRoute`, `ObjectStore` and `ScheduledBackup`; and a `Backup` for each of the fourteen days for which
/// they are usually kept, with one more.
const CUSTOM_RESOURCES: i64 = 5 + 15;
/// What makes backups asks for so much beside each Postgres, whatever the plan.
const BACKUPS_MIB: u32 = 128;
/// The same of the processor.
const BACKUPS_CPU_MILLI: u32 = 50;

/// Valkey of one server is never busy (4 MiB and next to no processor when idle): the same for every plan.
const CACHE_CPU_MILLI: u32 = 50;

/// Room for media that can be bought on top of any plan, in packs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoragePack {
    /// Its name for people, on pages and invoices.
    pub name: String,
    /// GiB that one brings.
    pub gib: u32,
    /// Price of one for a month.
    pub monthly: Money,
    /// Price of one for a year.
    pub yearly: Money,
    /// The most that one server may have.
    pub most: u32,
}

impl StoragePack {
    /// What one costs for a period of `interval`, before tax.
    pub fn price(&self, interval: Interval) -> Money {
        match interval {
            Interval::Month => self.monthly,
            Interval::Year => self.yearly,
        }
    }
}

impl Plan {
    /// What one period of `interval` costs, before tax.
    pub fn price(&self, interval: Interval) -> Money {
        match interval {
            Interval::Month => self.monthly,
            Interval::Year => self.yearly,
        }
    }
}

/// All plans, in the order of the file, which is the order of the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalogue {
    currency: Currency,
    plans: Vec<Plan>,
    pack: Option<StoragePack>,
    costs: Option<Costs>,
}

impl Catalogue {
    /// Reads `path`, usually `catalogue/plans.toml`.
    pub fn load(path: &Path) -> Result<Self, FileError> {
        Self::parse(&read::file(path)?)
    }

    /// Reads the text of a catalogue, or names everything that is wrong with it.
    pub fn parse(text: &str) -> Result<Self, FileError> {
        let mut faults = Vec::new();
        let mut file = Entry::new("", read::table(text)?, &mut faults);
        let currency = read_currency(&mut file);
        let tables = read::entries(&mut file, "plan");
        let pack = if file.has("storage_pack") { file.inner("storage_pack", |pack| read_pack(pack, currency)) } else { None };
        let costs = if file.has("costs") { file.inner("costs", |costs| read_costs(costs, currency)) } else { None };
        file.end();
        let mut plans: Vec<Plan> = Vec::new();
        let mut codes: Vec<String> = Vec::new();
        for (index, table) in tables.into_iter().enumerate() {
            let label = match table.get("code").and_then(toml::Value::as_str) {
                Some(code) => format!("plan \"{code}\""),
                None => format!("plan #{}", index + 1),
            };
            let mut entry = Entry::new(label, table, &mut faults);
            let plan = read_plan(&mut entry, currency, &mut codes);
            entry.end();
            plans.extend(plan);
        }
        if faults.is_empty() && !plans.iter().any(|plan| plan.offered) {
            let remedy = "no plan has offered = true; set it in at least one".to_owned();
            faults.push(Fault { entry: String::new(), field: "plan".to_owned(), remedy });
        }
        match currency {
            Some(currency) if faults.is_empty() => Ok(Self { currency, plans, pack, costs }),
            _ => Err(FileError::Faults(faults)),
        }
    }

    /// The one currency of all prices.
    pub fn currency(&self) -> Currency {
        self.currency
    }

    /// What can be bought on top of a plan; `None` when nothing can.
    pub fn pack(&self) -> Option<&StoragePack> {
        self.pack.as_ref()
    }

    /// What servers cost the host; `None` when nothing is said of it.
    pub fn costs(&self) -> Option<&Costs> {
        self.costs.as_ref()
    }

    /// Every plan, also those that are no longer sold.
    pub fn plans(&self) -> &[Plan] {
        &self.plans
    }

    /// The plans that can be ordered. There is at least one.
    pub fn offered(&self) -> impl Iterator<Item = &Plan> {
        self.plans.iter().filter(|plan| plan.offered)
    }

    /// The plan of a code, offered or not.
    pub fn get(&self, code: &str) -> Option<&Plan> {
        self.plans.iter().find(|plan| plan.code == code)
    }

    /// What a server of the plan that needs least takes, amount by amount, of those that are sold.
    pub fn smallest(&self) -> Amounts {
        let sizes: Vec<Amounts> = self.offered().map(|plan| plan.size.footprint()).collect();
        Amounts::each(|dimension| sizes.iter().map(|size| size.of(dimension)).min().unwrap_or(0))
    }
}

fn read_currency(file: &mut Entry<'_>) -> Option<Currency> {
    let all = Currency::ALL.map(Currency::code).join(", ");
    let word = file.text("currency", &format!("one of {all}"))?;
    let currency = Currency::from_code(&word);
    if currency.is_none() {
        file.fault("currency", format!("is \"{word}\"; set one of {all}"));
    }
    currency
}

fn read_plan(entry: &mut Entry<'_>, currency: Option<Currency>, codes: &mut Vec<String>) -> Option<Plan> {
    let code = read_code(entry, codes);
    let name = entry.text("name", "the plan's name for people");
    let summary = entry.text("summary", "one sentence that says for whom the plan is");
    let prices = read_prices(entry, currency);
    let offered = entry.flag("offered");
    let limits = entry.inner("limits", read_limits);
    let size = entry.inner("size", read_size);
    if let (Some(limits), Some(size)) = (&limits, &size)
        && limits.database_gib > size.database.storage_gib
    {
        let volume = size.database.storage_gib;
        let remedy =
            format!("is {} and the volume has {volume}; lower it or raise size.database.storage_gib", limits.database_gib);
        entry.fault("limits.database_gib", remedy);
    }
    let (monthly, yearly) = prices?;
    Some(Plan { code: code?, name: name?, summary: summary?, monthly, yearly, limits: limits?, size: size?, offered: offered? })
}

fn read_code(entry: &mut Entry<'_>, codes: &mut Vec<String>) -> Option<String> {
    let code = entry.text("code", "a short name of lower-case letters, digits and hyphens")?;
    let slug = code.len() <= 40
        && code.starts_with(|first: char| first.is_ascii_lowercase())
        && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if !slug {
        entry.fault("code", "use lower-case letters, digits and hyphens, a letter first, at most 40 characters");
        return None;
    }
    if codes.contains(&code) {
        entry.fault("code", "is used by a plan above; give each plan a code of its own");
    }
    codes.push(code.clone());
    Some(code)
}

fn read_pack(entry: &mut Entry<'_>, currency: Option<Currency>) -> Option<StoragePack> {
    let name = entry.text("name", "the pack's name for people");
    let gib = entry.number("gib", 1..=100_000);
    let most = entry.number("most", 1..=1000);
    let (monthly, yearly) = read_prices(entry, currency)?;
    Some(StoragePack { name: name?, gib: gib?, monthly, yearly, most: most? })
}

/// The price of a month and of a year. Without a currency they are still read, so that their faults are named.
fn read_prices(entry: &mut Entry<'_>, currency: Option<Currency>) -> Option<(Money, Money)> {
    let assumed = currency.unwrap_or(Currency::Eur);
    let monthly = read_price(entry, "monthly", assumed);
    let yearly = read_price(entry, "yearly", assumed);
    let (monthly, yearly) = (monthly?, yearly?);
    let twelve = Money::new(monthly.minor.saturating_mul(12), assumed);
    if yearly.minor > twelve.minor {
        entry.fault("yearly", format!("is {} and twelve months are {}; set at most that", written(yearly), written(twelve)));
    } else if yearly.minor < monthly.minor {
        entry.fault("yearly", format!("is {} and one month is {}; is a digit missing?", written(yearly), written(monthly)));
    }
    currency.map(|_| (monthly, yearly))
}

/// A price written as people write it, `"19.00"`, in minor units. A TOML float is refused: it can't hold cents exactly.
fn read_price(entry: &mut Entry<'_>, field: &str, currency: Currency) -> Option<Money> {
    let (example, decimals) = match currency.decimals() {
        0 => ("1900", "digits, no decimals, no currency sign"),
        3 => ("6.000", "digits, a point, three decimals, no currency sign"),
        _ => ("19.00", "digits, a point, two decimals, no currency sign"),
    };
    let text = entry.text(field, &format!("a price such as \"{example}\""))?;
    match Money::parse(&text, currency).filter(|price| price.minor <= MOST) {
        Some(price) if price.minor == 0 => {
            entry.fault(field, "is 0; set a price above zero");
            None
        }
        Some(price) if price.minor % currency.step() != 0 => {
            entry.fault(field, format!("is \"{text}\"; cards can't be charged that: the last digit must be 0"));
            None
        }
        Some(price) => Some(price),
        None => {
            entry.fault(field, format!("is \"{text}\"; write it as \"{example}\": {decimals}"));
            None
        }
    }
}

/// Minor units that a price has at most: Stripe takes eight digits.
const MOST: i64 = 99_999_999;

/// An amount as the file has it.
fn written(amount: Money) -> String {
    let scale = match amount.currency.decimals() {
        0 => return amount.minor.to_string(),
        3 => 1000,
        _ => 100,
    };
    format!("{}.{:0width$}", amount.minor / scale, amount.minor % scale, width = amount.currency.decimals())
}

fn read_limits(limits: &mut Entry<'_>) -> Option<Limits> {
    let users_hint = limits.number("users_hint", 1..=1_000_000);
    let media_gib = limits.number("media_gib", 1..=100_000);
    let database_gib = limits.number("database_gib", 1..=10_000);
    let mails_per_day = limits.number("mails_per_day", 10..=10_000_000);
    Some(Limits { users_hint: users_hint?, media_gib: media_gib?, database_gib: database_gib?, mails_per_day: mails_per_day? })
}

/// The smallest memory of each part is what it was measured to need when idle, rounded up (one server of 4.7.2 at rest: web 458,
/// Sidekiq 307, streaming 123, Postgres 30, Valkey 4 MiB). Below that it is killed before it is ready.
fn read_size(size: &mut Entry<'_>) -> Option<Size> {
    let web = size.inner("web", read_web);
    let streaming = size.inner("streaming", |part| {
        let (replicas, db_pool) = (part.number("replicas", 1..=50), part.number("db_pool", 1..=100));
        let (memory_mib, cpu_milli) = read_pod(part, 160);
        Some(StreamingSize { replicas: replicas?, db_pool: db_pool?, memory_mib: memory_mib?, cpu_milli: cpu_milli? })
    });
    let sidekiq = size.inner("sidekiq", |part| {
        let (replicas, concurrency) = (part.number("replicas", 1..=50), part.number("concurrency", 1..=100));
        let (memory_mib, cpu_milli) = read_pod(part, 384);
        Some(SidekiqSize { replicas: replicas?, concurrency: concurrency?, memory_mib: memory_mib?, cpu_milli: cpu_milli? })
    });
    let scheduler = size.inner("scheduler", |part| {
        let concurrency = part.number("concurrency", 1..=100);
        let (memory_mib, cpu_milli) = read_pod(part, 384);
        Some(SchedulerSize { concurrency: concurrency?, memory_mib: memory_mib?, cpu_milli: cpu_milli? })
    });
    let database = size.inner("database", |part| {
        let (instances, storage_gib) = (part.number("instances", 1..=3), part.number("storage_gib", 1..=10_000));
        let most = part.optional_number("storage_most_gib", storage_gib.unwrap_or(1)..=10_000);
        let (memory_mib, cpu_milli) = read_pod(part, 256);
        Some(DatabaseSize {
            instances: instances?,
            storage_gib: storage_gib?,
            storage_most_gib: most?,
            memory_mib: memory_mib?,
            cpu_milli: cpu_milli?,
        })
    });
    let cache = size.inner("cache", |part| {
        let (memory_mib, storage_gib) = (part.number("memory_mib", 32..=65_536), part.number("storage_gib", 1..=1000));
        Some(CacheSize { memory_mib: memory_mib?, storage_gib: storage_gib? })
    });
    Some(Size { web: web?, streaming: streaming?, sidekiq: sidekiq?, scheduler: scheduler?, database: database?, cache: cache? })
}

fn read_web(part: &mut Entry<'_>) -> Option<WebSize> {
    let (replicas, concurrency) = (part.number("replicas", 1..=50), part.number("concurrency", 0..=32));
    let threads = part.number("threads", 1..=32);
    let (memory_mib, cpu_milli) = read_pod(part, 512);
    let web = WebSize {
        replicas: replicas?,
        concurrency: concurrency?,
        threads: threads?,
        memory_mib: memory_mib?,
        cpu_milli: cpu_milli?,
    };
    // Each worker process after the first is a fork that shares about half of the first one's memory.
    let least = 512 + 256 * web.concurrency.saturating_sub(1);
    if web.memory_mib < least {
        let remedy =
            format!("is {} and concurrency = {} needs {least}; raise it or lower concurrency", web.memory_mib, web.concurrency);
        part.fault("memory_mib", remedy);
    }
    Some(web)
}

fn read_pod(part: &mut Entry<'_>, least_memory: u32) -> (Option<u32>, Option<u32>) {
    (part.number("memory_mib", least_memory..=65_536), part.number("cpu_milli", 10..=64_000))
}
