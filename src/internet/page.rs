//! A page that is read to its end, with what its certificate says.

use chrono::{DateTime, Utc};
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

/// The longest page that is one, in bytes.
pub(super) const LONGEST: usize = 64 * 1024;

/// A whole page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// HTTP status.
    pub status: u16,
    /// All of it.
    pub body: Vec<u8>,
    /// Until when the certificate is good; nothing without one.
    pub certificate_until: Option<DateTime<Utc>>,
}

/// Until when a certificate in DER is good; `None` for what is none.
pub(super) fn good_until(der: &[u8]) -> Option<DateTime<Utc>> {
    let certificate = Certificate::from_der(der).ok()?;
    let until = certificate.tbs_certificate().validity().not_after.to_unix_duration();
    DateTime::from_timestamp(i64::try_from(until.as_secs()).ok()?, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_says_until_when_it_is_good() {
        let pem = include_str!("../../tests/it/certificates/expired.pem");
        let text: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
        let der = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, text).unwrap();
        assert!(good_until(&der).unwrap() < DateTime::from_timestamp(1_800_000_000, 0).unwrap());
        assert_eq!([good_until(b""), good_until(&der[..40])], [None, None]);
    }
}
