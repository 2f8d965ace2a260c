//! What people may ask of whoever keeps records of them: a copy of everything, the end of it, and what they have agreed to.

use std::collections::BTreeSet;

use chrono::{Datelike as _, TimeDelta};
use paddock::clock::Clock as _;
use paddock::privacy::{LEFT_OUT, TABLES};
use serde_json::{Value, json};

use crate::harness::{Client, Start, TestApp};
use crate::webhooks::listen;

async fn copy(client: &Client) -> Value {
    client.api_get("/api/v1/account-data").await.is(200).json()
}

/// Every column of the tables with rows of accounts whose name says that it is a secret.
async fn secret_columns(app: &TestApp) -> Vec<(String, String)> {
    let query = "select table_name::text, column_name::text from information_schema.columns
                 where table_schema = 'public' and column_name ~ '(hash|seed|sealed|secret|password)' order by 1, 2";
    sqlx::query_as(query).fetch_all(app.sql()).await.unwrap()
}

#[tokio::test]
async fn a_copy_holds_every_table_with_rows_of_the_account_and_no_secret() {
    let Start { app, customer, other_customer, .. } = TestApp::start().await;
    let customer = app.sign_in_again(&customer).await;
    app.running(&customer, "birds").await;
    app.running(&other_customer, "owls").await;
    listen(&app, &customer, "https://birds.example/hook").await;
    customer.api_post("/api/v1/tokens", &json!({ "name": "a script", "scope": "read", "days": 30 })).await.is(201);
    let query = "select table_name::text from information_schema.columns
                 where table_schema = 'public' and column_name = 'account_id' order by 1";
    let tables: Vec<String> = sqlx::query_scalar(query).fetch_all(app.sql()).await.unwrap();
    let named: BTreeSet<&str> = TABLES.iter().map(|table| table.name).chain(LEFT_OUT.iter().map(|(table, _)| *table)).collect();
    for table in &tables {
        assert!(named.contains(table.as_str()), "{table} has rows of accounts and is neither in the copy nor left out by name");
    }
    let document = copy(&customer).await;
    for table in TABLES {
        assert!(document[table.name].is_array(), "{} is not in the copy", table.name);
    }
    assert_eq!(document["instances"][0]["domain"], "birds.meadow.social");
    assert_eq!(document["person"]["email"], customer.who.email.as_str());
    assert_eq!(document["api_tokens"][0]["name"], "a script");
    assert_eq!(document["hook_endpoints"][0]["url"], "https://birds.example/hook");
    // Nothing of others.
    let text = document.to_string();
    assert!(!text.contains("owls") && !text.contains(&other_customer.who.email), "{text}");
    for (table, column) in secret_columns(&app).await {
        let leaks = document[&table].as_array().is_some_and(|rows| rows.iter().any(|row| row.get(&column).is_some()));
        assert!(!leaks, "{table}.{column} is in the copy");
    }
    let audited = "select count(*) from audit_events where action = 'account.copied'";
    assert_eq!(sqlx::query_scalar::<_, i64>(audited).fetch_one(app.sql()).await.unwrap(), 1);
}

#[tokio::test]
async fn a_copy_is_for_the_owner_who_has_just_shown_who_they_are() {
    let Start { app, customer, .. } = TestApp::start().await;
    let fresh = app.sign_in_again(&customer).await;
    let page = fresh.get("/account/data").await.is(200).see("A copy of everything");
    let file = fresh.submit(&page, "/account/data/copy", &[]).await.is(200);
    assert!(file.header("content-disposition").starts_with("attachment") && file.header("cache-control") == "no-store");
    assert_eq!(file.json()["format"], "paddock-account/1");
    for member in [app.admin_member(), app.members()[0].clone()] {
        let member = app.sign_in_again(&member).await;
        member.get("/account/data").await.is(403);
        member.api_get("/api/v1/account-data").await.is(403);
        member.api_post("/api/v1/account-data/erase", &json!({ "sure": true })).await.is(403);
    }
    app.advance(paddock::account::session::PROVEN_FOR);
    fresh.get("/account/data").await.is(200).not_see("Get the copy");
    assert_eq!(fresh.api_get("/api/v1/account-data").await.is(403).json()["code"], "proof_required");
}

/// Removes what stands in the way of an erasure: as if the server had been there and is no more.
async fn release_all(app: &TestApp, client: &Client) {
    let release = "update instances set released_at = now() where account_id = $1";
    sqlx::query(release).bind(client.who.account()).execute(app.sql()).await.unwrap();
}

