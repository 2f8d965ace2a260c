//! Reading the sections of a configuration.

use std::path::PathBuf;

use secrecy::{ExposeSecret as _, SecretString};

use super::reader::Reader;
use super::{
    Alerts, ArchiveStore, Audit, Backup, Catalogue, Config, Database, Dns, Giving, Host, Http, Mail, MailTransport, Mode,
    Processor, Standing, Stripe,
};
use crate::audit::chain::{Public, Signer};
use crate::crypto::{EXAMPLE_KEY, HostKey};
use crate::{internet, sealing};

/// Reads every section even when one is faulty. `None` only where a value without a neutral stand-in is missing (its fault is noted).
pub(super) fn read(root: &mut Reader<'_>) -> Option<Config> {
    let mode = match root.text("mode", "production").as_str() {
        "trial" => Mode::Trial,
        "production" | "" => Mode::Production,
        other => {
            root.fault("mode", format!("is \"{other}\"; it is \"production\" or \"trial\""));
            Mode::Production
        }
    };
    let host = root.section("host", read_host);
    let http = root.section("http", read_http);
    let database = root.section("database", |database| Database {
        url: database.secret("url", "write url = \"postgres://user:password@host/paddock\""),
        connections: u32::try_from(database.number("connections", 10, 2, 200)).unwrap_or(10),
    });
    let key = root.section("secrets", read_key);
    let audit = root.section("audit", read_audit);
    let stripe = root.section("stripe", read_stripe);
    let standing = root.section("standing", read_standing);
    let giving = root.section("giving", |giving| {
        let mut most =
            |key: &'static str, usual: u32| u32::try_from(giving.number(key, usual.into(), 0, 1_000_000)).unwrap_or(usual);
        Giving { billing: most("billing_most", 100), admin: most("admin_most", 1000) }
    });
    let invitation_hours = root.section("waiting", |waiting| waiting.number("invitation_hours", 48, 1, 720));
    let mail = root.section("mail", read_mail);
    let catalogue = root.section("catalogue", |catalogue| Catalogue {
        plans: catalogue.path("plans", "catalogue/plans.toml"),
        releases: catalogue.path("releases", "catalogue/releases.toml"),
    });
    let kubeconfigs = root.section("clusters", |clusters| clusters.optional_text("kubeconfigs").map(PathBuf::from));
    let dns = root.section("dns", read_dns);
    let backup = if root.has("backup") { root.section("backup", read_backup) } else { None };
    let archives = if root.has("archives") { root.section("archives", read_archives) } else { None };
    let sealing = root.section("sealing", |sealing| {
        let text = sealing.optional_text("operator_recipient")?;
        text.parse().map_err(|error: sealing::BadKey| sealing.fault("operator_recipient", error.to_string())).ok()
    });
    let operator = root.table("operator");
    let metrics = root.section("metrics", |metrics| metrics.has("listen").then(|| metrics.socket("listen", "127.0.0.1:9090")));
    let alerts = root.section("alerts", read_alerts);
    Some(Config {
        mode,
        host: host?,
        http,
        database,
        key,
        audit,
        stripe,
        standing,
        giving,
        invitation_hours,
        mail: mail?,
        catalogue,
        kubeconfigs,
        dns,
        backup,
        archives,
        sealing,
        operator,
        metrics,
        alerts,
    })
}

fn read_archives(archives: &mut Reader<'_>) -> Option<ArchiveStore> {
    let endpoint = archives.url("endpoint", "https://s3.example");
    let region = archives.text("region", "us-east-1");
    let access_key = archives.text("access_key", "GK…");
    let secret_key = archives.secret("secret_key", "write secret_key = \"…\"");
    Some(ArchiveStore { endpoint: endpoint?, region, access_key, secret_key })
}

