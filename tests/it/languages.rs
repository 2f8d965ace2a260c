//! Every language says all that English says, and no page says anything besides what stands in a locale file.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use paddock::ids::{AccountId, HookEndpointId, InstanceId, OrderId, PersonId, WaitingId};
use paddock::mail::{Links, Notice, render};
use paddock::words::{LANGUAGES, Words};
use url::Url;
use uuid::Uuid;

use crate::harness::{Start, TestApp};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A message: its file, and all that it says.
#[derive(Debug, Clone)]
struct Message {
    file: String,
    text: String,
}

/// All messages of a language by their keys.
fn messages(language: &str) -> BTreeMap<String, Message> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(root().join("locales").join(language)).unwrap() {
        let path = entry.unwrap().path();
        let file = path.file_name().unwrap().to_str().unwrap().to_owned();
        let mut key: Option<String> = None;
        for line in fs::read_to_string(&path).unwrap().lines() {
            if line.starts_with(|first: char| first.is_ascii_lowercase()) {
                let (name, text) = line.split_once('=').unwrap_or_else(|| panic!("{language}/{file}: {line}"));
                let name = name.trim().to_owned();
                let before = all.insert(name.clone(), Message { file: file.clone(), text: text.trim().to_owned() });
                assert!(before.is_none(), "{language}: {name} is twice");
                key = Some(name);
            } else if let (Some(key), true) = (&key, line.starts_with([' ', '}'])) {
                let message = all.get_mut(key).unwrap();
                message.text.push('\n');
                message.text.push_str(line);
            } else {
                key = None;
            }
        }
    }
    all
}

/// What is put into a message: its variables, and other messages.
fn put_in(text: &str) -> BTreeSet<String> {
    let word = |rest: &str| -> String {
        rest.trim_start().chars().take_while(|letter| letter.is_ascii_alphanumeric() || "$_-".contains(*letter)).collect()
    };
    text.split('{').skip(1).map(word).filter(|word| !word.is_empty()).collect()
}

#[test]
fn every_language_says_all_that_english_says_and_nothing_else() {
    let english = messages("en");
    let folders: BTreeSet<String> =
        fs::read_dir(root().join("locales")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(
        folders,
        LANGUAGES.iter().map(ToString::to_string).collect::<BTreeSet<String>>(),
        "the program knows each folder of locales"
    );
    for language in LANGUAGES.into_iter().filter(|language| *language != "en") {
        let theirs = messages(language);
        let named = |keys: Vec<&String>, of: &BTreeMap<String, Message>| {
            keys.into_iter()
                .map(|key| format!("locales/{language}/{}: {key} = {}", of[key].file, of[key].text))
                .collect::<Vec<_>>()
                .join("\n")
        };
        let missing = named(english.keys().filter(|key| !theirs.contains_key(*key)).collect(), &english);
        assert!(missing.is_empty(), "these are missing in “{language}”; in English they say:\n{missing}");
        let over = named(theirs.keys().filter(|key| !english.contains_key(*key)).collect(), &theirs);
        assert!(over.is_empty(), "nobody asks for these of “{language}” any more:\n{over}");
        let mut wrong = Vec::new();
        for (key, message) in &theirs {
            let original = &english[key];
            if message.file != original.file {
                wrong.push(format!("{key} stands in {} and belongs into {}", message.file, original.file));
            }
            let (has, wants) = (put_in(&message.text), put_in(&original.text));
            if has != wants {
                wrong.push(format!("{}: {key} puts in {has:?} where English has {wants:?}", message.file));
            }
        }
        assert!(wrong.is_empty(), "{language}: {wrong:#?}");
    }
}

#[test]
fn every_message_can_be_read_by_the_program() {
    for language in LANGUAGES {
        let words = Words::of(language);
        let unreadable: Vec<String> = messages(language).into_keys().filter(|key| words.t(key) == *key).collect();
        assert!(unreadable.is_empty(), "{language}: {unreadable:#?}");
    }
}

/// Names that are the same in every language.
const NAMES: [&str; 2] = ["Atom", "JSON"];
/// Pages that show names of the stylesheet, and what only the demo shows.
const BESIDES: [&str; 2] = ["templates/pages/staff/styleguide.html", "templates/demo/"];

fn templates(folder: &Path, found: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            templates(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "html" || ending == "txt") {
            found.insert(path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned(), fs::read_to_string(&path).unwrap());
        }
    }
}

