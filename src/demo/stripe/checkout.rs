//! Checkout Sessions: create, get, list, expire, and what paying one does.
//!
//! Simpler than Stripe: mode `subscription` with one item and a known customer; tax ids are not asked for on the page, an address is a
//! country. Of the dozen events that paying sets off, the three that carry news are sent, in Stripe's order.

use serde_json::{Map, Value, json};

use super::cards::Card;
use super::errors::{Answered, ApiError};
use super::invoices::Reason;
use super::lines::{Cut, Held, Line, Sums};
use super::list::Cursor;
use super::params::Params;
use super::store::{Basket, Reduction, Turn};
use super::subscription_create::{automatic_tax, missing_card, quantity};
use super::subscriptions::Terms;
use super::{charges, coupons, discounts, invoices, promotion_codes, subscriptions, tax};

const HALF_HOUR: i64 = 30 * 60;
const DAY: i64 = 24 * 3600;

/// What a session is to be, checked but for the price.
struct Wanted {
    success_url: String,
    cancel_url: Option<String>,
    customer: String,
    reference: Option<String>,
    metadata: Map<String, Value>,
    expires_at: i64,
    basket: Basket,
}

pub(super) fn create(turn: &mut Turn<'_>, mut params: Params) -> Answered {
    let wanted = read(turn, &mut params)?;
    params.finish()?;
    let basket = &wanted.basket;
    let sums = sums(turn, &wanted.customer, basket)?;
    let price = turn.state.prices.get(&basket.price).cloned().unwrap_or_default();
    let shown: Vec<Value> = basket.discount.iter().map(shown_reduction).collect();

    let id = turn.id("cs_test");
    let session = json!({
        "id": id, "object": "checkout.session", "created": turn.now, "livemode": false, "mode": "subscription", "ui_mode": "hosted_page",
        "status": "open", "payment_status": "unpaid", "customer": wanted.customer, "client_reference_id": wanted.reference,
        "metadata": wanted.metadata, "success_url": wanted.success_url, "cancel_url": wanted.cancel_url,
        "url": format!("{}checkout/{id}", turn.base_url), "expires_at": wanted.expires_at, "currency": price["currency"],
        "amount_subtotal": sums.subtotal, "amount_total": sums.total, "subscription": null, "invoice": null,
        "total_details": { "amount_discount": sums.discount, "amount_shipping": 0, "amount_tax": sums.tax },
        "automatic_tax": tax::shown(basket.tax, sums.is_tax_known), "custom_fields": [], "custom_text": {}, "payment_method_types": ["card"],
        "shipping_options": [], "discounts": shown, "allow_promotion_codes": basket.takes_codes,
        "payment_method_collection": if basket.card_if_required { "if_required" } else { "always" },
    });
    turn.state.checkouts.insert(id.clone(), session.clone());
    turn.state.baskets.insert(id, wanted.basket);
    Ok(session)
}

fn read(turn: &Turn<'_>, params: &mut Params) -> Result<Wanted, ApiError> {
    let mode = params.require("mode")?;
    let success_url = params.url("success_url")?.ok_or_else(|| ApiError::missing_parameter("success_url"))?;
    let cancel_url = params.url("cancel_url")?;
    let customer = params.require("customer")?;
    let (reference, metadata) = (params.take("client_reference_id"), params.metadata());
    let expires_at = params.int("expires_at")?.unwrap_or(turn.now + DAY);
    if mode != "subscription" {
        return Err(ApiError::refused("mode", "The fake sells subscriptions only"));
    }
    let Some(found) = turn.state.customers.get(&customer) else {
        return Err(ApiError::missing_reference("customer", "customer", &customer));
    };
    check_expiry(turn.now, expires_at)?;
    let basket = read_basket(turn, params)?;
    if basket.tax && !basket.keeps_country {
        tax::check(found)?;
    }
    if let Some(reduction) = &basket.discount {
        let price = turn.state.prices.get(&basket.price).unwrap_or(&Value::Null);
        discounts::check(turn, reduction, &customer, price["unit_amount"].as_i64().unwrap_or_default())?;
    }
    Ok(Wanted { success_url, cancel_url, customer, reference, metadata, expires_at, basket })
}

