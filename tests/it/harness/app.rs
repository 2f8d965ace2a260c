//! The program, started.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use paddock::account::access::{self, Wanted};
use paddock::account::{self, Scope};
use paddock::archive::shelf::Depot;
use paddock::audit::Actor;
use paddock::billing::{self, NewOrder, Order, Placement};
use paddock::capacity;
use paddock::clock::{Clock as _, ManualClock, SystemClock};
use paddock::db::Db;
use paddock::ids::{InstanceId, OrderId, RunId};
use paddock::instance::address::{Address, AddressKind, AddressRules};
use paddock::instance::dns::ScriptedResolver;
use paddock::instance::sites::ScriptedSites;
use paddock::instance::{self, Instance, export, run};
use paddock::mail::{Letter, MemoryTransport};
use paddock::plan::{Interval, Version};
use paddock::queue::{self, JobRow};
use paddock::resource::{Action, ConditionKind, Finding, InstanceStatus, RunStatus, Standing, StepName, conditions, steps};
use paddock::web::AppState;
use paddock::{fleet, web, worker};
use sqlx::PgPool;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::database::{Database, block_on};
use super::parts::parts;
use super::people::{self, People};
use super::shop::{GOOD_CARD, Shop};
use super::{Client, Identity};

/// A key of age's, for tests alone.
pub const OPERATOR_KEY: &str = "AGE-SECRET-KEY-12Q2XDS5335FWGSVLMZL2XQJMZMTLA7XT6AJNPS3C4ECYV46LTFVQ5YFGUK";
/// Below it customers choose names.
pub const HOSTS_DOMAIN: &str = "meadow.social";

/// The release that new servers start with: the newest of the file that is offered.
pub const NEWEST: Version = Version::new(4, 7, 4);

/// Places of the one cluster, for servers of the first plan.
#[derive(Debug, Clone, Copy)]
pub struct Capacity(pub i64);

/// The program and those who call it.
pub struct Start {
    /// The program.
    pub app: TestApp,
    /// Nobody.
    pub anon: Client,
    /// Owner of an account, address proven.
    pub customer: Client,
    /// The same of another account.
    pub other_customer: Client,
    /// One of the host's people, who may do everything.
    pub staff: Client,
}

/// The program without Kubernetes, on a database of its own. Dropping it ends it, and fails the test if it left anything undone.
pub struct TestApp {
    /// The present; moves when told to.
    pub clock: Arc<ManualClock>,
    /// The database.
    pub db: Db,
    /// The DNS, as every resolver sees it.
    pub resolver: ScriptedResolver,
    /// Other people's web sites.
    pub sites: ScriptedSites,
    /// Mails that left.
    pub transport: Arc<MemoryTransport>,
    /// The fake Stripe.
    pub shop: Shop,
    /// What handlers work with.
    pub state: AppState,
    /// What jobs work with.
    pub deps: Arc<worker::Deps>,
    base: String,
    http: reqwest::Client,
    people: &'static People,
    leave_jobs: AtomicBool,
    _stop: DropGuard,
    // Last: it goes when nobody uses it any more.
    database: Database,
}

impl TestApp {
    /// With room for ten servers.
    pub async fn start() -> Start {
        Self::start_with(Capacity(10)).await
    }

    /// With room for as many servers as given.
    pub async fn start_with(places: Capacity) -> Start {
        Self::start_whole(places, None).await
    }

    /// With a store of archives.
    pub async fn start_with_depot(depot: Depot) -> Start {
        Self::start_whole(Capacity(10), Some(depot)).await
    }

