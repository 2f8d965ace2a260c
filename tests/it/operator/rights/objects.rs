//! Objects that the operator's role lets it write and its policies do not.

use serde_json::{Value, json};

use super::attacks::{Attack, policy, with_pods};
use super::hostile::hostile;

/// What there is to attack.
pub struct Target {
    /// Namespace of a server that runs and holds data.
    pub server: String,
    /// Its custom resource.
    pub resource: String,
    /// Pod template of its web process.
    pub web: Value,
    /// Spec of its database.
    pub database: Value,
    /// Spec of the store of its backups.
    pub store: Value,
    /// Spec of its quota.
    pub quota: Value,
    /// Spec of its route.
    pub route: Value,
    /// What a domain of the customer's own needs.
    pub own: Own,
    /// A namespace that is called like a server's and is none.
    pub impostor: String,
    /// Namespace of another server.
    pub neighbour: String,
}

/// What is made for a domain of the customer's own.
pub struct Own {
    /// Spec of its listeners.
    pub listeners: Value,
    /// Spec of a certificate.
    pub certificate: Value,
    /// What the endpoints of its media say.
    pub endpoints: Value,
}

/// Kinds with pods that the role knows.
pub const WRITTEN: [&str; 3] = ["Deployment", "StatefulSet", "Job"];
/// Kinds with pods that it does not know: refused even if it did.
pub const UNWRITTEN: [&str; 6] = ["Pod", "ReplicaSet", "DaemonSet", "CronJob", "ReplicationController", "PodTemplate"];

/// Every hostile pod in each of these kinds.
pub fn pods(target: &Target, kinds: &[&str]) -> Vec<Attack> {
    let each = |kind: &&str| {
        let kind = (*kind).to_owned();
        let attack = move |one: super::hostile::Hostile| {
            let (path, body) = with_pods(&kind, &target.server, &one.of(&target.web));
            policy(format!("{kind} with {}", one.what), "POST", path, body)
        };
        hostile().into_iter().map(attack)
    };
    kinds.iter().flat_map(each).collect()
}

fn merge(base: &Value, change: impl FnOnce(&mut Value)) -> Value {
    let mut changed = base.clone();
    change(&mut changed);
    changed
}

/// Everything else.
pub fn others(target: &Target) -> Vec<Attack> {
    let all: [fn(&Target) -> Vec<Attack>; 9] =
        [namespaces, places, stores, network, routes, own_domains, databases, backups, resources];
    all.into_iter().flat_map(|attacks| attacks(target)).collect()
}

