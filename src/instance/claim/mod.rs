//! A customer's claim to a domain of their own: nothing is served under it before its DNS records point to us.
//!
//! # What keeps somebody from taking over a domain
//!
//! That its records point here proves that whoever manages the domain wanted *somebody's* server of this host there. It does not prove
//! that they meant *this* account: that takes a text record with a token of the account, which the accounts' part brings. Until then:
//!
//! * One account at a time has a name, and what lies at `files.` in front of a web name counts as a name too (`address_conflict`).
//! * A name once served for one account is never served for another one by itself: a record that was left behind when a server ended
//!   would be enough otherwise. The job fails for good, so that staff see it and decide.
//! * An order is paid by an account with a proven address, and is in the audit log; so is each confirmation.
//! * Several resolvers must agree ([`Verdict`]): one that is lied to is not enough.
//!
//! What is left: records that point here before anybody has ordered can be used by whoever orders first. So the order path tells
//! customers that the records can wait until the order is paid.

mod store;

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::PgConnection;

pub use store::{Claim, find_claim};

use super::dns::{DnsTarget, Purpose, Record, RecordState, Resolver, compare, look, records_for};
use crate::audit::{self, Actor};
use crate::clock::Clock;
use crate::ids::InstanceId;
use crate::queue::{self, Job};

/// Resolvers that must agree before a domain counts as pointing here, if there are so many.
const AGREEING: usize = 2;
/// A claim that points nowhere for so long is shown to staff.
pub const PATIENCE: TimeDelta = TimeDelta::days(14);

/// Who answers at `LOCAL_DOMAIN` when the pages are elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type, Serialize, utoipa::ToSchema)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum LocalDomain {
    /// The name points to us, and we redirect what other servers ask.
    Served,
    /// A site of the customer's own redirects.
    Elsewhere,
}

/// Looks whether a domain points here; until it does, again and again.
#[derive(Debug, Serialize, Deserialize)]
pub struct CheckAddress {
    /// Whose.
    pub instance: InstanceId,
}

impl Job for CheckAddress {
    const NAME: &'static str = "check_address";
    fn key(&self) -> Option<String> {
        Some(self.instance.to_string())
    }
    fn lane(&self) -> Option<String> {
        Some(self.instance.to_string())
    }
}

/// What all resolvers together say of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It points to us: two resolvers say so (or all, where there are fewer), and none says otherwise.
    Points,
    /// It does not, for one resolver at least.
    Elsewhere,
    /// Too few could tell.
    Unknown,
}

/// What was seen of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sight {
    /// The names that the server can't do without: pages and media.
    pub required: Verdict,
    /// The end of its handles, when the pages are elsewhere.
    pub handles: Option<Verdict>,
}

/// Asks every resolver by itself.
pub async fn see(views: &[Arc<dyn Resolver>], claim: &Claim, target: &DnsTarget) -> Sight {
    let records = records_for(&claim.domain, claim.hosted, claim.web_domain.as_deref(), target);
    let looks = views.iter().map(|view| look(view.as_ref(), &records));
    let states: Vec<Vec<RecordState>> =
        futures::future::join_all(looks).await.iter().map(|seen| compare(&records, seen)).collect();
    let of = |wanted: &dyn Fn(Purpose) -> bool| verdict(&records, &states, wanted);
    Sight { required: of(&Purpose::is_required).unwrap_or(Verdict::Unknown), handles: of(&|purpose| purpose == Purpose::Handles) }
}

/// What the resolvers say together of the records of some purposes; `states` are those of each resolver. `None` without such a record.
fn verdict(records: &[Record], states: &[Vec<RecordState>], wanted: &dyn Fn(Purpose) -> bool) -> Option<Verdict> {
    records.iter().find(|record| wanted(record.purpose))?;
    let views: Vec<Verdict> = states
        .iter()
        .map(|states| {
            let mut names: BTreeMap<&str, Vec<&RecordState>> = BTreeMap::new();
            for (record, state) in records.iter().zip(states).filter(|(record, _)| wanted(record.purpose)) {
                names.entry(&record.name).or_default().push(state);
            }
            let names: Vec<Verdict> = names.into_values().map(|states| of_name(&states)).collect();
            worst(&names)
        })
        .collect();
    if views.contains(&Verdict::Elsewhere) {
        return Some(Verdict::Elsewhere);
    }
    let points = views.iter().filter(|view| **view == Verdict::Points).count();
    Some(if points > 0 && points >= AGREEING.min(views.len()) { Verdict::Points } else { Verdict::Unknown })
}

