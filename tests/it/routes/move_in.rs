//! Moving in: what an archive is, and why it can't come here, before anything of it is fetched.

use serde_json::json;

use crate::harness::{Start, TestApp};

const PLACE: &str = "files.far.example/old/archive";

fn lay(app: &TestApp) -> Vec<(String, Vec<u8>)> {
    let (_, files) = crate::archive::some_files();
    for (name, bytes) in &files {
        app.sites.put(&format!("{PLACE}/{name}"), bytes.clone());
    }
    files
}

#[tokio::test]
async fn an_archive_is_looked_at_where_it_lies_and_refused_by_name() {
    let Start { app, anon, customer, .. } = TestApp::start().await;
    lay(&app);
    anon.get("/move-in").await.is(303);
    let page = customer.get("/move-in").await.is(200).see("Nothing is fetched, stored or restored");
    let address = format!("https://{PLACE}/manifest.json");
    let report = customer.submit(&page, "/move-in", &[("address", &address)]).await.is(200);
    // It has neither secrets nor accounts.
    let report =
        report.see("It can’t come here as it is").see("The server’s keys are not in it").see("No account in it has a key");
    let report = report.see("Make a new archive with a passphrase").see("birds.example").see("3 files");
    assert!(!report.visible_text().contains("move-in-"), "{}", report.visible_text());

    let ask = async |address: &str| customer.api_post("/api/v1/move-ins/inspect", &json!({"address": address})).await;
    let told = ask(&address).await.is(200).json();
    let codes: Vec<&str> = told["problems"].as_array().unwrap().iter().map(|problem| problem["code"].as_str().unwrap()).collect();
    assert_eq!((codes, told["fits"].as_bool()), (vec!["no-secrets", "no-actors"], Some(false)), "{told}");
    assert_eq!((told["facts"]["mastodon"].as_str(), told["facts"]["objects"].as_u64()), (Some("4.5"), Some(3)), "{told}");
    assert!(told["plan"].is_string(), "{told}");

    // The same of the two files alone, for an archive that is on nobody's server.
    let (manifest, files) = crate::archive::some_files();
    let signature = files.iter().find(|(name, _)| name == "manifest.sig").unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let body = json!({"manifest": text(&manifest), "signature": text(&signature.1)});
    let told = customer.api_post("/api/v1/move-ins/inspect", &body).await.is(200).json();
    assert_eq!(
        (told["problems"].as_array().unwrap().len(), told["facts"]["domain"].as_str()),
        (2, Some("birds.example")),
        "{told}"
    );
    for body in [json!({}), json!({"address": address, "manifest": ""}), json!({"manifest": "{}"})] {
        customer.api_post("/api/v1/move-ins/inspect", &body).await.is(422);
    }

    // A part that was not copied whole, one that is not there, and a manifest that somebody has changed.
    app.sites.put(&format!("{PLACE}/media-00001.tar.zst"), b"short".to_vec());
    let told = ask(&address).await.is(200).json();
    assert_eq!((&told["problems"][2]["code"], &told["problems"][2]["refuses"]), (&json!("other-size"), &json!(true)), "{told}");
    app.sites.put(&format!("{PLACE}/manifest.json"), b"{}".to_vec());
    let told = ask(&address).await.is(200).json();
    assert_eq!((&told["problems"][0]["code"], &told["facts"]), (&json!("damaged"), &json!(null)), "{told}");
    assert_eq!(app.rows().await.get("archives"), Some(&0), "nothing is kept");
}

#[tokio::test]
async fn what_can_not_be_asked_is_said_beside_the_field() {
    let Start { app, customer, .. } = TestApp::start().await;
    lay(&app);
    let page = customer.get("/move-in").await.is(200);
    for (address, said) in [
        ("http://files.far.example/manifest.json", "begins with https://"),
        ("https://ada:secret@files.far.example/manifest.json", "begins with https://"),
        ("nonsense", "begins with https://"),
        ("https://files.far.example/elsewhere/manifest.json", "manifest.json could not be fetched"),
        ("https://nowhere.example/manifest.json", "manifest.json could not be fetched"),
    ] {
        customer.submit(&page, "/move-in", &[("address", address)]).await.is(422).see(said);
    }
}
