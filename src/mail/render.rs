//! From a notice to the three parts of a mail: `templates/mail/<kind>/{subject.txt,body.txt,body.html}`.

use askama::Template;
use chrono::{DateTime, Datelike as _, Utc};
use url::Url;
use uuid::Uuid;

use super::{AlertState, Letter, Notice};
use crate::ids::{AccountId, HookEndpointId, InstanceId, MailId, OrderId, PersonId, WaitingId};
use crate::words::Words;

/// Where the links of a mail lead. The one who calls [`render`] knows the routes and holds the key from which tokens are made.
pub trait Links {
    /// The host's front page.
    fn home(&self) -> Url;
    /// Where one signs in.
    fn sign_in(&self) -> Url;
    /// Where one asks for a new password.
    fn forgotten_password(&self) -> Url;
    /// Proves the address: made from the token's row, used once.
    fn verify(&self, token: Uuid) -> Url;
    /// Sets a new password: made from the token's row, used once.
    fn reset(&self, token: Uuid) -> Url;
    /// Joins an account: made from the invitation, used once.
    fn join(&self, invitation: Uuid) -> Url;
    /// Confirms at the old address that an account gets another one.
    fn leave_address(&self, change: Uuid) -> Url;
    /// Confirms at the new address that it becomes an account's.
    fn take_address(&self, change: Uuid) -> Url;
    /// The members of the account.
    fn members(&self) -> Url;
    /// Password, second factor and sessions.
    fn security(&self) -> Url;
    /// When staff looked into the account.
    fn accesses(&self) -> Url;
    /// A webhook's endpoint.
    fn webhook(&self, endpoint: HookEndpointId) -> Url;
    /// The page of an order.
    fn order(&self, order: OrderId) -> Url;
    /// The page of a server.
    fn instance(&self, instance: InstanceId) -> Url;
    /// The page of the waiting list.
    fn waiting(&self) -> Url;
    /// Leaves it without logging in: good for this entry alone.
    fn leave_waiting_list(&self, person: PersonId, account: AccountId, entry: WaitingId) -> Url;
    /// Where its subscription is looked after.
    fn billing(&self, instance: InstanceId) -> Url;
    /// The page of a server's upgrades.
    fn upgrades(&self, instance: InstanceId) -> Url;
    /// A customer's servers.
    fn servers(&self) -> Url;
    /// The staff's page of what there is to look at.
    fn alerts(&self) -> Url;
    /// What to do when a rule has found something.
    fn runbook(&self, rule: &str) -> Url;
}

/// The parts of a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// One line.
    pub subject: String,
    /// Plain text, lines of at most 72 characters except for addresses.
    pub text: String,
    /// The same as a page without anything that would be fetched.
    pub html: String,
}

impl Rendered {
    /// The parts as a letter of `id`; see [`Letter`] for the fields.
    pub fn into_letter(self, id: MailId, written_at: DateTime<Utc>, from: &str, reply_to: Option<&str>, to: &str) -> Letter {
        Letter {
            id,
            from: from.to_owned(),
            reply_to: reply_to.map(str::to_owned),
            to: to.to_owned(),
            written_at,
            subject: self.subject,
            text: self.text,
            html: self.html,
        }
    }
}

/// A template could not be filled in.
#[derive(Debug, thiserror::Error)]
#[error("the mail `{kind}` can't be rendered")]
pub struct RenderError {
    kind: &'static str,
    #[source]
    source: askama::Error,
}

/// What each mail has.
struct Frame<'a> {
    words: &'a Words,
    host: &'a str,
    home: String,
}

