//! Passkeys, as the W3C's Web Authentication has them: keys on somebody's devices. Each asks its owner for a finger, a face or a PIN before it
//! answers, so that it is two factors by itself and logs in without a password or a code.
//!
//! What is asked goes to the browser, together with what is needed to check the answer: the caller signs that and gives it back. A question
//! is good for five minutes and for one answer.

mod store;

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::PgConnection;
use url::Url;
use webauthn_rs::prelude::{
    DiscoverableAuthentication, PasskeyRegistration, PublicKeyCredential, RegisterPublicKeyCredential, Webauthn, WebauthnBuilder,
    WebauthnError,
};

pub use store::{Listed, list};

use super::{Person, record};
use crate::audit::Actor;
use crate::clock::Clock;
use crate::crypto;
use crate::db::violates;
use crate::ids::{PasskeyId, PersonId};
use crate::mail::{self, Notice};

/// Passkeys that a person may have.
pub const MOST: usize = 20;
/// Characters of a name, at most.
pub const LONGEST_NAME: usize = 60;
/// For how long a question is good.
const PATIENCE: TimeDelta = TimeDelta::minutes(5);

/// What can't be done.
#[derive(Debug, thiserror::Error)]
pub enum PasskeyError {
    /// The question is too old, was answered before, or was asked of somebody else.
    #[error("the question is too old or was answered")]
    Old,
    /// The answer is none, or no right one.
    #[error("the passkey's answer is not right")]
    Wrong,
    /// No name, or a long one.
    #[error("the name has no characters, or too many")]
    Name,
    /// The device is known already.
    #[error("this passkey is known already")]
    Known,
    /// As many as there may be.
    #[error("there are too many passkeys")]
    TooMany,
    /// The library could not ask: a fault of ours.
    #[error("the question could not be written")]
    Unwritable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The database.
    #[error("the passkeys could not be read or written")]
    Database(#[from] sqlx::Error),
}

impl From<super::AccountError> for PasskeyError {
    fn from(error: super::AccountError) -> Self {
        match error {
            super::AccountError::Link => Self::Old,
            super::AccountError::Database(error) => Self::Database(error),
        }
    }
}

impl PasskeyError {
    /// The key of the words that say so; nothing for what is no fault of the person's.
    pub fn key(&self) -> Option<&'static str> {
        match self {
            Self::Old => Some("passkey-old"),
            Self::Wrong => Some("passkey-wrong"),
            Self::Name => Some("passkey-name-wrong"),
            Self::Known => Some("passkey-known"),
            Self::TooMany => Some("passkey-too-many"),
            Self::Unwritable(_) | Self::Database(_) => None,
        }
    }
}

fn unwritable(error: impl std::error::Error + Send + Sync + 'static) -> PasskeyError {
    PasskeyError::Unwritable(Box::new(error))
}

/// What the browser is asked, and what its answer is checked with.
#[derive(Debug, Clone)]
pub struct Question {
    /// For the script: JSON.
    pub options: String,
    /// For the caller to keep, unchanged and unread: JSON.
    pub state: String,
}

#[derive(Serialize, Deserialize)]
struct State<S> {
    until: DateTime<Utc>,
    /// Who is asked; nobody in particular when somebody logs in.
    person: Option<PersonId>,
    inner: S,
}

fn question<S: Serialize>(
    clock: &dyn Clock,
    person: Option<PersonId>,
    options: &serde_json::Value,
    inner: S,
) -> Result<Question, PasskeyError> {
    let state = State { until: clock.now() + PATIENCE, person, inner };
    let state = serde_json::to_string(&state).map_err(unwritable)?;
    Ok(Question { options: options.to_string(), state })
}

/// Asks passkeys and checks their answers.
#[derive(Clone)]
pub struct Passkeys(Arc<Webauthn>);

impl fmt::Debug for Passkeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Passkeys").field(&self.0.get_allowed_origins()).finish()
    }
}

impl Passkeys {
    /// For pages at `base` of a host called `name`. `None` where browsers make no passkeys: at a bare IP address.
    pub fn new(base: &Url, name: &str) -> Option<Self> {
        let domain = base.domain()?;
        WebauthnBuilder::new(domain, base).ok()?.rp_name(name).build().ok().map(|webauthn| Self(Arc::new(webauthn)))
    }

