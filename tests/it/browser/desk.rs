//! The staff's pages and the public ones in a real browser: nothing is wider than a phone, and keys lead where the page says.

use anyhow::ensure;
use paddock::demo::journey::Journey;
use thirtyfour::Key;

use super::focus;
use super::window::Window;

const PAGES: [&str; 22] = [
    "/",
    "/plans",
    "/status",
    "/what-we-keep",
    "/terms",
    "/staff",
    "/staff/instances",
    "/staff/customers",
    "/staff/orders",
    "/staff/queue",
    "/staff/incidents",
    "/staff/incidents/new",
    "/staff/alerts",
    "/staff/runbooks/capacity",
    "/staff/cases",
    "/staff/cases/new",
    "/staff/announcements",
    "/staff/settings",
    "/help",
    "/staff/audit",
    "/staff/keys",
    "/staff/styleguide",
];

/// Looks at every page, in the widths and colours of [`Window::shot`], and measures each as wide as a phone.
pub async fn fit_a_phone(window: &Window, journey: &Journey) -> anyhow::Result<()> {
    for path in PAGES {
        window.go(&journey.pages.join(path)?).await?;
        let wide = window.width_on_a_phone().await?;
        ensure!(wide <= 360, "{path} is {wide} wide on a phone of 360");
        window.shot(&format!("10{}", path.replace('/', "-"))).await?;
    }
    Ok(())
}

/// From the overview to a server and on to the list without a mouse.
pub async fn go_by_keys(window: &Window, journey: &Journey) -> anyhow::Result<()> {
    let is_open = async || window.run::<bool>("return document.getElementById('keys').open").await;
    window.go(&journey.pages.join("/staff")?).await?;
    window.press("?").await?;
    ensure!(is_open().await?, "the keys are not shown");
    window.key(Key::Escape).await?;
    ensure!(!is_open().await?, "the keys do not go away");
    window.press("/").await?;
    ensure!(focus(window).await? == "find", "the focus is not in the search");
    window.press(&format!("{}.", journey.name)).await?;
    ensure!(!is_open().await?, "typing in a field does something else");
    window.key(Key::Enter).await?;
    window.see("main h1", &format!("{}.", journey.name)).await?;
    // The focus is on the page again, not in a field.
    window.press("gi").await?;
    window.until("list", async || Ok((window.url().await?.path() == "/staff/instances").then_some(()))).await
}
