//! Which addresses are the internet, and which are somebody's own network: what customers name must not lead us into ours.
//!
//! One list for all who ask: the walls around servers (`operator`) and whoever connects to a place that a customer named. What speaks HTTP
//! to such a place does it through [`Outbound`], which looks at the list itself.

pub mod dns;
mod outbound;
mod page;
mod range;

use std::net::IpAddr;

pub use outbound::{AskFailed, Outbound, Reach, Reply};
pub use page::Page;
pub use range::{BadRange, Range};

/// Private, shared, link-local (metadata services), loopback, benchmarking, relays, multicast, reserved. (IANA's registry of special
/// addresses.)
pub const NOT_THE_INTERNET_V4: [&str; 14] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/3",
];

/// All of IPv6 that the registry has given out to be reached from everywhere. What lies outside (loopback, unique local, link-local,
/// multicast, the forms in which an IPv4 address can hide, what nobody has got yet) needs no list.
pub const INTERNET_V6: &str = "2000::/3";

/// What is in there for other purposes: tunnels and trials (Teredo, ORCHID, benchmarking), documentation, 6to4.
pub const NOT_THE_INTERNET_V6: [&str; 4] = ["2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"];

/// Whether an address is one of the internet's.
pub fn is_public(address: IpAddr) -> bool {
    // `::ffff:10.0.0.1` is 10.0.0.1.
    let address = address.to_canonical();
    let given_out = address.is_ipv4() || contains(INTERNET_V6, address);
    let ranges: &[&str] = if address.is_ipv4() { &NOT_THE_INTERNET_V4 } else { &NOT_THE_INTERNET_V6 };
    given_out && !ranges.iter().any(|range| contains(range, address))
}

/// Whether an address lies in a range such as `2000::/3`.
pub fn contains(range: &str, address: IpAddr) -> bool {
    range.parse::<Range>().is_ok_and(|range| range.contains(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_internet_are_public() {
        for inside in [
            "0.0.0.0",
            "10.255.255.255",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "::10.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:10::1",
            "2002:a00:1::",
            "3fff::1",
            "5f00::1",
            "fd00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "2001:db8::1",
        ] {
            assert!(!is_public(inside.parse().unwrap()), "{inside}");
        }
        for outside in [
            "1.1.1.1",
            "9.9.9.9",
            "192.0.1.1",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.0.1",
            "172.32.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2620:fe::fe",
            "2a01:4f8::1",
            "2001:4860::1",
            "::ffff:1.1.1.1",
        ] {
            assert!(is_public(outside.parse().unwrap()), "{outside}");
        }
    }

    #[test]
    fn every_range_can_be_read() {
        for range in NOT_THE_INTERNET_V4.into_iter().chain(NOT_THE_INTERNET_V6).chain([INTERNET_V6]) {
            let base = range.split('/').next().unwrap().parse().unwrap();
            assert!(contains(range, base), "{range}");
        }
    }
}
