//! What is done for an address without anybody's learning whether it is known, neither by the words nor by the time. Pages and API call
//! the same functions.

use std::time::Duration;

use secrecy::SecretString;
use tokio::time::{Instant, sleep_until};

use crate::account::email::EmailAddress;
use crate::account::factor::Holder;
use crate::account::password::PasswordHash;
use crate::account::{self, Person, attempt, device, factor};
use crate::audit::Actor;
use crate::crash;
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::origin::Origin;

/// Signs somebody up in a language, or tells the owner of a known address by mail. Hashing comes first, and takes as long for both.
pub(in crate::web) async fn sign_up(
    state: &AppState,
    email: &EmailAddress,
    password: SecretString,
    locale: &str,
) -> Result<(), WebError> {
    let room = state.passwords.room().ok_or(WebError::Crowded)?;
    let hash = state.passwords.hash(password).await?;
    drop(room);
    on_the_beat(async {
        let mut tx = state.db.auth().begin().await?;
        account::sign_up(&mut tx, state.clock.as_ref(), email, &hash, locale).await?;
        crash::point("sign_up.before_commit");
        tx.commit().await?;
        crash::point("sign_up.committed");
        Ok(())
    })
    .await
}

/// Sends the link that proves an address again, if it is due.
pub(in crate::web) async fn resend_verification(state: &AppState, actor: Actor, email: &EmailAddress) -> Result<(), WebError> {
    on_the_beat(async {
        let mut tx = state.db.auth().begin().await?;
        account::resend_verification(&mut tx, state.clock.as_ref(), actor, email).await?;
        Ok(tx.commit().await?)
    })
    .await
}

/// Sends the link for a new password, or says by mail that there is no account.
pub(in crate::web) async fn request_reset(state: &AppState, email: &EmailAddress, locale: &str) -> Result<(), WebError> {
    on_the_beat(async {
        let mut tx = state.db.auth().begin().await?;
        account::request_reset(&mut tx, state.clock.as_ref(), email, locale).await?;
        Ok(tx.commit().await?)
    })
    .await
}

/// Whose address and password these are. One question and one hash, for an address that nobody has as well; before them, the bounds on how
/// often it may be tried.
pub(in crate::web) async fn who(
    state: &AppState,
    origin: &Origin,
    email: &str,
    password: SecretString,
) -> Result<Option<Person>, WebError> {
    let parsed = EmailAddress::parse(email).ok();
    // What is no address is nobody's: it is bounded for whoever types it.
    let nobodys = || format!("none from {}", origin.network);
    let address = parsed.as_ref().map_or_else(nobodys, EmailAddress::canonical);
    bounded(state, origin, &address, async {
        let known = match &parsed {
            // The connection goes back before hashing: hashing waits its turn, and others must not wait for it.
            Some(email) => account::credentials(&mut *state.db.auth().acquire().await?, email).await?,
            None => None,
        };
        let (person, hash) = known.map_or((None, PasswordHash::nobody()), |(person, hash)| (Some(person), hash));
        let matches = state.passwords.matches(password, hash).await?;
        Ok(person.filter(|_| matches))
    })
    .await
}

/// Whether a code is somebody's, of their app or for recovery. As bounded as passwords are: six digits are soon guessed.
pub(in crate::web) async fn is_code_of(
    state: &AppState,
    origin: &Origin,
    holder: impl Into<Holder<'_>>,
    code: &str,
) -> Result<bool, WebError> {
    let holder = holder.into();
    let address = holder.counted_as();
    let right = bounded(state, origin, &address, async {
        let mut tx = state.db.auth().begin().await?;
        let right = factor::check(&mut tx, state.clock.as_ref(), &state.key, holder, code).await?;
        tx.commit().await?;
        Ok(right.then_some(()))
    });
    Ok(right.await?.is_some())
}

/// An attempt to show who one is: counted before it is made, and not counted if it was right.
pub(in crate::web) async fn bounded<T>(
    state: &AppState,
    origin: &Origin,
    address: &str,
    attempt: impl Future<Output = Result<Option<T>, WebError>>,
) -> Result<Option<T>, WebError> {
    let mut conn = state.db.auth().acquire().await?;
    let device = origin.device();
    let known = match &device {
        Some(device) => device::is_known(&mut conn, device, address).await?,
        None => false,
    };
    let known_device = device.as_ref().filter(|_| known).map(<[u8; 32]>::as_slice);
    let _room = match known_device {
        Some(_) => None,
        None => Some(state.passwords.room().ok_or(WebError::Crowded)?),
    };
    let counted = attempt::Attempt { address, network: origin.network, known_device };
    if let Some(wait) = attempt::begin(&mut conn, state.clock.as_ref(), &state.key, &counted).await? {
        return Err(WebError::TooManyAttempts { seconds: wait.num_seconds().max(1) });
    }
    drop(conn);
    let outcome = attempt.await?;
    if outcome.is_some() {
        attempt::succeeded(&mut *state.db.auth().acquire().await?, &state.key, &counted).await?;
    }
    Ok(outcome)
}

/// Many times what the database needs for any of these, known or unknown.
const BEAT: Duration = Duration::from_millis(250);

/// Does `work`, which takes longer for the one address than for the other, and returns on a beat counted from its begin.
async fn on_the_beat<T>(work: impl Future<Output = T>) -> T {
    let began = Instant::now();
    let done = work.await;
    sleep_until(began + beat_after(began.elapsed())).await;
    done
}

fn beat_after(elapsed: Duration) -> Duration {
    let beats = elapsed.as_millis() / BEAT.as_millis() + 1;
    BEAT * u32::try_from(beats).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_less_than_a_beat_takes_one_beat() {
        for (work, answer) in [(0, 250), (1, 250), (40, 250), (249, 250), (250, 500), (600, 750)] {
            assert_eq!(beat_after(Duration::from_millis(work)), Duration::from_millis(answer), "{work} ms");
        }
    }
}
