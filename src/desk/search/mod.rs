//! One search over everything: ids of ours and of Stripe, addresses of servers, names of accounts, mail addresses of people.

mod store;

use sqlx::PgConnection;

use crate::ids::{AccountId, IncidentId, InstanceId, OrderId, PersonId, RunId, SubscriptionId};

/// Of each kind, at most this many are found.
pub const MOST: usize = 20;
/// The longest text that is looked for; nothing that can be found is longer.
const LONGEST: usize = 320;

/// Something that was found: all of it leads to a server, a customer or an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hit {
    /// A server, by its address.
    Server {
        /// Which.
        id: InstanceId,
        /// Its `LOCAL_DOMAIN`.
        domain: String,
    },
    /// A customer: the account's name, and the person that matched, if it was one.
    Customer {
        /// Which account.
        id: AccountId,
        /// What it is called.
        name: String,
        /// The address that matched.
        email: Option<String>,
    },
    /// An incident, by its id.
    Incident {
        /// Which.
        id: IncidentId,
    },
}

/// What a text names by itself: one thing or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Named {
    Instance(InstanceId),
    Account(AccountId),
    Order(OrderId),
    Subscription(SubscriptionId),
    Person(PersonId),
    Run(RunId),
    Incident(IncidentId),
    /// An id of Stripe's: a customer, a subscription or a checkout.
    Stripe(String),
}

/// The beginnings of Stripe's ids that we keep.
const STRIPE: [&str; 3] = ["cus_", "sub_", "cs_"];

fn named(text: &str) -> Option<Named> {
    let ours = text
        .parse()
        .map(Named::Instance)
        .or_else(|_| text.parse().map(Named::Account))
        .or_else(|_| text.parse().map(Named::Order))
        .or_else(|_| text.parse().map(Named::Subscription))
        .or_else(|_| text.parse().map(Named::Person))
        .or_else(|_| text.parse().map(Named::Run))
        .or_else(|_| text.parse().map(Named::Incident));
    // Subscriptions of ours and of Stripe's begin alike; what does not read as ours is theirs.
    ours.ok().or_else(|| STRIPE.iter().any(|start| text.starts_with(start)).then(|| Named::Stripe(text.to_owned())))
}

/// What the text finds. An id finds what it names, and nothing else; any other text finds what begins with it.
pub async fn search(conn: &mut PgConnection, text: &str) -> sqlx::Result<Vec<Hit>> {
    let text = text.trim();
    // A handle or a link of a server is one of its address.
    let text = text.trim_start_matches("https://").trim_start_matches('@').trim_end_matches('/');
    if text.is_empty() || text.len() > LONGEST || text.contains('\0') {
        return Ok(Vec::new());
    }
    if let Some(named) = named(text) {
        return by_name(conn, named).await;
    }
    let lower = text.to_lowercase();
    // Domains are kept as the DNS writes them, and people type them as they read them.
    let domain = idna::domain_to_ascii(&lower).unwrap_or_else(|_| lower.clone());
    let mut hits = store::servers(conn, &domain).await?;
    hits.extend(store::customers(conn, &lower).await?);
    Ok(hits)
}

async fn by_name(conn: &mut PgConnection, named: Named) -> sqlx::Result<Vec<Hit>> {
    let found = match named {
        Named::Instance(id) => store::server(conn, id).await?,
        Named::Account(id) => store::customer(conn, id).await?,
        Named::Order(id) => store::server_of_order(conn, id).await?,
        Named::Subscription(id) => store::server_of_subscription(conn, id).await?,
        Named::Person(id) => store::customer_of_person(conn, id).await?,
        Named::Run(id) => store::server_of_run(conn, id).await?,
        Named::Incident(id) => store::incident(conn, id).await?,
        Named::Stripe(id) => return store::by_stripe_id(conn, &id).await,
    };
    Ok(found.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_told_by_their_form() {
        let (instance, subscription) = (InstanceId::new(), SubscriptionId::new());
        assert_eq!(named(&instance.to_string()), Some(Named::Instance(instance)));
        assert_eq!(named(&subscription.to_string()), Some(Named::Subscription(subscription)));
        assert_eq!(named("sub_1Pabc"), Some(Named::Stripe("sub_1Pabc".to_owned())));
        assert_eq!(named("cs_test_a1"), Some(Named::Stripe("cs_test_a1".to_owned())));
        assert_eq!(named("birds.meadow.social"), None);
    }
}
