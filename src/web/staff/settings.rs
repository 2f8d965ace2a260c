//! The settings that hold in this process, without secrets.

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use crate::config::{Setting, Shown};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::page::{PageContext, html, pages};

#[derive(Template)]
#[template(path = "pages/staff/settings.html")]
struct StaffSettingsPage {
    page: PageContext,
    version: &'static str,
    settings: Vec<SettingView>,
}

pages!(StaffSettingsPage);

/// A setting; what is not shown is said in words.
struct SettingView {
    name: String,
    value: String,
    said: String,
}

/// GET `/staff/settings`
pub(super) async fn show(State(state): State<AppState>, page: PageContext) -> Result<Response, WebError> {
    let view = |setting: &Setting| {
        let (value, said) = match &setting.value {
            Shown::Value(value) => (value.clone(), String::new()),
            Shown::Secret => (String::new(), page.w.t("settings-secret")),
            Shown::Missing => (String::new(), page.w.t("settings-missing")),
        };
        SettingView { name: setting.name.clone(), value, said }
    };
    let settings = state.settings.iter().map(view).collect();
    Ok(html(&StaffSettingsPage { version: env!("CARGO_PKG_VERSION"), settings, page })?)
}
