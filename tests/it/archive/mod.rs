//! Archives, with a real Postgres, a real object store and the program itself: written, checked, restored, interrupted, damaged, hostile.

mod damage;
mod hostile;
mod resume;
mod round_trip;
mod shelf;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::pbkdf2;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use paddock::archive::draft::{Draft, Wanted};
use paddock::archive::manifest::{Database, MediaScope};
use paddock::archive::mastodon::store::Survey;
use paddock::archive::media::FolderSource;
use paddock::archive::signature::SigningKey;
use paddock::archive::watch::Nobody;
use paddock::archive::{Archive, ArchiveError};
use paddock::demo::rig::shared_postgres;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

const PASSPHRASE: &str = "correct horse battery staple";
/// With these, the second factor below opens: the vector of the format's documentation.
const AR_KEYS: [(&str, &str); 3] = [
    ("ACTIVE_RECORD_ENCRYPTION_PRIMARY_KEY", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
    ("ACTIVE_RECORD_ENCRYPTION_DETERMINISTIC_KEY", "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB"),
    ("ACTIVE_RECORD_ENCRYPTION_KEY_DERIVATION_SALT", "CCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCC"),
];
const SECOND_FACTOR: &str =
    r#"{"p":"0FPGyR/IVLZmmkaXKurZn8ObaC6lkhYYAReMT0aybrM=","h":{"iv":"zsdCf+WmDsry0glG","at":"7WNpUj/AYOFWTMAwiCmZ6Q=="}}"#;

/// What a Mastodon of 4.5 has beside the tables of the rig: the function of its ids, a view, people, posts.
const MORE: &str = "
    create function timestamp_id(table_name text) returns bigint language plpgsql as $$
        DECLARE time_part bigint; sequence_base bigint; tail bigint;
        BEGIN
            -- Get the time in milliseconds
            time_part := (((date_part('epoch', now()) * 1000))::bigint << 16);
            sequence_base := ('x' || substr(md5(table_name || '5f2a90' || time_part::text), 1, 4))::bit(16)::bigint;
            tail := ((sequence_base + nextval(table_name || '_id_seq')) & 65535);
            RETURN time_part | tail;
        END $$;
    alter table statuses alter column id set default timestamp_id('statuses');
    create view user_ips as select id as user_id, max(current_sign_in_at) as used_at from users group by id;
    insert into schema_migrations values ('20230907150100'), ('20241007071624'), ('20250627132728'), ('20251023210145');
    insert into accounts (username, domain, uri) select 'remote' || n, 'far.example', 'https://far.example/' || n from generate_series(1, 50) n;
    insert into statuses (account_id, text, uri, local)
        select (select min(id) from accounts where domain is not null), E'caf\\u00e9 \\\\. ' || n, 'https://far.example/s/' || n, false
        from generate_series(1, 500) n;";

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("paddock-archive-test-{name}-{}", std::process::id()));
        fs::remove_dir_all(&folder).ok();
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A file of text in it.
    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.join(name);
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

/// A database that belongs to a role which is no superuser.
struct Owned {
    url: String,
    admin: String,
    name: String,
    port: u16,
}

impl Owned {
    async fn new() -> Self {
        let postgres = shared_postgres().await.unwrap();
        let name = format!("archive_{}", hex::encode(paddock::crypto::random::<8>()));
        run(&postgres.url("postgres"), &format!("create role {name} login nosuperuser password '{name}'")).await;
        run(&postgres.url("postgres"), &format!("create database {name} owner {name} template template0")).await;
        Self { url: postgres.url_as(&name, &name, &name), admin: postgres.url(&name), port: postgres.port(), name }
    }

    /// With the schema of the rig and something in it.
    async fn mastodon() -> Self {
        let owned = Self::new().await;
        run(&owned.url, include_str!("../../../src/demo/rig/mastodon.sql")).await;
        run(&owned.url, include_str!("../../../src/demo/rig/seeds.sql")).await;
        run(&owned.url, MORE).await;
        let mut database = PgConnection::connect(&owned.url).await.unwrap();
        for (username, pair) in [("wren", key_pair()), ("robin", key_pair())] {
            let account: i64 =
                sqlx::query_scalar("insert into accounts (username, public_key, private_key) values ($1, $2, $3) returning id")
                    .bind(username)
                    .bind(pair.0)
                    .bind(pair.1)
                    .fetch_one(&mut database)
                    .await
                    .unwrap();
            sqlx::query("insert into users (email, account_id, otp_secret) values ($1 || '@mail.example', $2, $3)")
                .bind(username)
                .bind(account)
                .bind(SECOND_FACTOR)
                .execute(&mut database)
                .await
                .unwrap();
        }
        database.close().await.unwrap();
        owned
    }

