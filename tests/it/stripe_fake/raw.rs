//! Requests of the API as any client would make them, for what our adapter does not ask (yet).

use serde_json::Value;

use super::bench::Bench;

impl Bench {
    /// A request that must succeed.
    pub async fn ask(&self, method: &str, path: &str, form: &[(&str, &str)]) -> Value {
        let (status, body) = self.try_ask(method, path, form).await;
        assert_eq!(status, 200, "{method} {path}: {body}");
        body
    }

    /// A request with its status, whatever comes of it.
    pub async fn try_ask(&self, method: &str, path: &str, form: &[(&str, &str)]) -> (u16, Value) {
        let request = self.raw(method, &format!("v1/{path}"));
        let request = if form.is_empty() { request } else { request.form(form) };
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// The words of a refusal: its code, or without one its parameter.
    pub async fn refusal(&self, method: &str, path: &str, form: &[(&str, &str)]) -> String {
        let (status, body) = self.try_ask(method, path, form).await;
        assert!((400..500).contains(&status), "{method} {path}: {status} {body}");
        let error = &body["error"];
        error["code"].as_str().or_else(|| error["param"].as_str()).unwrap_or_default().to_owned()
    }

    /// A price of another plan or interval.
    pub async fn other_price(&self, amount: &str, interval: &str) -> String {
        let product = self.ask("POST", "products", &[("name", "Large")]).await;
        let product = product["id"].as_str().unwrap().to_owned();
        let form = [("currency", "eur"), ("product", &product), ("unit_amount", amount), ("recurring[interval]", interval)];
        self.ask("POST", "prices", &form).await["id"].as_str().unwrap().to_owned()
    }

    /// The `PaymentIntent` of an invoice.
    pub async fn intent_of(&self, invoice: &str) -> String {
        let list = self.ask("GET", &format!("invoice_payments?invoice={invoice}"), &[]).await;
        list["data"][0]["payment"]["payment_intent"].as_str().unwrap().to_owned()
    }
}

/// A text of an answer.
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
