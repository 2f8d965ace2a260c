//! What keys do on the staff's pages.

use askama::Template;
use axum::response::Response;

use crate::web::error::WebError;
use crate::web::page::{PageContext, html, pages};

#[derive(Template)]
#[template(path = "pages/staff/keys.html")]
struct StaffKeysPage {
    page: PageContext,
}

pages!(StaffKeysPage);

/// GET `/staff/keys`
pub(super) async fn show(page: PageContext) -> Result<Response, WebError> {
    Ok(html(&StaffKeysPage { page })?)
}