#[tokio::test]
async fn an_erased_account_is_gone_but_for_what_the_ledger_names() {
    let Start { app, other_customer: owner, customer: neighbour, .. } = TestApp::start().await;
    let owner = app.sign_in_again(&owner).await;
    let (account, email) = (owner.who.account(), owner.who.email.clone());
    app.running(&owner, "birds").await;
    listen(&app, &owner, "https://birds.example/hook").await;
    owner.api_post("/api/v1/tokens", &json!({ "name": "a script", "scope": "read", "days": 30 })).await.is(201);
    owner.api_post("/api/v1/agreements", &json!({})).await.is(204);
    let erase = "/api/v1/account-data/erase";
    assert_eq!(owner.api_post(erase, &json!({})).await.is(422).json()["errors"][0]["field"], "sure");
    let refused = owner.api_post(erase, &json!({ "sure": true })).await.is(409).json();
    assert_eq!(refused["code"], "servers");
    release_all(&app, &owner).await;

    let page = owner.get("/account/data").await.is(200);
    owner.submit(&page, "/account/data/erase", &[]).await.is(422).see("Tick the box");
    let done = owner.submit(&page, "/account/data/erase", &[("sure", "yes")]).await.is(200);
    done.see("The account is erased").see("Orders and subscriptions").see("§ 147 AO").not_see(&email);
    owner.get("/instances").await.is(303);
    owner.api_get("/api/v1/me").await.is(401);

    // The address is nowhere any more, in no table.
    let tables =
        "select table_name::text from information_schema.tables where table_schema = 'public' and table_type = 'BASE TABLE'
                  and table_name not in ('audit_events', '_sqlx_migrations')";
    let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(app.sql()).await.unwrap();
    for table in tables {
        let query = format!("select count(*) from {table} t where to_jsonb(t)::text ilike '%' || $1 || '%'");
        let found: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(query)).bind(&email).fetch_one(app.sql()).await.unwrap();
        assert_eq!(found, 0, "{table} still has the address");
    }
    let count = async |table: &str| -> i64 {
        let query = format!("select count(*) from {table} where account_id = $1");
        sqlx::query_scalar(sqlx::AssertSqlSafe(query)).bind(account).fetch_one(app.sql()).await.unwrap()
    };
    for table in ["members", "sessions", "api_tokens", "hook_endpoints", "hook_events", "runs", "invitations", "waiting_list"] {
        assert_eq!(count(table).await, 0, "{table}");
    }
    assert_eq!((count("orders").await, count("consents").await, count("erasure_keeps").await), (1, 2, 4));
    neighbour.api_get("/api/v1/me").await.is(200);

    // What had to stay goes when its time is over.
    let tidy = async || {
        let mut conn = app.db.worker().acquire().await.unwrap();
        paddock::privacy::forget_kept(&mut conn, app.clock.as_ref()).await.unwrap()
    };
    assert_eq!(tidy().await, 0);
    let years = |years: i32| -> TimeDelta {
        let now = app.clock.now();
        let then = chrono::NaiveDate::from_ymd_opt(now.year() + years, 1, 1).unwrap().and_hms_opt(0, 0, 1).unwrap().and_utc();
        then - now
    };
    app.advance(years(4));
    assert_eq!((tidy().await, count("consents").await, count("orders").await), (1, 0, 1));
    app.advance(years(7));
    assert_eq!((tidy().await, count("orders").await, count("subscriptions").await), (1, 0, 0));
    assert_eq!(tidy().await, 0);
    app.leave_jobs();
}

#[tokio::test]
async fn nobody_ends_what_others_share() {
    let Start { app, customer, .. } = TestApp::start().await;
    // This account has members beside its owner.
    let customer = app.sign_in_again(&customer).await;
    let refused = customer.api_post("/api/v1/account-data/erase", &json!({ "sure": true })).await.is(409).json();
    assert_eq!(refused["code"], "members");
    let page = customer.get("/account/data").await;
    customer.submit(&page, "/account/data/erase", &[("sure", "yes")]).await.is(422).see("There are other members.");
    // And no transaction that acts for another account does it.
    let mut tx = app.db.auth().begin().await.unwrap();
    let erase = sqlx::query("select erase_account($1, now())").bind(customer.who.account()).execute(&mut *tx).await;
    assert_eq!(erase.unwrap_err().as_database_error().unwrap().code().as_deref(), Some("42501"));
}

#[tokio::test]
async fn an_order_agrees_to_the_wording_of_today_and_a_new_one_is_asked_anew() {
    let Start { app, customer, .. } = TestApp::start().await;
    let agreements = async || customer.api_get("/api/v1/agreements").await.is(200).json();
    let before = agreements().await;
    assert_eq!((before["agreed"].as_array().unwrap().len(), before["outstanding"].as_array().unwrap().len()), (0, 2));
    let order = json!({
        "kind": "hosted", "name": "birds", "plan": "family", "period": "month", "owner_name": "wren", "owner_email": "wren@mail.example",
    });
    let placed = customer.api_post("/api/v1/orders", &order).await;
    assert!(placed.status.is_success(), "{}", placed.body);
    let after = agreements().await;
    assert_eq!((after["agreed"].as_array().unwrap().len(), &after["outstanding"]), (2, &json!([])));
    // Another wording since.
    sqlx::query("update consents set version = '2020-01-01' where document = 'dpa'").execute(app.sql()).await.unwrap();
    assert_eq!(agreements().await["outstanding"][0]["document"], "dpa");
    let page = customer.get("/account/data").await.is(200).see("There is a wording that nobody has agreed to");
    let agreed = customer.submit(&page, "/account/data/agree", &[]).await.redirects_to("/account/data");
    customer.follow(agreed).await.see("It is noted").not_see("There is a wording");
    assert_eq!(agreements().await["agreed"].as_array().unwrap().len(), 3);
    app.leave_jobs();
}

#[tokio::test]
async fn the_documents_and_who_else_has_to_do_with_the_data_are_public() {
    let Start { anon, .. } = TestApp::start().await;
    for path in ["/terms", "/dpa"] {
        anon.get(path).await.is(200).see("This wording holds from 2026-11-28 on.");
    }
    anon.get("/sub-processors").await.is(200).see("Stripe Payments Europe, Ltd.").see("takes payments").see("Ireland");
}
