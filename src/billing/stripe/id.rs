//! Stripe's ids, each a type of its own, checked for their prefix where they enter.

use std::fmt;

/// What is wrong with a text that should have been one of Stripe's ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a Stripe id of the form {prefix}… with letters, digits and underscores")]
pub struct BadRemoteId {
    prefix: &'static str,
}

/// Stripe says ids may grow to 255 characters.
const LONGEST: usize = 255;

fn fits(text: &str, prefix: &str) -> bool {
    text.len() <= LONGEST
        && text
            .strip_prefix(prefix)
            .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'))
}

macro_rules! remote_ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize, sqlx::Type)]
        #[serde(try_from = "String", into = "String")]
        #[sqlx(transparent)]
        pub struct $name(String);

        impl $name {
            /// How it begins.
            pub const PREFIX: &str = $prefix;

            /// As Stripe writes it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadRemoteId;
            fn try_from(text: String) -> Result<Self, BadRemoteId> {
                if fits(&text, $prefix) { Ok(Self(text)) } else { Err(BadRemoteId { prefix: $prefix }) }
            }
        }

        impl std::str::FromStr for $name {
            type Err = BadRemoteId;
            fn from_str(text: &str) -> Result<Self, BadRemoteId> {
                text.to_owned().try_into()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }
    )+};
}

remote_ids! {
    /// A customer at Stripe.
    CustomerId = "cus_";
    /// A price at Stripe.
    PriceId = "price_";
    /// A Checkout Session.
    CheckoutId = "cs_";
    /// A subscription at Stripe; ours, the mirror, is [`SubscriptionId`](crate::ids::SubscriptionId).
    RemoteSubscriptionId = "sub_";
    /// One thing that a subscription is for.
    ItemId = "si_";
    /// An invoice.
    InvoiceId = "in_";
    /// Something that happened at Stripe.
    EventId = "evt_";
}

#[cfg(test)]
mod tests;
