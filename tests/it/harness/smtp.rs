//! Mail servers that a customer could name: real ones, with certificates of the tests' own authority.

use std::sync::Arc;

use paddock::clock::ManualClock;
use paddock::demo::mailbox::{Entrance, Guard, Mailbox, MailboxSettings};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// The login that is let in.
pub const LOGIN: &str = "wren";
/// Its password; in no other place of a test.
pub const SMTP_PASSWORD: &str = "hunter2-that-nobody-may-see";
/// The name in the certificate.
pub const SMTP_HOST: &str = "smtp.mail.example";

/// Which certificate a server shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// A good one.
    Good,
    /// One whose time is over.
    Expired,
    /// One that it has signed itself.
    Stranger,
}

fn tls(shown: Shown) -> Arc<ServerConfig> {
    let (certificate, key): (&[u8], &[u8]) = match shown {
        Shown::Good => (include_bytes!("../certificates/server.pem"), include_bytes!("../certificates/server.key")),
        Shown::Expired => (include_bytes!("../certificates/expired.pem"), include_bytes!("../certificates/expired.key")),
        Shown::Stranger => (include_bytes!("../certificates/stranger.pem"), include_bytes!("../certificates/stranger.key")),
    };
    let certificate = CertificateDer::from_pem_slice(certificate).unwrap();
    let key = PrivateKeyDer::from_pem_slice(key).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(config.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap())
}

/// A mail server with a door.
pub async fn mail_server(entrance: Entrance, shown: Shown, change: impl FnOnce(&mut Guard)) -> Mailbox {
    let mut guard = Guard {
        entrance,
        tls: tls(shown),
        mechanisms: "PLAIN LOGIN",
        login: LOGIN.to_owned(),
        password: SMTP_PASSWORD.to_owned().into(),
        sender: None,
    };
    change(&mut guard);
    let settings = MailboxSettings { smtp_port: 0, folder: None, clock: ManualClock::at(chrono::DateTime::UNIX_EPOCH) };
    Mailbox::start_guarded(settings, Some(guard)).await.unwrap()
}
