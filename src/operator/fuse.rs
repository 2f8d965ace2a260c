//! The fuse on mass destruction: whatever the reason that many servers are to be removed at once, after a few of them somebody has
//! to look.
//!
//! Its ledger is a `ConfigMap` in the operator's namespace: all operators of a cluster share it, and it outlives each of them.
//! Of two that write at once one is refused and reads again.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Client;
use kube::api::{Api, ListParams, ObjectMeta, PostParams};
use serde::{Deserialize, Serialize};

use super::error::Error;
use crate::resource::MastodonInstance;

/// Name of the `ConfigMap`.
pub const NAME: &str = "paddock-fuse";
/// Its one entry.
const LEDGER: &str = "ledger";
/// Acts within this time count together, in seconds.
const WINDOW: i64 = 600;
/// So many acts are always allowed.
const LEAST: u64 = 3;

/// What has been destroyed lately.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ledger {
    /// Servers whose removal began, and when (seconds since 1970).
    acts: BTreeMap<String, i64>,
    /// Since when nothing may be destroyed any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    blown_at: Option<i64>,
}

/// The state of the fuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fuse {
    /// Destruction may go on.
    Whole,
    /// It may not.
    Blown {
        /// Since when.
        since: DateTime<Utc>,
    },
}

/// How many removals may begin within ten minutes: one in a hundred servers, and always three.
fn limit(instances: u64) -> u64 {
    LEAST.max(instances / 100)
}

impl Ledger {
    fn fuse(&self) -> Fuse {
        match self.blown_at {
            None => Fuse::Whole,
            Some(at) => Fuse::Blown { since: DateTime::from_timestamp(at, 0).unwrap_or_default() },
        }
    }

    /// Notes the beginning of a removal, or blows.
    fn note(&mut self, instance: &str, instances: u64, now: i64) {
        self.acts.retain(|_, at| now - *at < WINDOW);
        if self.blown_at.is_some() || self.acts.contains_key(instance) {
            return;
        }
        if u64::try_from(self.acts.len()).unwrap_or(u64::MAX) >= limit(instances) {
            self.blown_at = Some(now);
            return;
        }
        self.acts.insert(instance.to_owned(), now);
    }
}

fn maps(client: &Client, namespace: &str) -> Api<ConfigMap> {
    Api::namespaced(client.clone(), namespace)
}

async fn read(maps: &Api<ConfigMap>) -> Result<Option<(ConfigMap, Ledger)>, Error> {
    let Some(map) = maps.get_opt(NAME).await.map_err(Error::kube(format!("read ConfigMap {NAME}")))? else { return Ok(None) };
    let text = map.data.as_ref().and_then(|data| data.get(LEDGER));
    let ledger = text.map(|text| serde_json::from_str(text)).transpose()?.unwrap_or_default();
    Ok(Some((map, ledger)))
}

/// Writes the ledger over the one that was read; a conflict when somebody else has meanwhile.
async fn write(maps: &Api<ConfigMap>, read: Option<ConfigMap>, ledger: &Ledger) -> Result<(), Error> {
    let data = Some(BTreeMap::from([(LEDGER.to_owned(), serde_json::to_string(ledger)?)]));
    let what = format!("write ConfigMap {NAME}");
    let params = PostParams::default();
    let written = if let Some(map) = read {
        maps.replace(NAME, &params, &ConfigMap { data, ..map }).await
    } else {
        let metadata = ObjectMeta { name: Some(NAME.to_owned()), ..ObjectMeta::default() };
        maps.create(&params, &ConfigMap { metadata, data, ..ConfigMap::default() }).await
    };
    written.map(drop).map_err(Error::kube(what))
}

