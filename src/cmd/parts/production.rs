//! What the operator of a business must not run with.

use secrecy::ExposeSecret as _;

use super::Faults;
use crate::operator::settings::StorageDriver;
use crate::{config, operator};

/// Everything of it that there is in the operator's settings.
pub(super) fn refuse_in_production(settings: &operator::Settings, faults: &mut Faults) {
    refuse_stores_in_production(settings, faults);
    let program = settings.program_image.iter().map(|image| ("program_image", image.as_str()));
    for (name, image) in operator::stores::named_images(settings).chain(program) {
        if is_stand_in(image) {
            faults.note(
                &format!("operator.{name}"),
                "names the example's digest of zeros; look the real one up: crane digest NAME:TAG",
            );
        }
    }
    for (version, release) in &settings.releases {
        if is_stand_in(&release.web) || is_stand_in(&release.streaming) {
            faults.note("catalogue.releases", format!("{version} has an image with a digest of zeros; look the real one up"));
        }
    }
    if let Some(major) = operator::stores::major(&settings.postgres_image).filter(|major| *major < 17) {
        faults.note("operator.postgres_image", format!("is Postgres {major}; new servers start with 17 or newer"));
    }
    if settings.operator_key().is_some_and(|key| config::REFERENCE.contains(key.expose_secret())) {
        faults.note("operator.sealing.operator_key", "is the example's, which everybody knows; make your own with: age-keygen");
    }
    if settings.mail.each.as_ref().is_some_and(|each| config::REFERENCE.contains(each.secret.expose_secret())) {
        faults.note(
            "operator.mail.each.secret",
            "is the example's, which everybody knows; make your own with: openssl rand -hex 32",
        );
    }
    if settings.network.api_server.is_empty() {
        faults.note(
            "operator.network.api_server",
            "is missing; databases' pods can't start behind their walls without: write api_server = [{ cidr = \"10.96.0.1/32\", port = 443 }]",
        );
    }
    if settings.network.backup_store.is_empty() {
        faults.note(
            "operator.network.backup_store",
            "is missing; no database can be backed up without: write the addresses of operator.storage.pod_endpoint, such as backup_store = [{ cidr = \"10.0.0.5/32\", port = 443 }]",
        );
    }
}

/// The same of where data lie.
fn refuse_stores_in_production(settings: &operator::Settings, faults: &mut Faults) {
    let (storage, vault) = (&settings.storage, &settings.vault);
    for (name, address) in [
        ("storage.endpoint", Some(&storage.endpoint)),
        ("storage.admin_endpoint", storage.admin_endpoint.as_ref()),
        ("vault.endpoint", vault.endpoint.as_ref()),
    ] {
        if address.is_some_and(|address| address.scheme() != "https") {
            faults.note(&format!("operator.{name}"), "must begin with https:// in production: keys and tokens are used there");
        }
    }
    if storage.driver == StorageDriver::Static && storage.accept_shared_key.as_ref() != Some(&storage.access_key) {
        let message = "is missing: with driver = \"static\" every server has the same key and can read and delete what all others have; \
                       name that key here if this is meant, or take a store that can make keys";
        faults.note("operator.storage.accept_shared_key", message);
    }
    for name in operator::vault::examples(vault) {
        faults.note(&format!("operator.vault.{name}"), "is the example's; make your own with: paddock admin vault keygen");
    }
}

fn is_stand_in(image: &str) -> bool {
    image.split_once("@sha256:").is_some_and(|(_, digest)| digest.bytes().all(|digit| digit == b'0'))
}