fn read_host(host: &mut Reader<'_>) -> Option<Host> {
    let name = host.text("name", "Meadow Hosting");
    let base_url = host.url("base_url", "https://paddock.example");
    let domain = host.text("domain", "meadow.social").to_ascii_lowercase();
    if !domain.is_empty() && !plausible_domain(&domain) {
        host.fault("domain", format!("\"{domain}\" is not a domain name such as meadow.social"));
    }
    let support = host.text("support", "help@paddock.example");
    let mut processors = Vec::new();
    for text in host.list("processors") {
        match text.parse::<Processor>() {
            Ok(processor) => processors.push(processor),
            Err(()) => host.fault("processors", format!("\"{text}\" is not of the form \"name | what it does | where\"")),
        }
    }
    Some(Host { name, base_url: base_url?, domain, support, processors })
}

fn read_http(http: &mut Reader<'_>) -> Http {
    let listen = http.socket("listen", "127.0.0.1:8080");
    let trusted_proxies = http.list("trusted_proxies");
    for range in &trusted_proxies {
        let base = range.split_once('/').and_then(|(base, _)| base.parse().ok());
        if !base.is_some_and(|base| internet::contains(range, base)) {
            http.fault("trusted_proxies", format!("\"{range}\" is not a range of addresses such as 10.0.0.0/8 or fd00::/8"));
        }
    }
    Http { listen, trusted_proxies }
}

fn read_key(secrets: &mut Reader<'_>) -> HostKey {
    let text = secrets.secret("key", "make one with: openssl rand -hex 32");
    let text = text.expose_secret();
    let mut bytes = [0; 32];
    if !text.is_empty() && hex::decode_to_slice(text, &mut bytes).is_err() {
        secrets.fault("key", "must be 64 hexadecimal digits; make one with: openssl rand -hex 32");
    }
    HostKey::new(bytes)
}

fn read_audit(audit: &mut Reader<'_>) -> Audit {
    let (text, mut seed) = (audit.optional_text("signing_key"), [0; 32]);
    let signer = text.as_ref().and_then(|text| {
        let read = hex::decode_to_slice(text, &mut seed);
        read.map_err(|_| audit.fault("signing_key", "must be 64 hexadecimal digits; make one with: openssl rand -hex 32")).ok()
    });
    let mut former = Vec::new();
    for text in audit.list("former_signers") {
        match text.parse::<Public>() {
            Ok(public) => former.push(public),
            Err(error) => audit.fault("former_signers", format!("\"{text}\" {error}")),
        }
    }
    let example = text.is_some_and(|text| text == EXAMPLE_KEY) || seed.iter().all(|byte| *byte == seed[0]);
    Audit { signer: signer.map(|()| Signer::new(&seed)), example, former }
}

fn read_stripe(stripe: &mut Reader<'_>) -> Stripe {
    let secrets = stripe.list("webhook_secrets");
    if secrets.is_empty() {
        stripe.fault("webhook_secrets", "is missing; write the endpoint's signing secret: webhook_secrets = [\"whsec_…\"]");
    }
    Stripe {
        api_key: stripe.secret("api_key", "write the secret key from Stripe's dashboard: api_key = \"sk_…\""),
        api_url: if stripe.has("api_url") { stripe.url("api_url", "http://127.0.0.1:12111") } else { None },
        webhook_secrets: secrets.into_iter().map(SecretString::from).collect(),
        checkout_minutes: stripe.number("checkout_minutes", 60, 31, 1440),
        sweep_seconds: stripe.number("sweep_seconds", 86_400, 1, 86_400),
        tax: stripe.flag("tax", false),
        promotion_codes: stripe.flag("promotion_codes", true),
    }
}

