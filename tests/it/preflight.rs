//! `paddock preflight` against the rig: first with everything as it should be, then with one thing of each kind broken.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use k8s_openapi::api::admissionregistration::v1::ValidatingAdmissionPolicyBinding;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Client, ResourceExt};
use paddock::demo::mailbox::Behaviour;
use paddock::demo::rig::Rig;
use paddock::demo::stage::{HOSTS_DOMAIN, Stage, StageSettings};
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::time::Instant;

use crate::dns::name_server;
use crate::harness::{chart, turn};

/// The rig's wildcard domain.
const DOMAIN: &str = "hosts.example";

/// Everything that is looked at; each run must name all of it.
const NAMES: [&str; 27] = [
    "API server",
    "Gateway",
    "Pod Security",
    "Postgres",
    "Stripe account",
    "a server's objects",
    "admission policies",
    "certificate issuer",
    "clock",
    "configuration",
    "database roles",
    "definitions",
    "failed payments",
    "images",
    "listener",
    "listener sets",
    "mail",
    "migrations",
    "network policies",
    "operator's rights",
    "our definitions",
    "policies hold",
    "servers reach each other",
    "servers' mail relay",
    "storage class",
    "user namespaces",
    "webhook",
];

struct Surroundings {
    rig: &'static Rig,
    client: Client,
    stage: Stage,
    /// The configuration's text.
    text: String,
    dir: std::path::PathBuf,
}

impl Surroundings {
    async fn new(rig: &'static Rig) -> Self {
        let client = rig.cluster().client().await.unwrap();
        let dir = rig.dir().join("preflight");
        let settings = StageSettings {
            dir: dir.clone(),
            database: "preflight".into(),
            ports: [0, 0, 0],
            sweep_seconds: 3600,
            capacity: 10,
            identity: "admin".into(),
        };
        let stage = Stage::open(rig, &settings).await.unwrap();
        let text = fs::read_to_string(&stage.config_file).unwrap();
        let text = text.replace(HOSTS_DOMAIN, DOMAIN).replace("127.0.0.1:53", &name_server().await.to_string());
        Self { rig, client, stage, text, dir }
    }

    fn write(&self, name: &str, text: &str) -> std::path::PathBuf {
        let path = self.dir.join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// Installs the chart with the images that the program names.
    async fn install_chart(&self) {
        let config = self.write("good.toml", &self.text);
        let output = paddock(&["admin", "images", "--config"], &config).await;
        assert!(output.0, "{}", output.2);
        let mut values: Value = serde_yaml_ng::from_str(&output.1).unwrap();
        assert!(values["operator"]["images"].as_array().unwrap().len() >= 4, "{values}");
        let releases = concat!(env!("CARGO_MANIFEST_DIR"), "/catalogue/releases.toml");
        values["catalogue"] = json!({"releases": fs::read_to_string(releases).unwrap()});
        chart::install(self.rig, &values).await;
    }

    /// The one resolver of the configuration.
    fn resolver(&self) -> String {
        let after = self.text.split_once("resolvers = [\"").expect("dns.resolvers").1;
        after.split_once('"').expect("an address").0.to_owned()
    }

    /// The issuer of certificates says that it is ready: cert-manager itself does not run here.
    async fn issuer(&self) {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("cert-manager.io", "v1", "ClusterIssuer"));
        let issuers: Api<DynamicObject> = Api::all_with(self.client.clone(), &resource);
        let status = json!({"status": {"conditions": [{"type": "Ready", "status": "True", "reason": "IsReady", "message": ""}]}});
        issuers.patch_status("simulated", &PatchParams::default(), &Patch::Merge(&status)).await.unwrap();
    }

