//! Ranges of addresses: `10.0.0.0/8`, `2000::/3`.

use std::net::IpAddr;
use std::str::FromStr;

/// A range of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    first: IpAddr,
    bits: u8,
}

/// Not a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a range of addresses such as 10.0.0.0/8")]
pub struct BadRange;

impl FromStr for Range {
    type Err = BadRange;

    fn from_str(text: &str) -> Result<Self, BadRange> {
        let (address, bits) = text.split_once('/').ok_or(BadRange)?;
        let first: IpAddr = address.parse().map_err(|_| BadRange)?;
        let range = Self { first, bits: bits.parse().map_err(|_| BadRange)? };
        // The API server refuses bits beyond the mask as well.
        let fits = range.bits <= range.length() && number(first) & !range.mask() == 0;
        fits.then_some(range).ok_or(BadRange)
    }
}

impl From<IpAddr> for Range {
    /// The one address.
    fn from(first: IpAddr) -> Self {
        Self { first, bits: if first.is_ipv4() { 32 } else { 128 } }
    }
}

impl Range {
    /// Whether the address lies in it.
    pub fn contains(self, address: IpAddr) -> bool {
        self.first.is_ipv4() == address.is_ipv4() && number(address) & self.mask() == number(self.first)
    }

    /// Whether it is more than one network of somebody: more than a /16, in IPv6 more than a /48.
    pub fn is_wide(self) -> bool {
        self.bits < if self.first.is_ipv4() { 16 } else { 48 }
    }

    /// Its first address.
    pub fn first(self) -> IpAddr {
        self.first
    }

    fn length(self) -> u8 {
        if self.first.is_ipv4() { 32 } else { 128 }
    }

    /// Ones where the addresses of the range are the same, of the 128 bits of [`number`].
    fn mask(self) -> u128 {
        let free = u32::from(self.length().saturating_sub(self.bits));
        u128::MAX.checked_shl(free).unwrap_or(0)
    }
}

/// An address as a number.
fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_what_begins_like_them() {
        let holds = |range: &str, address: &str| range.parse::<Range>().unwrap().contains(address.parse().unwrap());
        assert!(holds("10.0.0.0/8", "10.255.255.255") && !holds("10.0.0.0/8", "11.0.0.0"));
        assert!(holds("0.0.0.0/0", "255.255.255.255") && !holds("0.0.0.0/0", "::1"));
        assert!(holds("192.0.2.1/32", "192.0.2.1") && !holds("192.0.2.1/32", "192.0.2.0"));
        assert!(holds("2000::/3", "3fff::") && !holds("2000::/3", "4000::"));
        assert!(holds("::/0", "ffff::") && holds("::1/128", "::1") && !holds("::/96", "::1:0:0"));
        for bad in ["", "10.0.0.0", "10.0.0.0/33", "10.0.0.1/8", "::/129", "ten/8", "10.0.0.0/-1"] {
            assert_eq!(bad.parse::<Range>(), Err(BadRange), "{bad}");
        }
        let wide = |range: &str| range.parse::<Range>().unwrap().is_wide();
        assert!(wide("10.0.0.0/8") && !wide("10.1.0.0/16") && wide("fd00::/8") && !wide("fd00:1:2::/48"));
    }
}
