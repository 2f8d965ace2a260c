//! What a business must not run with.

use secrecy::ExposeSecret as _;

use super::{Config, Fault, MailTransport};

/// Everything of it that there is in a configuration.
pub(super) fn production_faults(config: &Config) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut fault = |field: &str, message: &str| faults.push(Fault { field: field.to_owned(), message: message.to_owned() });
    if config.host.base_url.scheme() != "https" {
        fault("host.base_url", "must begin with https:// in production");
    }
    if share_a_site(config.host.base_url.host_str().unwrap_or_default(), &config.host.domain) {
        fault(
            "host.domain",
            "belongs to the same registered domain as the pages (host.base_url): customers' servers could set cookies for them; \
             use a separate domain",
        );
    }
    if config.http.trusted_proxies.is_empty() {
        fault(
            "http.trusted_proxies",
            "names none; the gateway in front is then taken for every visitor, and a few wrong passwords close the log-in to all: \
             trusted_proxies = [\"10.0.0.0/8\"]",
        );
    }
    if config.key.is_default() {
        fault("secrets.key", "is the example's; make your own with: openssl rand -hex 32");
    }
    if config.audit.signer.is_none() {
        fault("audit.signing_key", "is missing; make one with: openssl rand -hex 32");
    } else if config.audit.example {
        fault("audit.signing_key", "is the example's; make your own with: openssl rand -hex 32");
    }
    let api_key = config.stripe.api_key.expose_secret();
    if config.stripe.api_url.is_some() {
        fault("stripe.api_url", "points away from Stripe; take it out (a fake is for trials only)");
    }
    if !(api_key.starts_with("sk_live_") || api_key.starts_with("rk_live_")) {
        fault("stripe.api_key", "is not a live key (sk_live_… or rk_live_…); test keys and the fake's key take no money");
    }
    if config
        .stripe
        .webhook_secrets
        .iter()
        .any(|secret| !secret.expose_secret().starts_with("whsec_") || secret.expose_secret().len() < 24)
    {
        fault("stripe.webhook_secrets", "holds something that is not a signing secret of Stripe's dashboard (whsec_…)");
    }
    match &config.mail.transport {
        MailTransport::Folder(_) => fault("mail.folder", "sends nothing; write mail.smtp = \"smtps://…\" instead"),
        MailTransport::Smtp(url) if url.expose_secret().starts_with("smtp+plain:") => {
            fault("mail.smtp", "is without encryption; write smtps://… or smtp://… (STARTTLS)");
        }
        MailTransport::Smtp(_) => {}
    }
    if config.dns.resolvers.len() < 2 {
        fault(
            "dns.resolvers",
            "names fewer than two; a customer's domain counts as pointing here only when two resolvers say so: \
             resolvers = [\"9.9.9.9:53\", \"1.1.1.1:53\"]",
        );
    }
    if config.alerts.webhook.as_ref().is_some_and(|webhook| !webhook.expose_secret().starts_with("https:")) {
        fault("alerts.webhook", "must begin with https:// in production");
    }
    if config.backup.is_none() {
        fault("backup", "is missing; name where backups go: [backup] with endpoint and bucket");
    }
    if config.backup.as_ref().is_some_and(|backup| backup.endpoint.scheme() != "https") {
        fault("backup.endpoint", "must begin with https:// in production");
    }
    faults
}

/// Whether a server below one of the names could set cookies that the other gets: one lies below the other, or both lie below a
/// domain that somebody registered. Two labels in common are such a domain, but for the usual registries of countries (`co.uk`).
fn share_a_site(one: &str, other: &str) -> bool {
    const REGISTRIES: [&str; 9] = ["ac", "co", "com", "edu", "go", "gov", "ne", "net", "org"];
    let pairs = one.rsplit('.').zip(other.rsplit('.'));
    let common: Vec<&str> = pairs.take_while(|(one, other)| one == other).map(|(one, _)| one).collect();
    match common.as_slice() {
        [] | [_] => one == other,
        [country, registry] if country.len() == 2 && REGISTRIES.contains(registry) => false,
        _ => true,
    }
}
