//! Pages of the host's own people.

use super::access::Routes;

pub(super) fn routes(routes: Routes) -> Routes {
    routes
}