    async fn start_whole(places: Capacity, depot: Option<Depot>) -> Start {
        let (database, people) = Database::copy().await;
        let db = Db::new(&database.url(), 8).unwrap();
        let clock = ManualClock::at(SystemClock.now());
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let till = Shop::open(&clock, &base).await;
        let (resolver, sites) = (ScriptedResolver::default(), ScriptedSites::default());
        let transport = Arc::new(MemoryTransport::default());
        let stop = CancellationToken::new();
        let (web_state, jobs) = parts(&db, &clock, &base, &till, (&resolver, &sites), &transport, depot);
        tokio::spawn(web::serve(listener, web_state.clone(), stop.clone()));
        tokio::spawn(web_state.nudges.clone().listen(db.clone(), stop.clone()));
        people::add_cluster(&db, clock.as_ref(), "first", places.0).await;
        let leave_jobs = AtomicBool::new(false);
        let stop = stop.drop_guard();
        let app = Self {
            clock,
            db,
            resolver,
            sites,
            transport,
            shop: till,
            state: web_state,
            deps: jobs,
            base,
            http: Client::http(),
            people,
            leave_jobs,
            _stop: stop,
            database,
        };
        let staff = app.staff_with(Scope::Admin);
        Start {
            anon: app.client(Identity::default()),
            customer: app.client(people.customer.clone()),
            other_customer: app.client(people.other_customer.clone()),
            staff,
            app,
        }
    }

    /// A browser of its own for somebody.
    pub fn client(&self, who: Identity) -> Client {
        Client::new(self.http.clone(), &self.base, who)
    }

    /// A customer who has not proven their address.
    pub fn unverified(&self) -> Client {
        self.client(self.people.unverified.clone())
    }

    /// Members of the customer's account who may less than its owner: one who looks, one who pays.
    pub fn members(&self) -> [Client; 2] {
        [self.client(self.people.viewer.clone()), self.client(self.people.payer.clone())]
    }

    /// A member of the customer's account who orders and pays, and does not own it.
    pub fn admin_member(&self) -> Client {
        self.client(self.people.admin.clone())
    }

    /// One of the host's people with this scope and no other.
    pub fn staff_with(&self, scope: Scope) -> Client {
        let (_, who) = self.people.staff.iter().find(|(has, _)| *has == scope).unwrap();
        self.client(who.clone())
    }

    /// What the app of each of the staff shows now. None counts twice: until the next one, half a minute passes.
    pub fn staffs_code(&self) -> String {
        people::staffs_app(&self.state.key).generate(self.clock_now().timestamp().try_into().unwrap()).to_string()
    }

    /// One of the staff who looks into a customer's account for half an hour; with `changes` its owner lets them change things too.
    pub async fn looking_into(&self, staff: &Client, customer: &Client, changes: bool) -> Client {
        let (clock, account) = (self.clock.as_ref(), customer.who.account());
        let id = staff.who.staff.unwrap();
        let member = account::find_staff(&mut self.db.auth().acquire().await.unwrap(), id).await.unwrap().unwrap();
        let wanted = Wanted { account, reason: "Pictures do not load.", ticket: "4711", minutes: 30 };
        let mut tx = self.db.begin_members(account).await.unwrap();
        let (look, secret) = access::begin(&mut tx, clock, &member, wanted).await.unwrap();
        if changes {
            access::let_change(&mut tx, clock, account, look, customer.who.person.unwrap()).await.unwrap();
        }
        tx.commit().await.unwrap();
        let fresh = self.sign_in_again(staff).await;
        self.client(Identity { glass: Some(secret), ..fresh.who })
    }

    /// The same person with sessions of their own, which may be ended without harm to the first.
    pub async fn sign_in_again(&self, client: &Client) -> Client {
        let mut conn = self.db.auth().acquire().await.unwrap();
        let who = people::sign_in_again(&mut conn, self.clock.as_ref(), &client.who).await;
        self.client(who)
    }

    /// Where its pages are.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// How many more servers of the first plan find a place.
    pub async fn places_left(&self) -> i64 {
        let clusters =
            capacity::open_clusters(&mut self.sql().acquire().await.unwrap(), self.clock.as_ref(), None).await.unwrap();
        let needs = self.state.catalogue.offered().next().unwrap().size.footprint();
        capacity::room(&clusters, &needs, self.clock.now())
    }

    /// The database as its log-in user: for looking at rows.
    pub fn sql(&self) -> &PgPool {
        self.db.owner()
    }

    /// Its address.
    pub fn database_url(&self) -> String {
        self.database.url()
    }

