//! Custom resources that nobody could bring about: the API server refuses them when they are written, and says what to do.

use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use paddock::ids::InstanceId;
use paddock::resource::{MastodonInstance, resource_name};
use serde_json::{Value, json};

use super::Host;

/// A change of a good resource: where (a JSON pointer), what is put there (`null` takes away), and words of the answer.
type Case = (&'static str, &'static str, Value, &'static str);

fn when_made() -> Vec<Case> {
    let many = json!({"replicas": 8, "concurrency": 4, "threads": 32, "memoryMib": 4096, "cpuMilli": 100});
    vec![
        ("no domain", "/spec/domain", json!(null), "spec.domain: Required value"),
        ("an empty domain", "/spec/domain", json!(""), "should be at least 4 chars long"),
        ("a domain of one label", "/spec/domain", json!("cats"), "names with a dot in them"),
        ("capitals", "/spec/domain", json!("Cats.example"), "in small letters"),
        ("letters that are not ASCII", "/spec/domain", json!("kätzchen.example"), "write other letters as A-labels"),
        ("an underscore", "/spec/domain", json!("my_cats.example"), "digits and hyphens"),
        ("a hyphen at the end", "/spec/domain", json!("cats-.example"), "must be names"),
        ("a dot at the end", "/spec/domain", json!("cats.example."), "must be names"),
        ("a port", "/spec/domain", json!("cats.example:443"), "must be names"),
        ("a URL", "/spec/domain", json!("https://cats.example"), "must be names"),
        ("a long label", "/spec/domain", json!(format!("{}.example", "a".repeat(64))), "must be names"),
        ("a long domain", "/spec/domain", json!(format!("{}example", "a.".repeat(130))), "spec.domain: Too long"),
        ("an address", "/spec/domain", json!("192.0.2.7"), "must not be addresses"),
        ("a reserved label", "/spec/domain", json!("ab--cats.example"), "unless it is an A-label"),
        ("a name of a local network", "/spec/domain", json!("cats.local"), "that other servers can look up"),
        ("a name of the cluster", "/spec/domain", json!("web.mastodon.svc.cluster.local"), "that other servers can look up"),
        ("the same name twice", "/spec/webDomain", "DOMAIN".into(), "leave it out"),
        ("a web domain of one label", "/spec/webDomain", json!("cats"), "names with a dot in them"),
        ("an address for the web", "/spec/webDomain", json!("10.0.0.1"), "must not be addresses"),
        ("no mode", "/spec/mode", json!(null), "spec.mode: Required value"),
        ("an unknown mode", "/spec/mode", json!({"asleep": {}}), "spec.mode"),
        ("two modes", "/spec/mode", json!({"running": {}, "archived": {}}), "spec.mode"),
        ("suspended for nothing", "/spec/mode", json!({"suspended": {}}), "spec.mode.suspended.reason: Required value"),
        ("a sentence for a reason", "/spec/mode", json!({"suspended": {"reason": "Has not paid"}}), "such as unpaid"),
        ("no release", "/spec/version", json!(null), "spec.version: Required value"),
        ("a tag", "/spec/version", json!("v4.5.20"), "without v"),
        ("the newest", "/spec/version", json!("latest"), "a release such as 4.5.20"),
        ("a candidate", "/spec/version", json!("4.6.0-rc.1"), "without a suffix"),
        ("half a release", "/spec/version", json!("4.5"), "a release such as 4.5.20"),
        ("a digest instead of a release", "/spec/version", json!("sha256:0000000000000000"), "spec.version: Too long"),
        ("a release as a number", "/spec/version", json!(4.5), "must be of type string"),
        ("no owner", "/spec/owner", json!(null), "spec.owner: Required value"),
        ("an owner who is kept back", "/spec/owner/username", json!("Admin"), "Mastodon keeps back: choose another"),
        ("a hyphen in a user name", "/spec/owner/username", json!("ada-lovelace"), "letters a to z, digits and underscores"),
        ("a long user name", "/spec/owner/username", json!("a".repeat(31)), "spec.owner.username: Too long"),
        ("a user name for a shell", "/spec/owner/username", json!("$(reboot)"), "letters a to z, digits and underscores"),
        ("an owner without an address", "/spec/owner/email", json!("ada"), "an address such as ada@mail.example"),
        ("an address without a dot", "/spec/owner/email", json!("ada@mail"), "an address such as ada@mail.example"),
        (
            "an address that is an option",
            "/spec/owner/email",
            json!("--role@mail.example"),
            "an address such as ada@mail.example",
        ),
        ("an address of two lines", "/spec/owner/email", json!("ada@mail.example\nbcc: all@mail.example"), "an address such as"),
        ("a language in words", "/spec/locale", json!("English"), "a language such as en or pt-BR"),
        ("no pods", "/spec/size/web/replicas", json!(0), "should be greater than or equal to 1"),
        ("too many pods", "/spec/size/web/replicas", json!(65), "should be less than or equal to 64"),
        ("half a pod", "/spec/size/web/replicas", json!(1.5), "must be of type integer"),
        ("too many connections", "/spec/size/web", many, "970 connections that Postgres can spare: lower"),
        (
            "too many workers",
            "/spec/size/sidekiq",
            json!({"replicas": 8, "concurrency": 200, "memoryMib": 900, "cpuMilli": 100}),
            "lower replicas",
        ),
        ("a database too small for its connections", "/spec/size/database/memoryMib", json!(128), "4 MiB for each connection"),
        ("processes without memory", "/spec/size/web/concurrency", json!(8), "256 more for each of spec.size.web.concurrency"),
        ("a cache that does not fit its disk", "/spec/size/cache/memoryMib", json!(4096), "raise it to at least memoryMib / 512"),
        ("more memory than there is", "/spec/size/web/memoryMib", json!(2_000_000), "should be less than or equal to 1048576"),
        ("no disk", "/spec/size/database/storageGib", json!(0), "should be greater than or equal to 1"),
        ("a most that is less", "/spec/size/database/storageMostGib", json!(5), "what the disk may grow to: at least storageGib"),
        ("a PostgreSQL of long ago", "/spec/majors", json!({"postgres": 9}), "should be greater than or equal to 10"),
        ("six databases", "/spec/size/database/instances", json!(6), "should be less than or equal to 5"),
        ("no media", "/spec/size/mediaGib", json!(-1), "should be greater than or equal to"),
        (
            "a name that is no instance's",
            "/metadata/name",
            json!("cats"),
            "metadata.name must be ins- and the 26 letters and digits",
        ),
        ("a name in capitals", "/metadata/name", json!("ins-01JD0000000000000000000000"), "metadata.name: Invalid value"),
    ]
}

fn when_changed() -> Vec<Case> {
    vec![
        ("another domain", "/spec/domain", json!("other.hosts.example"), "spec.domain can never change"),
        ("a web domain later", "/spec/webDomain", json!("web.hosts.example"), "spec.webDomain can never change, be added"),
        ("another owner", "/spec/owner/username", json!("eve"), "give others the role inside Mastodon"),
        ("another address of the owner", "/spec/owner/email", json!("eve@mail.example"), "names the first owner only"),
        ("less disk for the database", "/spec/size/database/storageGib", json!(19), "volumes grow and never shrink"),
        ("less disk for the cache", "/spec/size/cache/storageGib", json!(1), "volumes grow and never shrink"),
        ("a bad release", "/spec/version", json!("4.5.x"), "a release such as 4.5.20"),
        ("too many threads", "/spec/size/sidekiq/concurrency", json!(201), "should be less than or equal to 200"),
    ]
}

/// The resource with a change.
fn with(good: &Value, at: &str, value: &Value) -> Value {
    let mut changed = good.clone();
    let (parent, key) = at.rsplit_once('/').unwrap();
    let parent = changed.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    match value {
        Value::Null => drop(parent.remove(key).unwrap()),
        Value::String(text) if text == "DOMAIN" => drop(parent.insert(key.to_owned(), good["spec"]["domain"].clone())),
        value => drop(parent.insert(key.to_owned(), value.clone())),
    }
    changed
}

#[tokio::test]
async fn what_can_be_refused_at_once_is_refused_with_what_to_do() {
    let host = Host::new().await;
    let id = InstanceId::new();
    let name = resource_name(id);
    let good = Host::wanted(&name);
    let all: kube::Api<kube::api::DynamicObject> =
        kube::Api::all_with(host.client.clone(), &kube::api::ApiResource::erase::<MastodonInstance>(&()));
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    all.create(&dry, &serde_json::from_value(good.clone()).unwrap()).await.unwrap();

    let mut wrong = Vec::new();
    let mut judge = |what: &str, words: &str, answer: Result<String, kube::Error>| match answer {
        Err(kube::Error::Api(status)) if status.code == 422 && status.message.contains(words) => {}
        Err(error) => wrong.push(format!("{what}: {error}")),
        Ok(name) => wrong.push(format!("{what}: {name} was let in")),
    };
    for (what, at, value, words) in when_made() {
        let bad = serde_json::from_value(with(&good, at, &value)).unwrap();
        judge(what, words, all.create(&dry, &bad).await.map(|made| made.metadata.name.unwrap_or_default()));
    }
    host.instances().create(&PostParams::default(), &serde_json::from_value(good.clone()).unwrap()).await.unwrap();
    for (what, at, value, words) in when_changed() {
        let bad = with(&good, at, &value);
        let params = PatchParams { dry_run: true, ..PatchParams::apply("fleet").force() };
        judge(
            what,
            words,
            all.patch(&name, &params, &Patch::Apply(&bad)).await.map(|made| made.metadata.name.unwrap_or_default()),
        );
    }
    // More disk is fine, and so is every size of the catalogue: see isolation.rs.
    let more = with(&good, "/spec/size/database/storageGib", &json!(21));
    all.patch(&name, &PatchParams::apply("fleet").force(), &Patch::Apply(&more)).await.unwrap();
    host.instances().delete(&name, &DeleteParams::default()).await.unwrap();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let count = when_made().len() + when_changed().len();
    assert!(count >= 50);
    println!("{count} bad custom resources refused at admission");
}

#[tokio::test]
async fn domain_and_owner_can_never_change() {
    let host = Host::new().await;
    let id = host.order(|_| {}).await;
    for patch in [
        json!({"spec": {"domain": "other.hosts.example"}}),
        json!({"spec": {"webDomain": "web.hosts.example"}}),
        json!({"spec": {"owner": {"username": "eve"}}}),
    ] {
        let refused =
            host.instances().patch(&resource_name(id), &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap_err();
        assert!(refused.to_string().contains("change"), "{refused}");
    }
    host.instances().delete(&resource_name(id), &DeleteParams::default()).await.unwrap();
}
