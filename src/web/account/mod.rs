//! Signing up, proving an address, signing in and out, and choosing a new password.

use super::access::Routes;

pub(super) fn routes(routes: Routes) -> Routes {
    routes
}
