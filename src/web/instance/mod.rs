//! The instances of an account: the list, and the page that watches one being built.

use super::access::Routes;

pub(super) fn routes(routes: Routes) -> Routes {
    routes
}
