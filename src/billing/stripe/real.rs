//! The port over Stripe's HTTP API, by async-stripe.
//!
//! Each write carries an idempotency key made of ids of ours. Nothing is retried here: the job that called is retried as a whole, with
//! the same keys, and Stripe answers with what it did the first time. It keeps keys for at least 24 hours; what may be asked for again
//! later than that (customer, price) is looked up before it is made.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use miniserde::json::Value as RawJson;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use stripe::{ApiErrorsCode, IdempotencyKey, RequestStrategy, StripeRequest};
use stripe_billing::billing_portal_session::CreateBillingPortalSession;
use stripe_billing::invoice::ListInvoice;
use stripe_billing::subscription::{CancelSubscription, ListSubscription, ListSubscriptionStatus, RetrieveSubscription};
use stripe_checkout::checkout_session::{
    CreateCheckoutSession, CreateCheckoutSessionAutomaticTax, CreateCheckoutSessionCustomerUpdate,
    CreateCheckoutSessionCustomerUpdateAddress, CreateCheckoutSessionCustomerUpdateName, CreateCheckoutSessionLineItems,
    CreateCheckoutSessionSubscriptionData, CreateCheckoutSessionTaxIdCollection, ExpireCheckoutSession, RetrieveCheckoutSession,
};
use stripe_client_core::{RequestBuilder, StripeMethod};
use stripe_core::customer::{CreateCustomer, ListCustomer};
use stripe_core::event::ListEvent;
use stripe_product::price::{CreatePrice, CreatePriceRecurring, CreatePriceRecurringInterval, ListPrice};
use stripe_product::product::{CreateProduct, RetrieveProduct};
use stripe_shared::PriceTaxBehavior;
use url::Url;

use super::{
    Bill, Checkout, CheckoutId, CheckoutStatus, CheckoutWanted, CustomerId, End, EventHint, EventId, Interval, Invoice,
    InvoiceId, NewCustomer, Owed, Page, PaidInvoice, PriceId, PriceWanted, RemotePrice, RemoteProduct, RemoteSubscription,
    RemoteSubscriptionId, Result, Stripe, StripeAccount, StripeError, StripeMode, SubscriptionChange, Terms, WebhookEndpoint,
    change, read,
};
use crate::ids::{ChangeId, GivingId};
use crate::money::Money;

/// How long one request may take. Stripe's slowest calls (a first charge) are said to take some seconds.
const TIMEOUT: Duration = Duration::from_secs(8);
/// The most that Stripe puts on a page.
const PAGE: i64 = 100;
/// What async-stripe says when an error's body is not Stripe's: it came from something between us and Stripe.
const FOREIGN_ERROR: &str = "error deserializing Stripe error";

