//! What a cluster runs out of: the unit in which capacity counts.

use serde::{Deserialize, Serialize};

/// So much of everything that a cluster can run out of: what one has, what is taken of it, or what one server needs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amounts {
    /// Services. A cluster works well with 10,000 of them (Kubernetes: thresholds of SIG Scalability), and a server has four: the first
    /// wall that is met.
    pub services: i64,
    /// Pods, with those that stand beside the old ones while a release is rolled out, and those of Jobs.
    pub pods: i64,
    /// Custom resources of all kinds.
    pub custom_resources: i64,
    /// Memory of what always runs, MiB.
    pub memory_mib: i64,
    /// Processor of what always runs, thousandths of a core.
    pub cpu_milli: i64,
    /// Persistent volumes.
    pub volumes: i64,
    /// All volumes together, GiB. Media is in a bucket and not in it.
    pub volume_gib: i64,
}

/// One of [`Amounts`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dimension {
    /// [`Amounts::services`].
    Services,
    /// [`Amounts::pods`].
    Pods,
    /// [`Amounts::custom_resources`].
    CustomResources,
    /// [`Amounts::memory_mib`].
    Memory,
    /// [`Amounts::cpu_milli`].
    Cpu,
    /// [`Amounts::volumes`].
    Volumes,
    /// [`Amounts::volume_gib`].
    VolumeSpace,
}

impl Dimension {
    /// All of them, the one that usually runs out first in front.
    pub const ALL: [Self; 7] =
        [Self::Services, Self::Pods, Self::CustomResources, Self::Memory, Self::Cpu, Self::Volumes, Self::VolumeSpace];

    /// The word in forms, in flags of the command line and in keys of locale files.
    pub fn word(self) -> &'static str {
        match self {
            Self::Services => "services",
            Self::Pods => "pods",
            Self::CustomResources => "custom-resources",
            Self::Memory => "memory-mib",
            Self::Cpu => "cpu-milli",
            Self::Volumes => "volumes",
            Self::VolumeSpace => "volume-gib",
        }
    }
}

impl Amounts {
    /// The amount of one dimension.
    pub fn of(&self, dimension: Dimension) -> i64 {
        let Self { services, pods, custom_resources, memory_mib, cpu_milli, volumes, volume_gib } = *self;
        match dimension {
            Dimension::Services => services,
            Dimension::Pods => pods,
            Dimension::CustomResources => custom_resources,
            Dimension::Memory => memory_mib,
            Dimension::Cpu => cpu_milli,
            Dimension::Volumes => volumes,
            Dimension::VolumeSpace => volume_gib,
        }
    }

    /// An amount for each dimension.
    pub fn each(amount: impl Fn(Dimension) -> i64) -> Self {
        Self {
            services: amount(Dimension::Services),
            pods: amount(Dimension::Pods),
            custom_resources: amount(Dimension::CustomResources),
            memory_mib: amount(Dimension::Memory),
            cpu_milli: amount(Dimension::Cpu),
            volumes: amount(Dimension::Volumes),
            volume_gib: amount(Dimension::VolumeSpace),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_dimension_is_an_amount_of_its_own() {
        let place = |dimension| i64::try_from(Dimension::ALL.iter().position(|one| *one == dimension).unwrap()).unwrap();
        let amounts = Amounts::each(place);
        assert!(Dimension::ALL.into_iter().all(|dimension| amounts.of(dimension) == place(dimension)));
        // The words are the names in JSON, which is how the database hands amounts over.
        let json = serde_json::to_value(amounts).unwrap();
        for dimension in Dimension::ALL {
            assert_eq!(json[dimension.word().replace('-', "_")], place(dimension));
        }
    }
}
