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

#[cfg(test)]
mod tests {
    use super::*;

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