/// One function per mail, from its facts to its parts. A template reads the facts as `f.<fact>`.
macro_rules! mails {
    ($($name:ident($($fact:ident),*) = $subject:tt, $text:tt, $html:tt;)+) => {$(
        fn $name(frame: &Frame<'_>, $($fact: &str),*) -> Result<Rendered, askama::Error> {
            struct Facts<'a> {
                words: &'a Words,
                host: &'a str,
                home: &'a str,
                $($fact: &'a str,)*
            }
            #[derive(Template)]
            #[template(path = $subject)]
            struct Subject<'a> {
                f: &'a Facts<'a>,
            }
            #[derive(Template)]
            #[template(path = $text)]
            struct Text<'a> {
                f: &'a Facts<'a>,
            }
            #[derive(Template)]
            #[template(path = $html)]
            struct Html<'a> {
                f: &'a Facts<'a>,
                subject: &'a str,
            }
            let f = &Facts { words: frame.words, host: frame.host, home: &frame.home, $($fact,)* };
            let subject = one_line(&Subject { f }.render()?);
            let text = wrap(&Text { f }.render()?);
            let html = Html { f, subject: &subject }.render()?;
            Ok(Rendered { subject, text, html })
        }
    )+};
}

mails! {
    verify_address(link, until) = "mail/verify_address/subject.txt", "mail/verify_address/body.txt", "mail/verify_address/body.html";
    already_registered(sign_in, forgotten)
        = "mail/already_registered/subject.txt", "mail/already_registered/body.txt", "mail/already_registered/body.html";
    reset_password(link, until) = "mail/reset_password/subject.txt", "mail/reset_password/body.txt", "mail/reset_password/body.html";
    reset_unknown() = "mail/reset_unknown/subject.txt", "mail/reset_unknown/body.txt", "mail/reset_unknown/body.html";
    password_changed(at, forgotten)
        = "mail/password_changed/subject.txt", "mail/password_changed/body.txt", "mail/password_changed/body.html";
    order_expired(link, domain) = "mail/order_expired/subject.txt", "mail/order_expired/body.txt", "mail/order_expired/body.html";
    server_ready(link, server, password, handle, email)
        = "mail/server_ready/subject.txt", "mail/server_ready/body.txt", "mail/server_ready/body.html";
    archive_ready(link, domain, until) = "mail/archive_ready/subject.txt", "mail/archive_ready/body.txt", "mail/archive_ready/body.html";
    archive_failed(link, domain) = "mail/archive_failed/subject.txt", "mail/archive_failed/body.txt", "mail/archive_failed/body.html";
    upgrade_planned(link, domain, from, version, at, changes)
        = "mail/upgrade_planned/subject.txt", "mail/upgrade_planned/body.txt", "mail/upgrade_planned/body.html";
    waiting_list_joined(domain, position)
        = "mail/waiting_list_joined/subject.txt", "mail/waiting_list_joined/body.txt", "mail/waiting_list_joined/body.html";
    waiting_list_invited(link, leave, domain, until)
        = "mail/waiting_list_invited/subject.txt", "mail/waiting_list_invited/body.txt", "mail/waiting_list_invited/body.html";
    waiting_list_lapsed(domain)
        = "mail/waiting_list_lapsed/subject.txt", "mail/waiting_list_lapsed/body.txt", "mail/waiting_list_lapsed/body.html";
    payment_failed(link, domain, amount, until)
        = "mail/payment_failed/subject.txt", "mail/payment_failed/body.txt", "mail/payment_failed/body.html";
    server_paused(link, domain, until)
        = "mail/server_paused/subject.txt", "mail/server_paused/body.txt", "mail/server_paused/body.html";
    server_ending(link, domain, until, why, next)
        = "mail/server_ending/subject.txt", "mail/server_ending/body.txt", "mail/server_ending/body.html";
    payment_received(link, domain, next)
        = "mail/payment_received/subject.txt", "mail/payment_received/body.txt", "mail/payment_received/body.html";
    cancellation_noted(link, domain, at, kept_until)
        = "mail/cancellation_noted/subject.txt", "mail/cancellation_noted/body.txt", "mail/cancellation_noted/body.html";
    invitation(link, account, by, until)
        = "mail/invitation/subject.txt", "mail/invitation/body.txt", "mail/invitation/body.html";
    member_joined(link, account, member)
        = "mail/member_joined/subject.txt", "mail/member_joined/body.txt", "mail/member_joined/body.html";
    membership_ended(account, at)
        = "mail/membership_ended/subject.txt", "mail/membership_ended/body.txt", "mail/membership_ended/body.html";
    owner_changed(link, account, owner, at)
        = "mail/owner_changed/subject.txt", "mail/owner_changed/body.txt", "mail/owner_changed/body.html";
    second_contact(link, account)
        = "mail/second_contact/subject.txt", "mail/second_contact/body.txt", "mail/second_contact/body.html";
    take_over_asked(link, account, contact, due)
        = "mail/take_over_asked/subject.txt", "mail/take_over_asked/body.txt", "mail/take_over_asked/body.html";
    take_over_stopped(account)
        = "mail/take_over_stopped/subject.txt", "mail/take_over_stopped/body.txt", "mail/take_over_stopped/body.html";
    new_device(link, agent, network, at)
        = "mail/new_device/subject.txt", "mail/new_device/body.txt", "mail/new_device/body.html";
    change_address_old(link, address, until)
        = "mail/change_address_old/subject.txt", "mail/change_address_old/body.txt", "mail/change_address_old/body.html";
    change_address_new(link, until)
        = "mail/change_address_new/subject.txt", "mail/change_address_new/body.txt", "mail/change_address_new/body.html";
    address_changed(address, at)
        = "mail/address_changed/subject.txt", "mail/address_changed/body.txt", "mail/address_changed/body.html";
    second_factor_on(link, at)
        = "mail/second_factor_on/subject.txt", "mail/second_factor_on/body.txt", "mail/second_factor_on/body.html";
    passkey_made(link, name, at)
        = "mail/passkey_made/subject.txt", "mail/passkey_made/body.txt", "mail/passkey_made/body.html";
    webhook_off(link, url, since) = "mail/webhook_off/subject.txt", "mail/webhook_off/body.txt", "mail/webhook_off/body.html";
    second_factor_off(link, at)
        = "mail/second_factor_off/subject.txt", "mail/second_factor_off/body.txt", "mail/second_factor_off/body.html";
    staff_second_factor(what)
        = "mail/staff_second_factor/subject.txt", "mail/staff_second_factor/body.txt", "mail/staff_second_factor/body.html";
    staff_access(link, account, reason, ticket, until)
        = "mail/staff_access/subject.txt", "mail/staff_access/body.txt", "mail/staff_access/body.html";
    recovery_code_used(link, left, at)
        = "mail/recovery_code_used/subject.txt", "mail/recovery_code_used/body.txt", "mail/recovery_code_used/body.html";
    announcement(link, title, text)
        = "mail/announcement/subject.txt", "mail/announcement/body.txt", "mail/announcement/body.html";
    alert(link, runbook, state, title, what, next)
        = "mail/alert/subject.txt", "mail/alert/body.txt", "mail/alert/body.html";
}

