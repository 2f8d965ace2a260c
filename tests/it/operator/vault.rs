//! The identity and the vault: what is lost is put back, what is wrong is refused, and without a vault nothing begins.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use age::x25519;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use paddock::clock::{SharedClock, SystemClock};
use paddock::demo::rig::REGION;
use paddock::ids::InstanceId;
use paddock::operator::bucket::{self, Bucket, BucketKey, Purpose};
use paddock::operator::vault::Vault;
use paddock::operator::{Identity, Settings};
use paddock::resource::{ConditionKind, condition, is_true, namespace_name, resource_name};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::{Host, names, uids, whole};
use crate::harness::{S3Client, database_of};

/// The keys of all vaults of this process.
struct Keys {
    operator: x25519::Identity,
    offline: x25519::Identity,
    key: BucketKey,
}

fn keys() -> &'static Keys {
    static KEYS: OnceLock<Keys> = OnceLock::new();
    KEYS.get_or_init(|| Keys {
        operator: x25519::Identity::generate(),
        offline: x25519::Identity::generate(),
        key: BucketKey::generate(),
    })
}

/// The section of the settings.
pub fn section() -> Value {
    let Keys { operator, offline, key } = keys();
    json!({
        "bucket": "operator-tests-vault",
        "access_key": key.access,
        "secret_key": key.secret.expose_secret(),
        "operator_key": operator.to_string().expose_secret(),
        "recovery_recipient": offline.to_public().to_string(),
    })
}

impl Host {
    /// Asks the vault itself.
    async fn prove(&self, id: InstanceId) {
        let clock: SharedClock = Arc::new(SystemClock);
        let vault = Vault::connect(&self.settings(), None, &clock).unwrap();
        let fingerprint = self.get(id).await.status.unwrap().identity_fingerprint.unwrap();
        vault.prove(&namespace_name(id), &fingerprint).await.unwrap();
    }

    /// Somebody with all rights in the object store.
    pub fn root(&self) -> S3Client {
        let (access, secret) = self.rig.s3().root_credentials();
        S3Client::new(self.rig.s3().endpoint(), REGION, access, secret)
    }

    async fn identity(&self, id: InstanceId) -> Option<Secret> {
        self.secrets(id).get_opt("mastodon-identity").await.unwrap()
    }

    async fn data(&self, id: InstanceId) -> BTreeMap<String, ByteString> {
        self.identity(id).await.unwrap().data.unwrap()
    }

    async fn delete_identity(&self, id: InstanceId) -> String {
        let uid = self.identity(id).await.unwrap().metadata.uid.unwrap();
        self.secrets(id).delete("mastodon-identity", &DeleteParams::default()).await.unwrap();
        uid
    }

    /// Whoever operates it next looks into the vault at once, and not when it would be time.
    async fn forget_the_vault(&self, id: InstanceId) {
        let patch = Patch::Merge(json!({"status": {"vault": null}}));
        self.instances().patch_status(&resource_name(id), &PatchParams::default(), &patch).await.unwrap();
    }

    /// Waits for a Secret that is not the one with this UID.
    async fn identity_after(&self, id: InstanceId, uid: &str) -> BTreeMap<String, ByteString> {
        let back = async || self.identity(id).await.filter(|secret| secret.metadata.uid.as_deref() != Some(uid));
        self.until("the identity is back", back).await.data.unwrap()
    }
}

fn vault_path(id: InstanceId, name: &str) -> String {
    format!("/{}/{}/{name}", section()["bucket"].as_str().unwrap(), namespace_name(id))
}