    /// Runs preflight; whether it found no fault, and for each name the worst verdict with its words.
    async fn preflight(&self, name: &str, text: &str) -> (bool, BTreeMap<String, (String, String)>) {
        let config = self.write(name, text);
        let begun = Instant::now();
        let (good, out, err) = paddock(&["preflight", "--json", "--cluster", &self.stage.kubeconfig, "--config"], &config).await;
        let report: Value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out} {err}"));
        println!("{name}: {} checks in {:?}", report["checks"].as_array().unwrap().len(), begun.elapsed());
        let mut found: BTreeMap<String, (String, String)> = BTreeMap::new();
        for check in report["checks"].as_array().unwrap() {
            let text = |key: &str| check[key].as_str().unwrap_or_default().to_owned();
            let (verdict, words) = (text("verdict"), format!("{} → {}", text("found"), text("remedy")));
            assert!(verdict == "ok" || !text("remedy").is_empty(), "{check} says not what to do");
            let worst = found.entry(text("name")).or_insert_with(|| (verdict.clone(), String::new()));
            if verdict == "fault" || worst.0 == "ok" {
                worst.0 = verdict;
            }
            worst.1 = format!("{}\n{words}", worst.1);
        }
        assert_eq!(good, report["faults"] == 0, "the exit code says whether there are faults: {err}");
        (good, found)
    }
}

/// Whether it ended well, and what it wrote.
async fn paddock(args: &[&str], config: &Path) -> (bool, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_paddock"));
    let output = command.args(args).arg(config).kill_on_drop(true).output();
    let output = tokio::time::timeout(Duration::from_mins(3), output).await.unwrap().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout), text(&output.stderr))
}

