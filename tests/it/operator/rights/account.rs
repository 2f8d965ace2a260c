//! Service accounts of the chart, signed in with tokens of their own, and what is asked in their name.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use http::{Method, Request, Response, StatusCode};
use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule, Role};
use kube::api::Api;
use kube::client::{Body, ClientBuilder};
use kube::config::{AuthInfo, KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};
use tower::layer::layer_fn;
use tower::{BoxError, Service};

use super::super::Host;
use crate::harness::chart::RELEASE;

/// A verb on a kind of object, or on the one with a name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    pub group: String,
    /// With a subresource: `mastodoninstances/status`.
    pub resource: String,
    pub verb: String,
    pub name: Option<String>,
}

/// What was asked, and what was refused.
#[derive(Debug, Default)]
pub struct Log {
    pub used: BTreeSet<Right>,
    pub refused: BTreeSet<String>,
}

pub type SharedLog = Arc<Mutex<Log>>;

/// What a request asks for; nothing for those that are about no object (`/readyz`).
fn right(method: &Method, path: &str, query: &str) -> Option<Right> {
    let mut parts = path.trim_matches('/').split('/');
    let group = match parts.next()? {
        "api" => "",
        "apis" => parts.next()?,
        _ => return None,
    };
    let _version = parts.next()?;
    let mut rest: Vec<&str> = parts.collect();
    if rest.len() > 2 && rest[0] == "namespaces" && !["status", "finalize"].contains(&rest[2]) {
        rest.drain(..2);
    }
    let (kind, mut name, sub) = (*rest.first()?, rest.get(1).map(|name| (*name).to_owned()), rest.get(2));
    let query: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).collect();
    let says = |key: &str| query.iter().find(|(name, _)| name == key).map(|(_, value)| value.to_string());
    let verb = match (method, name.is_some()) {
        (&Method::GET, _) if says("watch").is_some_and(|watch| watch == "true") => "watch",
        (&Method::GET, true) => "get",
        (&Method::GET, false) => "list",
        (&Method::POST, _) => "create",
        (&Method::PUT, _) => "update",
        (&Method::PATCH, _) => "patch",
        (&Method::DELETE, true) => "delete",
        (&Method::DELETE, false) => "deletecollection",
        (other, _) => panic!("{other} {path}"),
    };
    if name.is_none() {
        // As the API server does it: a list with this selector is a list of one name.
        name = says("fieldSelector").and_then(|selector| selector.strip_prefix("metadata.name=").map(str::to_owned));
    }
    let resource = sub.map_or_else(|| kind.to_owned(), |sub| format!("{kind}/{sub}"));
    Some(Right { group: group.to_owned(), resource, verb: verb.to_owned(), name })
}

/// Notes each request with its answer.
#[derive(Clone)]
struct Noted<S> {
    inner: S,
    log: SharedLog,
}

impl<S, B> Service<Request<Body>> for Noted<S>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response<B>, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let asked = right(request.method(), request.uri().path(), request.uri().query().unwrap_or_default());
        let what = format!("{} {}", request.method(), request.uri());
        let log = Arc::clone(&self.log);
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await?;
            let mut log = log.lock().unwrap();
            if answer.status() == StatusCode::FORBIDDEN {
                log.refused.insert(what);
            }
            if let Some(right) = asked {
                // An apply of something new is a create too.
                if right.verb == "patch" && answer.status() == StatusCode::CREATED {
                    log.used.insert(Right { verb: "create".into(), name: None, ..right.clone() });
                }
                log.used.insert(right);
            }
            drop(log);
            Ok(answer)
        })
    }
}

impl Host {
    /// A client of one of the chart's service accounts, with a token as a pod gets it. All that it asks is noted.
    pub async fn client_of(&self, part: &str, log: &SharedLog) -> Client {
        let account = format!("paddock-{part}");
        let path = format!("/api/v1/namespaces/{RELEASE}/serviceaccounts/{account}/token");
        let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}});
        let request = Request::post(path).header("content-type", "application/json").body(body.to_string().into_bytes()).unwrap();
        let answer: Value = self.client.request(request).await.unwrap();
        let token = answer["status"]["token"].as_str().unwrap().to_owned();
        let file = Kubeconfig::read_from(self.rig.cluster().kubeconfig()).unwrap();
        let mut config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.unwrap();
        config.auth_info = AuthInfo { token: Some(token.into()), ..AuthInfo::default() };
        let log = Arc::clone(log);
        let noted = layer_fn(move |inner| Noted { inner, log: Arc::clone(&log) });
        ClientBuilder::try_from(config).unwrap().with_layer(&noted).build()
    }
}

/// Every right of a part's roles.
pub async fn granted(client: &Client, part: &str) -> BTreeSet<Right> {
    let name = format!("paddock-{part}");
    let everywhere: Api<ClusterRole> = Api::all(client.clone());
    let here: Api<Role> = Api::namespaced(client.clone(), RELEASE);
    let mut rules = everywhere.get(&name).await.unwrap().rules.unwrap_or_default();
    rules.extend(here.get_opt(&name).await.unwrap().into_iter().flat_map(|role| role.rules.unwrap_or_default()));
    rules.iter().flat_map(expand).collect()
}

fn expand(rule: &PolicyRule) -> Vec<Right> {
    assert!(rule.non_resource_urls.is_none(), "{rule:?}");
    let names = rule.resource_names.clone().filter(|names| !names.is_empty());
    let names: Vec<Option<String>> = names.map_or_else(|| vec![None], |names| names.into_iter().map(Some).collect());
    let mut all = Vec::new();
    for group in rule.api_groups.iter().flatten() {
        for resource in rule.resources.iter().flatten() {
            for verb in &rule.verbs {
                for name in &names {
                    let right =
                        Right { group: group.clone(), resource: resource.clone(), verb: verb.clone(), name: name.clone() };
                    all.push(right);
                }
            }
        }
    }
    all
}

#[test]
fn requests_are_read_as_the_api_server_reads_them() {
    let read = |method: Method, uri: &str| {
        let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
        let Right { group, resource, verb, name } = right(&method, path, query).unwrap();
        format!("{verb} {group}/{resource} {}", name.unwrap_or_default())
    };
    assert_eq!(read(Method::GET, "/api/v1/namespaces"), "list /namespaces ");
    assert_eq!(read(Method::GET, "/api/v1/namespaces/a"), "get /namespaces a");
    assert_eq!(read(Method::PUT, "/api/v1/namespaces/a/finalize"), "update /namespaces/finalize a");
    assert_eq!(read(Method::GET, "/api/v1/namespaces/a/secrets?x=1"), "list /secrets ");
    assert_eq!(read(Method::GET, "/api/v1/secrets?watch=true&fieldSelector=metadata.name%3Db"), "watch /secrets b");
    assert_eq!(read(Method::PATCH, "/apis/apps/v1/namespaces/a/deployments/web/scale"), "patch apps/deployments/scale web");
    assert_eq!(read(Method::DELETE, "/apis/batch/v1/namespaces/a/jobs"), "deletecollection batch/jobs ");
    assert!(right(&Method::GET, "/readyz", "").is_none());
}
