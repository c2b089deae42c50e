//! Ranges of addresses in CIDR notation.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// A range of addresses, such as `10.1.0.0/16`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    address: IpAddr,
    bits: u32,
}

/// A text that is no range. Fits "failed to read the range: ".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a range of addresses; write it as 10.1.0.0/16")]
pub struct NotCidr(String);

impl FromStr for Cidr {
    type Err = NotCidr;

    fn from_str(text: &str) -> Result<Self, NotCidr> {
        let wrong = || NotCidr(text.to_owned());
        let (address, bits) = text.split_once('/').ok_or_else(wrong)?;
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let bits: u32 = bits.parse().map_err(|_| wrong())?;
        let range = Self { address, bits };
        if bits <= range.width() { Ok(range) } else { Err(wrong()) }
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

impl Cidr {
    const fn width(&self) -> u32 {
        if self.address.is_ipv4() { 32 } else { 128 }
    }

    /// The range of one address.
    pub const fn host(address: IpAddr) -> Self {
        Self { address, bits: if address.is_ipv4() { 32 } else { 128 } }
    }

    /// The length of its prefix.
    pub const fn bits(&self) -> u32 {
        self.bits
    }

    /// The range around it with a prefix of this length, or itself if that is longer than its own.
    #[must_use]
    pub fn widened_to(&self, bits: u32) -> Self {
        if bits >= self.bits {
            return *self;
        }
        let drop = self.width() - bits;
        let address = match self.address {
            IpAddr::V4(address) => {
                let kept = u32::from(address).checked_shr(drop).and_then(|kept| kept.checked_shl(drop));
                IpAddr::V4(kept.unwrap_or(0).into())
            }
            IpAddr::V6(address) => {
                let kept = u128::from(address).checked_shr(drop).and_then(|kept| kept.checked_shl(drop));
                IpAddr::V6(kept.unwrap_or(0).into())
            }
        };
        Self { address, bits }
    }

    /// Whether every address of another range is in this one.
    pub fn contains(&self, inner: &Self) -> bool {
        let difference = match (self.address, inner.address) {
            (IpAddr::V4(outer), IpAddr::V4(inner)) => u128::from(u32::from(outer) ^ u32::from(inner)),
            (IpAddr::V6(outer), IpAddr::V6(inner)) => u128::from(outer) ^ u128::from(inner),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return false,
        };
        inner.bits >= self.bits && difference.checked_shr(self.width() - self.bits).unwrap_or(0) == 0
    }

    /// Whether an address is in this range.
    pub fn holds(&self, address: IpAddr) -> bool {
        self.contains(&Self::host(address))
    }

    /// Whether it is a range of IPv4 addresses.
    pub const fn is_ipv4(&self) -> bool {
        self.address.is_ipv4()
    }

    /// Whether two ranges have an address in common.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.contains(other) || other.contains(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_ranges() {
        let range = |text: &str| text.parse::<Cidr>().unwrap();
        assert!(range("10.1.0.0/16").holds("10.1.255.255".parse().unwrap()));
        assert!(!range("10.1.0.0/16").holds("10.2.0.0".parse().unwrap()));
        assert!(!range("0.0.0.0/0").holds("::1".parse().unwrap()) && range("::/0").holds("fd00::1".parse().unwrap()));
        assert!(
            range("10.0.0.0/8").overlaps(&range("10.1.0.0/16")) && range("10.1.0.0/16").overlaps(&range("10.0.0.0/8"))
        );
        assert!(!range("10.0.0.0/16").overlaps(&range("10.1.0.0/16")));
        for text in ["10.0.0.0", "10.0.0.0/33", "::1/129", "x/8", "10.0.0.0/-1", ""] {
            assert!(text.parse::<Cidr>().is_err(), "{text}");
        }
        assert_eq!(range("10.1.0.0/16").to_string(), "10.1.0.0/16");
        assert_eq!(range("10.1.2.3/32").widened_to(16), range("10.1.0.0/16"));
        assert_eq!(range("10.1.2.3/32").widened_to(0), range("0.0.0.0/0"));
        assert_eq!(range("fd00::7/64").widened_to(56).to_string(), "fd00::/56");
        assert_eq!(range("10.1.0.0/16").widened_to(24), range("10.1.0.0/16"));
    }
}
