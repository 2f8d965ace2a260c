//! Who may call what. A route can't be registered without saying so, and the check is made before the handler runs.

use axum::Router;
use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{MethodFilter, on};

use super::{AppState, session};
use crate::account::{Role, Scope};

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anybody.
    Public,
    /// Any customer who is signed in, whether their address is proven or not.
    SignedIn,
    /// A customer with at least this role in the account that they act for.
    Member(Role),
    /// The same, and they have shown who they are in the last minutes
    /// ([`PROVEN_FOR`](crate::account::session::PROVEN_FOR)): for what an open browser must not be enough for.
    Fresh(Role),
    /// Staff with this scope; `admin` has all. Nobody of them is let in without a second factor.
    Staff(Scope),
    /// The same, and they have shown who they are in the last minutes.
    FreshStaff(Scope),
    /// Stripe, by the signature of the body.
    Webhook,
}

impl std::fmt::Display for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Public => f.write_str("public"),
            Self::SignedIn => f.write_str("signed in"),
            Self::Member(role) => write!(f, "member: {}", format!("{role:?}").to_lowercase()),
            Self::Fresh(role) => write!(f, "fresh: {}", format!("{role:?}").to_lowercase()),
            Self::Staff(scope) => write!(f, "staff: {}", format!("{scope:?}").to_lowercase()),
            Self::FreshStaff(scope) => write!(f, "fresh staff: {}", format!("{scope:?}").to_lowercase()),
            Self::Webhook => f.write_str("webhook"),
        }
    }
}

/// A line of the route table.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Method.
    pub method: Method,
    /// Path, with `{…}` for what varies.
    pub path: &'static str,
    /// Who.
    pub access: Access,
}

/// Collects routes together with who may call them.
pub(super) struct Routes {
    router: Router<AppState>,
    table: Vec<Entry>,
    state: AppState,
}

impl Routes {
    pub fn new(state: AppState) -> Self {
        Self { router: Router::new(), table: Vec::new(), state }
    }

    /// Answers GET (and HEAD) of `path`.
    pub fn get<H, T>(self, path: &'static str, access: Access, handler: H) -> Self
    where
        H: Handler<T, AppState>,
        T: 'static,
    {
        self.on(Method::GET, MethodFilter::GET, path, access, handler)
    }

    /// Answers POST of `path`.
    pub fn post<H, T>(self, path: &'static str, access: Access, handler: H) -> Self
    where
        H: Handler<T, AppState>,
        T: 'static,
    {
        self.on(Method::POST, MethodFilter::POST, path, access, handler)
    }

    /// Answers DELETE of `path`.
    pub fn delete<H, T>(self, path: &'static str, access: Access, handler: H) -> Self
    where
        H: Handler<T, AppState>,
        T: 'static,
    {
        self.on(Method::DELETE, MethodFilter::DELETE, path, access, handler)
    }

    fn on<H, T>(mut self, method: Method, filter: MethodFilter, path: &'static str, access: Access, handler: H) -> Self
    where
        H: Handler<T, AppState>,
        T: 'static,
    {
        let guard = axum::middleware::from_fn_with_state((self.state.clone(), access), session::guard);
        self.router = self.router.route(path, on(filter, handler).route_layer(guard));
        self.table.push(Entry { method, path, access });
        self
    }

    pub fn into_parts(self) -> (Router<AppState>, Vec<Entry>) {
        (self.router, self.table)
    }
}
