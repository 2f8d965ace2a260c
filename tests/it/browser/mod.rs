//! The main job in a real Chromium with JavaScript: what no test of the answers alone can see. `PADDOCK_SHOTS=dir` keeps pictures.

mod axe;
mod desk;
mod live;
mod program;
mod window;

use paddock::demo::journey::Journey;
use paddock::demo::stage::{HOSTS_DOMAIN, STAFF_EMAIL, STAFF_PASSWORD, Stage, StageSettings};
use paddock::resource::{StepName, crds_yaml};
use thirtyfour::Key;

use crate::harness::turn;
use program::Program;
use window::Window;

/// The states of the steps on a server's page, in order.
const STATES: &str = "return Array.from(document.querySelectorAll('.steps > li'), (step) => step.className)";

#[tokio::test]
async fn from_sign_up_to_a_running_server() -> anyhow::Result<()> {
    let turn = turn().await;
    let rig = turn.rig();
    for (_, yaml) in crds_yaml()? {
        rig.cluster().apply(&yaml).await?;
    }
    let dir = rig.dir().join("browser");
    let settings = StageSettings {
        dir: dir.clone(),
        database: "browser".to_owned(),
        ports: [0; 3],
        sweep_seconds: 3600,
        capacity: 10,
        identity: "admin".to_owned(),
    };
    let stage = Stage::open(rig, &settings).await?;
    let mut program = Program::start(&stage, &dir).await?;
    let journey = Journey {
        pages: stage.pages.clone(),
        mailbox: stage.mailbox_url.clone(),
        email: "ada.lovelace@example.org".to_owned(),
        password: "analytical engine".to_owned(),
        name: "harbour".to_owned(),
    };

    let window = Window::open().await?;
    for (path, name) in [("/", "0-home"), ("/plans", "0-plans"), ("/status", "0-status")] {
        window.go(&journey.pages.join(path)?).await?;
        window.shot(name).await?;
    }
    sign_up_by_keyboard(&window, &journey).await?;
    log_in(&window, &journey).await?;
    choose(&window, &journey).await?;
    pay(&window, &journey).await?;
    watch(&window, &journey, &mut program).await?;
    assert_eq!(stage.stripe.control().charges().len(), 1);
    look_as_staff(&window, &journey).await?;
    // The declined card is an answer with a status of its own.
    window.close(Some("402 (Payment Required)")).await?;
    Ok(())
}

async fn focus(window: &Window) -> anyhow::Result<String> {
    window.run("const it = document.activeElement; return it.id || it.className || it.tagName").await
}

async fn sign_up_by_keyboard(window: &Window, journey: &Journey) -> anyhow::Result<()> {
    window.go(&journey.pages.join("/sign-up")?).await?;
    window.key(Key::Tab).await?;
    assert_eq!(focus(window).await?, "skip", "the first key leads past the navigation");
    window.key(Key::Enter).await?;
    assert_eq!(focus(window).await?, "main");
    window.key(Key::Tab).await?;
    assert_eq!(focus(window).await?, "email");
    window.press(&journey.email).await?;
    window.key(Key::Tab).await?;
    assert_eq!(focus(window).await?, "password");
    window.press(&journey.password).await?;
    window.key(Key::Tab).await?;
    window.shot("1-sign-up").await?;
    let ring: String = window.run("return getComputedStyle(document.activeElement).outlineStyle").await?;
    assert_eq!(ring, "solid", "one sees where the focus is");
    window.key(Key::Enter).await?;
    window.see("main", &journey.email).await?;
    assert_eq!(window.url().await?.path(), "/sign-up/sent");
    Ok(())
}

async fn log_in(window: &Window, journey: &Journey) -> anyhow::Result<()> {
    window.go(&journey.wait_for_mail("/verify/").await?.parse()?).await?;
    window.send().await?;
    window.click("main a.button").await?;
    window.fill("#email", &journey.email).await?;
    window.fill("#password", &journey.password).await?;
    window.send().await?;
    assert_eq!(window.url().await?.path(), "/new/address");
    Ok(())
}

