//! What is asked of a Mastodon's database. All names are given with their schema, and functions come from `pg_catalog` alone: a database
//! that somebody else has made may hold others of the same name.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, Row as _};
use tokio::runtime::Handle;

use super::super::error::ArchiveError;
use super::super::manifest;
use super::super::postgres::Address;
use super::code::{FUNCTION, VIEWS, foreign_calls, foreign_words, is_plain_check};
use super::keys::Pair;

/// What a database is and holds, as of one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// That moment.
    pub at: DateTime<Utc>,
    /// What the manifest says of it; `client` is 0 until a dump was written.
    pub database: manifest::Database,
    /// All of `schema_migrations`.
    pub migrations: Vec<String>,
    /// Pairs of local accounts.
    pub pairs: Vec<Pair>,
    /// What the tables take, without indexes: about what a dump of them has.
    pub table_bytes: u64,
}

/// Who asks, and whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// `server_version_num`.
    pub version: u32,
    /// Whether the role may do anything.
    pub superuser: bool,
}

/// A connection, for threads that may block.
#[derive(Debug)]
pub struct Store {
    handle: Handle,
    connection: PgConnection,
}

impl Store {
    /// Connects.
    ///
    /// # Errors
    /// Nobody answers, or the login is wrong.
    pub fn connect(handle: &Handle, address: &Address) -> Result<Self, ArchiveError> {
        let options = address.options()?;
        let mut connection = handle.block_on(options.connect()).map_err(ArchiveError::sql("connect to the database"))?;
        let narrow = sqlx::raw_sql("set search_path = pg_catalog; set client_encoding = 'UTF8'").execute(&mut connection);
        handle.block_on(narrow).map_err(ArchiveError::sql("prepare the connection"))?;
        Ok(Self { handle: handle.clone(), connection })
    }

    /// Closes the connection.
    pub fn close(self) {
        // It ends either way.
        let _ = self.handle.block_on(self.connection.close());
    }

    fn rows(&mut self, what: &'static str, sql: &'static str) -> Result<Vec<PgRow>, ArchiveError> {
        self.handle.block_on(sqlx::query(sql).fetch_all(&mut self.connection)).map_err(ArchiveError::sql(what))
    }

    fn row(&mut self, what: &'static str, sql: &'static str) -> Result<PgRow, ArchiveError> {
        self.handle.block_on(sqlx::query(sql).fetch_one(&mut self.connection)).map_err(ArchiveError::sql(what))
    }

    fn texts(&mut self, what: &'static str, sql: &'static str) -> Result<Vec<String>, ArchiveError> {
        let rows = self.rows(what, sql)?;
        rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>().map_err(ArchiveError::sql(what))
    }

    fn run(&mut self, what: &'static str, sql: &'static str) -> Result<(), ArchiveError> {
        self.handle.block_on(sqlx::raw_sql(sql).execute(&mut self.connection)).map(drop).map_err(ArchiveError::sql(what))
    }

    /// Who asks, and whom.
    pub fn server(&mut self) -> Result<Server, ArchiveError> {
        let what = "ask the database for its version";
        let sql =
            "select current_setting('server_version_num')::int4, rolsuper from pg_catalog.pg_roles where rolname = current_user";
        let row = self.row(what, sql)?;
        let version: i32 = row.try_get(0).map_err(ArchiveError::sql(what))?;
        let superuser = row.try_get(1).map_err(ArchiveError::sql(what))?;
        Ok(Server { version: version.unsigned_abs(), superuser })
    }

    /// Holds on to this moment: what is read from here on, and a `pg_dump` that is given the returned name, see the same.
    pub fn hold(&mut self) -> Result<String, ArchiveError> {
        let what = "hold a snapshot of the database";
        self.run(what, "begin isolation level repeatable read, read only")?;
        self.row(what, "select pg_catalog.pg_export_snapshot()")?.try_get(0).map_err(ArchiveError::sql(what))
    }

    /// Lets go of it.
    pub fn let_go(&mut self) -> Result<(), ArchiveError> {
        self.run("let go of the snapshot", "rollback")
    }

    /// Whether this is the database of a Mastodon.
    pub fn is_mastodon(&mut self) -> Result<bool, ArchiveError> {
        let what = "look for Mastodon's tables";
        let sql = "select count(*) = 4 from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
                   where n.nspname = 'public' and c.relkind = 'r' and c.relname in ('accounts', 'users', 'statuses', 'schema_migrations')";
        self.row(what, sql)?.try_get(0).map_err(ArchiveError::sql(what))
    }

