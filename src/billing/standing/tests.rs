use proptest::prelude::*;

use super::*;

fn at(hours: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + hours * 3600, 0).unwrap()
}

fn days(n: i64) -> DateTime<Utc> {
    at(n * 24)
}

fn usual() -> Dates {
    Dates {
        grace: TimeDelta::days(14),
        grace_mails: vec![0, 3, 7, 12],
        suspended: TimeDelta::days(16),
        ending: TimeDelta::days(30),
        ending_mails: vec![0, 23],
        notice: TimeDelta::days(3),
        removal: TimeDelta::days(30),
    }
}

/// A customer's history: what happens to whoever looks at these hours, writes what is due and notes it.
struct Life {
    payment: Payment,
    told: Vec<(Step, DateTime<Utc>)>,
    extended_until: Option<DateTime<Utc>>,
    archive_proven_at: Option<DateTime<Utc>>,
    seen: Vec<(DateTime<Utc>, Standing)>,
}

impl Life {
    fn new(payment: Payment) -> Self {
        Self { payment, told: Vec::new(), extended_until: None, archive_proven_at: None, seen: Vec::new() }
    }

    fn course(&self, dates: &Dates, now: DateTime<Utc>) -> Course {
        let Self { payment, told, extended_until, archive_proven_at, seen: _ } = self;
        let facts = Facts { payment: *payment, told, extended_until: *extended_until, archive_proven_at: *archive_proven_at };
        course(&facts, dates, now)
    }

    /// Looks, and writes at most one mail for each step.
    fn look(&mut self, dates: &Dates, now: DateTime<Utc>) -> Course {
        let mut found = self.course(dates, now);
        if let Some(step) = found.tell {
            self.told.push((step, now));
            found = self.course(dates, now);
            assert_eq!(found.tell, None, "one mail is due at a time");
        }
        self.seen.push((now, found.standing));
        found
    }

    fn first(&self, standing: Standing) -> Option<DateTime<Utc>> {
        self.seen.iter().find(|(_, seen)| *seen == standing).map(|(at, _)| *at)
    }
}

#[test]
fn the_usual_course() {
    let (dates, mut life) = (usual(), Life::new(Payment::Owed(days(0))));
    life.archive_proven_at = Some(days(31));
    for hour in 0..(24 * 70) {
        life.look(&dates, at(hour));
    }
    let told: Vec<(String, i64)> = life.told.iter().map(|(step, at)| (step.to_string(), (*at - days(0)).num_days())).collect();
    let expected =
        [("owed:0", 0), ("owed:3", 3), ("owed:7", 7), ("owed:12", 12), ("suspended", 14), ("ending:0", 30), ("ending:23", 53)];
    assert_eq!(told, expected.map(|(step, day)| (step.to_owned(), day)));
    let first = |standing| life.first(standing).map(|at| (at - days(0)).num_days());
    assert_eq!([Standing::Grace, Standing::Suspended, Standing::Ending, Standing::Ended].map(first), [0, 14, 30, 60].map(Some));
}

#[test]
fn what_is_learnt_late_follows_late_and_with_one_mail() {
    let (dates, mut life) = (usual(), Life::new(Payment::Owed(days(0))));
    let found = life.look(&dates, days(20));
    assert_eq!((found.standing, found.until), (Standing::Grace, Some(days(23))));
    assert_eq!(life.told, [(Step::Owed(12), days(20))]);
    assert_eq!(life.look(&dates, days(23)).standing, Standing::Suspended);
}

#[test]
fn more_time_lets_it_run_again_and_the_next_pause_is_told_anew() {
    let (dates, mut life) = (usual(), Life::new(Payment::Owed(days(0))));
    life.look(&dates, days(0));
    assert_eq!(life.look(&dates, days(15)).standing, Standing::Suspended);
    life.extended_until = Some(days(25));
    assert_eq!(life.look(&dates, days(16)).standing, Standing::Grace);
    assert_eq!(life.look(&dates, days(25)).standing, Standing::Suspended);
    assert_eq!(life.told.iter().filter(|(step, _)| *step == Step::Suspended).count(), 2);
}

