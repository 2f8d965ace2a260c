//! A rollout from its plan to its end, and what staff do on the way.

use chrono::TimeDelta;
use paddock::account::Scope;
use paddock::clock::Clock as _;
use paddock::rollout::{ItemState, Policy, RolloutState};

use super::{
    OLD, PATCH, add_release, after, audited, begin, count, find, ill, operator, operator_works, press, quick, ready, servers,
    stalled, state, states, status,
};
use crate::harness::{Start, TestApp};

#[tokio::test]
async fn a_patch_goes_out_step_by_step() {
    let Start { app, customer, staff, .. } = TestApp::start().await;
    let all = servers(&app, &customer, 40, OLD).await;
    crate::webhooks::listen(&app, &customer, "http://127.0.0.1:9/").await;
    add_release(&staff, PATCH, "4.6.0", false).await;
    staff.post(&format!("/staff/instances/{}/canary", all[7]), &[("canary", "yes")]).await.is(303);

    // The plan: one canary, four in a hundred and the rest.
    let page = staff.get(&format!("/staff/rollouts/new?version={PATCH}")).await.is(200).see("Canaries").see("10 % of all");
    assert_eq!(page.all("table td.num"), ["1", "3", "36"]);
    let id = begin(&staff, PATCH, &quick()).await;
    assert_eq!(count(&app, id, ItemState::Waiting).await, 40);

    // The canary begins: a change of intent, audited, that the fleet will push.
    app.run_jobs().await;
    assert_eq!(states(&app, id).await[&all[7]], ItemState::Upgrading);
    assert_eq!(count(&app, id, ItemState::Waiting).await, 39);
    let canary = app.find_instance(all[7]).await;
    assert_eq!((canary.mastodon_version.as_str(), canary.generation), (PATCH, 2));
    assert_eq!(audited(&app, "instance.version").await, 1);
    customer.get(&format!("/instances/{}", all[7])).await.see("Upgrading");

    // It is done once the operator says so; the next step waits for the pause.
    operator_works(&app, id).await;
    after(&app, TimeDelta::seconds(15)).await;
    assert_eq!(states(&app, id).await[&all[7]], ItemState::Done);
    after(&app, TimeDelta::minutes(59)).await;
    assert_eq!((find(&app, id).await.step, count(&app, id, ItemState::Upgrading).await), (0, 0));
    after(&app, TimeDelta::minutes(1)).await;
    assert_eq!(find(&app, id).await.step, 1);
    after(&app, TimeDelta::seconds(30)).await;
    assert_eq!(count(&app, id, ItemState::Upgrading).await, 3);
    operator_works(&app, id).await;
    after(&app, TimeDelta::seconds(15)).await;
    after(&app, TimeDelta::minutes(60)).await;
    assert_eq!(find(&app, id).await.step, 2);

    // At a pace: 600 in an hour are one in six seconds.
    after(&app, TimeDelta::seconds(60)).await;
    let begun = count(&app, id, ItemState::Upgrading).await;
    assert!((10..=11).contains(&begun), "{begun} after a minute");
    let page = staff.get(&format!("/staff/rollouts/{id}")).await.is(200).see("4 of 40").see("Being upgraded");
    assert_eq!(page.all("h1"), [format!("Rollout of {PATCH}")]);
    after(&app, TimeDelta::minutes(4)).await;
    assert_eq!(count(&app, id, ItemState::Upgrading).await, 36);
    operator_works(&app, id).await;
    after(&app, TimeDelta::seconds(15)).await;
    assert_eq!((state(&app, id).await, count(&app, id, ItemState::Done).await), (RolloutState::Running, 40));
    after(&app, TimeDelta::minutes(31)).await;
    assert_eq!(state(&app, id).await, RolloutState::Finished);
    staff.get("/staff/rollouts").await.see("Finished").see("40 of 40");
    assert_eq!(audited(&app, "instance.version").await, 40);
    assert_eq!(crate::webhooks::events(&app, &customer).await, ["server.upgraded"; 40]);
    for instance in all {
        let instance = app.find_instance(instance).await;
        assert_eq!((instance.mastodon_version.as_str(), instance.generation), (PATCH, 2), "each was changed once");
    }
}

