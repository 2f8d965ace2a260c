//! Stripe: the real adapter against the stateful fake, over HTTP, on the test's clock.

use std::net::Ipv4Addr;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use paddock::billing::stripe::{CheckoutId, RealStripe, Stripe};
use paddock::clock::ManualClock;
use paddock::demo::stripe::{Control, FakeStripe, Settings};
use secrecy::{ExposeSecret as _, SecretString};

/// The card that always pays.
pub(super) const GOOD_CARD: &str = "4242 4242 4242 4242";

/// The fake and how to steer it: all of [`Control`] is here as well.
pub struct Shop {
    fake: FakeStripe,
    control: Control,
}

impl Shop {
    pub(super) async fn open(clock: &Arc<ManualClock>, base: &str) -> Self {
        let settings = Settings {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            api_key: key(),
            webhook_secret: Self::secret(),
            webhook_url: Some(format!("{base}/hooks/stripe").parse().unwrap()),
            clock: clock.clone(),
            state_file: None,
        };
        let fake = FakeStripe::start(settings).await.unwrap();
        Self { control: fake.control(), fake }
    }

    /// What webhooks are signed with.
    pub fn secret() -> SecretString {
        "whsec_of_the_test_harness_0123456789".into()
    }

    pub(super) fn stripe(&self) -> Arc<dyn Stripe> {
        Arc::new(RealStripe::new(&key(), Some(self.fake.base_url())).unwrap())
    }

    pub(super) fn origin(&self) -> String {
        self.fake.base_url().origin().ascii_serialization()
    }

    /// Pays a checkout with the card that always pays.
    #[track_caller]
    pub fn pay_well(&self, checkout: &CheckoutId) {
        self.control.pay(checkout, GOOD_CARD).unwrap();
    }

    /// A request of Stripe's API as somebody makes it in the dashboard.
    pub async fn post(&self, http: &reqwest::Client, path: &str, form: &[(&str, &str)]) -> reqwest::Response {
        let url = self.fake.base_url().join(&format!("v1/{path}")).unwrap();
        http.post(url).bearer_auth(key().expose_secret()).form(form).send().await.unwrap()
    }

    /// Waits until no webhook is under way.
    pub async fn webhooks_arrived(&self) {
        let idle = tokio::time::timeout(Duration::from_secs(10), self.control.idle()).await;
        assert!(idle.is_ok(), "webhooks don't arrive: {}", self.control.state());
    }
}

impl Deref for Shop {
    type Target = Control;
    fn deref(&self) -> &Control {
        &self.control
    }
}

fn key() -> SecretString {
    "sk_test_of_the_test_harness".into()
}
