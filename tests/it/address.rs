//! Bad input of the order form: addresses, web domains, user names and mail addresses. Each case names the field and the message.

use fluent_templates::fluent_bundle::{FluentArgs, FluentBundle, FluentResource};
use paddock::account::email::{EmailAddress, EmailProblem};
use paddock::instance::address::{
    Address, AddressFault, AddressField, AddressKind, AddressProblem, AddressRules, Severity, WebDomain, clean,
};
use paddock::instance::owner::{OwnerName, OwnerProblem};
use proptest::prelude::*;

fn rules() -> AddressRules {
    AddressRules { other_domains: vec!["paddock.example.net".to_owned()], ..AddressRules::new("paddock.social") }
}

/// As the question that it would be typed into: one word, or one step below the host's domain, is a name, all else a domain.
fn parse(input: &str, rules: &AddressRules) -> Result<Address, Vec<AddressProblem>> {
    let (cleaned, (shown, _)) = (clean(input), idna::domain_to_unicode(&rules.hosts_domain));
    let below = |domain: &str| cleaned.strip_suffix(domain)?.strip_suffix('.');
    let name = below(&rules.hosts_domain).or_else(|| below(&shown)).unwrap_or(&cleaned);
    if name.contains(['.', '。', '．', '｡', ':', '/']) {
        Address::parse_own(input, rules)
    } else {
        Address::parse_name(input, rules)
    }
}

/// Keys of the problems that refuse; all of one field.
fn refusals(problems: &[AddressProblem], field: AddressField) -> Vec<&'static str> {
    assert!(problems.iter().all(|problem| problem.field == field), "{problems:?}");
    let refused = problems.iter().filter(|problem| problem.severity() == Severity::Refuse);
    refused.map(|problem| problem.key().trim_start_matches("address-")).collect()
}

#[test]
fn names_under_the_hosts_domain() {
    let long = "a".repeat(31);
    let cases: &[(&str, &[&str])] = &[
        ("", &["required"]),
        ("   ", &["required"]),
        ("https://", &["required"]),
        ("ab", &["name-too-short"]),
        (&long, &["name-too-long"]),
        ("-garden", &["name-hyphens"]),
        ("garden-", &["name-hyphens"]),
        ("gar--den", &["name-hyphens"]),
        ("xn--grten-kva", &["name-hyphens"]),
        ("12345", &["name-digits"]),
        ("12-34", &["name-digits"]),
        ("gärten", &["name-characters"]),
        ("my garden", &["name-characters"]),
        ("my_garden", &["name-characters"]),
        ("gаrden", &["name-characters"]), // a Cyrillic а
        ("a_", &["name-characters", "name-too-short"]),
        ("admin", &["reserved"]),
        ("WWW", &["reserved"]),
        ("autodiscover", &["reserved"]),
        ("https://status/", &["reserved"]),
        ("paddock.paddock.social", &["reserved"]),
        ("adm1n", &["looks-reserved"]),
        ("ad-min", &["looks-reserved"]),
        ("adrnin", &["looks-reserved"]),
        ("padd0ck", &["looks-reserved"]),
        ("vvebrnail", &["looks-reserved"]),
        ("bil1ing", &["looks-reserved"]),
        ("garden:8080", &["port"]),
        ("garden/about", &["path"]),
        ("ftp://garden", &["scheme"]),
        ("ann@garden", &["user-info"]),
    ];
    for (input, keys) in cases {
        let problems = parse(input, &rules()).expect_err(input);
        assert_eq!(refusals(&problems, AddressField::Address), *keys, "{input}: {problems:?}");
    }
}

