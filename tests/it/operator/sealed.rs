//! What a customer brings, sealed, all the way: from the page through database and etcd to the Secret that Mastodon reads.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, Patch, PatchParams};
use paddock::demo::mailbox::Entrance;
use paddock::fleet;
use paddock::ids::InstanceId;
use paddock::instance::dns::RecordKind;
use paddock::operator::Settings;
use paddock::resource::{ConditionKind, OwnMail, condition, namespace_name, resource_name};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::Host;
use crate::harness::{
    LOGIN, NEWEST, OPERATOR_KEY, SMTP_HOST, SMTP_PASSWORD, Shown, Start, TestApp, mail_server, operator_key, reach_the_rig,
};

/// An operator that has the key, and makes a login at the relay for each server.
fn settings(host: &Host, wildcard: &str, version: &str) -> Settings {
    let mut settings = host.settings();
    wildcard.clone_into(&mut settings.address.wildcard_domain);
    let release = settings.releases["4.5.20"].clone();
    settings.releases.insert(version.to_owned(), release);
    settings.sealing.operator_key = Some(OPERATOR_KEY.to_owned().into());
    settings.mail.each = Some(serde_json::from_value(json!({"domain": "relay.example", "secret": "ab".repeat(32)})).unwrap());
    settings
}

impl Host {
    /// Login and password of a server's mails, and the host name that they go to.
    async fn way_out(&self, id: InstanceId) -> Option<(String, String, String)> {
        let secret = self.secrets(id).get_opt("mastodon-mail").await.unwrap()?.data.unwrap();
        let text = |name: &str| String::from_utf8(secret[name].0.clone()).unwrap();
        let maps: Api<ConfigMap> = Api::namespaced(self.client.clone(), &namespace_name(id));
        let env = maps.get_opt("mastodon-env").await.unwrap()?.data.unwrap();
        Some((text("SMTP_LOGIN"), text("SMTP_PASSWORD"), env["SMTP_SERVER"].clone()))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_reaches_mastodon_and_is_nowhere_on_the_way() {
    let host = Host::new().await;
    let Start { app, customer, .. } = TestApp::start().await;
    let version = NEWEST.to_string();
    let operator = host.operator_with(settings(&host, "meadow.social", &version)).await;
    let stop = CancellationToken::new();
    let fleet = fleet::run(app.db.clone(), app.clock.clone(), reach_the_rig(&app, host.rig).await, stop.clone());
    let fleet = tokio::spawn(fleet);
    let id = app.paid(&customer, "birds").await.id;
    host.until("the server is ready", async || app.find_instance(id).await.ready_at).await;
    let relay = host.until("it has a login at the relay", async || host.way_out(id).await).await;
    assert_eq!((relay.0.as_str(), relay.2.as_str()), (format!("{}@relay.example", resource_name(id)).as_str(), "relay.example"));

    app.resolver.set(SMTP_HOST, RecordKind::A, &["127.0.0.1"]);
    let server = mail_server(Entrance::StartTls, Shown::Good, |_| {}).await;
    let port = server.smtp_addr().port().to_string();
    let path = format!("/instances/{id}/mail");
    let fields = [
        ("mail_host", SMTP_HOST),
        ("mail_port", &port),
        ("mail_security", "starttls"),
        ("mail_login", LOGIN),
        ("mail_password", SMTP_PASSWORD),
        ("mail_from", "social@mail.example"),
    ];
    customer.post(&path, &fields).await.redirects_to(&path);
    let own = (LOGIN.to_owned(), SMTP_PASSWORD.to_owned(), SMTP_HOST.to_owned());
    host.until("it has the customer's own", async || host.way_out(id).await.filter(|way| *way == own)).await;

    // The custom resource, with all that is said of it, holds ciphertext and nothing else.
    let resource = serde_json::to_string(&host.get(id).await).unwrap();
    assert!(resource.contains("BEGIN AGE ENCRYPTED FILE"));
    for hidden in [SMTP_PASSWORD.to_owned(), STANDARD.encode(SMTP_PASSWORD), SMTP_HOST.to_owned()] {
        assert!(!resource.contains(&hidden), "{hidden}");
    }
    let maps: Api<ConfigMap> = Api::namespaced(host.client.clone(), &namespace_name(id));
    let env = maps.get("mastodon-env").await.unwrap().data.unwrap();
    assert_eq!((env["SMTP_PORT"].as_str(), env["SMTP_ENABLE_STARTTLS"].as_str()), (port.as_str(), "always"));
    assert_eq!((env["SMTP_FROM_ADDRESS"].as_str(), env["SMTP_AUTH_METHOD"].as_str()), ("social@mail.example", "plain"));
    assert!(!env.values().any(|value| value.contains(SMTP_PASSWORD)));

    // A run goes the same way, and what came of it comes back.
    app.advance(TimeDelta::seconds(1));
    let tools = format!("/instances/{id}/tools");
    customer.post(&tools, &[("tool", "password-mail")]).await.redirects_to(&tools);
    let runs = format!("/api/v1/instances/{id}/runs");
    let done = host
        .until("the run is done", async || {
            let run = customer.api_get(&runs).await.is(200).json()["runs"][0].clone();
            run["finished_at"].is_string().then_some(run)
        })
        .await;
    assert_eq!(
        (done["state"].as_str(), done["output"].as_str()),
        (Some("succeeded"), Some("OK, the mail is on its way to the owner"))
    );
    customer.get(&tools).await.see("New password for the owner").see("Done");

    customer.post(&format!("{path}/remove"), &[]).await.redirects_to(&path);
    host.until("it is back at the relay", async || host.way_out(id).await.filter(|way| *way == relay)).await;
    stop.cancel();
    fleet.await.unwrap().unwrap();
    operator.stop().await;
    app.run_jobs().await;
}

#[tokio::test]
async fn what_can_not_be_opened_is_told_and_mails_go_through_the_relay() {
    let host = Host::new().await;
    let operator = host.operator_with(settings(&host, super::DOMAIN, "4.5.20")).await;
    let id = host.order(|_| {}).await;
    host.until_condition(id, ConditionKind::Ready, "True").await;
    let relay = host.until("it has a login at the relay", async || host.way_out(id).await).await;
    let own = |instance: &str| OwnMail {
        instance: instance.to_owned(),
        host: SMTP_HOST.to_owned(),
        port: 587,
        security: paddock::resource::MailSecurity::Tls,
        method: paddock::resource::MailMethod::Plain,
        login: LOGIN.to_owned(),
        password: SMTP_PASSWORD.to_owned().into(),
        from: "a@b.example".to_owned(),
    };
    let seal = |own: &OwnMail| operator_key().recipient().seal(&serde_json::to_string(own).unwrap().into()).unwrap();
    let set = async |sealed: &str| {
        let patch = json!({"spec": {"sealed": {"mail": sealed}}});
        host.instances().patch(&resource_name(id), &PatchParams::default(), &Patch::Merge(&patch)).await
    };
    // What is no ciphertext does not get in.
    assert!(set("hunter2").await.unwrap_err().to_string().contains("spec.sealed.mail"));
    let stranger = format!("-----BEGIN AGE ENCRYPTED FILE-----\n{}\n-----END AGE ENCRYPTED FILE-----\n", STANDARD.encode("no"));
    for sealed in [seal(&own(&resource_name(InstanceId::new()))), stranger] {
        set(&sealed).await.unwrap();
        let instance = host.until_condition(id, ConditionKind::Stalled, "True").await;
        let status = instance.status.unwrap();
        assert_eq!(condition(&status.conditions, ConditionKind::Stalled).unwrap().reason, "OwnMailUnreadable");
        // It goes on, though its pods may just be taking on the way out that it had before.
        host.until_condition(id, ConditionKind::Ready, "True").await;
        operator.settle().await;
        assert_eq!(host.way_out(id).await.unwrap(), relay);
        // Right again: it is used.
        set(&seal(&own(&resource_name(id)))).await.unwrap();
        host.until("it has the customer's own", async || host.way_out(id).await.filter(|way| way.0 == LOGIN)).await;
        host.until_condition(id, ConditionKind::Stalled, "False").await;
        host.instances()
            .patch(&resource_name(id), &PatchParams::default(), &Patch::Merge(&json!({"spec": {"sealed": null}})))
            .await
            .unwrap();
        host.until("it is back at the relay", async || host.way_out(id).await.filter(|way| *way == relay)).await;
    }
    operator.stop().await;
}
