//! Alerts: what somebody should look at, found by rules, told by mail and to a webhook of the host, and looked after by somebody.

mod course;
mod rule;
mod store;

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgConnection;

pub use course::{Change, Open, QUIET_FOR, TOLD_EVERY, change};
pub use rule::{AWAY, CERTIFICATE_SEEN, Facts, Limits, Rule, SETTLED_BY, STORM, USUALLY_PAST_DUE, Verdict};
pub use store::{Alert, CallWebhook, Judged, count_open, forget_old, judged, keep_certificate, list_open, list_over};

use crate::account::StaffMember;
use crate::audit::{self, Actor};
use crate::capacity::{self, ClusterRow, ClusterState, promised};
use crate::clock::Clock;
use crate::ids::AlertId;
use crate::mail::{self, AlertState, Notice};
use crate::plan::Dimension;
use crate::queue;
use crate::words::Words;

/// The languages of the host's own people: theirs are not kept.
const LANGUAGE: &str = "en";

/// Who is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Address for mails.
    pub mail: String,
    /// Whether a webhook is called as well.
    pub webhook: bool,
}

/// Reads what the rules look at.
pub async fn read(conn: &mut PgConnection, limits: &Limits, now: DateTime<Utc>) -> sqlx::Result<Facts> {
    let clusters = capacity::list_clusters(conn).await?;
    let facts = store::read(conn, limits, now).await?;
    let away: Vec<_> =
        clusters.iter().filter(|cluster| cluster.servers > 0 && cluster.seen_at.is_none_or(|seen| now - seen > AWAY)).collect();
    // One that never answered comes before all others.
    let away_since = away.iter().map(|cluster| cluster.seen_at).min().flatten();
    Ok(Facts { left: left(&clusters), away: !away.is_empty(), away_since, ..facts })
}

/// Hundredths of what is promised that are left, of the amount of which least is; none where there is no cluster.
fn left(clusters: &[ClusterRow]) -> Option<i64> {
    if clusters.is_empty() {
        return None;
    }
    let open = || clusters.iter().filter(|cluster| cluster.state == ClusterState::Open);
    let share = |dimension: Dimension| {
        let most: i64 = open().map(|cluster| promised(cluster.has.of(dimension))).sum();
        let taken: i64 = open().map(|cluster| cluster.taken.of(dimension).min(promised(cluster.has.of(dimension)))).sum();
        (most > 0).then(|| (most - taken) * 100 / most)
    };
    // None of anything: nothing is left.
    Some(Dimension::ALL.into_iter().filter_map(share).min().unwrap_or(0))
}

/// Judges every rule and does what follows: begins alerts, ends them, and owes the mails and calls about it. In the caller's transaction.
pub async fn look(conn: &mut PgConnection, clock: &dyn Clock, limits: &Limits, told: &Told) -> sqlx::Result<()> {
    let now = clock.now();
    store::lock(conn).await?;
    let facts = read(conn, limits, now).await?;
    let open = list_open(conn).await?;
    for rule in Rule::ALL {
        let verdict = facts.judge(rule, limits, now);
        store::keep_verdict(conn, rule, verdict, now).await?;
        let alert = open.iter().find(|alert| alert.rule == rule.word());
        let tell = Tell { clock, told, rule };
        match change(verdict, alert.map(Alert::course), now) {
            Change::Stay => {}
            Change::Begin { n } => {
                let id = AlertId::new();
                store::insert(conn, id, rule, n, now).await?;
                tell.about(conn, id, AlertState::Began, n, now, "began").await?;
            }
            Change::GoOn { n, told } => {
                let Some(alert) = alert else { continue };
                store::go_on(conn, alert.id, n, told).await?;
                if let Some(day) = told {
                    tell.about(conn, alert.id, AlertState::Stands, n, alert.began_at, &format!("day {day}")).await?;
                }
            }
            Change::Quieten => {
                if let Some(alert) = alert {
                    store::quieten(conn, alert.id, now).await?;
                }
            }
            Change::End => {
                let Some(alert) = alert else { continue };
                store::end(conn, alert.id, now).await?;
                tell.about(conn, alert.id, AlertState::Over, alert.n, alert.began_at, "over").await?;
            }
        }
    }
    Ok(())
}

/// How one is told.
struct Tell<'a> {
    clock: &'a dyn Clock,
    told: &'a Told,
    rule: Rule,
}

impl Tell<'_> {
    /// Owes mail and call about `what` of an alert.
    async fn about(
        &self,
        conn: &mut PgConnection,
        id: AlertId,
        state: AlertState,
        n: i64,
        since: DateTime<Utc>,
        what: &str,
    ) -> sqlx::Result<()> {
        let Self { clock, told, rule } = *self;
        let notice = Notice::Alert { rule: rule.word().to_owned(), state, n, since };
        let key = format!("alert:{id}:{what}");
        mail::owe(conn, clock, &told.mail, LANGUAGE, &notice, Some(&key)).await?;
        if told.webhook {
            queue::enqueue(conn, &CallWebhook { alert: id, rule: rule.word().to_owned(), state, n, since }, None).await?;
        }
        Ok(())
    }
}

/// Somebody looks after an alert: nobody is reminded of it any more. `false` when it is over or somebody does already.
pub async fn acknowledge(conn: &mut PgConnection, clock: &dyn Clock, staff: &StaffMember, id: AlertId) -> sqlx::Result<bool> {
    let Some(rule) = store::acknowledge(conn, id, staff.id, clock.now()).await? else { return Ok(false) };
    let (actor, detail) = (Actor::Staff(staff.id), json!({ "rule": rule }));
    audit::record(conn, clock, actor, None, "alert.acknowledged", &id.to_string(), detail).await?;
    Ok(true)
}

/// What a rule found, as a sentence.
pub fn sentence(words: &Words, rule: &str, n: i64) -> String {
    words.count(&format!("alert-firing-{rule}"), "n", n)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::ClusterId;
    use crate::plan::Amounts;

    fn cluster(has: i64, taken: i64, state: ClusterState) -> ClusterRow {
        ClusterRow {
            id: ClusterId::new(),
            name: "first".to_owned(),
            region: String::new(),
            kubeconfig: None,
            namespace: "paddock".to_owned(),
            state,
            has: Amounts::each(|_| has),
            taken: Amounts { services: taken, ..Amounts::each(|_| 0) },
            servers: 1,
            seen_at: None,
            trouble: None,
        }
    }

    #[test]
    fn what_is_left_is_what_is_left_of_the_scarcest_amount() {
        use ClusterState::{Drained, Open};
        assert_eq!(left(&[]), None);
        assert_eq!(left(&[cluster(100, 0, Drained)]), Some(0));
        assert_eq!(left(&[cluster(100, 15, Open)]), Some(80));
        // Of two together; one that is fuller than it should be takes nothing of the other.
        assert_eq!(left(&[cluster(100, 90, Open), cluster(100, 0, Open)]), Some(50));
        assert_eq!(left(&[cluster(100, 75, Open), cluster(900, 0, Drained)]), Some(0));
    }

    #[test]
    fn every_rule_says_what_it_found() {
        for rule in Rule::ALL {
            let said = sentence(&Words::english(), rule.word(), 2);
            assert!(said.contains('2') && !said.contains("alert-"), "{said}");
        }
    }
}
