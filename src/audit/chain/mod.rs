//! The chain over the audit log: the hash of each entry covers the entry and the hash before it, and now and then the newest hash is signed.
//!
//! Entries are chained afterwards, by one job, so that no transaction waits for another. An entry's place is the order in which the job
//! found it: numbers are given out before a commit, so a smaller one may come later.
//!
//! Whoever has the database can write all of the chain anew, but signs no checkpoint: the key is in the configuration alone. They can also
//! cut off the end together with its checkpoints. Against that each checkpoint goes to the program's log as well, and
//! [`verify`] takes one that was kept elsewhere.

mod checkpoint;
mod signer;
mod store;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;

pub use checkpoint::{BadCheckpoint, Checkpoint};
pub use signer::{BadPublic, Public, Signer};

use crate::clock::Clock;
use crate::crypto;
use crate::ids::AccountId;
use crate::queue::Job;

/// A hash of the chain.
pub type Hash = [u8; 32];

/// What stands before the first place.
const BEFORE_ALL: Hash = [0; 32];
/// What stands before an entry in what is hashed, so that the hash is that of nothing else.
const PURPOSE: &[u8] = b"paddock-audit-entry/1\n";
/// Entries that one transaction chains.
const ROUND: i64 = 1000;
/// Between two checkpoints.
const SIGN_EVERY: TimeDelta = TimeDelta::minutes(5);

/// Chains the entries that are not yet, and signs a checkpoint when one is due.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub struct ChainAudit {}

impl Job for ChainAudit {
    const NAME: &'static str = "chain_audit";
    fn key(&self) -> Option<String> {
        Some("all".to_owned())
    }
    fn lane(&self) -> Option<String> {
        Some("audit".to_owned())
    }
}

/// An entry as it is hashed.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
struct Content {
    id: i64,
    at: DateTime<Utc>,
    account_id: Option<AccountId>,
    actor_kind: String,
    actor_id: String,
    action: String,
    subject: String,
    /// As Postgres writes `jsonb`: the same text for the same value.
    detail: String,
}

impl Content {
    /// The hash of this entry at `place`, behind the one with the hash `before`. Texts stand behind their lengths, so no two entries read
    /// the same.
    fn hash(&self, place: i64, before: &Hash) -> Hash {
        let Self { id, at, account_id, actor_kind, actor_id, action, subject, detail } = self;
        let mut bytes = PURPOSE.to_vec();
        bytes.extend_from_slice(before);
        for number in [place, *id, at.timestamp_micros()] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        let account = account_id.map(|account| account.uuid().as_bytes().to_vec()).unwrap_or_default();
        for part in
            [&account[..], actor_kind.as_bytes(), actor_id.as_bytes(), action.as_bytes(), subject.as_bytes(), detail.as_bytes()]
        {
            bytes.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            bytes.extend_from_slice(part);
        }
        crypto::sha256(&bytes)
    }
}

/// An entry with its place in the chain.
#[derive(Debug, sqlx::FromRow)]
struct Link {
    place: i64,
    hash: Vec<u8>,
    #[sqlx(flatten)]
    content: Content,
}

/// Chains the next entries, in a transaction of the worker's. How many; as long as it is not 0 there may be more.
pub async fn extend(conn: &mut PgConnection) -> sqlx::Result<usize> {
    store::lock(conn).await?;
    let (mut place, mut before) = store::newest(conn).await?.unwrap_or((0, BEFORE_ALL));
    let found = store::unchained(conn, ROUND).await?;
    let mut links = Vec::with_capacity(found.len());
    for content in &found {
        place += 1;
        before = content.hash(place, &before);
        links.push((content.id, place, before));
    }
    store::put(conn, &links).await?;
    Ok(links.len())
}

/// Signs the newest hash, in a transaction of the worker's, if there is one that is not signed and the last checkpoint is some time ago.
pub async fn sign(conn: &mut PgConnection, clock: &dyn Clock, signer: &Signer) -> sqlx::Result<Option<Checkpoint>> {
    store::lock(conn).await?;
    let Some((place, hash)) = store::newest(conn).await? else { return Ok(None) };
    let now = clock.now();
    let last = store::last_checkpoint(conn).await?;
    if last.is_some_and(|last| last.place == place || now - last.at < SIGN_EVERY) {
        return Ok(None);
    }
    let checkpoint = Checkpoint::sign(place, hash, now, signer);
    store::insert_checkpoint(conn, &checkpoint).await?;
    Ok(Some(checkpoint))
}

/// What was found right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sound {
    /// Entries in the chain.
    pub chained: i64,
    /// Entries that the job has not come to.
    pub waiting: i64,
    /// Checkpoints, each with a signature of ours.
    pub checkpoints: usize,
    /// The newest of them: what lies behind it is chained and not yet signed.
    pub newest: Option<Checkpoint>,
}