fn read_standing(standing: &mut Reader<'_>) -> Standing {
    let days = |reader: &mut Reader<'_>, key, default: u16, low| {
        u16::try_from(reader.number(key, default.into(), low, 3650)).unwrap_or(default)
    };
    let read = Standing {
        grace_days: days(standing, "grace_days", 14, 3),
        grace_mail_days: standing.days("grace_mail_days", &[0, 3, 7, 12]),
        suspended_days: days(standing, "suspended_days", 16, 0),
        ending_days: days(standing, "ending_days", 30, 7),
        ending_mail_days: standing.days("ending_mail_days", &[0, 23]),
        notice_days: days(standing, "notice_days", 3, 1),
        removal_days: days(standing, "removal_days", 30, 0),
    };
    for (key, mails, most) in [
        ("grace_mail_days", &read.grace_mail_days, read.grace_days),
        ("ending_mail_days", &read.ending_mail_days, read.ending_days),
    ] {
        let ascends = mails.array_windows().all(|[one, next]| one < next);
        if mails.first() != Some(&0) || !ascends || mails.last().is_some_and(|last| *last >= most) {
            standing.fault(key, format!("must begin with 0, ascend, and end before day {most}"));
        }
    }
    if read.ending_mail_days.len() < 2 {
        standing.fault("ending_mail_days", "names fewer than two; nothing is destroyed before two mails were written");
    }
    read
}

fn read_mail(mail: &mut Reader<'_>) -> Option<Mail> {
    let from = mail.text("from", "Meadow Hosting <hello@paddock.example>");
    if !from.is_empty() && from.parse::<lettre::message::Mailbox>().is_err() {
        mail.fault("from", format!("\"{from}\" is not a sender such as Meadow Hosting <hello@paddock.example>"));
    }
    let (smtp, folder) = (mail.optional_text("smtp"), mail.optional_text("folder"));
    let transport = match (smtp, folder) {
        (Some(smtp), None) => Some(MailTransport::Smtp(SecretString::from(smtp))),
        (None, Some(folder)) => Some(MailTransport::Folder(PathBuf::from(folder))),
        (Some(_), Some(_)) => {
            mail.fault("folder", "stands beside mail.smtp; keep one of them");
            None
        }
        (None, None) => {
            mail.fault("smtp", "is missing; write for example smtp = \"smtps://user:password@mail.paddock.example\"");
            None
        }
    };
    transport.map(|transport| Mail { from, transport })
}

fn read_alerts(alerts: &mut Reader<'_>) -> Alerts {
    let mail = alerts.optional_text("mail");
    if mail.as_ref().is_some_and(|mail| mail.parse::<lettre::Address>().is_err()) {
        alerts.fault("mail", "is not an address such as staff@paddock.example");
    }
    let webhook = if alerts.has("webhook") { alerts.url("webhook", "https://chat.example/hooks/0123") } else { None };
    Alerts {
        mail,
        webhook: webhook.map(|url| SecretString::from(String::from(url))),
        order_minutes: alerts.number("order_minutes", 60, 5, 10_080),
        unproven_hours: alerts.number("unproven_hours", 48, 1, 720),
        certificate_days: alerts.number("certificate_days", 14, 1, 60),
        capacity_percent: alerts.number("capacity_percent", 15, 1, 90),
    }
}

fn read_dns(dns: &mut Reader<'_>) -> Dns {
    let target = dns.text("target", "gate.meadow.social").to_ascii_lowercase();
    let addresses = dns.list("addresses");
    let mut read = Vec::new();
    for text in &addresses {
        match text.parse() {
            Ok(address) => read.push(address),
            Err(_) => dns.fault("addresses", format!("\"{text}\" is not an IP address")),
        }
    }
    if addresses.is_empty() {
        dns.fault("addresses", "is missing; write the gateway's addresses: addresses = [\"192.0.2.1\", \"2001:db8::1\"]");
    }
    let mut resolvers = Vec::new();
    for text in dns.list("resolvers") {
        match text.parse() {
            Ok(address) => resolvers.push(address),
            Err(_) => dns.fault("resolvers", format!("\"{text}\" is not an address and port such as 9.9.9.9:53")),
        }
    }
    Dns { target, addresses: read, resolvers, dkim_selector: dns.optional_text("dkim_selector") }
}

fn read_backup(backup: &mut Reader<'_>) -> Option<Backup> {
    let endpoint = backup.url("endpoint", "https://s3.example");
    let bucket = backup.text("bucket", "paddock-backup");
    Some(Backup { endpoint: endpoint?, bucket })
}

fn plausible_domain(domain: &str) -> bool {
    domain.contains('.')
        && domain.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        })
}