fn namespaces(target: &Target) -> Vec<Attack> {
    let Target { server, impostor, .. } = target;
    let all = "/api/v1/namespaces";
    let fresh = "mastodon-01jd0000000000000000000001";
    let good = json!({"metadata": {"name": fresh, "labels": {
        "paddock.host/instance": "ins-01jd0000000000000000000001", "app.kubernetes.io/managed-by": "paddock",
        "pod-security.kubernetes.io/enforce": "restricted", "pod-security.kubernetes.io/enforce-version": "latest",
    }}});
    let make = |what: &str, change: &dyn Fn(&mut Value)| policy(what, "POST", all, merge(&good, |body| change(body)));
    let relax =
        |what: &str, labels: Value| policy(what, "PATCH", format!("{all}/{server}"), json!({"metadata": {"labels": labels}}));
    let gone = |name: &str| policy(format!("delete the namespace {name}"), "DELETE", format!("{all}/{name}"), json!({}));
    let ours = json!({"metadata": {"labels": {
        "paddock.host/instance": impostor.replace("mastodon-", "ins-"), "app.kubernetes.io/managed-by": "paddock",
        "pod-security.kubernetes.io/enforce": "restricted",
    }}});
    vec![
        make("a namespace of another name", &|body| body["metadata"]["name"] = "elsewhere".into()),
        make("a namespace almost named like a server's", &|body| body["metadata"]["name"] = format!("{fresh}x").into()),
        make("a namespace of the system", &|body| body["metadata"]["name"] = "kube-other".into()),
        make("a namespace without a profile", &|body| {
            body["metadata"]["labels"].as_object_mut().unwrap().remove("pod-security.kubernetes.io/enforce");
        }),
        make("a baseline namespace", &|body| {
            body["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] = "baseline".into();
        }),
        make("a privileged namespace", &|body| {
            body["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] = "privileged".into();
        }),
        make("an old profile", &|body| body["metadata"]["labels"]["pod-security.kubernetes.io/enforce-version"] = "v1.22".into()),
        make("a namespace of nobody's", &|body| body["metadata"]["labels"]["paddock.host/instance"] = Value::Null),
        make("a namespace of another server", &|body| {
            body["metadata"]["labels"]["paddock.host/instance"] = "ins-01jd0000000000000000000002".into();
        }),
        relax("relax the profile", json!({"pod-security.kubernetes.io/enforce": "privileged"})),
        relax("drop the profile", json!({"pod-security.kubernetes.io/enforce": null})),
        relax("an older profile", json!({"pod-security.kubernetes.io/enforce-version": "v1.0"})),
        relax("say that it is another server's", json!({"paddock.host/instance": "ins-01jd0000000000000000000002"})),
        relax("disown it", json!({"app.kubernetes.io/managed-by": null})),
        policy(
            "forget that it holds data",
            "PATCH",
            format!("{all}/{server}"),
            json!({"metadata": {"annotations": {"paddock.host/holds-data": null}}}),
        ),
        policy("add a finalizer", "PATCH", format!("{all}/{server}"), json!({"metadata": {"finalizers": ["evil.example/x"]}})),
        policy(
            "label the system's namespace",
            "PATCH",
            format!("{all}/kube-system"),
            json!({"metadata": {"labels": {"a": "b"}}}),
        ),
        policy(
            "relax its own namespace",
            "PATCH",
            format!("{all}/paddock"),
            json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}}),
        ),
        policy("take over a namespace by its name", "PATCH", format!("{all}/{impostor}"), ours),
        gone("kube-node-lease"),
        gone("paddock"),
        gone(impostor),
    ]
}

fn places(target: &Target) -> Vec<Attack> {
    let Target { server, impostor, web, .. } = target;
    let map = json!({"metadata": {"name": "mastodon-env"}, "data": {}});
    let secret = json!({"metadata": {"name": "mastodon-mail"}, "stringData": {"a": "b"}});
    let into = |what: &str, namespace: &str, kind: &str, body: &Value| {
        policy(format!("{what} in {namespace}"), "POST", format!("/api/v1/namespaces/{namespace}/{kind}"), body.clone())
    };
    let event = |namespace: &str, about: &str| {
        let body = json!({
            "metadata": {"name": "attempt", "namespace": namespace}, "eventTime": "2026-01-01T00:00:00.000000Z", "action": "Lie",
            "reason": "Lie", "type": "Normal", "reportingController": "x", "reportingInstance": "y",
            "regarding": {"apiVersion": about, "kind": "Node", "name": "fake-0", "namespace": namespace},
        });
        let path = format!("/apis/events.k8s.io/v1/namespaces/{namespace}/events");
        policy(format!("an event about {about} in {namespace}"), "POST", path, body)
    };
    let mut all = vec![
        into("a ConfigMap", "kube-system", "configmaps", &map),
        into("a ConfigMap", "default", "configmaps", &map),
        into("a ConfigMap", impostor, "configmaps", &map),
        into("a Secret", "paddock", "secrets", &secret),
        into("a Secret", "kube-system", "secrets", &secret),
        into("a Secret", impostor, "secrets", &secret),
        into(
            "a Service",
            "paddock",
            "services",
            &json!({"metadata": {"name": "x"}, "spec": {"selector": {"a": "b"}, "ports": [{"port": 80}]}}),
        ),
        into("a quota", "default", "resourcequotas", &json!({"metadata": {"name": "x"}, "spec": {"hard": {"pods": "0"}}})),
        policy(
            "another image in the list",
            "PATCH",
            "/api/v1/namespaces/paddock/configmaps/paddock-images",
            json!({"data": {"images": "registry.example/other:1"}}),
        ),
        policy(
            "another's lease",
            "POST",
            "/apis/coordination.k8s.io/v1/namespaces/paddock/leases",
            json!({"metadata": {"name": "other"}}),
        ),
        event("default", "v1"),
        event("kube-system", "paddock.host/v1alpha1"),
        event(server, "paddock.host/v1alpha1"),
    ];
    for namespace in ["paddock", "kube-system", "default", impostor.as_str()] {
        let (path, body) = with_pods("Deployment", namespace, web);
        all.push(policy(format!("a Deployment in {namespace}"), "POST", path, body));
        let (path, body) = with_pods("Job", namespace, web);
        all.push(policy(format!("a Job in {namespace}"), "POST", path, body));
    }
    let path = format!("/apis/apps/v1/namespaces/{server}/deployments/web");
    let image = json!({"spec": {"template": {"spec": {"containers": [merge(&web["spec"]["containers"][0], |one| {
        one["image"] = "registry.example/other:1".into();
    })]}}}});
    all.push(policy("another image in a Deployment that runs", "PATCH", path, image));
    all
}