/// One name, as one resolver sees it: one of several addresses is enough, as long as nothing else is there.
fn of_name(states: &[&RecordState]) -> Verdict {
    let mut found = false;
    for state in states {
        match state {
            RecordState::Found => found = true,
            RecordState::Missing => {}
            RecordState::Different(_) => return Verdict::Elsewhere,
            RecordState::Unknown(_) => return Verdict::Unknown,
        }
    }
    if found { Verdict::Points } else { Verdict::Elsewhere }
}

fn worst(names: &[Verdict]) -> Verdict {
    if names.contains(&Verdict::Elsewhere) {
        Verdict::Elsewhere
    } else if names.contains(&Verdict::Unknown) {
        Verdict::Unknown
    } else {
        Verdict::Points
    }
}

/// What became of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// From now on it is served.
    Confirmed,
    /// It was confirmed before, or there is nothing to confirm.
    Settled,
    /// It is looked at again then.
    Waits(DateTime<Utc>),
    /// It points here, and a name of it was served for another account before.
    WasAnothers,
}

/// Takes in what was seen, in the caller's transaction: confirms the claim, notes who answers for the handles, and enqueues the next look
/// while there is something to wait for.
pub async fn take_in(conn: &mut PgConnection, clock: &dyn Clock, id: InstanceId, sight: Sight) -> sqlx::Result<Outcome> {
    let Some(claim) = store::lock_claim(conn, id).await?.filter(Claim::is_wanted) else { return Ok(Outcome::Settled) };
    let subject = id.to_string();
    let local = match (sight.handles, claim.local_domain) {
        (Some(Verdict::Points), Some(LocalDomain::Elsewhere)) => Some(LocalDomain::Served),
        (Some(Verdict::Elsewhere), Some(LocalDomain::Served)) => Some(LocalDomain::Elsewhere),
        _ => None,
    };
    if let Some(local) = local {
        store::set_local_domain(conn, id, local).await?;
        let detail = json!({ "local_domain": local });
        audit::record(conn, clock, ACTOR, Some(claim.account_id), "instance.local_domain", &subject, detail).await?;
    }
    store::note_look(conn, clock, id).await?;
    if claim.address_confirmed_at.is_some() {
        return Ok(Outcome::Settled);
    }
    if sight.required == Verdict::Points {
        if store::was_anothers(conn, id).await? {
            return Ok(Outcome::WasAnothers);
        }
        store::confirm(conn, clock, id).await?;
        let detail = json!({ "domain": claim.domain, "web_domain": claim.web_domain });
        audit::record(conn, clock, ACTOR, Some(claim.account_id), "instance.address_confirmed", &subject, detail).await?;
        return Ok(Outcome::Confirmed);
    }
    let next = clock.now() + pause(clock.now() - claim.intent_at.unwrap_or(claim.created_at));
    queue::enqueue(conn, &CheckAddress { instance: id }, Some(next)).await?;
    Ok(Outcome::Waits(next))
}

const ACTOR: Actor = Actor::System("address check");

/// Until the next look, by how long the claim waits already.
fn pause(age: TimeDelta) -> TimeDelta {
    if age < TimeDelta::minutes(10) {
        TimeDelta::seconds(30)
    } else if age < TimeDelta::hours(1) {
        TimeDelta::minutes(2)
    } else if age < TimeDelta::days(1) {
        TimeDelta::minutes(10)
    } else if age < PATIENCE {
        TimeDelta::hours(1)
    } else {
        TimeDelta::hours(6)
    }
}

