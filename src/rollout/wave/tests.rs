//! Plans of rollouts.

use std::collections::BTreeSet;
use std::time::Instant;

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::instance::upkeep::Day;
use crate::plan::Releases;

const CATALOGUE: &str = include_str!("../../../catalogue/releases.toml");
const OLD: Version = Version::new(4, 6, 9);

fn target() -> Release {
    Releases::parse(CATALOGUE).unwrap().newest_offered().clone()
}

fn patch() -> Release {
    Release { version: Version::new(4, 6, 10), ..target() }
}

fn now() -> DateTime<Utc> {
    "2026-11-25T12:00:00Z".parse().unwrap()
}

fn candidate(number: u64) -> Candidate {
    Candidate {
        instance: InstanceId::from(Uuid::from_u64_pair(number, number.wrapping_mul(0x9e37_79b9_7f4a_7c15))),
        version: OLD,
        plan: ["family", "community", "town"][usize::try_from(number % 3).unwrap()].to_owned(),
        cluster: ClusterId::from(Uuid::from_u128(u128::from(number % 4))),
        window: None,
        canary: false,
        runs: true,
        well: true,
        busy: false,
    }
}

fn candidates(count: u64) -> Vec<Candidate> {
    (0..count).map(candidate).collect()
}

fn window(day: Option<Day>, from: u8, hours: u8) -> Window {
    Window { day, from, hours, zone: "Europe/Berlin".to_owned() }
}

fn fast() -> Policy {
    Policy { pause_minutes: 60, observe_minutes: 30, patience_hours: 48, notice_hours: 0, ..Policy::usual(false) }
}

fn step(plan: &Plan, number: usize) -> Vec<Turn> {
    plan.turns.iter().filter(|turn| turn.step == number).copied().collect()
}

#[test]
fn canaries_then_a_share_then_all() {
    let mut all = candidates(1000);
    for number in [3, 500, 999] {
        all[number].canary = true;
    }
    let plan = plan(&all, &patch(), &fast(), now());
    assert_eq!((plan.turns.len(), plan.left_out.len()), (1000, 0));
    let sizes = [0, 1, 2].map(|number| step(&plan, number).len());
    assert_eq!(sizes, [3, 97, 900]);
    let chosen: BTreeSet<_> = step(&plan, 0).iter().map(|turn| turn.instance).collect();
    assert_eq!(chosen, [3, 500, 999].map(|number| all[number].instance).into());
    // One after the other at the pace, and each step after a pause.
    assert!(plan.turns.is_sorted_by_key(|turn| turn.at));
    assert_eq!(plan.turns[0].at, now());
    assert!(step(&plan, 2).windows(2).all(|pair| pair[1].at - pair[0].at == TimeDelta::minutes(1)));
    assert!(step(&plan, 2)[0].at - step(&plan, 1).last().unwrap().at >= TimeDelta::minutes(60));
    assert_eq!(plan.turns.iter().map(|turn| turn.instance).collect::<BTreeSet<_>>().len(), 1000, "each once");
}

#[test]
fn without_chosen_canaries_a_few_are_drawn() {
    for (count, few) in [(1, 1), (100, 1), (250, 3), (9000, 5)] {
        let plan = plan(&candidates(count), &patch(), &fast(), now());
        assert_eq!(step(&plan, 0).len(), few, "of {count}");
    }
    assert_eq!(plan(&[], &patch(), &fast(), now()).turns, []);
}

#[test]
fn a_share_has_its_part_of_each_cluster_and_plan() {
    let all = candidates(1200);
    let plan = plan(&all, &patch(), &Policy { steps: vec![Step::Share(10), Step::Share(100)], ..fast() }, now());
    for cluster in 0..4 {
        for code in ["family", "community", "town"] {
            let of_group = |turn: &&Turn| {
                let one = all.iter().find(|one| one.instance == turn.instance).unwrap();
                one.cluster == ClusterId::from(Uuid::from_u128(cluster)) && one.plan == code
            };
            assert_eq!(step(&plan, 0).iter().filter(of_group).count(), 10, "{cluster} {code}");
        }
    }
}

