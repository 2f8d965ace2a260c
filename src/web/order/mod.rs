//! An order after it is placed: paying, coming back, giving up.

use super::access::Routes;

pub(super) fn routes(routes: Routes) -> Routes {
    routes
}
