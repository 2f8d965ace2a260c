//! The first person of a server: its owner's user name, by Mastodon's own rules, so that making the account can't fail after
//! somebody has paid. Their mail address is [`crate::account::email::EmailAddress`].

use std::fmt;

/// `Account::USERNAME_LENGTH_LIMIT` in Mastodon's app/models/account.rs.
const MOST: usize = 30;

/// `reserved_usernames` in Mastodon's config/settings.yml. An administrator can change the list later; a new server has this one.
const RESERVED: [&str; 8] = ["admin", "support", "help", "root", "webmaster", "administrator", "mod", "moderator"];

/// A user name that a new Mastodon server accepts for its first account, in small letters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OwnerName(String);

/// What is wrong with a user name. The words are in `address.ftl`, under [`OwnerProblem::key`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum OwnerProblem {
    /// Nothing was given.
    Required,
    /// Something else than letters a to z, digits and underscores.
    Characters,
    /// More than 30 characters.
    TooLong {
        /// How many there may be.
        most: usize,
    },
    /// Kept back by Mastodon.
    Reserved(String),
}

impl OwnerProblem {
    /// The message in `address.ftl`.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Required => "owner-required",
            Self::Characters => "owner-characters",
            Self::TooLong { .. } => "owner-too-long",
            Self::Reserved(_) => "owner-reserved",
        }
    }

    /// The field's name in forms and in the API.
    pub fn field(&self) -> &'static str {
        "owner_name"
    }

    /// What the message is filled with.
    pub fn args(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Required | Self::Characters => Vec::new(),
            Self::TooLong { most } => vec![("most", most.to_string())],
            Self::Reserved(name) => vec![("name", name.clone())],
        }
    }
}

impl OwnerName {
    /// A user name as somebody typed it. White space around it and a leading `@` go, capitals become small: Mastodon compares user
    /// names without case. (`/\A[a-z0-9_]+\z/i`, app/models/account.rs; `UnreservedUsernameValidator`.)
    pub fn parse(input: &str) -> Result<Self, Vec<OwnerProblem>> {
        let trimmed = input.trim();
        let name = trimmed.strip_prefix('@').unwrap_or(trimmed).to_ascii_lowercase();
        if name.is_empty() {
            return Err(vec![OwnerProblem::Required]);
        }
        let mut problems = Vec::new();
        if !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_') {
            problems.push(OwnerProblem::Characters);
        }
        if name.chars().count() > MOST {
            problems.push(OwnerProblem::TooLong { most: MOST });
        }
        if RESERVED.contains(&name.as_str()) {
            problems.push(OwnerProblem::Reserved(name.clone()));
        }
        if problems.is_empty() { Ok(Self(name)) } else { Err(problems) }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OwnerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