#[test]
fn own_domains() {
    let label = "a".repeat(64);
    let long_label = format!("{label}.org");
    let long = format!("{}.org", vec!["abcdefghi"; 25].join("."));
    let huge = "a.".repeat(2000);
    let cases: &[(&str, &[&str])] = &[
        ("192.0.2.1", &["ip-address"]),
        ("2001:db8::1", &["ip-address"]),
        ("http://[2001:db8::1]/", &["ip-address"]),
        ("１９２.０.２.１", &["ip-address"]),
        ("example.0x7f", &["ip-address"]),
        ("192.0.2.1:443", &["port", "ip-address"]),
        ("example.org:3000", &["port"]),
        ("https://example.org/about", &["path"]),
        ("example.org?x=1", &["path"]),
        ("example.org#top", &["path"]),
        ("gopher://example.org", &["scheme"]),
        ("ftp://ann:pw@example.org:21/x", &["scheme", "path", "user-info", "port"]),
        ("ann@example.org", &["user-info"]),
        ("https://ann:pw@example.org", &["user-info"]),
        ("exa mple.org", &["characters"]),
        ("exam_ple.org", &["characters"]),
        ("ex*mple.org", &["characters"]),
        ("xn--a.org", &["characters"]),
        ("example\u{202e}.org", &["characters"]),
        (".example.org", &["empty-label"]),
        ("example..org", &["empty-label"]),
        ("-example.org", &["hyphens"]),
        ("example-.org", &["hyphens"]),
        ("ab--cd.org", &["hyphens"]),
        (&long_label, &["label-too-long"]),
        (&long, &["too-long"]),
        (&huge, &["too-long"]),
        ("server.localhost", &["special-use"]),
        ("server.test", &["special-use"]),
        ("printer.local", &["special-use"]),
        ("abc.onion", &["special-use"]),
        ("1.0.0.127.in-addr.arpa", &["special-use"]),
        ("server.example", &["special-use"]),
        ("server.internal", &["special-use"]),
        ("server.invalid", &["special-use"]),
        ("co.uk", &["public-suffix"]),
        ("GitHub.io", &["public-suffix"]),
        ("paddock.social", &["hosts-domain"]),
        ("a.b.paddock.social", &["hosts-domain"]),
        ("paddock.example.net", &["hosts-domain"]),
        ("x.paddock.example.net", &["hosts-domain"]),
        ("pаddock.social", &["looks-like-host"]), // a Cyrillic а
        ("padd0ck.social", &["looks-like-host"]),
        ("my.paddock.soc1al", &["looks-like-host"]),
    ];
    for (input, keys) in cases {
        let problems = parse(input, &rules()).expect_err(input);
        assert_eq!(refusals(&problems, AddressField::Address), *keys, "{input}: {problems:?}");
    }
    let problems = Address::parse_own("garden", &rules()).expect_err("one label");
    assert_eq!(refusals(&problems, AddressField::Address), ["single-label"]);
}

#[test]
fn good_addresses_are_cleaned_and_kept() {
    let cases = [
        ("garden", "garden.paddock.social", "garden.paddock.social", AddressKind::Hosted),
        (" Garden.Paddock.Social. ", "garden.paddock.social", "garden.paddock.social", AddressKind::Hosted),
        ("@ann@garden.paddock.social", "garden.paddock.social", "garden.paddock.social", AddressKind::Hosted),
        ("cats-4-you", "cats-4-you.paddock.social", "cats-4-you.paddock.social", AddressKind::Hosted),
        ("https://Example.org/", "example.org", "example.org", AddressKind::Own),
        ("@Ann@social.example.org", "social.example.org", "social.example.org", AddressKind::Own),
        ("\u{feff}example.org.\u{200b}", "example.org", "example.org", AddressKind::Own),
        ("Bücher.org", "xn--bcher-kva.org", "bücher.org", AddressKind::Own),
        ("XN--BCHER-KVA.org", "xn--bcher-kva.org", "bücher.org", AddressKind::Own),
        ("faß.de", "xn--fa-hia.de", "faß.de", AddressKind::Own),
        ("例え。jp", "xn--r8jz45g.jp", "例え.jp", AddressKind::Own),
        ("notpaddock.social", "notpaddock.social", "notpaddock.social", AddressKind::Own),
        ("club.co.uk", "club.co.uk", "club.co.uk", AddressKind::Own),
        ("www.example.org", "www.example.org", "www.example.org", AddressKind::Own),
    ];
    for (input, domain, display, kind) in cases {
        let address = parse(input, &rules()).unwrap_or_else(|problems| panic!("{input}: {problems:?}"));
        assert_eq!((address.domain(), address.display(), address.kind()), (domain, display, kind), "{input}");
        assert!(address.warnings().is_empty(), "{input}: {:?}", address.warnings());
    }
    let demo = AddressRules { allow_test: true, ..rules() };
    assert_eq!(parse("server.test", &demo).expect("in a demo").domain(), "server.test");
    for (domain, apex) in [("example.org", true), ("social.example.org", false), ("club.co.uk", true), ("www.club.co.uk", false)]
    {
        assert_eq!(parse(domain, &rules()).expect(domain).is_apex(), apex, "{domain}");
    }
}

