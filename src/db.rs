//! Connections to Postgres: one pool per database role, migrations, and the transaction that a customer's request runs in.
//!
//! The program logs in as one user and does `set role` on every new connection. What a customer's request reads goes through an
//! [`AccountTx`]: role `paddock_web` with row security for one account. That is the second line behind the extractors of `web`.

use std::str::FromStr as _;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Executor as _, PgConnection, PgPool, Postgres, Transaction};

use crate::ids::AccountId;

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

    /// Brings the database up to date. Safe to run from several processes at once and on an up-to-date database.
    pub async fn migrate(&self) -> Result<(), DbError> {
        graphile_worker::WorkerOptions::default()
            .schema(crate::queue::SCHEMA)
            .pg_pool(self.owner.clone())
            .init()
            .await
            .map_err(|error| DbError::QueueMigration(Box::new(error)))?;
        sqlx::migrate!().run(&self.owner).await.map_err(DbError::Migration)
    }
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