    /// Asks for a new passkey of somebody.
    pub async fn ask_for_new(
        &self,
        conn: &mut PgConnection,
        clock: &dyn Clock,
        person: &Person,
    ) -> Result<Question, PasskeyError> {
        let known = store::credential_ids(conn, person.id).await?;
        let begun = self.0.start_passkey_registration(person.id.uuid(), &person.email, &person.email, Some(known));
        let (options, inner) = begun.map_err(unwritable)?;
        let mut options = serde_json::to_value(options).map_err(unwritable)?;
        // One that the device can find by itself: whoever logs in names nobody.
        options["publicKey"]["authenticatorSelection"]["residentKey"] = json!("required");
        options["publicKey"]["authenticatorSelection"]["requireResidentKey"] = json!(true);
        question(clock, Some(person.id), &options["publicKey"], inner)
    }

    /// Takes the answer: from now on it logs in. The person is told.
    pub async fn keep(
        &self,
        conn: &mut PgConnection,
        clock: &dyn Clock,
        person: &Person,
        name: &str,
        (state, answer): (&str, &str),
    ) -> Result<(), PasskeyError> {
        let name = name.trim();
        if name.is_empty() || name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
            return Err(PasskeyError::Name);
        }
        let inner: PasskeyRegistration = spend(conn, clock, state, Some(person.id)).await?;
        let answer: RegisterPublicKeyCredential = read(answer)?;
        let passkey = self.0.finish_passkey_registration(&answer, &inner).map_err(wrong)?;
        if list(conn, person.id).await?.len() >= MOST {
            return Err(PasskeyError::TooMany);
        }
        let kept = store::insert(conn, clock, PasskeyId::new(), person.id, &passkey, name).await;
        kept.map_err(|error| if violates(&error, "passkeys_credential_key") { PasskeyError::Known } else { error.into() })?;
        record(conn, clock, Actor::Person(person.id), person.id, "person.passkey_made").await?;
        let notice = Notice::PasskeyMade { name: name.to_owned(), at: clock.now() };
        mail::owe(conn, clock, &person.email, &person.locale, &notice, None).await?;
        Ok(())
    }

    /// Asks for any passkey of ours: whose, the answer says.
    pub fn ask(&self, clock: &dyn Clock) -> Result<Question, PasskeyError> {
        let (options, inner) = self.0.start_discoverable_authentication().map_err(unwritable)?;
        let options = serde_json::to_value(options).map_err(unwritable)?;
        question(clock, None, &options["publicKey"], inner)
    }

    /// Whose passkey has answered.
    pub async fn who(
        &self,
        conn: &mut PgConnection,
        clock: &dyn Clock,
        (state, answer): (&str, &str),
    ) -> Result<PersonId, PasskeyError> {
        let inner: DiscoverableAuthentication = spend(conn, clock, state, None).await?;
        let answer: PublicKeyCredential = read(answer)?;
        let (person, credential) = self.0.identify_discoverable_authentication(&answer).map_err(wrong)?;
        let (person, credential) = (PersonId::from(person), credential.to_vec());
        let mut passkey = store::find(conn, person, &credential).await?.ok_or(PasskeyError::Wrong)?;
        let result = self.0.finish_discoverable_authentication_v2(&answer, inner, &passkey).map_err(wrong)?;
        // The policy asks for it; this does not rest on that alone.
        if !result.user_verified() {
            return Err(PasskeyError::Wrong);
        }
        passkey.update_credential(&result);
        store::used(conn, clock, &credential, &passkey).await?;
        Ok(person)
    }
}

/// A wrong answer is nothing for the log: anybody can send one.
fn wrong(_: WebauthnError) -> PasskeyError {
    PasskeyError::Wrong
}

fn read<T: DeserializeOwned>(answer: &str) -> Result<T, PasskeyError> {
    serde_json::from_str(answer).map_err(|_| PasskeyError::Wrong)
}

/// What was kept of a question, if it may still be answered; this answer is its only one.
async fn spend<S: DeserializeOwned>(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    text: &str,
    person: Option<PersonId>,
) -> Result<S, PasskeyError> {
    let state: State<S> = serde_json::from_str(text).map_err(|_| PasskeyError::Old)?;
    if state.until <= clock.now() || state.person != person {
        return Err(PasskeyError::Old);
    }
    if !store::spend(conn, &crypto::sha256(text.as_bytes()), state.until).await? {
        return Err(PasskeyError::Old);
    }
    Ok(state.inner)
}

/// Takes one of a person's passkeys away. Whether there was one.
pub async fn remove(conn: &mut PgConnection, clock: &dyn Clock, person: PersonId, id: PasskeyId) -> Result<bool, PasskeyError> {
    if !store::delete(conn, person, id).await? {
        return Ok(false);
    }
    record(conn, clock, Actor::Person(person), person, "person.passkey_removed").await?;
    Ok(true)
}

/// Forgets questions that are too old to be answered again. Returns how many.
pub async fn forget_old(conn: &mut PgConnection, clock: &dyn Clock) -> sqlx::Result<u64> {
    store::forget_old(conn, clock.now()).await
}