/// Asks before the removal of a server begins, and notes that it does.
pub async fn begin(client: &Client, namespace: &str, instance: &str, now: DateTime<Utc>) -> Result<Fuse, Error> {
    let maps = maps(client, namespace);
    let found = read(&maps).await?;
    let (map, before) = found.map_or((None, Ledger::default()), |(map, ledger)| (Some(map), ledger));
    let mut after = before.clone();
    after.note(instance, count(client).await?, now.timestamp());
    if after != before {
        write(&maps, map, &after).await?;
        metrics::counter!("paddock_operator_removals_begun_total").increment(u64::from(after.blown_at.is_none()));
    }
    Ok(told(after.fuse()))
}

/// Asks before a removal goes on.
pub async fn look(client: &Client, namespace: &str) -> Result<Fuse, Error> {
    let found = read(&maps(client, namespace)).await?;
    Ok(told(found.map_or(Fuse::Whole, |(_, ledger)| ledger.fuse())))
}

/// Makes it whole again; what was destroyed before does not count any more. Returns since when it was blown, if it was.
///
/// # Errors
/// When the cluster can't be reached or refuses.
pub async fn reset(client: &Client, namespace: &str) -> Result<Option<DateTime<Utc>>, Error> {
    let maps = maps(client, namespace);
    let Some((map, ledger)) = read(&maps).await? else { return Ok(None) };
    write(&maps, Some(map), &Ledger::default()).await?;
    Ok(match ledger.fuse() {
        Fuse::Whole => None,
        Fuse::Blown { since } => Some(since),
    })
}

fn told(fuse: Fuse) -> Fuse {
    metrics::gauge!("paddock_operator_fuse_blown").set(if fuse == Fuse::Whole { 0.0 } else { 1.0 });
    fuse
}

/// How many servers there are.
async fn count(client: &Client) -> Result<u64, Error> {
    let all: Api<MastodonInstance> = Api::all(client.clone());
    let page = all.list_metadata(&ListParams::default().limit(1)).await.map_err(Error::kube("count the MastodonInstances"))?;
    let more = page.metadata.remaining_item_count.and_then(|more| u64::try_from(more).ok()).unwrap_or(0);
    Ok(more.saturating_add(u64::try_from(page.items.len()).unwrap_or(0)))
}

/// How to make it whole again, for messages.
pub fn remedy(since: DateTime<Utc>) -> String {
    format!(
        "more servers were to be removed within ten minutes than is usual (one in a hundred, and always three), so since {} nothing is \
         destroyed any more; look at which and why, then: paddock admin fuse reset --reason …",
        since.format("%Y-%m-%d %H:%M UTC")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of these may begin.
    fn begun(ledger: &mut Ledger, instances: u64, names: std::ops::Range<u32>, now: i64) -> usize {
        let names = names.map(|name| format!("ins-{name}"));
        let mut may = |name: &String| {
            let known = ledger.acts.contains_key(name);
            ledger.note(name, instances, now);
            !known && ledger.acts.contains_key(name)
        };
        names.filter(|name| may(name)).count()
    }

    #[test]
    fn a_few_may_go_and_then_none() {
        let mut small = Ledger::default();
        assert_eq!(begun(&mut small, 10, 0..3, 100), 3);
        assert_eq!(small.fuse(), Fuse::Whole);
        assert_eq!(begun(&mut small, 10, 0..3, 101), 0, "one that has begun goes on");
        assert_eq!(small.fuse(), Fuse::Whole);
        assert_eq!(begun(&mut small, 10, 3..4, 102), 0);
        assert_eq!(small.fuse(), Fuse::Blown { since: DateTime::from_timestamp(102, 0).unwrap() });
        assert_eq!(begun(&mut small, 10, 4..5, 100_000), 0, "time does not mend it");
        let mut large = Ledger::default();
        assert_eq!(begun(&mut large, 1_000, 0..20, 0), 10);
    }

    #[test]
    fn what_happens_slowly_is_no_disaster() {
        let mut ledger = Ledger::default();
        for hour in 0..50 {
            assert_eq!(begun(&mut ledger, 10, hour * 3..hour * 3 + 3, i64::from(hour) * 600), 3);
        }
        assert_eq!((ledger.acts.len(), ledger.fuse()), (3, Fuse::Whole));
    }
}
