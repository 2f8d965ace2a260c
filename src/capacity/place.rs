//! Placement: which cluster a server goes to. Pure: what each cluster has and what is taken of it goes in.

use chrono::{DateTime, TimeDelta, Utc};

use crate::ids::ClusterId;
use crate::plan::{Amounts, Dimension};

/// This share of each amount is promised at most, in hundredths. The rest is for what stands beside the old for some minutes while
/// releases are rolled out, for the loss of a machine, and for what a cluster needs itself.
pub const PROMISED: i64 = 75;

/// A cluster that has been away for so long gets nothing new: what is sold is to be built now. Shorter than that is a restart.
const AWAY: TimeDelta = TimeDelta::minutes(10);

/// A cluster that is open to new servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenCluster {
    /// Which.
    pub id: ClusterId,
    /// What it has.
    pub has: Amounts,
    /// What is reserved or in use of it.
    pub taken: Amounts,
    /// When its API server last answered; `None`: never, or nobody asks.
    pub seen_at: Option<DateTime<Utc>>,
    /// Whether it did not, the last time that it was asked.
    pub troubled: bool,
}

/// The most of an amount that is promised.
pub fn promised(has: i64) -> i64 {
    has.saturating_mul(PROMISED) / 100
}

/// What a cluster must have so that just so many servers that need so much fit.
pub fn enough_for(needs: &Amounts, servers: i64) -> Amounts {
    Amounts::each(|dimension| (needs.of(dimension).saturating_mul(servers).saturating_mul(100) + PROMISED - 1) / PROMISED)
}

impl OpenCluster {
    /// How many more servers that need so much fit, at this moment.
    pub fn room(&self, needs: &Amounts, now: DateTime<Utc>) -> i64 {
        if self.troubled && self.seen_at.is_none_or(|seen| now - seen > AWAY) {
            return 0;
        }
        let each = Dimension::ALL.into_iter().filter(|dimension| needs.of(*dimension) > 0);
        let fits = each.map(|dimension| {
            let left = promised(self.has.of(dimension)) - self.taken.of(dimension);
            left.max(0) / needs.of(dimension)
        });
        fits.min().unwrap_or(0)
    }

    /// How full it would be with one more server: the greatest share of any amount, in millionths, and the share of Services.
    fn fullness_with(&self, needs: &Amounts) -> (i64, i64) {
        let share = |dimension: Dimension| {
            let taken = self.taken.of(dimension).saturating_add(needs.of(dimension));
            taken.saturating_mul(1_000_000) / self.has.of(dimension).max(1)
        };
        (Dimension::ALL.into_iter().map(share).max().unwrap_or(0), share(Dimension::Services))
    }
}

/// The cluster for a server that needs so much, or `None` when it fits nowhere.
///
/// Of those where it fits it is the one whose fullest amount is least full afterwards: so no amount runs out while there is plenty of the
/// others, and no cluster is much fuller than another. What is equally full is decided by Services, which run out first, and then by id.
pub fn choose(clusters: &[OpenCluster], needs: &Amounts, now: DateTime<Utc>) -> Option<ClusterId> {
    let fitting = clusters.iter().filter(|cluster| cluster.room(needs, now) > 0);
    fitting.min_by_key(|cluster| (cluster.fullness_with(needs), cluster.id)).map(|cluster| cluster.id)
}

/// Somebody for whom room is kept, or who has waited longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ahead {
    /// What the server needs.
    pub needs: Amounts,
    /// A place is kept for it; otherwise it waits for one.
    pub invited: bool,
}

/// Takes a place for a server that needs so much; `false` when it fits nowhere.
pub fn take(clusters: &mut [OpenCluster], needs: &Amounts, now: DateTime<Utc>) -> bool {
    let Some(id) = choose(clusters, needs, now) else { return false };
    for cluster in clusters.iter_mut().filter(|cluster| cluster.id == id) {
        let taken = cluster.taken;
        cluster.taken = Amounts::each(|dimension| taken.of(dimension).saturating_add(needs.of(dimension)));
    }
    true
}

/// What is left of clusters once all of `ahead` have their places, in their order. Where one who waits fits nowhere, nothing is left: a small
/// server that came later must not take, again and again, the room that a large one waits for.
pub fn besides(mut clusters: Vec<OpenCluster>, ahead: &[Ahead], now: DateTime<Utc>) -> Vec<OpenCluster> {
    for Ahead { needs, invited } in ahead {
        if !take(&mut clusters, needs, now) && !invited {
            return Vec::new();
        }
    }
    clusters
}