fn check_expiry(now: i64, expires_at: i64) -> Result<(), ApiError> {
    let limit = if expires_at < now + HALF_HOUR {
        "at least 30 minutes"
    } else if expires_at > now + DAY {
        "less than 24 hours"
    } else {
        return Ok(());
    };
    Err(ApiError::refused("expires_at", format!("The `expires_at` timestamp must be {limit} from Checkout Session creation.")))
}

fn read_basket(turn: &Turn<'_>, params: &mut Params) -> Result<Basket, ApiError> {
    let Ok([mut item]) = <[Params; 1]>::try_from(params.list("line_items")) else {
        return Err(ApiError::refused("line_items", "The fake takes exactly one line item"));
    };
    let price = item.require("price")?;
    let quantity = quantity(&mut item)?.unwrap_or(1);
    item.finish()?;
    subscriptions::price_of(turn, &price, "line_items[0][price]")?;

    let mut data = params.group("subscription_data");
    let (metadata, _description) = (data.metadata(), data.take("description"));
    let (trial_days, trial_end) = (data.int("trial_period_days")?, data.int("trial_end")?);
    let missing_card = missing_card(&mut data)?;
    data.finish()?;
    if trial_days.is_some_and(|days| days < 1) {
        return Err(ApiError::bad_parameter(
            "parameter_invalid_integer",
            "subscription_data[trial_period_days]".to_owned(),
            "at least 1",
        ));
    }
    // Stripe's page would be open for longer than what it sells.
    if trial_end.is_some_and(|end| end < turn.now + 2 * DAY) {
        return Err(ApiError::refused(
            "subscription_data[trial_end]",
            "The `trial_end` date has to be at least 2 days in the future.",
        ));
    }
    let tax = automatic_tax(params)?.unwrap_or(false);
    let mut update = params.group("customer_update");
    let keeps_country = update.choice("address", &["auto", "never"])?.is_some_and(|word| word == "auto");
    update.choice("name", &["auto", "never"])?;
    update.finish()?;
    let mut ids = params.group("tax_id_collection");
    ids.flag("enabled")?;
    ids.finish()?;
    params.choice("billing_address_collection", &["auto", "required"])?;
    params.take("locale");
    let card_if_required =
        params.choice("payment_method_collection", &["always", "if_required"])?.is_some_and(|word| word == "if_required");
    let takes_codes = params.flag("allow_promotion_codes")?.unwrap_or(false);
    let mut reductions = discounts::take(params)?.unwrap_or_default();
    if takes_codes && !reductions.is_empty() {
        return Err(ApiError::refused(
            "allow_promotion_codes",
            "You may only specify one of these parameters: allow_promotion_codes, discounts.",
        ));
    }
    if reductions.len() > 1 {
        return Err(ApiError::refused("discounts", "Currently, you may only specify up to one discount."));
    }
    let discount = reductions.pop();
    Ok(Basket {
        price,
        quantity,
        metadata,
        trial_days,
        trial_end,
        missing_card,
        card_if_required,
        tax,
        keeps_country,
        discount,
        takes_codes,
    })
}

fn shown_reduction(reduction: &Reduction) -> Value {
    match reduction {
        Reduction::Coupon(id) => json!({ "coupon": id, "promotion_code": null }),
        Reduction::PromotionCode(id) => json!({ "coupon": null, "promotion_code": id }),
    }
}

/// What is paid at once.
struct Totals {
    subtotal: i64,
    total: i64,
    discount: i64,
    tax: i64,
    is_tax_known: bool,
}