/// The words of a notice. `host_name` is what the host calls itself, as its customers know it.
pub fn render(notice: &Notice, words: &Words, links: &dyn Links, host_name: &str) -> Result<Rendered, RenderError> {
    let frame = &Frame { words, host: host_name, home: links.home().into() };
    let (members, security) = (links.members(), links.security());
    let (members, security) = (members.as_str(), security.as_str());
    let rendered = match notice {
        Notice::VerifyAddress { token, until } => verify_address(frame, links.verify(*token).as_str(), &moment(words, *until)),
        Notice::AlreadyRegistered {} => already_registered(frame, links.sign_in().as_str(), links.forgotten_password().as_str()),
        Notice::ResetPassword { token, until } => reset_password(frame, links.reset(*token).as_str(), &moment(words, *until)),
        Notice::ResetUnknown {} => reset_unknown(frame),
        Notice::PasswordChanged { at } => password_changed(frame, &moment(words, *at), links.forgotten_password().as_str()),
        Notice::OrderExpired { order, domain } => order_expired(frame, links.order(*order).as_str(), domain),
        Notice::ServerReady { instance, domain, web_domain, owner_username, owner_email } => {
            let server = format!("https://{web_domain}/");
            // Mastodon's own page for a forgotten password: it mails a link to the owner, and we never learn the password.
            let password = format!("{server}auth/password/new");
            let handle = format!("@{owner_username}@{domain}");
            server_ready(frame, links.instance(*instance).as_str(), &server, &password, &handle, owner_email)
        }
        Notice::ArchiveReady { instance, domain, until } => {
            archive_ready(frame, links.instance(*instance).as_str(), domain, &moment(words, *until))
        }
        Notice::ArchiveFailed { instance, domain } => archive_failed(frame, links.instance(*instance).as_str(), domain),
        Notice::UpgradePlanned { instance, domain, from, version, not_before, changes } => upgrade_planned(
            frame,
            links.upgrades(*instance).as_str(),
            domain,
            from,
            version,
            &moment(words, *not_before),
            changes,
        ),
        Notice::WaitingListJoined { domain, position } => waiting_list_joined(frame, domain, &position.to_string()),
        Notice::WaitingListInvited { domain, until, person, account, entry } => {
            let leave = links.leave_waiting_list(*person, *account, *entry);
            waiting_list_invited(frame, links.waiting().as_str(), leave.as_str(), domain, &moment(words, *until))
        }
        Notice::WaitingListLapsed { domain } => waiting_list_lapsed(frame, domain),
        Notice::PaymentFailed { instance, domain, amount, until } => {
            payment_failed(frame, links.billing(*instance).as_str(), domain, &amount.to_string(), &moment(words, *until))
        }
        Notice::ServerPaused { instance, domain, until } => {
            server_paused(frame, links.billing(*instance).as_str(), domain, &moment(words, *until))
        }
        Notice::ServerEnding { instance, domain, until, unpaid, last } => {
            let why = words.t1(if *unpaid { "mail-ending-unpaid" } else { "mail-ending-over" }, "domain", domain);
            let next = words.t(if *last { "mail-ending-last" } else { "mail-ending-more" });
            server_ending(frame, links.billing(*instance).as_str(), domain, &moment(words, *until), &why, &next)
        }
        Notice::PaymentReceived { instance, domain, runs } => {
            let next = words.t(if *runs { "mail-received-runs" } else { "mail-received-held" });
            payment_received(frame, links.instance(*instance).as_str(), domain, &next)
        }
        Notice::CancellationNoted { instance, domain, at, kept_until } => {
            cancellation_noted(frame, links.billing(*instance).as_str(), domain, &moment(words, *at), &moment(words, *kept_until))
        }
        Notice::Invitation { token, account, by, until } => {
            invitation(frame, links.join(*token).as_str(), account, by, &moment(words, *until))
        }
        Notice::MemberJoined { account, member } => member_joined(frame, members, account, member),
        Notice::MembershipEnded { account, at } => membership_ended(frame, account, &moment(words, *at)),
        Notice::OwnerChanged { account, owner, at } => owner_changed(frame, members, account, owner, &moment(words, *at)),
        Notice::SecondContact { account } => second_contact(frame, members, account),
        Notice::TakeOverAsked { account, contact, due } => {
            take_over_asked(frame, members, account, contact, &moment(words, *due))
        }
        Notice::TakeOverStopped { account } => take_over_stopped(frame, account),
        Notice::NewDevice { agent, network, at } => new_device(frame, security, agent, network, &moment(words, *at)),
        Notice::ChangeAddressOld { token, address, until } => {
            change_address_old(frame, links.leave_address(*token).as_str(), address, &moment(words, *until))
        }
        Notice::ChangeAddressNew { token, until } => {
            change_address_new(frame, links.take_address(*token).as_str(), &moment(words, *until))
        }
        Notice::AddressChanged { address, at } => address_changed(frame, address, &moment(words, *at)),
        Notice::SecondFactorOn { at } => second_factor_on(frame, security, &moment(words, *at)),
        Notice::SecondFactorOff { at } => second_factor_off(frame, security, &moment(words, *at)),
        Notice::RecoveryCodeUsed { left, at } => recovery_code_used(frame, security, &left.to_string(), &moment(words, *at)),
        Notice::Announcement { title, text } => announcement(frame, links.servers().as_str(), title, text),
        Notice::Alert { rule, state, n, since } => {
            let (what, next) = of_alert(words, rule, *state, *n, *since);
            let title = words.t(&format!("alert-rule-{rule}"));
            let state = words.t(&format!("alert-state-{}", state.word()));
            alert(frame, links.alerts().as_str(), links.runbook(rule).as_str(), &state, &title, &what, &next)
        }
        Notice::StaffSecondFactor { change, at } => {
            staff_second_factor(frame, &words.t2(change.key(), "host", host_name, "at", moment(words, *at)))
        }
        Notice::StaffAccess { account, reason, ticket, until } => {
            staff_access(frame, links.accesses().as_str(), account, reason, ticket, &moment(words, *until))
        }
        Notice::PasskeyMade { name, at } => passkey_made(frame, security, name, &moment(words, *at)),
        Notice::WebhookOff { endpoint, url, since } => {
            webhook_off(frame, links.webhook(*endpoint).as_str(), url, &moment(words, *since))
        }
    };
    rendered.map_err(|source| RenderError { kind: notice.kind(), source })
}

