//! Dumps of people who mean harm: each is refused by name, and nothing of it stays.

use std::path::Path;

use paddock::archive::draft::{Draft, Wanted};
use paddock::archive::manifest::MediaScope;
use paddock::archive::mastodon::store::Store;
use paddock::archive::postgres::{Address, Program};
use paddock::archive::signature::SigningKey;
use paddock::archive::watch::Nobody;
use paddock::archive::{Archive, ArchiveError, restore};
use sqlx::{Connection as _, PgConnection};
use tokio::runtime::Handle;

use super::{Folder, Owned, run};

/// Writes an archive of a database as it is, as whoever means harm would: no question is asked.
async fn archive_of(source: &Owned, folder: &Path) -> Archive {
    let (handle, url, folder) = (Handle::current(), source.url.clone(), folder.to_owned());
    let work = move || {
        let now = "2026-11-25T12:00:00Z".parse().unwrap();
        let wanted = Wanted { domain: "birds.example".into(), scope: MediaScope::None, program: "a test".into(), now };
        let mut draft = Draft::open(&folder, wanted)?;
        let address = Address::from_url(&url)?;
        let mut store = Store::connect(&handle, &address)?;
        let program = Program::find("pg_dump", store.server()?.version / 10_000, None)?;
        let (snapshot, survey) = (store.hold()?, store.survey()?);
        draft.write_database(survey, program.major, None, |mut out| program.dump(&address, &snapshot, &mut out, 1, &Nobody))?;
        draft.finish(&SigningKey::generate()?, None, None, now, &Nobody)
    };
    tokio::task::spawn_blocking(work).await.unwrap().unwrap()
}

async fn restored(archive: Archive, target: &Owned) -> Result<restore::Compared, ArchiveError> {
    let (handle, address) = (Handle::current(), Address::from_url(&target.url).unwrap());
    let work = move || restore::database(&handle, &archive, &address, None, None, &Nobody);
    tokio::task::spawn_blocking(work).await.unwrap()
}

async fn relations(url: &str) -> i64 {
    let mut database = PgConnection::connect(url).await.unwrap();
    let sql = "select (select count(*) from pg_class where oid >= 16384) + (select count(*) from pg_proc where oid >= 16384)";
    sqlx::query_scalar(sql).fetch_one(&mut database).await.unwrap()
}

/// What is put into the database, and what must be named.
const HOSTILE: &[(&str, &str)] = &[
    ("create function evil() returns int language sql as 'select 1'", "FUNCTION public evil()"),
    (
        "create function timestamp_id(a text, b text) returns int language sql as 'select 1'",
        "FUNCTION public timestamp_id(text, text)",
    ),
    (
        "create or replace function timestamp_id(table_name text) returns bigint language plpgsql as $$ begin execute 'drop table users'; return 1; end $$",
        "its body has",
    ),
    (
        "create or replace function timestamp_id(table_name text) returns bigint language plpgsql security definer as $$ begin return 1; end $$",
        "function timestamp_id",
    ),
    (
        "create function t() returns trigger language plpgsql as 'begin return new; end'; create trigger t before insert on users for each row execute function t()",
        "TRIGGER public users t",
    ),
    ("create rule r as on insert to users do also delete from follows", "RULE public users r"),
    ("create rule r as on update to settings do instead nothing", "RULE public settings r"),
    ("alter table users add constraint c check (query_to_xml('select 1', true, true, '') is not null)", "check c"),
    ("alter table users add constraint c check (pg_sleep(0) is not null or id > 0)", "check c"),
    (
        "alter table settings alter column value set default query_to_xml('delete from users', true, true, '')::text",
        "calls query_to_xml",
    ),
    (
        "alter table settings alter column value set default pg_catalog.set_config('log_statement', 'all', false)",
        "calls set_config",
    ),
    ("alter table settings add column g text generated always as (upper(var)) stored", "generated column"),
    ("create index i on settings (quote_literal(var))", "calls quote_literal"),
    ("create view settings_of_all as select * from settings", "view settings_of_all"),
    (
        "create or replace view user_ips as select id as user_id, max(current_sign_in_at) as used_at from users where pg_sleep(0) is not null group by id",
        "calls pg_sleep",
    ),
    ("alter table users enable row level security", "ROW SECURITY public users"),
    ("create policy p on users using (true)", "POLICY public users p"),
    ("create domain d as int check (value > 0)", "DOMAIN public d"),
    ("create type mood as enum ('a', 'b'); alter table settings add column m mood", "TYPE public mood"),
    (
        "create function op(int, int) returns int language sql as 'select 1'; create operator public.#### (leftarg = int, rightarg = int, function = op)",
        "OPERATOR public ####",
    ),
    // Names with line breaks are what psql was once made to run.
    ("create table \"t\n\\! touch canary\" (id int)", "name with control characters t?"),
    ("alter table settings add column \"c\nselect\" int", "name with control characters c?select"),
    ("create table heir () inherits (settings)", "inheritance of"),
    ("insert into schema_migrations values ('20171210213213')", "it is a database of glitch-soc"),
];

#[tokio::test(flavor = "multi_thread")]
async fn whatever_could_run_once_more_is_refused_by_name_and_taken_away() {
    let folder = Folder::new("hostile");
    for (at, (sql, named)) in HOSTILE.iter().enumerate() {
        let source = Owned::mastodon().await;
        run(&source.url, sql).await;
        let archive = archive_of(&source, &folder.join(&at.to_string())).await;
        let target = Owned::new().await;
        let error = restored(archive, &target).await.unwrap_err();
        assert!(matches!(error, ArchiveError::Refused(_)) && error.exit_code() == 6, "{sql}: {error}");
        assert!(error.to_string().contains(named), "{sql}: {error}");
        assert_eq!(relations(&target.url).await, 0, "{sql}: something stayed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_look_like_commands_are_rows() {
    let folder = Folder::new("rows");
    let canary = folder.join("canary");
    let source = Owned::mastodon().await;
    let mut database = PgConnection::connect(&source.url).await.unwrap();
    for (at, text) in [
        format!("\\! touch {}", canary.display()),
        format!("\\.\n\\! touch {}\n", canary.display()),
        "\\unrestrict x\n\\connect postgres\n".to_owned(),
        format!("'); copy (select 1) to program 'touch {}'; --", canary.display()),
        "x".repeat(8 << 20),
    ]
    .into_iter()
    .enumerate()
    {
        sqlx::query("insert into settings (var, value) values ($1, $2)")
            .bind(format!("row {at}\n\\! touch {}", canary.display()))
            .bind(text)
            .execute(&mut database)
            .await
            .unwrap();
    }
    let archive = archive_of(&source, &folder.join("archive")).await;
    let target = Owned::new().await;
    restored(archive, &target).await.unwrap();
    assert!(!canary.exists());
    let mut target = PgConnection::connect(&target.url).await.unwrap();
    let rows: i64 = sqlx::query_scalar("select count(*) from settings").fetch_one(&mut target).await.unwrap();
    assert_eq!(rows, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_a_superuser_could_have_made_is_refused_as_well() {
    let folder = Folder::new("superuser");
    let source = Owned::mastodon().await;
    let leaky = "create function l() returns int language c strict as '$libdir/plpgsql', 'plpgsql_call_handler'";
    run(&source.admin, leaky).await;
    let archive = archive_of(&source, &folder.join("archive")).await;
    let target = Owned::new().await;
    let error = restored(archive, &target).await.unwrap_err().to_string();
    assert!(error.contains("FUNCTION public l()"), "{error}");
    assert_eq!(relations(&target.url).await, 0);
}
