//! Connections to Postgres: one pool per database role, migrations, and the transaction that a customer's request runs in.
//!
//! The program logs in as one user and does `set role` on every new connection. What a customer's request reads goes through an
//! [`AccountTx`]: role `paddock_web` with row security for one account. That is the second line behind the extractors of `web`.

pub mod slice;

use std::str::FromStr as _;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Executor as _, PgConnection, PgPool, Postgres, Transaction};

use crate::ids::AccountId;

/// The roles that the program acts as; the first migration makes them.
pub const ROLES: [&str; 5] = ["paddock_auth", "paddock_web", "paddock_staff", "paddock_worker", "paddock_fleet"];

/// The migrations that this program knows.
static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!();

/// A transaction whose role may act across accounts.
pub type Tx = Transaction<'static, Postgres>;

/// All pools. Connections are opened when first needed, so a process pays only for the roles that it uses.
#[derive(Debug, Clone)]
pub struct Db {
    auth: PgPool,
    web: PgPool,
    staff: PgPool,
    worker: PgPool,
    fleet: PgPool,
    owner: PgPool,
}

/// What [`Db`] could not do.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// The address of the database does not parse.
    #[error("database.url is not a Postgres URL; it reads like postgres://user:password@host:5432/paddock")]
    Url(#[source] sqlx::Error),
    /// The queue's own tables.
    #[error("could not bring the job queue's tables up to date")]
    QueueMigration(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Our tables.
    #[error("could not bring the database up to date")]
    Migration(#[source] sqlx::migrate::MigrateError),
}

impl Db {
    /// Pools for the database at `url`; connects to nothing yet. `connections` is the most that each role may open.
    pub fn new(url: &str, connections: u32) -> Result<Self, DbError> {
        let options = PgConnectOptions::from_str(url).map_err(DbError::Url)?.application_name("paddock");
        let pool = |role: Option<&'static str>, most: u32| {
            PgPoolOptions::new()
                .max_connections(most)
                .acquire_timeout(Duration::from_secs(10))
                .after_connect(move |connection, _| {
                    Box::pin(async move {
                        if let Some(set_role) = role {
                            connection.execute(set_role).await?;
                        }
                        Ok(())
                    })
                })
                .connect_lazy_with(options.clone())
        };
        Ok(Self {
            auth: pool(Some("set role paddock_auth"), connections),
            web: pool(Some("set role paddock_web"), connections),
            staff: pool(Some("set role paddock_staff"), connections),
            worker: pool(Some("set role paddock_worker"), connections),
            fleet: pool(Some("set role paddock_fleet"), connections),
            owner: pool(None, connections),
        })
    }

    /// People, sessions and mail links: signing in and up.
    pub fn auth(&self) -> &PgPool {
        &self.auth
    }

    /// What staff pages read.
    pub fn staff(&self) -> &PgPool {
        &self.staff
    }

    /// What jobs read and write.
    pub fn worker(&self) -> &PgPool {
        &self.worker
    }

    /// What the exchange with clusters reads and writes.
    pub fn fleet(&self) -> &PgPool {
        &self.fleet
    }

    /// The log-in user itself: migrations, the queue's own tables, `paddock admin`.
    pub fn owner(&self) -> &PgPool {
        &self.owner
    }

    /// A transaction that sees and writes one account's rows only.
    pub async fn begin_account(&self, account: AccountId) -> sqlx::Result<AccountTx> {
        let mut tx = self.web.begin().await?;
        sqlx::query("select set_config('paddock.account', $1, true)").bind(account.uuid().to_string()).execute(&mut *tx).await?;
        Ok(AccountTx { tx, account })
    }

    /// A transaction of the role `paddock_auth` that may change the members of one account; any other transaction of that role finds none
    /// to change.
    pub async fn begin_members(&self, account: AccountId) -> sqlx::Result<Tx> {
        let mut tx = self.auth.begin().await?;
        sqlx::query("select set_config('paddock.account', $1, true)").bind(account.uuid().to_string()).execute(&mut *tx).await?;
        Ok(tx)
    }

    /// Brings the database up to date. Safe to run from several processes at once and on an up-to-date database.
    pub async fn migrate(&self) -> Result<(), DbError> {
        graphile_worker::WorkerOptions::default()
            .schema(crate::queue::SCHEMA)
            .pg_pool(self.owner.clone())
            .init()
            .await
            .map_err(|error| DbError::QueueMigration(Box::new(error)))?;
        MIGRATIONS.run(&self.owner).await.map_err(DbError::Migration)
    }

    /// What is to know of the server before anything runs.
    pub async fn facts(&self) -> sqlx::Result<Facts> {
        let mut conn = self.owner.acquire().await?;
        let version: String = sqlx::query_scalar("show server_version").fetch_one(&mut *conn).await?;
        let number: i32 = sqlx::query_scalar("select current_setting('server_version_num')::int").fetch_one(&mut *conn).await?;
        let now = sqlx::query_scalar("select clock_timestamp()").fetch_one(&mut *conn).await?;
        let missing_roles = sqlx::query_scalar(
            "select role from unnest($1::text[]) as role \
             where not exists (select from pg_roles where rolname = role and pg_has_role(current_user, oid, 'member'))",
        )
        .bind(ROLES.map(str::to_owned).to_vec())
        .fetch_all(&mut *conn)
        .await?;
        Ok(Facts { version, number, now, missing_roles })
    }

    /// Names of the migrations that this program has and the database has not had.
    pub async fn outstanding(&self) -> sqlx::Result<Vec<String>> {
        let mut conn = self.owner.acquire().await?;
        let any: bool = sqlx::query_scalar("select to_regclass('_sqlx_migrations') is not null").fetch_one(&mut *conn).await?;
        let done: Vec<i64> = if any {
            sqlx::query_scalar("select version from _sqlx_migrations where success").fetch_all(&mut *conn).await?
        } else {
            Vec::new()
        };
        let outstanding = MIGRATIONS.iter().filter(|one| !done.contains(&one.version));
        Ok(outstanding.map(|one| one.description.to_string()).collect())
    }
}

/// What is to know of a Postgres server.
#[derive(Debug, Clone)]
pub struct Facts {
    /// As it says it: `17.6 (Debian …)`.
    pub version: String,
    /// As a number: 170006.
    pub number: i32,
    /// What time it is there.
    pub now: chrono::DateTime<chrono::Utc>,
    /// Those of [`ROLES`] that the log-in user may not act as.
    pub missing_roles: Vec<String>,
}

/// A transaction of the role `paddock_web`, with row security set to one account.
#[derive(Debug)]
pub struct AccountTx {
    tx: Tx,
    account: AccountId,
}

impl AccountTx {
    /// Whose rows it sees.
    pub fn account(&self) -> AccountId {
        self.account
    }

    /// The connection, for the writers and readers of the domain.
    pub fn conn(&mut self) -> &mut PgConnection {
        &mut self.tx
    }

    /// Keeps what was written.
    pub async fn commit(self) -> sqlx::Result<()> {
        self.tx.commit().await
    }
}

/// A write that must have changed exactly one row; anything else is [`sqlx::Error::RowNotFound`]. A state machine's UPDATE names
/// the states it accepts, so this is how a wrong transition shows.
pub fn exactly_one(result: &sqlx::postgres::PgQueryResult) -> sqlx::Result<()> {
    if result.rows_affected() == 1 { Ok(()) } else { Err(sqlx::Error::RowNotFound) }
}

/// Whether `error` is the violation of the named unique constraint or index.
pub fn violates(error: &sqlx::Error, constraint: &str) -> bool {
    error.as_database_error().and_then(sqlx::error::DatabaseError::constraint) == Some(constraint)
}