#[test]
fn without_an_archive_of_after_the_stop_it_waits() {
    let (dates, mut life) = (usual(), Life::new(Payment::Over(days(0))));
    life.archive_proven_at = Some(days(-1));
    for day in 0..40 {
        life.look(&dates, days(day));
    }
    let found = life.look(&dates, days(40));
    assert!(found.standing == Standing::Ending && found.waits_for_archive && found.review_at == Some(days(41)), "{found:?}");
    life.archive_proven_at = Some(days(1));
    assert_eq!(life.look(&dates, days(41)).standing, Standing::Ended);
}

#[test]
fn who_was_away_for_a_year_still_writes_twice_with_time_between() {
    let (dates, mut life) = (usual(), Life::new(Payment::Over(days(0))));
    life.archive_proven_at = Some(days(1));
    assert_eq!(life.look(&dates, days(365)).until, Some(days(371)));
    assert_eq!(life.look(&dates, days(367)).tell, None);
    assert_eq!(life.told.len(), 1);
    life.look(&dates, days(368));
    assert_eq!(life.told.len(), 2);
    assert_eq!(life.look(&dates, days(370)).standing, Standing::Ending);
    assert_eq!(life.look(&dates, days(371)).standing, Standing::Ended);
}

#[test]
fn steps_are_written_and_read() {
    for step in [Step::Owed(0), Step::Owed(12), Step::Suspended, Step::Ending(23)] {
        assert_eq!(step.to_string().parse(), Ok(step));
    }
    for text in ["", "owed", "owed:", "owed:x", "ending:-1", "suspended:1", "gone"] {
        assert_eq!(text.parse::<Step>(), Err(NoStep(text.to_owned())));
    }
}

fn dates() -> impl Strategy<Value = Dates> {
    let mails =
        |most: u16| prop::collection::btree_set(1..most, 1..4).prop_map(|days| [0].into_iter().chain(days).collect::<Vec<u16>>());
    (1..60_i64, mails(40), 0..60_i64, 1..90_i64, mails(60), 1..10_i64).prop_map(
        |(grace, grace_mails, suspended, ending, ending_mails, notice)| Dates {
            grace: TimeDelta::days(grace),
            grace_mails,
            suspended: TimeDelta::days(suspended),
            ending: TimeDelta::days(ending),
            ending_mails,
            notice: TimeDelta::days(notice),
            removal: TimeDelta::days(30),
        },
    )
}

/// When somebody looks: gaps in hours, up to a month.
fn looks() -> impl Strategy<Value = Vec<i64>> {
    prop::collection::vec(prop_oneof![1..48_i64, 1..720_i64], 1..80)
}