#[test]
fn who_can_not_be_upgraded_is_named_with_the_reason() {
    let mut all = candidates(6);
    all[0].runs = false;
    all[1].version = Version::new(4, 2, 9);
    all[2].busy = true;
    all[3].version = target().version;
    all[4].version = Version::new(4, 8, 0);
    let plan = plan(&all, &target(), &fast(), now());
    let expected = [(0, LeftOut::NotRunning), (1, LeftOut::TooOld), (2, LeftOut::Busy)];
    assert_eq!(plan.left_out, expected.map(|(number, why)| (all[number].instance, why)));
    assert_eq!(plan.turns.iter().map(|turn| turn.instance).collect::<Vec<_>>(), [all[5].instance]);
}

#[test]
fn who_is_not_well_comes_last() {
    let mut all = candidates(50);
    for number in [1, 2] {
        all[number].well = false;
        all[number].canary = true;
    }
    let plan = plan(&all, &patch(), &fast(), now());
    let last: BTreeSet<_> = plan.turns[48..].iter().map(|turn| turn.instance).collect();
    assert_eq!(last, [1, 2].map(|number| all[number].instance).into());
}

#[test]
fn windows_are_kept_and_waited_for_only_so_long() {
    let mut all = candidates(4);
    all[0].window = Some(window(None, 2, 2));
    all[1].window = Some(window(Some(Day::Sunday), 2, 2));
    all[2].window = Some(window(Some(Day::Wednesday), 12, 4));
    let policy = Policy { steps: vec![Step::Share(100)], ..fast() };
    let turn = |plan: &Plan, number: usize| *plan.turns.iter().find(|turn| turn.instance == all[number].instance).unwrap();
    let calm = plan(&all, &patch(), &Policy { patience_hours: 96, ..policy.clone() }, now());
    let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
    assert_eq!(turn(&calm, 0).at, at("2026-11-26T01:00:00Z"));
    assert_eq!(turn(&calm, 1).at, at("2026-11-29T01:00:00Z"));
    // Wednesday, 13:00 in Berlin: this window is open.
    assert_eq!(turn(&calm, 2).at, now());
    assert_eq!(turn(&calm, 3).at, now() + TimeDelta::minutes(1), "who has no window takes what is left");
    let hurried = plan(&all, &patch(), &Policy { patience_hours: 24, ..policy.clone() }, now());
    assert_eq!(turn(&hurried, 0).at, at("2026-11-26T01:00:00Z"));
    assert_eq!(turn(&hurried, 1).at, now() + TimeDelta::hours(24), "Sunday is too far away");
    // The same when the turn has come: the window decides as long as it is waited for.
    let sunday = all[1].window.as_ref();
    assert_eq!(may_begin(now(), sunday, now() + TimeDelta::hours(96)), at("2026-11-29T01:00:00Z"));
    assert_eq!(may_begin(now(), sunday, now() + TimeDelta::hours(24)), now());
    assert_eq!(may_begin(now(), all[2].window.as_ref(), now()), now());
    assert_eq!(may_begin(now(), None, now()), now());
}

#[test]
fn a_window_that_all_have_is_shared_at_the_pace() {
    let mut all = candidates(300);
    for one in &mut all {
        one.window = Some(window(None, 2, 2));
    }
    let policy = Policy { steps: vec![Step::Share(100)], patience_hours: 40, ..fast() };
    let plan = plan(&all, &patch(), &policy, now());
    let berlin_two = |day: u32| format!("2026-11-{day}T01:00:00Z").parse::<DateTime<Utc>>().unwrap();
    let within =
        |begin: DateTime<Utc>| plan.turns.iter().filter(|turn| turn.at >= begin && turn.at < begin + TimeDelta::hours(2)).count();
    assert_eq!((within(berlin_two(26)), within(berlin_two(27))), (120, 120));
    assert!(plan.turns[240..].iter().all(|turn| turn.at >= now() + TimeDelta::hours(40)), "the rest, once nobody waits any more");
    assert!(plan.turns.windows(2).all(|pair| pair[1].at - pair[0].at >= TimeDelta::minutes(1)));
}

