//! Another release on its way: which step is due. Pure; the pods themselves are looked at by `gate`.
//!
//! Backup → migrations that the old release can live with → the pods are exchanged → no pod of the old release is left → the other
//! migrations. The phase is written into the status before anything of it is done, so that whoever takes over goes on from there.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::build::{Task, backup_name, job_name, names};
use super::progress::{TaskState, attempts};
use super::validate::Refusal;
use crate::operator::kind::Kind;
use crate::operator::seen::{Key, Seen};
use crate::operator::settings::{Images, Settings};
use crate::resource::{
    ConditionKind, Finding, InstanceStatus, MastodonInstanceSpec, Refused, Upgrade, UpgradePhase, Version, VersionChange,
    plan_version_change, time,
};

/// Which releases there are to do with.
#[derive(Debug)]
pub struct Chosen {
    /// The one that runs, or the wanted one before anything runs.
    pub version: String,
    /// The images of the pods.
    pub release: Images,
    /// Another one on its way, as the status says.
    pub under_way: Option<UnderWay>,
    /// What is to become of that.
    pub decision: Decision,
}

/// Another release on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnderWay {
    /// As the status says.
    pub upgrade: Upgrade,
    /// The images of the release to come.
    pub images: Images,
}

/// What is to become of a change of the release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// There is none, and none is wanted.
    Stay,
    /// It goes on.
    Keep,
    /// It stays where it is until its release is offered again, or another one is wanted that it may go to.
    Hold,
    /// It is given up: nothing of it has touched the pods.
    Drop,
    /// One begins, or goes another way.
    Start {
        /// What runs.
        from: String,
        /// What is to run.
        to: String,
        /// Where it begins.
        phase: UpgradePhase,
    },
}

/// How far the steps are that are done once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Steps {
    /// The backup.
    pub backup: TaskState,
    /// Migrations that the old release can live with.
    pub pre: TaskState,
    /// The other migrations.
    pub post: TaskState,
}

impl Steps {
    /// Reads it off.
    pub fn read(seen: &BTreeMap<Key, Seen>, upgrade: &Upgrade, now: i64) -> Self {
        let job = |task| attempts(seen, Kind::Job, &|attempt| job_name(task, &upgrade.to, attempt), now);
        Self {
            backup: attempts(seen, Kind::Backup, &|attempt| backup_name(upgrade, attempt), now),
            pre: job(Task::PreMigration),
            post: job(Task::PostMigration),
        }
    }

    /// The one that this phase waits for.
    pub fn of(&self, phase: UpgradePhase) -> Option<&TaskState> {
        match phase {
            UpgradePhase::Backup => Some(&self.backup),
            UpgradePhase::PreMigration => Some(&self.pre),
            UpgradePhase::PostMigration => Some(&self.post),
            UpgradePhase::Roll | UpgradePhase::RollBack => None,
        }
    }
}