/// The text without everything between two marks.
fn without(text: &str, open: &str, close: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(open) {
        out.push_str(&rest[..at]);
        // Where it stood, one word ends and another begins.
        out.push('\n');
        rest = rest[at..].split_once(close).map_or("", |(_, behind)| behind);
    }
    out + rest
}

/// What a template says by itself: between its tags, and in attributes that are read out.
fn said_by_itself(template: &str) -> Vec<String> {
    let bare = without(&without(&without(template, "{#", "#}"), "{%", "%}"), "{{", "}}");
    let read_out = ["aria-label=\"", "title=\"", "alt=\"", "placeholder=\""];
    let attributes = read_out.iter().flat_map(|name| bare.split(*name).skip(1).filter_map(|rest| rest.split('"').next()));
    let attributes: Vec<String> = attributes.map(str::to_owned).collect();
    let text = without(&bare, "<", ">");
    let pieces = text.lines().map(str::trim).map(str::to_owned).chain(attributes);
    let is_word = |piece: &String| {
        let letters = piece.chars().filter(|letter| letter.is_alphabetic()).count();
        letters >= 2 && !NAMES.contains(&piece.as_str())
    };
    pieces.filter(is_word).collect()
}

#[test]
fn no_template_says_anything_by_itself() {
    assert_eq!(
        said_by_itself("<p title=\"a word\">{{ page.w.t(\"x\") }} and {# no #}more</p>").len(),
        3,
        "the test sees what there is"
    );
    let mut all = BTreeMap::new();
    templates(&root().join("templates"), &mut all);
    let said: Vec<String> = all
        .iter()
        .filter(|(path, _)| !BESIDES.iter().any(|besides| path.starts_with(besides)))
        .flat_map(|(path, text)| said_by_itself(text).into_iter().map(move |piece| format!("{path}: {piece}")))
        .collect();
    assert!(said.is_empty(), "words that stand in no locale file: {said:#?}");
}

/// Whether a text reads like a sentence for people: two words or more, the first with a capital.
fn is_sentence(text: &str) -> bool {
    let mut words = text.split(' ');
    let first = words.next().unwrap_or_default();
    let capital = first.starts_with(|letter: char| letter.is_ascii_uppercase())
        && first.chars().skip(1).all(|letter| letter.is_ascii_lowercase());
    capital
        && first.len() > 1
        && words.clone().count() > 0
        && words.all(|word| word.starts_with(|letter: char| letter.is_ascii_lowercase()))
}

