//! Archives in a bucket: written there part by part, gone on with after a kill, read and proven from there.

use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use paddock::archive::media::S3Address;
use paddock::archive::shelf::BucketShelf;
use paddock::clock::SystemClock;
use paddock::demo::rig::{REGION, Rig, S3};

use super::{AR_KEYS, Folder, Owned, PASSPHRASE, ends, noise, write_files};
use crate::harness::S3Client;

const PATIENCE: Duration = Duration::from_mins(2);
const MIB: usize = 1 << 20;

/// The program with a key of the bucket, and a scratch folder of its own.
fn program(s3: &S3, scratch: &Folder, arguments: &[&str]) -> Command {
    let (access, secret) = s3.root_credentials();
    let mut command = Command::new(env!("CARGO_BIN_EXE_paddock"));
    command
        .arg("archive")
        .args(arguments)
        .env("PADDOCK_ARCHIVE_ENDPOINT", s3.endpoint())
        .env("PADDOCK_ARCHIVE_REGION", REGION)
        .env("PADDOCK_ARCHIVE_ACCESS_KEY_ID", access)
        .env("PADDOCK_ARCHIVE_SECRET_ACCESS_KEY", secret)
        .env("TMPDIR", scratch.join(""));
    command
}

fn run(s3: &S3, scratch: &Folder, arguments: &[&str]) -> Output {
    program(s3, scratch, arguments).output().unwrap()
}

fn shelf(s3: &S3, bucket: &str, prefix: &str) -> BucketShelf {
    let (access, secret) = s3.root_credentials();
    let address = S3Address {
        endpoint: s3.endpoint().parse().unwrap(),
        region: REGION.into(),
        bucket: bucket.into(),
        prefix: format!("{prefix}/"),
        access_key: access.into(),
        secret_key: secret.to_owned().into(),
        acl: None,
    };
    BucketShelf::new(address, Arc::new(SystemClock)).unwrap()
}

async fn new_bucket(s3: &S3) -> (String, S3Client) {
    let (access, secret) = s3.root_credentials();
    let client = S3Client::new(s3.endpoint(), REGION, access, secret);
    let bucket = format!("shelf-{}", hex::encode(paddock::crypto::random::<6>()));
    client.put(&format!("/{bucket}"), "").await;
    (bucket, client)
}

