//! Whether mails in the name of a domain will be believed: what the DNS says about it. It is looked at, and nothing is promised by it.

use super::dns::{LookupFailed, RecordKind, Resolver};

/// What is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// Who takes answers.
    Mx,
    /// Who may send.
    Spf,
    /// The key of signatures.
    Dkim,
    /// What others should do with what fits neither.
    Dmarc,
}

impl Check {
    /// The word in keys of the locale files.
    pub fn word(self) -> &'static str {
        match self {
            Self::Mx => "mx",
            Self::Spf => "spf",
            Self::Dkim => "dkim",
            Self::Dmarc => "dmarc",
        }
    }
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// It is there.
    There(Vec<String>),
    /// It is not.
    Missing,
    /// There are several, of which only one may be: then none counts.
    TooMany(Vec<String>),
    /// It could not be looked up.
    Unknown(LookupFailed),
    /// Under which name it stands is known to the mail server alone.
    NotAsked,
}

/// One look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// For what.
    pub check: Check,
    /// Under which name.
    pub name: String,
    /// What was there.
    pub found: Found,
}

/// How the servers' mails leave, as far as it shows from outside.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sending {
    /// The sender; `{domain}` stands for the server's own. `None`: the server's own domain.
    pub from: Option<String>,
    /// Under which name the relay's key stands.
    pub dkim_selector: Option<String>,
}

impl Sending {
    /// The domain in whose name the relay sends for a server.
    pub fn domain(&self, server: &str) -> String {
        let from = self.from.as_deref().unwrap_or("@{domain}").replace("{domain}", server);
        from.rsplit_once('@').map_or(from.as_str(), |(_, domain)| domain).trim_end_matches('>').to_ascii_lowercase()
    }
}

/// Looks at a domain; everything at once.
pub async fn look(resolver: &dyn Resolver, domain: &str, dkim_selector: Option<&str>) -> Vec<Look> {
    let key = dkim_selector.map(|selector| format!("{selector}._domainkey.{domain}"));
    let dkim = async {
        match &key {
            Some(name) => resolver.records(name, RecordKind::Txt).await.map(Some),
            None => Ok(None),
        }
    };
    let (mx, spf, dkim, (policy, dmarc)) = futures::join!(
        resolver.records(domain, RecordKind::Mx),
        resolver.records(domain, RecordKind::Txt),
        dkim,
        look_for_policy(resolver, domain)
    );
    let dkim = match dkim {
        Ok(None) => Found::NotAsked,
        Ok(Some(texts)) => one_of(texts, |text| has_tag(text, "p=")),
        Err(why) => Found::Unknown(why),
    };
    let look = |check, name: &str, found| Look { check, name: name.to_owned(), found };
    vec![
        look(Check::Mx, domain, judge(mx, some_of)),
        look(Check::Spf, domain, judge(spf, |texts| one_of(texts, is_spf))),
        look(Check::Dkim, key.as_deref().unwrap_or(domain), dkim),
        look(Check::Dmarc, &policy, judge(dmarc, |texts| one_of(texts, is_dmarc))),
    ]
}

/// The policy of a domain stands at its own name, or at one above it: the first from below counts.
async fn look_for_policy(resolver: &dyn Resolver, domain: &str) -> (String, Result<Vec<String>, LookupFailed>) {
    let mut at = domain;
    loop {
        let name = format!("_dmarc.{at}");
        let texts = resolver.records(&name, RecordKind::Txt).await;
        let above = at.split_once('.').map(|(_, above)| above).filter(|above| above.contains('.'));
        match (&texts, above) {
            (Ok(found), Some(above)) if !found.iter().any(|text| is_dmarc(text)) => at = above,
            // Nothing anywhere: the first name is where it belongs.
            (Ok(found), None) if !found.iter().any(|text| is_dmarc(text)) => return (format!("_dmarc.{domain}"), texts),
            (Ok(_) | Err(_), _) => return (name, texts),
        }
    }
}

fn judge(answer: Result<Vec<String>, LookupFailed>, found: impl FnOnce(Vec<String>) -> Found) -> Found {
    answer.map_or_else(Found::Unknown, found)
}

fn some_of(values: Vec<String>) -> Found {
    // RFC 7505: a lone dot says that there is none.
    let real: Vec<String> =
        values.into_iter().filter(|value| value.split(' ').nth(1).is_some_and(|host| !host.is_empty())).collect();
    if real.is_empty() { Found::Missing } else { Found::There(real) }
}