#[tokio::test]
async fn it_pauses_by_itself_when_too_many_fail_and_goes_on_when_somebody_has_looked() {
    let Start { app, customer, staff, .. } = TestApp::start().await;
    servers(&app, &customer, 20, OLD).await;
    add_release(&staff, PATCH, "4.6.0", false).await;
    let policy = Policy { steps: vec![paddock::rollout::Step::Share(25), paddock::rollout::Step::Share(100)], ..quick() };
    let id = begin(&staff, PATCH, &policy).await;
    app.run_jobs().await;
    after(&app, TimeDelta::minutes(1)).await;
    assert_eq!(count(&app, id, ItemState::Upgrading).await, 5);
    let unlucky = *states(&app, id).await.iter().find(|(_, state)| **state == ItemState::Upgrading).unwrap().0;

    // Four go well; one can't go on, which counts once that has lasted.
    operator_works(&app, id).await;
    app.observe(unlucky, &status(OLD, &[ill(), stalled()], app.clock.now())).await;
    after(&app, TimeDelta::minutes(1)).await;
    assert_eq!((count(&app, id, ItemState::Done).await, state(&app, id).await), (4, RolloutState::Running));
    after(&app, TimeDelta::minutes(2)).await;
    assert_eq!((count(&app, id, ItemState::Failed).await, state(&app, id).await), (1, RolloutState::Paused));
    assert!(find(&app, id).await.reason.unwrap().starts_with("1 of the last 5 upgrades failed"));
    staff
        .get(&format!("/staff/rollouts/{id}"))
        .await
        .see("Paused")
        .see("1 of the last 5")
        .see("MigrationFailed: the Job failed three times");
    staff.get("/staff").await.see("Look: Rollouts paused 1");

    // Paused is paused, however much time passes.
    after(&app, TimeDelta::hours(3)).await;
    assert_eq!((count(&app, id, ItemState::Waiting).await, state(&app, id).await), (15, RolloutState::Paused));

    // Without a reason nothing happens; with one it goes on, and the failure that was looked at does not stop it again.
    press(&staff, id, "resume", " ").await.see("say why");
    assert_eq!(state(&app, id).await, RolloutState::Paused);
    press(&staff, id, "resume", "its disk was full").await.see("goes on");
    app.run_jobs().await;
    for _ in 0..5 {
        after(&app, TimeDelta::minutes(1)).await;
        operator(&app, id, |wanted| status(wanted, &[ready()], app.clock.now())).await;
    }
    after(&app, TimeDelta::minutes(1)).await;
    assert_eq!((count(&app, id, ItemState::Done).await, state(&app, id).await), (19, RolloutState::Running));

    // One that recovers is done after all.
    app.observe(unlucky, &status(PATCH, &[ready()], app.clock.now())).await;
    after(&app, TimeDelta::minutes(1)).await;
    assert_eq!((count(&app, id, ItemState::Done).await, count(&app, id, ItemState::Failed).await), (20, 0));
    assert_eq!((audited(&app, "rollout.paused").await, audited(&app, "rollout.resumed").await), (1, 1));
}

#[tokio::test]
async fn a_server_that_falls_ill_while_it_is_watched_counts_as_failed() {
    let Start { app, customer, staff, .. } = TestApp::start().await;
    let all = servers(&app, &customer, 3, OLD).await;
    add_release(&staff, PATCH, "4.6.0", false).await;
    let id = begin(&staff, PATCH, &quick()).await;
    app.run_jobs().await;
    operator_works(&app, id).await;
    after(&app, TimeDelta::minutes(1)).await;
    let canary = *states(&app, id).await.iter().find(|(_, state)| **state == ItemState::Done).unwrap().0;
    app.observe(canary, &status(PATCH, &[ill()], app.clock.now())).await;
    after(&app, TimeDelta::minutes(4)).await;
    assert_eq!(state(&app, id).await, RolloutState::Running);
    after(&app, TimeDelta::minutes(1)).await;
    assert_eq!(state(&app, id).await, RolloutState::Paused);
    staff.get(&format!("/staff/rollouts/{id}")).await.see("not well after the upgrade; web does not answer");
    assert_eq!(all.len() - 1, count(&app, id, ItemState::Waiting).await);
}