/// The releases of an instance. Adds to `refused` what can't be done although the rest goes on.
///
/// # Errors
/// When it can't even be told which images its pods should have.
pub fn choose(
    settings: &Settings,
    spec: &MastodonInstanceSpec,
    status: &InstanceStatus,
    seen: &BTreeMap<Key, Seen>,
    refused: &mut Vec<Refusal>,
) -> Result<Chosen, Refusal> {
    let unknown = |version: &str| {
        let offered = settings.releases.keys().cloned().collect::<Vec<_>>().join(", ");
        Refusal::UnknownRelease { version: version.to_owned(), offered }
    };
    let images_of = |version: &str| settings.releases.get(version).map(crate::operator::settings::Release::images);
    let version = status.version.clone().unwrap_or_else(|| spec.version.clone());
    if !settings.releases.contains_key(&spec.version) {
        refused.push(unknown(&spec.version));
    }
    if status.version.is_none() && status.database_initialised && deployed(seen).next().is_some() {
        // Its status was lost, and what runs is no release of ours: to install one over it could be a way back.
        return Err(unknown("of its pods"));
    }
    let mut decision = match &status.version {
        Some(_) => decide(settings, &version, status.upgrade.as_ref(), &spec.version, refused),
        None => Decision::Stay,
    };
    if decision != Decision::Stay && status.upgrade.is_none() && !spec.mode.runs() {
        // Migrations need the cache. It waits until the server runs again.
        decision = Decision::Stay;
    }
    let mut under_way = None;
    if let Some(upgrade) = &status.upgrade {
        let mut images = images_of(&upgrade.to);
        if images.is_none() {
            if spec.version != upgrade.to {
                refused.push(unknown(&upgrade.to));
            }
            if upgrade.phase.has_new_pods() {
                // The pods are between two releases: all but the change is looked after, with the images that they were given.
                images = Some(running_images(seen).ok_or_else(|| unknown(&upgrade.to))?);
                if decision == Decision::Keep {
                    decision = Decision::Hold;
                }
            } else {
                decision = Decision::Drop;
            }
        }
        under_way = images.map(|images| UnderWay { upgrade: upgrade.clone(), images });
    }
    let new_pods = under_way.as_ref().filter(|under_way| under_way.upgrade.phase.has_new_pods());
    let release = match new_pods {
        Some(under_way) => Some(under_way.images.clone()),
        // What runs is looked after, whatever has become of its release in the catalogue.
        None => images_of(&version).or_else(|| running_images(seen).filter(|_| status.version.is_some())),
    };
    match release {
        Some(release) => Ok(Chosen { version, release, under_way, decision }),
        None => Err(refused.pop().unwrap_or_else(|| unknown(&version))),
    }
}

/// What is to become of a change of the release, by what runs, what is under way and what is wanted.
fn decide(settings: &Settings, running: &str, under_way: Option<&Upgrade>, wanted: &str, refused: &mut Vec<Refusal>) -> Decision {
    let offered = settings.offered();
    let kept = if under_way.is_some() { Decision::Keep } else { Decision::Stay };
    let (Ok(version), Ok(to)) = (running.parse::<Version>(), wanted.parse::<Version>()) else { return kept };
    if !offered.contains_key(&to) || under_way.is_some_and(|upgrade| upgrade.to == wanted) {
        return kept;
    }
    let mut refuse = |from: &str, why: Refused| {
        refused.push(Refusal::VersionChange { from: from.to_owned(), to: wanted.to_owned(), why });
    };
    let start = |from: &str, phase| Decision::Start { from: from.to_owned(), to: wanted.to_owned(), phase };
    match under_way {
        Some(Upgrade { from, to: coming, phase, since: _, phase_since: _ }) if phase.has_new_pods() => {
            let Ok(coming_version) = coming.parse::<Version>() else { return kept };
            if to.same_minor(coming_version) {
                // The same tables: the pods may go to any patch.
                return match (version.same_minor(coming_version), to < coming_version) {
                    (true, true) => start(coming, UpgradePhase::RollBack),
                    (true, false) => start(running, UpgradePhase::PreMigration),
                    (false, _) => start(from, UpgradePhase::Roll),
                };
            }
            // It goes on to its end; the next change is planned from there.
            if let VersionChange::Refused(why) = plan_version_change(Some(coming_version), to, &offered) {
                refuse(coming, why);
            }
            Decision::Keep
        }
        Some(_) | None => match plan_version_change(Some(version), to, &offered) {
            VersionChange::First | VersionChange::Same if under_way.is_some() => Decision::Drop,
            VersionChange::First | VersionChange::Same => Decision::Stay,
            VersionChange::Upgrade => start(running, UpgradePhase::Backup),
            VersionChange::Rollback => start(running, UpgradePhase::RollBack),
            VersionChange::Refused(why) => {
                refuse(running, why);
                if under_way.is_some() { Decision::Drop } else { Decision::Stay }
            }
        },
    }
}

