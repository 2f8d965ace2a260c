//! A server's address: the DNS records that it needs, and whether it is served.

use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::address::{DnsRecord, Handles, told};
use super::json::Answer;
use crate::instance::Instance;
use crate::instance::claim::LocalDomain;
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::instance::address::{look_again, names};
use crate::web::records::Found;
use crate::web::session::{Customer, OwnedInstance};

/// How it is with a server's address.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct InstanceAddress {
    /// What ends its handles.
    domain: String,
    /// Where its pages are, when that is not the domain.
    web_domain: Option<String>,
    /// Whether requests for its pages are answered: the name is the host's, or it was seen to point here.
    served: bool,
    /// When the customer's own domain was seen to point here, by more than one resolver. It is not taken back by itself.
    confirmed_at: Option<DateTime<Utc>>,
    /// When we last looked whether it does. We do so by ourselves until it does.
    looked_at: Option<DateTime<Utc>>,
    /// With a web domain: who answers what other servers ask at the domain.
    local_domain: Option<LocalDomain>,
    /// The redirect there, as it is at this moment.
    handles: Option<Handles>,
    /// Whether every record that is required is there at this moment.
    all_right: bool,
    /// One for each record to set; none for a name under the host's domain.
    records: Vec<DnsRecord>,
}

async fn view(state: &AppState, instance: &Instance) -> InstanceAddress {
    let names = names(instance);
    let found = Found::look_up(state, names).await;
    InstanceAddress {
        domain: instance.domain.clone(),
        web_domain: instance.web_domain.clone(),
        served: !instance.awaits_records(),
        confirmed_at: instance.address_confirmed_at,
        looked_at: instance.address_checked_at,
        local_domain: instance.local_domain,
        handles: Handles::of(names, &found),
        all_right: found.all_right(),
        records: found.records.iter().map(|(record, state)| told(record, state)).collect(),
    }
}

/// Does my domain point to its server?
///
/// What is there is looked up for this answer. A server on a domain of one's own is built at once and served once its required records
/// are there.
#[utoipa::path(get, path = "/api/v1/instances/{id}/address", tag = "instance", operation_id = "get_instance_address",
    params(("id" = String, Path, description = "Id of the server")),
    responses((status = 200, description = "The address", body = InstanceAddress)))]
pub(super) async fn get(
    State(state): State<AppState>,
    OwnedInstance(instance): OwnedInstance,
) -> Result<Answer<InstanceAddress>, WebError> {
    Ok(Answer(StatusCode::OK, view(&state, &instance).await))
}

/// Look again whether my domain points here
///
/// At once, instead of in a while: `looked_at` and `served` change when that is done, which takes a moment.
#[utoipa::path(post, path = "/api/v1/instances/{id}/address/check", tag = "instance", operation_id = "check_instance_address",
    params(("id" = String, Path, description = "Id of the server")),
    responses((status = 202, description = "It will be looked at", body = InstanceAddress)))]
pub(super) async fn check(
    State(state): State<AppState>,
    customer: Customer,
    OwnedInstance(instance): OwnedInstance,
) -> Result<Answer<InstanceAddress>, WebError> {
    look_again(&state, &customer, &instance).await?;
    Ok(Answer(StatusCode::ACCEPTED, view(&state, &instance).await))
}
