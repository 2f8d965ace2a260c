//! Signing up, in and out, proving an address, choosing a new password; the members of an account, and how each of them
//! signs in.
//!
//! Known and unknown addresses get the same pages in the same time (`discreet`); what differs is the mail that their owner gets.

mod access;
pub(super) mod acts;
pub(super) mod authenticator;
mod code;
pub(super) mod data;
pub(super) mod discreet;
mod join;
pub(super) mod log;
pub(super) mod log_in;
mod members;
mod move_address;
mod passkeys;
mod password;
pub(super) mod security;
mod sign_up;
pub(super) mod step_up;
pub(super) mod tokens;
pub(super) mod verify;
pub(super) mod webhooks;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use secrecy::SecretString;

use super::access::{Access, Routes};
use super::page::FieldErrors;
use super::{AppState, signed};
use crate::account::Role;
use crate::account::email::EmailAddress;
use crate::account::password::{BadPassword, LENGTH, check};
use crate::words::Words;

pub(super) fn routes(routes: Routes) -> Routes {
    let routes = told(own(signing_in(routes)));
    let (looks, owns, anew) = (Access::Member(Role::Viewer), Access::Member(Role::Owner), Access::Fresh(Role::Owner));
    routes
        .get("/step-up", Access::SignedIn, step_up::form)
        .post("/step-up", Access::SignedIn, step_up::submit)
        .get("/step-up/passkey", Access::SignedIn, passkeys::step_up)
        .post("/step-up/passkey", Access::SignedIn, passkeys::answer_step_up)
        .get("/join/{token}", Access::Public, join::ask)
        .post("/join/{token}", Access::Public, join::submit)
        .post("/account/switch", Access::SignedIn, members::switch)
        .get("/account/log", Access::Member(Role::Admin), log::show)
        .get("/account/log.csv", Access::Member(Role::Admin), log::csv)
        .get("/account/log.json", Access::Member(Role::Admin), log::json)
        .get("/account/access", Access::Member(Role::Admin), access::show)
        .post("/account/access/{access}/end", Access::Member(Role::Admin), access::end)
        .post("/account/access/{access}/allow", Access::Fresh(Role::Admin), access::allow)
        .get("/account/members", looks, members::show)
        .post("/account/members/invite", anew, members::invite)
        .post("/account/members/leave", Access::Fresh(Role::Viewer), members::leave)
        .post("/account/members/invitations/{invitation}/withdraw", owns, members::withdraw)
        .post("/account/members/{person}/role", anew, members::set_role)
        .post("/account/members/{person}/remove", anew, members::remove)
        .post("/account/members/{person}/hand-over", anew, members::hand_over)
        .post("/account/members/{person}/nominate", anew, members::nominate)
        .post("/account/contact/dismiss", anew, members::dismiss)
        .post("/account/contact/take-over", Access::Fresh(Role::Viewer), members::ask_take_over)
        .post("/account/contact/stop", owns, members::stop_take_over)
        .post("/account/contact/finish", Access::Fresh(Role::Viewer), members::finish_take_over)
}

/// Password, second factor, address and sessions of whoever calls: theirs, whatever they may do in an account.
fn own(routes: Routes) -> Routes {
    let anew = Access::Fresh(Role::Viewer);
    routes
        .get("/account/security", Access::SignedIn, security::show)
        .post("/account/security/password", anew, security::set_password)
        .post("/account/security/address", anew, security::move_to)
        .post("/account/security/language", Access::SignedIn, security::set_language)
        .post("/account/security/sessions/end", Access::SignedIn, security::end_others)
        .post("/account/security/sessions/{session}/end", Access::SignedIn, security::end_one)
        .post("/account/security/authenticator", anew, authenticator::begin)
        .get("/account/security/authenticator", anew, authenticator::show)
        .post("/account/security/authenticator/confirm", anew, authenticator::confirm)
        .post("/account/security/authenticator/off", anew, authenticator::turn_off)
        .post("/account/security/codes", anew, authenticator::renew_codes)
        .get("/account/security/passkeys", Access::SignedIn, passkeys::list)
        .get("/account/security/passkeys/new", anew, passkeys::new)
        .post("/account/security/passkeys", anew, passkeys::keep)
        .post("/account/security/passkeys/{passkey}/remove", anew, passkeys::remove)
        .get("/account/tokens", Access::SignedIn, tokens::show)
        .post("/account/tokens", anew, tokens::make)
        .post("/account/tokens/{token}/end", Access::SignedIn, tokens::revoke)
        .get("/address/agreed", Access::Public, move_address::agreed)
        .get("/address/{token}", Access::Public, move_address::ask)
        .post("/address/{token}", Access::Public, move_address::agree)
}