#[tokio::test]
async fn a_good_cluster_passes_and_each_broken_thing_is_named_with_its_remedy() {
    let turn = turn().await;
    let there = Surroundings::new(turn.rig()).await;
    there.install_chart().await;
    there.issuer().await;

    let (good, found) = there.preflight("good.toml", &there.text).await;
    let verdicts: BTreeMap<&str, &str> = found.iter().map(|(name, (verdict, _))| (name.as_str(), verdict.as_str())).collect();
    assert!(good, "{found:#?}");
    let mut names: Vec<&str> = verdicts.keys().copied().collect();
    names.retain(|name| *name != "wildcard name");
    assert_eq!(names, NAMES);
    assert_eq!(verdicts["wildcard name"], "ok", "{:?}", found["wildcard name"]);
    // What no rig can show: nodes that are real, pods that run, and a setting of Stripe's dashboard.
    let warned: Vec<&str> = verdicts.iter().filter(|(_, verdict)| **verdict != "ok").map(|(name, _)| *name).collect();
    assert_eq!(warned, ["failed payments", "network policies", "servers reach each other", "user namespaces"], "{found:#?}");
    assert!(found["network policies"].1.contains("could not be shown"), "{:?}", found["network policies"]);
    // Nothing is left of it.
    let namespaces: Api<Namespace> = Api::all(there.client.clone());
    let left = namespaces.list(&ListParams::default()).await.unwrap().items;
    let left = left.iter().filter(|one| one.name_any().starts_with("mastodon-") && one.metadata.deletion_timestamp.is_none());
    let left = left.filter(|one| one.annotations().get("paddock.host/holds-data").is_none());
    assert_eq!(left.map(ResourceExt::name_any).collect::<Vec<_>>(), Vec::<String>::new());

    // One thing of each kind is broken; every check still runs.
    let stiff = "{apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {name: stiff}, provisioner: paddock.rig/volumes}";
    there.rig.cluster().apply(stiff).await.unwrap();
    let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(there.client.clone());
    bindings.delete("paddock-operator-pods", &DeleteParams::default()).await.unwrap();
    let maps: Api<ConfigMap> = Api::namespaced(there.client.clone(), chart::RELEASE);
    let list = maps.get("paddock-images").await.unwrap().data.unwrap()["images"].clone();
    let shorter = list.lines().filter(|line| !line.contains("valkey")).collect::<Vec<_>>().join("\n");
    let set = async |images: &str| {
        let patch = json!({"data": {"images": images}});
        maps.patch("paddock-images", &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    };
    set(&shorter).await;
    there.rig.postgres().create_database("preflight_empty", None).await.unwrap();
    there.stage.stripe.control().set_webhook_url(Some("https://elsewhere.example/hooks".parse().unwrap()));
    there.stage.mailbox.behave(Behaviour::Closed);
    let broken = there
        .text
        .replace("section = \"https\"", "section = \"http\"")
        .replace("issuer = { name = \"simulated\" }", "issuer = { name = \"nobody\" }")
        .replace("sk_test_demo", "sk_test_wrong")
        .replace("/preflight?", "/preflight_empty?")
        .replace("[operator]\n", "[operator]\nstorage_class = \"stiff\"\n")
        .replace(&there.resolver(), "127.0.0.1:9");
    let mut looked = there.preflight("broken.toml", &broken).await;
    // The API server takes a while to notice that a policy is no longer bound.
    for _ in 0..5 {
        if looked.1.get("policies hold").is_some_and(|(verdict, _)| verdict == "ok") {
            looked = there.preflight("broken.toml", &broken).await;
        }
    }
    let (good, found) = looked;
    assert!(!good);
    let expected = [
        ("listener", "there is none called http", "the Gateway has https"),
        ("certificate issuer", "no ClusterIssuer called nobody", "operator.address.issuer"),
        ("a server's objects", "is signed by ClusterIssuer simulated", "the chart of this version"),
        ("storage class", "the volumes of stiff can't grow", "allowVolumeExpansion: true"),
        ("storage class", "deletes a volume together with its claim", "Retain"),
        ("wildcard name", "preflight-", "dns.resolvers"),
        ("admission policies", "not in force: paddock-operator-pods", "install the chart"),
        ("policies hold", "forbidden objects are not refused", "install the chart's policies"),
        ("images", "the API server would refuse docker.io/valkey/valkey:8.1", "paddock admin images"),
        ("a server's objects", "does not list docker.io/valkey/valkey:8.1", "the chart of this version"),
        ("mail", "127.0.0.1:", "correct mail.smtp"),
        ("servers' mail relay", "127.0.0.1:", "correct operator.mail"),
        ("migrations", "outstanding", "run paddock migrate"),
        ("Stripe account", "Stripe", "correct stripe.api_key"),
    ];
    for (name, words, remedy) in expected {
        let (verdict, text) = found.get(name).unwrap_or_else(|| panic!("{name} was not looked at: {found:#?}"));
        assert_eq!(verdict, "fault", "{name}: {text}");
        assert!(text.contains(words) && text.contains(remedy), "{name}: {words} and {remedy} in {text}");
    }
    for name in NAMES {
        assert!(found.contains_key(name), "{name} was not looked at");
    }

    // With the right key the webhook that goes elsewhere shows; without an API server all else is still looked at.
    let port = there.rig.cluster().port().to_string();
    let kubeconfig = fs::read_to_string(there.rig.cluster().kubeconfig()).unwrap().replace(&port, "9");
    let kubeconfig = there.write(&there.stage.kubeconfig, &kubeconfig);
    let folder = |file: &Path| format!("kubeconfigs = \"{}\"", file.parent().unwrap().display());
    let alone = there.text.replace(&folder(&there.rig.cluster().kubeconfig()), &folder(&kubeconfig));
    let (good, found) = there.preflight("alone.toml", &alone).await;
    assert!(!good && found["API server"].0 == "fault");
    assert!(
        found["webhook"].1.contains("none goes to") && found["webhook"].1.contains("elsewhere.example"),
        "{:?}",
        found["webhook"]
    );
    for (name, verdict) in [("migrations", "ok"), ("Postgres", "ok"), ("Stripe account", "ok")] {
        assert_eq!(found[name].0, verdict, "{:?}", found[name]);
    }
    // A configuration that can't be read is told too.
    let (good, found) = there.preflight("unreadable.toml", &there.text.replace("smtp+plain://", "post://")).await;
    assert!(!good && found["configuration"].1.contains("mail.smtp"), "{found:?}");
    // For the tests that come after.
    there.install_chart().await;
}
