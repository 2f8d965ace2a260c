//! The settings that hold, for people to read: secrets only as far as that they are there.

use secrecy::ExposeSecret as _;
use toml::{Table, Value};

use super::{
    Alerts, ArchiveStore, Audit, Backup, Catalogue, Config, Dns, Giving, Host, Http, Mail, MailTransport, Mode, Standing, Stripe,
};

/// A setting with what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Dotted name.
    pub name: String,
    /// What it is, as it would stand in the file.
    pub value: Shown,
}

/// What is shown of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// All of it.
    Value(String),
    /// A secret that is set.
    Secret,
    /// It is not set.
    Missing,
}

/// Parts of names of settings that hold secrets: what is called so is not shown, whatever it is.
const SECRET: [&str; 5] = ["key", "secret", "token", "password", "login"];

struct Settings(Vec<Setting>);

impl Settings {
    fn text(&mut self, name: &str, value: impl std::fmt::Display) {
        self.0.push(Setting { name: name.to_owned(), value: Shown::Value(value.to_string()) });
    }

    fn maybe(&mut self, name: &str, value: Option<impl std::fmt::Display>) {
        let value = value.map_or(Shown::Missing, |value| Shown::Value(value.to_string()));
        self.0.push(Setting { name: name.to_owned(), value });
    }

    fn secret(&mut self, name: &str, set: bool) {
        self.0.push(Setting { name: name.to_owned(), value: if set { Shown::Secret } else { Shown::Missing } });
    }

