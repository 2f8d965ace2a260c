//! Which Postgres and which Valkey a server has. Those that run stay as they are: a newer image of the same major release comes in the
//! server's turn (see `rolling`), another major release never by itself.

use std::collections::BTreeMap;

use super::build::names;
use super::majors::{self, Plan};
use super::validate::Refusal;
use crate::operator::kind::Kind;
use crate::operator::seen::{Key, Seen, State};
use crate::operator::settings::Settings;
use crate::operator::stores::{Store, major};
use crate::resource::Majors;

/// The images of Postgres and Valkey.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreImages {
    /// Of Postgres.
    pub postgres: String,
    /// Of Valkey.
    pub valkey: String,
    /// Newer ones of the same major releases, which wait for the server's turn.
    pub newer: Newer,
}

/// What waits for a server's turn.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Newer {
    /// Another image of Postgres.
    pub postgres: Option<String>,
    /// Another image of Valkey.
    pub valkey: Option<String>,
}

impl StoreImages {
    /// What waits is waited for no longer.
    pub fn take_newer(&mut self) {
        let Newer { postgres, valkey } = std::mem::take(&mut self.newer);
        self.postgres = postgres.unwrap_or_else(|| std::mem::take(&mut self.postgres));
        self.valkey = valkey.unwrap_or_else(|| std::mem::take(&mut self.valkey));
    }
}

impl Newer {
    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        let Self { postgres, valkey } = self;
        postgres.is_none() && valkey.is_none()
    }
}

/// The images of a server, by what it has and what is asked for. Adds to `refused` what can't be had. While Postgres gets another major
/// release (`plan`), nothing newer comes beside that.
pub fn choose(
    settings: &Settings,
    asked: Majors,
    plan: &Plan,
    seen: &BTreeMap<Key, Seen>,
    refused: &mut Vec<Refusal>,
) -> StoreImages {
    let mut of = |store: Store| {
        let Some(running) = image_of(seen, store) else { return (store.image_of_new(settings).to_owned(), None) };
        let Some(offered) = major(running).and_then(|major| store.image_of(settings, major)) else {
            refused.push(Refusal::OtherMajor {
                store,
                running: running.to_owned(),
                offered: store.image_of_new(settings).to_owned(),
            });
            return (running.to_owned(), None);
        };
        (running.to_owned(), (offered != running).then(|| offered.to_owned()))
    };
    let (postgres, newer_postgres) = match plan.image() {
        Some(image) => (image.to_owned(), None),
        None => of(Store::Postgres),
    };
    let (valkey, mut newer_valkey) = of(Store::Valkey);
    // Valkey needs no more for another major release than for any other image.
    let asked = asked.valkey.zip(image_of(seen, Store::Valkey).and_then(major));
    if let Some(image) = asked.and_then(|(asked, running)| majors::wanted(settings, Store::Valkey, running, asked, refused)) {
        newer_valkey = Some(image.to_owned());
    }
    let newer_valkey = newer_valkey.filter(|_| plan.image().is_none());
    StoreImages { postgres, valkey, newer: Newer { postgres: newer_postgres, valkey: newer_valkey } }
}

/// The image that one has, by what it says itself.
pub fn image_of(seen: &BTreeMap<Key, Seen>, store: Store) -> Option<&str> {
    let (kind, name) = match store {
        Store::Postgres => (Kind::Cluster, names::DATABASE),
        Store::Valkey => (Kind::StatefulSet, names::CACHE),
    };
    seen.get(&(kind, name.to_owned()))?.image.as_deref()
}

/// The major releases that run; as before where they can't be seen.
pub fn majors(seen: &BTreeMap<Key, Seen>, before: Majors) -> Majors {
    let database = match seen.get(&(Kind::Cluster, names::DATABASE.to_owned())).map(|seen| &seen.state) {
        Some(State::Database { ready: _, phase: _, storage_gib: _, major, trouble: _ }) => *major,
        Some(_) | None => None,
    };
    Majors { postgres: database.or(before.postgres), valkey: image_of(seen, Store::Valkey).and_then(major).or(before.valkey) }
}

/// Whether Postgres answers, and every pod of Valkey's that there is, all of them of the newest spec. (One that is paused has none.)
pub fn answer(seen: &BTreeMap<Key, Seen>) -> bool {
    let state = |kind, name: &str| seen.get(&(kind, name.to_owned())).filter(|seen| !seen.deleting).map(|seen| &seen.state);
    let database = matches!(
        state(Kind::Cluster, names::DATABASE),
        Some(State::Database { ready: true, phase: _, storage_gib: _, major: _, trouble: _ })
    );
    let cache = match state(Kind::StatefulSet, names::CACHE) {
        Some(State::Pods { current, updated, all, ready, stuck: _ }) => *current && updated == all && ready == all,
        Some(_) | None => false,
    };
    database && cache
}

