//! Pages that anybody may see: home, plans, status, terms, and health for whoever watches this process.

use super::access::Routes;

pub(super) fn routes(routes: Routes) -> Routes {
    routes
}