    /// Looks through the database.
    pub fn survey(&mut self) -> Result<Survey, ArchiveError> {
        let what = "look through the database";
        let sql = ArchiveError::sql;
        let row = self.row(
            what,
            "select now(), current_setting('server_version_num')::int4, pg_catalog.pg_encoding_to_char(encoding)::text, \
                    datcollate::text, pg_catalog.pg_database_size(oid), \
                    (select coalesce(sum(pg_catalog.pg_table_size(c.oid)), 0)::int8 from pg_catalog.pg_class c \
                     join pg_catalog.pg_namespace n on n.oid = c.relnamespace where n.nspname = 'public' and c.relkind = 'r') \
             from pg_catalog.pg_database where datname = current_database()",
        )?;
        let version: i32 = row.try_get(1).map_err(sql(what))?;
        let bytes: i64 = row.try_get(4).map_err(sql(what))?;
        let table_bytes: i64 = row.try_get(5).map_err(sql(what))?;
        let database = manifest::Database {
            server: version.unsigned_abs(),
            client: 0,
            encoding: row.try_get(2).map_err(sql(what))?,
            collation: row.try_get(3).map_err(sql(what))?,
            bytes: bytes.unsigned_abs(),
            tables: self.counts()?,
            sequences: self.sequences()?,
        };
        Ok(Survey {
            at: row.try_get(0).map_err(sql(what))?,
            database,
            migrations: self.texts(
                "read the migrations",
                "select version::text from public.schema_migrations order by version collate \"C\"",
            )?,
            pairs: self.pairs()?,
            table_bytes: table_bytes.unsigned_abs(),
        })
    }

