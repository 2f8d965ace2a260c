//! From where a request comes: the address of who calls, and the browser by a cookie of its own.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use super::AppState;
use super::error::WebError;
use super::session::{cookie_value, set_cookie};
use crate::account::session::Client;
use crate::crypto;
use crate::internet;

/// From where a request comes.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    /// The caller's address.
    pub network: IpAddr,
    /// What the browser or program calls itself.
    pub agent: String,
    /// Secret of the browser, if somebody has logged in with it before.
    secret: Option<String>,
    /// `network` as text.
    shown: String,
}

impl Origin {
    /// For the list of sessions.
    pub fn client(&self) -> Client<'_> {
        Client { agent: &self.agent, network: &self.shown }
    }

    /// What the browser is known by.
    pub fn device(&self) -> Option<[u8; 32]> {
        self.secret.as_ref().map(|secret| crypto::sha256(secret.as_bytes()))
    }

    /// The same after a log-in: one that had no secret gets one, by the header.
    pub fn keep_device(&self, state: &AppState) -> ([u8; 32], (HeaderName, HeaderValue)) {
        let secret = self.secret.clone().unwrap_or_else(|| crypto::to_base64(&crypto::random::<32>()));
        let cookie = set_cookie(state, cookie_name(state), &secret, cookie::time::Duration::days(400));
        (crypto::sha256(secret.as_bytes()), (header::SET_COOKIE, cookie))
    }

    /// A program keeps no cookies: it is known by its name and address.
    pub fn program(&self) -> [u8; 32] {
        crypto::sha256(format!("program\n{}\n{}", self.agent, self.shown).as_bytes())
    }
}

fn cookie_name(state: &AppState) -> &'static str {
    if state.trial { "paddock_device" } else { "__Host-paddock_device" }
}

impl FromRequestParts<AppState> for Origin {
    type Rejection = WebError;
    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, WebError> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
        let peer = peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let network = caller(peer, &parts.headers, &state.trusted_proxies);
        let agent = parts.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        let secret = cookie_value(&parts.headers, cookie_name(state)).filter(|value| value.len() == 43);
        Ok(Self { network, agent, secret, shown: network.to_string() })
    }
}

/// Who calls, through proxies that we trust: each writes behind what it was sent from whom it got it. So the list is read from its end, as
/// far as those who wrote are trusted; what stands in front of that anybody may have made up.
fn caller(peer: IpAddr, headers: &HeaderMap, trusted: &[String]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|range| internet::contains(range, address));
    let mut at = peer.to_canonical();
    let lines: Vec<&str> = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok()).collect();
    let listed = lines.join(",");
    for text in listed.split(',').map(str::trim).rev().filter(|text| !text.is_empty()) {
        if !is_trusted(at) {
            break;
        }
        let Ok(before) = text.parse::<IpAddr>() else { break };
        at = before.to_canonical();
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trusted_proxies_are_believed() {
        let trusted = ["10.0.0.0/8".to_owned(), "fd00::/8".to_owned()];
        let cases: [(&str, &[&str], &str); 9] = [
            ("192.0.2.9", &[], "192.0.2.9"),
            ("192.0.2.9", &["198.51.100.1"], "192.0.2.9"),
            ("10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["1.1.1.1, 198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["1.1.1.1, 198.51.100.1, 10.0.0.2"], "198.51.100.1"),
            ("10.0.0.1", &["1.1.1.1", "198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            ("::ffff:10.0.0.1", &["2001:db8::1"], "2001:db8::1"),
            ("10.0.0.1", &["somebody"], "10.0.0.1"),
        ];
        for (peer, lines, who) in cases {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("x-forwarded-for", HeaderValue::from_static(line));
            }
            assert_eq!(caller(peer.parse().unwrap(), &headers, &trusted).to_string(), who, "{peer} {lines:?}");
        }
    }
}
