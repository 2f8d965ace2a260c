//! The documents that a customer agrees to by ordering, in which wording, and who has agreed to which of them.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::store;
use crate::clock::Clock;
use crate::ids::{AccountId, PersonId};

/// A document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, sqlx::Type, serde::Serialize, utoipa::ToSchema)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum Document {
    /// What both sides promise.
    Terms,
    /// How we treat what others write on a customer's server (Article 28 GDPR).
    Dpa,
}

impl Document {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Terms, Self::Dpa];

    /// The wording of today, by the day from which it holds. Whoever changes the words changes this: everybody is asked anew.
    pub fn version(self) -> &'static str {
        match self {
            Self::Terms | Self::Dpa => "2026-11-28",
        }
    }

    /// Where it can be read.
    pub fn path(self) -> &'static str {
        match self {
            Self::Terms => "/terms",
            Self::Dpa => "/dpa",
        }
    }
}

/// That somebody has agreed.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Consent {
    /// To what.
    pub document: Document,
    /// In which wording.
    pub version: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// Notes that somebody agrees for an account to both documents as they are today. Said twice it is said once.
pub async fn agree(conn: &mut PgConnection, clock: &dyn Clock, account: AccountId, person: PersonId) -> sqlx::Result<()> {
    for document in Document::ALL {
        store::insert_consent(conn, clock, account, person, document).await?;
    }
    Ok(())
}

/// What an account has agreed to, the newest first.
pub async fn consents(conn: &mut PgConnection, account: AccountId) -> sqlx::Result<Vec<Consent>> {
    store::consents(conn, account).await
}

/// The documents whose wording of today is not among these.
pub fn outstanding(consents: &[Consent]) -> Vec<Document> {
    let agreed = |document: &Document| {
        consents.iter().any(|consent| consent.document == *document && consent.version == document.version())
    };
    Document::ALL.into_iter().filter(|document| !agreed(document)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_wording_is_asked_anew() {
        let consent = |document, version: &str| Consent { document, version: version.to_owned(), at: DateTime::default() };
        assert_eq!(outstanding(&[]), Document::ALL);
        let terms = consent(Document::Terms, Document::Terms.version());
        assert_eq!(outstanding(&[terms.clone(), consent(Document::Dpa, "2020-01-01")]), [Document::Dpa]);
        assert_eq!(outstanding(&[terms, consent(Document::Dpa, Document::Dpa.version())]), []);
        for document in Document::ALL {
            assert!(chrono::NaiveDate::parse_from_str(document.version(), "%Y-%m-%d").is_ok());
        }
    }
}
