//! The two catalogue files: the ones in the repository are good, and each fault in one is named with entry, field and remedy.

use std::path::Path;

use paddock::money::{Currency, Money};
use paddock::plan::{Catalogue, FileError, Interval, Releases, Version};

const PLANS: &str = include_str!("../../catalogue/plans.toml");
const RELEASES: &str = include_str!("../../catalogue/releases.toml");

/// The catalogue file with `find`, which must be in it, replaced at its first place.
fn with(text: &str, find: &str, put: &str) -> String {
    assert!(text.contains(find), "{find} is not in the file");
    text.replacen(find, put, 1)
}

fn told(error: &FileError) -> Vec<String> {
    error.faults().iter().map(ToString::to_string).collect()
}

#[test]
fn the_plans_of_the_repository() {
    let catalogue = Catalogue::parse(PLANS).unwrap_or_else(|error| panic!("{error}"));
    assert!(catalogue.offered().count() >= 3);
    assert_eq!(catalogue.currency(), Currency::Eur);
    let family = catalogue.get("family").expect("the first plan");
    assert_eq!(family.price(Interval::Month), Money::new(1900, Currency::Eur));
    assert_eq!(family.price(Interval::Year), Money::new(19000, Currency::Eur));
    assert_eq!(catalogue.get("none"), None);
    for plan in catalogue.plans() {
        let footprint = plan.size.footprint();
        assert!(footprint.memory_mib > 1239, "{}: a server at rest takes 932 MiB and 307 more for the scheduler", plan.code);
        assert!(footprint.pods >= 11 && footprint.services == 4 && footprint.volumes >= 2);
    }
    let footprint = family.size.footprint();
    assert_eq!((footprint.pods, footprint.memory_mib, footprint.volume_gib), (11, 2688, 21), "with what its volume may grow to");
}