/// Code of the pages, by file, but for the JSON API, whose words are for programs.
fn pages_code(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        if path.is_dir() && !name.ends_with("/api") {
            pages_code(&path, found);
        } else if name.ends_with(".rs") && !name.ends_with("tests.rs") {
            found.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
}

#[test]
fn no_page_says_anything_in_its_code() {
    assert!(is_sentence("Look at this") && !is_sentence("GET /staff") && !is_sentence("Look"));
    let mut all = Vec::new();
    pages_code(&root().join("src/web"), &mut all);
    let mut said = Vec::new();
    for (name, text) in all {
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for line in code
            .lines()
            .map(str::trim)
            .filter(|line| !line.starts_with("//") && !line.contains("error(") && !line.contains("reason ="))
        {
            said.extend(
                line.split('"').skip(1).step_by(2).filter(|piece| is_sentence(piece)).map(|piece| format!("{name}: {piece}")),
            );
        }
    }
    assert!(said.is_empty(), "sentences that stand in no locale file: {said:#?}");
}

struct AnyLinks;

impl Links for AnyLinks {
    fn home(&self) -> Url {
        url()
    }
    fn sign_in(&self) -> Url {
        url()
    }
    fn forgotten_password(&self) -> Url {
        url()
    }
    fn verify(&self, _: Uuid) -> Url {
        url()
    }
    fn reset(&self, _: Uuid) -> Url {
        url()
    }
    fn join(&self, _: Uuid) -> Url {
        url()
    }
    fn leave_address(&self, _: Uuid) -> Url {
        url()
    }
    fn take_address(&self, _: Uuid) -> Url {
        url()
    }
    fn members(&self) -> Url {
        url()
    }
    fn security(&self) -> Url {
        url()
    }
    fn order(&self, _: OrderId) -> Url {
        url()
    }
    fn instance(&self, _: InstanceId) -> Url {
        url()
    }
    fn waiting(&self) -> Url {
        url()
    }
    fn leave_waiting_list(&self, _: PersonId, _: AccountId, _: WaitingId) -> Url {
        url()
    }
    fn billing(&self, _: InstanceId) -> Url {
        url()
    }
    fn upgrades(&self, _: InstanceId) -> Url {
        url()
    }
    fn servers(&self) -> Url {
        url()
    }
    fn alerts(&self) -> Url {
        url()
    }
    fn accesses(&self) -> Url {
        url()
    }
    fn webhook(&self, _: HookEndpointId) -> Url {
        url()
    }
    fn runbook(&self, _: &str) -> Url {
        url()
    }
}

fn url() -> Url {
    "https://host.example/".parse().unwrap()
}

#[test]
fn every_mail_is_whole_in_every_language() {
    for language in LANGUAGES {
        let words = Words::of(language);
        for notice in Notice::samples() {
            let mail = render(&notice, &words, &AnyLinks, "Example Host").unwrap();
            assert!(mail.subject.chars().count() < 100, "{language}: {}", mail.subject);
            assert!(mail.html.contains(&format!("lang=\"{language}\"")), "{language} {}", notice.kind());
            for part in [&mail.subject, &mail.text, &mail.html] {
                assert!(!part.contains("mail-") && !part.contains("{ $") && !part.contains("month-"), "{language}: {part}");
            }
            let english = render(&notice, &Words::english(), &AnyLinks, "Example Host").unwrap();
            assert!(language == "en" || mail.text != english.text, "{} is in English", notice.kind());
        }
    }
}

#[tokio::test]
async fn pages_speak_the_language_of_the_account_then_of_the_browser() {
    let Start { app, anon, customer, .. } = TestApp::start().await;
    let german = |path: &str| anon.request(http::Method::GET, path).header("accept-language", "de-AT,de;q=0.9,en;q=0.8");
    let page = anon.send(german("/log-in")).await.is(200).see("Passwort vergessen?");
    assert_eq!(page.attributes("html", "lang"), ["de"]);
    anon.get("/log-in").await.is(200).see("Forgot your password?");
    anon.send(german("/nothing-here")).await.is(404).see("Hier ist nichts");
    anon.send(german("/help/domain")).await.is(200).see("Eine eigene Domain");

    // An account has a language, whatever the browser likes.
    let request = customer.request(http::Method::GET, "/instances").header("accept-language", "de");
    customer.send(request).await.is(200).see("You have no server yet.");
    let page = customer.get("/account/security").await.is(200);
    let answer =
        customer.submit(&page, "/account/security/language", &[("language", "de")]).await.redirects_to("/account/security");
    customer.follow(answer).await.is(200).see("Seiten und E-Mails kommen von nun an in dieser Sprache.");
    customer.get("/instances").await.is(200).see("Sie haben noch keinen Server.");
    let page = customer.get("/account/security").await.is(200);
    let answer =
        customer.submit(&page, "/account/security/language", &[("language", "tlh")]).await.redirects_to("/account/security");
    customer.follow(answer).await.see("Wählen Sie eine der Sprachen der Liste.");

    // Whoever signs up in a language gets mails in it.
    let token = anon.csrf_token().await;
    let fields = [("csrf", token.as_str()), ("email", "amsel@mail.example"), ("password", "eine lange leine im wind")];
    let request = anon.request(http::Method::POST, "/sign-up").header("accept-language", "de").form(&fields);
    anon.send(request).await.is(303);
    app.run_jobs().await;
    let letter = app.mail_to("amsel@mail.example");
    assert_eq!(letter.subject, "Bestätigen Sie Ihre Adresse für Meadow Hosting");
    let locale: String = sqlx::query_scalar("select locale from people where email_canonical = 'amsel@mail.example'")
        .fetch_one(app.sql())
        .await
        .unwrap();
    assert_eq!(locale, "de");
}
