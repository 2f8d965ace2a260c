//! The link in an invitation by which whoever does not want the place any more leaves the list, without logging in. It is good for that entry
//! alone, and can do nothing else.

use uuid::Uuid;

use crate::crypto::{self, HostKey};
use crate::ids::{AccountId, PersonId, WaitingId};

const PURPOSE: &str = "link-leave-waiting-list";

/// Who leaves, by a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Leaver {
    /// Whom the mail was written to.
    pub person: PersonId,
    /// For which account.
    pub account: AccountId,
    /// Which entry.
    pub entry: WaitingId,
}

/// The text in the link.
pub fn write_leave_link(key: &HostKey, leaver: &Leaver) -> String {
    let Leaver { person, account, entry } = leaver;
    let ids = [person.uuid(), account.uuid(), entry.uuid()].map(Uuid::into_bytes).concat();
    let mac = key.mac(PURPOSE, &ids);
    crypto::to_base64(&[ids.as_slice(), &mac[..16]].concat())
}

/// Who leaves, if we wrote the link.
pub fn read_leave_link(key: &HostKey, text: &str) -> Option<Leaver> {
    let bytes = crypto::from_base64(text)?;
    let (ids, mac) = bytes.split_at_checked(48)?;
    if !crypto::equal(mac, &key.mac(PURPOSE, ids)[..16]) {
        return None;
    }
    let id = |from: usize| Uuid::from_slice(ids.get(from..from + 16)?).ok();
    Some(Leaver { person: id(0)?.into(), account: id(16)?.into(), entry: id(32)?.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_read_as_it_was_written_and_not_when_it_was_changed() {
        let (key, other) = (HostKey::new([1; 32]), HostKey::new([2; 32]));
        let leaver = Leaver { person: PersonId::new(), account: AccountId::new(), entry: WaitingId::new() };
        let link = write_leave_link(&key, &leaver);
        assert_eq!(read_leave_link(&key, &link), Some(leaver));
        assert_eq!(read_leave_link(&other, &link), None);
        for text in ["", "x", &link[1..], &link[..link.len() - 1]] {
            assert_eq!(read_leave_link(&key, text), None);
        }
        let mut bytes = crypto::from_base64(&link).unwrap();
        for at in 0..bytes.len() {
            bytes[at] ^= 1;
            assert_eq!(read_leave_link(&key, &crypto::to_base64(&bytes)), None, "byte {at}");
            bytes[at] ^= 1;
        }
    }
}
