//! Archives of servers, made and proven by Jobs inside of their walls: the Job's own command line, Paddock's real program, a real database
//! and a real object store.

use std::sync::Arc;

use kube::ResourceExt;
use paddock::archive::media::S3Address;
use paddock::archive::secrets::{self, Unlock};
use paddock::archive::shelf::BucketShelf;
use paddock::archive::{Archive, PartName, Shelf};
use paddock::clock::SystemClock;
use paddock::demo::rig::REGION;
use paddock::ids::{ArchiveId, InstanceId};
use paddock::resource::{ConditionKind, ProvenArchive, RunPhase, WrittenArchive, backup_bucket, namespace_name};
use serde_json::{Value, json};

use super::Host;
use super::runs::why;
use crate::harness::S3Client;

impl Host {
    /// Where an archive lies, opened with the store's own key.
    fn shelf(&self, id: InstanceId, archive: ArchiveId) -> BucketShelf {
        let (access, secret) = self.rig.s3().root_credentials();
        let address = S3Address {
            endpoint: self.rig.s3().endpoint().parse().unwrap(),
            region: REGION.into(),
            bucket: backup_bucket(&namespace_name(id)),
            prefix: format!("archives/{archive}/"),
            access_key: access.into(),
            secret_key: secret.to_owned().into(),
            acl: None,
        };
        BucketShelf::new(address, Arc::new(SystemClock)).unwrap()
    }

    /// Files as Mastodon has them in a media bucket.
    async fn upload(&self, id: InstanceId, files: &[(&str, &[u8])]) {
        let (access, secret) = self.rig.s3().root_credentials();
        let client = S3Client::new(self.rig.s3().endpoint(), REGION, access, secret);
        for (name, bytes) in files {
            client.put(&format!("/{}/{name}", namespace_name(id)), *bytes).await;
        }
    }

    async fn exported(&self, id: InstanceId, scope: &str, recipient: &str) -> (ArchiveId, WrittenArchive) {
        let archive = ArchiveId::new();
        let action = json!({"export": {"archive": archive, "scope": scope, "recipients": [recipient]}});
        let run = self.ask(id, &action).await;
        let done = self.until_phase(&run, RunPhase::Succeeded).await;
        let status = done.status.unwrap();
        assert!(status.output.is_none() && status.proven.is_none(), "{status:?}");
        (archive, status.written.unwrap())
    }

    async fn proven(&self, id: InstanceId, action: &Value) -> ProvenArchive {
        let run = self.ask(id, action).await;
        self.until_phase(&run, RunPhase::Succeeded).await.status.unwrap().proven.unwrap()
    }
}

#[tokio::test]
async fn a_servers_archive_is_written_into_its_backup_bucket_and_proven_from_there() {
    let host = Host::new().await;
    let operator = host.operator().await;
    let id = host.order(|_| {}).await;
    host.until_condition(id, ConditionKind::Ready, "True").await;
    let files: [(&str, &[u8]); 3] = [
        ("accounts/avatars/000/000/001/original/a.png", b"picture"),
        ("cache/accounts/avatars/000/000/002/original/b.png", b"of others"),
        ("media_attachments/files/001/original/c.mp4", b"film"),
    ];
    host.upload(id, &files).await;
    let key = age::x25519::Identity::generate();
    let (archive, written) = host.exported(id, "withoutCache", &key.to_public().to_string()).await;
    assert_eq!((written.objects, written.missing), (2, 0), "without what is of others");
    let shelf = host.shelf(id, archive);
    let names: Vec<String> = shelf.list().await.unwrap().into_iter().map(|listed| listed.name).collect();
    assert!(names.contains(&"manifest.sig".to_owned()) && !names.contains(&"journal.json".to_owned()), "{names:?}");

    let handle = tokio::runtime::Handle::current();
    let place = Shelf::Bucket(shelf, handle);
    let opened = tokio::task::spawn_blocking(move || {
        let archive = Archive::open_on(place, None).unwrap();
        let sealed = archive.small(PartName::Secrets, secrets::LARGEST).unwrap();
        (archive.fingerprint().unwrap(), archive.signer.to_string(), secrets::open(&sealed, &Unlock::Key(key)).unwrap())
    });
    let (fingerprint, signer, secrets) = opened.await.unwrap();
    assert_eq!((written.manifest.as_str(), written.signer), (fingerprint.as_str(), signer));
    let identity = host.secrets(id).get("mastodon-identity").await.unwrap().data.unwrap();
    let own = String::from_utf8(identity["SECRET_KEY_BASE"].0.clone()).unwrap();
    assert_eq!(secrets.get("SECRET_KEY_BASE"), Some(own.as_str()), "the server's own");
    assert!(secrets.get("AWS_SECRET_ACCESS_KEY").is_none());

    let manifest = written.manifest;
    let proof = host.proven(id, &json!({"verify": {"archive": archive, "manifest": manifest}})).await;
    assert_eq!((proof.manifest, proof.objects), (manifest.clone(), 2));
    assert!(proof.tables > 10 && proof.rows > 0, "{} tables, {} rows", proof.tables, proof.rows);
    let message = host.until_condition(id, ConditionKind::RestoreProven, "True").await;
    assert!(format!("{message:?}").contains("was restored and compared"), "{message:?}");
    let drill = host.proven(id, &json!({"restoreDrill": {"archive": archive, "manifest": manifest}})).await;
    assert_eq!((drill.tables, drill.rows), (proof.tables, proof.rows));
    operator.stop().await;
}

