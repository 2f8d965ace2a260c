//! Bad configuration: every fault is named at once, each with its setting and what to write instead.

use std::path::Path;
use std::process::Command;

use paddock::config::{BadConfig, Config, Mode, REFERENCE};
use paddock::operator::Settings;

/// The documented example with one line replaced, which must be in it.
fn with(find: &str, put: &str) -> String {
    assert!(REFERENCE.contains(find), "{find} is not in the example");
    REFERENCE.replacen(find, put, 1)
}

fn faults(text: &str) -> Vec<String> {
    match Config::from_toml(text) {
        Ok(_) => Vec::new(),
        Err(BadConfig(faults)) => faults.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn the_documented_example_is_good_and_a_trial() {
    let config = Config::from_toml(REFERENCE).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(config.mode, Mode::Trial);
    assert!(config.kubeconfigs.is_some());
    assert!(config.backup.is_some() && config.metrics.is_some());
}

#[test]
fn the_documented_example_is_enough_for_the_operator() {
    let mut table = Config::from_toml(REFERENCE).unwrap_or_else(|error| panic!("{error}")).operator;
    let image = format!("ghcr.io/mastodon/mastodon:v4.6.0@sha256:{}", "a".repeat(64));
    let images = toml::Table::from_iter([
        ("web".to_owned(), image.clone().into()),
        ("streaming".to_owned(), image.into()),
        ("min_from".to_owned(), "4.5.0".into()),
    ]);
    table.insert("releases".to_owned(), toml::Table::from_iter([("4.6.0".to_owned(), images.into())]).into());
    let settings: Settings = table.try_into().unwrap_or_else(|error| panic!("{error}"));
    settings.check().unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(settings.network.api_server.len(), 2);
}

#[test]
fn production_keeps_pages_and_customers_on_separate_sites() {
    let refused = |pages: &str, domain: &str| {
        let text = REFERENCE
            .replacen("mode = \"trial\"", "mode = \"production\"", 1)
            .replacen("http://127.0.0.1:8080", pages, 1)
            .replacen("domain = \"meadow.social\"", &format!("domain = \"{domain}\""), 1);
        faults(&text).iter().any(|fault| fault.starts_with("host.domain:") && fault.contains("use a separate domain"))
    };
    for (pages, domain) in [
        ("https://meadow.social", "meadow.social"),
        ("https://pages.meadow.social", "meadow.social"),
        ("https://paddock.example", "social.paddock.example"),
        ("https://pages.paddock.example", "social.paddock.example"),
        ("https://paddock.co.uk", "social.paddock.co.uk"),
    ] {
        assert!(refused(pages, domain), "{pages} with {domain}");
    }
    for (pages, domain) in [
        ("https://paddock.example", "meadow.social"),
        ("https://paddock.social", "meadow.social"),
        ("https://paddock.co.uk", "meadow.co.uk"),
    ] {
        assert!(!refused(pages, domain), "{pages} with {domain}");
    }
}

/// What is replaced, by what, the setting that is named, and what is said about it.
const FAULTY: &[(&str, &str, &str, &str)] = &[
    ("mode = \"trial\"", "mode = \"trial\"\nmood = \"good\"", "mood:", "is not a setting here; known are:"),
    ("name = \"Meadow Hosting\"", "name = \" \"", "host.name:", "is missing; write for example name = \""),
    ("base_url = \"http://127.0.0.1:8080\"", "base_url = \"paddock.example\"", "host.base_url:", "is not a URL such as https://"),
    (
        "base_url = \"http://127.0.0.1:8080\"",
        "base_url = \"ftp://paddock.example\"",
        "host.base_url:",
        "must begin with https://",
    ),
    ("base_url = \"http://127.0.0.1:8080\"", "", "host.base_url:", "is missing; it takes a URL"),
    ("domain = \"meadow.social\"", "domain = \"not a domain\"", "host.domain:", "is not a domain name such as meadow.social"),
    ("domain = \"meadow.social\"", "", "host.domain:", "is missing; write for example domain = \"meadow.social\""),
    ("support = \"help@paddock.example\"", "", "host.support:", "is missing; write for example support = \""),
    ("domain = \"meadow.social\"", "domain = \"meadow.social\"\ncolour = \"green\"", "host.colour:", "is not a setting here"),
    ("[http]\nlisten = \"127.0.0.1:8080\"", "[http]\nlisten = \"8080\"", "http.listen:", "is not an address and port, such as"),
    (
        "trusted_proxies = [\"10.0.0.0/8\"]",
        "trusted_proxies = [\"10.0.0.0/33\"]",
        "http.trusted_proxies:",
        "is not a range of addresses such as",
    ),
    ("url = \"postgres://paddock@127.0.0.1/paddock\"", "", "database.url:", "is missing; write url = \"postgres://"),
    ("connections = 10", "connections = 1", "database.connections:", "is 1; it must lie between 2 and 200"),
    ("connections = 10", "connections = \"many\"", "database.connections:", "\"many\" is not a whole number"),
    ("connections = 10", "connections = 2.5", "database.connections:", "must be a whole number, not float"),
    (
        "key = \"0123456789abcdef0123",
        "key = \"0123",
        "secrets.key:",
        "64 hexadecimal digits; make one with: openssl rand -hex 32",
    ),
    ("key = \"0123456789abcdef", "# key = \"0123456789abcdef", "secrets.key:", "is missing; make one with: openssl rand -hex 32"),
    (
        "signing_key = \"0123456789abcdef0123",
        "signing_key = \"0123",
        "audit.signing_key:",
        "64 hexadecimal digits; make one with: openssl rand -hex 32",
    ),
    ("former_signers = []", "former_signers = [\"d75a\"]", "audit.former_signers:", "\"d75a\" is no public key of 64"),
    ("api_key = \"sk_test_fake\"", "", "stripe.api_key:", "is missing; write the secret key from Stripe's dashboard"),
    ("api_url = \"http://127.0.0.1:12111\"", "api_url = \"12111\"", "stripe.api_url:", "is not a URL such as"),
    ("webhook_secrets = [\"whsec_fake\"]", "", "stripe.webhook_secrets:", "is missing; write the endpoint's signing secret"),
    ("webhook_secrets = [\"whsec_fake\"]", "webhook_secrets = [1]", "stripe.webhook_secrets:", "must be a list of texts"),
    ("checkout_minutes = 60", "checkout_minutes = 30", "stripe.checkout_minutes:", "is 30; it must lie between 31 and 1440"),
    ("checkout_minutes = 60", "checkout_minutes = 1441", "stripe.checkout_minutes:", "must lie between 31 and 1440"),
    ("tax = false", "tax = 1", "stripe.tax:", "must be true or false"),
    ("billing_most = 100", "billing_most = -1", "giving.billing_most:", "must lie between 0"),
    ("sweep_seconds = 86400", "sweep_seconds = 0", "stripe.sweep_seconds:", "must lie between 1 and 86400"),
    ("from = \"Meadow Hosting <hello@paddock.example>\"", "from = \"Meadow Hosting\"", "mail.from:", "is not a sender such as"),
    ("smtp = \"smtp+plain://127.0.0.1:1025\"", "", "mail.smtp:", "is missing; write for example smtp = \"smtps://"),
    ("# folder = \"mails\"", "folder = \"mails\"", "mail.folder:", "stands beside mail.smtp; keep one of them"),
    ("mail = \"staff@paddock.example\"", "mail = \"staff\"", "alerts.mail:", "is not an address such as"),
    ("# webhook = \"https://chat", "webhook = \"ftp://chat", "alerts.webhook:", "must begin with https://"),
    ("unproven_hours = 48", "unproven_hours = 0", "alerts.unproven_hours:", "is 0; it must lie between 1 and 720"),
    ("capacity_percent = 15", "capacity_percent = 95", "alerts.capacity_percent:", "it must lie between 1 and 90"),
    ("[clusters]\n", "[[clusters]]\n", "clusters:", "must be a section: a line [clusters] with its settings below"),
    ("kubeconfigs = \"kubeconfigs\"", "kubeconfigs = 1", "clusters.kubeconfigs:", "must be a text in quotes, not integer"),
    ("[clusters]\n", "[[cluster]]\nname = \"first\"\n[clusters]\n", "cluster:", "is not a setting here; known are:"),
    ("target = \"gate.meadow.social\"", "", "dns.target:", "is missing; write for example target = \""),
    ("addresses = [\"192.0.2.1\", \"2001:db8::1\"]", "", "dns.addresses:", "is missing; write the gateway's addresses"),
    ("addresses = [\"192.0.2.1\"", "addresses = [\"192.0.2.256\"", "dns.addresses:", "\"192.0.2.256\" is not an IP address"),
    (
        "resolvers = [\"9.9.9.9:53\"",
        "resolvers = [\"9.9.9.9\"",
        "dns.resolvers:",
        "is not an address and port such as 9.9.9.9:53",
    ),
    ("endpoint = \"https://s3.example\"", "", "backup.endpoint:", "is missing; it takes a URL"),
    ("bucket = \"paddock-backup\"", "", "backup.bucket:", "is missing; write for example bucket = \""),
    ("[metrics]\nlisten = \"127.0.0.1:9090\"", "[metrics]\nlisten = \"here\"", "metrics.listen:", "is not an address and port"),
    ("[metrics]\n", "[metric]\n", "metric:", "is not a setting here; known are:"),
];

#[test]
fn each_fault_names_its_setting_and_the_remedy() {
    for (find, put, setting, remedy) in FAULTY {
        let found = faults(&with(find, put));
        let named = found.iter().any(|fault| fault.starts_with(setting) && fault.contains(remedy));
        assert!(named, "{put:?} should say \"{setting} … {remedy}\", and says {found:#?}");
        assert!(
            found.iter().all(|fault| fault.starts_with(setting)),
            "{put:?} is a fault of {setting} alone, and named are {found:#?}"
        );
    }
}

#[test]
fn a_mode_that_is_none_counts_as_production() {
    for (mode, remedy) in [("\"staging\"", "it is \"production\" or \"trial\""), ("1", "must be a text in quotes, not integer")] {
        let found = faults(&with("mode = \"trial\"", &format!("mode = {mode}")));
        assert!(found.iter().any(|fault| fault.starts_with("mode: ") && fault.contains(remedy)), "{found:#?}");
        assert!(found.iter().any(|fault| fault.starts_with("stripe.api_url:")), "{found:#?}");
    }
}

#[test]
fn a_cut_off_file_is_told_from_a_wrong_one() {
    let found = faults("mode = \"trial");
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("configuration: is not TOML:"), "{found:?}");
}

#[test]
fn nothing_at_all_names_everything_that_must_be_there() {
    let found = faults("");
    for setting in [
        "host.name",
        "host.base_url",
        "host.domain",
        "host.support",
        "database.url",
        "secrets.key",
        "stripe.api_key",
        "stripe.webhook_secrets",
        "mail.from",
        "mail.smtp",
        "dns.target",
        "dns.addresses",
    ] {
        let told = found.iter().filter(|fault| fault.starts_with(&format!("{setting}:"))).count();
        assert_eq!(told, 1, "{setting} in {found:#?}");
    }
}

#[test]
fn several_faults_are_all_named_at_once() {
    let text = REFERENCE
        .replacen("connections = 10", "connections = 0", 1)
        .replacen("checkout_minutes = 60", "checkout_minutes = \"an hour\"", 1)
        .replacen("support = \"help@paddock.example\"", "suport = \"help@paddock.example\"", 1);
    let found = faults(&text);
    let settings: Vec<_> = found.iter().filter_map(|fault| fault.split(": ").next()).collect();
    assert_eq!(settings, ["database.connections", "host.suport", "host.support", "stripe.checkout_minutes"]);
}

#[test]
fn production_refuses_what_is_for_trials_all_at_once() {
    let text = REFERENCE
        .replacen("mode = \"trial\"", "mode = \"production\"", 1)
        .replacen("http://127.0.0.1:8080", "http://pages.meadow.social", 1)
        .replacen("trusted_proxies = [\"10.0.0.0/8\"]", "", 1)
        .replacen("resolvers = [\"9.9.9.9:53\", ", "resolvers = [", 1)
        .replacen("[backup]\nendpoint = \"https://s3.example\"\nbucket = \"paddock-backup\"", "", 1);
    let found = faults(&text);
    let expected = [
        ("host.base_url:", "https://"),
        ("host.domain:", "use a separate domain"),
        ("http.trusted_proxies:", "close the log-in to all"),
        ("secrets.key:", "openssl rand -hex 32"),
        ("audit.signing_key:", "is the example's; make your own with: openssl rand -hex 32"),
        ("stripe.api_url:", "take it out"),
        ("stripe.api_key:", "is not a live key"),
        ("stripe.webhook_secrets:", "whsec_"),
        ("mail.smtp:", "is without encryption; write smtps://"),
        ("dns.resolvers:", "names fewer than two"),
        ("backup:", "[backup] with endpoint and bucket"),
    ];
    for (setting, remedy) in expected {
        assert!(
            found.iter().any(|fault| fault.starts_with(setting) && fault.contains(remedy)),
            "{setting} {remedy} in {found:#?}"
        );
    }
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    let unsigned = faults(&text.replacen("signing_key = ", "# signing_key = ", 1));
    assert!(unsigned.iter().any(|fault| fault.starts_with("audit.signing_key: is missing; make one")), "{unsigned:#?}");

    let folder = text.replacen("smtp = \"smtp+plain://127.0.0.1:1025\"", "folder = \"mails\"", 1);
    assert!(faults(&folder).iter().any(|fault| fault.starts_with("mail.folder: sends nothing")), "{:#?}", faults(&folder));
    let without = text.replacen("smtp = \"smtp+plain://127.0.0.1:1025\"", "", 1);
    assert!(faults(&without).iter().any(|fault| fault.starts_with("mail.smtp: is missing")), "{:#?}", faults(&without));
}

#[test]
fn without_a_word_it_is_production() {
    let found = faults(&with("mode = \"trial\"", ""));
    assert!(found.iter().any(|fault| fault.starts_with("stripe.api_url:")), "{found:#?}");
}

#[test]
fn a_real_business_may_start() {
    let text = REFERENCE
        .replacen("mode = \"trial\"", "mode = \"production\"", 1)
        .replacen("http://127.0.0.1:8080", "https://pages.paddock.example", 1)
        .replacen("0123456789abcdef0123456789abcdef", "6b1f0c93e7d24a58b1f0c93e7d24a586", 3)
        .replacen("sk_test_fake", "sk_live_51Habcdefghijklmnop", 1)
        .replacen("api_url = \"http://127.0.0.1:12111\"", "", 1)
        .replacen("whsec_fake", "whsec_abcdefghijklmnopqrstuvwxyz012345", 1)
        .replacen("smtp+plain://127.0.0.1:1025", "smtps://paddock:secret@mail.paddock.example", 1);
    let config = Config::from_toml(&text).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(config.mode, Mode::Production);
}

/// `paddock check-config` with a file and the environment; whether it is content, and what it says.
fn checked(file: Option<&Path>, environment: &[(&str, &str)]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_paddock"));
    command.arg("check-config").current_dir(env!("CARGO_MANIFEST_DIR"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("PADDOCK_")) {
        command.env_remove(name);
    }
    command.args(file.map(|file| format!("--config={}", file.display()))).envs(environment.iter().copied());
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
    (output.status.success(), said)
}

#[test]
fn the_file_is_named_when_it_cannot_be_read() {
    let folder = std::env::temp_dir().join(format!("paddock-config-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let not_text = folder.join("not-text.toml");
    std::fs::write(&not_text, b"mode = \"tri\xffal\"\n").unwrap();
    let cut_off = folder.join("cut-off.toml");
    std::fs::write(&cut_off, "mode = \"trial").unwrap();
    for file in [folder.join("missing.toml"), not_text, cut_off, folder.clone()] {
        let (right, said) = checked(Some(&file), &[]);
        assert!(!right && said.contains(&format!("{}: can't be read", file.display())), "{}: {said}", file.display());
        assert!(matches!(Config::load(Some(&file)), Err(BadConfig(faults)) if faults.len() == 1), "{}", file.display());
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn the_environment_goes_over_the_file() {
    let folder = std::env::temp_dir().join(format!("paddock-environment-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("config.toml");
    std::fs::write(&file, REFERENCE).unwrap();
    let right = |environment: &[(&str, &str)]| checked(Some(&file), environment);
    let (well, said) = right(&[]);
    assert!(well && said.contains("the configuration is right"), "{said}");
    let cases = [
        (("PADDOCK__HTTP__LISTEN", "nowhere"), "http.listen: \"nowhere\" is not an address and port"),
        (("PADDOCK__DATABASE__CONNECTIONS", "1"), "database.connections: is 1"),
        (("PADDOCK__DATABASE__CONNECTIONS", "many"), "database.connections: \"many\" is not a whole number"),
        (("PADDOCK__MODE", "production"), "stripe.api_url: points away from Stripe"),
        (("PADDOCK__HTTP__LISTN", "127.0.0.1:1"), "http.listn: is not a setting here"),
    ];
    for (variable, fault) in cases {
        let (well, said) = right(&[variable]);
        assert!(!well && said.contains(fault), "{variable:?}: {said}");
    }
    // What the file leaves out may come from there alone.
    std::fs::write(
        &file,
        REFERENCE.replacen("connections = 10", "", 1).replacen("url = \"postgres://paddock@127.0.0.1/paddock\"", "", 1),
    )
    .unwrap();
    let (well, said) = right(&[]);
    assert!(!well && said.contains("database.url: is missing"), "{said}");
    let (well, said) =
        right(&[("PADDOCK__DATABASE__URL", "postgres://paddock@127.0.0.1/paddock"), ("PADDOCK__DATABASE__CONNECTIONS", "5")]);
    assert!(well, "{said}");
    let (well, said) = right(&[("PADDOCK_CONFIG", "elsewhere.toml")]);
    assert!(!well && said.contains("database.url: is missing"), "the command line goes over PADDOCK_CONFIG: {said}");
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn the_dates_of_who_does_not_pay_must_make_sense() {
    let found = |find: &str, put: &str| faults(&with(find, put));
    let mails = "grace_mail_days = [0, 3, 7, 12]";
    for put in ["[1, 3]", "[0, 7, 3]", "[0, 14]", "[]"] {
        let all = found(mails, &format!("grace_mail_days = {put}"));
        assert_eq!(all, ["standing.grace_mail_days: must begin with 0, ascend, and end before day 14"], "{put}");
    }
    assert_eq!(
        found(mails, "grace_mail_days = [\"soon\"]"),
        ["standing.grace_mail_days: must be a list of days, such as [0, 3, 7]"]
    );
    assert_eq!(found(mails, "grace_mail_days = \"0, 5\""), Vec::<String>::new(), "as the environment has it");
    let all = found("ending_mail_days = [0, 23]", "ending_mail_days = [0]");
    assert!(all.len() == 1 && all[0].contains("two mails"), "{all:?}");
    assert!(found("notice_days = 3", "notice_days = 0")[0].contains("between 1 and"));
}