fn sums(turn: &Turn<'_>, customer: &str, basket: &Basket) -> Result<Totals, ApiError> {
    let price = turn.state.prices.get(&basket.price).unwrap_or(&Value::Null);
    let amount = price["unit_amount"].as_i64().and_then(|amount| amount.checked_mul(basket.quantity));
    let amount = amount.ok_or_else(|| ApiError::refused("line_items[0][quantity]", "The total is too large"))?;
    let held = Held { item: String::new(), price: price.clone(), quantity: basket.quantity, name: String::new() };
    let is_trial = basket.trial_days.is_some() || basket.trial_end.is_some();
    let line = Line { amount: if is_trial { 0 } else { amount }, ..held.line((turn.now, turn.now)) };
    let off = |reduction: &Reduction| {
        let coupon = discounts::check(turn, reduction, customer, amount).ok()?;
        Some(Cut { discount: String::new(), off: coupons::off(coupon, &price["currency"])? })
    };
    let cuts: Vec<Cut> = basket.discount.iter().filter_map(off).collect();
    let rule = if basket.tax { tax::of(turn, turn.customer(&customer.into())) } else { None };
    let sums = Sums::of(&[line], &cuts, rule, String::new, "", &Value::Null);
    Ok(Totals {
        subtotal: sums.subtotal,
        total: sums.total,
        discount: sums.discount,
        tax: sums.tax,
        is_tax_known: rule.is_some(),
    })
}

/// The customer types a promotion code: the session's sums change.
pub(super) fn use_code(turn: &mut Turn<'_>, id: &str, code: &str) -> Result<(), ApiError> {
    let session = get(turn, id)?;
    let mut basket = turn.state.baskets.get(id).cloned().ok_or_else(|| ApiError::missing("checkout.session", id))?;
    if !basket.takes_codes || session["status"] != "open" {
        return Err(ApiError::refused("code", "This checkout takes no codes."));
    }
    let found = promotion_codes::find(turn, code).and_then(|found| found["id"].as_str());
    let reduction = Reduction::PromotionCode(found.ok_or_else(|| ApiError::refused("code", "This code is invalid."))?.to_owned());
    let customer = session["customer"].as_str().unwrap_or_default().to_owned();
    discounts::check(turn, &reduction, &customer, session["amount_subtotal"].as_i64().unwrap_or_default())?;
    basket.discount = Some(reduction);
    recount(turn, session, &customer, &basket)?;
    turn.state.baskets.insert(id.to_owned(), basket);
    Ok(())
}

/// The customer says where they are, which tax depends on.
pub(super) fn set_country(turn: &mut Turn<'_>, id: &str, country: &str) -> Result<(), ApiError> {
    let session = get(turn, id)?;
    let Some(basket) = turn.state.baskets.get(id).cloned().filter(|basket| basket.tax && basket.keeps_country) else {
        return Ok(());
    };
    let customer = session["customer"].as_str().unwrap_or_default().to_owned();
    if let Some(found) = turn.state.customers.get_mut(&customer) {
        found["address"] =
            json!({ "city": null, "country": country, "line1": null, "line2": null, "postal_code": null, "state": null });
    }
    tax::check(turn.customer(&session["customer"]))?;
    recount(turn, session, &customer, &basket)
}

fn recount(turn: &mut Turn<'_>, mut session: Value, customer: &str, basket: &Basket) -> Result<(), ApiError> {
    let sums = sums(turn, customer, basket)?;
    session["amount_total"] = sums.total.into();
    session["total_details"] = json!({ "amount_discount": sums.discount, "amount_shipping": 0, "amount_tax": sums.tax });
    session["automatic_tax"] = tax::shown(basket.tax, sums.is_tax_known);
    session["discounts"] = basket.discount.iter().map(shown_reduction).collect();
    put(turn, session);
    Ok(())
}

pub(super) fn get(turn: &Turn<'_>, id: &str) -> Answered {
    turn.state.checkouts.get(id).cloned().ok_or_else(|| ApiError::missing("checkout.session", id))
}

pub(super) fn list(turn: &Turn<'_>, mut params: Params) -> Answered {
    let (cursor, customer, status) = (Cursor::take(&mut params)?, params.take("customer"), params.take("status"));
    params.finish()?;
    cursor.page("checkout.session", "/v1/checkout/sessions", &turn.state.checkouts, |session| {
        (customer.is_none() || session["customer"].as_str() == customer.as_deref())
            && (status.is_none() || session["status"].as_str() == status.as_deref())
    })
}

