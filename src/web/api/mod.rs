//! The JSON API: every step of the journey below `/api/v1`, and its OpenAPI document.

use super::access::Routes;

pub(super) fn routes(routes: Routes) -> Routes {
    routes
}
