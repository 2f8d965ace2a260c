//! Out of one place and into another: nothing is lost on the way, and a second program reads it too.

use std::fs;
use std::process::Command;

use paddock::archive::manifest::Manifest;
use paddock::demo::rig::{REGION, Rig};

use super::{Folder, Owned, PASSPHRASE, ends, media, paddock, write_files};
use crate::harness::S3Client;

fn escaped(key: &str) -> String {
    key.bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

fn manifest(folder: &std::path::Path) -> Manifest {
    Manifest::from_bytes(&fs::read(folder.join("manifest.json")).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn from_bucket_to_bucket_with_the_program_alone() {
    let folder = Folder::new("buckets");
    let s3 = Rig::shared().await.unwrap().s3();
    let (access, secret) = s3.root_credentials();
    let client = S3Client::new(s3.endpoint(), REGION, access, secret);
    let suffix = hex::encode(paddock::crypto::random::<4>());
    let (from, to) = (format!("archive-from-{suffix}"), format!("archive-to-{suffix}"));
    for bucket in [&from, &to] {
        client.put(&format!("/{bucket}"), "").await;
    }
    for (key, bytes) in media() {
        client.put(&format!("/{from}/p/{}", escaped(&key)), bytes).await;
    }
    client.put(&format!("/{from}/other/not-ours"), "x").await;
    let source = Owned::mastodon().await;
    let env = source.env(&format!(
        "S3_ENABLED=true\nS3_BUCKET={from}\nS3_KEY_PREFIX=p\nS3_ENDPOINT={}\nS3_REGION={REGION}\nAWS_ACCESS_KEY_ID={access}\nAWS_SECRET_ACCESS_KEY={secret}\n",
        s3.endpoint()
    ));
    let (env, passphrase) = (folder.write("env", &env), folder.write("passphrase", PASSPHRASE));
    let archive = folder.join("archive");
    let (env, passphrase, path) = (env.to_str().unwrap(), passphrase.to_str().unwrap(), archive.to_str().unwrap());
    let (made, said) = ends(&paddock(&["create", path, "--env", env, "--passphrase-file", passphrase, "--part-size", "1"]), 0);
    let objects = u64::try_from(media().len() - 1).unwrap();
    assert_eq!((made["event"].as_str(), made["objects"].as_u64()), (Some("complete"), Some(objects)), "{made}");
    assert!(said.lines().any(|line| line.contains("\"step\":\"media\"") && line.contains("bytes_per_second")), "{said}");
    let signer = made["signer"].as_str().unwrap();
    assert!(!archive.join("journal.json").exists());
    let (_, said) = ends(&paddock(&["create", path, "--env", env, "--passphrase-file", passphrase]), 5);
    assert!(said.contains("holds a finished archive"), "{said}");

    let shown = String::from_utf8(paddock(&["inspect", path]).stdout).unwrap();
    assert!(shown.contains("birds.example, at social.birds.example") && shown.contains("2 keys of accounts"), "{shown}");
    let (verified, _) = ends(&paddock(&["verify", path, "--signer", signer, "--passphrase-file", passphrase]), 0);
    assert_eq!((verified["objects"].as_u64(), verified["secrets_opened"].as_bool()), (Some(objects), Some(true)), "{verified}");

    // The reader in another language agrees.
    let reader = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/archive/reader.py");
    assert!(fs::read_to_string(reader).unwrap().lines().count() <= 150);
    let (read, _) = ends(&Command::new("python3").args(["-B", reader, path, signer]).output().unwrap(), 0);
    assert_eq!((read["objects"].as_u64(), read["domain"].as_str()), (Some(objects), Some("birds.example")), "{read}");

    let target = Owned::new().await;
    let secrets = folder.join("secrets.env");
    let mut restore = Command::new(env!("CARGO_BIN_EXE_paddock"));
    restore.args([
        "archive",
        "restore",
        path,
        "--signer",
        signer,
        "--passphrase-file",
        passphrase,
        "--s3-bucket",
        &to,
        "--s3-endpoint",
    ]);
    restore
        .args([s3.endpoint(), "--s3-region", REGION, "--env-out"])
        .arg(&secrets)
        .env("PADDOCK_ARCHIVE_DATABASE_URL", &target.url);
    restore.env("AWS_ACCESS_KEY_ID", access).env("AWS_SECRET_ACCESS_KEY", secret);
    let (restored, _) = ends(&restore.output().unwrap(), 0);
    assert_eq!((restored["objects"].as_u64(), restored["compared"]["pairs"].as_u64()), (Some(objects), Some(2)), "{restored}");
    assert_eq!(restored["compared"]["opened"].as_bool(), Some(true), "{restored}");
    assert_eq!(target.content().await, source.content().await);
    for (key, _) in media() {
        // That it is the same bytes, the second archive says below.
        let status = client.status("HEAD", &format!("/{to}/{}", escaped(&key)), "").await;
        assert_eq!(status, if key.starts_with("cache/") { 404 } else { 200 }, "{key}");
    }
    let secrets = fs::read_to_string(secrets).unwrap();
    assert!(
        secrets.contains("SECRET_KEY_BASE='s3cret'\n") && secrets.contains("WEB_DOMAIN='social.birds.example'\n"),
        "{secrets}"
    );
    assert!(!secrets.contains("not-for-others") && !secrets.contains("DB_"), "{secrets}");

    // Out again: the same rows, keys and files.
    let again = folder.join("again");
    let env = folder.write("env2", &target.env(""));
    let arguments = ["create", again.to_str().unwrap(), "--env", env.to_str().unwrap(), "--passphrase-file", passphrase];
    let mut create = Command::new(env!("CARGO_BIN_EXE_paddock"));
    create.arg("archive").args(arguments).args(["--part-size", "1", "--s3-bucket", &to, "--s3-endpoint", s3.endpoint()]);
    create.env("AWS_ACCESS_KEY_ID", access).env("AWS_SECRET_ACCESS_KEY", secret);
    ends(&create.output().unwrap(), 0);
    let (one, other) = (manifest(&archive), manifest(&again));
    assert_eq!(
        (&one.database.tables, &one.identity, &one.completeness),
        (&other.database.tables, &other.identity, &other.completeness)
    );
    for number in one.media_parts() {
        let index = |folder: &std::path::Path| fs::read_to_string(folder.join(format!("media-{number:05}.sha256"))).unwrap();
        assert_eq!(index(&archive), index(&again));
    }
    assert!(one.media_parts().count() > 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn from_folder_to_folder_and_proven_by_restoring() {
    let folder = Folder::new("folders");
    write_files(&folder.join("system"), &media());
    let source = Owned::mastodon().await;
    let key = age::x25519::Identity::generate();
    let key_file = folder.write("key", &format!("# a key\n{}\n", secrecy::ExposeSecret::expose_secret(&key.to_string())));
    let env = folder.write("env", &source.env(&format!("PAPERCLIP_ROOT_PATH={}\n", folder.join("system").display())));
    let (archive, recipient) = (folder.join("archive"), key.to_public().to_string());
    let (path, key_file) = (archive.to_str().unwrap(), key_file.to_str().unwrap());
    ends(&paddock(&["create", path, "--env", env.to_str().unwrap(), "--recipient", &recipient]), 0);

    let (proven, _) = ends(&paddock(&["verify", path, "--restore", "--key-file", key_file]), 0);
    let compared = &proven["compared"];
    assert_eq!(
        (proven["event"].as_str(), compared["actors"].as_u64(), compared["pairs"].as_u64()),
        (Some("proven"), Some(2), Some(2)),
        "{proven}"
    );
    assert!(compared["rows"].as_u64().unwrap() > 550, "{proven}");

    let target = Owned::new().await;
    let media_folder = folder.join("restored");
    let into = ["--database-url", &target.url, "--media", media_folder.to_str().unwrap()];
    ends(&paddock(&[&["restore", path], &into[..]].concat()), 0);
    assert_eq!(target.content().await, source.content().await);
    for (key, bytes) in media() {
        let found = fs::read(media_folder.join(&key)).ok();
        assert_eq!(found, (!key.starts_with("cache/")).then_some(bytes), "{key}");
    }
    // A place that is taken is not touched, and a superuser is not trusted with what others wrote.
    let (_, said) = ends(&paddock(&[&["restore", path], &into[..]].concat()), 5);
    assert!(said.contains("is not empty"), "{said}");
    let empty = Owned::new().await;
    let (_, said) = ends(&paddock(&["restore", path, "--database-url", &empty.admin, "--without-media"]), 2);
    assert!(said.contains("is a superuser"), "{said}");
    // Media that are there go on where they were.
    ends(&paddock(&["restore", path, "--media-only", "--media", media_folder.to_str().unwrap()]), 0);
    fs::write(media_folder.join("site_uploads/files/000/000/001/original/z.png"), "another").unwrap();
    let (_, said) = ends(&paddock(&["restore", path, "--media-only", "--media", media_folder.to_str().unwrap()]), 5);
    assert!(said.contains("z.png is there already"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_4_7_has_moved_and_encrypted_are_the_same_keys() {
    let folder = Folder::new("moved");
    let source = Owned::mastodon().await;
    let (env, passphrase) = (folder.write("env", &source.env("")), folder.write("passphrase", PASSPHRASE));
    let passphrase = passphrase.to_str().unwrap();
    let create = |path: &std::path::Path| {
        let arguments = [
            "create",
            path.to_str().unwrap(),
            "--env",
            env.to_str().unwrap(),
            "--passphrase-file",
            passphrase,
            "--database-only",
        ];
        ends(&paddock(&arguments), 0);
        manifest(path)
    };
    let before = create(&folder.join("before"));
    source.moves_its_keys().await;
    let path = folder.join("after");
    let after = create(&path);
    assert_eq!((before.source.mastodon.as_deref(), after.source.mastodon.as_deref()), (Some("4.5"), Some("4.7")));
    assert_eq!((after.identity.actors, &before.identity), (2, &after.identity));

    let restore = |target: &Owned, more: &[&str]| {
        let arguments = ["restore", path.to_str().unwrap(), "--database-url", &target.url];
        ends(&paddock(&[&arguments[..], more].concat()), 0).0
    };
    let restored = restore(&Owned::new().await, &["--passphrase-file", passphrase]);
    assert_eq!(restored["compared"]["pairs"].as_u64(), Some(2), "{restored}");
    // Without the secrets, nothing can be said of them.
    let restored = restore(&Owned::new().await, &[]);
    assert_eq!(
        (restored["compared"]["pairs"].as_u64(), restored["compared"]["actors"].as_u64()),
        (Some(0), Some(2)),
        "{restored}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_do_not_fit_and_rows_that_are_missing_are_said() {
    let folder = Folder::new("differs");
    let source = Owned::mastodon().await;
    super::run(
        &source.url,
        "update accounts set private_key = (select private_key from accounts where username = 'robin') where username = 'wren'",
    )
    .await;
    let (env, passphrase) = (folder.write("env", &source.env("")), folder.write("passphrase", PASSPHRASE));
    let (archive, passphrase) = (folder.join("archive"), passphrase.to_str().unwrap().to_owned());
    let path = archive.to_str().unwrap();
    ends(&paddock(&["create", path, "--env", env.to_str().unwrap(), "--passphrase-file", &passphrase, "--database-only"]), 0);
    let target = Owned::new().await;
    let (_, said) = ends(&paddock(&["restore", path, "--database-url", &target.url]), 7);
    assert!(said.contains("the account wren has a private key that does not fit its public key"), "{said}");

    // Other secrets than those that the database was encrypted with.
    let wrong = folder.write("env", &source.env("").replace("AAAAAAAA", "AAAAAAAZ"));
    let other = folder.join("other");
    let other = other.to_str().unwrap();
    ends(&paddock(&["create", other, "--env", wrong.to_str().unwrap(), "--passphrase-file", &passphrase, "--database-only"]), 0);
    let target = Owned::new().await;
    let (_, said) = ends(&paddock(&["restore", other, "--database-url", &target.url, "--passphrase-file", &passphrase]), 7);
    assert!(said.contains("second factors do not open"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_given_is_asked_for_before_anything_is_touched() {
    let folder = Folder::new("given");
    let source = Owned::mastodon().await;
    let env = folder.write("env", &source.env(""));
    let (env, archive) = (env.to_str().unwrap(), folder.join("archive"));
    let short = folder.write("short", "hunter2");
    let path = archive.to_str().unwrap();
    for (arguments, asked) in [
        (vec!["create", path], "which server?"),
        (vec!["create", path, "--database-url", &source.url, "--without-secrets"], "of which domain?"),
        (vec!["create", path, "--env", env, "--database-only"], "whom are the secrets for?"),
        (vec!["create", path, "--env", env, "--without-secrets"], "where are the media?"),
        (vec!["create", path, "--env", env, "--passphrase-file", short.to_str().unwrap()], "fewer than 12"),
        (vec!["create", path, "--env", env, "--recipient", "age1x"], "no public key of age"),
        (vec!["restore", path], "into which database?"),
    ] {
        let (_, said) = ends(&paddock(&arguments), 2);
        assert!(said.contains(asked), "{arguments:?}: {said}");
        assert!(!archive.exists(), "{arguments:?}");
    }
    let empty = Owned::new().await;
    let arguments =
        ["create", path, "--database-url", &empty.url, "--domain", "a.example", "--without-secrets", "--database-only"];
    let (_, said) = ends(&paddock(&arguments), 2);
    assert!(said.contains("is not Mastodon's"), "{said}");
}
