//! Pods that no server may have: each a change of one of ours.

use serde_json::{Value, json};

/// One change of a pod template.
pub struct Hostile {
    pub what: &'static str,
    /// Where in the template, as a JSON pointer; a list grows by its next index.
    at: &'static str,
    /// What is put there; `null` takes away.
    value: Value,
    /// The restricted profile refuses it by itself; the rest is our own wall's.
    pub by_profile: bool,
}

impl Hostile {
    /// The template with the change.
    pub fn of(&self, template: &Value) -> Value {
        let mut changed = template.clone();
        if self.by_profile {
            // In a user namespace of its own root is nobody on the node, so the profile lets it in (our own wall does not), and parts of
            // the host are no valid pod. What the profile refuses by itself is seen without one.
            changed["spec"].as_object_mut().unwrap().remove("hostUsers");
        }
        put(&mut changed, self.at, &self.value);
        changed
    }
}

fn put(root: &mut Value, at: &str, value: &Value) {
    let mut place = root;
    let mut steps = at.split('/').skip(1).map(|part| part.replace("~1", "/")).peekable();
    while let Some(part) = steps.next() {
        let last = steps.peek().is_none();
        if last && value.is_null() {
            place.as_object_mut().unwrap().remove(&part).unwrap_or_else(|| panic!("{at}: nothing to take away"));
            return;
        }
        place = match part.parse::<usize>() {
            Ok(index) => {
                if place.is_null() {
                    *place = json!([]);
                }
                let items = place.as_array_mut().unwrap();
                assert!(index <= items.len(), "{at}");
                if index == items.len() {
                    items.push(Value::Null);
                }
                &mut items[index]
            }
            Err(_) => &mut place[part.as_str()],
        };
    }
    *place = value.clone();
}

