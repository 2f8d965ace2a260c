//! Stripe: whether the key opens an account, whose webhooks come to us.

use super::Surroundings;
use super::report::Check;
use crate::billing::stripe::{NEEDED_EVENTS, StripeMode, WebhookEndpoint};
use crate::config::Mode;
use crate::telemetry::chain;

pub(super) async fn look(surroundings: &Surroundings) -> Vec<Check> {
    let parts = &surroundings.parts;
    let config = parts.config();
    let mut checks = Vec::new();
    match parts.stripe().account().await {
        Ok(account) => {
            let text = format!("{} ({})", account.id, account.mode.as_str());
            checks.push(match (account.charges_enabled, account.mode, config.mode) {
                (false, _, _) => {
                    let remedy = "finish the account's activation in Stripe's dashboard: Settings, Business";
                    Check::fault("Stripe account", format!("{text} can't take payments"), remedy)
                }
                (true, StripeMode::Test, Mode::Production) => {
                    Check::fault("Stripe account", format!("{text} takes no real money"), "put the live key into stripe.api_key")
                }
                (true, StripeMode::Live, Mode::Trial) => Check::warn(
                    "Stripe account",
                    format!("{text} takes real money in a trial"),
                    "put a test key into stripe.api_key",
                ),
                (true, _, _) => Check::ok("Stripe account", text),
            });
        }
        Err(error) => {
            let remedy = "correct stripe.api_key; a restricted key needs the right to read the account (Connect: Accounts, read)";
            checks.push(Check::fault("Stripe account", chain(&error), remedy));
        }
    }
    let wanted = config.host.base_url.join("hooks/stripe").map_or_else(|_| "hooks/stripe".to_owned(), |url| url.to_string());
    match parts.stripe().webhook_endpoints().await {
        Ok(endpoints) => checks.extend(webhook(&wanted, &endpoints, config.stripe.webhook_secrets.len())),
        Err(error) => {
            let remedy =
                "a restricted key needs the right to read webhook endpoints; or see in the dashboard that they are right";
            checks.push(Check::warn("webhook", chain(&error), remedy));
        }
    }
    // Stripe's API does not tell this setting.
    checks.push(Check::warn(
        "failed payments",
        "what Stripe does after the last retry can't be read",
        "see in the dashboard (Settings, Billing, Subscriptions and emails, Manage failed payments) that the subscription is left past due: one \
         that Stripe cancels would end a server before the grace that customers are promised",
    ));
    checks
}

fn webhook(wanted: &str, endpoints: &[WebhookEndpoint], secrets: usize) -> Vec<Check> {
    let name = "webhook";
    let Some(endpoint) = endpoints.iter().find(|one| one.url == wanted) else {
        let there: Vec<_> = endpoints.iter().map(|one| one.url.as_str()).collect();
        let found =
            format!("none goes to {wanted}; there are: {}", if there.is_empty() { "none".to_owned() } else { there.join(", ") });
        return vec![Check::fault(
            name,
            found,
            "add it in the dashboard (Developers, Webhooks) and put its secret into stripe.webhook_secrets",
        )];
    };
    let mut checks = Vec::new();
    if !endpoint.enabled {
        checks.push(Check::fault(
            name,
            format!("{wanted} is disabled"),
            "enable it in the dashboard; Stripe disables one that fails for days",
        ));
    }
    let all = endpoint.events.iter().any(|event| event == "*");
    let missing: Vec<_> =
        NEEDED_EVENTS.into_iter().filter(|event| !all && !endpoint.events.iter().any(|one| one == event)).collect();
    if !missing.is_empty() {
        let remedy = "add them to the endpoint; until then only the daily comparison notices";
        checks.push(Check::fault(name, format!("{wanted} is not told of {}", missing.join(", ")), remedy));
    }
    if secrets == 0 {
        checks.push(Check::fault(name, "stripe.webhook_secrets is empty", "put the endpoint's signing secret there"));
    }
    if checks.is_empty() {
        checks.push(Check::ok(name, format!("goes to {wanted}")));
    }
    checks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_must_be_there_be_on_and_be_told() {
        let endpoint = |url: &str, enabled: bool, events: &[&str]| WebhookEndpoint {
            url: url.to_owned(),
            enabled,
            events: events.iter().map(|event| (*event).to_owned()).collect(),
        };
        let ours = "https://pages.example/hooks/stripe";
        let found = |endpoint: WebhookEndpoint| webhook(ours, &[endpoint], 1).iter().map(ToString::to_string).collect::<String>();
        assert!(found(endpoint(ours, true, &["*"])).starts_with("ok"));
        assert!(found(endpoint(ours, true, &NEEDED_EVENTS)).starts_with("ok"));
        assert!(
            found(endpoint("https://else.example", true, &["*"])).contains("none goes to https://pages.example/hooks/stripe")
        );
        assert!(found(endpoint(ours, false, &["*"])).contains("is disabled"));
        assert!(found(endpoint(ours, true, &["invoice.paid"])).contains("checkout.session.completed"));
    }
}
