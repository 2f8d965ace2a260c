//! The order path: one question a page, from the address to the review, the answers so far in a cookie of the browser.
//!
//! Each page checks what came before it again, and sends the visitor back to the first question without a good answer.

pub(in crate::web) mod address;
mod dns;
pub(in crate::web) mod draft;
mod owner;
mod plan;
pub(in crate::web) mod review;

use axum::response::{IntoResponse, Redirect, Response};

use super::access::{Access, Routes};
use crate::account::Role;
use draft::{Draft, question_of};

use super::page::FieldErrors;

pub(super) fn routes(routes: Routes) -> Routes {
    // Those who may send the order at the end.
    let orders = Access::Member(Role::Admin);
    routes
        .get("/new/address", orders, address::form)
        .post("/new/address", orders, address::submit)
        .get("/new/address/check", orders, address::check)
        .get("/new/dns", orders, dns::records)
        .post("/new/dns", orders, dns::go_on)
        .get("/new/owner", orders, owner::form)
        .post("/new/owner", orders, owner::submit)
        .get("/new/plan", orders, plan::form)
        .post("/new/plan", orders, plan::submit)
        .get("/new/review", orders, review::review)
}

/// Which question a page asks, and of how many. Only those with a domain of their own are asked about the DNS.
fn progress(draft: &Draft, path: &str) -> (String, String) {
    let own = draft.kind == "own";
    let paths = ["/new/address", "/new/dns", "/new/owner", "/new/plan", "/new/review"];
    let asked: Vec<&str> = paths.into_iter().filter(|path| own || *path != "/new/dns").collect();
    let step = asked.iter().position(|asked| *asked == path).map_or(1, |index| index + 1);
    (step.to_string(), asked.len().to_string())
}

/// Back to the first question without a good answer.
fn back_to(errors: &FieldErrors) -> Response {
    Redirect::to(question_of(errors)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_under_the_hosts_domain_has_one_question_less() {
        let (hosted, own) = (Draft::default(), Draft { kind: "own".to_owned(), ..Draft::default() });
        assert_eq!(progress(&hosted, "/new/owner"), ("2".to_owned(), "4".to_owned()));
        assert_eq!(progress(&own, "/new/owner"), ("3".to_owned(), "5".to_owned()));
        assert_eq!(progress(&own, "/new/review"), ("5".to_owned(), "5".to_owned()));
    }
}