    /// The rows of each table.
    pub fn counts(&mut self) -> Result<BTreeMap<String, u64>, ArchiveError> {
        let what = "count the rows";
        let tables = self.texts(
            what,
            "select c.relname::text from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
             where n.nspname = 'public' and c.relkind = 'r' order by 1",
        )?;
        let mut counts = BTreeMap::new();
        for table in tables {
            let sql = format!("select count(*) from public.\"{}\"", table.replace('"', "\"\""));
            let query = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut self.connection);
            let count: i64 = self.handle.block_on(query).map_err(ArchiveError::sql(what))?;
            counts.insert(table, count.unsigned_abs());
        }
        Ok(counts)
    }

    /// The last value of each sequence.
    pub fn sequences(&mut self) -> Result<BTreeMap<String, Option<i64>>, ArchiveError> {
        let what = "read the sequences";
        let sql = "select sequencename::text, last_value from pg_catalog.pg_sequences where schemaname = 'public'";
        let read = |row: &PgRow| Ok((row.try_get(0)?, row.try_get(1)?));
        self.rows(what, sql)?.iter().map(read).collect::<Result<_, sqlx::Error>>().map_err(ArchiveError::sql(what))
    }

    /// The pairs of local accounts: with the accounts until 4.6, in a table of their own from 4.7 on.
    pub fn pairs(&mut self) -> Result<Vec<Pair>, ArchiveError> {
        let what = "read the keys of local accounts";
        let columns: BTreeSet<String> = self
            .texts(
                what,
                "select c.relname || '.' || a.attname from pg_catalog.pg_attribute a \
                 join pg_catalog.pg_class c on c.oid = a.attrelid join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
                 where n.nspname = 'public' and c.relkind = 'r' and c.relname in ('accounts', 'keypairs') and a.attnum > 0 \
                 and not a.attisdropped",
            )?
            .into_iter()
            .collect();
        let mut rows = Vec::new();
        if columns.contains("accounts.private_key") {
            let sql = "select username::text, public_key::text, private_key::text from public.accounts \
                       where domain is null and public_key <> '' order by id";
            rows.extend(self.rows(what, sql)?);
        }
        if columns.contains("keypairs.private_key") {
            // 0 is RSA; other kinds are not what other servers know an account by.
            let sql = "select a.username::text, k.public_key::text, k.private_key::text from public.keypairs k \
                       join public.accounts a on a.id = k.account_id where a.domain is null and k.type = 0 order by k.id";
            rows.extend(self.rows(what, sql)?);
        }
        let read = |row: &PgRow| Ok(Pair { username: row.try_get(0)?, public: row.try_get(1)?, private: row.try_get(2)? });
        rows.iter().map(read).collect::<Result<_, sqlx::Error>>().map_err(ArchiveError::sql(what))
    }

    /// One encrypted value of the users', if there is any: whoever can open it has the right keys.
    pub fn encrypted_sample(&mut self) -> Result<Option<String>, ArchiveError> {
        let what = "read an encrypted column";
        let sql = "select otp_secret::text from public.users where otp_secret like '{%' order by id limit 1";
        let row = self.handle.block_on(sqlx::query(sql).fetch_optional(&mut self.connection)).map_err(ArchiveError::sql(what))?;
        row.map(|row| row.try_get(0)).transpose().map_err(ArchiveError::sql(what))
    }

    /// Whether nothing of anybody's is in the database.
    pub fn is_empty(&mut self) -> Result<bool, ArchiveError> {
        let what = "see whether the database is empty";
        let sql = "select not exists (select 1 from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
                   where n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and not exists (select 1 from pg_catalog.pg_depend d \
                   where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')) \
                   and not exists (select 1 from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace \
                   where n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and not exists (select 1 from pg_catalog.pg_depend d \
                   where d.classid = 'pg_catalog.pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e'))";
        self.row(what, sql)?.try_get(0).map_err(ArchiveError::sql(what))
    }

    /// Takes away everything that this role owns in this database.
    pub fn clear(&mut self) -> Result<(), ArchiveError> {
        self.run("take away what was restored", "drop owned by current_user cascade")
    }

    /// Everything in the database that runs and is none of Mastodon's, each by name. Asks the catalog alone: nothing of it runs.
    pub fn foreign_code(&mut self) -> Result<Vec<String>, ArchiveError> {
        let what = "look through what was restored";
        let mut found = self.texts(what, FOREIGN)?;
        let mut look = |sql, judge: fn(&str) -> Option<String>| {
            for row in self.rows(what, sql)? {
                let read = || Ok::<(String, String), sqlx::Error>((row.try_get(0)?, row.try_get(1)?));
                let (name, text) = read().map_err(ArchiveError::sql(what))?;
                found.extend(judge(&text).map(|why| format!("{name} ({why})")));
            }
            Ok::<(), ArchiveError>(())
        };
        let calls = |text: &str| {
            let calls = foreign_calls(text);
            (!calls.is_empty()).then(|| format!("calls {}", calls.join(", ")))
        };
        look(EXPRESSIONS, calls)?;
        look(CHECKS, |text| (!is_plain_check(text)).then(|| text.chars().take(120).collect()))?;
        look(SOURCES, |text| {
            let words = foreign_words(text);
            (!words.is_empty()).then(|| format!("its body has {}", words.join(", ")))
        })?;
        let views = self.texts(
            what,
            "select c.relname::text from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
             where n.nspname = 'public' and c.relkind in ('v', 'm')",
        )?;
        found.extend(views.into_iter().filter(|view| !VIEWS.contains(&view.as_str())).map(|view| format!("view {view}")));
        let functions = self.texts(
            what,
            "select p.proname || '(' || pg_catalog.oidvectortypes(p.proargtypes) || ')' from pg_catalog.pg_proc p \
             join pg_catalog.pg_namespace n on n.oid = p.pronamespace where p.oid >= 16384",
        )?;
        found.extend(functions.into_iter().filter(|name| name != FUNCTION).map(|name| format!("function {name}")));
        Ok(found)
    }
}

