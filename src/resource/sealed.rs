//! What a customer brings and nobody but the operator may read: how it travels, and what is inside.

use schemars::JsonSchema;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize, Serializer};

/// Secrets that the customer brought, each sealed to the operator's key.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Sealed {
    /// The customer's own way out for mail, an [`OwnMail`] as JSON: age ciphertext, armored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8192), regex(pattern = "^-----BEGIN AGE ENCRYPTED FILE-----"))]
    pub mail: Option<String>,
}

/// A customer's own mail server, with the login there.
#[derive(Serialize, Deserialize, Debug, Clone)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OwnMail {
    /// The name of the server's custom resource: what was sealed for one server opens nothing for another.
    pub instance: String,
    /// Host name.
    pub host: String,
    /// Port.
    pub port: u16,
    /// How the way there is protected.
    pub security: MailSecurity,
    /// How one signs in there.
    pub method: MailMethod,
    /// User name.
    pub login: String,
    /// Password.
    #[serde(serialize_with = "expose")]
    pub password: SecretString,
    /// The sender of Mastodon's mails.
    pub from: String,
}

/// How the way to a mail server is protected. Not at all is not among it: the password goes there.
#[derive(Serialize, Deserialize, utoipa::ToSchema, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum MailSecurity {
    /// Plain at first, then STARTTLS or nothing. Usually port 587.
    StartTls,
    /// TLS from the first byte. Usually port 465.
    Tls,
}

/// How one signs in at a mail server.
#[derive(Serialize, Deserialize, utoipa::ToSchema, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum MailMethod {
    /// SASL PLAIN.
    Plain,
    /// LOGIN, which some servers know alone.
    Login,
}

impl MailMethod {
    /// The word of Mastodon's `SMTP_AUTH_METHOD`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Login => "login",
        }
    }
}

fn expose<S: Serializer>(secret: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose_secret())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_survives_the_way_and_is_never_shown() {
        let text = r#"{"instance":"ins-1","host":"smtp.example","port":587,"security":"starttls","method":"plain","login":"a","password":"hunter2","from":"a@b.example"}"#;
        let own: OwnMail = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&own).unwrap(), text);
        assert!(!format!("{own:?}").contains("hunter2"));
    }
}