/// The images of our Deployments, as far as we have put them there.
fn deployed(seen: &BTreeMap<Key, Seen>) -> impl Iterator<Item = (&'static str, String)> + '_ {
    [names::WEB, names::SIDEKIQ, names::SCHEDULER, names::STREAMING].into_iter().filter_map(|name| {
        let image = seen.get(&(Kind::Deployment, name.to_owned()))?.image.clone()?;
        Some((name, image))
    })
}

/// The images that run.
fn running_images(seen: &BTreeMap<Key, Seen>) -> Option<Images> {
    let image = |of: &dyn Fn(&str) -> bool| deployed(seen).find(|(name, _)| of(name)).map(|(_, image)| image);
    Some(Images { web: image(&|name| name != names::STREAMING)?, streaming: image(&|name| name == names::STREAMING)? })
}

/// Whether anything tells which release the tables of a filled server are of, or that this is its first start, in which they are made.
pub fn is_told(status: &InstanceStatus, wanted: &str, seen: &BTreeMap<Key, Seen>) -> bool {
    status.version.is_some()
        || deployed(seen).next().is_some()
        || seen.contains_key(&(Kind::Job, job_name(Task::Prepare, wanted, 1)))
}

/// The release that runs, and another one on its way, read off the Deployments and Jobs: for a server whose status was lost.
pub fn recover(settings: &Settings, seen: &BTreeMap<Key, Seen>, now: DateTime<Utc>) -> Option<(String, Option<Upgrade>)> {
    let release_of = |(name, image): (&str, String)| {
        let is_its = |images: &Images| if name == names::STREAMING { images.streaming == image } else { images.web == image };
        let mut known = settings.releases.iter().filter(|(_, release)| is_its(&release.images()));
        known.find_map(|(version, _)| version.parse::<Version>().ok())
    };
    let found: Vec<Version> = deployed(seen).map(release_of).collect::<Option<_>>()?;
    let (oldest, newest) = (found.iter().min()?.to_string(), found.iter().max()?.to_string());
    let begun = seen.contains_key(&(Kind::Job, job_name(Task::PreMigration, &newest, 1)));
    let upgrade = (begun || oldest != newest).then(|| Upgrade {
        from: oldest.clone(),
        to: newest,
        phase: UpgradePhase::Roll,
        since: time(now),
        phase_since: time(now),
    });
    Some((oldest, upgrade))
}

/// What the status is to say of a change after a decision.
pub fn decided(decision: &Decision, under_way: Option<&UnderWay>, now: DateTime<Utc>) -> Option<Upgrade> {
    match decision {
        Decision::Stay | Decision::Drop => None,
        Decision::Keep | Decision::Hold => under_way.map(|under_way| under_way.upgrade.clone()),
        Decision::Start { from, to, phase } => {
            Some(Upgrade { from: from.clone(), to: to.clone(), phase: *phase, since: time(now), phase_since: time(now) })
        }
    }
}

/// What comes after the phase that an upgrade is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Nothing yet.
    Same,
    /// The next phase.
    Phase(UpgradePhase),
    /// All is done.
    Done,
}

/// What comes next. `left`: what the gate has found of other releases; `None` while nobody has looked.
pub fn next(phase: UpgradePhase, steps: &Steps, left: Option<&[String]>) -> Next {
    let done = |step: &TaskState, then: Next| if *step == TaskState::Done { then } else { Next::Same };
    let open = |then: Next| if left.is_some_and(<[String]>::is_empty) { then } else { Next::Same };
    match phase {
        UpgradePhase::Backup => done(&steps.backup, Next::Phase(UpgradePhase::PreMigration)),
        UpgradePhase::PreMigration => done(&steps.pre, Next::Phase(UpgradePhase::Roll)),
        UpgradePhase::Roll => open(Next::Phase(UpgradePhase::PostMigration)),
        UpgradePhase::PostMigration => done(&steps.post, Next::Done),
        UpgradePhase::RollBack => open(Next::Done),
    }
}

