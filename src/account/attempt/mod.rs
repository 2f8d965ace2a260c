//! How often somebody may try to log in: bounds for an address and for a network, kept in the database, so that they hold over all processes
//! and over a restart.
//!
//! Nobody can lock anybody out. A browser that somebody has logged in from before has a bound of its own, which no stranger uses up; and a
//! new password by mail makes a browser one of those.

mod store;

use std::net::{IpAddr, Ipv6Addr};

use chrono::TimeDelta;
use sqlx::PgConnection;

use crate::clock::Clock;
use crate::crypto::HostKey;

/// For how long attempts are counted together.
pub const WINDOW: TimeDelta = TimeDelta::minutes(15);
/// Wrong ones for an address in that time, from browsers that are not known; and from each that is.
pub const FOR_AN_ADDRESS: i32 = 10;
/// Wrong ones from a network, whatever they are for. Many people may share one.
pub const FROM_A_NETWORK: i32 = 30;

/// Who tries, and where.
#[derive(Debug, Clone, Copy)]
pub struct Attempt<'a> {
    /// For which address, in the form to compare; whether it is known here makes no difference.
    pub address: &'a str,
    /// From where.
    pub network: IpAddr,
    /// The browser or program, if its secret belongs to somebody with this address.
    pub known_device: Option<&'a [u8]>,
}

/// What is counted for an attempt.
type Bucket = (&'static str, [u8; 32], i32);

impl Attempt<'_> {
    fn buckets(&self, key: &HostKey) -> Vec<Bucket> {
        let of = |scope: &'static str, parts: &[&[u8]], most| (scope, key.mac("log-in-attempt", &parts.join(&0)), most);
        match self.known_device {
            Some(device) => vec![of("device", &[device, self.address.as_bytes()], FOR_AN_ADDRESS)],
            None => vec![
                of("network", &[network(self.network).to_string().as_bytes()], FROM_A_NETWORK),
                of("account", &[self.address.as_bytes()], FOR_AN_ADDRESS),
            ],
        }
    }
}

/// Whoever has an IPv6 address has 2⁶⁴ of them.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
    }
}

/// Counts an attempt before it is made. `Some`: there were too many; how long until the next can be.
pub async fn begin(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    key: &HostKey,
    attempt: &Attempt<'_>,
) -> sqlx::Result<Option<TimeDelta>> {
    let now = clock.now();
    for (scope, bucket, most) in attempt.buckets(key) {
        let (count, since) = store::count(conn, clock, scope, &bucket).await?;
        if count > most {
            return Ok(Some((since + WINDOW - now).max(TimeDelta::seconds(1))));
        }
    }
    Ok(None)
}

/// It was right: what was counted for it is taken back.
pub async fn succeeded(conn: &mut PgConnection, key: &HostKey, attempt: &Attempt<'_>) -> sqlx::Result<()> {
    for (scope, bucket, _) in attempt.buckets(key) {
        store::take_back(conn, scope, &bucket).await?;
    }
    Ok(())
}

/// Forgets what is not counted any more. Returns how many.
pub async fn forget_old(conn: &mut PgConnection, clock: &dyn Clock) -> sqlx::Result<u64> {
    store::forget_old(conn, clock).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_of_ipv6_are_one_network_and_those_of_ipv4_are_not() {
        let same = |one: &str, other: &str| network(one.parse().unwrap()) == network(other.parse().unwrap());
        assert!(same("2001:db8:1:2::1", "2001:db8:1:2:ffff::2") && !same("2001:db8:1:2::1", "2001:db8:1:3::1"));
        assert!(!same("192.0.2.1", "192.0.2.2") && same("192.0.2.1", "::ffff:192.0.2.1"));
    }

    #[test]
    fn a_known_device_is_counted_apart() {
        let key = HostKey::new([1; 32]);
        let stranger = Attempt { address: "a@b.example", network: "192.0.2.1".parse().unwrap(), known_device: None };
        let known = Attempt { known_device: Some(b"device"), ..stranger };
        let of = |attempt: &Attempt<'_>| {
            attempt.buckets(&key).into_iter().map(|(scope, bucket, _)| (scope, bucket)).collect::<Vec<_>>()
        };
        assert!(of(&stranger).iter().all(|bucket| !of(&known).contains(bucket)));
        let other = Attempt { address: "c@d.example", ..stranger };
        assert_eq!(of(&stranger)[0], of(&other)[0]);
        assert_ne!(of(&stranger)[1], of(&other)[1]);
    }
}