/// How many more servers that need so much fit into all clusters together.
pub fn room(clusters: &[OpenCluster], needs: &Amounts, now: DateTime<Utc>) -> i64 {
    clusters.iter().map(|cluster| cluster.room(needs, now)).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

    fn family() -> Amounts {
        Amounts { services: 4, pods: 11, custom_resources: 3, memory_mib: 2560, cpu_milli: 800, volumes: 2, volume_gib: 11 }
    }

    fn cluster(number: u128, has: Amounts) -> OpenCluster {
        let taken = Amounts::default();
        OpenCluster { id: ClusterId::from(Uuid::from_u128(number)), has, taken, seen_at: Some(NOW), troubled: false }
    }

    /// A cluster that holds this many of the family's plan, and has plenty of everything but `scarce`.
    fn room_for(number: u128, servers: i64, scarce: Dimension) -> OpenCluster {
        let (just, plenty) = (enough_for(&family(), servers), enough_for(&family(), servers * 10));
        cluster(number, Amounts::each(|dimension| if dimension == scarce { just.of(dimension) } else { plenty.of(dimension) }))
    }

    fn put(cluster: &mut OpenCluster, needs: &Amounts) {
        assert!(take(std::slice::from_mut(cluster), needs, NOW));
    }

    #[test]
    fn each_dimension_is_a_wall_of_its_own() {
        for scarce in Dimension::ALL {
            let mut only = room_for(1, 5, scarce);
            for left in (0..5).rev() {
                assert_eq!(choose(std::slice::from_ref(&only), &family(), NOW), Some(only.id), "{scarce:?}");
                put(&mut only, &family());
                assert_eq!(only.room(&family(), NOW), left, "{scarce:?}");
            }
            assert_eq!(choose(&[only], &family(), NOW), None, "{scarce:?}");
        }
    }

    #[test]
    fn services_are_the_wall_of_a_cluster_as_kubernetes_allows_them() {
        // Three hundred machines of 64 GiB and 16 cores with 110 pods each.
        let has = Amounts {
            services: 10_000,
            pods: 33_000,
            custom_resources: 80_000,
            memory_mib: 300 * 65_536,
            cpu_milli: 300 * 16_000,
            volumes: 20_000,
            volume_gib: 200_000,
        };
        assert_eq!(cluster(1, has).room(&family(), NOW), 7500 / 4);
        assert_eq!(
            cluster(1, Amounts { pods: 16_500, ..has }).room(&family(), NOW),
            12_375 / 11,
            "with half the pods it is these"
        );
    }

    #[test]
    fn a_quarter_of_everything_is_never_promised() {
        let has = Amounts::each(|dimension| family().of(dimension) * 100);
        assert_eq!(cluster(1, has).room(&family(), NOW), 75);
    }

    #[test]
    fn a_cluster_that_is_away_gets_nothing_new_and_one_that_restarts_does() {
        let mut away = room_for(1, 5, Dimension::Services);
        away.troubled = true;
        assert_eq!(choose(std::slice::from_ref(&away), &family(), NOW + TimeDelta::minutes(9)), Some(away.id));
        assert_eq!(choose(std::slice::from_ref(&away), &family(), NOW + TimeDelta::minutes(11)), None);
        let other = room_for(2, 1, Dimension::Services);
        assert_eq!(choose(&[away.clone(), other.clone()], &family(), NOW + TimeDelta::minutes(11)), Some(other.id));
        away.seen_at = None;
        assert_eq!(choose(&[away], &family(), NOW), None, "a cluster that never answered");
    }

    #[test]
    fn the_cluster_whose_fullest_amount_is_least_full_gets_it() {
        // The first has little memory, the second few Services; each gets what it can carry.
        let mut clusters = [room_for(1, 30, Dimension::Memory), room_for(2, 10, Dimension::Services)];
        for _ in 0..40 {
            let chosen = choose(&clusters, &family(), NOW).unwrap();
            let chosen = clusters.iter_mut().find(|cluster| cluster.id == chosen).unwrap();
            put(chosen, &family());
            let full = |cluster: &OpenCluster| cluster.fullness_with(&Amounts::default()).0;
            assert!((full(&clusters[0]) - full(&clusters[1])).abs() <= 80_000, "one is much fuller than the other");
        }
        assert_eq!(choose(&clusters, &family(), NOW), None);
    }

    #[test]
    fn what_is_kept_for_others_is_not_left() {
        let clusters = vec![room_for(1, 2, Dimension::Services), room_for(2, 1, Dimension::Services)];
        let ahead = |invited| Ahead { needs: family(), invited };
        assert_eq!(room(&clusters, &family(), NOW), 3);
        assert_eq!(room(&besides(clusters.clone(), &[ahead(true), ahead(false)], NOW), &family(), NOW), 1);
        assert_eq!(room(&besides(clusters, &[ahead(true), ahead(true), ahead(false), ahead(false)], NOW), &family(), NOW), 0);
    }

    #[test]
    fn who_waits_for_much_is_not_overtaken_by_who_needs_little() {
        let clusters = vec![room_for(1, 2, Dimension::Services)];
        let large = Amounts { services: family().services * 3, ..family() };
        let left = |invited| room(&besides(clusters.clone(), &[Ahead { needs: large, invited }], NOW), &family(), NOW);
        assert_eq!(left(false), 0);
        assert_eq!(left(true), 2, "what was promised and is not there any more stands in nobody's way");
    }

    proptest! {
        /// Whatever comes in whatever order: no amount of any cluster goes over its share, and what is refused fits nowhere.
        #[test]
        fn nothing_is_promised_twice(
            sizes in prop::collection::vec(1_i64..400, 1..4),
            servers in prop::collection::vec((1_i64..20, 1_i64..30, 0_i64..9000), 1..200),
        ) {
            let has = |size: i64| Amounts::each(|dimension| family().of(dimension) * size);
            let mut clusters: Vec<_> = sizes.iter().zip(1_u128..).map(|(size, number)| cluster(number, has(*size))).collect();
            for (services, pods, memory_mib) in servers {
                let needs = Amounts { services, pods, memory_mib, ..family() };
                if let Some(id) = choose(&clusters, &needs, NOW) {
                    put(clusters.iter_mut().find(|cluster| cluster.id == id).unwrap(), &needs);
                } else {
                    let over = |cluster: &OpenCluster, dimension: Dimension| {
                        cluster.taken.of(dimension) + needs.of(dimension) > promised(cluster.has.of(dimension))
                    };
                    let full = clusters.iter().all(|cluster| Dimension::ALL.into_iter().any(|dimension| over(cluster, dimension)));
                    prop_assert!(full);
                }
                for cluster in &clusters {
                    for dimension in Dimension::ALL {
                        prop_assert!(cluster.taken.of(dimension) <= promised(cluster.has.of(dimension)));
                    }
                }
            }
        }
    }
}