fn one_of(texts: Vec<String>, is_one: impl Fn(&str) -> bool) -> Found {
    let found: Vec<String> = texts.into_iter().filter(|text| is_one(text)).collect();
    match found.len() {
        0 => Found::Missing,
        1 => Found::There(found),
        _ => Found::TooMany(found),
    }
}

fn is_spf(text: &str) -> bool {
    let version = text.split(' ').next().unwrap_or_default();
    version.eq_ignore_ascii_case("v=spf1")
}

fn is_dmarc(text: &str) -> bool {
    text.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("v=dmarc1"))
}

/// Whether one of the parts begins so and says something. A key that is empty was taken back.
fn has_tag(text: &str, tag: &str) -> bool {
    text.split(';').any(|part| part.trim().strip_prefix(tag).is_some_and(|value| !value.trim().is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instance::dns::ScriptedResolver;

    async fn found(resolver: &ScriptedResolver, domain: &str, selector: Option<&str>) -> Vec<Found> {
        look(resolver, domain, selector).await.into_iter().map(|look| look.found).collect()
    }

    #[tokio::test]
    async fn what_is_there_is_found_and_what_is_not_is_said_to_be_missing() {
        let resolver = ScriptedResolver::default();
        assert_eq!(found(&resolver, "birds.org", Some("key")).await, [const { Found::Missing }; 4]);
        resolver.set("birds.org", RecordKind::Mx, &["10 mx.birds.org"]);
        resolver.set("birds.org", RecordKind::Txt, &["v=spf1 -all", "something=else"]);
        resolver.set("key._domainkey.birds.org", RecordKind::Txt, &["v=DKIM1; k=rsa; p=MIGf"]);
        resolver.set("_dmarc.birds.org", RecordKind::Txt, &["v=DMARC1; p=none"]);
        let there = |text: &str| Found::There(vec![text.to_owned()]);
        assert_eq!(
            found(&resolver, "birds.org", Some("key")).await,
            [there("10 mx.birds.org"), there("v=spf1 -all"), there("v=DKIM1; k=rsa; p=MIGf"), there("v=DMARC1; p=none")]
        );
        assert_eq!(found(&resolver, "birds.org", None).await[2], Found::NotAsked);
    }

    #[tokio::test]
    async fn two_of_what_may_be_once_are_none_and_a_failure_is_no_answer() {
        let resolver = ScriptedResolver::default();
        resolver.set("birds.org", RecordKind::Mx, &["0 "]);
        resolver.set("birds.org", RecordKind::Txt, &["v=spf1 -all", "v=spf1 mx"]);
        resolver.set("key._domainkey.birds.org", RecordKind::Txt, &["v=DKIM1; p="]);
        resolver.fail("_dmarc.birds.org", RecordKind::Txt, LookupFailed::Timeout);
        let found = found(&resolver, "birds.org", Some("key")).await;
        assert_eq!([&found[0], &found[2]], [&Found::Missing, &Found::Missing]);
        assert!(matches!(&found[1], Found::TooMany(both) if both.len() == 2), "{found:?}");
        assert_eq!(found[3], Found::Unknown(LookupFailed::Timeout));
    }

    #[tokio::test]
    async fn the_policy_of_a_name_above_counts() {
        let resolver = ScriptedResolver::default();
        resolver.set("_dmarc.meadow.social", RecordKind::Txt, &["v=DMARC1; p=reject"]);
        let all = look(&resolver, "birds.meadow.social", None).await;
        assert_eq!(
            (all[3].name.as_str(), &all[3].found),
            ("_dmarc.meadow.social", &Found::There(vec!["v=DMARC1; p=reject".to_owned()]))
        );
        let none = look(&resolver, "birds.example.org", None).await;
        assert_eq!((none[3].name.as_str(), &none[3].found), ("_dmarc.birds.example.org", &Found::Missing));
    }

    #[test]
    fn the_relay_sends_in_the_name_that_its_sender_says() {
        let of = |from: Option<&str>| Sending { from: from.map(str::to_owned), dkim_selector: None }.domain("birds.org");
        assert_eq!(of(None), "birds.org");
        assert_eq!(of(Some("notifications@{domain}")), "birds.org");
        assert_eq!(of(Some("Mastodon <no-reply@Meadow.social>")), "meadow.social");
    }
}