/// Why no client could be made.
#[derive(Debug, thiserror::Error)]
#[error("the Stripe client could not be set up")]
pub struct BadStripeSettings(#[source] stripe::StripeError);

/// Stripe, or the fake: whatever answers at the address.
#[derive(Debug, Clone)]
pub struct RealStripe {
    client: stripe::Client,
    mode: StripeMode,
}

impl RealStripe {
    /// A client with the account's secret (or restricted) key. `base_url` is given for the fake only.
    ///
    /// # Errors
    /// When key or address can't be sent over HTTP.
    pub fn new(api_key: &SecretString, base_url: Option<&Url>) -> std::result::Result<Self, BadStripeSettings> {
        let mut builder = stripe::ClientBuilder::new(api_key.expose_secret()).timeout(TIMEOUT).app_info(
            "Paddock",
            Some(env!("CARGO_PKG_VERSION").to_owned()),
            None,
        );
        if let Some(url) = base_url {
            // async-stripe appends `v1/…` as it stands.
            builder = builder.url(format!("{}/", url.as_str().trim_end_matches('/')));
        }
        let mode = StripeMode::of_key(api_key.expose_secret());
        Ok(Self { client: builder.build().map_err(BadStripeSettings)?, mode })
    }

    async fn ask<R>(&self, request: &R) -> Result<R::Output>
    where
        R: StripeRequest + Sync,
        R::Output: miniserde::Deserialize,
    {
        request.customize().send(&self.client).await.map_err(refusal)
    }

    /// Sends a write under `key`: the second time, Stripe answers as the first time.
    async fn ask_once<R>(&self, request: &R, key: &str) -> Result<R::Output>
    where
        R: StripeRequest + Sync,
        R::Output: miniserde::Deserialize,
    {
        request.customize().request_strategy(under(key)?).send(&self.client).await.map_err(refusal)
    }

    /// Sends parameters as they stand, for what async-stripe has no module for among those that we build, or says in types of its own that
    /// would have to be taken apart again.
    async fn write(&self, path: &str, form: &Value, key: Option<&str>) -> Result<Value> {
        let mut request = RequestBuilder::new(StripeMethod::Post, path).form(form).customize();
        if let Some(key) = key {
            request = request.request_strategy(under(key)?);
        }
        let answer: RawJson = request.send(&self.client).await.map_err(refusal)?;
        read::plain(&answer, path)
    }

    /// Reads what async-stripe has no module for among those that we build, and what its types would refuse as a whole for one field.
    async fn read(&self, path: &str, query: Option<&Value>) -> Result<Value> {
        let mut request = RequestBuilder::new(StripeMethod::Get, path);
        if let Some(query) = query {
            request = request.query(query);
        }
        let answer: RawJson = request.customize().send(&self.client).await.map_err(refusal)?;
        read::plain(&answer, path)
    }

    /// Products have ids of our choosing, so there is nothing to look up by name.
    async fn ensure_product(&self, wanted: &PriceWanted) -> Result<String> {
        let id = format!("{}{}", change::PRODUCT, wanted.plan_code);
        match self.ask(&RetrieveProduct::new(id.as_str())).await {
            Ok(_) => return Ok(id),
            Err(StripeError::NotFound { .. }) => {}
            Err(error) => return Err(error),
        }
        let create = CreateProduct::new(wanted.plan_name.as_str())
            .id(id.as_str())
            .metadata(HashMap::from([("plan".to_owned(), wanted.plan_code.clone())]));
        self.ask_once(&create, &format!("product-{id}")).await?;
        Ok(id)
    }
}

#[async_trait]
impl Stripe for RealStripe {
    async fn ensure_customer(&self, wanted: &NewCustomer) -> Result<CustomerId> {
        let account = wanted.account.to_string();
        let known = self.ask(&ListCustomer::new().email(wanted.email.as_str()).limit(PAGE)).await?;
        let is_ours = |metadata: &Option<HashMap<String, String>>| {
            metadata.as_ref().and_then(|metadata| metadata.get(read::ACCOUNT)) == Some(&account)
        };
        if let Some(customer) = known.data.iter().find(|customer| is_ours(&customer.metadata)) {
            return read::id("customer", customer.id.as_str());
        }
        // The same account may come again with another address before its first customer was kept: that is another request.
        let digest = hex::encode(&Sha256::digest(format!("{}\0{}", wanted.email, wanted.name))[..8]);
        let create = CreateCustomer::new()
            .email(wanted.email.as_str())
            .name(wanted.name.as_str())
            .metadata(HashMap::from([(read::ACCOUNT.to_owned(), account.clone())]));
        let customer = self.ask_once(&create, &format!("customer-{account}-{digest}")).await?;
        read::id("customer", customer.id.as_str())
    }

    async fn ensure_price(&self, wanted: &PriceWanted) -> Result<PriceId> {
        let known = self.ask(&ListPrice::new().lookup_keys(vec![wanted.lookup_key.clone()]).active(true).limit(1)).await?;
        if let Some(price) = known.data.first() {
            let (amount, interval) = read::price(price)?;
            if amount == wanted.amount && interval == wanted.interval {
                return read::id("price", price.id.as_str());
            }
            return Err(StripeError::Refused {
                message: format!(
                    "there is a price under the lookup key `{}` already, of {amount} per {}: a changed price needs a new lookup key",
                    wanted.lookup_key,
                    interval.as_str()
                ),
                param: Some("lookup_key".to_owned()),
                request_id: None,
            });
        }
        let product = self.ensure_product(wanted).await?;
        let interval = match wanted.interval {
            Interval::Month => CreatePriceRecurringInterval::Month,
            Interval::Year => CreatePriceRecurringInterval::Year,
        };
        let create = CreatePrice::new(read::currency_of(wanted.amount))
            .product(product)
            .unit_amount(wanted.amount.minor)
            .tax_behavior(PriceTaxBehavior::Exclusive)
            .recurring(CreatePriceRecurring::new(interval))
            .lookup_key(wanted.lookup_key.as_str());
        let price = self.ask_once(&create, &format!("price-{}", wanted.lookup_key)).await?;
        read::id("price", price.id.as_str())
    }

    async fn product(&self, code: &str) -> Result<Option<RemoteProduct>> {
        match self.ask(&RetrieveProduct::new(format!("{}{code}", change::PRODUCT))).await {
            Ok(found) => Ok(Some(RemoteProduct { name: found.name, active: found.active })),
            Err(StripeError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn put_product(&self, code: &str, name: &str) -> Result<()> {
        let id = format!("{}{code}", change::PRODUCT);
        match self.write(&format!("/products/{id}"), &json!({ "name": name, "active": true }), None).await {
            Ok(_) => return Ok(()),
            Err(StripeError::NotFound { .. }) => {}
            Err(error) => return Err(error),
        }
        let create = CreateProduct::new(name).id(id.as_str()).metadata(HashMap::from([("plan".to_owned(), code.to_owned())]));
        // Not the key of `ensure_product`: another name under it would be refused.
        let digest = hex::encode(&Sha256::digest(name)[..8]);
        self.ask_once(&create, &format!("product-{id}-{digest}")).await.map(drop)
    }

    async fn prices_of(&self, code: &str) -> Result<Vec<RemotePrice>> {
        let (mut all, mut after) = (Vec::new(), None::<String>);
        loop {
            let mut list = ListPrice::new().product(format!("{}{code}", change::PRODUCT)).limit(PAGE);
            if let Some(after) = after.take() {
                list = list.starting_after(after);
            }
            let page = self.ask(&list).await?;
            for price in &page.data {
                let (id, what) = (read::id("price", price.id.as_str())?, read::price(price).ok());
                let taxable = !matches!(price.tax_behavior, None | Some(PriceTaxBehavior::Unspecified));
                all.push(RemotePrice { id, lookup_key: price.lookup_key.clone(), what, active: price.active, taxable });
            }
            match all.last() {
                Some(last) if page.has_more => after = Some(last.id.to_string()),
                _ => return Ok(all),
            }
        }
    }

    async fn tax_on_top(&self, id: &PriceId) -> Result<()> {
        self.write(&format!("/prices/{id}"), &json!({ "tax_behavior": "exclusive" }), None).await.map(drop)
    }

    async fn revive_price(&self, id: &PriceId) -> Result<()> {
        self.write(&format!("/prices/{id}"), &json!({ "active": true }), None).await.map(drop)
    }

    async fn open_checkout(&self, wanted: &CheckoutWanted) -> Result<Checkout> {
        let ids = HashMap::from([
            (read::ORDER.to_owned(), wanted.order.to_string()),
            (read::ACCOUNT.to_owned(), wanted.account.to_string()),
            (read::INSTANCE.to_owned(), wanted.instance.to_string()),
        ]);
        let item = CreateCheckoutSessionLineItems {
            price: Some(wanted.price.to_string()),
            quantity: Some(1),
            ..CreateCheckoutSessionLineItems::new()
        };
        // The subscription carries the ids too: it outlives the session, and sweeps start from it.
        let subscription =
            CreateCheckoutSessionSubscriptionData { metadata: Some(ids.clone()), ..CreateCheckoutSessionSubscriptionData::new() };
        let mut create = CreateCheckoutSession::new()
            .mode(stripe_shared::CheckoutSessionMode::Subscription)
            .customer(wanted.customer.as_str())
            .client_reference_id(wanted.order.to_string())
            .line_items(vec![item])
            .metadata(ids)
            .subscription_data(subscription)
            .success_url(wanted.success_url.as_str())
            .cancel_url(wanted.cancel_url.as_str())
            .expires_at(wanted.expires_at.timestamp());
        let Terms { tax, codes } = wanted.terms;
        if codes {
            create = create.allow_promotion_codes(true);
        }
        if tax {
            // Where they are, what they are called and which tax id they have is kept with the customer: renewals are taxed by it.
            let update = CreateCheckoutSessionCustomerUpdate {
                address: Some(CreateCheckoutSessionCustomerUpdateAddress::Auto),
                name: Some(CreateCheckoutSessionCustomerUpdateName::Auto),
                ..CreateCheckoutSessionCustomerUpdate::new()
            };
            create = create
                .automatic_tax(CreateCheckoutSessionAutomaticTax::new(true))
                .tax_id_collection(CreateCheckoutSessionTaxIdCollection::new(true))
                .billing_address_collection(stripe_shared::CheckoutSessionBillingAddressCollection::Required)
                .customer_update(update);
        }
        let session = self.ask_once(&create, &format!("checkout-{}", wanted.order)).await?;
        read::checkout(&session)
    }

    async fn checkout(&self, id: &CheckoutId) -> Result<Checkout> {
        read::checkout(&self.ask(&RetrieveCheckoutSession::new(id.as_str())).await?)
    }

    async fn expire_checkout(&self, id: &CheckoutId) -> Result<Checkout> {
        // No key: expiring is repeatable by itself, and a stored answer would hide what became of the session since.
        match self.ask(&ExpireCheckoutSession::new(id.as_str())).await {
            Ok(session) => read::checkout(&session),
            // It refuses sessions that are not open any more; what they are is then the answer.
            Err(refused @ StripeError::Refused { .. }) => match self.checkout(id).await? {
                Checkout { status: CheckoutStatus::Open, .. } => Err(refused),
                done => Ok(done),
            },
            Err(error) => Err(error),
        }
    }

    async fn subscription(&self, id: &RemoteSubscriptionId) -> Result<RemoteSubscription> {
        read::subscription(&self.ask(&RetrieveSubscription::new(id.as_str())).await?)
    }

    async fn end_subscription(&self, id: &RemoteSubscriptionId) -> Result<()> {
        // No key: a second one finds it over, which says the same.
        self.ask(&CancelSubscription::new(id.as_str())).await.map(drop)
    }

    async fn set_end(&self, id: &RemoteSubscriptionId, end: End) -> Result<()> {
        let form = match end {
            End::WithPeriod => json!({ "cancel_at_period_end": true }),
            End::On(at) => json!({ "cancel_at": at.timestamp(), "proration_behavior": "none" }),
            // A date is taken back as a date, and an end with the period as that; both at once is refused.
            End::Never => {
                let now = self.subscription(id).await?;
                if now.cancel_at.is_some() && !now.cancel_at_period_end {
                    json!({ "cancel_at": "", "proration_behavior": "none" })
                } else {
                    json!({ "cancel_at_period_end": false })
                }
            }
        };
        // No key: a stored answer would stand in the way of the same wish on another day.
        self.write(&format!("/subscriptions/{id}"), &form, None).await.map(drop)
    }

    async fn preview_change(&self, change: &SubscriptionChange) -> Result<Bill> {
        change::bill(&self.write("/invoices/create_preview", &change.preview_form(), None).await?)
    }

    async fn change_subscription(&self, change: &SubscriptionChange, key: ChangeId) -> Result<()> {
        let path = format!("/subscriptions/{}", change.subscription);
        self.write(&path, &change.form(), Some(&format!("change-{key}"))).await.map(drop)
    }

    async fn paid_invoices(&self, subscription: &RemoteSubscriptionId) -> Result<Vec<PaidInvoice>> {
        let query = json!({ "subscription": subscription.as_str(), "status": "paid", "limit": PAGE });
        read::paid_invoices(&self.read("/invoices", Some(&query)).await?)
    }

    async fn refund(&self, invoice: &InvoiceId, amount: Money, key: GivingId, reason: &str) -> Result<()> {
        // Stripe keeps keys for a day; what was asked for before that is found by what went along.
        let query = json!({ "invoice": invoice.as_str(), "limit": PAGE });
        if read::has_giving(&self.read("/credit_notes", Some(&query)).await?, key)? {
            return Ok(());
        }
        let form = json!({
            "invoice": invoice.as_str(), "amount": amount.minor, "refund_amount": amount.minor, "memo": reason,
            "metadata": { (read::GIVING): key },
        });
        self.write("/credit_notes", &form, Some(&format!("giving-{key}"))).await.map(drop)
    }

    async fn credit(&self, customer: &CustomerId, amount: Money, key: GivingId, reason: &str) -> Result<()> {
        let path = format!("/customers/{customer}/balance_transactions");
        if read::has_giving(&self.read(&path, Some(&json!({ "limit": PAGE }))).await?, key)? {
            return Ok(());
        }
        let form = json!({
            "amount": amount.minor.saturating_neg(), "currency": amount.currency.code(), "description": reason,
            "metadata": { (read::GIVING): key },
        });
        self.write(&path, &form, Some(&format!("giving-{key}"))).await.map(drop)
    }

    async fn oldest_open_invoice(&self, subscription: &RemoteSubscriptionId) -> Result<Option<Invoice>> {
        let mut oldest = None;
        let mut after: Option<String> = None;
        loop {
            let mut list =
                ListInvoice::new().subscription(subscription.as_str()).status(stripe_shared::InvoiceStatus::Open).limit(PAGE);
            if let Some(after) = after.take() {
                list = list.starting_after(after);
            }
            let page = self.ask(&list).await?;
            // Newest first, so the last one of the last page is the oldest.
            if let Some(last) = page.data.last() {
                oldest = Some(read::invoice(last)?);
            }
            match &oldest {
                Some(found) if page.has_more => after = Some(found.id.to_string()),
                _ => return Ok(oldest),
            }
        }
    }

    async fn last_decline(&self, of: &Checkout) -> Result<Option<DateTime<Utc>>> {
        let (Some(customer), Some(total)) = (&of.customer, of.total) else { return Ok(None) };
        let since = of.created.timestamp();
        let query = json!({ "customer": customer.as_str(), "created": { "gte": since }, "limit": PAGE });
        for decline in read::declines(&self.read("/charges", Some(&query)).await?, total)? {
            let payment = json!({ "type": "payment_intent", "payment_intent": decline.payment_intent });
            let query = json!({ "payment": payment, "expand": ["data.invoice"], "limit": PAGE });
            if read::is_first_payment(&self.read("/invoice_payments", Some(&query)).await?)? {
                return Ok(Some(decline.at));
            }
        }
        Ok(None)
    }

    async fn list_subscriptions(&self, after: Option<&RemoteSubscriptionId>) -> Result<Page<RemoteSubscription>> {
        let mut list = ListSubscription::new().status(ListSubscriptionStatus::All).limit(PAGE);
        if let Some(after) = after {
            list = list.starting_after(after.as_str());
        }
        let page = self.ask(&list).await?;
        Ok(read::subscriptions(&page.data, page.has_more))
    }

    async fn list_owed(&self, after: Option<&str>) -> Result<Page<Owed>> {
        let mut list = ListInvoice::new().status(stripe_shared::InvoiceStatus::Open).limit(PAGE);
        if let Some(after) = after {
            list = list.starting_after(after);
        }
        let page = self.ask(&list).await?;
        read::owed(&page.data, page.has_more)
    }

    async fn events_since(&self, after: Option<&EventId>) -> Result<Page<EventHint>> {
        let mut list = ListEvent::new().limit(PAGE);
        if let Some(after) = after {
            list = list.ending_before(after.as_str());
        }
        // Read as loosely as webhooks are: the types of async-stripe would refuse a whole page for one field in one event.
        let page: RawJson = list.build().customize().send(&self.client).await.map_err(refusal)?;
        read::events(&page, after.is_some())
    }

    async fn portal_url(&self, customer: &CustomerId, return_url: &str) -> Result<String> {
        let create = CreateBillingPortalSession::new().customer(customer.as_str()).return_url(return_url);
        Ok(self.ask(&create).await?.url)
    }

    async fn account(&self) -> Result<StripeAccount> {
        read::account(&self.read("/account", None).await?, self.mode)
    }

    async fn webhook_endpoints(&self) -> Result<Vec<WebhookEndpoint>> {
        read::webhook_endpoints(&self.read("/webhook_endpoints", None).await?)
    }
}

fn under(key: &str) -> Result<RequestStrategy> {
    let key = IdempotencyKey::new(key).map_err(|error| StripeError::Refused {
        message: error.to_string(),
        param: None,
        request_id: None,
    })?;
    Ok(RequestStrategy::Idempotent(key))
}

fn refusal(error: stripe::StripeError) -> StripeError {
    match error {
        stripe::StripeError::Stripe(error, status) => {
            let message = error.message.clone().unwrap_or_else(|| format!("HTTP {status}"));
            match (status, &error.code) {
                (402, _) => StripeError::Declined { message },
                (409, _) => StripeError::Conflict,
                (429, _) => StripeError::RateLimited,
                (500.., _) => StripeError::Unavailable { reason: format!("HTTP {status}: {message}") },
                // An unknown id in a parameter is a 400 with this code.
                (404, _) | (_, Some(ApiErrorsCode::ResourceMissing)) => StripeError::NotFound { message },
                _ => StripeError::Refused {
                    request_id: error.request_log_url.as_deref().and_then(read::request_id),
                    param: error.param,
                    message,
                },
            }
        }
        stripe::StripeError::JSONDeserialize(what) if what == FOREIGN_ERROR => {
            StripeError::Unavailable { reason: "an error page that is not Stripe's".to_owned() }
        }
        stripe::StripeError::JSONDeserialize(what) => StripeError::Unreadable { what },
        stripe::StripeError::ClientError(reason) => StripeError::Unavailable { reason },
        stripe::StripeError::Timeout => StripeError::Unavailable { reason: format!("no answer within {} s", TIMEOUT.as_secs()) },
        stripe::StripeError::ConfigError(message) => StripeError::Refused { message, param: None, request_id: None },
    }
}
