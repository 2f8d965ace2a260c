//! From what the operator says to what the page shows.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::types::Json;

use super::view::{StatusView, backups, status};
use crate::ids::{AccountId, ClusterId, InstanceId};
use crate::instance::claim::LocalDomain;
use crate::instance::{Instance, Intent, Seen};
use crate::resource::{Backups, ConditionKind, Finding, InstanceStatus, StepName, conditions, steps, time};
use crate::words::Words;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

/// Paid and wanted at 0.
fn wanted() -> Instance {
    Instance {
        id: InstanceId::new(),
        account_id: AccountId::new(),
        domain: "xn--mller-kva.example".to_owned(),
        hosted: false,
        web_domain: Some("social.xn--mller-kva.example".to_owned()),
        owner_username: "ada".to_owned(),
        owner_email: "ada@mail.example".to_owned(),
        plan_code: "small".to_owned(),
        mastodon_version: "4.5.0".to_owned(),
        intent: Intent::Running,
        intent_reason: None,
        generation: 1,
        observed_generation: 0,
        observed: None,
        observed_at: None,
        intent_at: Some(at(0)),
        ready_at: None,
        local_domain: Some(LocalDomain::Elsewhere),
        address_confirmed_at: Some(at(0)),
        address_checked_at: None,
        released_at: None,
        own_mail: None,
        created_at: at(-60),
        cluster_id: ClusterId::new(),
        cluster_seen_at: None,
        maintenance_window: None,
        canary: false,
    }
}

/// What the operator says when these steps are done, and those are under way, all since `now`.
fn said(done: &[StepName], under_way: &[StepName], now: DateTime<Utc>) -> InstanceStatus {
    let mut found = Vec::new();
    for step in StepName::ALL {
        for kind in step.conditions() {
            found.push(match () {
                () if done.contains(&step) => Finding::holds(*kind, "Done", ""),
                () if under_way.contains(&step) => Finding::fails(*kind, "Starting", ""),
                () => Finding::waits(*kind, ""),
            });
        }
    }
    let ready = done.len() == StepName::ALL.len();
    found.push(if ready {
        Finding::holds(ConditionKind::Ready, "Ready", "")
    } else {
        Finding::fails(ConditionKind::Ready, "Building", "not all is there")
    });
    let conditions = conditions(&[], &found, 1, now);
    InstanceStatus {
        steps: steps(&[], &conditions, now),
        version: ready.then(|| "4.5.0".to_owned()),
        ready_since: ready.then(|| time(now)),
        conditions,
        ..InstanceStatus::default()
    }
}

fn typical() -> Vec<(String, f64)> {
    let known =
        [("namespace", 1.0), ("bucket", 2.0), ("database", 40.0), ("cache", 8.0), ("migrations", 60.0), ("processes", 30.0)];
    known.map(|(name, seconds)| (name.to_owned(), seconds)).to_vec()
}

fn shown(instance: &Instance, typical: &[(String, f64)], now: DateTime<Utc>) -> StatusView {
    status(&Words::english(), &Seen { instance, paid_at: Some(at(0)), typical, now })
}

fn with(status: InstanceStatus) -> Instance {
    Instance { observed: Some(Json(status)), observed_generation: 1, ..wanted() }
}

const BEGUN: [StepName; 3] = [StepName::Namespace, StepName::Identity, StepName::Bucket];

#[test]
fn every_phase_has_its_page() {
    let all = with(said(&StepName::ALL, &[], at(100)));
    let ready = Instance { ready_at: Some(at(100)), ..all.clone() };
    let stalled = |ready_at| {
        let mut status = said(&BEGUN, &[StepName::Database], at(5));
        status.conditions =
            conditions(&[], &[Finding::holds(ConditionKind::Stalled, "DataLost", "the database is gone")], 1, at(6));
        Instance { ready_at, ..with(status) }
    };
    let cases = [
        ("reserved", Instance { intent: Intent::Absent, ..wanted() }),
        ("preparing", wanted()),
        ("preparing", with(said(&BEGUN, &[StepName::Database], at(5)))),
        (
            "awaiting-records",
            Instance { address_confirmed_at: None, ..with(said(&StepName::ALL[..8], &[StepName::Address], at(5))) },
        ),
        ("stuck", stalled(None)),
        ("degraded", stalled(Some(at(3)))),
        ("running", ready.clone()),
        ("degraded", Instance { ready_at: Some(at(3)), ..with(said(&BEGUN, &[StepName::Database], at(5))) }),
        ("upgrading", Instance { mastodon_version: "4.5.1".to_owned(), ..ready.clone() }),
        ("suspended", Instance { intent: Intent::Suspended, ..ready.clone() }),
        ("leaving", Instance { intent: Intent::Archived, ..ready.clone() }),
        ("gone", Instance { intent: Intent::Absent, released_at: Some(at(9)), ..wanted() }),
    ];
    for (expected, instance) in cases {
        let view = shown(&instance, &[], at(20));
        assert_eq!(view.phase, expected);
        assert!(!view.state.word.is_empty() && !view.state.word.starts_with("phase-"), "{expected}: {:?}", view.state);
        let says = ["awaiting-records", "stuck", "degraded", "upgrading", "suspended", "leaving", "gone", "reserved"]
            .contains(&expected);
        assert_eq!(view.text.contains(' '), says, "{expected}: {}", view.text);
    }
}

