//! Whether handles on a domain are found when the pages are elsewhere: other servers ask `https://DOMAIN/.well-known/webfinger`, and the site
//! there must redirect them, with their question, to the server; pages of other servers must be allowed to read that.

use url::Url;

use super::sites::{Answer, AskFailed, Sites};

const PATH: &str = "/.well-known/webfinger";

/// How it is with the redirect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedirectState {
    /// As it should be.
    Right,
    /// The site answers by itself: its status.
    Answers(u16),
    /// It leads somewhere else: where.
    Elsewhere(String),
    /// It leads there, but the question is lost on the way.
    WithoutQuestion,
    /// All is right, but pages of other servers may not read it.
    WithoutOrigin,
    /// Nobody answers. Says nothing about the redirect when the name is not set up yet.
    Failed(AskFailed),
}

impl RedirectState {
    /// The message in `address.ftl`.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Right => "redirect-right",
            Self::Answers(_) => "redirect-answers",
            Self::Elsewhere(_) => "redirect-elsewhere",
            Self::WithoutQuestion => "redirect-without-question",
            Self::WithoutOrigin => "redirect-without-origin",
            Self::Failed(failed) => failed.key(),
        }
    }

    /// What the message is filled with.
    pub fn args(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Answers(status) => vec![("status", status.to_string())],
            Self::Elsewhere(location) => vec![("location", location.clone())],
            Self::Right | Self::WithoutQuestion | Self::WithoutOrigin | Self::Failed(_) => Vec::new(),
        }
    }

    /// One word for programs.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Right => "right",
            Self::Answers(_) => "answers",
            Self::Elsewhere(_) => "elsewhere",
            Self::WithoutQuestion => "without_question",
            Self::WithoutOrigin => "without_origin",
            Self::Failed(_) => "unreachable",
        }
    }
}

/// Where other servers ask, and where they must be led.
pub fn addresses(domain: &str, web_domain: &str) -> [String; 2] {
    [domain, web_domain].map(|host| format!("https://{host}{PATH}"))
}

/// Asks as another server would.
pub async fn check_redirect(sites: &dyn Sites, domain: &str, web_domain: &str) -> RedirectState {
    let Ok(question) =
        Url::parse_with_params(&format!("https://{domain}{PATH}"), [("resource", format!("acct:somebody@{domain}"))])
    else {
        return RedirectState::Failed(AskFailed::NoAddress);
    };
    match sites.ask(&question).await {
        Ok(answer) => judge(&answer, &question, web_domain),
        Err(failed) => RedirectState::Failed(failed),
    }
}

fn judge(answer: &Answer, question: &Url, web_domain: &str) -> RedirectState {
    let Answer { status, location, allow_origin } = answer;
    let location = location.as_ref().filter(|_| matches!(status, 301 | 302 | 303 | 307 | 308));
    let Some(location) = location else { return RedirectState::Answers(*status) };
    let leads_to = question.join(location).ok();
    let right =
        |url: &&Url| url.scheme() == "https" && url.host_str() == Some(web_domain) && url.port().is_none() && url.path() == PATH;
    let Some(url) = leads_to.as_ref().filter(right) else { return RedirectState::Elsewhere(location.clone()) };
    let asked = |url: &Url| url.query_pairs().find(|(name, _)| name == "resource").map(|(_, value)| value.into_owned());
    if asked(url) != asked(question) {
        return RedirectState::WithoutQuestion;
    }
    if allow_origin.as_deref() == Some("*") { RedirectState::Right } else { RedirectState::WithoutOrigin }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instance::sites::ScriptedSites;

    async fn state(status: u16, location: &str, origin: Option<&str>) -> RedirectState {
        let sites = ScriptedSites::default();
        let location = Some(location.to_owned()).filter(|location| !location.is_empty());
        sites.set("birds.org", Answer { status, location, allow_origin: origin.map(str::to_owned) });
        check_redirect(&sites, "birds.org", "social.birds.org").await
    }

    #[tokio::test]
    async fn each_fault_of_a_redirect_is_told_apart() {
        let right = "https://social.birds.org/.well-known/webfinger?{query}";
        for status in [301, 302, 307, 308] {
            assert_eq!(state(status, right, Some("*")).await, RedirectState::Right, "{status}");
        }
        let other_spelling = "https://social.birds.org:443/.well-known/webfinger?resource=acct:somebody@birds.org";
        assert_eq!(state(301, other_spelling, Some("*")).await, RedirectState::Right);
        assert_eq!(state(200, "", Some("*")).await, RedirectState::Answers(200));
        assert_eq!(state(404, right, Some("*")).await, RedirectState::Answers(404));
        for wrong in [
            "http://social.birds.org/.well-known/webfinger?{query}",
            "https://birds.org/.well-known/webfinger?{query}",
            "https://social.birds.org/?{query}",
            "https://social.birds.org:8443/.well-known/webfinger?{query}",
            "/elsewhere",
        ] {
            assert!(matches!(state(301, wrong, Some("*")).await, RedirectState::Elsewhere(_)), "{wrong}");
        }
        for lost in
            ["https://social.birds.org/.well-known/webfinger", "https://social.birds.org/.well-known/webfinger?resource=x"]
        {
            assert_eq!(state(301, lost, Some("*")).await, RedirectState::WithoutQuestion, "{lost}");
        }
        for origin in [None, Some("https://birds.org")] {
            assert_eq!(state(301, right, origin).await, RedirectState::WithoutOrigin);
        }
        let nobody = check_redirect(&ScriptedSites::default(), "birds.org", "social.birds.org").await;
        assert_eq!(nobody, RedirectState::Failed(AskFailed::NoAddress));
    }
}