async fn choose(window: &Window, journey: &Journey) -> anyhow::Result<()> {
    // Nothing is sent: the answers come while one types.
    for (typed, told) in [("admin", "Reserved"), ("a", "at least 3 characters"), (&journey.name, "Free")] {
        window.fill("#name", typed).await?;
        window.see("#check-hosted", told).await?;
    }
    window.shot("2-address").await?;
    window.click("#kind-own").await?;
    window.fill("#domain", "bücher.org").await?;
    window.see("#check-own", "xn--bcher-kva.org").await?;
    window.click("#kind").await?;
    window.send().await?;
    window.fill("#owner_name", "ada").await?;
    window.send().await?;
    window.click(".plans tbody tr:nth-child(2) label").await?;
    window.shot("3-plan").await?;
    window.send().await?;
    window.see("main", &format!("@ada@{}.{HOSTS_DOMAIN}", journey.name)).await?;
    window.shot("4-review").await
}

/// Declined, back to the order's page, which says so by itself, and paid with another card.
async fn pay(window: &Window, journey: &Journey) -> anyhow::Result<()> {
    let card = async |number: &str| {
        window.send().await?;
        assert_ne!(window.url().await?.origin(), journey.pages.origin(), "the card is not ours to see");
        for (field, typed) in [("number", number), ("expiry", "12/34"), ("cvc", "123")] {
            window.fill(&format!("[name={field}]"), typed).await?;
        }
        window.send().await
    };
    card("4000 0000 0000 0002").await?;
    window.click("a[href*='came=back']").await?;
    window.see("main h1", "Your card was declined").await?;
    window.shot("5-declined").await?;
    card("4242 4242 4242 4242").await
}

/// The page moves from the payment to the server by itself, and shows each step without being loaded again.
async fn watch(window: &Window, journey: &Journey, program: &mut Program) -> anyhow::Result<()> {
    window.until("server's page", async || Ok(window.url().await?.path().starts_with("/instances/ins_").then_some(()))).await?;
    window.see("h1", "Your server is being built").await?;
    let before: Vec<String> = window.run(STATES).await?;
    assert_eq!(before.len(), 1 + StepName::ALL.len(), "{before:?}");
    assert_eq!((before[0].as_str(), before[1..].contains(&"done".to_owned())), ("done", false), "{before:?}");
    window.shot("6-before-building").await?;

    window.run::<serde_json::Value>("window.neverReloaded = true").await?;
    program.build()?;
    let later = window
        .until("step that is done", async || {
            let states: Vec<String> = window.run(STATES).await?;
            Ok((!states.is_empty() && states[1..].contains(&"done".to_owned())).then_some(states))
        })
        .await?;
    assert_ne!(before, later);
    window.shot("7-building").await?;
    window.see("main", "What to do now").await?;
    window.see("h1", &format!("{}.{HOSTS_DOMAIN}", journey.name)).await?;
    assert!(window.run::<bool>("return window.neverReloaded === true").await?, "the page was loaded again");
    assert!(window.run::<bool>("return Boolean(document.querySelector('[data-end]'))").await?);
    window.see("[role=status].away", "Your server is ready").await?;
    window.shot("8-ready").await?;
    window.go(&journey.pages.join("/instances")?).await?;
    window.shot("8-servers").await?;
    journey.wait_for_mail("/instances/").await?;
    Ok(())
}

async fn look_as_staff(window: &Window, journey: &Journey) -> anyhow::Result<()> {
    window.go(&journey.pages.join("/staff/log-in")?).await?;
    window.fill("#email", STAFF_EMAIL).await?;
    window.fill("#password", STAFF_PASSWORD).await?;
    window.send().await?;
    // The first time they set up their second factor: here, as an app would that reads the secret.
    window.see("main", "Set up an authenticator app").await?;
    let secret = window.text("main code").await?.replace(' ', "");
    let app = totp_rs::Builder::new().with_secret(totp_rs::Secret::try_from_base32(&secret)?).build()?;
    window.fill("#code", &app.generate_current().to_string()).await?;
    window.shot("9-staff-factor").await?;
    window.send().await?;
    window.see("main", "They are not shown again").await?;
    window.go(&journey.pages.join("/staff")?).await?;
    window.see("main", "Places left").await?;
    window.shot("9-staff").await?;
    window.go(&journey.pages.join("/staff/instances")?).await?;
    window.click("main tbody a").await?;
    window.see("main", "Conditions").await?;
    window.shot("9-staff-server").await?;
    desk::go_by_keys(window, journey).await?;
    desk::fit_a_phone(window, journey).await
}
