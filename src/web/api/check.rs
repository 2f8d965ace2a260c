//! What a body must hold before anything is done, every fault by its field.

use secrecy::SecretString;

use crate::account::email::EmailAddress;
use crate::account::password::{self, PasswordHash};
use crate::account::Person;
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::page::FieldErrors;
use crate::words::Words;

/// Address and password of somebody new.
pub(super) fn sign_up(email: &str, password: SecretString) -> Result<(EmailAddress, SecretString), WebError> {
    match (self::email(email), self::password(password)) {
        (Ok(email), Ok(password)) => Ok((email, password)),
        (Err(WebError::Invalid(mut faults)), Err(WebError::Invalid(more))) => {
            faults.extend(more);
            Err(WebError::Invalid(faults))
        }
        (Err(error), _) | (_, Err(error)) => Err(error),
    }
}

/// A mail address.
pub(super) fn email(text: &str) -> Result<EmailAddress, WebError> {
    EmailAddress::parse(text).map_err(|problem| {
        let args = problem.args();
        let args: Vec<_> = args.iter().map(|(name, value)| (*name, value as &dyn std::fmt::Display)).collect();
        invalid(problem.field(), Words::english().with(problem.key(), &args))
    })
}

/// A password that somebody chooses.
pub(super) fn password(password: SecretString) -> Result<SecretString, WebError> {
    let key = match password::check(&password) {
        Ok(()) => return Ok(password),
        Err(password::BadPassword::TooShort) => "form-password-short",
        Err(password::BadPassword::TooLong) => "form-password-long",
    };
    Err(invalid("password", Words::english().t(key)))
}

/// Whether the password is that of the person who was found. Takes as long when nobody was.
pub(super) async fn who(
    state: &AppState,
    found: Option<(Person, PasswordHash)>,
    password: SecretString,
) -> Result<Option<Person>, WebError> {
    let (person, hash) = found.map_or_else(|| (None, PasswordHash::nobody()), |(person, hash)| (Some(person), hash));
    let matches = state.passwords.matches(password, hash).await?;
    Ok(person.filter(|_| matches))
}

fn invalid(field: &str, text: String) -> WebError {
    let mut errors = FieldErrors::default();
    errors.add(field, text);
    WebError::Invalid(errors.list)
}