/// Kinds of things that Mastodon has none of. What is of the server itself has ids below 16384.
const FOREIGN: &str = "\
    select 'trigger ' || tgname from pg_catalog.pg_trigger where not tgisinternal and oid >= 16384 \
    union all select 'event trigger ' || evtname from pg_catalog.pg_event_trigger where oid >= 16384 \
    union all select 'rule ' || rulename || ' on ' || ev_class::regclass::text from pg_catalog.pg_rewrite \
        where oid >= 16384 and (rulename <> '_RETURN' or ev_type <> '1') \
    union all select 'cast from ' || castsource::regtype::text from pg_catalog.pg_cast where oid >= 16384 \
    union all select 'operator ' || oprname from pg_catalog.pg_operator where oid >= 16384 \
    union all select 'operator class ' || opcname from pg_catalog.pg_opclass where oid >= 16384 \
    union all select 'access method ' || amname from pg_catalog.pg_am where oid >= 16384 \
    union all select 'language ' || lanname from pg_catalog.pg_language where oid >= 16384 \
    union all select 'conversion ' || conname from pg_catalog.pg_conversion where oid >= 16384 \
    union all select 'text search parser ' || prsname from pg_catalog.pg_ts_parser where oid >= 16384 \
    union all select 'text search template ' || tmplname from pg_catalog.pg_ts_template where oid >= 16384 \
    union all select 'text search dictionary ' || dictname from pg_catalog.pg_ts_dict where oid >= 16384 \
    union all select 'transform ' || oid::text from pg_catalog.pg_transform where oid >= 16384 \
    union all select 'extension ' || extname from pg_catalog.pg_extension where oid >= 16384 \
    union all select 'foreign server ' || srvname from pg_catalog.pg_foreign_server \
    union all select 'publication ' || pubname from pg_catalog.pg_publication where oid >= 16384 \
    union all select 'policy ' || polname from pg_catalog.pg_policy \
    union all select 'large object ' || oid::text from pg_catalog.pg_largeobject_metadata \
    union all select 'schema ' || nspname from pg_catalog.pg_namespace where oid >= 16384 and nspname <> 'public' and nspname !~ '^pg_' \
    union all select 'type ' || t.typname from pg_catalog.pg_type t left join pg_catalog.pg_class c on c.oid = t.typrelid \
        where t.oid >= 16384 and not (t.typtype = 'b' and t.typcategory = 'A') and not (t.typtype = 'c' and c.relkind in ('r', 'v', 'm')) \
    union all select 'relation ' || relname || ' of kind ' || relkind::text from pg_catalog.pg_class \
        where oid >= 16384 and relkind not in ('r', 'v', 'm', 'i', 'S', 't') \
    union all select 'row security of ' || relname from pg_catalog.pg_class where oid >= 16384 and (relrowsecurity or relforcerowsecurity) \
    union all select 'inheritance of ' || inhrelid::regclass::text from pg_catalog.pg_inherits where inhrelid >= 16384 \
    union all select 'generated column ' || attrelid::regclass::text || '.' || attname from pg_catalog.pg_attribute \
        where attrelid >= 16384 and attgenerated <> '' \
    union all select 'name with control characters ' || pg_catalog.regexp_replace(relname::text, '[[:cntrl:]]', '?', 'g') \
        from pg_catalog.pg_class where oid >= 16384 and relname::text ~ '[[:cntrl:]]' \
    union all select 'name with control characters ' || pg_catalog.regexp_replace(attname::text, '[[:cntrl:]]', '?', 'g') \
        from pg_catalog.pg_attribute where attrelid >= 16384 and attname::text ~ '[[:cntrl:]]' \
    union all select 'exclusion constraint ' || conname from pg_catalog.pg_constraint where oid >= 16384 and contype = 'x'";

/// Expressions that run when rows are written or read.
const EXPRESSIONS: &str = "\
    select 'default of ' || d.adrelid::regclass::text || '.' || a.attname, coalesce(pg_catalog.pg_get_expr(d.adbin, d.adrelid), '') \
        from pg_catalog.pg_attrdef d join pg_catalog.pg_attribute a on a.attrelid = d.adrelid and a.attnum = d.adnum where d.oid >= 16384 \
    union all select 'index ' || i.indexrelid::regclass::text, coalesce(pg_catalog.pg_get_expr(i.indexprs, i.indrelid), '') || ' ' || \
        coalesce(pg_catalog.pg_get_expr(i.indpred, i.indrelid), '') from pg_catalog.pg_index i where i.indexrelid >= 16384 \
    union all select 'view ' || c.relname, coalesce(pg_catalog.pg_get_viewdef(c.oid), '') from pg_catalog.pg_class c \
        where c.oid >= 16384 and c.relkind in ('v', 'm')";

const CHECKS: &str = "select 'check ' || conname, pg_catalog.pg_get_constraintdef(oid) from pg_catalog.pg_constraint \
    where oid >= 16384 and contype = 'c'";

/// Bodies of functions. One that is in no language of known words, or runs as its owner, has none that passes.
const SOURCES: &str = "select 'function ' || p.proname, case when l.lanname = 'plpgsql' and not p.prosecdef and p.proconfig is null \
    and p.prokind = 'f' and p.prosqlbody is null and p.prorettype = 'pg_catalog.int8'::regtype then p.prosrc else '$' end \
    from pg_catalog.pg_proc p join pg_catalog.pg_language l on l.oid = p.prolang where p.oid >= 16384";