#[tokio::test]
async fn a_deleted_identity_is_put_back_as_it_was() {
    let host = Host::new().await;
    let operator = host.operator().await;
    let id = host.order(|_| {}).await;
    let status = host.until_condition(id, ConditionKind::Ready, "True").await.status.unwrap();
    operator.settle().await;
    host.prove(id).await;
    let (before, objects) = (host.data(id).await, host.objects(id).await);
    let generation = async || host.deployments(id).get("web").await.unwrap().metadata.generation;
    let web = generation().await;

    let gone = host.delete_identity(id).await;
    assert_eq!(host.identity_after(id, &gone).await, before, "byte for byte");
    operator.settle().await;
    let after = host.get(id).await.status.unwrap();
    assert_eq!(after.identity_fingerprint, status.identity_fingerprint);
    assert!(is_true(&after.conditions, ConditionKind::Ready) && !is_true(&after.conditions, ConditionKind::Stalled));
    assert_eq!(generation().await, web, "no pod is replaced for it");
    let (mut was, later) = (objects.clone(), host.objects(id).await);
    was.insert("Secret/mastodon-identity".into(), later["Secret/mastodon-identity"].clone());
    assert_eq!(uids(&later), uids(&was), "nothing else was made anew");

    // The same when the status is lost too, and nobody remembers.
    operator.stop().await;
    let name = resource_name(id);
    host.instances().patch_status(&name, &PatchParams::default(), &Patch::Merge(json!({"status": null}))).await.unwrap();
    let gone = host.delete_identity(id).await;
    let operator = host.operator().await;
    assert_eq!(host.identity_after(id, &gone).await, before);
    let after = host.until_condition(id, ConditionKind::Ready, "True").await.status.unwrap();
    assert_eq!(after.identity_fingerprint, status.identity_fingerprint);
    operator.stop().await;
}

#[tokio::test]
async fn an_identity_that_the_vault_has_lost_as_well_is_never_made_again() {
    let host = Host::new().await;
    let operator = host.operator().await;
    let id = host.order(|_| {}).await;
    let status = host.until_condition(id, ConditionKind::Ready, "True").await.status.unwrap();
    let before = host.data(id).await;
    operator.settle().await;
    operator.stop().await;
    let sealed = vault_path(id, &format!("{}.age", status.identity_fingerprint.clone().unwrap()));
    let client = reqwest::Client::new();
    assert_eq!(client.get(format!("{}{sealed}", host.rig.s3().endpoint())).send().await.unwrap().status().as_u16(), 403);
    assert_eq!(host.root().status("DELETE", &sealed, "").await, 204);

    // As long as the Secret is there, a vault that has lost it gets it again.
    host.forget_the_vault(id).await;
    let operator = host.operator().await;
    host.until("the vault has it again", async || (host.root().status("HEAD", &sealed, "").await == 200).then_some(())).await;
    host.prove(id).await;
    operator.settle().await;
    operator.stop().await;

    let kept = keys().operator.clone();
    let copy = fetch(&host, &sealed);
    age::decrypt(&kept, &copy).unwrap();
    assert_eq!(host.root().status("DELETE", &sealed, "").await, 204);
    host.delete_identity(id).await;
    let operator = host.operator().await;
    let lost = host.until_condition(id, ConditionKind::Stalled, "True").await.status.unwrap();
    let stalled = condition(&lost.conditions, ConditionKind::Stalled).unwrap();
    assert_eq!(stalled.reason, "DataLost");
    assert!(stalled.message.contains("mastodon-identity"), "{}", stalled.message);
    assert!(!is_true(&lost.conditions, ConditionKind::Ready) && !is_true(&lost.conditions, ConditionKind::IdentityReady));
    assert_eq!((&lost.identity_fingerprint, lost.database_initialised), (&status.identity_fingerprint, true));

    // Neither now, nor after other changes, nor by an operator that has just been started.
    host.deployments(id).delete("web", &DeleteParams::default()).await.unwrap();
    operator.settle().await;
    operator.stop().await;
    let left = host.objects(id).await;
    let operator = host.operator().await;
    operator.settle().await;
    assert_eq!(host.objects(id).await, left);
    assert!(host.identity(id).await.is_none());

    // A sealed copy from elsewhere is all it takes.
    operator.stop().await;
    host.root().put(&sealed, copy).await;
    let operator = host.operator().await;
    let healed = host.until_condition(id, ConditionKind::Ready, "True").await.status.unwrap();
    assert_eq!(host.data(id).await, before);
    assert!(!is_true(&healed.conditions, ConditionKind::Stalled));
    operator.stop().await;
}