/// Enqueues a look if the instance has a claim that is not confirmed: for whoever lets it run.
pub(super) async fn begin(conn: &mut PgConnection, id: InstanceId) -> sqlx::Result<()> {
    let claim = find_claim(conn, id).await?;
    if claim.is_some_and(|claim| claim.is_wanted() && claim.address_confirmed_at.is_none()) {
        queue::enqueue(conn, &CheckAddress { instance: id }, None).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instance::Intent;
    use crate::instance::dns::{LookupFailed, RecordKind, ScriptedResolver};

    fn target() -> DnsTarget {
        DnsTarget {
            host: "gate.meadow.social".into(),
            ipv4: vec!["192.0.2.1".parse().unwrap()],
            ipv6: vec!["2001:db8::1".parse().unwrap()],
        }
    }

    fn claim(domain: &str, web: Option<&str>) -> Claim {
        Claim {
            account_id: crate::ids::AccountId::new(),
            domain: domain.into(),
            hosted: false,
            web_domain: web.map(str::to_owned),
            local_domain: web.map(|_| LocalDomain::Elsewhere),
            intent: Intent::Running,
            intent_at: None,
            address_confirmed_at: None,
            address_checked_at: None,
            created_at: DateTime::UNIX_EPOCH,
        }
    }

    fn points(resolver: &ScriptedResolver, names: &[&str]) {
        for name in names {
            resolver.set(name, RecordKind::Cname, &["gate.meadow.social"]);
        }
    }

    async fn sight(resolvers: &[&ScriptedResolver], claim: &Claim) -> Sight {
        let views: Vec<Arc<dyn Resolver>> = resolvers.iter().map(|one| Arc::new((*one).clone()) as Arc<dyn Resolver>).collect();
        see(&views, claim, &target()).await
    }

    #[tokio::test]
    async fn two_resolvers_must_agree_and_none_may_differ() {
        let [one, two, three] = [(); 3].map(|()| ScriptedResolver::default());
        let claim = claim("social.birds.org", None);
        let names = ["social.birds.org", "files.social.birds.org"];
        let required = async || sight(&[&one, &two, &three], &claim).await.required;
        assert_eq!(required().await, Verdict::Elsewhere);
        points(&one, &names);
        assert_eq!(required().await, Verdict::Elsewhere, "two see nothing yet");
        points(&two, &names);
        assert_eq!(required().await, Verdict::Elsewhere, "one sees nothing yet");
        for name in names {
            three.fail(name, RecordKind::Cname, LookupFailed::Timeout);
        }
        assert_eq!(required().await, Verdict::Points, "one that can't tell is no obstacle");
        for name in names {
            two.fail(name, RecordKind::Cname, LookupFailed::ServerFailed);
        }
        assert_eq!(required().await, Verdict::Unknown, "one alone is not enough");
        assert_eq!(sight(&[&one], &claim).await.required, Verdict::Points, "unless there is but one");
        assert_eq!(sight(&[], &claim).await.required, Verdict::Unknown);
    }

    #[tokio::test]
    async fn media_must_point_here_as_well_and_one_address_of_several_is_enough() {
        let one = ScriptedResolver::default();
        let claim = claim("birds.org", None);
        one.set("birds.org", RecordKind::A, &["192.0.2.1"]);
        assert_eq!(sight(&[&one], &claim).await.required, Verdict::Elsewhere);
        points(&one, &["files.birds.org"]);
        assert_eq!(sight(&[&one], &claim).await.required, Verdict::Points, "without the IPv6 address");
        one.set("birds.org", RecordKind::Aaaa, &["2001:db8::bad"]);
        assert_eq!(sight(&[&one], &claim).await.required, Verdict::Elsewhere, "some visitors would arrive elsewhere");
    }

    #[tokio::test]
    async fn handles_are_judged_by_themselves() {
        let one = ScriptedResolver::default();
        let claim = claim("birds.org", Some("social.birds.org"));
        points(&one, &["social.birds.org", "files.social.birds.org"]);
        one.set("birds.org", RecordKind::A, &["198.51.100.7"]);
        let seen = sight(&[&one], &claim).await;
        assert_eq!((seen.required, seen.handles), (Verdict::Points, Some(Verdict::Elsewhere)));
        one.set("birds.org", RecordKind::A, &["192.0.2.1"]);
        assert_eq!(sight(&[&one], &claim).await.handles, Some(Verdict::Points));
        one.fail("birds.org", RecordKind::A, LookupFailed::Timeout);
        assert_eq!(sight(&[&one], &claim).await.handles, Some(Verdict::Unknown));
    }

    #[test]
    fn looks_become_rarer_and_never_end() {
        let pauses: Vec<TimeDelta> = [0, 9, 30, 600, 3 * 1440, 30 * 1440].map(|age| pause(TimeDelta::minutes(age))).to_vec();
        assert!(pauses.is_sorted() && pauses[0] == TimeDelta::seconds(30), "{pauses:?}");
        assert_eq!(pauses.last(), Some(&TimeDelta::hours(6)));
    }
}
