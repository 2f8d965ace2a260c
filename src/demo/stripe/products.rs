//! Products: create, get, list. They have no events here.

use serde_json::json;

use super::errors::{Answered, ApiError};
use super::list::Cursor;
use super::params::Params;
use super::store::Turn;

pub(super) fn create(turn: &mut Turn<'_>, mut params: Params) -> Answered {
    let name = params.require("name")?;
    let (id, description, metadata) = (params.take("id"), params.take("description"), params.metadata());
    params.finish()?;
    if let Some(id) = id.as_ref().filter(|id| turn.state.products.contains_key(*id)) {
        return Err(ApiError::taken("id", format!("Product already exists: {id}")));
    }
    let id = id.unwrap_or_else(|| turn.id("prod"));
    let product = json!({
        "id": id, "object": "product", "active": true, "created": turn.now, "updated": turn.now, "livemode": false,
        "name": name, "description": description, "metadata": metadata, "images": [], "marketing_features": [], "type": "service",
    });
    turn.state.products.insert(id, product.clone());
    Ok(product)
}

pub(super) fn get(turn: &Turn<'_>, id: &str) -> Answered {
    turn.state.products.get(id).cloned().ok_or_else(|| ApiError::missing("product", id))
}

pub(super) fn list(turn: &Turn<'_>, mut params: Params) -> Answered {
    let (cursor, active) = (Cursor::take(&mut params)?, params.flag("active")?);
    params.finish()?;
    cursor.page("product", "/v1/products", &turn.state.products, |product| {
        active.is_none() || product["active"].as_bool() == active
    })
}