/// What leaves the account: a copy of everything, its end, and what programs are told. What takes something out of our hands asks for a proof.
fn told(routes: Routes) -> Routes {
    let (looks, anew) = (Access::Member(Role::Admin), Access::Fresh(Role::Admin));
    routes
        .get("/account/data", Access::Member(Role::Owner), data::show)
        .post("/account/data/copy", Access::Fresh(Role::Owner), data::download)
        .post("/account/data/agree", Access::Member(Role::Owner), data::agree)
        .post("/account/data/erase", Access::Fresh(Role::Owner), data::erase)
        .get("/account/webhooks", looks, webhooks::list)
        .post("/account/webhooks", anew, webhooks::create)
        .get("/account/webhooks/{endpoint}", looks, webhooks::show)
        .post("/account/webhooks/{endpoint}", anew, webhooks::change)
        .post("/account/webhooks/{endpoint}/on", looks, webhooks::switch_on)
        .post("/account/webhooks/{endpoint}/off", anew, webhooks::switch_off)
        .post("/account/webhooks/{endpoint}/rotate", anew, webhooks::rotate)
        .post("/account/webhooks/{endpoint}/remove", anew, webhooks::remove)
        .post("/account/webhooks/{endpoint}/test", looks, webhooks::test)
        .post("/account/webhooks/{endpoint}/deliveries/{delivery}/replay", looks, webhooks::replay)
}

fn signing_in(routes: Routes) -> Routes {
    routes
        .get("/sign-up", Access::Public, sign_up::form)
        .post("/sign-up", Access::Public, sign_up::submit)
        .get("/sign-up/sent", Access::Public, sign_up::sent)
        .get("/check-mail", Access::SignedIn, sign_up::check_mail)
        .post("/verify/resend", Access::Public, verify::resend)
        .get("/verify/{token}", Access::Public, verify::ask)
        .post("/verify/{token}", Access::Public, verify::confirm)
        .get("/verified", Access::Public, verify::verified)
        .get("/log-in", Access::Public, log_in::form)
        .post("/log-in", Access::Public, log_in::submit)
        .get("/log-in/code", Access::Public, code::form)
        .post("/log-in/code", Access::Public, code::submit)
        .get("/log-in/passkey", Access::Public, passkeys::log_in)
        .post("/log-in/passkey", Access::Public, passkeys::answer_log_in)
        .post("/log-out", Access::Public, log_in::log_out)
        .get("/forgot", Access::Public, password::forgot)
        .post("/forgot", Access::Public, password::request)
        .get("/forgot/sent", Access::Public, password::sent)
        .get("/reset/{token}", Access::Public, password::form)
        .post("/reset/{token}", Access::Public, password::set)
}

/// Language of those who sign up by a program, which names none. Pages sign people up in their own.
pub(super) const LOCALE: &str = "en";
/// The address that a mail went to, for the page that says so. Not in its URL: URLs are kept in histories and logs.
const SENT: &str = "paddock_sent";

fn remember_sent(state: &AppState, email: &EmailAddress) -> (HeaderName, HeaderValue) {
    signed::write(state, SENT, email.display().as_bytes(), cookie::time::Duration::hours(1))
}

fn read_sent(state: &AppState, headers: &HeaderMap) -> Option<String> {
    String::from_utf8(signed::read(state, headers, SENT)?).ok()
}

/// The address of the field `email`, or what is wrong with it.
pub(super) fn read_email(words: &Words, typed: &str, errors: &mut FieldErrors) -> Option<EmailAddress> {
    EmailAddress::parse(typed).map_err(|problem| errors.add(problem.field(), words.said(problem.key(), &problem.args()))).ok()
}

/// The password of the field `password` if it may be chosen, or what is wrong with it.
pub(super) fn read_new_password(words: &Words, typed: String, errors: &mut FieldErrors) -> Option<SecretString> {
    if typed.is_empty() {
        errors.add("password", words.t("form-password-missing"));
        return None;
    }
    let password = typed.into();
    let problem = match check(&password) {
        Ok(()) => return Some(password),
        Err(BadPassword::TooShort) => words.t1("form-password-short", "least", LENGTH.start()),
        Err(BadPassword::TooCommon) => words.t("form-password-common"),
        Err(BadPassword::TooLong) => words.t1("form-password-long", "most", LENGTH.end()),
    };
    errors.add("password", problem);
    None
}
