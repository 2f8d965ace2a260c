//! A place of the chain with its hash, signed.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};

use super::{Broken, Hash, Public, Signer};
use crate::crypto;

/// What stands before it in what is signed, so that the signature is good for nothing else.
const PURPOSE: &[u8] = b"paddock-audit-checkpoint/1\n";
/// How the line begins that it is kept as.
const HEAD: &str = "paddock-audit-checkpoint-v1";

/// Up to this place the chain was so. As text one line, to be kept where the database is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Of which place.
    pub place: i64,
    /// Its hash.
    pub(super) hash: Hash,
    /// When it was signed, to the microsecond.
    pub at: DateTime<Utc>,
    /// Whose signature that is.
    pub(super) signer: Public,
    pub(super) signature: Vec<u8>,
}

impl Checkpoint {
    pub(super) fn sign(place: i64, hash: Hash, at: DateTime<Utc>, signer: &Signer) -> Self {
        let signature = signer.sign(&message(place, &hash, at));
        Self { place, hash, at, signer: signer.public(), signature }
    }

    /// Whether it says of its place what is there, and one of `signers` signed it.
    pub(super) fn check(&self, hash: &Hash, signers: &[Public]) -> Result<(), Broken> {
        let Self { place, hash: said, at, signer, signature } = self;
        if !signers.contains(signer) || !signer.verifies(&message(*place, said, *at), signature) {
            return Err(Broken::Forged { place: *place });
        }
        if said == hash { Ok(()) } else { Err(Broken::Rewritten { place: *place }) }
    }
}

fn message(place: i64, hash: &Hash, at: DateTime<Utc>) -> Vec<u8> {
    [PURPOSE, &place.to_be_bytes(), hash, &at.timestamp_micros().to_be_bytes()].concat()
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, hash, at, signer, signature } = self;
        let signature = crypto::to_base64(signature);
        write!(f, "{HEAD} {place} {} {} {signer} {signature}", hex::encode(hash), at.timestamp_micros())
    }
}

/// A text that is no checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no line that begins with {}, as the log and `paddock admin audit verify` write it", HEAD)]
pub struct BadCheckpoint;

impl FromStr for Checkpoint {
    type Err = BadCheckpoint;
    fn from_str(text: &str) -> Result<Self, BadCheckpoint> {
        let parts: Vec<&str> = text.split_whitespace().collect();
        let &[HEAD, place, hash, at, signer, signature] = parts.as_slice() else { return Err(BadCheckpoint) };
        let mut read = [0; 32];
        hex::decode_to_slice(hash, &mut read).map_err(|_| BadCheckpoint)?;
        let at = at.parse().ok().and_then(DateTime::from_timestamp_micros).ok_or(BadCheckpoint)?;
        Ok(Self {
            place: place.parse().map_err(|_| BadCheckpoint)?,
            hash: read,
            at,
            signer: signer.parse().map_err(|_| BadCheckpoint)?,
            signature: crypto::from_base64(signature).ok_or(BadCheckpoint)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_it_was_written_and_says_one_thing() {
        let (ours, others) = (Signer::new(&[7; 32]), Signer::new(&[8; 32]));
        let at = DateTime::from_timestamp_micros(1_800_000_000_123_456).unwrap();
        let checkpoint = Checkpoint::sign(12, [3; 32], at, &ours);
        let line = checkpoint.to_string();
        assert_eq!(line.parse(), Ok(checkpoint.clone()));
        assert_eq!(checkpoint.check(&[3; 32], &[ours.public()]), Ok(()));
        assert_eq!(checkpoint.check(&[3; 32], &[others.public(), ours.public()]), Ok(()));
        assert_eq!(checkpoint.check(&[4; 32], &[ours.public()]), Err(Broken::Rewritten { place: 12 }));
        assert_eq!(checkpoint.check(&[3; 32], &[others.public()]), Err(Broken::Forged { place: 12 }));
        let moved = Checkpoint { place: 13, ..checkpoint.clone() };
        assert_eq!(moved.check(&[3; 32], &[ours.public()]), Err(Broken::Forged { place: 13 }));
        let later = Checkpoint { at: at + chrono::TimeDelta::microseconds(1), ..checkpoint };
        assert_eq!(later.check(&[3; 32], &[ours.public()]), Err(Broken::Forged { place: 12 }));
        for bad in ["", HEAD, &line.replacen(" 12 ", " x ", 1), &line.replacen("0303", "03", 1), &format!("{line} more")] {
            assert_eq!(bad.parse::<Checkpoint>(), Err(BadCheckpoint), "{bad}");
        }
    }
}
