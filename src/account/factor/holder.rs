//! Whose second factor it is: a customer's person, who may do without, or one of the host's people, who may not.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgConnection;

use crate::account::{AccountError, Person, StaffMember, email::EmailAddress, record};
use crate::audit::{self, Actor};
use crate::clock::Clock;
use crate::ids::{PersonId, StaffId};
use crate::mail::{FactorChange, Notice};

/// Language of the mails to staff.
const STAFFS: &str = "en";

/// Whose it is.
#[derive(Debug, Clone, Copy)]
pub enum Holder<'a> {
    /// A customer's.
    Person(&'a Person),
    /// One of the host's own people's.
    Staff(&'a StaffMember),
}

impl<'a> From<&'a Person> for Holder<'a> {
    fn from(person: &'a Person) -> Self {
        Self::Person(person)
    }
}

impl<'a> From<&'a StaffMember> for Holder<'a> {
    fn from(member: &'a StaffMember) -> Self {
        Self::Staff(member)
    }
}

impl Holder<'_> {
    pub(super) fn id(self) -> HolderId {
        match self {
            Self::Person(person) => HolderId::Person(person.id),
            Self::Staff(member) => HolderId::Staff(member.id),
        }
    }

    /// The mail that says what became of their factor. `left` recovery codes are left.
    pub(super) fn notice(self, change: FactorChange, at: DateTime<Utc>, left: u32) -> Notice {
        match (self, change) {
            (Self::Staff(_), change) => Notice::StaffSecondFactor { change, at },
            (Self::Person(_), FactorChange::SetUp) => Notice::SecondFactorOn { at },
            (Self::Person(_), FactorChange::Forgotten) => Notice::SecondFactorOff { at },
            (Self::Person(_), FactorChange::CodeUsed) => Notice::RecoveryCodeUsed { left, at },
        }
    }

    pub(super) fn email(&self) -> &str {
        match self {
            Self::Person(person) => &person.email,
            Self::Staff(member) => &member.email,
        }
    }

    pub(super) fn locale(&self) -> &str {
        match self {
            Self::Person(person) => &person.locale,
            Self::Staff(_) => STAFFS,
        }
    }

    /// What attempts are counted by: customers and staff have doors of their own, and bounds of their own.
    pub fn counted_as(&self) -> String {
        let canonical = EmailAddress::parse(self.email()).map(|email| email.canonical()).unwrap_or_default();
        match self {
            Self::Person(_) => canonical,
            Self::Staff(_) => format!("staff {canonical}"),
        }
    }

    /// Writes into the audit log what became of their factor.
    pub(super) async fn record(self, conn: &mut PgConnection, clock: &dyn Clock, what: &str) -> Result<(), AccountError> {
        match self {
            Self::Person(person) => record(conn, clock, Actor::Person(person.id), person.id, &format!("person.{what}")).await,
            Self::Staff(member) => {
                let (action, id) = (format!("staff.{what}"), member.id.to_string());
                Ok(audit::record(conn, clock, Actor::Staff(member.id), None, &action, &id, json!({})).await?)
            }
        }
    }
}

/// The same by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HolderId {
    /// A customer.
    Person(PersonId),
    /// One of the host's own people.
    Staff(StaffId),
}

impl From<PersonId> for HolderId {
    fn from(id: PersonId) -> Self {
        Self::Person(id)
    }
}

impl From<StaffId> for HolderId {
    fn from(id: StaffId) -> Self {
        Self::Staff(id)
    }
}

impl HolderId {
    pub(super) fn uuid(self) -> uuid::Uuid {
        match self {
            Self::Person(id) => id.uuid(),
            Self::Staff(id) => id.uuid(),
        }
    }

    /// The two columns, of which one is null.
    pub(super) fn columns(self) -> (Option<PersonId>, Option<StaffId>) {
        match self {
            Self::Person(id) => (Some(id), None),
            Self::Staff(id) => (None, Some(id)),
        }
    }
}
