//! The directions of the source, each an assertion. They are what a workspace of many crates would enforce.
//!
//! The lists of exceptions name what does not fit yet. They may only shrink: an entry that is no longer needed fails as well.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const BASE: [&str; 15] = [
    "audit",
    "clock",
    "config",
    "crash",
    "crypto",
    "db",
    "ids",
    "internet",
    "mail",
    "money",
    "queue",
    "resource",
    "sealing",
    "telemetry",
    "words",
];
/// From the bottom to the top: each may import those before its own row.
const DOMAIN: [&[&str]; 5] = [
    &["archive", "plan", "account", "incident", "switch"],
    &["capacity"],
    &["instance"],
    &["billing", "rollout"],
    &["desk", "privacy"],
];
const EDGES: [&str; 6] = ["web", "worker", "fleet", "operator", "park", "demo"];
const TOP: [&str; 1] = ["cmd"];

/// A file of `src`, without comments, texts and tests.
struct Source {
    /// `web/order/place.rs`.
    path: String,
    code: String,
    lines: usize,
}

impl Source {
    /// `web` of `web/order/place.rs`, `clock` of `clock.rs`.
    fn module(&self) -> &str {
        self.path.split(['/', '.']).next().unwrap_or_default()
    }

    /// Paths of this crate that the file names, such as `billing::stripe::Stripe`, whether by `use` or in line.
    fn paths(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for start in ["crate::", "super::"] {
            for (at, _) in self.code.match_indices(start) {
                let before = self.code[..at].chars().next_back();
                if before.is_some_and(|before| before.is_alphanumeric() || before == '_' || before == ':' || before == '$') {
                    continue;
                }
                for path in expand(&self.code[at..]) {
                    found.insert(self.absolute(&path));
                }
            }
        }
        found
    }

    /// The modules of this crate that the file names, its own not among them.
    fn imports(&self) -> BTreeSet<String> {
        let modules = modules();
        let tops = self.paths().into_iter().map(|path| path.split("::").next().unwrap_or_default().to_owned());
        tops.filter(|top| modules.contains(top) && top != self.module()).collect()
    }

    /// A path that begins with `crate` or some `super`, from the root.
    fn absolute(&self, path: &str) -> String {
        let mut at: Vec<&str> = self.path.trim_end_matches(".rs").split('/').collect();
        if at.last() == Some(&"mod") {
            at.pop();
        }
        let mut rest = path;
        if let Some(below) = rest.strip_prefix("crate::") {
            return below.to_owned();
        }
        while let Some(below) = rest.strip_prefix("super::") {
            at.pop();
            rest = below;
        }
        at.push(rest);
        at.join("::")
    }

    fn names(&self, word: &str) -> bool {
        self.code.match_indices(word).any(|(at, _)| {
            let before = self.code[..at].chars().next_back();
            !before.is_some_and(|before| before.is_alphanumeric() || before == '_')
        })
    }
}

/// `crate::a::{b, c::d}` as `crate::a::b` and `crate::a::c::d`; stops where the path ends.
fn expand(text: &str) -> Vec<String> {
    let end = text.find(|letter: char| !(letter.is_alphanumeric() || letter == '_' || letter == ':')).unwrap_or(text.len());
    let (head, rest) = text.split_at(end);
    if !head.ends_with("::") || !rest.starts_with('{') {
        return vec![head.trim_end_matches(':').to_owned()];
    }
    let mut depth = 0;
    let (mut parts, mut part) = (Vec::new(), String::new());
    for letter in rest.chars() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        match letter {
            '{' if depth == 1 => {}
            '}' if depth == 0 => break,
            ',' if depth == 1 => parts.push(std::mem::take(&mut part)),
            letter if letter.is_whitespace() => part.push(' '),
            letter => part.push(letter),
        }
    }
    parts.push(part);
    parts
        .iter()
        .map(|part| part.trim())
        .filter(|part| !part.is_empty())
        .flat_map(|part| expand(&format!("{head}{part}")))
        .collect()
}

/// Code without comments, and with the insides of texts taken out.
fn bare(code: &str) -> String {
    let mut out = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(first) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(hashes) = raw_text(rest) {
            let close = format!("\"{}", "#".repeat(hashes));
            let open = hashes + 2;
            out.push_str("\"\"");
            rest[open..].find(&close).map_or(rest.len(), |end| open + end + close.len())
        } else if first == '"' {
            out.push_str("\"\"");
            end_of_text(rest)
        } else if rest.starts_with("'\"'") {
            3
        } else if rest.starts_with("'\\\"'") {
            4
        } else {
            out.push(first);
            first.len_utf8()
        };
        rest = &rest[skipped..];
    }
    out
}

