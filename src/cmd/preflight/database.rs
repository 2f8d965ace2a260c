//! Paddock's own Postgres: version, roles, migrations, time.

use super::Surroundings;
use super::report::Check;
use crate::db::{Db, ROLES};
use crate::telemetry::chain;

pub(super) async fn look(surroundings: &Surroundings) -> Vec<Check> {
    let parts = &surroundings.parts;
    let mut checks = Vec::new();
    let facts = match parts.db.facts().await {
        Ok(facts) => facts,
        Err(error) => {
            let remedy = "correct database.url, start Postgres, or let this machine in (pg_hba.conf)";
            return vec![Check::fault("Postgres", chain(&error), remedy)];
        }
    };
    let version = format!("Postgres {}", facts.version);
    checks.push(if facts.number >= 150_000 {
        Check::ok("Postgres", version)
    } else {
        Check::fault("Postgres", version, "upgrade to Postgres 15 or newer")
    });
    checks.push(roles(&facts.missing_roles));
    checks.push(migrations(&parts.db).await);
    let skew = (parts.clock.now() - facts.now).num_seconds().abs();
    if skew > 5 {
        let remedy = "set the clocks by NTP: deadlines of payments are compared with both";
        checks.push(Check::warn("clock", format!("{skew} s from Postgres'"), remedy));
    }
    checks
}

fn roles(missing: &[String]) -> Check {
    if missing.is_empty() {
        return Check::ok("database roles", format!("may act as all {}", ROLES.len()));
    }
    let remedy = "run paddock migrate as a user who may create roles, or make them and grant them to the user of database.url (see the first \
                  migration)";
    Check::fault("database roles", format!("can't act as {}", missing.join(", ")), remedy)
}

async fn migrations(db: &Db) -> Check {
    match db.outstanding().await {
        Ok(outstanding) if outstanding.is_empty() => Check::ok("migrations", "up to date"),
        Ok(outstanding) => {
            let found = format!("{} outstanding, the first: {}", outstanding.len(), outstanding[0]);
            Check::fault("migrations", found, "run paddock migrate (the chart does on helm upgrade)")
        }
        Err(error) => Check::fault("migrations", chain(&error), "let the user of database.url own the database"),
    }
}