    fn list<T: std::fmt::Display>(&mut self, name: &str, values: &[T]) {
        self.text(name, values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
    }

    /// A section that somebody else reads: by the names alone.
    fn table(&mut self, name: &str, table: &Table) {
        for (key, value) in table {
            let (below, lower) = (format!("{name}.{key}"), key.to_ascii_lowercase());
            let hidden = SECRET.iter().any(|part| lower.contains(part));
            match value {
                _ if hidden => self.secret(&below, true),
                Value::Table(table) => self.table(&below, table),
                Value::Array(values) if values.iter().any(Value::is_table) => {
                    for (at, value) in values.iter().enumerate() {
                        match value {
                            Value::Table(table) => self.table(&format!("{below}[{at}]"), table),
                            value => self.text(&format!("{below}[{at}]"), value),
                        }
                    }
                }
                Value::String(text) => self.text(&below, text),
                value => self.text(&below, value),
            }
        }
    }
}

impl Config {
    /// Every setting in the order of the reference, without secrets.
    pub fn effective(&self) -> Vec<Setting> {
        let Self {
            mode,
            host,
            http,
            database,
            key,
            audit,
            stripe,
            standing,
            giving,
            invitation_hours,
            mail,
            catalogue,
            kubeconfigs,
            dns,
            backup,
            archives,
            sealing,
            operator,
            metrics,
            alerts,
        } = self;
        let mut all = Settings(Vec::new());
        all.text(
            "mode",
            match mode {
                Mode::Production => "production",
                Mode::Trial => "trial",
            },
        );
        let Host { name, base_url, domain, support, processors } = host;
        all.text("host.name", name);
        all.text("host.base_url", base_url);
        all.text("host.domain", domain);
        all.text("host.support", support);
        all.list("host.processors", processors);
        let Http { listen, trusted_proxies } = http;
        all.text("http.listen", listen);
        all.list("http.trusted_proxies", trusted_proxies);
        all.secret("database.url", !database.url.expose_secret().is_empty());
        all.text("database.connections", database.connections);
        all.secret("secrets.key", !key.is_default());
        let Audit { signer, example: _, former } = audit;
        all.secret("audit.signing_key", signer.is_some());
        all.list("audit.former_signers", former);
        money(&mut all, stripe, standing, *giving);
        all.text("waiting.invitation_hours", invitation_hours);
        let Mail { from, transport } = mail;
        all.text("mail.from", from);
        match transport {
            MailTransport::Smtp(_) => all.secret("mail.smtp", true),
            MailTransport::Folder(folder) => all.text("mail.folder", folder.display()),
        }
        let Catalogue { plans, releases } = catalogue;
        all.text("catalogue.plans", plans.display());
        all.text("catalogue.releases", releases.display());
        all.maybe("clusters.kubeconfigs", kubeconfigs.as_ref().map(|folder| folder.display()));
        let Dns { target, addresses, resolvers, dkim_selector } = dns;
        all.text("dns.target", target);
        all.list("dns.addresses", addresses);
        all.list("dns.resolvers", resolvers);
        all.maybe("dns.dkim_selector", dkim_selector.as_ref());
        all.maybe("backup.endpoint", backup.as_ref().map(|Backup { endpoint, bucket: _ }| endpoint));
        all.maybe("backup.bucket", backup.as_ref().map(|Backup { endpoint: _, bucket }| bucket));
        if let Some(ArchiveStore { endpoint, region, access_key: _, secret_key }) = archives {
            all.text("archives.endpoint", endpoint);
            all.text("archives.region", region);
            all.secret("archives.access_key", true);
            all.secret("archives.secret_key", !secret_key.expose_secret().is_empty());
        }
        all.maybe("sealing.operator_recipient", sealing.as_ref().map(ToString::to_string));
        let Alerts { mail, webhook, order_minutes, unproven_hours, certificate_days, capacity_percent } = alerts;
        all.text("alerts.mail", mail.as_ref().unwrap_or(support));
        all.secret("alerts.webhook", webhook.is_some());
        all.text("alerts.order_minutes", order_minutes);
        all.text("alerts.unproven_hours", unproven_hours);
        all.text("alerts.certificate_days", certificate_days);
        all.text("alerts.capacity_percent", capacity_percent);
        all.maybe("metrics.listen", metrics.as_ref());
        all.table("operator", operator);
        all.0
    }
}

fn money(all: &mut Settings, stripe: &Stripe, standing: &Standing, giving: Giving) {
    let Stripe { api_key, api_url, webhook_secrets, checkout_minutes, sweep_seconds, tax, promotion_codes } = stripe;
    all.secret("stripe.api_key", !api_key.expose_secret().is_empty());
    all.maybe("stripe.api_url", api_url.as_ref());
    all.secret("stripe.webhook_secrets", !webhook_secrets.is_empty());
    all.text("stripe.checkout_minutes", checkout_minutes);
    all.text("stripe.sweep_seconds", sweep_seconds);
    all.text("stripe.tax", tax);
    all.text("stripe.promotion_codes", promotion_codes);
    let Standing { grace_days, grace_mail_days, suspended_days, ending_days, ending_mail_days, notice_days, removal_days } =
        standing;
    all.text("standing.grace_days", grace_days);
    all.list("standing.grace_mail_days", grace_mail_days);
    all.text("standing.suspended_days", suspended_days);
    all.text("standing.ending_days", ending_days);
    all.list("standing.ending_mail_days", ending_mail_days);
    all.text("standing.notice_days", notice_days);
    all.text("standing.removal_days", removal_days);
    let Giving { billing, admin } = giving;
    all.text("giving.billing_most", billing);
    all.text("giving.admin_most", admin);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::REFERENCE;

    /// Values of the example that would let somebody in.
    const SECRETS: [&str; 9] = [
        "postgres://",
        "0123456789abcdef",
        "sk_test_fake",
        "whsec_fake",
        "smtp+plain",
        "AGE-SECRET-KEY",
        "archives-secret",
        "the administrator's secret",
        "89abcdef01234567",
    ];

    #[test]
    fn every_setting_of_the_example_is_shown_and_no_secret_of_it() {
        let tree: Table = REFERENCE.parse().unwrap();
        let all = Config::from_toml(REFERENCE).unwrap_or_else(|error| panic!("{error}")).effective();
        let shown = format!("{all:?}");
        for secret in SECRETS {
            assert!(REFERENCE.contains(secret), "{secret} is not in the example");
            assert!(!shown.contains(secret), "{secret} is shown");
        }
        for (section, value) in &tree {
            let names: Vec<String> = match value {
                Value::Table(table) if section != "operator" => table.keys().map(|key| format!("{section}.{key}")).collect(),
                _ => vec![section.clone()],
            };
            for name in names {
                assert!(
                    all.iter().any(|setting| setting.name == name || setting.name.starts_with(&format!("{name}."))),
                    "{name}"
                );
            }
        }
        let of = |name: &str| all.iter().find(|setting| setting.name == name).map(|setting| setting.value.clone());
        assert_eq!(of("operator.storage.secret_key"), Some(Shown::Secret));
        assert_eq!(of("operator.mail.from"), Some(Shown::Value("notifications@{domain}".to_owned())));
        assert_eq!(of("alerts.webhook"), Some(Shown::Missing));
    }
}