#[test]
fn each_fault_of_a_plan_is_named() {
    let cases = [
        ("currency = \"eur\"", "currency = \"dkk\"", "currency: is \"dkk\"; set one of"),
        ("currency = \"eur\"", "", "currency: is missing; set one of"),
        ("currency = \"eur\"", "currency = \"eur\"\nvat = 19", "vat: is not a field"),
        ("code = \"family\"", "code = \"Family Plan\"", "plan \"Family Plan\": code: use lower-case letters"),
        ("code = \"family\"\n", "", "plan #1: code: is missing; set a short name"),
        ("code = \"community\"", "code = \"family\"", "plan \"family\": code: is used by a plan above"),
        ("name = \"Family\"", "name = \" \"", "plan \"family\": name: is empty; set"),
        ("name = \"Family\"", "name = \"Family\"\ncolour = \"red\"", "plan \"family\": colour: is not a field"),
        (
            "monthly = \"19.00\"",
            "monthly = 19.0",
            "plan \"family\": monthly: is a float; set a price such as \"19.00\", in quotes",
        ),
        ("monthly = \"19.00\"", "monthly = \"19,00 €\"", "plan \"family\": monthly: is \"19,00 €\"; write it as"),
        ("monthly = \"19.00\"", "monthly = \"-19.00\"", "plan \"family\": monthly: is \"-19.00\"; write it as"),
        ("monthly = \"19.00\"", "monthly = \"0.00\"", "plan \"family\": monthly: is 0; set a price above zero"),
        ("yearly = \"190.00\"", "yearly = \"229.00\"", "plan \"family\": yearly: is 229.00 and twelve months are 228.00"),
        ("yearly = \"190.00\"", "yearly = \"18.99\"", "plan \"family\": yearly: is 18.99 and one month is 19.00"),
        ("offered = true", "offered = \"yes\"", "plan \"family\": offered: is a string; set true or false"),
        ("users_hint = 25, ", "", "plan \"family\": limits.users_hint: is missing; set a whole number"),
        ("database_gib = 8,", "database_gib = 80,", "plan \"family\": limits.database_gib: is 80 and the volume has 10"),
        ("media_gib = 25", "media_gib = 0", "plan \"family\": limits.media_gib: is 0; set a whole number from 1"),
        ("threads = 5", "threads = 0", "plan \"family\": size.web.threads: is 0; set a whole number from 1 to 32"),
        ("threads = 5", "thread = 5", "plan \"family\": size.web.thread: is not a field"),
        ("concurrency = 0, ", "concurrency = 4, ", "plan \"family\": size.web.memory_mib: is 768 and concurrency = 4 needs 1280"),
        ("db_pool = 3", "db_pool = -3", "plan \"family\": size.streaming.db_pool: is -3; set"),
        ("memory_mib = 192", "memory_mib = 64", "plan \"family\": size.streaming.memory_mib: is 64; set a whole number from 160"),
        ("instances = 1", "instances = 4", "plan \"family\": size.database.instances: is 4; set a whole number from 1 to 3"),
        ("gib = 50", "gib = 0", "storage_pack.gib: is 0; set a whole number from 1"),
        ("yearly = \"30.00\"", "yearly = \"40.00\"", "storage_pack.yearly: is 40.00 and twelve months are 36.00"),
        ("memory_gib = \"3.00\"", "memory_gib = \"3,00\"", "costs.memory_gib: is \"3,00\"; write it as an amount"),
        ("fee_basis_points = 150", "fee_basis_points = 10001", "costs.fee_basis_points: is 10001; set a whole number from 0"),
        (
            "storage_most_gib = 20, memory_mib = 512",
            "storage_most_gib = 20, max_connections = 60, memory_mib = 512",
            "plan \"family\": size.database.max_connections: is not a field",
        ),
        (
            "storage_most_gib = 20",
            "storage_most_gib = 5",
            "plan \"family\": size.database.storage_most_gib: is 5; set a whole number from 10",
        ),
        (
            "cache = { memory_mib = 128, storage_gib = 1 }",
            "cache = 128",
            "plan \"family\": size.cache: is an integer; make it a table",
        ),
    ];
    for (find, put, expected) in cases {
        let error = Catalogue::parse(&with(PLANS, find, put)).expect_err(expected);
        let told = told(&error);
        assert!(told.iter().any(|fault| fault.starts_with(expected)), "{find} → {put}: {told:#?}");
        assert!(error.to_string().contains(expected));
    }
}

/// The plans alone, which is all that a host has to say.
fn plans_alone() -> String {
    let (head, rest) = PLANS.split_once("[costs]").unwrap();
    let (_, plans) = rest.split_once("[[plan]]").unwrap();
    format!("{head}[[plan]]{plans}")
}

#[test]
fn prices_have_the_decimals_of_their_currency() {
    let alone = Catalogue::parse(&plans_alone()).unwrap();
    assert!(alone.pack().is_none() && alone.costs().is_none());
    let all = Catalogue::parse(PLANS).unwrap();
    let pack = all.pack().unwrap();
    assert_eq!(
        (pack.gib, pack.price(Interval::Month), pack.price(Interval::Year)),
        (50, Money::new(300, Currency::Eur), Money::new(3000, Currency::Eur))
    );
    let in_currency = |code: &str, decimals: &str| {
        plans_alone().replace("currency = \"eur\"", &format!("currency = \"{code}\"")).replace(".00\"", &format!("{decimals}\""))
    };
    let yen = Catalogue::parse(&in_currency("jpy", "")).unwrap();
    assert_eq!(yen.get("family").unwrap().monthly, Money::new(19, Currency::Jpy));
    let dinar = Catalogue::parse(&in_currency("kwd", ".000")).unwrap();
    assert_eq!(dinar.get("family").unwrap().monthly, Money::new(19_000, Currency::Kwd));
    let wrong = Catalogue::parse(&in_currency("kwd", ".00")).expect_err("two decimals of three");
    assert!(told(&wrong)[0].ends_with("write it as \"6.000\": digits, a point, three decimals, no currency sign"), "{wrong}");
    let wrong = Catalogue::parse(&in_currency("jpy", ".00")).expect_err("decimals of none");
    assert!(told(&wrong)[0].ends_with("write it as \"1900\": digits, no decimals, no currency sign"), "{wrong}");
    let odd = with(&in_currency("kwd", ".000"), "\"19.000\"", "\"19.005\"");
    assert!(told(&Catalogue::parse(&odd).expect_err("a thousandth"))[0].contains("the last digit must be 0"));
}

