//! `waves`: the plan of a rollout, for servers in four clusters of which half have hours of their own. No server of the rig runs: the plan is
//! a pure function.

use std::time::Instant;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::ids::{ClusterId, InstanceId};
use crate::instance::upkeep::{Day, Window};
use crate::plan::{Releases, Version};
use crate::rollout::{Candidate, Policy, plan};

const CATALOGUE: &str = include_str!("../../../catalogue/releases.toml");
/// Plans of the same thing; the middle one counts.
const TIMES: usize = 9;
const ZONES: [&str; 4] = ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "UTC"];

fn candidate(number: u64) -> anyhow::Result<Candidate> {
    let pick = |of: usize| usize::try_from(number).map(|number| number % of);
    let window = Window {
        day: Day::ALL.get(pick(9)?).copied(),
        from: u8::try_from(number % 24)?,
        hours: u8::try_from(number % 6 + 1)?,
        zone: ZONES.get(pick(4)?).copied().unwrap_or("UTC").to_owned(),
    };
    Ok(Candidate {
        instance: InstanceId::from(Uuid::from_u64_pair(number, number.wrapping_mul(0x9e37_79b9_7f4a_7c15))),
        version: if number.is_multiple_of(3) { Version::new(4, 7, 3) } else { Version::new(4, 6, 9) },
        plan: ["family", "community", "town"].get(pick(3)?).copied().unwrap_or_default().to_owned(),
        cluster: ClusterId::from(Uuid::from_u128(u128::from(number % 4))),
        window: number.is_multiple_of(2).then_some(window),
        canary: number.is_multiple_of(500),
        runs: !number.is_multiple_of(97),
        well: !number.is_multiple_of(101),
        busy: false,
    })
}

/// Plans the rollout of the newest release; the last line of the measurement.
pub(super) fn measure(instances: u32) -> anyhow::Result<String> {
    let target = Releases::parse(CATALOGUE)?.newest_offered().clone();
    let now: DateTime<Utc> = DateTime::from_timestamp(1_795_608_000, 0).context("a time")?;
    let candidates = (0..u64::from(instances)).map(candidate).collect::<anyhow::Result<Vec<_>>>()?;
    let mut line = String::new();
    for (name, policy) in [("security", Policy::usual(true)), ("plan", Policy::usual(false))] {
        let mut times = Vec::new();
        let mut planned = plan(&candidates, &target, &policy, now);
        for _ in 0..TIMES {
            let began = Instant::now();
            planned = plan(&candidates, &target, &policy, now);
            times.push(began.elapsed());
        }
        times.sort_unstable();
        let middle = times.get(TIMES / 2).context("no time")?.as_secs_f64() * 1000.0;
        let days = planned.turns.last().map_or(0, |last| (last.at - now).num_days());
        eprintln!("{name}: {} turns over {days} days, {} left out, {middle:.1} ms", planned.turns.len(), planned.left_out.len());
        line = format!("waves: instances {instances}; plan_ms {middle:.1}; turns {}; days {days}", planned.turns.len());
    }
    Ok(line)
}
