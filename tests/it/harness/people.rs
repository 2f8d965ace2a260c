//! Who there is in every test. They are made once, by the functions that the pages call, and signed in already.

use paddock::account::email::EmailAddress;
use paddock::account::password::Passwords;
use paddock::account::session::{self, Client, Kind, Subject};
use paddock::account::{self, Scope};
use paddock::audit::Actor;
use paddock::capacity::{self, NewCluster};
use paddock::clock::{Clock, SystemClock};
use paddock::crypto::HostKey;
use paddock::db::Db;
use paddock::ids::{AccountId, ClusterId, PersonId, StaffId};
use paddock::plan::{self, Catalogue, Releases};
use sqlx::PgConnection;

/// Everybody's.
pub const PASSWORD: &str = "correct horse battery staple";

/// What their browsers call themselves.
const TEST: Client<'static> = Client { agent: "test", network: "127.0.0.1" };

/// Somebody with a session in a browser and a token of the API (staff have none).
#[derive(Debug, Clone, Default)]
pub struct Identity {
    /// Where mails reach them.
    pub email: String,
    /// Who, when a customer.
    pub person: Option<PersonId>,
    /// For whom, when a customer.
    pub account: Option<AccountId>,
    /// Who, when staff.
    pub staff: Option<StaffId>,
    /// Secret of their browser's session.
    pub browser: Option<String>,
    /// Their token of the API.
    pub api: Option<String>,
    /// Secret of a look into a customer's account, when staff.
    pub glass: Option<String>,
}

impl Identity {
    /// Whose account; panics for those who have none.
    pub fn account(&self) -> AccountId {
        self.account.unwrap_or_else(|| panic!("{} has no account", self.email))
    }
}

/// All of them.
pub struct People {
    pub customer: Identity,
    pub other_customer: Identity,
    /// Signed up, and has not followed the link in the mail.
    pub unverified: Identity,
    /// Member of the customer's account, who sees everything and changes nothing.
    pub viewer: Identity,
    /// Member of the customer's account, who pays.
    pub payer: Identity,
    /// Member of the customer's account, who may all but what concerns the account itself.
    pub admin: Identity,
    pub staff: Vec<(Scope, Identity)>,
}

/// A cluster that answers, with room for so many servers of the first plan. The file of releases is in the database as well.
pub async fn add_cluster(db: &Db, clock: &dyn Clock, name: &str, places: i64) -> ClusterId {
    let catalogue = Catalogue::parse(include_str!("../../../catalogue/plans.toml")).unwrap();
    let has = capacity::enough_for(&catalogue.offered().next().unwrap().size.footprint(), places);
    let new = NewCluster { name: name.to_owned(), region: String::new(), kubeconfig: None, namespace: "paddock".to_owned(), has };
    let mut conn = db.owner().acquire().await.unwrap();
    let id = capacity::add_cluster(&mut conn, clock, Actor::System("tests"), &new).await.unwrap();
    capacity::note_seen(&mut conn, clock, id).await.unwrap();
    // Nobody asks it here, so nobody concludes anything from when that was last.
    sqlx::query("update clusters set seen_at = null where id = $1").bind(id).execute(&mut *conn).await.unwrap();
    id
}