#[tokio::test]
async fn nothing_is_concluded_of_a_cluster_that_is_away_and_nobody_in_it_begins() {
    let Start { app, customer, staff, .. } = TestApp::start().await;
    servers(&app, &customer, 10, OLD).await;
    add_release(&staff, PATCH, "4.6.0", false).await;
    let policy = Policy { steps: vec![paddock::rollout::Step::Share(50), paddock::rollout::Step::Share(100)], ..quick() };
    let id = begin(&staff, PATCH, &policy).await;
    app.run_jobs().await;
    let begun = count(&app, id, ItemState::Upgrading).await;
    sqlx::query("update clusters set seen_at = $1").bind(app.clock.now()).execute(app.sql()).await.unwrap();
    after(&app, TimeDelta::hours(10)).await;
    assert_eq!((count(&app, id, ItemState::Upgrading).await, state(&app, id).await), (begun, RolloutState::Running));
    assert_eq!(count(&app, id, ItemState::Waiting).await, 10 - begun, "nobody begins where nobody sees what becomes of it");
    // It is back, and those who were being upgraded are done.
    sqlx::query("update clusters set seen_at = $1").bind(app.clock.now()).execute(app.sql()).await.unwrap();
    operator_works(&app, id).await;
    after(&app, TimeDelta::seconds(15)).await;
    assert_eq!((count(&app, id, ItemState::Done).await, count(&app, id, ItemState::Failed).await), (begun, 0));
    assert!(count(&app, id, ItemState::Upgrading).await > 0);
}

#[tokio::test]
async fn what_takes_too_long_has_failed_and_who_is_not_to_run_is_left_out() {
    let Start { app, customer, staff, .. } = TestApp::start().await;
    let all = servers(&app, &customer, 4, OLD).await;
    add_release(&staff, PATCH, "4.6.0", false).await;
    let policy = Policy { steps: vec![paddock::rollout::Step::Share(100)], failed_percent: 100, ..quick() };
    let id = begin(&staff, PATCH, &policy).await;
    // One is suspended before its turn, one while it is upgraded, one is changed by somebody else.
    let mut conn = app.sql().acquire().await.unwrap();
    let suspend =
        |id| sqlx::query("update instances set intent = 'suspended', generation = generation + 1 where id = $1").bind(id);
    suspend(all[0]).execute(&mut *conn).await.unwrap();
    app.run_jobs().await;
    after(&app, TimeDelta::minutes(1)).await;
    assert_eq!(states(&app, id).await[&all[0]], ItemState::LeftOut);
    assert_eq!(count(&app, id, ItemState::Upgrading).await, 3);
    suspend(all[1]).execute(&mut *conn).await.unwrap();
    sqlx::query("update instances set mastodon_version = '4.6.11' where id = $1").bind(all[2]).execute(&mut *conn).await.unwrap();
    after(&app, TimeDelta::minutes(1)).await;
    assert_eq!((states(&app, id).await[&all[1]], states(&app, id).await[&all[2]]), (ItemState::LeftOut, ItemState::LeftOut));
    after(&app, TimeDelta::minutes(120)).await;
    assert_eq!(states(&app, id).await[&all[3]], ItemState::Failed);
    staff
        .get(&format!("/staff/rollouts/{id}"))
        .await
        .see("not done within 120 minutes")
        .see("it is not to run any more")
        .see("its release was changed by somebody else meanwhile");
    after(&app, TimeDelta::minutes(61)).await;
    assert_eq!(state(&app, id).await, RolloutState::Finished);
}

