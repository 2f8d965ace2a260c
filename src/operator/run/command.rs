//! What each piece of upkeep runs: a program of Mastodon's with its arguments, and never a shell between them.
//!
//! Options from Mastodon's `lib/mastodon/cli`. Code for `rails runner` is fixed text; whatever varies reaches it as a variable of
//! the environment.

use crate::resource::{Counters, Maintenance, Media, RegistrationMode};

/// Records that are worked on at a time. One database connection each, of those that are set apart for Jobs.
const AT_ONCE: &str = "4";

/// Empties all timelines, then builds them. The first step takes a moment; whoever looks between the two sees an empty timeline.
const REBUILD: &str = "bin/tootctl feeds clear && exec bin/tootctl feeds build --all --concurrency \"$AT_ONCE\"";

/// Makes an invitation and mails its link to the owner. The link goes nowhere else, and an invitation that could not be mailed
/// is taken back.
const INVITE: &str = r#"
user = Account.find_local(ENV.fetch('OWNER_USERNAME'))&.user
abort "the owner's account is gone: invite people from another account of this server" if user.nil?
abort "the owner's account can't invite anybody: it is disabled, unconfirmed or lacks its second factor" unless user.functional?
invite = user.invites.create!(max_uses: Integer(ENV.fetch('INVITE_USES'), 10), expires_at: Integer(ENV.fetch('INVITE_SECONDS'), 10).seconds.from_now)
host = Rails.configuration.x.web_domain
body = <<~TEXT
  You asked for an invitation to #{host}:

  https://#{host}/invite/#{invite.code}

  It lets #{invite.max_uses} in, until #{invite.expires_at.utc.strftime('%Y-%m-%d %H:%M UTC')}. Whoever has the link can register.
TEXT
begin
  ActionMailer::Base.mail(to: user.email, from: ENV.fetch('SMTP_FROM_ADDRESS'), subject: "Your invitation to #{host}", body: body).deliver_now
rescue StandardError => e
  invite.destroy!
  abort "the mail could not be sent, so the invitation was taken back: #{e.class}"
end
puts 'OK, the link is on its way to the owner'
"#;

/// Lets Mastodon send its own mail for a new password. It returns a secret, which must not be printed.
const PASSWORD_MAIL: &str = r"
user = Account.find_local(ENV.fetch('OWNER_USERNAME'))&.user
abort 'the owner has no account here any more' if user.nil?
abort 'the owner has no password here and signs in elsewhere' unless user.send_reset_password_instructions
puts 'OK, the mail is on its way to the owner'
";

/// Says for how long files are kept: settings of Mastodon's own, which its nightly vacuum reads. Nothing in the first one is for ever.
const RETENTION: &str = r"
days = ENV.fetch('MEDIA_DAYS')
Setting.media_cache_retention_period = days.empty? ? nil : Integer(days, 10)
Setting.backups_retention_period = Integer(ENV.fetch('ARCHIVE_DAYS'), 10)
puts 'OK, it holds from tonight on'
";

/// A program with its arguments, and what it reads beside Mastodon's own environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Program and arguments.
    pub words: Vec<String>,
    /// Variables.
    pub env: Vec<(&'static str, String)>,
}

impl Command {
    fn tootctl<const N: usize>(words: [&str; N]) -> Self {
        let words = std::iter::once("bin/tootctl").chain(words).map(str::to_owned).collect();
        Self { words, env: Vec::new() }
    }

