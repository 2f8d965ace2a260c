//! Only what Stripe signed, lately, with a secret of ours.

use chrono::TimeDelta;
use paddock::billing::stripe::{WebhookRefused, sign_webhook, verify_webhook};
use proptest::prelude::*;
use secrecy::SecretString;
use serde_json::json;

use super::bench::noon;

fn secret(text: &str) -> SecretString {
    text.to_owned().into()
}

fn body() -> Vec<u8> {
    let invoice = json!({
        "object": "invoice", "id": "in_1", "customer": "cus_1", "surprise": [{}],
        "parent": { "subscription_details": { "subscription": { "id": "sub_1" } } },
    });
    let event = json!({ "id": "evt_1", "object": "event", "type": "invoice.paid", "created": 1_790_000_000, "data": { "object": invoice } });
    event.to_string().into_bytes()
}

#[test]
fn a_good_one_is_read_for_ids() {
    let (body, ours) = (body(), secret("whsec_a"));
    let hint = verify_webhook(&body, &sign_webhook(&body, &ours, noon()), &[ours], noon()).unwrap();
    assert_eq!((hint.id.as_str(), hint.kind.as_str(), hint.created.timestamp()), ("evt_1", "invoice.paid", 1_790_000_000));
    assert_eq!(hint.refs.invoice.unwrap().as_str(), "in_1");
    assert_eq!(hint.refs.customer.unwrap().as_str(), "cus_1");
    assert_eq!(hint.refs.subscription.unwrap().as_str(), "sub_1");
    assert_eq!((hint.refs.checkout, hint.api_version), (None, None));
}

/// From Stripe's own description of the scheme, computed apart from this code:
/// `printf '1790000000.{}' | openssl dgst -sha256 -hmac whsec_known`.
#[test]
fn the_scheme_is_that_of_the_documentation() {
    let at = chrono::DateTime::from_timestamp(1_790_000_000, 0).unwrap();
    assert_eq!(
        sign_webhook(b"{}", &secret("whsec_known"), at),
        "t=1790000000,v1=9293e8ae4baf550e4c59c98a94293019930f7d4a22bfbcc88e781f16ba796088"
    );
}

#[test]
fn two_secrets_live_while_one_is_replaced() {
    let (body, old, new) = (body(), secret("whsec_old"), secret("whsec_new"));
    let by_old = sign_webhook(&body, &old, noon());
    let by_new = sign_webhook(&body, &new, noon());
    for signature in [&by_old, &by_new] {
        assert!(verify_webhook(&body, signature, &[old.clone(), new.clone()], noon()).is_ok());
    }
    // Stripe signs with both while both live: any of the signatures will do, in any place, between other schemes.
    let both = format!("{by_old},{},v0=00", by_new.split_once(',').unwrap().1);
    assert!(verify_webhook(&body, &both, std::slice::from_ref(&new), noon()).is_ok());
    assert_eq!(verify_webhook(&body, &by_old, &[new], noon()), Err(WebhookRefused::BadSignature));
    assert_eq!(verify_webhook(&body, &by_old, &[], noon()), Err(WebhookRefused::BadSignature));
    // A secret that was left empty signs nothing, and takes nothing from the others.
    let empty = secret("");
    let by_empty = sign_webhook(&body, &empty, noon());
    assert_eq!(verify_webhook(&body, &by_empty, std::slice::from_ref(&empty), noon()), Err(WebhookRefused::BadSignature));
    assert!(verify_webhook(&body, &by_old, &[empty, old], noon()).is_ok());
}

#[test]
fn five_minutes_either_way_and_no_more() {
    let (body, ours) = (body(), secret("whsec_a"));
    let signature = sign_webhook(&body, &ours, noon());
    let at = |seconds| verify_webhook(&body, &signature, std::slice::from_ref(&ours), noon() + TimeDelta::seconds(seconds));
    assert!(at(300).is_ok() && at(-300).is_ok());
    assert_eq!((at(301), at(-301)), (Err(WebhookRefused::Stale), Err(WebhookRefused::Stale)));
}

#[test]
fn what_is_no_event_is_named_so_only_when_it_came_from_stripe() {
    let ours = secret("whsec_a");
    for body in ["", "[]", "{\"id\":1}", "{\"id\":\"cus_1\",\"type\":\"x\",\"created\":1}"] {
        let signature = sign_webhook(body.as_bytes(), &ours, noon());
        assert_eq!(
            verify_webhook(body.as_bytes(), &signature, std::slice::from_ref(&ours), noon()),
            Err(WebhookRefused::Unreadable)
        );
        let foreign = sign_webhook(body.as_bytes(), &secret("whsec_b"), noon());
        assert_eq!(
            verify_webhook(body.as_bytes(), &foreign, std::slice::from_ref(&ours), noon()),
            Err(WebhookRefused::BadSignature)
        );
    }
}

proptest! {
    #[test]
    fn a_changed_header_never_passes(place: prop::sample::Index, byte in 0x20u8..0x7f) {
        let (body, ours) = (body(), secret("whsec_a"));
        let good = sign_webhook(&body, &ours, noon());
        let mut changed = good.clone().into_bytes();
        let place = place.index(changed.len());
        changed[place] = byte;
        let changed = String::from_utf8(changed).unwrap();
        // Hex reads the same in either case; all other changes matter.
        prop_assume!(!changed.eq_ignore_ascii_case(&good));
        prop_assert!(verify_webhook(&body, &changed, &[ours], noon()).is_err(), "{changed}");
    }

    #[test]
    fn a_changed_body_never_passes(place: prop::sample::Index, bit in 0u32..8) {
        let (body, ours) = (body(), secret("whsec_a"));
        let signature = sign_webhook(&body, &ours, noon());
        let mut changed = body;
        let place = place.index(changed.len());
        changed[place] ^= 1 << bit;
        prop_assert_eq!(verify_webhook(&changed, &signature, &[ours], noon()), Err(WebhookRefused::BadSignature));
    }

    #[test]
    fn any_header_is_answered_without_a_panic(header in "\\PC{0,80}|t=[0-9]{0,25}(,v1=[0-9a-f]{0,70}){0,12}") {
        prop_assert!(verify_webhook(&body(), &header, &[secret("whsec_a")], noon()).is_err());
    }
}