/// What is told of a change on its way.
pub fn finding(upgrade: &Upgrade, steps: Option<&Steps>, left: Option<&[String]>) -> Finding {
    let Upgrade { from, to, phase, since: _, phase_since: _ } = upgrade;
    let what = match phase {
        UpgradePhase::Backup => "a backup is taken; the old release serves",
        UpgradePhase::PreMigration => "the database is prepared; the old release serves",
        UpgradePhase::Roll => "the pods are exchanged",
        UpgradePhase::PostMigration => "the new release serves; the database is completed",
        UpgradePhase::RollBack => "the pods go back to the earlier patch",
    };
    let step = match steps.and_then(|steps| steps.of(*phase)) {
        Some(TaskState::Waiting { wait: _, message }) => format!("; this failed and is tried again: {message}"),
        Some(TaskState::Failed { message }) => format!("; this failed for good: {message}"),
        Some(TaskState::Done | TaskState::Running | TaskState::Due { attempt: _ }) | None => String::new(),
    };
    let gate = match left {
        Some([]) | None => String::new(),
        Some(left) => format!("; still there: {}", left.join(", ")),
    };
    Finding::holds(ConditionKind::Upgrading, phase.as_str(), format!("Mastodon {from} becomes {to}: {what}{step}{gate}"))
}

