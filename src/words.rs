//! Words that people read, from `locales/<language>/*.ftl`: pages and mails name a key, never a sentence.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Display;

use fluent_templates::fluent_bundle::FluentValue;
use fluent_templates::{LanguageIdentifier, Loader, langid, static_loader};

static_loader! {
    static LOCALES = {
        locales: "./locales",
        fallback_language: "en",
        // Without this, values stand between invisible marks, which break links and mail subjects.
        customise: |bundle| bundle.set_use_isolating(false),
    };
}

/// The languages that there are words in; the first for everybody whom none of theirs is.
pub const LANGUAGES: [&str; 2] = ["en", "de"];

/// The words of one language.
#[derive(Debug, Clone)]
pub struct Words {
    language: LanguageIdentifier,
}

impl Words {
    /// English, the first language and the one that missing words of others fall back to.
    pub fn english() -> Self {
        Self { language: langid!("en") }
    }

    /// The words of a language by its tag, such as `de` or `de-AT`; `None` for one that there are none in.
    pub fn known(tag: &str) -> Option<Self> {
        let language = match tag.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase().as_str() {
            "en" => langid!("en"),
            "de" => langid!("de"),
            _ => return None,
        };
        Some(Self { language })
    }

    /// The same; English where there are none.
    pub fn of(tag: &str) -> Self {
        Self::known(tag).unwrap_or_else(Self::english)
    }

    /// The words of the language that somebody likes most, by the header `Accept-Language` of their browser, of those that there are.
    pub fn accepted(header: &str) -> Self {
        let mut wanted: Vec<(u16, &str)> = header.split(',').filter_map(wish).collect();
        // In the order in which they stand where they are liked as much.
        wanted.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
        wanted.into_iter().find_map(|(_, tag)| Self::known(tag)).unwrap_or_else(Self::english)
    }

    /// The language as a page or mail declares it (`lang="en"`).
    pub fn language(&self) -> String {
        self.language.to_string()
    }

    /// The words of `key`; the key itself where there are none, which a test finds.
    pub fn t(&self, key: &str) -> String {
        self.look_up(key, &HashMap::new())
    }

    /// The words of `key` with values put in. Values go in as text; for plurals see [`Words::count`].
    pub fn with(&self, key: &str, values: &[(&'static str, &dyn Display)]) -> String {
        let values = values.iter().map(|(name, value)| (Cow::Borrowed(*name), FluentValue::from(value.to_string()))).collect();
        self.look_up(key, &values)
    }

    /// [`Words::with`] for a fault of the domain, which brings its own key and values.
    pub fn said(&self, key: &str, values: &[(&'static str, String)]) -> String {
        let values: Vec<(&'static str, &dyn Display)> =
            values.iter().map(|(name, value)| (*name, value as &dyn Display)).collect();
        self.with(key, &values)
    }

    /// [`Words::with`] for one value, for use in templates.
    pub fn t1(&self, key: &str, name: &'static str, value: impl Display) -> String {
        self.with(key, &[(name, &value)])
    }

    /// [`Words::with`] for two values, for use in templates.
    pub fn t2(&self, key: &str, a: &'static str, value_a: impl Display, b: &'static str, value_b: impl Display) -> String {
        self.with(key, &[(a, &value_a), (b, &value_b)])
    }

    /// The words of `key` with a number that chooses the plural: `{ $n -> [one] 1 server *[other] { $n } servers }`.
    pub fn count(&self, key: &str, name: &'static str, n: i64) -> String {
        self.look_up(key, &HashMap::from([(Cow::Borrowed(name), FluentValue::from(n))]))
    }

    fn look_up(&self, key: &str, values: &HashMap<Cow<'static, str>, FluentValue<'_>>) -> String {
        LOCALES.try_lookup_with_args(&self.language, key, values).unwrap_or_else(|| key.to_owned())
    }
}

/// A language with how much it is liked, in thousandths; `None` when it is not, or nobody can tell.
fn wish(part: &str) -> Option<(u16, &str)> {
    let (tag, weight) = part.split_once(";q=").unwrap_or((part, "1"));
    let (whole, rest) = weight.trim().split_once('.').unwrap_or((weight.trim(), ""));
    if rest.len() > 3 || !rest.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let thousandths: u16 = format!("{rest:0<3}").parse().ok()?;
    let weight = match whole {
        "0" => thousandths,
        "1" => 1000,
        _ => return None,
    };
    (weight > 0).then(|| (weight, tag.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_is_the_one_that_is_liked_most_of_those_that_there_are() {
        let of = |header: &str| Words::accepted(header).language();
        for german in ["de", "de-AT,en;q=0.9", "fr, de;q=0.8, en;q=0.7", "en;q=0.5,de;q=0.51", "DE-ch"] {
            assert_eq!(of(german), "de", "{german}");
        }
        for english in ["", "*", "fr", "en,de;q=0.9", "de;q=0,en", "en;q=0.5,de;q=0.5", "de;q=2", "de;q=0.1234", "deutsch"] {
            assert_eq!(of(english), "en", "{english}");
        }
        assert!(LANGUAGES.iter().all(|tag| Words::known(tag).is_some_and(|words| words.language() == *tag)));
    }

    #[test]
    fn words_of_another_language_are_in_that_language() {
        assert_eq!(Words::of("de").t("back"), "Zurück");
        assert_eq!(Words::of("tlh").t("back"), "Back");
        assert_eq!(Words::of("de").count("minutes", "n", 1), "eine Minute");
    }

    #[test]
    fn a_missing_key_is_returned_as_it_is() {
        assert_eq!(Words::english().t("no-such-key"), "no-such-key");
    }

    #[test]
    fn values_stand_in_the_words_without_isolation_marks() {
        let text = Words::english().t1("mail-verify-subject", "host", "Example Host");
        assert!(text.contains("Example Host"), "{text}");
        assert!(!text.contains('\u{2068}'), "{text}");
    }
}