#[test]
fn an_internationalised_hosts_domain_is_known_in_both_forms() {
    let rules = AddressRules::new("xn--bcher-kva.social");
    for input in ["garden", "garden.bücher.social", "garden.xn--bcher-kva.social"] {
        let address = parse(input, &rules).unwrap_or_else(|problems| panic!("{input}: {problems:?}"));
        assert_eq!((address.domain(), address.display()), ("garden.xn--bcher-kva.social", "garden.bücher.social"));
    }
}

#[test]
fn what_is_only_warned_about() {
    for input in ["mastodon", "my-mastodon", "rnastodon", "mast0d0n", "mastodon.example.org", "mаstodon.org", "masto-don.org"] {
        match parse(input, &rules()) {
            Ok(address) => {
                assert!(address.warnings().iter().any(|problem| problem.key() == "address-needs-permission"), "{input}");
                assert!(address.warnings().iter().all(|problem| problem.severity() == Severity::Warn), "{input}");
            }
            Err(problems) => panic!("{input}: {problems:?}"),
        }
    }
    let mixed = parse("gаrden.org", &rules()).expect("a Cyrillic letter is a warning in a domain of their own");
    assert_eq!(mixed.warnings()[0].fault, AddressFault::MixedScripts("gаrden".to_owned()));
    assert!(parse("кот.org", &rules()).expect("one alphabet").warnings().is_empty());
    // A refusal still tells about the trademark, so that nobody learns of it one step later.
    let problems = parse("mastodon-", &rules()).expect_err("a hyphen at the end");
    assert!(problems.iter().any(|problem| problem.fault == AddressFault::NeedsPermission));
}

#[test]
fn what_looks_alike_has_one_skeleton() {
    let skeleton = |input| parse(input, &rules()).expect(input).skeleton();
    assert_eq!(skeleton("clover"), skeleton("c1over"));
    assert_eq!(skeleton("modern"), skeleton("rnodem"));
    assert_ne!(skeleton("my-cat"), skeleton("mycat"));
    assert_eq!(skeleton("clover.org"), skeleton("c1over.org"));
}

#[test]
fn web_domains() {
    let address = parse("example.org", &rules()).expect("an address");
    for input in ["social.example.org", "example.com", "https://Social.Example.org/"] {
        assert!(WebDomain::parse(input, &address, &rules()).is_ok(), "{input}");
    }
    for (input, key) in [
        ("example.org", "same-as-address"),
        ("HTTPS://EXAMPLE.ORG/", "same-as-address"),
        ("garden", "single-label"),
        ("garden.paddock.social", "hosts-domain"),
        ("", "required"),
        ("10.0.0.1", "ip-address"),
    ] {
        let problems = WebDomain::parse(input, &address, &rules()).expect_err(input);
        assert_eq!(refusals(&problems, AddressField::WebDomain), [key], "{input}");
    }
}

