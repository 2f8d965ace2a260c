//! The chart as helm renders it, and installed into the rig's cluster.

use std::io::Write as _;
use std::process::Command;

use paddock::demo::rig::{Rig, Tools};
use serde::Deserialize as _;
use serde_json::Value;

/// The namespace of the release; its name is the same.
pub const RELEASE: &str = "paddock";

/// The chart's manifests with these values, definitions first.
pub fn render(values: &Value) -> String {
    let mut file = std::env::temp_dir();
    file.push(format!("paddock-chart-{}-{:x}.yaml", std::process::id(), rand::random::<u64>()));
    // JSON is YAML.
    std::fs::File::create(&file).unwrap().write_all(values.to_string().as_bytes()).unwrap();
    let root = env!("CARGO_MANIFEST_DIR");
    let mut helm = Command::new(Tools::find().unwrap().cluster);
    helm.arg("render-chart").arg(format!("{root}/charts/paddock")).arg("--values").arg(&file).arg("--namespace").arg(RELEASE);
    let output = helm.output().unwrap();
    std::fs::remove_file(&file).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The manifests one by one, each in the release's namespace where it is of a kind that has one: helm sets that when it installs.
pub fn objects(values: &Value) -> Vec<Value> {
    let everywhere = |kind: &str| {
        let beginnings = ["Cluster", "CustomResourceDefinition", "FlowSchema", "PriorityLevel", "ValidatingAdmissionPolicy"];
        beginnings.iter().any(|beginning| kind.starts_with(beginning))
    };
    let rendered = render(values);
    let documents = serde_yaml_ng::Deserializer::from_str(&rendered).map(|document| Value::deserialize(document).unwrap());
    let mut objects: Vec<Value> = documents.filter(|object| !object.is_null()).collect();
    for object in &mut objects {
        if !everywhere(object["kind"].as_str().unwrap()) {
            object["metadata"]["namespace"] = RELEASE.into();
        }
    }
    objects
}

/// Installs it, again where it is there already.
pub async fn install(rig: &Rig, values: &Value) {
    let documents: Vec<String> = objects(values).iter().map(Value::to_string).collect();
    rig.cluster().apply(&documents.join("\n---\n")).await.unwrap();
}