fn stores(target: &Target) -> Vec<Attack> {
    let Target { server, quota, .. } = target;
    let inside = |kind: &str| format!("/api/v1/namespaces/{server}/{kind}");
    let secret = |name: &str, kind: &str, data: Value| {
        let annotations = json!({"kubernetes.io/service-account.name": "default"});
        let body = json!({"metadata": {"name": name, "annotations": annotations}, "type": kind, "stringData": data});
        policy(format!("a Secret {name} of type {kind}"), "POST", inside("secrets"), body)
    };
    let limit = |what: &str, change: &dyn Fn(&mut Value)| {
        let body = json!({"metadata": {"name": "attempt"}, "spec": merge(quota, |spec| change(spec))});
        policy(what, "POST", inside("resourcequotas"), body)
    };
    let claim = |what: &str, change: Value| {
        let mut spec = json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}});
        spec.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        policy(what, "POST", inside("persistentvolumeclaims"), json!({"metadata": {"name": "attempt"}, "spec": spec}))
    };
    let gone = |what: &str, path: String| policy(what, "DELETE", path, json!({}));
    vec![
        gone("delete a volume claim that nobody has ordered away", inside("persistentvolumeclaims/cache")),
        gone(
            "delete a database that nobody has ordered away",
            format!("/apis/postgresql.cnpg.io/v1/namespaces/{server}/clusters/db-1"),
        ),
        gone("delete a namespace that holds data", format!("/api/v1/namespaces/{server}")),
        secret("db-1-app", "Opaque", json!({"password": "known"})),
        secret("other", "Opaque", json!({"a": "b"})),
        secret("mastodon-mail", "kubernetes.io/service-account-token", json!({})),
        secret("mastodon-mail", "kubernetes.io/basic-auth", json!({"username": "a", "password": "b"})),
        limit("a quota with load balancers", &|spec| spec["hard"]["services.loadbalancers"] = "1".into()),
        limit("a quota with node ports", &|spec| spec["hard"]["services.nodeports"] = "5".into()),
        limit("a quota that forgets pods", &|spec| drop(spec["hard"].as_object_mut().unwrap().remove("pods"))),
        limit("a quota that forgets load balancers", &|spec| {
            spec["hard"].as_object_mut().unwrap().remove("services.loadbalancers");
        }),
        claim("somebody's volume", json!({"volumeName": "pvc-of-another", "storageClassName": ""})),
        claim("a volume by its labels", json!({"selector": {"matchLabels": {"a": "b"}}})),
        claim("a copy of a claim", json!({"dataSource": {"kind": "PersistentVolumeClaim", "name": "cache"}})),
        claim(
            "a copy of a snapshot",
            json!({"dataSourceRef": {
                "apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "another",
            }}),
        ),
    ]
}

