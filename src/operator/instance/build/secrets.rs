//! Secrets. Four are created once, by `create` and never by apply: the API server then decides between two operators.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::{Object, labels, names};
use crate::operator::bucket::BucketKey;
use crate::operator::instance::identity::Identity;
use crate::operator::instance::validate::Valid;
use crate::operator::kind::Kind;
use crate::operator::relay::Login;

/// The Secret with the identity. Immutable: what has been said to the world under these keys can't be said under others.
pub fn identity_secret(valid: &Valid<'_>, identity: &Identity) -> Value {
    created_once(valid, names::IDENTITY, &identity.variables())
}

/// A Secret with the key of a bucket: [`names::MEDIA`] or [`names::BACKUP`].
pub fn bucket_secret(valid: &Valid<'_>, name: &str, key: &BucketKey) -> Value {
    let BucketKey { access, secret } = key;
    let data = [("AWS_ACCESS_KEY_ID", access.as_str()), ("AWS_SECRET_ACCESS_KEY", secret.expose_secret())];
    created_once(valid, name, &BTreeMap::from(data))
}

/// The Secret with Valkey's password.
pub fn cache_password(valid: &Valid<'_>, password: &SecretString) -> Value {
    created_once(valid, names::CACHE_PASSWORD, &BTreeMap::from([("REDIS_PASSWORD", password.expose_secret())]))
}

fn created_once(valid: &Valid<'_>, name: &str, data: &BTreeMap<&str, &str>) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": valid.namespace, "labels": labels(valid, "secrets")},
        "type": "Opaque",
        "immutable": true,
        "stringData": data,
    })
}

/// Who the server is where its mails leave, when that is asked. It follows from settings and spec, so it is applied like anything else.
pub fn mail(valid: &Valid<'_>) -> Option<Object> {
    let Login { username, password } = valid.mail.login.as_ref()?;
    let data = json!({
        "SMTP_LOGIN": STANDARD.encode(username),
        "SMTP_PASSWORD": STANDARD.encode(password.expose_secret()),
    });
    Some(Object::new(valid, Kind::Secret, names::MAIL, "secrets", json!({"type": "Opaque", "data": data})))
}
