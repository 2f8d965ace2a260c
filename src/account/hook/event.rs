//! What customers' programs are told of. The names and fields are a promise: some may be added, none renamed.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;

use crate::ids::InstanceId;
use crate::money::Money;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", content = "data")]
pub enum Event {
    /// A server runs for the first time.
    #[serde(rename = "server.ready")]
    ServerReady {
        /// Which.
        instance: InstanceId,
        /// What ends its handles.
        domain: String,
    },
    /// A server was paused, or has stopped for good.
    #[serde(rename = "server.paused")]
    ServerPaused {
        /// Which.
        instance: InstanceId,
        /// What ends its handles.
        domain: String,
        /// The strongest reason in one word, such as `unpaid`.
        reason: String,
    },
    /// A server that was paused is let run again.
    #[serde(rename = "server.resumed")]
    ServerResumed {
        /// Which.
        instance: InstanceId,
        /// What ends its handles.
        domain: String,
    },
    /// A server runs another release of Mastodon.
    #[serde(rename = "server.upgraded")]
    ServerUpgraded {
        /// Which.
        instance: InstanceId,
        /// What ends its handles.
        domain: String,
        /// The release that it runs now.
        version: String,
        /// The one that it ran before.
        from: String,
    },
    /// A renewal was not paid.
    #[serde(rename = "payment.failed")]
    PaymentFailed {
        /// For which server.
        instance: InstanceId,
        /// What ends its handles.
        domain: String,
        /// What is owed.
        amount: Money,
    },
    /// Somebody asked for a trial. Sent to the one endpoint that it is about, whatever that wants to be told of.
    #[serde(rename = "webhook.test")]
    Test {},
}

impl Event {
    /// The kinds that an endpoint may choose.
    pub const KINDS: [&str; 5] = ["server.ready", "server.paused", "server.resumed", "server.upgraded", "payment.failed"];

    /// The same word as `type` in JSON.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::ServerReady { .. } => "server.ready",
            Self::ServerPaused { .. } => "server.paused",
            Self::ServerResumed { .. } => "server.resumed",
            Self::ServerUpgraded { .. } => "server.upgraded",
            Self::PaymentFailed { .. } => "payment.failed",
            Self::Test {} => "webhook.test",
        }
    }

    /// The body of the requests that tell of it.
    pub fn payload(&self, at: DateTime<Utc>) -> serde_json::Result<String> {
        #[derive(Serialize)]
        struct Payload<'a> {
            timestamp: String,
            #[serde(flatten)]
            event: &'a Event,
        }
        serde_json::to_string(&Payload { timestamp: at.to_rfc3339_opts(SecondsFormat::Secs, true), event: self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::Currency;

    #[test]
    fn a_payload_has_type_time_and_data() {
        let (instance, domain) = (InstanceId::from(uuid::Uuid::from_u128(7)), "birds.example".to_owned());
        let at = DateTime::from_timestamp(1_795_503_600, 0).unwrap();
        let events = [
            Event::ServerReady { instance, domain: domain.clone() },
            Event::ServerPaused { instance, domain: domain.clone(), reason: "unpaid".to_owned() },
            Event::ServerResumed { instance, domain: domain.clone() },
            Event::ServerUpgraded { instance, domain: domain.clone(), version: "4.7.4".to_owned(), from: "4.6.9".to_owned() },
            Event::PaymentFailed { instance, domain, amount: Money::new(900, Currency::Eur) },
        ];
        assert_eq!(events.each_ref().map(Event::kind), Event::KINDS);
        for event in events {
            let json: serde_json::Value = serde_json::from_str(&event.payload(at).unwrap()).unwrap();
            assert_eq!((json["type"].as_str(), json["timestamp"].as_str()), (Some(event.kind()), Some("2026-11-24T07:00:00Z")));
            assert_eq!(json["data"]["instance"], instance.to_string());
            assert_eq!(json.as_object().unwrap().len(), 3, "{json}");
        }
        let test: serde_json::Value = serde_json::from_str(&Event::Test {}.payload(at).unwrap()).unwrap();
        assert_eq!((test["type"].as_str(), &test["data"]), (Some("webhook.test"), &serde_json::json!({})));
    }
}