/// What an alert says: what was found, and what follows.
fn of_alert(words: &Words, rule: &str, state: AlertState, n: i64, since: DateTime<Utc>) -> (String, String) {
    let found = words.count(&format!("alert-firing-{rule}"), "n", n);
    match state {
        AlertState::Began => (found, words.t("mail-alert-began")),
        AlertState::Stands => (found, words.t1("mail-alert-stands", "since", moment(words, since))),
        AlertState::Over => (words.t1("mail-alert-over", "since", moment(words, since)), words.t("mail-alert-over-next")),
    }
}

/// `24 November 2026, 06:40 UTC`: the receiver's time zone is unknown.
fn moment(words: &Words, at: DateTime<Utc>) -> String {
    let month = words.t(&format!("month-{}", at.month()));
    words.with("moment-whole", &[("day", &at.day()), ("month", &month), ("year", &at.year()), ("time", &at.format("%H:%M"))])
}

/// A subject is one line, whatever a value in it holds.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

const WIDTH: usize = 72;

/// Breaks long lines at spaces; words longer than a line, as addresses are, stay whole. At most one empty line in a row.
fn wrap(text: &str) -> String {
    let mut wrapped = String::with_capacity(text.len() + 64);
    let mut empty_before = true;
    for line in text.lines() {
        if line.trim().is_empty() {
            if !empty_before {
                wrapped.push('\n');
            }
            empty_before = true;
            continue;
        }
        empty_before = false;
        let mut width = 0;
        for word in line.split(' ') {
            let length = word.chars().count();
            if width > 0 {
                let break_here = width + 1 + length > WIDTH;
                wrapped.push(if break_here { '\n' } else { ' ' });
                width = if break_here { 0 } else { width + 1 };
            }
            wrapped.push_str(word);
            width += length;
        }
        wrapped.push('\n');
    }
    wrapped.truncate(wrapped.trim_end().len());
    wrapped.push('\n');
    wrapped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_break_at_spaces_and_addresses_stay_whole() {
        let address = format!("https://host.example/{}", "x".repeat(90));
        let text = wrap(&format!("\n\n{}\n\n\n\n{address} after\n\n", "word ".repeat(40).trim_end()));
        assert!(text.contains(&address), "{text}");
        assert!(text.lines().all(|line| line == address || line.chars().count() <= WIDTH), "{text}");
        assert!(!text.contains("\n\n\n") && !text.starts_with('\n'), "{text}");
    }

    #[test]
    fn a_subject_stays_one_line() {
        assert_eq!(one_line("Your server\r\nBcc: everybody@example.org \n"), "Your server Bcc: everybody@example.org");
    }
}