#[test]
fn faults_of_the_file_as_a_whole() {
    let none = Catalogue::parse("currency = \"eur\"").expect_err("no plan");
    assert_eq!(told(&none), ["plan: there is none; add at least one [[plan]]"]);
    let single = Catalogue::parse("currency = \"eur\"\n[plan]\ncode = \"a\"").expect_err("one table");
    assert_eq!(told(&single), ["plan: must be a list of tables; begin each with a line [[plan]]"]);
    let unsold = Catalogue::parse(&PLANS.replace("offered = true", "offered = false")).expect_err("nothing to buy");
    assert_eq!(told(&unsold), ["plan: no plan has offered = true; set it in at least one"]);
    let broken = Catalogue::parse("currency = \"eur\"\n[[plan]\n").expect_err("not TOML");
    assert!(told(&broken)[0].starts_with("line 2: is not TOML"), "{broken}");
    let missing = Catalogue::load(Path::new("catalogue/nowhere.toml")).expect_err("no file");
    assert!(matches!(missing, FileError::Unreadable { .. }) && missing.to_string().contains("nowhere.toml"));
}

#[test]
fn all_faults_are_told_at_once() {
    let mut text = PLANS.to_owned();
    for (find, put) in [
        ("currency = \"eur\"", "currency = \"dkk\""),
        ("monthly = \"19.00\"", "monthly = \"0.00\""),
        ("name = \"Community\"", "title = \"Community\""),
        ("instances = 2", "instances = 0"),
    ] {
        text = with(&text, find, put);
    }
    let error = Catalogue::parse(&text).expect_err("four faults");
    let told = told(&error);
    assert_eq!(told.len(), 5, "{told:#?}");
    assert!(error.to_string().starts_with("5 faults in the catalogue:\n  - currency: "), "{error}");
}

#[test]
fn the_releases_of_the_repository() {
    let releases = Releases::parse(RELEASES).unwrap_or_else(|error| panic!("{error}"));
    let versions: Vec<String> = releases.all().iter().map(|release| release.version.to_string()).collect();
    assert_eq!(versions, ["4.7.4", "4.6.9", "4.5.20"]);
    let newest = releases.newest_offered();
    assert_eq!(newest.version, Version::new(4, 7, 4));
    assert!(newest.web.reference().starts_with("ghcr.io/mastodon/mastodon:v4.7.4@sha256:"));
    assert!(newest.streaming.reference().starts_with("ghcr.io/mastodon/mastodon-streaming:v4.7.4@sha256:"));
    let upgrades: Vec<String> =
        releases.upgrades_from(Version::new(4, 5, 20)).map(|release| release.version.to_string()).collect();
    assert_eq!(upgrades, ["4.6.9"], "no minor is left out");
    assert!(!newest.can_follow(Version::new(4, 2, 0)) && !newest.can_follow(newest.version));
    // The digests are stand-ins, and production is told how to make them real.
    assert!(releases.all().iter().all(|release| release.web.is_stand_in() && release.streaming.is_stand_in()));
    let refused = releases.require_verified().expect_err("nobody has looked them up");
    assert_eq!(refused.0.len(), 6);
    let text = refused.to_string();
    for part in [
        "digest_verified = true",
        "crane digest ghcr.io/mastodon/mastodon:v4.7.4",
        "skopeo inspect --format '{{.Digest}}' docker://",
    ] {
        assert!(text.contains(part), "{text}");
    }
    let mut real = RELEASES.replace("digest_verified = false", "digest_verified = true");
    for (index, release) in releases.all().iter().flat_map(|release| [&release.web, &release.streaming]).enumerate() {
        real = real.replace(release.digest(), &format!("sha256:{index:064x}"));
    }
    assert_eq!(Releases::parse(&real).expect("real digests").require_verified(), Ok(()));
}