pub async fn create(db: &Db) -> People {
    let clock = SystemClock;
    let mut conn = db.owner().acquire().await.unwrap();
    let releases = Releases::parse(include_str!("../../../catalogue/releases.toml")).unwrap();
    plan::seed_releases(&mut conn, &clock, &releases).await.unwrap();
    let hash = Passwords::new(1).hash(PASSWORD.into()).await.unwrap();
    let mut customers = Vec::new();
    for name in ["customer", "other", "unverified"] {
        let email = EmailAddress::parse(&format!("{name}@mail.example")).unwrap();
        account::sign_up(&mut conn, &clock, &email, &hash, "en").await.unwrap();
        let (person, _) = account::credentials(&mut conn, &email).await.unwrap().unwrap();
        if name != "unverified" {
            let token: uuid::Uuid = sqlx::query_scalar("select id from mail_tokens where person_id = $1")
                .bind(person.id)
                .fetch_one(&mut *conn)
                .await
                .unwrap();
            account::verify(&mut conn, &clock, token).await.unwrap();
        }
        let (account, _) = account::membership(&mut conn, person.id).await.unwrap().unwrap();
        customers.push(sign_in(&mut conn, email.smtp(), person.id, account).await);
    }
    let customer = customers.remove(0);
    let viewer = join(&mut conn, customer.account(), "viewer", hash.as_phc()).await;
    let payer = join(&mut conn, customer.account(), "billing", hash.as_phc()).await;
    let admin = join(&mut conn, customer.account(), "admin", hash.as_phc()).await;
    let mut staff = Vec::new();
    for (scope, name) in
        [(Scope::Support, "support"), (Scope::Billing, "money"), (Scope::Operations, "operations"), (Scope::Admin, "staff")]
    {
        let email = EmailAddress::parse(&format!("{name}@host.example")).unwrap();
        let id = account::put_staff(&mut conn, &clock, &email, &hash, &[scope]).await.unwrap();
        let who = Identity { email: email.smtp(), staff: Some(id), ..Identity::default() };
        give_factor(&mut conn, id).await;
        staff.push((scope, sign_in_again(&mut conn, &clock, &who).await));
    }
    // Their mails and jobs are nobody's concern any more.
    for forget in ["delete from mails", "delete from graphile_worker._private_jobs"] {
        sqlx::query(forget).execute(&mut *conn).await.unwrap();
    }
    let [other_customer, unverified] = <[Identity; 2]>::try_from(customers).unwrap();
    People { customer, other_customer, unverified, viewer, payer, admin, staff }
}

/// What the apps of staff are made of, under the host's key of the tests.
const STAFFS_SEED: &[u8] = b"the seed of everybody of the staff";

/// The app of each of the staff that has been given one.
pub fn staffs_app(key: &HostKey) -> totp_rs::Totp {
    let secret = key.mac("authenticator", STAFFS_SEED)[..20].to_vec();
    totp_rs::Builder::new().with_secret(secret).build().unwrap()
}

/// A second factor, as if they had set it up long ago.
async fn give_factor(conn: &mut PgConnection, staff: StaffId) {
    let text = "insert into authenticators (staff_id, seed, confirmed_at, created_at) values ($1, $2, $3, $3)";
    sqlx::query(text).bind(staff).bind(STAFFS_SEED).bind(SystemClock.now()).execute(conn).await.unwrap();
}

/// A further member of an account. No page makes one yet.
async fn join(conn: &mut PgConnection, account: AccountId, role: &str, hash: &str) -> Identity {
    let (person, email, now) = (PersonId::new(), format!("{role}@mail.example"), SystemClock.now());
    sqlx::query(
        "insert into people (id, email, email_canonical, password_hash, verified_at, created_at) values ($1, $2, $2, $3, $4, $4)",
    )
    .bind(person)
    .bind(&email)
    .bind(hash)
    .bind(now)
    .execute(&mut *conn)
    .await
    .unwrap();
    sqlx::query("insert into members (account_id, person_id, role, created_at) values ($1, $2, $3, $4)")
        .bind(account)
        .bind(person)
        .bind(role)
        .bind(now)
        .execute(&mut *conn)
        .await
        .unwrap();
    sign_in(conn, email, person, account).await
}

async fn sign_in(conn: &mut PgConnection, email: String, person: PersonId, account: AccountId) -> Identity {
    let who = Identity { email, person: Some(person), account: Some(account), ..Identity::default() };
    sign_in_again(conn, &SystemClock, &who).await
}

/// The same person with new sessions.
pub async fn sign_in_again(conn: &mut PgConnection, clock: &dyn Clock, who: &Identity) -> Identity {
    let mut who = who.clone();
    if let Some(staff) = who.staff {
        let secret = session::begin(conn, clock, Subject::Staff(staff), Kind::Browser, TEST).await.unwrap();
        who.browser = Some(secret.expose().to_owned());
    }
    if let (Some(person), Some(account)) = (who.person, who.account) {
        let subject = Subject::Person { person, account };
        let browser = session::begin(conn, clock, subject, Kind::Browser, TEST).await.unwrap();
        let api = session::begin(conn, clock, subject, Kind::Api, TEST).await.unwrap();
        (who.browser, who.api) = (Some(browser.expose().to_owned()), Some(api.expose().to_owned()));
    }
    who
}