    fn rails(code: &str, env: Vec<(&'static str, String)>) -> Self {
        Self { words: ["bin/rails", "runner", code.trim()].map(str::to_owned).to_vec(), env }
    }
}

/// What a piece of upkeep runs.
pub fn command(maintenance: &Maintenance) -> Command {
    match maintenance {
        Maintenance::MediaRemoval { what, days } => {
            let mut command = Command::tootctl(["media", "remove", "--days", &days.get().to_string(), "--concurrency", AT_ONCE]);
            match what {
                Media::Attachments => {}
                Media::Profiles => command.words.push("--prune-profiles".to_owned()),
                Media::Headers => command.words.push("--remove-headers".to_owned()),
            }
            command
        }
        Maintenance::PreviewCardRemoval { days } => {
            Command::tootctl(["preview_cards", "remove", "--days", &days.get().to_string(), "--concurrency", AT_ONCE])
        }
        Maintenance::Retention { media_days, archive_days } => {
            let media = media_days.map(|days| days.get().to_string()).unwrap_or_default();
            Command::rails(RETENTION, vec![("MEDIA_DAYS", media), ("ARCHIVE_DAYS", archive_days.get().to_string())])
        }
        Maintenance::FeedBuild { clear_first: false } => Command::tootctl(["feeds", "build", "--all", "--concurrency", AT_ONCE]),
        Maintenance::FeedBuild { clear_first: true } => {
            Command { words: ["sh", "-c", REBUILD].map(str::to_owned).to_vec(), env: vec![("AT_ONCE", AT_ONCE.to_owned())] }
        }
        Maintenance::CacheClear {} => Command::tootctl(["cache", "clear"]),
        Maintenance::Recount { what } => {
            let what = match what {
                Counters::Accounts => "accounts",
                Counters::Statuses => "statuses",
            };
            Command::tootctl(["cache", "recount", what, "--concurrency", AT_ONCE])
        }
        Maintenance::AccountRefresh { domain: None } => {
            Command::tootctl(["accounts", "refresh", "--all", "--concurrency", AT_ONCE])
        }
        Maintenance::AccountRefresh { domain: Some(domain) } => {
            Command::tootctl(["accounts", "refresh", "--domain", domain.as_str(), "--concurrency", AT_ONCE])
        }
        Maintenance::Registrations { mode } => {
            let mode = match mode {
                RegistrationMode::Open => "open",
                RegistrationMode::Approved => "approved",
                RegistrationMode::Closed => "close",
            };
            Command::tootctl(["settings", "registrations", mode])
        }
        Maintenance::OwnerInvite { uses, valid } => {
            Command::rails(INVITE, vec![("INVITE_USES", uses.get().to_string()), ("INVITE_SECONDS", valid.seconds().to_string())])
        }
        Maintenance::PasswordMail {} => Command::rails(PASSWORD_MAIL, Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::resource::Action;

    /// One of each, with every choice.
    fn all() -> Vec<Maintenance> {
        let wanted = json!([
            {"mediaRemoval": {"what": "attachments", "days": 7}},
            {"mediaRemoval": {"what": "profiles", "days": 30}},
            {"mediaRemoval": {"what": "headers", "days": 365}},
            {"previewCardRemoval": {"days": 180}},
            {"retention": {"mediaDays": 14, "archiveDays": 7}},
            {"retention": {"archiveDays": 30}},
            {"feedBuild": {"clearFirst": false}},
            {"feedBuild": {"clearFirst": true}},
            {"cacheClear": {}},
            {"recount": {"what": "accounts"}},
            {"recount": {"what": "statuses"}},
            {"accountRefresh": {}},
            {"accountRefresh": {"domain": "mastodon.example"}},
            {"registrations": {"mode": "open"}},
            {"registrations": {"mode": "approved"}},
            {"registrations": {"mode": "closed"}},
            {"ownerInvite": {"uses": 5, "valid": "week"}},
            {"passwordMail": {}},
        ]);
        serde_json::from_value(wanted).unwrap()
    }

    #[test]
    fn every_piece_of_upkeep_has_its_command_line() {
        let lines: Vec<String> = all()
            .iter()
            .map(|maintenance| {
                let Command { words, env } = command(maintenance);
                let env = env.iter().fold(String::new(), |all, (name, value)| all + *name + "=" + value.as_str() + " ");
                let line = words.iter().map(|word| word.lines().next().unwrap_or_default()).collect::<Vec<_>>().join(" ");
                format!("{env}{line}")
            })
            .collect();
        assert_eq!(
            lines,
            [
                "bin/tootctl media remove --days 7 --concurrency 4",
                "bin/tootctl media remove --days 30 --concurrency 4 --prune-profiles",
                "bin/tootctl media remove --days 365 --concurrency 4 --remove-headers",
                "bin/tootctl preview_cards remove --days 180 --concurrency 4",
                "MEDIA_DAYS=14 ARCHIVE_DAYS=7 bin/rails runner days = ENV.fetch('MEDIA_DAYS')",
                "MEDIA_DAYS= ARCHIVE_DAYS=30 bin/rails runner days = ENV.fetch('MEDIA_DAYS')",
                "bin/tootctl feeds build --all --concurrency 4",
                "AT_ONCE=4 sh -c bin/tootctl feeds clear && exec bin/tootctl feeds build --all --concurrency \"$AT_ONCE\"",
                "bin/tootctl cache clear",
                "bin/tootctl cache recount accounts --concurrency 4",
                "bin/tootctl cache recount statuses --concurrency 4",
                "bin/tootctl accounts refresh --all --concurrency 4",
                "bin/tootctl accounts refresh --domain mastodon.example --concurrency 4",
                "bin/tootctl settings registrations open",
                "bin/tootctl settings registrations approved",
                "bin/tootctl settings registrations close",
                "INVITE_USES=5 INVITE_SECONDS=604800 bin/rails runner user = Account.find_local(ENV.fetch('OWNER_USERNAME'))&.user",
                "bin/rails runner user = Account.find_local(ENV.fetch('OWNER_USERNAME'))&.user",
            ]
        );
    }

    /// What must never be run against a customer's server (`tootctl`'s own documentation, and what became of servers where it was).
    const DANGEROUS: [&str; 14] = [
        "delete",
        "rotate",
        "remove-orphans",
        "fix-duplicates",
        "purge",
        "self-destruct",
        "cull",
        "prune ",
        "merge",
        "migrate",
        "reset-relationships",
        "compress-database",
        "include-follows",
        "reset-password",
    ];

    #[test]
    fn what_is_dangerous_is_in_no_command_line() {
        for maintenance in all() {
            let line = command(&maintenance).words.join(" ");
            for word in DANGEROUS {
                assert!(!line.contains(word), "{line} has {word}");
            }
        }
    }

    #[test]
    fn what_is_dangerous_can_not_be_expressed() {
        let asked = [
            json!({"accountsDelete": {"username": "ada"}}),
            json!({"accountsRotate": {"all": true}}),
            json!({"mediaRemoveOrphans": {}}),
            json!({"maintenanceFixDuplicates": {}}),
            json!({"domainsPurge": {"domain": "mastodon.example"}}),
            json!({"emojiPurge": {}}),
            json!({"selfDestruct": {}}),
            json!({"command": ["sh"]}),
            json!({"mediaRemoval": {"what": "orphans", "days": 7}}),
            json!({"registrations": {"mode": "open; bin/tootctl self-destruct"}}),
            json!("selfDestruct"),
        ];
        for asked in asked {
            assert!(serde_json::from_value::<Maintenance>(asked.clone()).is_err(), "{asked}");
            let whole = json!({ "maintenance": asked });
            assert!(serde_json::from_value::<Action>(whole.clone()).is_err(), "{whole}");
        }
        // What is not a number or a domain never reaches a command line, and nothing begins with a dash.
        for hostile in ["--all", "-v", "a;b.example", "`id`.example", "a b.example"] {
            assert!(serde_json::from_value::<Maintenance>(json!({"accountRefresh": {"domain": hostile}})).is_err(), "{hostile}");
        }
    }

    #[test]
    fn secrets_that_a_command_makes_are_not_printed() {
        for maintenance in all() {
            let Command { words, env: _ } = command(&maintenance);
            let code = words.last().unwrap();
            for line in code.lines().filter(|line| line.contains("puts") || line.contains("abort")) {
                assert!(!line.contains("code") && !line.contains("email") && !line.contains("token"), "{line}");
                assert!(!line.contains("message"), "an error's text can hold an address: {line}");
            }
        }
    }
}