async fn names(shelf: &BucketShelf) -> Vec<String> {
    shelf.list().await.unwrap().into_iter().map(|listed| listed.name).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_kill_and_a_lost_folder_it_goes_on_and_is_proven_from_the_bucket() {
    let s3 = Rig::shared().await.unwrap().s3();
    let (bucket, _) = new_bucket(s3).await;
    let folder = Folder::new("shelf");
    let files: Vec<_> = (0..24).map(|n| (format!("media_attachments/files/{n:03}/original/x.png"), noise(n, MIB))).collect();
    write_files(&folder.join("system"), &files);
    let source = Owned::mastodon().await;
    let env = folder.write("env", &source.env(&format!("PAPERCLIP_ROOT_PATH={}\n", folder.join("system").display())));
    let passphrase = folder.write("passphrase", PASSPHRASE);
    let place = format!("s3://{bucket}/archives/one");
    let arguments = [
        "create",
        place.as_str(),
        "--env",
        env.to_str().unwrap(),
        "--passphrase-file",
        passphrase.to_str().unwrap(),
        "--part-size",
        "1",
    ];
    let there = shelf(s3, &bucket, "archives/one");
    let first = Folder::new("shelf-first");
    let mut child = program(s3, &first, &arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let end = Instant::now() + PATIENCE;
    while there.size("media-00002.tar.zst").await.unwrap().is_none() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it could be killed");
        assert!(Instant::now() < end, "no second part");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    kill(Pid::from_raw(child.id().try_into().unwrap()), Signal::SIGKILL).unwrap();
    child.wait().unwrap();
    assert!(there.size("journal.json").await.unwrap().is_some() && there.size("manifest.sig").await.unwrap().is_none());
    // What was on that machine is gone with it.
    drop(first);
    let second = Folder::new("shelf-second");
    let (_, said) = ends(&run(s3, &second, &["verify", &place]), 3);
    assert!(said.contains("never finished"), "{said}");
    let (complete, _) = ends(&run(s3, &second, &arguments), 0);
    assert_eq!((complete["objects"].as_u64(), complete["folder"].as_str()), (Some(24), Some(format!("{place}/").as_str())));
    let fingerprint = complete["manifest"].as_str().unwrap().to_owned();
    let listed = names(&there).await;
    assert!(!listed.iter().any(|name| name.ends_with(".json") && name != "manifest.json"), "{listed:?}");
    assert_eq!(listed.iter().filter(|name| name.ends_with(".tar.zst")).count(), 24, "{listed:?}");

    let mut prove = program(s3, &second, &["verify", &place, "--restore", "--environment", "--manifest", &fingerprint]);
    let (proven, _) = ends(&prove.envs(AR_KEYS).output().unwrap(), 0);
    assert_eq!((proven["event"].as_str(), proven["compared"]["opened"].as_bool()), (Some("proven"), Some(true)), "{proven}");
    assert_eq!(proven["manifest"].as_str(), Some(fingerprint.as_str()));
    let other = "0".repeat(64);
    let (_, said) = ends(&run(s3, &second, &["verify", &place, "--manifest", &other]), 3);
    assert!(said.contains("it is another archive"), "{said}");
    assert!(there.clear().await.unwrap() > 24 && names(&there).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_part_goes_in_pieces_and_damage_in_the_bucket_is_seen() {
    let s3 = Rig::shared().await.unwrap().s3();
    let (bucket, client) = new_bucket(s3).await;
    let folder = Folder::new("shelf-large");
    write_files(&folder.join("system"), &[("a/large.mp4".to_owned(), noise(7, 40 * MIB)), ("b.png".to_owned(), noise(8, 5))]);
    let source = Owned::mastodon().await;
    let env = folder.write("env", &source.env(&format!("PAPERCLIP_ROOT_PATH={}\n", folder.join("system").display())));
    let place = format!("s3://{bucket}/archives/large");
    let arguments = ["create", place.as_str(), "--env", env.to_str().unwrap(), "--without-secrets"];
    let (complete, _) = ends(&run(s3, &folder, &arguments), 0);
    assert_eq!(complete["objects"].as_u64(), Some(2));
    ends(&run(s3, &folder, &["verify", &place]), 0);
    let (status, uploads) = client.ask("GET", &format!("/{bucket}?uploads"), "").await;
    assert!(status == 200 && !uploads.contains("<Upload>"), "{uploads}");

    let there = shelf(s3, &bucket, "archives/large");
    let size = there.size("media-00001.tar.zst").await.unwrap().unwrap();
    assert!(size > 40 << 20, "{size}");
    let range = there.get("media-00001.tar.zst", Some("bytes=16777216-16777225".into())).await.unwrap();
    assert_eq!((range.status().as_u16(), range.bytes().await.unwrap().len()), (206, 10));
    let wrong = noise(9, usize::try_from(size).unwrap());
    client.put(&format!("/{bucket}/archives/large/media-00001.tar.zst"), wrong).await;
    let (_, said) = ends(&run(s3, &folder, &["verify", &place]), 3);
    assert!(said.contains("media-00001.tar.zst is not what was written"), "{said}");
    there.delete("restore.sh").await.unwrap();
    let (_, said) = ends(&run(s3, &folder, &["verify", &place]), 3);
    assert!(said.contains("media-00001.tar.zst") || said.contains("restore.sh is missing"), "{said}");
    let (_, said) = ends(&run(s3, &folder, &["verify", &format!("s3://{bucket}")]), 2);
    assert!(said.contains("needs a prefix of its own"), "{said}");
}