#[cfg(test)]
mod tests {
    use super::super::build::tests::settings;
    use super::*;

    fn image(name: &str) -> String {
        format!("registry.example/{name}@sha256:{}", "b".repeat(64))
    }

    fn running(postgres: &str, valkey: &str) -> BTreeMap<Key, Seen> {
        let database = State::Database { ready: true, phase: String::new(), storage_gib: None, major: Some(17), trouble: None };
        let pods = State::Pods { current: true, updated: 1, all: 1, ready: 1, stuck: false };
        let object = |kind, name: &str, state, image: &str| {
            ((kind, name.to_owned()), Seen { image: Some(image.to_owned()), ..Seen::bare(state) })
        };
        BTreeMap::from([
            object(Kind::Cluster, names::DATABASE, database, postgres),
            object(Kind::StatefulSet, names::CACHE, pods, valkey),
        ])
    }

    #[test]
    fn what_runs_stays_until_its_turn_and_another_major_never_comes_by_itself() {
        let (mut settings, mut refused) = (settings(), Vec::new());
        let choose = |settings: &Settings, seen: &BTreeMap<Key, Seen>, refused: &mut Vec<Refusal>| {
            super::choose(settings, Majors::default(), &Plan::NONE, seen, refused)
        };
        // A new server gets what the settings say.
        let chosen = choose(&settings, &BTreeMap::new(), &mut refused);
        assert_eq!((&chosen.postgres, &chosen.valkey), (&settings.postgres_image, &settings.valkey_image));
        assert!(chosen.newer.is_empty());

        // A newer minor waits for its turn.
        let (old, cache) = (image("postgres:17.5"), settings.valkey_image.clone());
        let mut chosen = choose(&settings, &running(&old, &cache), &mut refused);
        assert_eq!((&chosen.postgres, &chosen.newer.postgres), (&old, &Some(settings.postgres_image.clone())));
        chosen.take_newer();
        assert_eq!((&chosen.postgres, &chosen.valkey), (&settings.postgres_image, &cache));
        assert!(chosen.newer.is_empty() && refused.is_empty());

        // Another major is refused, with what to do; one that is listed beside is looked after.
        settings.postgres_image = image("postgres:18.1");
        settings.valkey_image = image("valkey:9.0");
        let chosen = choose(&settings, &running(&old, &cache), &mut refused);
        assert_eq!((&chosen.postgres, &chosen.valkey), (&old, &cache));
        assert!(chosen.newer.is_empty());
        assert_eq!(refused.iter().map(Refusal::reason).collect::<Vec<_>>(), ["MajorRefused"; 2]);
        let text = refused[0].to_string();
        assert!(
            text.contains("postgres:17.5") && text.contains("postgres:18.1") && text.contains("stores.postgres_images"),
            "{text}"
        );
        settings.stores.postgres_images = vec![image("postgres:17.6")];
        settings.stores.valkey_images = vec![cache.clone()];
        settings.check().unwrap();
        refused.clear();
        let chosen = choose(&settings, &running(&old, &cache), &mut refused);
        assert_eq!((chosen.newer.postgres, chosen.newer.valkey), (Some(image("postgres:17.6")), None));
        assert_eq!(refused, []);
    }

    #[test]
    fn another_major_of_valkey_takes_its_turn_when_it_is_asked_for() {
        let mut settings = settings();
        settings.stores.valkey_images = vec![image("valkey:9.0")];
        let seen = running(&settings.postgres_image, &settings.valkey_image);
        let asked = |asked| {
            let mut refused = Vec::new();
            let asked = Majors { postgres: None, valkey: Some(asked) };
            (choose(&settings, asked, &Plan::NONE, &seen, &mut refused).newer.valkey, refused.len())
        };
        assert_eq!(asked(9), (Some(image("valkey:9.0")), 0));
        assert_eq!((asked(8), asked(7), asked(10)), ((None, 0), (None, 1), (None, 1)));
    }

    #[test]
    fn a_server_whose_pods_are_exchanged_does_not_answer() {
        let whole = running("p", "v");
        assert!(answer(&whole) && !answer(&BTreeMap::new()));
        let with = |kind, name: &str, state| {
            let mut seen = whole.clone();
            seen.insert((kind, name.to_owned()), Seen::bare(state));
            answer(&seen)
        };
        let pods = |current, updated, all, ready| State::Pods { current, updated, all, ready, stuck: false };
        for (state, answers) in [
            (pods(true, 0, 0, 0), true),
            (pods(false, 1, 1, 1), false),
            (pods(true, 0, 1, 1), false),
            (pods(true, 1, 1, 0), false),
        ] {
            assert_eq!(with(Kind::StatefulSet, names::CACHE, state.clone()), answers, "{state:?}");
        }
        let database = State::Database { ready: false, phase: String::new(), storage_gib: None, major: Some(17), trouble: None };
        assert!(!with(Kind::Cluster, names::DATABASE, database));
    }
}
