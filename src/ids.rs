//! Typed ids. In Postgres a `uuid`, everywhere else text with a prefix that says what it names: `ins_01jd…`.
//!
//! They are UUIDs of version 7, so rows sort by age and an index grows at its end. That shows when a thing was made; secrets
//! (sessions, tokens) are never made here.

use std::fmt;

/// What is wrong with a text that should have been an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not an id of the form {prefix}… with 26 letters and digits")]
pub struct BadId {
    prefix: &'static str,
}

/// Crockford's base 32 in lower case: no i, l, o or u, so that ids can be read aloud.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const LENGTH: usize = 26;

fn write_base32(value: u128, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut text = [0u8; LENGTH];
    let mut rest = value;
    for place in text.iter_mut().rev() {
        *place = ALPHABET[usize::try_from(rest & 31).unwrap_or(0)];
        rest >>= 5;
    }
    f.write_str(std::str::from_utf8(&text).unwrap_or_default())
}

fn read_base32(text: &str) -> Option<u128> {
    // 26 digits of 5 bits are 130 bits: the first digit may only use 3 of its bits.
    if text.len() != LENGTH || text.as_bytes()[0] > b'7' {
        return None;
    }
    text.bytes().try_fold(0u128, |value, byte| {
        let digit = ALPHABET.iter().position(|letter| *letter == byte)?;
        Some(value << 5 | u128::try_from(digit).ok()?)
    })
}

macro_rules! id_types {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, sqlx::Type)]
        #[sqlx(transparent)]
        pub struct $name(uuid::Uuid);

        impl $name {
            /// How the text form begins.
            pub const PREFIX: &str = $prefix;

            /// A new id, unlike any other.
            #[expect(clippy::disallowed_methods, reason = "ids are made here and nowhere else")]
            #[expect(clippy::new_without_default, reason = "a fresh id is never a neutral value")]
            pub fn new() -> Self {
                Self(uuid::Uuid::now_v7())
            }

            /// The value as Postgres keeps it.
            pub fn uuid(self) -> uuid::Uuid {
                self.0
            }
        }

        impl From<uuid::Uuid> for $name {
            fn from(value: uuid::Uuid) -> Self {
                Self(value)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($prefix)?;
                write_base32(self.0.as_u128(), f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = BadId;
            fn from_str(text: &str) -> Result<Self, BadId> {
                text.strip_prefix($prefix)
                    .and_then(read_base32)
                    .map(|value| Self(uuid::Uuid::from_u128(value)))
                    .ok_or(BadId { prefix: $prefix })
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )+};
}

id_types! {
    /// A customer of the host.
    AccountId = "acc_";
    /// Somebody who signs in as a customer.
    PersonId = "per_";
    /// One of the host's own people.
    StaffId = "stf_";
    /// One hosted Mastodon server.
    InstanceId = "ins_";
    /// A purchase: an instance with a plan, on its way to being paid.
    OrderId = "ord_";
    /// Our mirror of a Stripe subscription.
    SubscriptionId = "sub_";
    /// Another plan, interval or number of storage packs for a server, on its way.
    ChangeId = "chg_";
    /// Money or credit that staff have given a customer.
    GivingId = "giv_";
    /// A server that staff have given away.
    FreeId = "fre_";
    /// Time that staff have given a customer.
    ExtensionId = "ext_";
    /// A release on its way to the servers that run an older one.
    RolloutId = "rol_";
    /// A reserved share of a cluster.
    PlaceId = "plc_";
    /// Somebody who was asked to join an account.
    InvitationId = "inv_";
    /// A look of staff into a customer's account.
    AccessId = "acs_";
    /// What one of the staff asked for and another one has to agree to.
    ApprovalId = "apv_";
    /// A token of the JSON API; not its text.
    TokenId = "tok_";
    /// Where a customer's program is told what happens.
    HookEndpointId = "hook_";
    /// Something that happened and that a customer's programs are told of.
    HookEventId = "evt_";
    /// An event that is owed to an endpoint.
    HookDeliveryId = "dlv_";
    /// A key on somebody's device that logs them in.
    PasskeyId = "pky_";
    /// A mail that is owed to somebody.
    MailId = "mail_";
    /// A Kubernetes cluster.
    ClusterId = "clu_";
    /// An entry of the waiting list.
    WaitingId = "wai_";
    /// One piece of work on a server.
    RunId = "run_";
    /// An archive of an instance, in its backup bucket.
    ArchiveId = "arc_";
    /// Something that was not well, as staff told everybody.
    IncidentId = "inc_";
    /// Something that a rule found, for staff to look at.
    AlertId = "alt_";
    /// Something that staff have to answer in time.
    CaseId = "cas_";
    /// Something that the host tells its customers.
    AnnouncementId = "ann_";
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn text_form_survives_the_round_trip(value: u128) {
            let id = InstanceId::from(uuid::Uuid::from_u128(value));
            prop_assert_eq!(id.to_string().parse::<InstanceId>(), Ok(id));
        }

        #[test]
        fn any_other_text_is_refused_without_a_panic(text in "\\PC{0,40}") {
            if let Ok(id) = text.parse::<AccountId>() {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }

    #[test]
    fn a_foreign_prefix_is_refused() {
        assert!(AccountId::new().to_string().parse::<InstanceId>().is_err());
    }
}
