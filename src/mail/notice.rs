//! What is owed to somebody, as a transaction writes it down.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::ids::{AccountId, HookEndpointId, InstanceId, OrderId, PersonId, WaitingId};
use crate::money::{Currency, Money};

/// What became of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertState {
    /// It has just begun.
    Began,
    /// It goes on, and nobody has said that they look after it.
    Stands,
    /// It is over.
    Over,
}

impl AlertState {
    /// The word in JSON and in keys of the locale files.
    pub fn word(self) -> &'static str {
        match self {
            Self::Began => "began",
            Self::Stands => "stands",
            Self::Over => "over",
        }
    }
}

/// One mail, before it has words. Kept as JSON in its row, so a variant and its fields may be added to but never renamed.
///
/// No secrets: a `token` is the id of a row, and the link that proves possession of the address is made from it when the mail is
/// rendered, by [`Links`](super::Links).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "notice", rename_all = "snake_case")]
pub enum Notice {
    /// Somebody signed up: prove that the address is theirs.
    VerifyAddress {
        /// The row of the token.
        token: Uuid,
        /// When the link stops working.
        until: DateTime<Utc>,
    },
    /// Somebody signed up with an address that has an account already. The page said the same as for a new one.
    AlreadyRegistered {},
    /// Somebody asked for a new password.
    ResetPassword {
        /// The row of the token.
        token: Uuid,
        /// When the link stops working.
        until: DateTime<Utc>,
    },
    /// Somebody asked for a new password and there is no account with this address. The page said the same as for a known one.
    ResetUnknown {},
    /// The password is another one now.
    PasswordChanged {
        /// Since when.
        at: DateTime<Utc>,
    },
    /// Nobody paid until the deadline; the place was given back.
    OrderExpired {
        /// The order that ended.
        order: OrderId,
        /// The server it was about.
        domain: String,
    },
    /// The server runs: how its owner gets in.
    ServerReady {
        /// The server.
        instance: InstanceId,
        /// What stands behind the second `@` of its handles.
        domain: String,
        /// Where its pages are; the same as `domain` unless it was chosen apart.
        web_domain: String,
        /// The owner's user name there.
        owner_username: String,
        /// The address to which the server sends the link for the owner's password.
        owner_email: String,
    },
    /// An archive that somebody asked for is there, and a restore has proven it.
    ArchiveReady {
        /// The server.
        instance: InstanceId,
        /// Its domain.
        domain: String,
        /// Until when it can be fetched.
        until: DateTime<Utc>,
    },
    /// An archive that somebody asked for could not be written.
    ArchiveFailed {
        /// The server.
        instance: InstanceId,
        /// Its domain.
        domain: String,
    },
    /// The server gets a new minor of Mastodon, for which there is no way back.
    UpgradePlanned {
        /// The server.
        instance: InstanceId,
        /// What stands behind the second `@` of its handles.
        domain: String,
        /// What it runs.
        from: String,
        /// What it gets.
        version: String,
        /// Not before this.
        not_before: DateTime<Utc>,
        /// What changes, in the host's words; may be empty.
        changes: String,
    },
    /// No place is free: a place in the queue.
    WaitingListJoined {
        /// The server that is waited for.
        domain: String,
        /// How many stand in front, plus one.
        position: u32,
    },
    /// It is somebody's turn: a place is kept for them.
    WaitingListInvited {
        /// The server that is waited for.
        domain: String,
        /// Until when.
        until: DateTime<Utc>,
        /// Whom the mail is for, for the link by which they leave.
        person: PersonId,
        /// Whose turn it is.
        account: AccountId,
        /// The entry.
        entry: WaitingId,
    },
    /// That time is over without an order.
    WaitingListLapsed {
        /// The server that was waited for.
        domain: String,
    },
    /// A renewal was not paid. Written several times.
    PaymentFailed {
        /// The server.
        instance: InstanceId,
        /// Its domain.
        domain: String,
        /// What is paid each time.
        amount: Money,
        /// When the server is paused, at the earliest.
        until: DateTime<Utc>,
    },
    /// It was not paid in time: the server is paused.
    ServerPaused {
        /// The server.
        instance: InstanceId,
        /// Its domain.
        domain: String,
        /// When it begins to end, at the earliest.
        until: DateTime<Utc>,
    },
    /// The server has stopped for good, unless its customer comes back. Written twice at least.
    ServerEnding {
        /// The server.
        instance: InstanceId,
        /// Its domain.
        domain: String,
        /// Until then everything on it is kept.
        until: DateTime<Utc>,
        /// It was not paid; otherwise its subscription is over.
        unpaid: bool,
        /// There is no further mail before that date.
        last: bool,
    },
    /// What was owed is paid.
    PaymentReceived {
        /// The server.
        instance: InstanceId,
        /// Its domain.
        domain: String,
        /// Nothing else keeps it from running.
        runs: bool,
    },
    /// The subscription is set to end.
    CancellationNoted {
        /// The server.
        instance: InstanceId,
        /// Its domain.
        domain: String,
        /// When it ends.
        at: DateTime<Utc>,
        /// Until then everything on it is kept.
        kept_until: DateTime<Utc>,
    },
    /// Somebody is asked to join an account.
    Invitation {
        /// The invitation's row.
        token: Uuid,
        /// What the account is called.
        account: String,
        /// Address of who asks.
        by: String,
        /// When the link stops working.
        until: DateTime<Utc>,
    },
    /// To the owner: an invitation was accepted.
    MemberJoined {
        /// What the account is called.
        account: String,
        /// Address of who joined.
        member: String,
    },
    /// To who was a member and is none any more.
    MembershipEnded {
        /// What the account is called.
        account: String,
        /// Since when.
        at: DateTime<Utc>,
    },
    /// To all members: the account has another owner.
    OwnerChanged {
        /// What the account is called.
        account: String,
        /// Address of the owner.
        owner: String,
        /// Since when.
        at: DateTime<Utc>,
    },
    /// To whoever was nominated as second contact.
    SecondContact {
        /// What the account is called.
        account: String,
    },
    /// To all members: the second contact asks to take over.
    TakeOverAsked {
        /// What the account is called.
        account: String,
        /// Address of the second contact.
        contact: String,
        /// From when on they may, if nobody stops it.
        due: DateTime<Utc>,
    },
    /// To all members: the owner has stopped it.
    TakeOverStopped {
        /// What the account is called.
        account: String,
    },
    /// Somebody logged in from a browser or program that was not seen with the person before.
    NewDevice {
        /// What it calls itself.
        agent: String,
        /// From where.
        network: String,
        /// When.
        at: DateTime<Utc>,
    },
    /// To the present address: confirm that another one takes its place.
    ChangeAddressOld {
        /// The change's row.
        token: Uuid,
        /// The address that is to be.
        address: String,
        /// When the link stops working.
        until: DateTime<Utc>,
    },
    /// To the address that is to be: confirm that it is wanted.
    ChangeAddressNew {
        /// The change's row.
        token: Uuid,
        /// When the link stops working.
        until: DateTime<Utc>,
    },
    /// To both: the address was changed.
    AddressChanged {
        /// The address that is now.
        address: String,
        /// Since when.
        at: DateTime<Utc>,
    },
    /// Logging in takes a second factor now.
    SecondFactorOn {
        /// Since when.
        at: DateTime<Utc>,
    },
    /// Logging in takes no second factor any more.
    SecondFactorOff {
        /// Since when.
        at: DateTime<Utc>,
    },
    /// The same for one of the host's own people, who can't do without.
    StaffSecondFactor {
        /// What became of it.
        change: FactorChange,
        /// When.
        at: DateTime<Utc>,
    },
    /// Staff look into an account.
    StaffAccess {
        /// What the account is called.
        account: String,
        /// Why, in the words of who looks.
        reason: String,
        /// What it is about.
        ticket: String,
        /// Until when at the most.
        until: DateTime<Utc>,
    },
    /// A recovery code was used.
    RecoveryCodeUsed {
        /// How many are left.
        left: u32,
        /// When.
        at: DateTime<Utc>,
    },
    /// Somebody has a new passkey.
    PasskeyMade {
        /// What they call it.
        name: String,
        /// Since when.
        at: DateTime<Utc>,
    },
    /// A webhook's endpoint has taken nothing for days and is not called any more.
    WebhookOff {
        /// Which.
        endpoint: HookEndpointId,
        /// Where it is.
        url: String,
        /// Since when it has taken nothing.
        since: DateTime<Utc>,
    },
    /// To everybody who has a server: what the host's people have to say, in their own words.
    Announcement {
        /// In a line.
        title: String,
        /// The whole.
        text: String,
    },
    /// To the host's own people: a rule found something to look at.
    Alert {
        /// The rule's word.
        rule: String,
        /// What became of it.
        state: AlertState,
        /// What the rule counts.
        n: i64,
        /// When it began.
        since: DateTime<Utc>,
    },
}