/// An object of the store, as bytes.
fn fetch(host: &Host, path: &str) -> Vec<u8> {
    let file = host.rig.dir().join("s3").join(path.trim_start_matches('/'));
    std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

#[tokio::test]
async fn another_identity_is_refused_and_nothing_is_started_with_it() {
    let host = Host::new().await;
    let operator = host.operator().await;
    let id = host.order(|_| {}).await;
    host.until_condition(id, ConditionKind::Ready, "True").await;
    let (before, labels) = (host.data(id).await, host.identity(id).await.unwrap().metadata.labels);
    operator.settle().await;
    operator.stop().await;
    host.delete_identity(id).await;
    let foreign = Identity::generate();
    let data = foreign.variables().into_iter().map(|(name, value)| (name.to_owned(), ByteString(value.as_bytes().to_vec())));
    let mut secret = Secret { data: Some(data.collect()), ..Secret::default() };
    secret.metadata.name = Some("mastodon-identity".into());
    secret.metadata.labels = labels;
    host.secrets(id).create(&PostParams::default(), &secret).await.unwrap();
    host.deployments(id).delete("web", &DeleteParams::default()).await.unwrap();

    // With the status, which knows better, and without one, when the vault does.
    let name = resource_name(id);
    for lost_status in [false, true] {
        if lost_status {
            let nothing = Patch::Merge(json!({"status": null}));
            host.instances().patch_status(&name, &PatchParams::default(), &nothing).await.unwrap();
        }
        let operator = host.operator().await;
        let status = host.until_condition(id, ConditionKind::Stalled, "True").await.status.unwrap();
        let stalled = condition(&status.conditions, ConditionKind::Stalled).unwrap();
        assert_eq!(stalled.reason, "IdentityChanged");
        assert!(stalled.message.contains(&foreign.fingerprint()), "{}", stalled.message);
        assert!(!is_true(&status.conditions, ConditionKind::IdentityReady) && !is_true(&status.conditions, ConditionKind::Ready));
        operator.settle().await;
        assert!(host.deployments(id).get_opt("web").await.unwrap().is_none(), "nothing is started");
        let sealed = vault_path(id, &format!("{}.age", foreign.fingerprint()));
        assert_eq!(host.root().status("HEAD", &sealed, "").await, 404, "the vault does not take it");
        operator.stop().await;
    }

    // The remedy that the message names.
    let operator = host.operator().await;
    host.delete_identity(id).await;
    host.until_condition(id, ConditionKind::Ready, "True").await;
    assert_eq!(host.data(id).await, before);
    operator.stop().await;
}

/// Stands between the operator and the vault, and can be shut.
struct Gate {
    address: String,
    open: Arc<Mutex<Option<CancellationToken>>>,
}

impl Gate {
    async fn new(target: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let open = Arc::<Mutex<Option<CancellationToken>>>::default();
        let state = Arc::clone(&open);
        tokio::spawn(async move {
            while let Ok((mut inner, _)) = listener.accept().await {
                let Some(shut) = state.lock().unwrap().clone() else { continue };
                let target = target.clone();
                tokio::spawn(async move {
                    let mut outer = TcpStream::connect(target).await.unwrap();
                    shut.run_until_cancelled(tokio::io::copy_bidirectional(&mut inner, &mut outer)).await;
                });
            }
        });
        Self { address, open }
    }

    fn open(&self) {
        *self.open.lock().unwrap() = Some(CancellationToken::new());
    }

    fn shut(&self) {
        if let Some(token) = self.open.lock().unwrap().take() {
            token.cancel();
        }
    }
}

#[tokio::test]
async fn without_a_vault_nothing_begins_and_what_runs_goes_on() {
    let host = Host::new().await;
    let gate = Gate::new(host.rig.s3().endpoint().trim_start_matches("http://").to_owned()).await;
    let mut settings: Settings = host.settings();
    let clock: SharedClock = Arc::new(SystemClock);
    // A vault on a server of its own is there already.
    let store = bucket::connect(&settings.storage, &clock).unwrap();
    let vault = Bucket { name: &settings.vault.bucket, purpose: Purpose::Vault };
    store.ensure(vault, &keys().key).await.unwrap();
    settings.vault.endpoint = Some(gate.address.parse().unwrap());

    let operator = host.operator_with(settings.clone()).await;
    let id = host.order(|_| {}).await;
    let reason = async || {
        let status = host.get(id).await.status?;
        let identity = condition(&status.conditions, ConditionKind::IdentityReady)?;
        Some((identity.status.clone(), identity.reason.clone()))
    };
    let unavailable = ("False".to_owned(), "VaultUnavailable".to_owned());
    host.until("it waits for the vault", async || (reason().await? == unavailable).then_some(())).await;
    operator.settle().await;
    let objects = host.objects(id).await;
    let begun = ["Namespace/the one", "Secret/cache-password", "Secret/mastodon-backup", "Secret/mastodon-media"];
    assert_eq!(names(&objects), BTreeSet::from(begun), "nothing is started, and no identity made");

    gate.open();
    host.until_condition(id, ConditionKind::Ready, "True").await;
    host.prove(id).await;
    let before = host.data(id).await;
    assert_eq!(names(&host.objects(id).await), whole());
    operator.settle().await;
    operator.stop().await;

    // It is away when an operator starts anew: servers are looked after all the same.
    gate.shut();
    host.forget_the_vault(id).await;
    let operator = host.operator_with(settings).await;
    host.deployments(id).delete("web", &DeleteParams::default()).await.unwrap();
    host.until("the Deployment is back", async || host.deployments(id).get_opt("web").await.unwrap()).await;
    let unproven = ("True".to_owned(), "VaultUnavailable".to_owned());
    host.until("it says so", async || (reason().await? == unproven).then_some(())).await;
    host.until_condition(id, ConditionKind::Ready, "True").await;

    // A Secret that is lost meanwhile is not taken for lost data.
    let gone = host.delete_identity(id).await;
    host.until("it waits for the vault", async || (reason().await? == unavailable).then_some(())).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let status = host.get(id).await.status.unwrap();
    assert!(!is_true(&status.conditions, ConditionKind::Stalled));
    assert!(host.identity(id).await.is_none());
    gate.open();
    assert_eq!(host.identity_after(id, &gone).await, before);
    host.until_condition(id, ConditionKind::Ready, "True").await;
    operator.stop().await;
}

#[tokio::test]
async fn of_two_operators_at_once_the_vault_holds_what_the_secret_does() {
    let host = Host::new().await;
    let (one, two) = (host.operator().await, host.operator().await);
    let mut ids = Vec::new();
    for _ in 0..6 {
        ids.push(host.order(|_| {}).await);
    }
    for id in &ids {
        let status = host.until_condition(*id, ConditionKind::IdentityReady, "True").await.status.unwrap();
        host.prove(*id).await;
        let data = host.data(*id).await;
        assert_eq!(Some(Identity::read(&data).unwrap().fingerprint()), status.identity_fingerprint);
    }
    one.stop().await;
    two.stop().await;
    // A key that opens the vault is no server's.
    for id in ids {
        for secret in ["mastodon-media", "mastodon-backup"] {
            let data = host.secrets(id).get(secret).await.unwrap().data.unwrap();
            let text = |name: &str| String::from_utf8(data[name].0.clone()).unwrap();
            let (access, secret) = (text("AWS_ACCESS_KEY_ID"), text("AWS_SECRET_ACCESS_KEY"));
            let server = S3Client::new(host.rig.s3().endpoint(), REGION, &access, &secret);
            assert_eq!(server.status("GET", &vault_path(id, "current"), "").await, 403);
            assert_eq!(server.status("PUT", &vault_path(id, "current"), "mine").await, 403);
        }
    }
}

/// The program itself; returns whether it went well, what it printed and what it complained about.
fn run(args: &[&str]) -> (bool, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_paddock")).args(args).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

#[tokio::test]
async fn keys_are_made_the_vault_is_checked_and_an_identity_recovered_offline() {
    let host = Host::new().await;
    let dir = host.rig.dir().join("vault-command");
    std::fs::create_dir_all(&dir).unwrap();
    let path = |name: &str| dir.join(name).display().to_string();

    // What keygen prints is the section as it is read.
    let keygen = ["admin", "vault", "keygen", "--bucket", "recovered-vault", "--key-file", &path("offline.key")];
    let (made, section, advice) = run(&keygen);
    assert!(made && advice.contains("delete the file"), "{advice}");
    assert_eq!(std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(path("offline.key")).unwrap()) & 0o777, 0o600);
    assert!(!run(&keygen).0, "a key is never overwritten");
    let mut reference: toml::Table = paddock::config::REFERENCE.parse().unwrap();
    let printed: toml::Table = section.parse().unwrap();
    let (access, secret) = host.rig.s3().root_credentials();
    let operator = reference["operator"].as_table_mut().unwrap();
    operator.insert("vault".into(), printed["operator"]["vault"].clone());
    let storage = operator["storage"].as_table_mut().unwrap();
    for (name, value) in
        [("endpoint", host.rig.s3().endpoint()), ("region", REGION), ("access_key", access), ("secret_key", secret)]
    {
        storage.insert(name.into(), value.into());
    }
    let (database, kubeconfigs) = database_of(host.rig, "paddock").await;
    reference["clusters"]["kubeconfigs"] = kubeconfigs.display().to_string().into();
    reference["database"]["url"] = database.url().into();
    std::fs::write(path("paddock.toml"), toml::to_string(&reference).unwrap()).unwrap();

    let mut settings = host.settings();
    settings.vault = printed["operator"]["vault"].clone().try_into().unwrap();
    let operator = host.operator_with(settings).await;
    let id = host.order(|_| {}).await;
    let status = host.until_condition(id, ConditionKind::Ready, "True").await.status.unwrap();
    operator.settle().await;
    operator.stop().await;
    let config = path("paddock.toml");
    let (_, held, faults) = run(&["admin", "vault", "check", "--config", &config]);
    // (What other tests have left behind is not of interest.)
    let count: usize = held.split(' ').next().unwrap().parse().unwrap_or_else(|_| panic!("{held}{faults}"));
    assert!(count >= 1 && !faults.contains(&id.to_string()), "{held}{faults}");

    // With the offline key, out of the vault and out of a file of it: the lines of the Secret.
    let wanted: BTreeMap<String, String> =
        host.data(id).await.into_iter().map(|(name, value)| (name, String::from_utf8(value.0).unwrap())).collect();
    let read = |text: &str| -> BTreeMap<String, String> {
        text.lines().map(|line| line.split_once('=').unwrap()).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    };
    let (instance, key) = (id.to_string(), path("offline.key"));
    let recover = ["admin", "vault", "recover", "--instance", &instance, "--key-file", &key];
    let (opened, lines, told) = run(&[&recover[..], &["--config", &config]].concat());
    assert!(opened, "{told}");
    assert_eq!(read(&lines), wanted);
    let fingerprint = status.identity_fingerprint.unwrap();
    assert!(told.contains(&fingerprint), "{told}");
    let sealed = format!("/recovered-vault/{}/{fingerprint}.age", namespace_name(id));
    let (file, out) = (path("sealed.age"), path("identity.env"));
    std::fs::write(&file, fetch(&host, &sealed)).unwrap();
    let from_file = [&recover[..], &["--sealed", &file, "--out", &out]].concat();
    let (opened, lines, told) = run(&from_file);
    assert!(opened && lines.is_empty(), "{told}");
    assert_eq!(read(&std::fs::read_to_string(&out).unwrap()), wanted);
    assert!(!run(&from_file).0, "and nothing is overwritten");

    // Another key, another server, and a vault without it: each says what is wrong, and nothing of what is secret.
    std::fs::write(path("wrong.key"), x25519::Identity::generate().to_string().expose_secret()).unwrap();
    let wrong = ["admin", "vault", "recover", "--instance", &instance, "--key-file", &path("wrong.key"), "--config", &config];
    let (opened, _, told) = run(&wrong);
    assert!(!opened && told.contains("does not open it"), "{told}");
    let other = InstanceId::new().to_string();
    let foreign = ["admin", "vault", "recover", "--instance", &other, "--key-file", &key, "--sealed", &file];
    let (opened, _, told) = run(&foreign);
    assert!(!opened && told.contains("not of"), "{told}");
    assert_eq!(host.root().status("DELETE", &sealed, "").await, 204);
    let (whole, _, faults) = run(&["admin", "vault", "check", "--config", &config]);
    assert!(!whole && faults.contains(&instance) && faults.contains("is not in the vault"), "{faults}");
    assert!(wanted.values().all(|value| !faults.contains(value) && !told.contains(value)));
}
