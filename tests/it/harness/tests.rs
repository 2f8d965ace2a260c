//! The harness itself: that it starts, that it is quick, and that it notices what is left undone.

use std::panic::{AssertUnwindSafe, catch_unwind};

use paddock::account;
use paddock::account::email::EmailAddress;

use super::{Start, TestApp};

#[tokio::test]
async fn the_program_answers() {
    let Start { app, anon, customer, .. } = TestApp::start().await;
    anon.get("/nothing-here").await.is(404);
    let order = app.order(&customer, "birds").await;
    assert_eq!(order.account_id, customer.who.account());
    let rows = app.rows().await;
    assert_eq!((rows["orders"], rows["places"], rows["instances"], rows["mails"], rows["_private_jobs"]), (1, 1, 1, 0, 1));
}

#[tokio::test]
async fn mails_that_are_owed_fail_the_test_until_they_are_sent() {
    let Start { app, customer, .. } = TestApp::start().await;
    let email = EmailAddress::parse(&customer.who.email).unwrap();
    let mut conn = app.db.auth().acquire().await.unwrap();
    account::request_reset(&mut conn, app.clock.as_ref(), &email, "en").await.unwrap();
    drop(conn);
    app.run_jobs().await;
    assert!(app.link_to(&customer.who.email).starts_with("/reset/"));

    let Start { app, .. } = TestApp::start().await;
    let mut conn = app.db.auth().acquire().await.unwrap();
    account::request_reset(&mut conn, app.clock.as_ref(), &email, "en").await.unwrap();
    drop(conn);
    let dropped = catch_unwind(AssertUnwindSafe(|| drop(app)));
    let message = *dropped.unwrap_err().downcast::<String>().unwrap();
    assert!(message.contains("send_mail"), "{message}");
}

#[tokio::test]
async fn a_server_is_ordered_paid_and_ready() {
    let Start { app, customer, .. } = TestApp::start().await;
    let instance = app.running(&customer, "birds").await;
    assert_eq!(instance.domain, "birds.meadow.social");
    assert!(instance.ready_at.is_some());
    assert_eq!(app.shop.charges().len(), 1);
    assert_eq!(app.mail_to(&customer.who.email).subject, "@wren@birds.meadow.social: your server is running");
}
