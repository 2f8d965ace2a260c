//! Products: create, get, update, list. They have no events here.

use serde_json::json;

use super::errors::{Answered, ApiError};
use super::list::Cursor;
use super::params::Params;
use super::store::Turn;

pub(super) fn create(turn: &mut Turn<'_>, mut params: Params) -> Answered {
    let name = params.require("name")?;
    let (id, description, metadata) = (params.take("id"), params.take("description"), params.metadata());
    let (active, tax_code) = (params.flag("active")?.unwrap_or(true), params.take("tax_code"));
    params.finish()?;
    if let Some(id) = id.as_ref().filter(|id| turn.state.products.contains_key(*id)) {
        return Err(ApiError::taken("id", format!("Product already exists: {id}")));
    }
    let id = id.unwrap_or_else(|| turn.id("prod"));
    let product = json!({
        "id": id, "object": "product", "active": active, "tax_code": tax_code, "created": turn.now, "updated": turn.now, "livemode": false,
        "name": name, "description": description, "metadata": metadata, "images": [], "marketing_features": [], "type": "service",
    });
    turn.state.products.insert(id, product.clone());
    Ok(product)
}

pub(super) fn update(turn: &mut Turn<'_>, id: &str, mut params: Params) -> Answered {
    let (active, metadata) = (params.flag("active")?, params.metadata());
    let changes = ["name", "description", "tax_code"].map(|field| (field, params.take(field)));
    params.finish()?;
    let mut product = get(turn, id)?;
    if let Some(active) = active {
        product["active"] = active.into();
    }
    for (field, value) in changes {
        if let Some(value) = value {
            product[field] = value.into();
        }
    }
    for (key, value) in metadata {
        product["metadata"][key] = value;
    }
    product["updated"] = turn.now.into();
    turn.state.products.insert(id.to_owned(), product.clone());
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