#[test]
fn each_fault_of_a_release_is_named() {
    let digest = Releases::parse(RELEASES).expect("good").newest_offered().web.digest().to_owned();
    let at_digest = format!("@{digest}");
    let streaming = Releases::parse(RELEASES).expect("good").newest_offered().streaming.digest().to_owned();
    let cases: [(&str, &str, &str); 14] = [
        ("version = \"4.7.4\"", "version = \"v4.7\"", "release \"v4.7\": version: is \"v4.7\"; write three numbers"),
        ("version = \"4.7.4\"", "version = \"4.7.4-rc1\"", "release \"4.7.4-rc1\": version: is"),
        ("version = \"4.7.4\"\n", "", "release #1: version: is missing; set a version"),
        ("version = \"4.6.9\"", "version = \"4.7.4\"", "release \"4.7.4\": version: is in the catalogue already"),
        (&at_digest, "", "release \"4.7.4\": web: must be registry/name:vX.Y.Z@sha256:"),
        (&digest, "sha256:abc", "release \"4.7.4\": web: must be registry/name"),
        ("ghcr.io/mastodon/mastodon:v4.7.4", "mastodon/mastodon:v4.7.4", "release \"4.7.4\": web: must be registry/name"),
        ("mastodon:v4.7.4", "mastodon:v4.7.3", "release \"4.7.4\": web: has the tag v4.7.3; the tag of this release is v4.7.4"),
        ("mastodon:v4.7.4", "mastodon:latest", "release \"4.7.4\": web: has the tag latest"),
        (&streaming, &digest, "release \"4.7.4\": streaming: has the digest of web"),
        ("min_from = \"4.3.0\"", "min_from = \"4.8.0\"", "release \"4.7.4\": min_from: is 4.8.0, newer than the release"),
        (
            "\ndigest_verified = false",
            "\ndigest_verified = true",
            "release \"4.7.4\": digest_verified: is true, but a digest is the demo's",
        ),
        ("schema = \"4.7\"", "schema_set = \"4.7\"", "release \"4.7.4\": schema: is missing"),
        ("version = \"4.5.20\"", "version = \"4.4.27\"", "release \"4.4.27\": offered: is true for 4.4.27"),
    ];
    for (find, put, expected) in cases {
        let error = Releases::parse(&with(RELEASES, find, put)).expect_err(expected);
        let told = told(&error);
        assert!(told.iter().any(|fault| fault.starts_with(expected)), "{find} → {put}: {told:#?}");
    }
    let refused = RELEASES.replace("4.7.4", "4.7.0");
    assert!(
        told(&Releases::parse(&refused).expect_err("4.7.0")).iter().any(|fault| fault.contains("offered: is true for 4.7.0"))
    );
    let unsold = Releases::parse(&RELEASES.replace("offered = true", "offered = false")).expect_err("none offered");
    assert!(told(&unsold)[0].starts_with("release: no release has offered = true"));
}

#[test]
fn versions_sort_as_numbers() {
    let version = |text: &str| text.parse::<Version>();
    assert!(version("4.5.20").expect("good") > version("4.5.9").expect("good"));
    assert_eq!(version("4.7.4").map(|version| version.to_string()), Ok("4.7.4".to_owned()));
    for bad in ["", "4", "4.7", "4.7.4.1", "v4.7.4", "4.7.04", "4.7.-1", "4.7.+1", "4.7. 1", "4.7.99999999999"] {
        assert!(version(bad).is_err(), "{bad}");
    }
    assert_eq!(serde_json::to_string(&Version::new(4, 7, 4)).expect("json"), "\"4.7.4\"");
    assert_eq!((Interval::from_word("year"), Interval::from_word("week")), (Some(Interval::Year), None));
}
