//! `paddock admin mail-map` and `mail-credential`: what the keeper of the host's mail relay needs. See docs/mail.md.

use std::fmt::Write as _;
use std::io::BufRead as _;

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use secrecy::{ExposeSecret as _, SecretString};

use super::ConfigFile;
use crate::ids::InstanceId;
use crate::instance::{self, Mailing};
use crate::operator::relay::Logins;
use crate::plan::Catalogue;
use crate::resource::resource_name;

#[derive(Debug, Args)]
pub(super) struct MailMap {
    #[command(flatten)]
    file: ConfigFile,
    /// Which list.
    #[arg(long, value_enum, default_value_t = List::Logins)]
    list: List,
}

#[derive(Debug, Args)]
pub(super) struct MailCredential {
    #[command(flatten)]
    file: ConfigFile,
    /// The server: `ins_…`.
    #[arg(long)]
    instance: InstanceId,
    /// Read a password from standard input and exit with 0 if it is the server's, with 1 if not.
    #[arg(long)]
    verify: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum List {
    /// A passwd-file of Dovecot's: login and hash of the password, with the limit as an extra field.
    Logins,
    /// Rules of postfwd: how many recipients a login may have in a day.
    Limits,
    /// A table of Postfix' (`smtpd_sender_login_maps`): sender and the login that may use it.
    Senders,
}

/// A line of the lists.
struct Row {
    server: String,
    login: String,
    hash: String,
    sender: String,
    per_day: u32,
}

pub(super) async fn print(map: &MailMap) -> anyhow::Result<()> {
    let parts = map.file.parts()?;
    let settings = parts.operator_settings()?;
    let logins = settings.mail.each.as_ref().context(MISSING)?;
    let mut conn = parts.db.owner().acquire().await?;
    let servers = instance::list_mailing(&mut conn).await?;
    drop(conn);
    let rows = rows(logins, &settings.mail.from, parts.catalogue(), &servers)?;
    print!("{}", list(map.list, &rows));
    Ok(())
}

const MISSING: &str = "operator.mail.each: is missing, so the servers have no logins of their own; see docs/mail.md";

fn rows(logins: &Logins, from: &str, catalogue: &Catalogue, servers: &[Mailing]) -> anyhow::Result<Vec<Row>> {
    let least = catalogue.plans().iter().map(|plan| plan.limits.mails_per_day).min().unwrap_or_default();
    let row = |server: &Mailing| {
        let Mailing { id, domain, plan_code } = server;
        let name = resource_name(*id);
        let login = logins.of(&name).context(MISSING)?.username;
        let hash = logins.hash(&name).context(MISSING)?;
        // A plan that has left the catalogue, which it should not while somebody has it, gives the least.
        let per_day = catalogue.get(plan_code).map_or(least, |plan| plan.limits.mails_per_day);
        Ok(Row { server: name, login, hash, sender: from.replace("{domain}", domain), per_day })
    };
    servers.iter().map(row).collect()
}

fn list(which: List, rows: &[Row]) -> String {
    let mut text = String::from("# Written by paddock admin mail-map. Changes are lost.\n");
    for Row { server, login, hash, sender, per_day } in rows {
        // Writing into a text can't fail.
        let _ = match which {
            List::Logins => writeln!(text, "{login}:{hash}::::::userdb_mails_per_day={per_day}"),
            List::Limits => writeln!(
                text,
                "id={server}; sasl_username=={login}; action=rcpt(sasl_username/{per_day}/86400/450 4.7.1 the daily limit of this server is reached)"
            ),
            List::Senders => writeln!(text, "{sender} {login}"),
        };
    }
    text
}

pub(super) fn credential(credential: &MailCredential) -> anyhow::Result<()> {
    let parts = credential.file.parts()?;
    let settings = parts.operator_settings()?;
    let logins = settings.mail.each.as_ref().context(MISSING)?;
    let server = resource_name(credential.instance);
    if credential.verify {
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line).context("reading the password from standard input")?;
        let password: SecretString = line.trim_end_matches(['\r', '\n']).to_owned().into();
        if !logins.verifies(&server, &password) {
            bail!("this is not the password of {server}");
        }
        println!("this is the password of {server}");
        return Ok(());
    }
    let login = logins.of(&server).context(MISSING)?;
    println!("{}\n{}", login.username, login.password.expose_secret());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_say_who_may_send_what_and_as_whom() {
        let logins = Logins { domain: "relay.example".into(), secret: "ab".repeat(32).into() };
        let catalogue = Catalogue::parse(include_str!("../../catalogue/plans.toml")).unwrap();
        let server = |id: u128, plan: &str| Mailing {
            id: InstanceId::from(uuid::Uuid::from_u128(id)),
            domain: format!("cats{id}.meadow.social"),
            plan_code: plan.to_owned(),
        };
        let rows = rows(&logins, "notifications@{domain}", &catalogue, &[server(1, "town"), server(2, "gone")]).unwrap();
        let [one, two] = [1, 2].map(|id| format!("ins-0000000000000000000000000{id}"));
        let lines = |which| list(which, &rows).lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
        let logins = lines(List::Logins);
        assert!(
            logins[0].starts_with(&format!("{one}@relay.example:{{ARGON2ID}}$argon2id$v=19$m=1024,t=1,p=1$")),
            "{}",
            logins[0]
        );
        assert!(logins[0].ends_with("::::::userdb_mails_per_day=30000") && logins[1].ends_with("=500"), "{logins:?}");
        assert_eq!(logins[0].split(':').count(), 8, "user, password, uid, gid, gecos, home, shell, extra");
        assert_eq!(
            lines(List::Limits)[0],
            format!(
                "id={one}; sasl_username=={one}@relay.example; action=rcpt(sasl_username/30000/86400/450 4.7.1 the daily limit of this server is reached)"
            )
        );
        assert_eq!(lines(List::Senders)[1], format!("notifications@cats2.meadow.social {two}@relay.example"));
    }
}