#[test]
fn owner_names() {
    for (input, name) in [("ann", "ann"), (" @Ann ", "ann"), ("ANN_B", "ann_b"), ("_", "_"), ("42", "42")] {
        assert_eq!(OwnerName::parse(input).expect(input).as_str(), name);
    }
    let long = "a".repeat(31);
    let cases: &[(&str, &[&str])] = &[
        ("", &["owner-required"]),
        ("@", &["owner-required"]),
        ("ann b", &["owner-characters"]),
        ("ann-b", &["owner-characters"]),
        ("ann.b", &["owner-characters"]),
        ("änn", &["owner-characters"]),
        ("ann@example.org", &["owner-characters"]),
        ("ann\u{200b}", &["owner-characters"]),
        (&long, &["owner-too-long"]),
        ("Admin", &["owner-reserved"]),
        ("root", &["owner-reserved"]),
        ("moderator", &["owner-reserved"]),
    ];
    for (input, keys) in cases {
        let problems = OwnerName::parse(input).expect_err(input);
        assert_eq!(problems.iter().map(OwnerProblem::key).collect::<Vec<_>>(), *keys, "{input}");
        assert!(problems.iter().all(|problem| problem.field() == "owner_name"));
    }
}

#[test]
fn mail_addresses() {
    let cases = [
        (" Ada.Lovelace@Example.COM ", "Ada.Lovelace@example.com", "ada.lovelace@example.com", "A***@e***.com"),
        ("MailTo:<ada@bücher.org>", "ada@xn--bcher-kva.org", "ada@xn--bcher-kva.org", "a***@x***.org"),
        ("a+tag@sub.example.co.uk.", "a+tag@sub.example.co.uk", "a+tag@sub.example.co.uk", "a***@s***.uk"),
    ];
    for (input, smtp, canonical, masked) in cases {
        let email = EmailAddress::parse(input).expect(input);
        assert_eq!((email.smtp().as_str(), email.canonical().as_str(), email.masked().as_str()), (smtp, canonical, masked));
        assert_eq!(EmailAddress::parse(&email.display()), Ok(email.clone()));
        assert!(!format!("{email:?}").contains("ada"));
    }
    let (long_local, long_domain) =
        (format!("{}@example.org", "a".repeat(65)), format!("{}@{}.org", "a".repeat(60), ["abcdefghi"; 20].join(".")));
    let huge = "a".repeat(5000);
    for (input, key) in [
        ("", "email-required"),
        ("<>", "email-required"),
        ("mailto:", "email-required"),
        ("ada", "email-no-at"),
        ("@example.org", "email-no-at"),
        ("ada@", "email-no-at"),
        ("ada@b@example.org", "email-no-at"),
        ("ada lovelace@example.org", "email-local"),
        ("\"ada\"@example.org", "email-local"),
        (".ada@example.org", "email-local"),
        ("ada..l@example.org", "email-local"),
        ("adä@example.org", "email-local"),
        ("ada\r\nBcc:x@example.org", "email-local"),
        (&long_local, "email-local"),
        ("ada@localhost", "email-domain"),
        ("ada@[192.0.2.1]", "email-domain"),
        ("ada@192.0.2.1", "email-domain"),
        ("ada@exam ple.org", "email-domain"),
        ("ada@-example.org", "email-domain"),
        ("ada@example..org", "email-domain"),
        ("ada@example.org\r\nBcc: x", "email-domain"),
        (&long_domain, "email-too-long"),
        (&huge, "email-too-long"),
    ] {
        let problem = EmailAddress::parse(input).expect_err(input);
        assert_eq!((problem.key(), problem.field()), (key, "email"), "{input}");
    }
}