fn network(target: &Target) -> Vec<Attack> {
    let Target { server, neighbour, .. } = target;
    let policies = format!("/apis/networking.k8s.io/v1/namespaces/{server}/networkpolicies");
    let deny = |what: &str, spec: Value| {
        policy(format!("default-deny: {what}"), "PATCH", format!("{policies}/default-deny"), json!({"spec": spec}))
    };
    let out = |what: &str, egress: Value| {
        let body =
            json!({"metadata": {"name": "attempt"}, "spec": {"podSelector": {}, "policyTypes": ["Egress"], "egress": egress}});
        policy(format!("a way out: {what}"), "POST", policies.clone(), body)
    };
    let range = |cidr: &str, except: Value| out(cidr, json!([{"to": [{"ipBlock": {"cidr": cidr, "except": except}}]}]));
    let ingress = |what: &str, ingress: Value| {
        let body =
            json!({"metadata": {"name": "attempt"}, "spec": {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": ingress}});
        policy(format!("a way in: {what}"), "POST", policies.clone(), body)
    };
    let named = |name: &str| json!([{"from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}]}]);
    let service = |what: &str, spec: Value| {
        let body = json!({"metadata": {"name": "attempt"}, "spec": spec});
        policy(what, "POST", format!("/api/v1/namespaces/{server}/services"), body)
    };
    let ports = json!([{"port": 80}]);
    vec![
        deny("emptied of one way", json!({"policyTypes": ["Ingress"]})),
        deny("for some pods", json!({"podSelector": {"matchLabels": {"a": "b"}}})),
        deny("with a way out", json!({"egress": [{"to": [{"ipBlock": {"cidr": "10.9.0.0/24"}}]}]})),
        deny("with a way in", json!({"ingress": [{"from": [{"podSelector": {}}]}]})),
        out("everywhere", json!([{}])),
        out("everywhere by a port", json!([{"ports": [{"port": 443, "protocol": "TCP"}]}])),
        out("every namespace", json!([{"to": [{"namespaceSelector": {}}]}])),
        out("namespaces by another label", json!([{"to": [{"namespaceSelector": {"matchLabels": {"a": "b"}}}]}])),
        out(
            "namespaces by an expression",
            json!([{"to": [{"namespaceSelector": {
                "matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "Exists"}],
            }}]}]),
        ),
        range("0.0.0.0/0", json!([])),
        range("0.0.0.0/0", json!(["10.0.0.0/8"])),
        range("0.0.0.0/1", json!([])),
        range("10.0.0.0/8", json!([])),
        range("169.254.169.254/32", json!([])),
        range("127.0.0.1/32", json!([])),
        range("::/0", json!(["fc00::/7"])),
        range("2000::/3", json!([])),
        range("fe80::/64", json!([])),
        range("fd00:ec2::254/128", json!([])),
        ingress("everybody", json!([{}])),
        ingress("every namespace", json!([{"from": [{"namespaceSelector": {}, "podSelector": {}}]}])),
        ingress("another server", named(neighbour)),
        service("a load balancer", json!({"type": "LoadBalancer", "selector": {"a": "b"}, "ports": ports})),
        service("a node port", json!({"type": "NodePort", "selector": {"a": "b"}, "ports": ports})),
        service("a name elsewhere", json!({"type": "ExternalName", "externalName": "kubernetes.default.svc"})),
        service("addresses of others", json!({"externalIPs": ["192.0.2.7"], "selector": {"a": "b"}, "ports": ports})),
        service("a Service without pods", json!({"ports": ports})),
    ]
}

fn routes(target: &Target) -> Vec<Attack> {
    let Target { server, route, .. } = target;
    let all = format!("/apis/gateway.networking.k8s.io/v1/namespaces/{server}/httproutes");
    let make = |what: &str, change: &dyn Fn(&mut Value)| {
        let mut body =
            json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": "attempt"}});
        body["spec"] = merge(route, |spec| change(spec));
        policy(format!("a route {what}"), "POST", all.clone(), body)
    };
    let beside = |what: &str, name: &str| {
        let mut body = json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": name}});
        body["spec"] = merge(route, |spec| {
            spec["rules"] = json!([{"backendRefs": [{"name": "paddock-web", "port": 80}]}]);
        });
        policy(what, "POST", "/apis/gateway.networking.k8s.io/v1/namespaces/paddock/httproutes", body)
    };
    let filter = |what: &str, filter: Value| make(what, &|spec| spec["rules"][1]["filters"] = json!([filter]));
    vec![
        beside("a route beside the host's own", "pages"),
        beside("a paused server's route to the host's pages", "ins-01jd0000000000000000000001"),
        make("for every host", &|spec| spec["hostnames"] = json!([])),
        make("for a wildcard", &|spec| spec["hostnames"] = json!(["*.hosts.example"])),
        make("for the host's own pages", &|spec| spec["hostnames"] = json!(["pages.example"])),
        make("into another namespace", &|spec| spec["rules"][1]["backendRefs"][0]["namespace"] = "paddock".into()),
        make("to something else than a Service", &|spec| {
            spec["rules"][1]["backendRefs"][0] =
                json!({"group": "multicluster.x-k8s.io", "kind": "ServiceImport", "name": "x", "port": 80});
        }),
        filter(
            "that is copied elsewhere",
            json!({"type": "RequestMirror", "requestMirror": {
                "backendRef": {"name": "paddock-web", "namespace": "paddock", "port": 80},
            }}),
        ),
        filter(
            "with a filter of the Gateway's maker",
            json!({"type": "ExtensionRef", "extensionRef": {
                "group": "x.example", "kind": "Lua", "name": "x",
            }}),
        ),
        make("with a filter at its Service", &|spec| {
            spec["rules"][1]["backendRefs"][0]["filters"] = json!([{"type": "RequestMirror", "requestMirror": {
                "backendRef": {"name": "paddock-web", "namespace": "paddock", "port": 80},
            }}]);
        }),
    ]
}

fn own_domains(target: &Target) -> Vec<Attack> {
    let Target { server, own: Own { listeners, certificate, endpoints }, .. } = target;
    let body = |group: &str, kind: &str, spec: Value| json!({"apiVersion": format!("{group}/v1"), "kind": kind, "metadata": {"name": "attempt"}, "spec": spec});
    let listen = |what: &str, change: &dyn Fn(&mut Value)| {
        let path = format!("/apis/gateway.networking.k8s.io/v1/namespaces/{server}/listenersets");
        let spec = merge(listeners, |spec| change(spec));
        policy(format!("listeners {what}"), "POST", path, body("gateway.networking.k8s.io", "ListenerSet", spec))
    };
    let sign = |what: &str, change: &dyn Fn(&mut Value)| {
        let path = format!("/apis/cert-manager.io/v1/namespaces/{server}/certificates");
        let spec = merge(certificate, |spec| change(spec));
        policy(format!("a certificate {what}"), "POST", path, body("cert-manager.io", "Certificate", spec))
    };
    let lead = |what: &str, name: &str, change: &dyn Fn(&mut Value)| {
        let mut body = merge(endpoints, |body| change(body));
        body["metadata"] = json!({"name": name, "labels": {"kubernetes.io/service-name": name}});
        policy(format!("endpoints {what}"), "POST", format!("/apis/discovery.k8s.io/v1/namespaces/{server}/endpointslices"), body)
    };
    // The second of a pair is the one with the certificate.
    let secret = |change: Value| move |spec: &mut Value| spec["listeners"][1]["tls"]["certificateRefs"] = json!([change]);
    vec![
        listen("for every host", &|spec| drop(spec["listeners"][0].as_object_mut().unwrap().remove("hostname"))),
        listen("for a wildcard", &|spec| spec["listeners"][0]["hostname"] = "*.hosts.example".into()),
        listen("for the host's own pages", &|spec| spec["listeners"][0]["hostname"] = "pages.example".into()),
        listen("on another port", &|spec| spec["listeners"][0]["port"] = 8080.into()),
        listen("that pass TLS through", &|spec| {
            spec["listeners"][1]["protocol"] = "TLS".into();
            spec["listeners"][1]["tls"] = json!({"mode": "Passthrough"});
        }),
        listen("with a certificate of the host's", &secret(json!({"name": "hosts-wildcard", "namespace": "paddock"}))),
        listen("with a Secret that is no certificate", &secret(json!({"name": "mastodon-identity"}))),
        listen("for routes of all namespaces", &|spec| {
            spec["listeners"][0]["allowedRoutes"] = json!({"namespaces": {"from": "All"}});
        }),
        sign("for a wildcard", &|spec| spec["dnsNames"] = json!(["*.hosts.example"])),
        sign("for the host's own pages", &|spec| spec["dnsNames"] = json!(["pages.example"])),
        sign("of another issuer", &|spec| spec["issuerRef"]["name"] = "internal".into()),
        sign("of an issuer beside it", &|spec| spec["issuerRef"]["kind"] = "Issuer".into()),
        sign("in another Secret", &|spec| spec["secretName"] = "mastodon-identity".into()),
        sign("that signs others", &|spec| spec["isCA"] = true.into()),
        sign("for an address", &|spec| spec["ipAddresses"] = json!(["10.0.0.1"])),
        sign("that is copied by its labels", &|spec| spec["secretTemplate"] = json!({"labels": {"copy": "everywhere"}})),
        lead("of another Service", "web", &|_| {}),
        lead("somewhere else", "media", &|body| body["endpoints"][0]["addresses"] = json!(["10.0.0.1"])),
        lead("by another port", "media", &|body| body["ports"][0]["port"] = 6443.into()),
    ]
}

fn databases(target: &Target) -> Vec<Attack> {
    let Target { server, database, .. } = target;
    let make = |what: &str, change: &dyn Fn(&mut Value)| {
        let mut body = json!({"apiVersion": "postgresql.cnpg.io/v1", "kind": "Cluster", "metadata": {"name": "attempt"}});
        body["spec"] = merge(database, |spec| change(spec));
        policy(format!("a database {what}"), "POST", format!("/apis/postgresql.cnpg.io/v1/namespaces/{server}/clusters"), body)
    };
    vec![
        make("of another image", &|spec| spec["imageName"] = "registry.example/postgres:17".into()),
        make("of the maker's image", &|spec| spec["imageName"] = Value::Null),
        make("of a catalogue's image", &|spec| {
            spec["imageName"] = Value::Null;
            spec["imageCatalogRef"] =
                json!({"apiGroup": "postgresql.cnpg.io", "kind": "ClusterImageCatalog", "name": "x", "major": 17});
        }),
        make("with an account of its own make", &|spec| {
            spec["serviceAccountTemplate"] = json!({"metadata": {"annotations": {"eks.amazonaws.com/role-arn": "admin"}}});
        }),
        make("with a token as a volume", &|spec| {
            spec["projectedVolumeTemplate"] = json!({"sources": [{"serviceAccountToken": {"path": "token"}}]});
        }),
        make("with variables", &|spec| spec["env"] = json!([{"name": "LD_PRELOAD", "value": "/x.so"}])),
        make("with variables from elsewhere", &|spec| spec["envFrom"] = json!([{"secretRef": {"name": "other"}}])),
        make("without seccomp", &|spec| spec["seccompProfile"] = json!({"type": "Unconfined"})),
        make("with a load balancer", &|spec| {
            spec["managed"]["services"]["additional"] = json!([{"selectorType": "rw", "serviceTemplate": {
                "metadata": {"name": "open"}, "spec": {"type": "LoadBalancer"},
            }}]);
        }),
        make("with an administrator", &|spec| spec["enableSuperuserAccess"] = true.into()),
        make("that is backed up without the plugin", &|spec| {
            spec["backup"] =
                json!({"barmanObjectStore": {"destinationPath": "s3://evil/", "endpointURL": "https://evil.example"}});
        }),
        make("with another plugin", &|spec| spec["plugins"][0]["name"] = "evil.example".into()),
        make("that is backed up elsewhere", &|spec| spec["plugins"][0]["parameters"]["barmanObjectName"] = "other".into()),
        make("with an extension from elsewhere", &|spec| {
            spec["postgresql"]["extensions"] = json!([{"name": "x", "image": {"reference": "registry.example/x:1"}}]);
        }),
    ]
}

fn backups(target: &Target) -> Vec<Attack> {
    let Target { server, store, neighbour, .. } = target;
    let path = format!("/apis/barmancloud.cnpg.io/v1/namespaces/{server}/objectstores");
    // The one that is there is the only one that there may be.
    let change = |what: &str, change: &dyn Fn(&mut Value)| {
        let mut spec = store.clone();
        change(&mut spec);
        policy(format!("backups {what}"), "PATCH", format!("{path}/backups"), json!({"spec": spec}))
    };
    let key = |name: &str| json!({"name": name, "key": "SECRET_KEY_BASE"});
    let mut other = json!({"apiVersion": "barmancloud.cnpg.io/v1", "kind": "ObjectStore", "metadata": {"name": "other"}});
    other["spec"] = store.clone();
    vec![
        policy("another place for backups", "POST", path.clone(), other),
        change("to a store of somebody else", &|spec| spec["configuration"]["endpointURL"] = "https://evil.example".into()),
        change("to a store of the world", &|spec| spec["configuration"]["endpointURL"] = Value::Null),
        change("into another's bucket", &|spec| {
            spec["configuration"]["destinationPath"] = format!("s3://{neighbour}-backup/").into();
        }),
        change("into the bucket of media", &|spec| spec["configuration"]["destinationPath"] = format!("s3://{server}/").into()),
        change("with another Secret", &|spec| {
            spec["configuration"]["s3Credentials"]["secretAccessKey"] = key("mastodon-identity");
        }),
        change("with a Secret as a token", &|spec| {
            spec["configuration"]["s3Credentials"]["sessionToken"] = key("mastodon-identity");
        }),
        change("with the machine's rights", &|spec| spec["configuration"]["s3Credentials"]["inheritFromIAMRole"] = true.into()),
        change("by another cloud", &|spec| {
            spec["configuration"]["azureCredentials"] = json!({"connectionString": key("mastodon-identity")});
        }),
        change("with a Secret as a variable", &|spec| {
            spec["instanceSidecarConfiguration"]["env"][0] =
                json!({"name": "AWS_DEFAULT_REGION", "valueFrom": {"secretKeyRef": key("mastodon-identity")}});
        }),
        change("with variables", &|spec| {
            spec["instanceSidecarConfiguration"]["env"][0] = json!({"name": "LD_PRELOAD", "value": "/x.so"});
        }),
        change("with arguments", &|spec| {
            spec["instanceSidecarConfiguration"]["additionalContainerArgs"] = json!(["--help"]);
        }),
        change("with arguments for each segment", &|spec| {
            spec["configuration"]["wal"]["archiveAdditionalCommandArgs"] = json!(["--endpoint-url=https://evil.example"]);
        }),
        change("with arguments for all of it", &|spec| {
            spec["configuration"]["data"]["additionalCommandArgs"] = json!(["--endpoint-url=https://evil.example"]);
        }),
    ]
}

fn resources(target: &Target) -> Vec<Attack> {
    let path = format!("/apis/paddock.host/v1alpha1/mastodoninstances/{}", target.resource);
    let change = |what: &str, body: Value| policy(what, "PATCH", path.clone(), body);
    vec![
        change("say what a server should be", json!({"spec": {"version": "4.5.19"}})),
        change("suspend a server", json!({"spec": {"mode": {"running": null, "suspended": {"reason": "evil"}}}})),
        change("give a server more", json!({"spec": {"size": {"web": {"replicas": 9}}}})),
        change("change the fleet's notes", json!({"metadata": {"annotations": {"paddock.host/row-generation": "9999"}}})),
        change("take somebody's finalizer away", json!({"metadata": {"finalizers": ["paddock.host/instance"]}})),
        change(
            "put a finalizer of somebody else on",
            json!({"metadata": {"finalizers": ["paddock.host/instance", "others.example/keep", "evil.example/x"]}}),
        ),
        change(
            "give a server an owner",
            json!({"metadata": {"ownerReferences": [
                {"apiVersion": "v1", "kind": "Namespace", "name": "default", "uid": "00000000-0000-0000-0000-000000000000"},
            ]}}),
        ),
    ]
}
