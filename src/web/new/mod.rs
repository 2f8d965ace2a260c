//! The order path: one question a page, from the address to the review.

pub(in crate::web) mod draft;

use super::access::Routes;

pub(super) fn routes(routes: Routes) -> Routes {
    routes
}
