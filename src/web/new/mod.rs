//! The order path: one question per page, the answers so far in a cookie of the browser.

use super::access::Routes;

pub(super) fn routes(routes: Routes) -> Routes {
    routes
}