/// The first place that does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// There is none where one has to be.
    #[error("place {place} is missing: its entry was taken out")]
    Missing {
        /// Which.
        place: i64,
    },
    /// Its hash is not that of what it says.
    #[error("place {place} (entry {id}) does not fit: it, its hash or what stands before it was changed")]
    Changed {
        /// Which.
        place: i64,
        /// The entry's number.
        id: i64,
    },
    /// A checkpoint that none of our keys signed.
    #[error(
        "the checkpoint at place {place} has no signature of ours; if the key was changed, name the former one in audit.former_signers"
    )]
    Forged {
        /// Which.
        place: i64,
    },
    /// A checkpoint that says something else.
    #[error("place {place} does not fit its checkpoint: the chain was written anew up to there, or further")]
    Rewritten {
        /// Which.
        place: i64,
    },
    /// A checkpoint of a place that the chain does not reach.
    #[error("place {place} has a checkpoint, and the chain ends at {end}: its end was cut off")]
    CutOff {
        /// Of which.
        place: i64,
        /// The last that is there.
        end: i64,
    },
}

/// Why the chain was not found right.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// It is not.
    #[error(transparent)]
    Broken(#[from] Broken),
    /// It could not be read.
    #[error("the audit log could not be read")]
    Database(#[from] sqlx::Error),
}

/// Goes along the whole chain. `conn` must see one state of the database from the first question to the last
/// ([`begin_reading`]). `signers` are the keys whose checkpoints count; `kept` is a checkpoint that was kept elsewhere.
///
/// # Errors
/// The first place that does not fit.
pub async fn verify(conn: &mut PgConnection, signers: &[Public], kept: Option<&Checkpoint>) -> Result<Sound, VerifyError> {
    let stored = store::checkpoints(conn).await?;
    let mut due: Vec<&Checkpoint> = stored.iter().chain(kept).collect();
    due.sort_by_key(|checkpoint| checkpoint.place);
    let mut due = due.into_iter().peekable();
    let (mut place, mut before) = (0, BEFORE_ALL);
    loop {
        let links = store::links_behind(conn, place, ROUND).await?;
        if links.is_empty() {
            break;
        }
        for link in links {
            let id = link.content.id;
            if link.place != place + 1 {
                return Err(Broken::Missing { place: place + 1 }.into());
            }
            place = link.place;
            before = link.content.hash(place, &before);
            if link.hash != before {
                return Err(Broken::Changed { place, id }.into());
            }
            while let Some(checkpoint) = due.next_if(|checkpoint| checkpoint.place == place) {
                checkpoint.check(&before, signers)?;
            }
        }
    }
    if let Some(beyond) = due.next() {
        return Err(Broken::CutOff { place: beyond.place, end: place }.into());
    }
    let waiting = store::count_waiting(conn).await?;
    let checkpoints = stored.len();
    Ok(Sound { chained: place, waiting, checkpoints, newest: stored.into_iter().next_back() })
}

/// From here on, and until its end, the transaction sees the database as it is now.
pub async fn begin_reading(conn: &mut PgConnection) -> sqlx::Result<()> {
    store::see_one_state(conn).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content() -> Content {
        Content {
            id: 7,
            at: DateTime::from_timestamp(1_800_000_000, 0).unwrap(),
            account_id: None,
            actor_kind: "person".to_owned(),
            actor_id: "per_1".to_owned(),
            action: "order.placed".to_owned(),
            subject: "ord_1".to_owned(),
            detail: "{}".to_owned(),
        }
    }

    #[test]
    fn everything_of_an_entry_is_in_its_hash() {
        let one = content();
        let hash = one.hash(3, &BEFORE_ALL);
        assert_eq!(hash, one.clone().hash(3, &BEFORE_ALL));
        let text = |change: fn(&mut Content)| {
            let mut other = content();
            change(&mut other);
            other.hash(3, &BEFORE_ALL)
        };
        let others = [
            one.hash(4, &BEFORE_ALL),
            one.hash(3, &[1; 32]),
            text(|entry| entry.id = 8),
            text(|entry| entry.at += TimeDelta::microseconds(1)),
            text(|entry| entry.account_id = Some(AccountId::from(uuid::Uuid::from_u128(1)))),
            text(|entry| entry.actor_kind = "staff".to_owned()),
            text(|entry| entry.actor_id = "per_2".to_owned()),
            text(|entry| entry.action = "order.paid".to_owned()),
            text(|entry| entry.subject = "ord_2".to_owned()),
            text(|entry| entry.detail = "{\"a\": 1}".to_owned()),
            // The same letters, divided elsewhere.
            text(|entry| (entry.actor_kind, entry.actor_id) = ("personper".to_owned(), "_1".to_owned())),
        ];
        let different: std::collections::BTreeSet<Hash> = others.into_iter().chain([hash]).collect();
        assert_eq!(different.len(), others.len() + 1);
    }
}