/// How many `#` a raw text has that begins here.
fn raw_text(text: &str) -> Option<usize> {
    let rest = text.strip_prefix('r')?;
    let hashes = rest.len() - rest.trim_start_matches('#').len();
    rest[hashes..].starts_with('"').then_some(hashes)
}

fn end_of_text(text: &str) -> usize {
    let mut escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Without what is compiled for tests only, which may reach further.
fn without_tests(code: &str) -> String {
    let mut out = String::new();
    let mut rest = code;
    while let Some(at) = rest.find("#[cfg(test)]") {
        out.push_str(&rest[..at]);
        let item = &rest[at..];
        let open = item.find('{').unwrap_or(item.len());
        let semicolon = item.find(';').unwrap_or(item.len());
        let mut end = semicolon.min(item.len());
        if open < semicolon {
            let mut depth = 0;
            for (offset, letter) in item[open..].char_indices() {
                depth += i32::from(letter == '{') - i32::from(letter == '}');
                end = open + offset + 1;
                if depth == 0 {
                    break;
                }
            }
        }
        rest = &item[end..];
    }
    out.push_str(rest);
    out
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
    files
}

fn sources() -> Vec<Source> {
    let src = root().join("src");
    let read = |file: PathBuf| {
        let text = fs::read_to_string(&file).unwrap();
        let path = file.strip_prefix(&src).unwrap().to_str().unwrap().to_owned();
        Source { path, code: without_tests(&bare(&text)), lines: text.lines().count() }
    };
    let all = rust_files(&src).into_iter().map(read);
    all.filter(|source| !["lib.rs", "main.rs"].contains(&source.path.as_str()) && !source.path.ends_with("/tests.rs")).collect()
}

/// All top-level modules, as the folder has them.
fn modules() -> BTreeSet<String> {
    let names = fs::read_dir(root().join("src")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name != "lib.rs" && name != "main.rs").map(|name| name.trim_end_matches(".rs").to_owned()).collect()
}

/// Fails with all that breaks a rule, and with exceptions that are not needed any more.
#[track_caller]
fn holds(rule: &str, broken: impl IntoIterator<Item = String>, exceptions: &[&str]) {
    let broken: BTreeSet<String> = broken.into_iter().collect();
    let new: Vec<_> = broken.iter().filter(|what| !exceptions.contains(&what.as_str())).collect();
    let over: Vec<_> = exceptions.iter().filter(|what| !broken.contains(**what)).collect();
    assert!(new.is_empty(), "{rule}. These do not keep to it:\n{new:#?}");
    assert!(over.is_empty(), "{rule}. These do by now; take them off the list of exceptions:\n{over:#?}");
}

fn domain_row(module: &str) -> Option<usize> {
    DOMAIN.iter().position(|row| row.contains(&module))
}

fn is_domain(module: &str) -> bool {
    domain_row(module).is_some()
}

#[test]
fn the_reader_of_sources_sees_what_is_there() {
    let source = |path: &str, code: &str| Source { path: path.to_owned(), code: without_tests(&bare(code)), lines: 1 };
    let code = "//! crate::fleet\nuse crate::{mail::{self, Letter}, db};\nuse super::store;\nfn f() { crate::money::Money::new(\"crate::web\", '\"'); }
                /* crate::demo */ #[cfg(test)] mod tests { use crate::worker; } use crate::queue::{Job as _, enqueue};";
    let found = source("billing/order.rs", code);
    assert_eq!(found.imports().into_iter().collect::<Vec<_>>(), ["db", "mail", "money", "queue"]);
    assert!(found.paths().contains("billing::store") && found.paths().contains("mail::Letter"), "{:?}", found.paths());
    assert_eq!(source("account/mod.rs", "use super::mail;").imports().into_iter().collect::<Vec<_>>(), ["mail"]);
    assert_eq!(source("a/b/c.rs", "use super::super::super::web::x;").paths().into_iter().next().unwrap(), "web::x");
    assert_eq!(bare("r#\"a\"b\"# + \"c\\\"d\" // e"), "\"\" + \"\" ");
}

#[test]
fn lib_lists_every_module_in_the_order_of_its_layer() {
    let lib = bare(&fs::read_to_string(root().join("src/lib.rs")).unwrap());
    let listed: Vec<&str> = lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    assert_eq!(listed.iter().map(ToString::to_string).collect::<BTreeSet<_>>(), modules());
    let layer = |module: &str| match module {
        _ if BASE.contains(&module) => 0,
        _ if is_domain(module) => 1,
        _ if EDGES.contains(&module) => 2,
        _ if TOP.contains(&module) => 3,
        other => panic!("{other} belongs to no layer; add it to this file and to design"),
    };
    assert!(listed.is_sorted_by_key(|module| layer(module)), "{listed:?}");
}

#[test]
fn main_is_short() {
    let main = fs::read_to_string(root().join("src/main.rs")).unwrap();
    assert!(main.lines().count() <= 40, "src/main.rs has {} lines", main.lines().count());
}

#[test]
fn nothing_imports_what_stands_above_it() {
    let layers: [(&str, Vec<&str>); 4] =
        [("base", BASE.to_vec()), ("domain", DOMAIN.concat()), ("edges", EDGES.to_vec()), ("cmd", TOP.to_vec())];
    let place = |module: &str| layers.iter().position(|(_, modules)| modules.contains(&module)).unwrap_or(usize::MAX);
    let broken = sources().into_iter().flat_map(|source| {
        let above: Vec<_> = source.imports().into_iter().filter(|import| place(import) > place(source.module())).collect();
        above.into_iter().map(move |import| format!("{} imports {import}", source.path))
    });
    holds("base ← domain ← edges ← cmd: nothing imports to the right", broken, &[]);
}

#[test]
fn the_domain_imports_downwards_only() {
    let broken = sources().into_iter().filter(|source| is_domain(source.module())).flat_map(|source| {
        let own = domain_row(source.module());
        let wrong: Vec<_> =
            source.imports().into_iter().filter(|import| is_domain(import) && domain_row(import) >= own).collect();
        wrong.into_iter().map(move |import| format!("{} imports {import}", source.path))
    });
    holds(
        "desk → billing, rollout → instance → capacity → archive, account, plan, incident, and never back or sideways",
        broken,
        &[],
    );
}

#[test]
fn edges_never_import_one_another() {
    let broken = sources().into_iter().filter(|source| EDGES.contains(&source.module())).flat_map(|source| {
        let others: Vec<_> = source.imports().into_iter().filter(|import| EDGES.contains(&import.as_str())).collect();
        others.into_iter().map(move |import| format!("{} imports {import}", source.path))
    });
    holds("an edge never imports another", broken, &[]);
}

#[test]
fn no_two_modules_import_each_other_in_a_circle() {
    let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in sources() {
        graph.entry(source.module().to_owned()).or_default().extend(source.imports());
    }
    // What imports nothing that is left can be taken away; a circle is what remains.
    loop {
        let free: Vec<String> = graph
            .iter()
            .filter(|(_, imports)| imports.iter().all(|import| !graph.contains_key(import)))
            .map(|(name, _)| name.clone())
            .collect();
        if free.is_empty() {
            break;
        }
        graph.retain(|name, _| !free.contains(name));
    }
    assert!(graph.is_empty(), "these modules import one another in a circle: {graph:#?}");
}

#[test]
fn the_operator_could_run_in_another_cluster() {
    let may = ["resource", "clock", "telemetry", "ids", "archive", "crypto", "crash", "internet", "sealing"];
    let broken = sources().into_iter().filter(|source| ["operator", "agent"].contains(&source.module())).flat_map(|source| {
        let imports = source.imports().into_iter().filter(|import| !may.contains(&import.as_str())).collect::<Vec<_>>();
        let crates = ["sqlx::", "axum::", "askama::"].into_iter().filter(|name| source.names(name)).map(str::to_owned);
        let all: Vec<_> = imports.into_iter().chain(crates).collect();
        all.into_iter().map(move |import| format!("{} imports {import}", source.path))
    });
    holds(
        "operator and agent know resource, clock, telemetry, ids, archive, crypto, internet, sealing and crash, and neither database nor domain",
        broken,
        &[],
    );
}

#[test]
fn the_archive_is_a_library_without_any_of_our_services() {
    let may = ["clock", "crypto", "ids"];
    let broken = sources().into_iter().filter(|source| source.module() == "archive").flat_map(|source| {
        let imports = source.imports().into_iter().filter(|import| !may.contains(&import.as_str())).collect::<Vec<_>>();
        let crates = ["kube::", "axum::", "askama::", "graphile_worker::"].into_iter().filter(|name| source.names(name));
        let all: Vec<_> = imports.into_iter().chain(crates.map(str::to_owned)).collect();
        all.into_iter().map(move |import| format!("{} imports {import}", source.path))
    });
    holds("archive knows clock, crypto and ids, and nothing else of ours", broken, &[]);
}

#[test]
fn only_the_fleet_knows_both_domain_and_kubernetes() {
    let knows_cluster = |source: &Source| ["kube::", "k8s_openapi::"].iter().any(|name| source.names(name));
    let broken = sources().into_iter().filter(|source| !["fleet", "cmd"].contains(&source.module()) && knows_cluster(source));
    let both = broken.filter(|source| source.imports().iter().any(|import| is_domain(import)) || is_domain(source.module()));
    holds("fleet alone imports both domain and kube", both.map(|source| source.path), &[]);
}

#[test]
fn kubernetes_is_known_where_it_belongs() {
    let may = ["fleet", "operator", "resource", "cmd", "demo"];
    let broken = sources().into_iter().filter(|source| !may.contains(&source.module()));
    holds(
        "kube is for fleet, operator, the demo's rig and cmd",
        broken.filter(|source| source.names("kube::")).map(|source| source.path),
        &[],
    );
}

#[test]
fn sql_stands_in_few_files() {
    let may = |path: &str| path.ends_with("/store.rs") || ["queue.rs", "audit.rs", "db.rs"].contains(&path);
    let asks = |source: &Source| ["sqlx::query", "query_as(", "query_scalar(", "raw_sql("].iter().any(|call| source.names(call));
    let broken = sources().into_iter().filter(|source| !may(&source.path) && asks(source)).map(|source| source.path);
    let exceptions = [
        // Each is the one place of its table: sessions, mail_tokens.
        "account/link.rs",
        "account/session.rs",
        // Databases of the servers that the demo stands in for: not ours.
        "demo/rig/postgres.rs",
        "demo/rig/standins/backups.rs",
        "demo/rig/standins/databases.rs",
        "demo/rig/standins/jobs.rs",
        "demo/rig/standins/migrations.rs",
        "demo/rig/standins/runs.rs",
    ];
    holds("SQL stands in store.rs, queue.rs, audit.rs and db.rs only", broken, &exceptions);
}

#[test]
fn pages_and_http_servers_stand_at_the_edge() {
    let found = |crate_name: &'static str, may: &'static [&'static str]| {
        let others = sources().into_iter().filter(move |source| source.names(crate_name) && !may.contains(&source.module()));
        others.map(move |source| format!("{} names {crate_name}", source.path))
    };
    let broken = found("axum::", &["web", "park", "demo"]).chain(found("askama::", &["web", "park", "demo", "mail"]));
    holds("axum is for web, park and demo; askama for mail as well", broken, &[]);
}

#[test]
fn time_and_chance_are_arguments() {
    let banned: [(&str, &[&str]); 5] = [
        ("Utc::now", &["clock.rs"]),
        ("SystemTime::now", &["clock.rs"]),
        ("Timestamp::now", &["clock.rs"]),
        ("Uuid::new_v4", &["ids.rs"]),
        ("Uuid::now_v7", &["ids.rs"]),
    ];
    let broken = sources().into_iter().flat_map(|source| {
        let here = banned.iter().filter(|(call, may)| source.code.contains(call) && !may.contains(&source.path.as_str()));
        here.map(|(call, _)| format!("{} calls {call}", source.path)).collect::<Vec<_>>()
    });
    holds("only clock.rs reads the time, only ids.rs makes ids", broken, &[]);
}

#[test]
fn every_file_of_tests_is_part_of_the_binary() {
    let folder = root().join("tests/it");
    let main = fs::read_to_string(folder.join("main.rs")).unwrap();
    let undeclared = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let module = path.extension().is_some_and(|ending| ending == "rs") || path.join("mod.rs").exists();
        module && name != "main" && !main.lines().any(|line| line == format!("mod {name};"))
    });
    holds("main.rs declares every file of tests/it", undeclared.map(|path| path.display().to_string()), &[]);
}

#[test]
fn files_stay_short() {
    let tests = rust_files(&root().join("tests")).into_iter().map(|file| {
        let lines = fs::read_to_string(&file).unwrap().lines().count();
        (file.strip_prefix(root()).unwrap().display().to_string(), lines)
    });
    let all = sources().into_iter().map(|source| (format!("src/{}", source.path), source.lines)).chain(tests);
    let long = all.filter(|(_, lines)| *lines > 600).map(|(path, lines)| format!("{path}: {lines} lines"));
    holds("no file has more than 600 lines", long, &[]);
}
