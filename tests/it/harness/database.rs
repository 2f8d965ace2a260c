//! A database for each test, copied from one that was migrated and peopled once.

use std::sync::Arc;

use paddock::db::Db;
use paddock::demo::rig::{Postgres, shared_postgres};
use tokio::sync::OnceCell;

use super::people::{self, People};

const TEMPLATE: &str = "paddock_template";

/// A database that lives as long as this.
pub struct Database {
    postgres: &'static Arc<Postgres>,
    name: String,
}

impl Database {
    /// A copy of the migrated database with the people of [`people`], who have nothing yet.
    pub async fn copy() -> (Self, &'static People) {
        static TEMPLATE_READY: OnceCell<People> = OnceCell::const_new();
        let postgres = server().await;
        let people = TEMPLATE_READY
            .get_or_init(async || {
                postgres.create_database(TEMPLATE, None).await.unwrap();
                let db = Db::new(&postgres.url(TEMPLATE), 2).unwrap();
                db.migrate().await.unwrap();
                let people = people::create(&db).await;
                // Nobody may be connected to what is copied.
                for pool in [db.auth(), db.staff(), db.worker(), db.fleet(), db.owner()] {
                    pool.close().await;
                }
                people
            })
            .await;
        let name = fresh_name();
        postgres.create_database(&name, Some(TEMPLATE)).await.unwrap();
        (Self { postgres, name }, people)
    }

    /// One without any table.
    pub async fn empty() -> Self {
        let (postgres, name) = (server().await, fresh_name());
        postgres.create_database(&name, None).await.unwrap();
        Self { postgres, name }
    }

    /// Its address, for the log-in user.
    pub fn url(&self) -> String {
        self.postgres.url(&self.name)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let (postgres, name) = (self.postgres, self.name.clone());
        let dropped = block_on(async move { postgres.drop_database(&name).await });
        if let Err(error) = dropped
            && !std::thread::panicking()
        {
            panic!("{error:?}");
        }
    }
}

async fn server() -> &'static Arc<Postgres> {
    shared_postgres().await.unwrap()
}

fn fresh_name() -> String {
    format!("test_{}", hex::encode(paddock::crypto::random::<8>()))
}

/// Waits for something from within a destructor, where nothing can be awaited: on a thread with a runtime of its own.
pub(super) fn block_on<T: Send>(work: impl Future<Output = T> + Send) -> T {
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work));
        waiting.join().unwrap()
    })
}