/// Every problem has its words, and the words ask for nothing that the problem does not give.
#[test]
fn every_problem_has_words() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/locales/en/address.ftl")).expect("the words");
    let mut bundle = FluentBundle::default();
    bundle.add_resource(FluentResource::try_new(text).expect("valid fluent")).expect("no message twice");
    let words = |key: &str, args: Vec<(&'static str, String)>| {
        let message = bundle.get_message(key).and_then(|message| message.value()).unwrap_or_else(|| panic!("no words for {key}"));
        let args: FluentArgs<'_> = args.into_iter().collect();
        let mut errors = Vec::new();
        let text = bundle.format_pattern(message, Some(&args), &mut errors).into_owned();
        assert!(errors.is_empty(), "{key}: {errors:?}");
        text
    };
    let part = || "part".to_owned();
    let faults = [
        AddressFault::Required,
        AddressFault::Scheme(part()),
        AddressFault::UserInfo,
        AddressFault::Port,
        AddressFault::Path,
        AddressFault::IpAddress,
        AddressFault::Characters(part()),
        AddressFault::EmptyLabel,
        AddressFault::TooLong { length: 300, most: 247 },
        AddressFault::LabelTooLong(part()),
        AddressFault::Hyphens(part()),
        AddressFault::SingleLabel(part()),
        AddressFault::SpecialUse(part()),
        AddressFault::PublicSuffix(part()),
        AddressFault::HostsDomain(part()),
        AddressFault::LooksLikeHost(part()),
        AddressFault::MixedScripts(part()),
        AddressFault::NameCharacters,
        AddressFault::NameTooShort { least: 3 },
        AddressFault::NameTooLong { most: 30 },
        AddressFault::NameHyphens,
        AddressFault::NameDigits,
        AddressFault::Reserved(part()),
        AddressFault::LooksReserved(part()),
        AddressFault::Taken(part()),
        AddressFault::LooksTaken(part()),
        AddressFault::NeedsPermission,
        AddressFault::SameAsAddress,
    ];
    for fault in faults {
        let problem = AddressProblem { field: AddressField::WebDomain, fault };
        assert!(words(problem.key(), problem.args()).contains("web domain"), "{problem:?} does not name its field");
    }
    for problem in [
        OwnerProblem::Required,
        OwnerProblem::Characters,
        OwnerProblem::TooLong { most: 30 },
        OwnerProblem::Reserved("admin".to_owned()),
    ] {
        assert!(words(problem.key(), problem.args()).contains("owner’s user name"), "{problem:?} does not name its field");
    }
    for problem in [
        EmailProblem::Required,
        EmailProblem::NoAt,
        EmailProblem::Local,
        EmailProblem::Domain,
        EmailProblem::TooLong { most: 254 },
    ] {
        assert!(words(problem.key(), problem.args()).contains("e-mail address"), "{problem:?} does not name its field");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1000) })]

    #[test]
    fn nothing_panics_and_cleaning_twice_is_cleaning_once(input in "\\PC*|[@./:a-zA-Z0-9 -]{0,40}|(https?://|@a@)?[a-zä.]{1,20}[/. ]{0,3}") {
        let _ = (Address::parse_own(&input, &rules()), Address::parse_name(&input, &rules()));
        let _ = (OwnerName::parse(&input), EmailAddress::parse(&input));
        let once = clean(&input);
        prop_assert_eq!(clean(&once), once.clone());
        prop_assert_eq!(parse(&once, &rules()), parse(&input, &rules()));
    }

    #[test]
    fn what_is_shown_parses_to_the_same(input in "[a-zäöüßéñλд日本0-9-]{1,12}(\\.[a-zäöüß0-9-]{1,8}){0,2}(\\.org)?") {
        if let Ok(address) = parse(&input, &rules()) {
            prop_assert_eq!(parse(address.display(), &rules()), Ok(address.clone()));
            prop_assert_eq!(parse(address.domain(), &rules()), Ok(address.clone()));
            prop_assert!(address.domain().is_ascii() && address.domain().len() <= 253);
        }
    }

    #[test]
    fn a_mail_address_that_we_take_is_one_that_the_mailer_takes(input in "[a-zA-Z0-9.+_'-]{1,12}@[a-zü0-9.-]{1,12}\\.[a-z]{2,4}") {
        if let Ok(email) = EmailAddress::parse(&input) {
            prop_assert!(email.smtp().parse::<lettre::Address>().is_ok(), "{}", email.smtp());
            prop_assert_eq!(EmailAddress::parse(&email.display()), Ok(email.clone()));
            prop_assert_eq!(email.canonical(), EmailAddress::parse(&email.canonical()).expect("canonical").canonical());
        }
    }
}