    /// How many rows each table has, those of the queue included: what did not change left no trace. What counts attempts to log in is there to
    /// be left.
    pub async fn rows(&self) -> BTreeMap<String, i64> {
        let query = "select table_name::text, (xpath('/row/n/text()', query_to_xml(format('select count(*) as n from %I.%I',
                       table_schema, table_name), false, true, '')))[1]::text::bigint
                     from information_schema.tables
                     where table_schema = 'public' and table_type = 'BASE TABLE' and table_name <> 'log_in_attempts'
                        or table_name = '_private_jobs'";
        let rows: Vec<(String, i64)> = sqlx::query_as(query).fetch_all(self.sql()).await.unwrap();
        rows.into_iter().collect()
    }

    // ------------------------------------------------------------------------------------------------------------ time, jobs

    /// The present.
    pub fn clock_now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// Time passes. Jobs that fall due are not run: that is [`TestApp::run_jobs`].
    pub fn advance(&self, by: TimeDelta) {
        self.clock.advance(by);
    }

    /// Waits for Stripe's webhooks to arrive, then runs all that is due until nothing is. Fails when a job fails.
    pub async fn run_jobs(&self) {
        let failed = self.try_run_jobs().await;
        assert!(failed.is_empty(), "jobs failed:\n{}", told(&failed));
    }

    /// The same; returns the jobs that failed.
    pub async fn try_run_jobs(&self) -> Vec<JobRow> {
        for _ in 0..20 {
            self.shop.webhooks_arrived().await;
            worker::hand_on_events(&self.deps).await.unwrap();
            if due(self.sql(), self.clock.now()).await == 0 {
                return queue::list(self.sql()).await.unwrap().into_iter().filter(|job| job.last_error.is_some()).collect();
            }
            worker::run_once(Arc::clone(&self.deps)).await.unwrap();
        }
        panic!("jobs keep coming:\n{}", told(&self.jobs().await));
    }

    /// All jobs that are not done.
    pub async fn jobs(&self) -> Vec<JobRow> {
        queue::list(self.sql()).await.unwrap()
    }

    /// This test ends with jobs or mails undone, and means to.
    pub fn leave_jobs(&self) {
        self.leave_jobs.store(true, Ordering::Relaxed);
    }

    // ----------------------------------------------------------------------------------------------------------------- mails

    /// Mails to an address that have left, oldest first.
    pub fn mails_to(&self, address: &str) -> Vec<Letter> {
        self.transport.sent().into_iter().filter(|letter| letter.to == address).collect()
    }

    /// The newest mail to an address.
    #[track_caller]
    pub fn mail_to(&self, address: &str) -> Letter {
        let all: Vec<_> = self.transport.sent().into_iter().map(|letter| letter.to).collect();
        self.mails_to(address).pop().unwrap_or_else(|| panic!("no mail to {address}; there are mails to {all:?}"))
    }

    /// The path of the first link to us in the newest mail to an address.
    #[track_caller]
    pub fn link_to(&self, address: &str) -> String {
        let letter = self.mail_to(address);
        let mut words = letter.text.split_whitespace();
        let link = words.find_map(|word| word.strip_prefix(&self.base).filter(|path| path.len() > 1));
        link.unwrap_or_else(|| panic!("no link in: {}", letter.text)).to_owned()
    }

    // --------------------------------------------------------------------------------------------------------------- servers

    /// Somebody orders `name`.meadow.social with the first plan, by the month, as the page would: address and place are reserved, nothing is
    /// paid.
    pub async fn order(&self, customer: &Client, name: &str) -> Order {
        match self.try_order(customer, name).await.unwrap() {
            Placement::Placed(id) => self.find_order(id).await,
            Placement::Full => panic!("no place for {name}"),
        }
    }

    /// The same, when it may be refused.
    pub async fn try_order(&self, customer: &Client, name: &str) -> Result<Placement, billing::OrderError> {
        self.place(customer, &Address::parse_name(name, &AddressRules::new(HOSTS_DOMAIN)).unwrap(), None).await
    }

    /// The same for a domain that the customer brings.
    pub async fn try_order_own(
        &self,
        customer: &Client,
        domain: &str,
        web_domain: Option<&str>,
    ) -> Result<Placement, billing::OrderError> {
        self.place(customer, &Address::parse_own(domain, &AddressRules::new(HOSTS_DOMAIN)).unwrap(), web_domain).await
    }

    async fn place(
        &self,
        customer: &Client,
        address: &Address,
        web_domain: Option<&str>,
    ) -> Result<Placement, billing::OrderError> {
        let new = NewOrder {
            plan: self.state.catalogue.offered().next().unwrap(),
            interval: Interval::Month,
            domain: address.domain(),
            skeleton: &address.skeleton(),
            hosted: address.kind() == AddressKind::Hosted,
            web_domain,
            owner_username: "wren",
            owner_email: &customer.who.email,
            locale: "en",
            checkout_minutes: self.state.checkout_minutes,
        };
        let actor = Actor::Person(customer.who.person.unwrap());
        let mut tx = self.db.begin_account(customer.who.account()).await?;
        let placement = billing::place(&mut tx, self.clock.as_ref(), actor, &new).await?;
        tx.commit().await?;
        Ok(placement)
    }

    /// An order that is paid by test card: webhooks have arrived, jobs have run, the server is wanted. Nothing is built yet.
    pub async fn paid(&self, customer: &Client, name: &str) -> Instance {
        let order = self.order(customer, name).await;
        self.pay(customer, order).await
    }

    /// The same for a domain that the customer brings.
    pub async fn paid_own(&self, customer: &Client, domain: &str, web_domain: Option<&str>) -> Instance {
        let placed = self.try_order_own(customer, domain, web_domain).await.unwrap();
        let Placement::Placed(order) = placed else { panic!("no place for {domain}") };
        self.pay(customer, self.find_order(order).await).await
    }

    async fn pay(&self, customer: &Client, order: Order) -> Instance {
        self.shop_pays(customer, &order).await;
        self.run_jobs().await;
        self.find_instance(order.instance_id).await
    }

    /// The customer pays an order by test card; what follows from that has not begun.
    pub async fn shop_pays(&self, customer: &Client, order: &Order) {
        self.shop_pays_with(customer, order, GOOD_CARD).await;
    }

    /// The same with a card of the customer's choice.
    pub async fn shop_pays_with(&self, customer: &Client, order: &Order, card: &str) {
        let (db, clock, deps) = (&self.db, self.clock.as_ref(), &self.deps);
        let (account, email) = (customer.who.account(), &customer.who.email);
        let checkouts =
            billing::Checkouts { db, clock, stripe: deps.stripe.as_ref(), catalogue: &deps.catalogue, urls: &deps.urls };
        let actor = Actor::Person(customer.who.person.unwrap());
        billing::open_checkout(checkouts, actor, account, email, order.id).await.unwrap();
        let order = self.find_order(order.id).await;
        self.shop.pay(&order.checkout_id.unwrap(), card).unwrap();
    }

    /// A paid server that runs; its owner has been told.
    pub async fn running(&self, customer: &Client, name: &str) -> Instance {
        let instance = self.paid(customer, name).await;
        self.observe(instance.id, &self.status(&StepName::ALL)).await;
        self.run_jobs().await;
        self.find_instance(instance.id).await
    }

    /// What an operator would say when these steps are done, the others are not, and nothing is amiss.
    pub fn status(&self, done: &[StepName]) -> InstanceStatus {
        let now = self.clock.now();
        let mut found: Vec<Finding> = Vec::new();
        for step in StepName::ALL {
            for kind in step.conditions() {
                found.push(if done.contains(&step) {
                    Finding::holds(*kind, "Done", "")
                } else {
                    Finding::waits(*kind, "not yet")
                });
            }
        }
        let ready = StepName::ALL.iter().all(|step| done.contains(step));
        found.push(if ready {
            Finding::holds(ConditionKind::Ready, "Ready", "")
        } else {
            Finding::waits(ConditionKind::Ready, "not yet")
        });
        let conditions = conditions(&[], &found, 1, now);
        let version = ready.then(|| NEWEST.to_string());
        InstanceStatus {
            observed_generation: Some(1),
            version,
            steps: steps(&[], &conditions, now),
            conditions,
            ..InstanceStatus::default()
        }
    }

    /// Takes in what an operator says of a server, as the fleet does.
    pub async fn observe(&self, id: InstanceId, status: &InstanceStatus) {
        let instance = self.find_instance(id).await;
        let mut tx = self.db.fleet().begin().await.unwrap();
        instance::mark_pushed(&mut tx, id, instance.generation).await.unwrap();
        fleet::take_in(&mut tx, self.clock.as_ref(), instance.cluster_id, id, instance.generation, status).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Somebody asks for a piece of upkeep, as the page would.
    pub async fn ask_run(&self, customer: &Client, instance: &Instance, maintenance: &serde_json::Value) -> RunId {
        let action = Action::Maintenance(serde_json::from_value(maintenance.clone()).unwrap());
        let actor = Actor::Person(customer.who.person.unwrap());
        let mut tx = self.db.begin_account(customer.who.account()).await.unwrap();
        let id = run::request_run(tx.conn(), self.clock.as_ref(), actor, instance, &action).await.unwrap();
        tx.commit().await.unwrap();
        id
    }

    /// Takes in what an operator says of a run, as the fleet does.
    pub async fn observe_run(&self, id: RunId, standing: Standing, more: impl FnOnce(&mut RunStatus)) {
        let mut conn = self.db.fleet().acquire().await.unwrap();
        let mut status = RunStatus::default().standing(standing, 1, self.clock.now());
        more(&mut status);
        run::mark_run_pushed(&mut conn, self.clock.as_ref(), id, 1).await.unwrap();
        if let Some(over) = run::observe_run(&mut conn, self.clock.as_ref(), id, &status).await.unwrap() {
            export::run_over(&mut conn, self.clock.as_ref(), id, over.state, &status).await.unwrap();
        }
    }

    /// An instance as it is now.
    pub async fn find_instance(&self, id: InstanceId) -> Instance {
        instance::find(&mut self.sql().acquire().await.unwrap(), id).await.unwrap().unwrap()
    }

    /// An order as it is now.
    pub async fn find_order(&self, id: OrderId) -> Order {
        billing::find_order(&mut self.sql().acquire().await.unwrap(), id).await.unwrap().unwrap()
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        if std::thread::panicking() || self.leave_jobs.load(Ordering::Relaxed) {
            return;
        }
        // A job without a time of its own is due at Postgres' present, which is ahead of a clock that stands still.
        let (url, now) = (self.database.url(), self.clock.now().max(SystemClock.now()));
        let undone = block_on(async move {
            // A pool of its own: those of the app belong to the test's runtime, which waits for us.
            let pool = PgPool::connect(&url).await.unwrap();
            let mut jobs = queue::list(&pool).await.unwrap();
            jobs.retain(|job| job.run_at <= now || job.last_error.is_some());
            let owed: Vec<String> = sqlx::query_scalar("select recipient || ' ' || notice from mails where state = 'owed'")
                .fetch_all(&pool)
                .await
                .unwrap();
            pool.close().await;
            (jobs, owed)
        });
        let (jobs, owed) = undone;
        assert!(jobs.is_empty(), "the test leaves jobs that are due or failed; `app.run_jobs()` runs them:\n{}", told(&jobs));
        assert!(owed.is_empty(), "the test leaves mails that are owed; `app.run_jobs()` sends them:\n{}", owed.join("\n"));
    }
}

/// Jobs whose time has come by either clock. The queue looks at Postgres', so what is due by ours alone is made due there.
async fn due(pool: &PgPool, now: DateTime<Utc>) -> i64 {
    let free = "locked_at is null and attempts < max_attempts";
    let make =
        format!("update graphile_worker._private_jobs set run_at = now() where run_at > now() and run_at <= $1 and {free}");
    sqlx::query(sqlx::AssertSqlSafe(make)).bind(now).execute(pool).await.unwrap();
    let count = format!("select count(*) from graphile_worker._private_jobs where run_at <= now() and {free}");
    sqlx::query_scalar(sqlx::AssertSqlSafe(count)).fetch_one(pool).await.unwrap()
}

fn told(jobs: &[JobRow]) -> String {
    let line =
        |job: &JobRow| format!("  {} {} due {}: {}", job.task, job.payload, job.run_at, job.last_error.as_deref().unwrap_or("-"));
    jobs.iter().map(line).collect::<Vec<_>>().join("\n")
}
