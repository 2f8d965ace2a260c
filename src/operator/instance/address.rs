//! The names under which a server is reached: what each is for, and whose certificate covers it. Pure.

use super::validate::Refusal;
use crate::operator::settings::Settings;
use crate::resource::{LocalDomain, MastodonInstanceSpec};

/// What a name is for. Listeners, certificates and routes are called after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Use {
    /// The server's pages.
    Web,
    /// Pictures and videos.
    Media,
    /// The end of handles, when the pages are elsewhere: other servers ask there where an account is.
    Handles,
}

impl Use {
    /// The word in names of objects.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::Media => "media",
            Self::Handles => "handles",
        }
    }

    /// The listener for plain HTTP: redirects, and answers to whoever signs certificates.
    pub fn http(self) -> String {
        format!("{}-http", self.as_str())
    }

    /// The listener that has the certificate.
    pub fn https(self) -> String {
        format!("{}-https", self.as_str())
    }

    /// The Secret into which cert-manager puts the certificate.
    pub fn tls_secret(self) -> String {
        format!("{}-tls", self.as_str())
    }
}

/// Whose certificate covers a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cover {
    /// The host's, for every name directly under its domain.
    Wildcard,
    /// One of its own, for a name under a domain that the customer brings.
    Own,
}

/// A name of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// In full, in ASCII.
    pub name: String,
    /// Whose certificate covers it.
    pub cover: Cover,
}

impl Host {
    fn of(name: &str, wildcard: &str) -> Result<Self, Refusal> {
        let below = name.strip_suffix(wildcard).filter(|rest| rest.is_empty() || rest.ends_with('.'));
        let cover = match below.map(|rest| rest.trim_end_matches('.')) {
            None => Cover::Own,
            Some(label) if !label.is_empty() && !label.contains('.') => Cover::Wildcard,
            Some(_) => return Err(Refusal::NotCovered { host: name.to_owned(), wildcard: wildcard.to_owned() }),
        };
        Ok(Self { name: name.to_owned(), cover })
    }
}

/// The names of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    /// Where its pages are.
    pub web: Host,
    /// Where its media are: a host, perhaps with a path behind it. On a customer's own domain it is below that domain, so that it
    /// leaves with the customer; links to it are in the memory of every other server.
    pub media: String,
    /// The end of its handles, when the pages are elsewhere and the name leads here.
    pub handles: Option<Host>,
    /// Its pages may be answered under that name: it is the host's, or was seen to point here.
    pub served: bool,
}

impl Addresses {
    /// The names of a server whose media are in `bucket`.
    pub fn of(spec: &MastodonInstanceSpec, settings: &Settings, bucket: &str) -> Result<Self, Refusal> {
        let wildcard = &settings.address.wildcard_domain;
        let web = Host::of(spec.web_host(), wildcard)?;
        let handles = match &spec.web_domain {
            Some(_) => Some(Host::of(&spec.domain, wildcard)?),
            None => None,
        };
        let leads_here = |host: &Host| match (host.cover, spec.local_domain) {
            (Cover::Wildcard, _) | (Cover::Own, Some(LocalDomain::Served)) => true,
            (Cover::Own, Some(LocalDomain::Elsewhere) | None) => false,
        };
        let (media, served) = match web.cover {
            Cover::Wildcard => (settings.storage.media_host.replace("{bucket}", bucket), true),
            Cover::Own => (format!("files.{}", web.name), spec.address_confirmed),
        };
        Ok(Self { web, media, handles: handles.filter(leads_here), served })
    }

    /// The names that get listeners and certificates of their own now.
    pub fn own(&self) -> Vec<(Use, &str)> {
        if !self.served {
            return Vec::new();
        }
        let mut own = Vec::new();
        if self.web.cover == Cover::Own {
            own.extend([(Use::Web, self.web.name.as_str()), (Use::Media, self.media.as_str())]);
        }
        let handles = self.handles.iter().filter(|host| host.cover == Cover::Own);
        own.extend(handles.map(|host| (Use::Handles, host.name.as_str())));
        own
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::build::tests::{instance, settings};
    use super::*;

    fn addresses(domain: &str, web: Option<&str>, local: Option<LocalDomain>, confirmed: bool) -> Addresses {
        let mut spec = instance(&json!({"running": {}}), 1).spec;
        (spec.domain, spec.web_domain) = (domain.into(), web.map(str::to_owned));
        (spec.local_domain, spec.address_confirmed) = (local, confirmed);
        Addresses::of(&spec, &settings(), "bucket-1").unwrap()
    }

    fn own(addresses: &Addresses) -> Vec<String> {
        addresses.own().into_iter().map(|(what, host)| format!("{} {host}", what.as_str())).collect()
    }

    #[test]
    fn a_name_under_the_wildcard_needs_nothing_of_its_own() {
        for confirmed in [false, true] {
            let hosted = addresses("cats.herd.example", None, None, confirmed);
            assert_eq!((hosted.web.cover, hosted.served), (Cover::Wildcard, true));
            assert_eq!(hosted.media, "files.herd.example/bucket-1");
            assert_eq!((own(&hosted).len(), hosted.handles), (0, None));
        }
    }

    #[test]
    fn an_own_domain_is_served_once_it_is_confirmed_with_media_below_it() {
        let waiting = addresses("cats.example", None, None, false);
        assert_eq!((waiting.served, waiting.media.as_str(), own(&waiting).len()), (false, "files.cats.example", 0));
        let confirmed = addresses("cats.example", None, None, true);
        assert_eq!(own(&confirmed), ["web cats.example", "media files.cats.example"]);
        assert_eq!(addresses("xherd.example", None, None, true).web.cover, Cover::Own, "alike is not below");
    }

    #[test]
    fn handles_are_answered_where_their_domain_leads_here() {
        use LocalDomain::{Elsewhere, Served};
        let split = |local, confirmed| addresses("cats.example", Some("social.cats.example"), local, confirmed);
        let web = ["web social.cats.example", "media files.social.cats.example"];
        for local in [None, Some(Elsewhere)] {
            assert_eq!((own(&split(local, true)), split(local, true).handles), (web.map(str::to_owned).to_vec(), None));
        }
        assert_eq!(own(&split(Some(Served), true)), [web[0], web[1], "handles cats.example"]);
        assert_eq!(own(&split(Some(Served), false)).len(), 0, "there is nothing to redirect to yet");
        // Handles under the host's domain always lead here; pages there need no confirmation.
        let here = addresses("cats.herd.example", Some("cats.example"), None, true);
        assert_eq!(here.handles.clone().map(|host| host.cover), Some(Cover::Wildcard));
        assert_eq!(own(&here), ["web cats.example", "media files.cats.example"]);
        let there = addresses("cats.example", Some("cats.herd.example"), Some(Served), false);
        assert_eq!((own(&there), there.media.as_str()), (vec!["handles cats.example".to_owned()], "files.herd.example/bucket-1"));
    }
}