#[test]
fn steps_tell_how_far_it_is() {
    let mut seen = said(&BEGUN, &[StepName::Database, StepName::Cache], at(5));
    for step in &mut seen.steps {
        step.started_at = time(at(2));
    }
    let view = shown(&with(seen), &typical(), at(33));
    let states: Vec<&str> = view.steps.iter().map(|step| step.state).collect();
    assert_eq!(states, ["done", "done", "done", "done", "doing", "doing", "waiting", "waiting", "waiting", "waiting"]);
    assert_eq!((view.done.as_str(), view.count.as_str(), view.current.as_str()), ("4", "10", "5"));
    assert_eq!(view.current_title, "Database");
    let database = &view.steps[4];
    assert_eq!((database.elapsed.as_str(), database.typical.as_str(), database.took.as_str()), ("0:31", "about 40 s", ""));
    assert_eq!(view.steps[1].took, "3 s");
    assert_eq!(view.elapsed, "0:33");
}

#[test]
fn what_runs_side_by_side_is_not_added_up() {
    // 1 + 40 + 60 + 30 seconds, not 1 + 2 + 40 + 8 + 60 + 30.
    assert_eq!(shown(&wanted(), &typical(), at(1)).typical, "about 2 min");
    let unknown: Vec<_> = typical().into_iter().filter(|(name, _)| name != "migrations").collect();
    assert_eq!(shown(&wanted(), &unknown, at(1)).typical, "", "nothing is promised that was never seen");
}

#[test]
fn stuck_is_five_times_the_usual_or_ten_minutes_where_nothing_is_usual() {
    let database = with(said(&BEGUN, &[StepName::Database], at(100)));
    let phase = |instance: &Instance, typical: &[(String, f64)], now| shown(instance, typical, now).phase;
    assert_eq!(phase(&database, &typical(), at(100 + 200)), "preparing");
    assert_eq!(phase(&database, &typical(), at(100 + 201)), "stuck");
    assert_eq!(phase(&database, &[], at(100 + 600)), "preparing");
    assert_eq!(phase(&database, &[], at(100 + 601)), "stuck");
    // Five times two seconds would be soon over.
    let bucket = with(said(&BEGUN[..2], &[StepName::Bucket], at(100)));
    assert_eq!(phase(&bucket, &typical(), at(100 + 60)), "preparing");
    assert_eq!(phase(&bucket, &typical(), at(100 + 61)), "stuck");
    // A cluster that never answers.
    assert_eq!(phase(&wanted(), &typical(), at(601)), "stuck");
}

#[test]
fn slow_is_not_stopped() {
    let database = with(said(&BEGUN, &[StepName::Database], at(0)));
    let view = shown(&database, &typical(), at(0) + TimeDelta::hours(1));
    assert_eq!((view.phase, view.steps[4].state), ("stuck", "doing"));
}

#[test]
fn a_ready_server_says_how_to_get_in() {
    let ready = Instance { ready_at: Some(at(161)), ..with(said(&StepName::ALL, &[], at(160))) };
    let view = shown(&ready, &typical(), at(9000));
    assert_eq!(view.took, "2 min 41 s");
    assert_eq!(view.handle, "@ada@müller.example");
    assert_eq!(view.password_url, "https://social.xn--mller-kva.example/auth/password/new");
    assert!(view.state.detail.starts_with("since "), "{:?}", view.state);
    assert!(view.is_settled());
}

#[test]
fn without_running_times_only_what_happens_shows() {
    let database = with(said(&BEGUN, &[StepName::Database], at(5)));
    let [one, later] = [at(10), at(17)].map(|now| shown(&database, &typical(), now));
    assert_ne!(one, later);
    assert_eq!(one.without_running_times(), later.without_running_times());
}

#[test]
fn every_word_that_code_chooses_is_there() {
    let words = Words::english();
    let phases = ["awaiting-records", "stuck", "degraded", "upgrading", "suspended", "leaving", "gone", "reserved"];
    let keys = phases.map(|phase| format!("phase-{phase}")).into_iter();
    let view = shown(&wanted(), &typical(), at(1));
    for key in keys {
        assert_ne!(words.t(&key), key);
    }
    for step in &view.steps {
        assert!(!step.title.starts_with("step-") && !step.note.starts_with("step-"), "{step:?}");
    }
}

#[test]
fn backups_are_told_from_the_first_to_the_last() {
    let words = Words::english();
    let told = |finding: Finding, stored: bool| {
        let stored = stored.then(|| Backups { since: time(at(0)), last: time(at(86_400)) });
        let conditions = conditions(&[], &[finding], 1, at(0));
        let status = InstanceStatus { database_initialised: true, backups: stored, conditions, ..InstanceStatus::default() };
        backups(&words, &status).unwrap()
    };
    let kind = ConditionKind::BackedUp;
    assert_eq!(told(Finding::waits(kind, ""), false), "The first one is being made.");
    assert_eq!(told(Finding::fails(kind, "Running", ""), false), "The first one is being made.");
    assert!(told(Finding::fails(kind, "BackupFailed", "no room"), false).starts_with("There is none yet"));
    let well = told(Finding::holds(kind, "There", ""), true);
    assert!(well.contains("16 January; every moment since 8:00 UTC, 15 January"), "{well}");
    let late = told(Finding::fails(kind, "BackupOverdue", ""), true);
    assert!(late.starts_with("The last one is of") && !late.contains("every moment"), "{late}");
    let nothing =
        InstanceStatus { conditions: conditions(&[], &[Finding::waits(kind, "")], 1, at(0)), ..InstanceStatus::default() };
    assert_eq!(backups(&words, &nothing), None, "nothing is in it");
}