/// What a person has to do about a step that failed for good.
pub fn stalled(upgrade: &Upgrade, steps: &Steps) -> Option<(&'static str, String)> {
    let Upgrade { from, to, phase, since: _, phase_since: _ } = upgrade;
    let Some(TaskState::Failed { message }) = steps.of(*phase) else { return None };
    Some(match phase {
        UpgradePhase::Backup => (
            "BackupFailed",
            format!(
                "the backup before Mastodon {to} failed: {message}; {from} goes on serving; mend the cause and delete the Backups \
                 {}…, or set spec.version back to {from}",
                backup_name(upgrade, 1)
            ),
        ),
        UpgradePhase::PreMigration => (
            "JobFailed",
            format!(
                "the migrations to Mastodon {to} failed: {message}; {from} goes on serving; read the logs of the Jobs {}…, mend the \
                 cause and delete these Jobs, or set spec.version back to {from}",
                job_name(Task::PreMigration, to, 1)
            ),
        ),
        UpgradePhase::PostMigration | UpgradePhase::Roll | UpgradePhase::RollBack => (
            "JobFailed",
            format!(
                "the last migrations to Mastodon {to} failed: {message}; {to} serves already; read the logs of the Jobs {}…, mend the \
                 cause and delete these Jobs",
                job_name(Task::PostMigration, to, 1)
            ),
        ),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::build::tests::{instance, settings};
    use super::*;
    use crate::operator::seen::{JobState, State};
    use crate::operator::settings::Release;

    /// The releases 4.5.19, 4.5.20, 4.6.8, 4.6.9 and 4.7.4, each with images that carry its name.
    fn offering() -> Settings {
        let mut settings = settings();
        settings.releases = ["4.5.19", "4.5.20", "4.6.8", "4.6.9", "4.7.4"]
            .map(|version| {
                let (web, streaming) = (format!("web:{version}"), format!("streaming:{version}"));
                (version.to_owned(), Release { web, streaming, min_from: Version::new(4, 2, 0) })
            })
            .into();
        settings
    }

    fn upgrade(from: &str, to: &str, phase: UpgradePhase) -> Upgrade {
        let at = time(DateTime::UNIX_EPOCH);
        Upgrade { from: from.into(), to: to.into(), phase, since: at.clone(), phase_since: at }
    }

    fn chosen(running: &str, under_way: Option<Upgrade>, wanted: &str, mode: &serde_json::Value) -> (Chosen, Vec<Refusal>) {
        let mut spec = instance(mode, 1).spec;
        spec.version = wanted.into();
        let status = InstanceStatus { version: Some(running.into()), upgrade: under_way, ..InstanceStatus::default() };
        let mut refused = Vec::new();
        let chosen = choose(&offering(), &spec, &status, &BTreeMap::new(), &mut refused).unwrap();
        (chosen, refused)
    }

    /// Decision, tag of the pods' images, and the reasons of what is refused.
    fn decided_for(running: &str, under_way: Option<Upgrade>, wanted: &str) -> (Decision, String, Vec<&'static str>) {
        let (chosen, refused) = chosen(running, under_way, wanted, &json!({"running": {}}));
        (chosen.decision, chosen.release.web.replace("web:", ""), refused.iter().map(Refusal::reason).collect())
    }

    fn start(from: &str, to: &str, phase: UpgradePhase) -> Decision {
        Decision::Start { from: from.into(), to: to.into(), phase }
    }

    #[test]
    fn a_change_begins_with_a_backup_and_a_step_back_with_the_pods() {
        use UpgradePhase::{Backup, RollBack};
        assert_eq!(decided_for("4.5.20", None, "4.5.20"), (Decision::Stay, "4.5.20".into(), vec![]));
        assert_eq!(decided_for("4.5.20", None, "4.6.9"), (start("4.5.20", "4.6.9", Backup), "4.5.20".into(), vec![]));
        assert_eq!(decided_for("4.5.20", None, "4.5.19"), (start("4.5.20", "4.5.19", RollBack), "4.5.20".into(), vec![]));
        assert_eq!(decided_for("4.5.20", None, "4.7.4"), (Decision::Stay, "4.5.20".into(), vec!["VersionChangeRefused"]));
        assert_eq!(decided_for("4.5.20", None, "9.9.9"), (Decision::Stay, "4.5.20".into(), vec!["UnknownRelease"]));
        // One that is paused waits: migrations need its cache.
        let (paused, refused) = chosen("4.5.20", None, "4.6.9", &json!({"suspended": {"reason": "unpaid"}}));
        assert_eq!((paused.decision, refused), (Decision::Stay, vec![]));
    }

    #[test]
    fn the_pods_are_new_from_the_roll_on_and_never_before() {
        for phase in UpgradePhase::ALL {
            let (decision, pods, _) = decided_for("4.5.20", Some(upgrade("4.5.20", "4.6.9", phase)), "4.6.9");
            assert_eq!(decision, Decision::Keep, "{phase:?}");
            let old = matches!(phase, UpgradePhase::Backup | UpgradePhase::PreMigration);
            assert_eq!(pods, if old { "4.5.20" } else { "4.6.9" }, "{phase:?}");
        }
    }

    #[test]
    fn before_the_roll_it_can_be_given_up() {
        for phase in [UpgradePhase::Backup, UpgradePhase::PreMigration] {
            let under_way = || Some(upgrade("4.5.20", "4.6.9", phase));
            assert_eq!(decided_for("4.5.20", under_way(), "4.5.20").0, Decision::Drop);
            let other = start("4.5.20", "4.6.8", UpgradePhase::Backup);
            assert_eq!(decided_for("4.5.20", under_way(), "4.6.8").0, other);
            let (decision, _, refused) = decided_for("4.5.20", under_way(), "4.7.4");
            assert_eq!((decision, refused), (Decision::Drop, vec!["VersionChangeRefused"]));
        }
    }

    #[test]
    fn once_pods_are_exchanged_a_minor_goes_on_and_a_patch_may_go_back() {
        use UpgradePhase::{PostMigration, PreMigration, Roll, RollBack};
        for phase in [Roll, PostMigration] {
            let minor = || Some(upgrade("4.5.20", "4.6.8", phase));
            let (decision, pods, refused) = decided_for("4.5.20", minor(), "4.5.20");
            assert_eq!((decision, pods.as_str(), refused), (Decision::Keep, "4.6.8", vec!["VersionChangeRefused"]));
            // A patch that mends what is stuck is taken at once: the tables are the same.
            assert_eq!(decided_for("4.5.20", minor(), "4.6.9").0, start("4.5.20", "4.6.9", Roll));
            // What comes after is planned once this is done.
            assert_eq!(decided_for("4.5.20", minor(), "4.7.4"), (Decision::Keep, "4.6.8".into(), vec![]));
            let patch = || Some(upgrade("4.5.19", "4.5.20", phase));
            assert_eq!(decided_for("4.5.19", patch(), "4.5.19").0, start("4.5.20", "4.5.19", RollBack));
        }
        let back = Some(upgrade("4.5.20", "4.5.19", RollBack));
        assert_eq!(decided_for("4.5.20", back, "4.5.20").0, start("4.5.20", "4.5.20", PreMigration));
    }

    #[test]
    fn a_release_that_was_taken_out_of_the_catalogue_stops_nothing_by_halves() {
        let mut spec = instance(&json!({"running": {}}), 1).spec;
        spec.version = "4.6.7".into();
        let mut of = |wanted: &str, phase, seen: &BTreeMap<Key, Seen>| {
            spec.version = wanted.into();
            let upgrade = Some(upgrade("4.5.20", "4.6.7", phase));
            let status = InstanceStatus { version: Some("4.5.20".into()), upgrade, ..InstanceStatus::default() };
            let mut refused = Vec::new();
            choose(&offering(), &spec, &status, seen, &mut refused).map(|chosen| {
                let told: Vec<&str> = refused.iter().map(Refusal::reason).collect();
                (chosen.decision, chosen.release.web, told)
            })
        };
        let nothing = BTreeMap::new();
        assert_eq!(of("4.6.7", UpgradePhase::Backup, &nothing).unwrap().0, Decision::Drop);
        assert_eq!(of("4.6.7", UpgradePhase::Roll, &nothing).unwrap_err().reason(), "UnknownRelease", "nothing tells what runs");
        // Neither forward nor back, and the rest goes on with what the pods were given.
        let given = |name: &str, image: &str| {
            ((Kind::Deployment, name.to_owned()), Seen { image: Some(image.to_owned()), ..Seen::bare(State::None) })
        };
        let seen = BTreeMap::from([given(names::WEB, "web:4.6.7"), given(names::STREAMING, "streaming:4.6.7")]);
        for phase in [UpgradePhase::Roll, UpgradePhase::PostMigration] {
            let (decision, web, told) = of("4.6.7", phase, &seen).unwrap();
            assert_eq!((decision, web.as_str(), told), (Decision::Hold, "web:4.6.7", vec!["UnknownRelease"]), "{phase:?}");
            let images = Images { web: "web:4.6.7".into(), streaming: "streaming:4.6.7".into() };
            let under_way = UnderWay { upgrade: upgrade("4.5.20", "4.6.7", phase), images };
            let kept = decided(&Decision::Hold, Some(&under_way), DateTime::UNIX_EPOCH);
            assert_eq!(kept.map(|upgrade| upgrade.phase), Some(phase));
            // Another patch is a way out.
            assert_eq!(of("4.6.9", phase, &seen).unwrap().0, start("4.5.20", "4.6.9", UpgradePhase::Roll));
        }
    }

    #[test]
    fn each_phase_waits_for_its_step() {
        use UpgradePhase::{Backup, PostMigration, PreMigration, Roll, RollBack};
        let steps = |state: &TaskState| Steps { backup: state.clone(), pre: state.clone(), post: state.clone() };
        let (done, running) = (steps(&TaskState::Done), steps(&TaskState::Running));
        let pod = ["Pod web-1".to_owned()];
        assert_eq!(next(Backup, &done, None), Next::Phase(PreMigration));
        assert_eq!(next(PreMigration, &done, None), Next::Phase(Roll));
        assert_eq!(next(PostMigration, &done, None), Next::Done);
        for phase in [Backup, PreMigration, PostMigration] {
            assert_eq!(next(phase, &running, Some(&[])), Next::Same, "{phase:?}");
        }
        for (phase, then) in [(Roll, Next::Phase(PostMigration)), (RollBack, Next::Done)] {
            assert_eq!(next(phase, &done, Some(&[])), then);
            assert_eq!(next(phase, &done, Some(&pod)), Next::Same, "an old pod closes the gate");
            assert_eq!(next(phase, &done, None), Next::Same, "and so does not having looked");
        }
    }

    #[test]
    fn what_fails_says_what_serves_and_what_to_do() {
        let failed = TaskState::Failed { message: "no".into() };
        let steps = Steps { backup: failed.clone(), pre: failed.clone(), post: failed };
        let of = |phase| stalled(&upgrade("4.5.20", "4.6.9", phase), &steps);
        let (reason, message) = of(UpgradePhase::PreMigration).unwrap();
        assert_eq!(reason, "JobFailed");
        assert!(message.contains("4.5.20 goes on serving") && message.contains("migrate-pre-4-6-9"), "{message}");
        assert_eq!(of(UpgradePhase::Backup).unwrap().0, "BackupFailed");
        assert!(of(UpgradePhase::PostMigration).unwrap().1.contains("4.6.9 serves already"));
        assert_eq!(of(UpgradePhase::Roll), None);
    }

    #[test]
    fn without_status_pods_and_jobs_nothing_tells_of_which_release_the_tables_are() {
        let status = |version: Option<&str>| InstanceStatus { version: version.map(str::to_owned), ..InstanceStatus::default() };
        let object = |kind, name: String, image: Option<&str>| {
            BTreeMap::from([((kind, name), Seen { image: image.map(str::to_owned), ..Seen::bare(State::None) })])
        };
        assert!(!is_told(&status(None), "4.6.9", &BTreeMap::new()));
        assert!(is_told(&status(Some("4.5.20")), "4.6.9", &BTreeMap::new()));
        assert!(is_told(&status(None), "4.6.9", &object(Kind::Deployment, names::WEB.to_owned(), Some("web:4.5.20"))));
        let job = |version| object(Kind::Job, job_name(Task::Prepare, version, 1), None);
        assert!(is_told(&status(None), "4.6.9", &job("4.6.9")), "it is under way, or done");
        assert!(!is_told(&status(None), "4.6.9", &job("4.5.20")), "another release's says nothing of what came after");
    }

    #[test]
    fn without_a_status_the_pods_tell_what_runs() {
        let seen = |image, state| Seen { image, ..Seen::bare(state) };
        let running = |versions: [&str; 4]| -> BTreeMap<Key, Seen> {
            let names = [names::WEB, names::STREAMING, names::SIDEKIQ, names::SCHEDULER];
            let one = |(name, version): (&str, &str)| {
                let image = if name == names::STREAMING { format!("streaming:{version}") } else { format!("web:{version}") };
                ((Kind::Deployment, name.to_owned()), seen(Some(image), State::None))
            };
            names.into_iter().zip(versions).map(one).collect()
        };
        let of = |seen: &BTreeMap<Key, Seen>| {
            recover(&offering(), seen, DateTime::UNIX_EPOCH)
                .map(|(version, upgrade)| (version, upgrade.map(|it| (it.to, it.phase))))
        };
        assert_eq!(of(&BTreeMap::new()), None);
        assert_eq!(of(&running(["4.5.20"; 4])), Some(("4.5.20".into(), None)));
        let mixed = running(["4.7.4", "4.6.9", "4.7.4", "4.7.4"]);
        assert_eq!(of(&mixed), Some(("4.6.9".into(), Some(("4.7.4".into(), UpgradePhase::Roll)))));
        let mut rolled = running(["4.7.4"; 4]);
        let job = (Kind::Job, job_name(Task::PreMigration, "4.7.4", 1));
        rolled.insert(job, seen(None, State::Job(JobState::Done)));
        assert_eq!(of(&rolled), Some(("4.7.4".into(), Some(("4.7.4".into(), UpgradePhase::Roll)))), "the rest may be missing");
        assert_eq!(of(&running(["9.9.9"; 4])), None);
    }
}
