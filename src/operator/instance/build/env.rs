//! Mastodon's environment, as far as it is no secret. Names and meanings from Mastodon's `admin/config` documentation.

use serde_json::{Map, Value, json};

use super::{Object, names};
use crate::operator::instance::mail::MailWay;
use crate::operator::instance::validate::Valid;
use crate::operator::kind::Kind;
use crate::operator::settings::Storage;
use crate::resource::MailSecurity;

/// The `ConfigMap` that every process of Mastodon reads.
pub fn config_map(valid: &Valid<'_>) -> Object {
    Object::new(valid, Kind::ConfigMap, names::ENV, "env", json!({"data": variables(valid)}))
}

/// Name and value of each variable.
fn variables(valid: &Valid<'_>) -> Map<String, Value> {
    let spec = &valid.spec;
    let MailWay { server, port, from, security, method, login } = &valid.mail;
    let Storage {
        driver: _,
        pod_endpoint,
        endpoint: _,
        region,
        access_key: _,
        secret_key: _,
        admin_endpoint: _,
        admin_token: _,
        accept_shared_key: _,
        media_host: _,
    } = &valid.settings.storage;
    let bucket = &valid.bucket;
    let mut all = Map::new();
    let mut set = |name: &str, value: &str| {
        all.insert(name.to_owned(), value.into());
    };
    set("RAILS_ENV", "production");
    set("NODE_ENV", "production");
    set("RAILS_LOG_TO_STDOUT", "enabled");
    set("LOCAL_DOMAIN", &spec.domain);
    if let Some(web_domain) = &spec.web_domain {
        set("WEB_DOMAIN", web_domain);
    }
    set("DEFAULT_LOCALE", &spec.locale);
    // The host updates; a banner that tells the owner to do it would only worry them.
    set("UPDATE_CHECK_URL", "");
    set("REDIS_HOST", names::CACHE);
    set("REDIS_PORT", &names::CACHE_PORT.to_string());

    set("S3_ENABLED", "true");
    set("S3_BUCKET", bucket);
    set("S3_REGION", region);
    // Of the public addresses of media, whatever the endpoint speaks.
    set("S3_PROTOCOL", "https");
    set("S3_HOSTNAME", pod_endpoint.host_str().unwrap_or_default());
    set("S3_ENDPOINT", valid.settings.storage.pod_address());
    set("S3_ALIAS_HOST", &valid.addresses.media);
    // Empty: send no ACL. What is public is the bucket's policy, for not every store knows ACLs.
    set("S3_PERMISSION", "");

    set("SMTP_SERVER", server);
    set("SMTP_PORT", &port.to_string());
    set("SMTP_DOMAIN", &spec.domain);
    set("SMTP_FROM_ADDRESS", from);
    set("SMTP_AUTH_METHOD", if login.is_some() { method.as_str() } else { "none" });
    match security {
        // The host's own relay, often inside the host's own network.
        None => set("SMTP_ENABLE_STARTTLS", "auto"),
        Some(MailSecurity::StartTls) => {
            set("SMTP_ENABLE_STARTTLS", "always");
            set("SMTP_OPENSSL_VERIFY_MODE", "peer");
        }
        Some(MailSecurity::Tls) => {
            set("SMTP_ENABLE_STARTTLS", "never");
            set("SMTP_TLS", "true");
            set("SMTP_OPENSSL_VERIFY_MODE", "peer");
        }
    }
    all
}