/// Everything that is tried.
#[expect(clippy::too_many_lines, reason = "a table")]
pub fn hostile() -> Vec<Hostile> {
    let profile = |what, at, value| Hostile { what, at, value, by_profile: true };
    let wall = |what, at, value| Hostile { what, at, value, by_profile: false };
    let image = "registry.example/mastodon:v4.5.20";
    let digest = "1".repeat(64);
    vec![
        profile("the network of the host", "/spec/hostNetwork", json!(true)),
        profile("the processes of the host", "/spec/hostPID", json!(true)),
        profile("the shared memory of the host", "/spec/hostIPC", json!(true)),
        profile("a port of the host", "/spec/containers/0/ports/0", json!({"containerPort": 3000, "hostPort": 3000})),
        profile("a folder of the host", "/spec/volumes/2", json!({"name": "host", "hostPath": {"path": "/"}})),
        profile("a disk over the network", "/spec/volumes/2", json!({"name": "nfs", "nfs": {"server": "10.0.0.1", "path": "/"}})),
        profile(
            "a block device over the network",
            "/spec/volumes/2",
            json!({
                "name": "disk", "iscsi": {"targetPortal": "10.0.0.1", "iqn": "iqn.2001-04.com.example:x", "lun": 0},
            }),
        ),
        profile("a disk of another cluster", "/spec/volumes/2", json!({"name": "disk", "cephfs": {"monitors": ["10.0.0.1"]}})),
        profile("a privileged container", "/spec/containers/0/securityContext", json!({"privileged": true})),
        profile("more rights than the parent", "/spec/containers/0/securityContext/allowPrivilegeEscalation", json!(true)),
        profile(
            "unsaid whether it may get more rights",
            "/spec/containers/0/securityContext/allowPrivilegeEscalation",
            json!(null),
        ),
        profile("a capability over the network", "/spec/containers/0/securityContext/capabilities/add", json!(["NET_ADMIN"])),
        profile("the capability of everything", "/spec/containers/0/securityContext/capabilities/add", json!(["SYS_ADMIN"])),
        profile("all capabilities kept", "/spec/containers/0/securityContext/capabilities", json!(null)),
        profile("one capability dropped", "/spec/containers/0/securityContext/capabilities/drop", json!(["NET_RAW"])),
        profile("root", "/spec/securityContext/runAsUser", json!(0)),
        profile("a root container", "/spec/containers/0/securityContext/runAsUser", json!(0)),
        profile("maybe root", "/spec/securityContext/runAsNonRoot", json!(false)),
        profile("a container that may be root", "/spec/containers/0/securityContext/runAsNonRoot", json!(false)),
        profile("no seccomp", "/spec/securityContext/seccompProfile/type", json!("Unconfined")),
        profile("no seccomp said", "/spec/securityContext/seccompProfile", json!(null)),
        profile(
            "a container without seccomp",
            "/spec/containers/0/securityContext/seccompProfile",
            json!({"type": "Unconfined"}),
        ),
        wall("the whole of /proc", "/spec/containers/0/securityContext/procMount", json!("Unmasked")),
        profile("a setting of the kernel", "/spec/securityContext/sysctls", json!([{"name": "kernel.msgmax", "value": "65536"}])),
        profile("an SELinux type", "/spec/securityContext/seLinuxOptions", json!({"type": "spc_t"})),
        profile(
            "an SELinux user of a container",
            "/spec/containers/0/securityContext/seLinuxOptions",
            json!({"user": "system_u"}),
        ),
        profile("no AppArmor", "/spec/containers/0/securityContext/appArmorProfile", json!({"type": "Unconfined"})),
        profile("no AppArmor for the pod", "/spec/securityContext/appArmorProfile", json!({"type": "Unconfined"})),
        profile(
            "a probe of the node",
            "/spec/containers/0/readinessProbe",
            json!({"httpGet": {"host": "169.254.169.254", "path": "/", "port": 80}}),
        ),
        profile(
            "a hook at the node",
            "/spec/containers/0/lifecycle",
            json!({"preStop": {"httpGet": {"host": "127.0.0.1", "path": "/", "port": 10250}}}),
        ),
        profile("a privileged first container", "/spec/initContainers/0/securityContext", json!({"privileged": true})),
        profile("a root first container", "/spec/initContainers/0/securityContext/runAsUser", json!(0)),
        profile(
            "a capability of the first container",
            "/spec/initContainers/0/securityContext/capabilities/add",
            json!(["SYS_PTRACE"]),
        ),
        profile(
            "a second container as it likes",
            "/spec/containers/1",
            json!({"name": "spy", "image": image, "securityContext": {}}),
        ),
        wall("the users of the host", "/spec/hostUsers", json!(true)),
        wall("a token", "/spec/automountServiceAccountToken", json!(true)),
        wall("a token that is not refused", "/spec/automountServiceAccountToken", json!(null)),
        wall("another account", "/spec/serviceAccountName", json!("db-1")),
        wall(
            "a token as a volume",
            "/spec/volumes/2",
            json!({
                "name": "token", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]},
            }),
        ),
        wall(
            "the pod's own fields",
            "/spec/volumes/2",
            json!({
                "name": "about", "downwardAPI": {"items": [{"path": "n", "fieldRef": {"fieldPath": "metadata.name"}}]},
            }),
        ),
        wall("a driver's volume", "/spec/volumes/2", json!({"name": "csi", "csi": {"driver": "secrets-store.csi.k8s.io"}})),
        wall("an image off the catalogue", "/spec/containers/0/image", json!(format!("registry.example/other@sha256:{digest}"))),
        wall("another digest", "/spec/containers/0/image", json!(format!("{image}@sha256:{digest}"))),
        wall("an image by tag alone", "/spec/containers/0/image", json!(image)),
        wall("a first container off the catalogue", "/spec/initContainers/0/image", json!("registry.example/other:1")),
        wall("a file system to write to", "/spec/containers/0/securityContext/readOnlyRootFilesystem", json!(false)),
        wall("no limits", "/spec/containers/0/resources", json!({})),
        wall("a limit of memory alone", "/spec/containers/0/resources/limits", json!({"memory": "1Gi"})),
        wall("a node of its choice", "/spec/nodeName", json!("fake-0")),
        wall("a priority over the system", "/spec/priorityClassName", json!("system-node-critical")),
        wall("another runtime", "/spec/runtimeClassName", json!("unsafe")),
        wall("every taint tolerated", "/spec/tolerations", json!([{"operator": "Exists"}])),
        wall("the processes of each other", "/spec/shareProcessNamespace", json!(true)),
        wall("names of its own", "/spec/hostAliases", json!([{"ip": "10.0.0.1", "hostnames": ["db-1-rw"]}])),
        wall("root's group", "/spec/securityContext/supplementalGroups", json!([0])),
    ]
}