#[test]
fn a_new_minor_is_announced_first() {
    let mut all = candidates(2);
    all[1].version = Version::new(4, 7, 3);
    let policy = Policy { steps: vec![Step::Share(100)], notice_hours: 72, ..fast() };
    let plan = plan(&all, &target(), &policy, now());
    let at = |number: usize| plan.turns.iter().find(|turn| turn.instance == all[number].instance).unwrap().at;
    assert_eq!((at(0), at(1)), (now() + TimeDelta::hours(72), now()));
}

#[test]
fn a_hole_is_closed_faster() {
    let all = candidates(600);
    let calm = plan(&all, &patch(), &Policy::usual(false), now());
    let fast = plan(&all, &patch(), &Policy::usual(true), now());
    let takes = |plan: &Plan| plan.turns.last().unwrap().at - now();
    assert!(takes(&fast) < TimeDelta::hours(4) && takes(&calm) > TimeDelta::hours(48), "{} {}", takes(&fast), takes(&calm));
}

#[test]
fn ten_thousand_are_planned_in_time() {
    let days = [None, Some(Day::Sunday), Some(Day::Tuesday)];
    let mut all = candidates(10_000);
    for (number, one) in all.iter_mut().enumerate().filter(|(number, _)| number % 2 == 0) {
        one.window = Some(window(days[number % 3], u8::try_from(number % 24).unwrap(), 2));
    }
    let began = Instant::now();
    let plan = plan(&all, &target(), &Policy::usual(false), now());
    let took = began.elapsed();
    assert_eq!(plan.turns.len(), 10_000);
    // Without optimisation; `./dev bench waves` has the figure that counts.
    assert!(took.as_secs() < 8, "{took:?}");
}

proptest! {
    /// Whoever there is and whatever they wish: each has one turn or a reason, nobody begins in the time of somebody else, and all stay
    /// within their window or have waited for it as long as the policy says.
    #[test]
    fn everybody_has_one_turn_or_a_reason(
        wishes in prop::collection::vec((0_u8..10, 0_u8..24, 1_u8..6, prop::bool::weighted(0.1), prop::bool::weighted(0.1)), 1..120),
        per_hour in 1_u32..600,
        patience_hours in 0_u32..200,
    ) {
        let all: Vec<Candidate> = (0..).zip(&wishes).map(|(number, (day, from, hours, canary, unwell))| Candidate {
            window: (*day < 8).then(|| window(Day::ALL.get(usize::from(*day)).copied(), *from, *hours)),
            canary: *canary,
            well: !unwell,
            runs: *day != 9,
            ..candidate(number)
        }).collect();
        let policy = Policy { per_hour, patience_hours, ..fast() };
        let plan = plan(&all, &patch(), &policy, now());
        let named: BTreeSet<_> = plan.turns.iter().map(|turn| turn.instance).chain(plan.left_out.iter().map(|(id, _)| *id)).collect();
        prop_assert_eq!((named.len(), plan.turns.len() + plan.left_out.len()), (all.len(), all.len()));
        for pair in plan.turns.windows(2) {
            prop_assert!(pair[0].step <= pair[1].step);
            prop_assert!(pair[1].at - pair[0].at >= TimeDelta::milliseconds(3_600_000 / i64::from(per_hour)));
        }
        for turn in &plan.turns {
            let one = all.iter().find(|one| one.instance == turn.instance).unwrap();
            let open = one.window.as_ref().is_none_or(|window| window.openings(turn.at).next().unwrap().from <= turn.at);
            prop_assert!(open || turn.at >= turn.window_until);
        }
    }
}