pub(super) fn expire(turn: &mut Turn<'_>, id: &str, params: Params) -> Answered {
    params.finish()?;
    let session = get(turn, id)?;
    match session["status"].as_str() {
        Some("open") => Ok(close(turn, session)),
        other => Err(ApiError {
            param: None,
            ..ApiError::refused(
                "",
                format!(
                    "Only Checkout Sessions with a status in [\"open\"] can be expired. This Checkout Session has a status of {}.",
                    other.unwrap_or_default()
                ),
            )
        }),
    }
}

/// The session's time is over.
pub(super) fn close(turn: &mut Turn<'_>, mut session: Value) -> Value {
    session["status"] = "expired".into();
    session["url"] = Value::Null;
    put(turn, session.clone());
    turn.emit("checkout.session.expired", &session);
    session
}

/// The customer pays with `card`. A session that is paid stays as it is: pressing the button twice charges once.
pub(super) fn pay(turn: &mut Turn<'_>, id: &str, card: Card) -> Answered {
    complete(turn, id, Some(card))
}

/// The customer goes on without a card, where none is needed.
pub(super) fn take_free(turn: &mut Turn<'_>, id: &str) -> Answered {
    let needs_card =
        get(turn, id)?["amount_total"] != 0 || !turn.state.baskets.get(id).is_some_and(|basket| basket.card_if_required);
    if needs_card { Err(ApiError::missing_parameter("card")) } else { complete(turn, id, None) }
}

fn complete(turn: &mut Turn<'_>, id: &str, card: Option<Card>) -> Answered {
    let mut session = get(turn, id)?;
    match session["status"].as_str() {
        Some("open") => {}
        Some("complete") => return Ok(session),
        _ => return Err(ApiError::refused("id", "This Checkout Session has expired.")),
    }
    if card == Some(Card::Declines) {
        charges::failed(turn, &session, "amount_total");
        return Err(ApiError::card_declined());
    }
    let basket = turn.state.baskets.get(id).cloned().ok_or_else(|| ApiError::missing("checkout.session", id))?;
    if basket.tax {
        tax::check(turn.customer(&session["customer"]))?;
    }
    let customer = session["customer"].as_str().unwrap_or_default().to_owned();
    let terms = Terms {
        items: vec![(basket.price, basket.quantity)],
        metadata: basket.metadata,
        description: None,
        trial_end: basket.trial_end.or_else(|| basket.trial_days.map(|days| turn.now.saturating_add(days.saturating_mul(DAY)))),
        missing_card: basket.missing_card,
        tax: basket.tax,
        reductions: basket.discount.into_iter().collect(),
    };
    for reduction in &terms.reductions {
        discounts::check(turn, reduction, &customer, session["amount_subtotal"].as_i64().unwrap_or_default())?;
    }
    let is_free = session["amount_total"] == 0;
    if let Some(card) = card {
        turn.state.cards.insert(customer.clone(), card);
    }

    let mut subscription = subscriptions::start(turn, &customer, &terms)?;
    let invoice = invoices::bill(turn, &mut subscription, Reason::Create);
    turn.emit("customer.subscription.created", &subscription);
    invoices::pay(turn, &invoice);

    session["status"] = "complete".into();
    session["payment_status"] = if is_free { "no_payment_required" } else { "paid" }.into();
    session["url"] = Value::Null;
    session["subscription"] = subscription["id"].clone();
    session["invoice"] = invoice.into();
    put(turn, session.clone());
    turn.emit("checkout.session.completed", &session);
    Ok(session)
}

/// Where the customer goes after paying.
pub(super) fn success_url(session: &Value) -> String {
    let id = session["id"].as_str().unwrap_or_default();
    session["success_url"].as_str().unwrap_or_default().replace("{CHECKOUT_SESSION_ID}", id)
}

fn put(turn: &mut Turn<'_>, session: Value) {
    let id = session["id"].as_str().unwrap_or_default().to_owned();
    turn.state.checkouts.insert(id, session);
}