#[tokio::test]
async fn what_was_changed_in_the_bucket_is_not_proven_and_not_tried_again() {
    let host = Host::new().await;
    let operator = host.operator().await;
    let id = host.order(|_| {}).await;
    host.until_condition(id, ConditionKind::Ready, "True").await;
    let (archive, written) = host.exported(id, "databaseOnly", &super::runs::age_key()).await;
    let verify = |manifest: &str| json!({"verify": {"archive": archive, "manifest": manifest}});
    let run = host.ask(id, &verify(&"0".repeat(64))).await;
    let failed = host.until_phase(&run, RunPhase::Failed).await;
    assert!(why(&failed).1.contains("code 3"), "another archive than was asked for: {failed:?}");
    let shelf = host.shelf(id, archive);
    let size = usize::try_from(shelf.size("database.dump.zst").await.unwrap().unwrap()).unwrap();
    shelf.put("database.dump.zst", &vec![7; size]).await.unwrap();
    let run = host.ask(id, &verify(written.manifest.as_str())).await;
    let failed = host.until_phase(&run, RunPhase::Failed).await;
    let output = failed.status.as_ref().unwrap().output.clone().unwrap_or_default();
    assert!(output.contains("database.dump.zst is not what was written"), "{output}");
    assert!(failed.status.as_ref().unwrap().proven.is_none());
    assert_eq!(host.pods_of(id, &run).await.len(), 1, "damage does not go away by looking again");
    host.until_condition(id, ConditionKind::RestoreProven, "False").await;
    operator.settle().await;
    host.until_condition(id, ConditionKind::RestoreProven, "False").await;
    operator.stop().await;
}

#[tokio::test]
async fn a_paused_server_gives_its_archive_and_an_operator_without_the_program_says_so() {
    let host = Host::new().await;
    let operator = host.operator().await;
    let id = host.order(|_| {}).await;
    host.until_condition(id, ConditionKind::Ready, "True").await;
    host.set_mode(id, &json!({"running": null, "suspended": {"reason": "unpaid"}})).await;
    host.until_condition(id, ConditionKind::Ready, "False").await;
    let (_, written) = host.exported(id, "withoutCache", &super::runs::age_key()).await;
    assert!(written.bytes > 0);
    operator.stop().await;

    let mut settings = host.settings();
    settings.program_image = None;
    let operator = host.operator_with(settings).await;
    let action =
        json!({"export": {"archive": ArchiveId::new(), "scope": "databaseOnly", "recipients": [super::runs::age_key()]}});
    let run = host.ask(id, &action).await;
    let refused = host.until_phase(&run, RunPhase::Refused).await;
    assert_eq!((why(&refused).0.as_str(), refused.name_any()), ("NotOffered", run));
    assert!(why(&refused).1.contains("operator.program_image"), "{refused:?}");
    operator.stop().await;
}
