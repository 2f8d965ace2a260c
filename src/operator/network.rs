//! What the walls around a server let through, as the operator is told.

use serde::Deserialize;

use super::settings::BadSetting;
use crate::internet::Range;

/// What the walls around an instance must let through.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Network {
    /// Private addresses that every server must reach: the object store, the mail relay, the Gateway's own address.
    pub reach: Vec<Reach>,
    /// The API server's addresses, for the database's pods alone.
    pub api_server: Vec<Reach>,
    /// The object store's addresses, for the database's pods alone: they send their backups there.
    pub backup_store: Vec<Reach>,
    /// Ranges of nodes, pods and Services that are public addresses: no part of the internet that servers may reach. (Private ones
    /// never are.)
    pub cluster: Vec<String>,
    /// The namespace of CloudNativePG's operator.
    pub database_operator: Option<String>,
    /// The namespace of whoever collects figures for Prometheus. Nobody reaches them when missing.
    pub metrics: Option<String>,
}

/// An address to let through.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reach {
    /// A range such as `10.0.0.5/32`.
    pub cidr: String,
    /// A TCP port.
    pub port: u16,
}

impl Network {
    /// Everything that can't be used.
    pub fn faults(&self) -> Vec<BadSetting> {
        let mut faults = Vec::new();
        let mut fault = |name: &str, message: String| faults.push(BadSetting { field: format!("network.{name}"), message });
        let Self { reach, api_server, backup_store, cluster, database_operator: _, metrics: _ } = self;
        let named = [("reach", reach), ("api_server", api_server), ("backup_store", backup_store)];
        let named = named.into_iter().flat_map(|(field, all)| all.iter().map(move |Reach { cidr, port: _ }| (field, cidr)));
        // The admission policy of the chart asks the same (wall/network.yaml).
        for (field, range) in named.filter(|(_, range)| range.parse().ok().is_none_or(Range::is_wide)) {
            fault(field, format!("must name ranges such as 10.0.0.5/32, of at least 16 bits (48 in IPv6), not {range:?}"));
        }
        for range in cluster.iter().filter(|range| range.parse::<Range>().is_err()) {
            fault("cluster", format!("must name ranges such as 198.51.100.0/24, not {range:?}"));
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::instance::build::tests::settings;

    #[test]
    fn what_would_open_too_much_or_nothing_is_refused() {
        let with = |change: fn(&mut crate::operator::Settings)| {
            let mut settings = settings();
            change(&mut settings);
            settings.faults().into_iter().map(|fault| fault.field).collect::<Vec<_>>()
        };
        assert_eq!(with(|_| ()), Vec::<String>::new());
        let wide = |cidr: &str| vec![Reach { cidr: cidr.to_owned(), port: 443 }];
        assert_eq!(Network { backup_store: wide("10.0.0.0/8"), ..Network::default() }.faults()[0].field, "network.backup_store");
        assert_eq!(Network { reach: wide("store.example"), ..Network::default() }.faults()[0].field, "network.reach");
        assert_eq!(Network { backup_store: wide("10.9.8.0/24"), ..Network::default() }.faults(), []);
        assert_eq!(with(|settings| settings.backups.retention_days = 0), ["backups.retention_days"]);
        assert_eq!(with(|settings| settings.address.gateway.ports.clear()), ["address.gateway.ports"]);
    }
}