proptest! {
    #[test]
    fn who_owes_nothing_stands_well(dates in dates(), hour in -1000..1000_i64, extended in prop::option::of(-500..500_i64)) {
        let life = Life { extended_until: extended.map(at), ..Life::new(Payment::Settled) };
        let found = life.course(&dates, at(hour));
        prop_assert_eq!((found.standing, found.tell, found.review_at), (Standing::Good, None, None));
    }

    /// Whoever looks whenever: the standings come in their order, none sooner than its date, than the notice after the mail that announces
    /// it, or than staff allowed.
    #[test]
    fn nothing_comes_untold_or_too_soon(
        dates in dates(), gaps in looks(), late in 0..2000_i64, extended in prop::option::of(0..3000_i64), over in any::<bool>(),
        proven in prop::option::of(0..9000_i64),
    ) {
        let payment = if over { Payment::Over(at(0)) } else { Payment::Owed(at(0)) };
        let mut life = Life { extended_until: extended.map(at), archive_proven_at: proven.map(at), ..Life::new(payment) };
        let mut now = at(late);
        let mut before = Standing::Good;
        for gap in gaps {
            let found = life.look(&dates, now);
            prop_assert!(found.standing >= before, "{:?} after {:?}", found.standing, before);
            before = found.standing;
            let of = |wanted: fn(&Step) -> bool| -> Vec<DateTime<Utc>> {
                life.told.iter().filter(|(step, _)| wanted(step)).map(|(_, at)| *at).collect()
            };
            let (grace, ending) = (of(|step| matches!(step, Step::Owed(_))), of(|step| matches!(step, Step::Ending(_))));
            if !over && found.standing >= Standing::Suspended {
                prop_assert!(now >= at(0) + dates.grace && now >= grace[0] + dates.notice);
                prop_assert!(extended.is_none_or(|until| now >= at(until)));
            }
            if !over && found.standing >= Standing::Ending {
                prop_assert!(now >= at(0) + dates.grace + dates.suspended);
            }
            if found.standing == Standing::Ended {
                prop_assert_eq!(ending.len(), dates.ending_mails.len());
                prop_assert!(ending.len() >= 2 && ending.array_windows().all(|[one, next]| *next >= *one + dates.notice));
                prop_assert!(now >= ending[ending.len() - 1] + dates.notice);
                let stopped = if over { at(0) } else { at(0) + dates.grace + dates.suspended };
                prop_assert!(life.archive_proven_at.is_some_and(|at| at >= stopped));
                prop_assert!(now >= stopped + dates.ending && extended.is_none_or(|until| now >= at(until)));
            }
            now += TimeDelta::hours(gap);
        }
        // Each mail of a kind at most once: staff gave time only once.
        let mut all: Vec<String> = life.told.iter().map(|(step, _)| step.to_string()).collect();
        let count = all.len();
        all.sort();
        all.dedup();
        prop_assert_eq!(all.len(), count);
    }

    /// Without a proof nothing is ever over.
    #[test]
    fn nothing_ends_without_a_proven_archive(dates in dates(), gaps in looks(), over in any::<bool>(), early in -500..-1_i64) {
        let payment = if over { Payment::Over(at(0)) } else { Payment::Owed(at(0)) };
        let mut life = Life { archive_proven_at: Some(at(early)), ..Life::new(payment) };
        let mut now = at(0);
        for gap in gaps {
            prop_assert!(life.look(&dates, now).standing < Standing::Ended);
            now += TimeDelta::hours(gap * 10);
        }
    }

    /// Between a look and the time of the next nothing changes, so nothing is missed by looking just then.
    #[test]
    fn nothing_changes_before_the_next_look(dates in dates(), gaps in looks(), over in any::<bool>(), part in 0..=1000_i64) {
        let payment = if over { Payment::Over(at(0)) } else { Payment::Owed(at(0)) };
        let mut life = Life::new(payment);
        let mut now = at(0);
        for gap in gaps {
            let found = life.look(&dates, now);
            let review = found.review_at.unwrap();
            prop_assert!(review > now, "{:?} at {}", found, now);
            let seconds = (review - now).num_seconds();
            let between = now + TimeDelta::seconds((seconds - 1) * part / 1000);
            let then = life.course(&dates, between);
            prop_assert_eq!((then.standing, then.tell, then.since), (found.standing, None, found.since));
            now += TimeDelta::hours(gap);
        }
    }

    /// Time that staff give never brings anything nearer.
    #[test]
    fn more_time_is_never_less(dates in dates(), gaps in looks(), over in any::<bool>(), extended in -2000..4000_i64) {
        let payment = if over { Payment::Over(at(0)) } else { Payment::Owed(at(0)) };
        let mut life = Life { archive_proven_at: Some(at(100_000)), ..Life::new(payment) };
        let mut now = at(0);
        for gap in gaps {
            let found = life.look(&dates, now);
            let with = Life { extended_until: Some(at(extended)), told: life.told.clone(), ..Life::new(payment) };
            let with = Life { archive_proven_at: life.archive_proven_at, ..with }.course(&dates, now);
            prop_assert!(with.standing <= found.standing, "{:?} and with more time {:?}", found, with);
            prop_assert!(with.standing < found.standing || with.until >= found.until, "{:?} and with more time {:?}", found, with);
            now += TimeDelta::hours(gap);
        }
    }

    /// Paying is always enough.
    #[test]
    fn paying_is_always_enough(dates in dates(), gaps in looks()) {
        let mut life = Life { archive_proven_at: Some(at(50)), ..Life::new(Payment::Owed(at(0))) };
        let mut now = at(0);
        for gap in gaps {
            life.look(&dates, now);
            now += TimeDelta::hours(gap);
        }
        life.payment = Payment::Settled;
        prop_assert_eq!(life.look(&dates, now).standing, Standing::Good);
    }
}
