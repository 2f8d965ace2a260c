//! Mastodon's migrations, as far as they can be told from outside: what they note in `schema_migrations`, the schemas that they refuse,
//! and the one step after which pods of the old release can't sign any more.

use sqlx::{Connection, PgConnection};

/// The migrations of a minor release (its `db/schema.rb`, `db/post_migrate`, `lib/tasks/db.rake`).
struct Release {
    /// `4.6`.
    minor: &'static str,
    /// The newest that is not post-deployment.
    newest: &'static str,
    /// Those that run only once no old pod is left.
    post: &'static [&'static str],
    /// Without those it refuses an older schema.
    least: &'static str,
}

const RELEASES: [Release; 5] = [
    Release { minor: "4.3", newest: "20241007071624", post: &["20240307180905"], least: "20230907150100" },
    Release { minor: "4.4", newest: "20250627132728", post: &["20250520192024"], least: "20230907150100" },
    Release { minor: "4.5", newest: "20251023210145", post: &[], least: "20230907150100" },
    Release { minor: "4.6", newest: "20260611150940", post: &[], least: "20230907150100" },
    Release {
        minor: "4.7",
        newest: "20260805130216",
        post: &[
            "20260702144128",
            "20260720100326",
            "20260720103819",
            "20260720104058",
            "20260720113713",
            "20260720124731",
            "20260728145507",
            "20260804081821",
        ],
        least: "20241007071624",
    },
];

/// Rails takes an advisory lock too: two pods of a Job may run at once.
const LOCK: &str = "select pg_advisory_xact_lock(4550)";

fn release(image: &str) -> Option<(usize, &'static Release)> {
    RELEASES.iter().enumerate().find(|(_, release)| image.contains(&format!(":v{}.", release.minor)))
}

/// `rails db:prepare` of an empty database: the schema, as of the release in the image's tag.
pub(super) async fn prepare(database: &mut PgConnection, image: &str) -> Result<(), sqlx::Error> {
    let (at, _) = release(image).unwrap_or((2, &RELEASES[2]));
    let mut tx = database.begin().await?;
    sqlx::raw_sql(LOCK).execute(&mut *tx).await?;
    sqlx::raw_sql(include_str!("../mastodon.sql")).execute(&mut *tx).await?;
    let Release { minor: _, newest, post, least: _ } = &RELEASES[at];
    note(&mut tx, post).await?;
    note(&mut tx, &[newest]).await?;
    tx.commit().await
}

/// `rails db:migrate`, with or without the post-deployment migrations. The error is what its log would have said.
pub(super) async fn migrate(database: &mut PgConnection, image: &str, skip_post: bool) -> Result<(), String> {
    let (at, release) = release(image).ok_or_else(|| format!("{image} is no release that the rig knows"))?;
    let text = |error: sqlx::Error| error.to_string();
    let mut tx = database.begin().await.map_err(text)?;
    sqlx::raw_sql(LOCK).execute(&mut *tx).await.map_err(text)?;
    let current: Option<String> =
        sqlx::query_scalar("select max(version) from schema_migrations").fetch_one(&mut *tx).await.map_err(text)?;
    let current = current.ok_or("the database has no schema")?;
    if skip_post && current.as_str() < release.least {
        return Err(format!("zero-downtime migrations need a schema of {} or newer, this is {current}", release.least));
    }
    // Everything up to this release: what an earlier upgrade left out is made up for.
    for Release { minor, newest, post, least: _ } in &RELEASES[..=at] {
        if current.as_str() > *newest && *minor != release.minor {
            continue;
        }
        note(&mut tx, &[newest]).await.map_err(text)?;
        if *minor == "4.7" {
            sqlx::raw_sql(KEYPAIRS).execute(&mut *tx).await.map_err(text)?;
        }
        if !skip_post || *minor != release.minor {
            note(&mut tx, post).await.map_err(text)?;
            if *minor == "4.7" {
                sqlx::raw_sql(MOVE_KEYS).execute(&mut *tx).await.map_err(text)?;
            }
        }
    }
    tx.commit().await.map_err(text)
}

async fn note(database: &mut PgConnection, versions: &[&str]) -> Result<(), sqlx::Error> {
    sqlx::query("insert into schema_migrations (version) select unnest($1::text[]) on conflict do nothing")
        .bind(versions)
        .execute(database)
        .await?;
    Ok(())
}

/// Keys get a table of their own, which the old release does not know and does not need yet.
const KEYPAIRS: &str = "create table if not exists keypairs (id bigserial primary key, account_id bigint not null references accounts on \
    delete cascade, type integer not null default 0, local_fragment varchar, public_key text not null, private_key text, \
    unique (account_id, local_fragment))";

/// The keys leave the table in which the old release looks for them.
const MOVE_KEYS: &str = "insert into keypairs (account_id, local_fragment, public_key, private_key) \
    select id, '#main-key', public_key, private_key from accounts where domain is null and private_key is not null on conflict do nothing; \
    update accounts set private_key = null, public_key = '' where domain is null and private_key is not null";
