//! The JSON API: every step of the journey below `/api/v1`, and its OpenAPI document.
//!
//! Callers are known by bearer tokens alone, so nothing here needs protection against forged forms. Errors are problem bodies
//! (`web::error`). Rules are those of the pages: both call the same checks and the same domain.

mod account;
mod address;
mod instance;
mod instance_address;
mod json;
mod openapi;
mod order;
mod own_mail;
mod password_reset;
mod plan;
mod run;
mod session;
mod status;
mod subscription;
mod verification;
mod waiting;
mod window;

use super::access::{Access, Routes};
use crate::account::Role;
pub use openapi::openapi;

/// From one table: the routes, the list of handlers in the document, and what the tests compare.
macro_rules! operations {
    ($($method:ident $path:literal $access:expr => $noun:ident::$handler:ident;)+) => {
        pub(super) fn routes(routes: Routes) -> Routes {
            routes$(.$method($path, $access, $noun::$handler))+
        }

        const OPERATIONS: &[(&str, &str, Access)] = &[$((stringify!($method), $path, $access)),+];

        #[derive(utoipa::OpenApi)]
        #[openapi(
            info(title = "Paddock", description = "Everything that a customer of this host can do, without the pages."),
            paths($($noun::$handler),+),
            tags(
                (name = "account", description = "Signing up, in and out"),
                (name = "order", description = "From an address to a payment"),
                (name = "instance", description = "Servers"),
                (name = "host", description = "The host itself")
            )
        )]
        struct Document;
    };
}

operations! {
    post "/api/v1/accounts" Access::Public => account::create;
    post "/api/v1/verifications" Access::Public => verification::create;
    post "/api/v1/verifications/resend" Access::Public => verification::resend;
    post "/api/v1/sessions" Access::Public => session::create;
    delete "/api/v1/sessions/current" Access::SignedIn => session::end;
    get "/api/v1/me" Access::SignedIn => account::me;
    post "/api/v1/password-resets" Access::Public => password_reset::create;
    post "/api/v1/password-resets/{token}" Access::Public => password_reset::finish;
    get "/api/v1/plans" Access::Public => plan::list;
    get "/api/v1/addresses/check" Access::SignedIn => address::check;
    get "/api/v1/addresses/dns" Access::SignedIn => address::dns;
    post "/api/v1/orders" Access::Member(Role::Admin) => order::create;
    get "/api/v1/orders" Access::Member(Role::Viewer) => order::list;
    get "/api/v1/orders/{id}" Access::Member(Role::Viewer) => order::get;
    post "/api/v1/orders/{id}/checkout" Access::Member(Role::Billing) => order::checkout;
    post "/api/v1/orders/{id}/cancel" Access::Member(Role::Billing) => order::cancel;
    get "/api/v1/waiting" Access::Member(Role::Viewer) => waiting::get;
    post "/api/v1/waiting" Access::Member(Role::Admin) => waiting::join;
    delete "/api/v1/waiting" Access::Member(Role::Billing) => waiting::leave;
    get "/api/v1/instances" Access::Member(Role::Viewer) => instance::list;
    get "/api/v1/instances/{id}" Access::Member(Role::Viewer) => instance::get;
    get "/api/v1/instances/{id}/address" Access::Member(Role::Viewer) => instance_address::get;
    post "/api/v1/instances/{id}/address/check" Access::Member(Role::Admin) => instance_address::check;
    get "/api/v1/instances/{id}/runs" Access::Member(Role::Viewer) => run::list;
    post "/api/v1/instances/{id}/runs" Access::Member(Role::Admin) => run::create;
    get "/api/v1/instances/{id}/runs/{run}" Access::Member(Role::Viewer) => run::get;
    post "/api/v1/instances/{id}/runs/{run}/cancel" Access::Member(Role::Admin) => run::cancel;
    get "/api/v1/instances/{id}/mail" Access::Member(Role::Viewer) => own_mail::get;
    post "/api/v1/instances/{id}/mail" Access::Member(Role::Admin) => own_mail::set;
    delete "/api/v1/instances/{id}/mail" Access::Member(Role::Admin) => own_mail::remove;
    get "/api/v1/instances/{id}/billing" Access::Member(Role::Viewer) => subscription::get;
    post "/api/v1/instances/{id}/billing/end" Access::Member(Role::Billing) => subscription::end;
    post "/api/v1/instances/{id}/billing/go-on" Access::Member(Role::Billing) => subscription::go_on;
    post "/api/v1/instances/{id}/billing/again" Access::Member(Role::Admin) => subscription::again;
    post "/api/v1/instances/{id}/window" Access::Member(Role::Admin) => window::set;
    delete "/api/v1/instances/{id}/window" Access::Member(Role::Admin) => window::clear;
    get "/api/v1/status" Access::Public => status::get;
    get "/api/v1/openapi.json" Access::Public => openapi::get;
}
