//! The throw-away database in which an archive is proven: a role that is no superuser, and what it owns.

use anyhow::Context as _;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

/// Name of role and database.
pub const PROOF: &str = "proof";

/// Makes both; `password` is hexadecimal.
pub async fn make_proof(superuser: &str, password: &str) -> anyhow::Result<()> {
    let mut admin = PgConnection::connect(superuser).await.context("connecting to the throw-away Postgres")?;
    let role = format!("create role {PROOF} login nosuperuser password '{password}'");
    sqlx::raw_sql(AssertSqlSafe(role)).execute(&mut admin).await.context("making a role")?;
    let database = format!("create database {PROOF} owner {PROOF} template template0");
    sqlx::raw_sql(AssertSqlSafe(database)).execute(&mut admin).await.context("making a database")?;
    Ok(admin.close().await?)
}
