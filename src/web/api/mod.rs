//! The JSON API: every step of the journey below `/api/v1`, and its OpenAPI document.
//!
//! Callers are known by bearer tokens alone, so nothing here needs protection against forged forms. Errors are problem bodies
//! (`web::error`). Rules are those of the pages: both call the same checks and the same domain.

mod account;
mod account_data;
mod address;
mod archive;
mod change;
mod instance;
mod instance_address;
mod invitation;
mod json;
mod log;
mod member;
mod move_in;
mod openapi;
mod order;
mod own_mail;
mod paged;
mod password_reset;
mod plan;
mod run;
mod session;
mod status;
mod subscription;
mod token;
mod verification;
mod waiting;
mod webhook;
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
    get "/api/v1/sessions" Access::SignedIn => session::list;
    delete "/api/v1/sessions/{session}" Access::SignedIn => session::end_one;
    post "/api/v1/sessions/end-others" Access::SignedIn => session::end_others;
    post "/api/v1/sessions/current/proof" Access::SignedIn => session::prove;
    post "/api/v1/sessions/current/account" Access::SignedIn => session::act_for;
    get "/api/v1/me" Access::SignedIn => account::me;
    get "/api/v1/tokens" Access::SignedIn => token::list;
    post "/api/v1/tokens" Access::Fresh(Role::Viewer) => token::create;
    delete "/api/v1/tokens/{token}" Access::SignedIn => token::end;
    get "/api/v1/accounts" Access::SignedIn => account::list;
    get "/api/v1/log" Access::Member(Role::Admin) => log::list;
    get "/api/v1/log.csv" Access::Member(Role::Admin) => log::csv;
    get "/api/v1/members" Access::Member(Role::Viewer) => member::list;
    post "/api/v1/members/leave" Access::Fresh(Role::Viewer) => member::leave;
    post "/api/v1/members/{person}" Access::Fresh(Role::Owner) => member::set_role;
    delete "/api/v1/members/{person}" Access::Fresh(Role::Owner) => member::remove;
    post "/api/v1/members/{person}/hand-over" Access::Fresh(Role::Owner) => member::hand_over;
    post "/api/v1/members/{person}/nominate" Access::Fresh(Role::Owner) => member::nominate;
    delete "/api/v1/second-contact" Access::Fresh(Role::Owner) => member::dismiss;
    post "/api/v1/second-contact/take-over" Access::Fresh(Role::Viewer) => member::ask_take_over;
    delete "/api/v1/second-contact/take-over" Access::Member(Role::Owner) => member::stop_take_over;
    post "/api/v1/second-contact/take-over/finish" Access::Fresh(Role::Viewer) => member::finish_take_over;
    get "/api/v1/invitations" Access::Member(Role::Owner) => invitation::list;
    post "/api/v1/invitations" Access::Fresh(Role::Owner) => invitation::create;
    delete "/api/v1/invitations/{invitation}" Access::Member(Role::Owner) => invitation::withdraw;
    post "/api/v1/invitations/accept" Access::SignedIn => invitation::accept;
    get "/api/v1/account-data" Access::Fresh(Role::Owner) => account_data::copy;
    post "/api/v1/account-data/erase" Access::Fresh(Role::Owner) => account_data::erase;
    get "/api/v1/agreements" Access::Member(Role::Viewer) => account_data::agreements;
    post "/api/v1/agreements" Access::Member(Role::Owner) => account_data::agree;
    get "/api/v1/webhooks" Access::Member(Role::Admin) => webhook::list;
    post "/api/v1/webhooks" Access::Fresh(Role::Admin) => webhook::create;
    get "/api/v1/webhooks/{endpoint}" Access::Member(Role::Admin) => webhook::get;
    post "/api/v1/webhooks/{endpoint}" Access::Fresh(Role::Admin) => webhook::change;
    delete "/api/v1/webhooks/{endpoint}" Access::Fresh(Role::Admin) => webhook::remove;
    get "/api/v1/webhooks/{endpoint}/secret" Access::Fresh(Role::Admin) => webhook::secret;
    post "/api/v1/webhooks/{endpoint}/on" Access::Member(Role::Admin) => webhook::switch_on;
    post "/api/v1/webhooks/{endpoint}/off" Access::Fresh(Role::Admin) => webhook::switch_off;
    post "/api/v1/webhooks/{endpoint}/rotate" Access::Fresh(Role::Admin) => webhook::rotate;
    post "/api/v1/webhooks/{endpoint}/test" Access::Member(Role::Admin) => webhook::test;
    get "/api/v1/webhooks/{endpoint}/deliveries" Access::Member(Role::Admin) => webhook::deliveries;
    get "/api/v1/webhooks/{endpoint}/deliveries/{delivery}" Access::Member(Role::Admin) => webhook::delivery;
    post "/api/v1/webhooks/{endpoint}/deliveries/{delivery}/replay" Access::Member(Role::Admin) => webhook::replay;
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
    post "/api/v1/move-ins/inspect" Access::Member(Role::Admin) => move_in::inspect;
    get "/api/v1/instances" Access::Member(Role::Viewer) => instance::list;
    get "/api/v1/instances/{id}" Access::Member(Role::Viewer) => instance::get;
    get "/api/v1/instances/{id}/address" Access::Member(Role::Viewer) => instance_address::get;
    post "/api/v1/instances/{id}/address/check" Access::Member(Role::Admin) => instance_address::check;
    get "/api/v1/instances/{id}/runs" Access::Member(Role::Viewer) => run::list;
    post "/api/v1/instances/{id}/runs" Access::Member(Role::Admin) => run::create;
    get "/api/v1/instances/{id}/runs/{run}" Access::Member(Role::Viewer) => run::get;
    post "/api/v1/instances/{id}/runs/{run}/cancel" Access::Member(Role::Admin) => run::cancel;
    get "/api/v1/instances/{id}/archives" Access::Member(Role::Viewer) => archive::list;
    post "/api/v1/instances/{id}/archives" Access::Member(Role::Admin) => archive::create;
    get "/api/v1/instances/{id}/archives/{archive}" Access::Member(Role::Viewer) => archive::get;
    delete "/api/v1/instances/{id}/archives/{archive}" Access::Member(Role::Admin) => archive::remove;
    post "/api/v1/instances/{id}/archives/{archive}/link" Access::Fresh(Role::Admin) => archive::link;
    get "/api/v1/instances/{id}/mail" Access::Member(Role::Viewer) => own_mail::get;
    post "/api/v1/instances/{id}/mail" Access::Member(Role::Admin) => own_mail::set;
    delete "/api/v1/instances/{id}/mail" Access::Member(Role::Admin) => own_mail::remove;
    get "/api/v1/instances/{id}/billing" Access::Member(Role::Viewer) => subscription::get;
    post "/api/v1/instances/{id}/billing/change/preview" Access::Member(Role::Admin) => change::preview;
    post "/api/v1/instances/{id}/billing/change" Access::Member(Role::Admin) => change::create;
    post "/api/v1/instances/{id}/billing/end" Access::Fresh(Role::Billing) => subscription::end;
    post "/api/v1/instances/{id}/billing/go-on" Access::Member(Role::Billing) => subscription::go_on;
    post "/api/v1/instances/{id}/billing/again" Access::Member(Role::Admin) => subscription::again;
    post "/api/v1/instances/{id}/window" Access::Member(Role::Admin) => window::set;
    delete "/api/v1/instances/{id}/window" Access::Member(Role::Admin) => window::clear;
    get "/api/v1/status" Access::Public => status::get;
    get "/api/v1/openapi.json" Access::Public => openapi::get;
}