#[tokio::test]
async fn staff_end_it_leave_servers_out_and_bring_a_patch_back() {
    let Start { app, customer, staff, .. } = TestApp::start().await;
    let all = servers(&app, &customer, 12, OLD).await;
    add_release(&staff, PATCH, "4.6.0", false).await;
    let policy =
        Policy { steps: vec![paddock::rollout::Step::Share(50), paddock::rollout::Step::Share(100)], at_once: 4, ..quick() };
    let id = begin(&staff, PATCH, &policy).await;
    app.run_jobs().await;
    after(&app, TimeDelta::minutes(2)).await;
    assert_eq!(count(&app, id, ItemState::Upgrading).await, 4, "no more at a time");
    operator_works(&app, id).await;
    after(&app, TimeDelta::minutes(1)).await;
    operator_works(&app, id).await;
    after(&app, TimeDelta::minutes(1)).await;
    assert_eq!(count(&app, id, ItemState::Done).await, 6);

    // One of those who wait is left out: by the button of its row.
    let page = staff.get(&format!("/staff/rollouts/{id}")).await;
    let waiting = page.attributes("input[name=instance]", "value");
    assert_eq!(waiting.len(), 6);
    let form = [("instance", waiting[0].as_str()), ("reason", "they asked for it")];
    staff.post(&format!("/staff/rollouts/{id}/leave-out"), &form).await.is(303);
    assert_eq!(count(&app, id, ItemState::LeftOut).await, 1);

    // A second rollout of it can't begin, and its release can't be withdrawn under it.
    let plan = staff.get(&format!("/staff/rollouts/new?version={PATCH}")).await.see("5 servers are part of another rollout");
    staff.submit(&plan, "/staff/rollouts", &[]).await.is(409);
    staff
        .post(&format!("/staff/releases/{PATCH}/withdraw"), &[("because", "a hole")])
        .await
        .is(409)
        .see("a rollout of 4.6.10 is open");

    press(&staff, id, "abort", "people complain").await.see("Ended").see("people complain");
    assert_eq!((count(&app, id, ItemState::LeftOut).await, state(&app, id).await), (6, RolloutState::Aborted));
    press(&staff, id, "roll-back", "a patch that breaks uploads").await.see("Going back");
    app.run_jobs().await;
    assert_eq!(count(&app, id, ItemState::Returning).await, 4);
    for _ in 0..3 {
        operator_works(&app, id).await;
        after(&app, TimeDelta::seconds(15)).await;
    }
    assert_eq!((count(&app, id, ItemState::Returned).await, state(&app, id).await), (6, RolloutState::Returned));
    for instance in all {
        assert_eq!(app.find_instance(instance).await.mastodon_version, OLD);
    }
    staff.get(&format!("/staff/rollouts/{id}")).await.see("Gone back").not_see("Bring the upgraded back");
    // All of it stands in the log, each with its reason.
    for action in ["rollout.begun", "rollout.left_out", "rollout.aborted", "rollout.rolled_back", "rollout.returned"] {
        assert_eq!(audited(&app, action).await, 1, "{action}");
    }
    assert_eq!(audited(&app, "instance.version").await, 12);
}

#[tokio::test]
async fn a_pause_that_is_committed_stops_the_very_next_server() {
    let Start { app, customer, staff, .. } = TestApp::start().await;
    servers(&app, &customer, 30, OLD).await;
    add_release(&staff, PATCH, "4.6.0", false).await;
    let policy = Policy { steps: vec![paddock::rollout::Step::Share(100)], ..quick() };
    let id = begin(&staff, PATCH, &policy).await;
    app.run_jobs().await;
    app.advance(TimeDelta::minutes(10));
    // The worker begins with one after the other while staff press the button: whatever it has begun, nothing begins after the commit.
    let (db, clock) = (app.db.clone(), app.clock.clone());
    let working = tokio::spawn(async move { paddock::rollout::advance(&db, clock.as_ref()).await });
    press(&staff, id, "pause", "stop").await.see("is paused");
    let begun = count(&app, id, ItemState::Upgrading).await;
    working.await.unwrap().unwrap();
    assert_eq!(count(&app, id, ItemState::Upgrading).await, begun);
    after(&app, TimeDelta::hours(1)).await;
    assert_eq!((count(&app, id, ItemState::Waiting).await, state(&app, id).await), (30 - begun, RolloutState::Paused));
}

#[tokio::test]
async fn only_operations_may_and_everybody_of_the_staff_may_look() {
    let Start { app, customer, staff, .. } = TestApp::start().await;
    servers(&app, &customer, 2, OLD).await;
    add_release(&staff, PATCH, "4.6.0", false).await;
    let id = begin(&staff, PATCH, &quick()).await;
    app.run_jobs().await;
    let support = app.staff_with(Scope::Support);
    for page in ["/staff/releases", "/staff/rollouts", "/staff/rollouts/new", &format!("/staff/rollouts/{id}"), "/staff/clusters"]
    {
        support.get(page).await.is(200);
    }
    for action in ["pause", "abort", "roll-back"] {
        support.post(&format!("/staff/rollouts/{id}/{action}"), &[("reason", "because")]).await.is(403);
    }
    assert_eq!(state(&app, id).await, RolloutState::Running);
    app.staff_with(Scope::Operations).post(&format!("/staff/rollouts/{id}/pause"), &[("reason", "because")]).await.is(303);
    assert_eq!(state(&app, id).await, RolloutState::Paused);
    // Pressed twice, the second finds it changed.
    staff
        .post(&format!("/staff/rollouts/{id}/pause"), &[("reason", "because")])
        .await
        .is(409)
        .see("is paused and can't be paused now");
}