    /// As 4.7 has it: keys in a table of their own, encrypted, those of other servers among them.
    async fn moves_its_keys(&self) {
        run(
            &self.url,
            "create table keypairs (id bigserial primary key, account_id bigint not null references accounts, type integer not null default 0,
                local_fragment varchar, uri varchar, public_key text not null, private_key text);
             insert into keypairs (account_id, uri, public_key) select id, uri || '#main-key', 'remote' from accounts where domain is not null;
             insert into schema_migrations values ('20260611150940'), ('20260805130216')",
        )
        .await;
        let mut database = PgConnection::connect(&self.url).await.unwrap();
        let rows: Vec<(i64, String, String)> =
            sqlx::query_as("select id, public_key, private_key from accounts where domain is null and public_key <> ''")
                .fetch_all(&mut database)
                .await
                .unwrap();
        for (account, public, private) in rows {
            sqlx::query(
                "insert into keypairs (account_id, local_fragment, public_key, private_key) values ($1, '#main-key', $2, $3)",
            )
            .bind(account)
            .bind(public)
            .bind(encrypted(&private))
            .execute(&mut database)
            .await
            .unwrap();
        }
        run(&self.url, "update accounts set public_key = '', private_key = null where domain is null").await;
    }

    /// Each table with a checksum over all that is in it.
    async fn content(&self) -> Vec<(String, Option<String>)> {
        let mut database = PgConnection::connect(&self.url).await.unwrap();
        let tables: Vec<String> =
            sqlx::query_scalar("select tablename::text from pg_tables where schemaname = 'public' order by 1")
                .fetch_all(&mut database)
                .await
                .unwrap();
        let mut content = Vec::new();
        for table in tables {
            let sql = format!("select md5(string_agg(t::text, '|' order by t::text)) from public.{table} t");
            content.push((table, sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut database).await.unwrap()));
        }
        content
    }

    /// The lines of `.env.production` that lead here, and the secrets.
    fn env(&self, more: &str) -> String {
        let keys: Vec<String> = AR_KEYS.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
        let keys = keys.concat();
        let Self { name, port, .. } = self;
        format!(
            "# of a test\nLOCAL_DOMAIN=birds.example\nWEB_DOMAIN=social.birds.example\nSECRET_KEY_BASE='s3cret'\nVAPID_PUBLIC_KEY=public=\n\
             VAPID_PRIVATE_KEY=\"private\"\nDB_HOST=127.0.0.1\nDB_PORT={port}\nDB_USER={name}\nDB_NAME={name}\nDB_PASS={name}\n\
             DB_SSLMODE=disable\nSMTP_PASSWORD=not-for-others\n{keys}{more}"
        )
    }
}

async fn run(url: &str, sql: &str) {
    let mut database = PgConnection::connect(url).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut database).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    database.close().await.unwrap();
}

/// An RSA pair in PEM: public half, private half.
fn key_pair() -> (String, String) {
    let pem = |label: &str, der: &[u8]| format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der));
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let private: Pkcs8V1Der<'_> = pair.as_der().unwrap();
    let public: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    (pem("PUBLIC KEY", public.as_ref()), pem("PRIVATE KEY", private.as_ref()))
}

/// A text as Active Record encrypts it with [`AR_KEYS`]: deflated, for it is long.
fn encrypted(text: &str) -> String {
    use std::io::Write as _;
    let mut key = [0; 32];
    let rounds = std::num::NonZeroU32::new(65_536).unwrap();
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, AR_KEYS[2].1.as_bytes(), AR_KEYS[0].1.as_bytes(), &mut key);
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &key).unwrap());
    let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(text.as_bytes()).unwrap();
    let mut sealed = packer.finish().unwrap();
    let iv = paddock::crypto::random::<12>();
    let tag = key.seal_in_place_separate_tag(Nonce::assume_unique_for_key(iv), Aad::empty(), &mut sealed).unwrap();
    let [p, iv, at] = [sealed.as_slice(), &iv, tag.as_ref()].map(|bytes| STANDARD.encode(bytes));
    serde_json::json!({"p": p, "h": {"iv": iv, "at": at, "c": true, "e": "QVNDSUktOEJJVA=="}}).to_string()
}

