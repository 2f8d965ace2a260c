//! Stripe Tax, as seen by a seller in Germany: the standard rate of the customer's country in the European Union, nothing elsewhere, and
//! the reverse charge for a business of another member state.
//!
//! Simpler than Stripe: where the customer is, the address's country alone says; a tax id is believed; the rates are those of 2026 and one
//! for everything that is sold.

use serde_json::{Value, json};

use super::errors::ApiError;
use super::lines::Tax;
use super::store::Turn;

const SELLER: [u8; 2] = *b"DE";

/// Standard rates, hundredths of a percent: <https://taxation-customs.ec.europa.eu/taxation/vat_en>.
const RATES: [([u8; 2], i64); 27] = [
    (*b"AT", 2000),
    (*b"BE", 2100),
    (*b"BG", 2000),
    (*b"CY", 1900),
    (*b"CZ", 2100),
    (*b"DE", 1900),
    (*b"DK", 2500),
    (*b"EE", 2400),
    (*b"ES", 2100),
    (*b"FI", 2550),
    (*b"FR", 2000),
    (*b"GR", 2400),
    (*b"HR", 2500),
    (*b"HU", 2700),
    (*b"IE", 2300),
    (*b"IT", 2200),
    (*b"LT", 2100),
    (*b"LU", 1700),
    (*b"LV", 2100),
    (*b"MT", 1800),
    (*b"NL", 2100),
    (*b"PL", 2300),
    (*b"PT", 2300),
    (*b"RO", 2100),
    (*b"SE", 2500),
    (*b"SI", 2200),
    (*b"SK", 2300),
];

/// What is due from a customer; nothing when nobody knows where they are.
pub(super) fn of(turn: &Turn<'_>, customer: &Value) -> Option<Tax> {
    let country = country(customer)?;
    let has_eu_number = turn.state.tax_ids.values().any(|id| id["customer"] == customer["id"] && id["type"] == "eu_vat");
    Some(rule(country, customer["tax_exempt"].as_str().unwrap_or_default(), has_eu_number))
}

fn rule(country: [u8; 2], exempt: &str, has_eu_number: bool) -> Tax {
    let none = |reason| Tax { basis_points: 0, country, reason };
    let Some((_, basis_points)) = RATES.iter().find(|(of, _)| *of == country) else { return none("not_collecting") };
    match exempt {
        "exempt" => none("customer_exempt"),
        "reverse" => none("reverse_charge"),
        _ if has_eu_number && country != SELLER => none("reverse_charge"),
        _ => Tax { basis_points: *basis_points, country, reason: "standard_rated" },
    }
}

/// Refuses to work tax out for somebody who may be anywhere.
pub(super) fn check(customer: &Value) -> Result<(), ApiError> {
    if country(customer).is_some() {
        return Ok(());
    }
    Err(ApiError {
        code: Some("customer_tax_location_invalid"),
        ..ApiError::refused(
            "customer",
            "The customer's location isn't recognized. Set a valid customer address in order to automatically calculate tax.",
        )
    })
}

/// `automatic_tax` of an invoice.
pub(super) fn shown(enabled: bool, known: bool) -> Value {
    if !enabled {
        return json!({ "enabled": false, "liability": null, "status": null });
    }
    json!({ "enabled": true, "liability": { "type": "self" }, "status": if known { "complete" } else { "requires_location_inputs" } })
}

fn country(customer: &Value) -> Option<[u8; 2]> {
    let text = customer["address"]["country"].as_str()?.to_ascii_uppercase();
    text.into_bytes().try_into().ok().filter(|code: &[u8; 2]| code.iter().all(u8::is_ascii_uppercase))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_owes_how_much() {
        let is = |country: &[u8; 2], exempt, number| {
            let tax = rule(*country, exempt, number);
            (tax.basis_points, tax.reason)
        };
        assert_eq!(is(b"DE", "none", false), (1900, "standard_rated"));
        assert_eq!(is(b"DE", "none", true), (1900, "standard_rated"));
        assert_eq!(is(b"FR", "none", false), (2000, "standard_rated"));
        assert_eq!(is(b"FR", "none", true), (0, "reverse_charge"));
        assert_eq!(is(b"US", "none", false), (0, "not_collecting"));
        assert_eq!(is(b"DE", "exempt", false), (0, "customer_exempt"));
        assert!(check(&json!({ "address": { "country": "de" } })).is_ok());
        assert!(check(&json!({ "address": { "country": "Germany" } })).is_err() && check(&Value::Null).is_err());
    }
}
