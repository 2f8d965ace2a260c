//! Sessions of the customer portal. The page itself is `portal_page`.

use serde_json::json;

use super::errors::{Answered, ApiError};
use super::params::Params;
use super::store::{Portal, Turn};

pub(super) fn create(turn: &mut Turn<'_>, mut params: Params) -> Answered {
    let customer = params.require("customer")?;
    let return_url = params.url("return_url")?.ok_or_else(|| ApiError::missing_parameter("return_url"))?;
    params.finish()?;
    if !turn.state.customers.contains_key(&customer) {
        return Err(ApiError::missing_reference("customer", "customer", &customer));
    }
    let id = turn.id("bps");
    let session = json!({
        "id": id, "object": "billing_portal.session", "configuration": "bpc_test", "created": turn.now, "customer": customer,
        "livemode": false, "return_url": return_url, "url": format!("{}portal/{id}", turn.base_url),
    });
    turn.state.portals.insert(id, Portal { customer, return_url });
    Ok(session)
}