/// Runs `paddock archive …` to its end.
fn paddock(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_paddock"));
    command.arg("archive").args(arguments).env_remove("PADDOCK_ARCHIVE_DATABASE_URL");
    command.output().unwrap()
}

/// Demands that it ended with this code; returns what it said: the last line of JSON, and all of standard error.
#[track_caller]
fn ends(output: &Output, code: i32) -> (Value, String) {
    let (out, err) = (String::from_utf8_lossy(&output.stdout).into_owned(), String::from_utf8_lossy(&output.stderr).into_owned());
    assert_eq!(output.status.code(), Some(code), "{out}{err}");
    (out.lines().last().and_then(|line| serde_json::from_str(line).ok()).unwrap_or_default(), err)
}

/// Bytes that don't compress, the same each time.
fn noise(seed: u8, length: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(length + 32);
    let mut block = [seed; 32];
    while bytes.len() < length {
        block = paddock::crypto::sha256(&block);
        bytes.extend(block);
    }
    bytes.truncate(length);
    bytes
}

/// Files as Mastodon has them, some with names that are hard to carry, and one that stays behind.
fn media() -> Vec<(String, Vec<u8>)> {
    let deep = "media_attachments/files/109/234/567/890/123/456/original";
    let mut files = vec![
        ("accounts/avatars/000/000/001/original/a.png".to_owned(), noise(1, 1000)),
        ("accounts/headers/000/000/001/original/empty.png".to_owned(), Vec::new()),
        ("cache/accounts/avatars/000/000/002/original/b.png".to_owned(), noise(2, 1000)),
        (format!("{deep}/{}.jpeg", "c".repeat(120)), noise(3, 512)),
        (format!("{deep}/with space & b\u{fc}cher+1.mp4"), noise(4, 3 << 20)),
        ("site_uploads/files/000/000/001/original/z.png".to_owned(), noise(5, 100_000)),
    ];
    files.extend((0..20).map(|n| (format!("custom_emojis/images/000/000/{n:03}/original/e.png"), noise(n, 700))));
    files.sort();
    files
}

fn write_files(root: &Path, files: &[(String, Vec<u8>)]) {
    for (key, bytes) in files {
        let path = root.join(key);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

/// A small archive whose database is no real one, for what never comes to restoring.
fn small_archive(folder: &Folder) -> (Archive, SigningKey) {
    write_files(
        &folder.join("media"),
        &[("a/1.png".into(), noise(1, 5000)), ("a/2.png".into(), noise(2, 10)), ("b.png".into(), noise(3, 513))],
    );
    let now = "2026-11-25T12:00:00Z".parse().unwrap();
    let wanted = Wanted { domain: "birds.example".into(), scope: MediaScope::WithoutCache, program: "a test".into(), now };
    let mut draft = Draft::open(&folder.join("archive"), wanted).unwrap();
    let database = Database {
        server: 150_020,
        client: 0,
        encoding: "UTF8".into(),
        collation: "C".into(),
        bytes: 1,
        tables: [("accounts".to_owned(), 1)].into(),
        sequences: [("accounts_id_seq".to_owned(), None)].into(),
    };
    let survey = Survey { at: now, database, migrations: vec!["20251023210145".into()], pairs: Vec::new(), table_bytes: 1 };
    let dump = |out: &mut dyn std::io::Write| {
        let bytes = [b"PGDMP".as_slice(), &noise(9, 20_000)].concat();
        out.write_all(&bytes).map_err(ArchiveError::file("write", "the dump"))
    };
    draft.write_database(survey, 15, None, dump).unwrap();
    draft.write_media(&mut FolderSource::new(folder.join("media")), 1 << 20, &Nobody).unwrap();
    let key = SigningKey::generate().unwrap();
    let archive = draft.finish(&key, None, None, now, &Nobody).unwrap();
    (archive, key)
}

/// The bytes of a small archive's manifest, and all of its files by name.
pub fn some_files() -> (Vec<u8>, Vec<(String, Vec<u8>)>) {
    let folder = Folder::new(&format!("some-{}", hex::encode(paddock::crypto::random::<4>())));
    small_archive(&folder);
    let entries = fs::read_dir(folder.join("archive")).unwrap().map(|entry| entry.unwrap());
    let files: Vec<_> =
        entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect();
    let manifest = files.iter().find(|(name, _)| name == "manifest.json").unwrap().1.clone();
    (manifest, files)
}
