//! The OpenAPI document, made from the handlers and from the table of `api`.

use axum::http::StatusCode;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{ContentBuilder, OpenApi, PathItem, Ref, RefOr, ResponseBuilder};
use utoipa::{OpenApi as _, ToSchema};

use super::json::Answer;
use super::{Document, OPERATIONS};
use crate::web::access::Access;
use crate::web::error::{FieldError, Problem};

const SESSION: &str = "session";

/// The document: what the handlers say about themselves, and what holds for all: who may call, and how errors look.
pub fn openapi() -> OpenApi {
    let mut document = Document::openapi();
    let components = document.components.get_or_insert_default();
    for (name, schema) in [
        (Problem::name(), <Problem as utoipa::PartialSchema>::schema()),
        (FieldError::name(), <FieldError as utoipa::PartialSchema>::schema()),
    ] {
        components.schemas.insert(name.into_owned(), schema);
    }
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("A token of POST /api/v1/sessions")).build();
    components.add_security_scheme(SESSION, SecurityScheme::Http(bearer));
    for (method, path, access) in OPERATIONS {
        let operation = document.paths.paths.get_mut(*path).and_then(|item| operation(item, method));
        if let Some(operation) = operation {
            describe(operation, *access);
        }
    }
    document
}

fn operation<'a>(item: &'a mut PathItem, method: &str) -> Option<&'a mut Operation> {
    match method {
        "get" => item.get.as_mut(),
        "post" => item.post.as_mut(),
        "delete" => item.delete.as_mut(),
        _ => None,
    }
}

fn describe(operation: &mut Operation, access: Access) {
    let problem = ContentBuilder::new().schema(Some(Ref::from_schema_name(Problem::name()))).build();
    let problem =
        ResponseBuilder::new().description("What went wrong (RFC 9457)").content("application/problem+json", problem).build();
    operation.responses.responses.insert("default".to_owned(), RefOr::T(problem));
    operation.security = Some(match access {
        Access::Public => Vec::new(),
        _ => vec![SecurityRequirement::new(SESSION, Vec::<String>::new())],
    });
    let who = format!("Who may call: {access}.");
    operation.description = Some(operation.description.take().map_or_else(|| who.clone(), |text| format!("{text}\n\n{who}")));
}

/// This document
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "host", operation_id = "openapi",
    responses((status = 200, description = "The OpenAPI document of this API", body = Object)))]
pub(super) async fn get() -> Answer<OpenApi> {
    Answer(StatusCode::OK, openapi())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_route_is_in_the_document_and_nothing_else() {
        let routes: BTreeSet<(String, String)> =
            OPERATIONS.iter().map(|(method, path, _)| ((*method).to_owned(), (*path).to_owned())).collect();
        assert_eq!(routes.len(), OPERATIONS.len());
        let document = serde_json::to_value(openapi()).unwrap();
        let documented: BTreeSet<(String, String)> = document["paths"]
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(path, item)| item.as_object().unwrap().keys().map(move |method| (method.clone(), path.clone())))
            .collect();
        assert_eq!(documented, routes);
    }

    #[test]
    fn the_file_in_docs_is_up_to_date() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/openapi.json");
        let found = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            found == openapi().to_pretty_json().unwrap() + "\n",
            "docs/openapi.json is out of date: run `paddock generate openapi`"
        );
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = serde_json::to_value(openapi()).unwrap();
        let mut references = BTreeSet::new();
        collect(&document, &mut references);
        assert!(references.len() > 10, "{references:?}");
        for reference in references {
            assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
        }
    }

    fn collect(value: &serde_json::Value, into: &mut BTreeSet<String>) {
        match value {
            serde_json::Value::Object(fields) => {
                into.extend(fields.get("$ref").and_then(|text| text.as_str()).map(str::to_owned));
                fields.values().for_each(|value| collect(value, into));
            }
            serde_json::Value::Array(values) => values.iter().for_each(|value| collect(value, into)),
            _ => {}
        }
    }
}