/// What became of a second factor of the staff.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FactorChange {
    /// It was set up.
    SetUp,
    /// It was forgotten, at the machine itself.
    Forgotten,
    /// A recovery code was used.
    CodeUsed,
}

impl FactorChange {
    /// The key of the words that say so.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::SetUp => "mail-staff-factor-set-up",
            Self::Forgotten => "mail-staff-factor-forgotten",
            Self::CodeUsed => "mail-staff-factor-code-used",
        }
    }
}

impl Notice {
    /// The word under which its templates, counters and snapshots stand; the same as its tag in JSON.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::VerifyAddress { .. } => "verify_address",
            Self::AlreadyRegistered {} => "already_registered",
            Self::ResetPassword { .. } => "reset_password",
            Self::ResetUnknown {} => "reset_unknown",
            Self::PasswordChanged { .. } => "password_changed",
            Self::OrderExpired { .. } => "order_expired",
            Self::ServerReady { .. } => "server_ready",
            Self::ArchiveReady { .. } => "archive_ready",
            Self::ArchiveFailed { .. } => "archive_failed",
            Self::UpgradePlanned { .. } => "upgrade_planned",
            Self::WaitingListJoined { .. } => "waiting_list_joined",
            Self::WaitingListInvited { .. } => "waiting_list_invited",
            Self::WaitingListLapsed { .. } => "waiting_list_lapsed",
            Self::PaymentFailed { .. } => "payment_failed",
            Self::ServerPaused { .. } => "server_paused",
            Self::ServerEnding { .. } => "server_ending",
            Self::PaymentReceived { .. } => "payment_received",
            Self::CancellationNoted { .. } => "cancellation_noted",
            Self::Invitation { .. } => "invitation",
            Self::MemberJoined { .. } => "member_joined",
            Self::MembershipEnded { .. } => "membership_ended",
            Self::OwnerChanged { .. } => "owner_changed",
            Self::SecondContact { .. } => "second_contact",
            Self::TakeOverAsked { .. } => "take_over_asked",
            Self::TakeOverStopped { .. } => "take_over_stopped",
            Self::NewDevice { .. } => "new_device",
            Self::ChangeAddressOld { .. } => "change_address_old",
            Self::ChangeAddressNew { .. } => "change_address_new",
            Self::AddressChanged { .. } => "address_changed",
            Self::SecondFactorOn { .. } => "second_factor_on",
            Self::SecondFactorOff { .. } => "second_factor_off",
            Self::StaffSecondFactor { .. } => "staff_second_factor",
            Self::StaffAccess { .. } => "staff_access",
            Self::RecoveryCodeUsed { .. } => "recovery_code_used",
            Self::PasskeyMade { .. } => "passkey_made",
            Self::WebhookOff { .. } => "webhook_off",
            Self::Announcement { .. } => "announcement",
            Self::Alert { .. } => "alert",
        }
    }

    /// One of each, with fixed values: for the snapshots and for whoever wants to see them.
    pub fn samples() -> Vec<Self> {
        let token = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001);
        let at = DateTime::from_timestamp(1_795_503_600, 0).unwrap_or_default();
        let domain = "birds.social.example".to_owned();
        let mut all = vec![
            Self::VerifyAddress { token, until: at },
            Self::AlreadyRegistered {},
            Self::ResetPassword { token, until: at },
            Self::ResetUnknown {},
            Self::PasswordChanged { at },
            Self::OrderExpired { order: token.into(), domain: domain.clone() },
            Self::ServerReady {
                instance: token.into(),
                domain: "birds.example".to_owned(),
                web_domain: "social.birds.example".to_owned(),
                owner_username: "wren".to_owned(),
                owner_email: "wren@mail.example".to_owned(),
            },
            Self::ArchiveReady { instance: token.into(), domain: domain.clone(), until: at },
            Self::ArchiveFailed { instance: token.into(), domain: domain.clone() },
            Self::WaitingListJoined { domain: domain.clone(), position: 3 },
            Self::WaitingListInvited {
                domain: domain.clone(),
                until: at,
                person: token.into(),
                account: token.into(),
                entry: token.into(),
            },
            Self::WaitingListLapsed { domain: domain.clone() },
            Self::PaymentFailed {
                instance: token.into(),
                domain: domain.clone(),
                amount: Money::new(900, Currency::Eur),
                until: at,
            },
            Self::ServerPaused { instance: token.into(), domain: domain.clone(), until: at },
            Self::ServerEnding { instance: token.into(), domain: domain.clone(), until: at, unpaid: true, last: true },
            Self::PaymentReceived { instance: token.into(), domain: domain.clone(), runs: true },
            Self::CancellationNoted { instance: token.into(), domain: domain.clone(), at, kept_until: at },
            Self::UpgradePlanned {
                instance: token.into(),
                domain,
                from: "4.6.9".to_owned(),
                version: "4.7.4".to_owned(),
                not_before: at,
                changes: "Somebody who logs in after a long time away gets a mail with a code first.".to_owned(),
            },
        ];
        all.extend(Self::samples_of_people(token, at));
        all
    }

    fn samples_of_people(token: Uuid, at: DateTime<Utc>) -> Vec<Self> {
        let (account, wren) = ("Birds & Friends".to_owned(), "wren@mail.example".to_owned());
        vec![
            Self::Invitation { token, account: account.clone(), by: wren.clone(), until: at },
            Self::MemberJoined { account: account.clone(), member: wren.clone() },
            Self::MembershipEnded { account: account.clone(), at },
            Self::OwnerChanged { account: account.clone(), owner: wren.clone(), at },
            Self::SecondContact { account: account.clone() },
            Self::TakeOverAsked { account: account.clone(), contact: wren.clone(), due: at },
            Self::StaffAccess {
                account: account.clone(),
                reason: "Pictures do not load, as you have told us".to_owned(),
                ticket: "4711".to_owned(),
                until: at,
            },
            Self::TakeOverStopped { account },
            Self::NewDevice { agent: "Mozilla/5.0 (X11; Linux)".to_owned(), network: "192.0.2.7".to_owned(), at },
            Self::ChangeAddressOld { token, address: wren.clone(), until: at },
            Self::ChangeAddressNew { token, until: at },
            Self::AddressChanged { address: wren, at },
            Self::SecondFactorOn { at },
            Self::SecondFactorOff { at },
            Self::StaffSecondFactor { change: FactorChange::SetUp, at },
            Self::RecoveryCodeUsed { left: 9, at },
            Self::PasskeyMade { name: "phone".to_owned(), at },
            Self::WebhookOff { endpoint: token.into(), url: "https://birds.example/hook".to_owned(), since: at },
            Self::Announcement {
                title: "Work on Sunday".to_owned(),
                text: "Servers are slow for an hour, from 2:00 UTC on.".to_owned(),
            },
            Self::Alert { rule: "backup-unproven".to_owned(), state: AlertState::Began, n: 3, since: at },
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_is_the_tag_in_json_and_the_way_back_is_whole() {
        for notice in Notice::samples() {
            let json = serde_json::to_value(&notice).unwrap();
            assert_eq!(json["notice"], notice.kind());
            assert_eq!(serde_json::from_value::<Notice>(json).unwrap(), notice);
        }
    }
}
