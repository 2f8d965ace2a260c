//! VersityGW: S3 with an admin API on the same address (`PATCH /create-user` and the like, signed as S3 requests are).
//!
//! Read from versitygw 1.8.0: `s3api/admin-router.go`, `s3api/controllers/admin.go`, `auth/iam.go`, `auth/access-control.go`,
//! `backend/posix`. It has no quotas. A key with the role `user` makes no buckets. Where a bucket has a policy, that alone decides, even
//! about the bucket's owner; so each bucket gets one, and its key can't change it.

use async_trait::async_trait;
use reqwest::{Method, StatusCode};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::s3::{Ask, S3, between, public_folders};
use super::{Bucket, BucketError, BucketKey, Buckets, Purpose, Removal, Size};

/// A VersityGW that we administer with the root account's key.
#[derive(Debug)]
pub struct VersityGw(S3);

impl VersityGw {
    /// With the root account's key.
    pub(super) fn new(root: S3) -> Self {
        Self(root)
    }

    async fn ensure_user(&self, key: &BucketKey) -> Result<(), BucketError> {
        let BucketKey { access, secret } = key;
        let secret = secret.expose_secret();
        let body = format!("<Account><Access>{access}</Access><Secret>{secret}</Secret><Role>user</Role></Account>");
        let ask = Ask::new("make a key", Method::PATCH, "create-user").body(body);
        if self.0.demand(ask, &[StatusCode::CONFLICT]).await?.status == StatusCode::CONFLICT {
            let body = format!("<MutableProps><Secret>{secret}</Secret></MutableProps>");
            let ask = Ask::new("set the secret of a key", Method::PATCH, format!("update-user?access={access}")).body(body);
            self.0.demand(ask, &[]).await?;
        }
        Ok(())
    }

    async fn ensure_bucket(&self, bucket: &str, owner: &str) -> Result<(), BucketError> {
        let ask = Ask::new("make a bucket", Method::PATCH, format!("{bucket}/create")).header("x-vgw-owner", owner);
        if self.0.demand(ask, &[StatusCode::CONFLICT]).await?.status == StatusCode::CONFLICT {
            // A change of owner takes the bucket's policy away (`auth.UpdateBucketACLOwner`): until the next one nobody could use it.
            if self.owner(bucket).await?.as_deref() != Some(owner) {
                let path = format!("change-bucket-owner?bucket={bucket}&owner={owner}");
                self.0.demand(Ask::new("hand a bucket to its key", Method::PATCH, path), &[]).await?;
            }
        }
        Ok(())
    }

    /// The key that a bucket belongs to; none when there is no bucket.
    async fn owner(&self, bucket: &str) -> Result<Option<String>, BucketError> {
        let what = "ask for the owner of a bucket";
        let text = match self.0.demand(Ask::new(what, Method::GET, format!("{bucket}?acl")), &[]).await {
            Ok(answer) => answer.text(),
            Err(error) if error.is_no_bucket() => return Ok(None),
            Err(error) => return Err(error),
        };
        let owner = between(&text, "<Owner>", "</Owner>").next().and_then(|owner| between(owner, "<ID>", "</ID>").next());
        Ok(Some(owner.ok_or(BucketError::Garbled { what })?.to_owned()))
    }

    /// Whether the key that a bucket belongs to is the one that was made for it: the bucket's policy is ours and names it. Who hands a
    /// bucket to somebody else takes that policy away, and what else that key opens is not ours to close.
    async fn is_key_of(&self, bucket: &str, owner: &str) -> Result<bool, BucketError> {
        let ask = Ask::new("ask who may do what with a bucket", Method::GET, format!("{bucket}?policy"));
        let answer = self.0.demand(ask, &[StatusCode::NOT_FOUND]).await?;
        let is = answer.status.is_success() && is_for(&answer.text(), owner);
        if !is {
            tracing::warn!(bucket, owner, "the bucket belongs to a key that was not made for it: that key stays");
        }
        Ok(is)
    }

    async fn remove_user(&self, access: &str) -> Result<(), BucketError> {
        if access == self.0.access_key() {
            return Ok(());
        }
        let ask = Ask::new("remove a key", Method::PATCH, format!("delete-user?access={access}"));
        self.0.demand(ask, &[StatusCode::NOT_FOUND]).await.map(drop)
    }
}

/// Statements of a policy: what a server does with its bucket. It says nothing about policies, pages, or the bucket's end.
fn use_of(bucket: &str, access: &str) -> [Value; 2] {
    let statement = |sid: &str, resource: String, actions: &[&str]| json!({"Sid": sid, "Effect": "Allow", "Principal": {"AWS": [access]}, "Action": actions, "Resource": [resource]});
    [
        statement(
            "Objects",
            format!("arn:aws:s3:::{bucket}/*"),
            &[
                "s3:GetObject",
                "s3:GetObjectAttributes",
                "s3:GetObjectTagging",
                "s3:PutObject",
                "s3:PutObjectTagging",
                "s3:DeleteObject",
                "s3:AbortMultipartUpload",
                "s3:ListMultipartUploadParts",
            ],
        ),
        statement(
            "Bucket",
            format!("arn:aws:s3:::{bucket}"),
            &["s3:ListBucket", "s3:ListBucketMultipartUploads", "s3:GetBucketLocation"],
        ),
    ]
}

/// Whether a policy is one of ours for this key.
fn is_for(policy: &str, access: &str) -> bool {
    let policy: Value = serde_json::from_str(policy).unwrap_or_default();
    let statements = policy["Statement"].as_array().map(Vec::as_slice).unwrap_or_default();
    let objects = statements.iter().find(|statement| statement["Sid"] == "Objects");
    objects.is_some_and(|objects| {
        let named = &objects["Principal"]["AWS"];
        named == access || named.as_array().is_some_and(|all| all.iter().any(|one| one == access))
    })
}

#[async_trait]
impl Buckets for VersityGw {
    async fn ensure(&self, bucket: Bucket<'_>, key: &BucketKey) -> Result<(), BucketError> {
        self.ensure_user(key).await?;
        self.ensure_bucket(bucket.name, &key.access).await?;
        let [objects, itself] = use_of(bucket.name, &key.access);
        match bucket.purpose {
            Purpose::Media { most: _ } => {
                self.0.set_policy(bucket.name, &[objects, itself, public_folders(bucket.name)]).await?;
                self.0.allow_pages(bucket.name).await
            }
            Purpose::Backup | Purpose::Vault => self.0.set_policy(bucket.name, &[objects, itself]).await,
        }
    }

    async fn exists(&self, bucket: &str) -> Result<bool, BucketError> {
        self.0.bucket_exists(bucket).await
    }

    async fn size(&self, bucket: &str) -> Result<Size, BucketError> {
        self.0.measure(bucket).await
    }

    async fn has(&self, bucket: &str, prefix: &str) -> Result<bool, BucketError> {
        self.0.has(bucket, prefix).await
    }

    async fn remove_empty(&self, bucket: &str) -> Result<(), BucketError> {
        let Some(owner) = self.owner(bucket).await? else { return Ok(()) };
        // Its policy goes with it.
        let ours = self.is_key_of(bucket, &owner).await?;
        self.0.delete_bucket(bucket).await?;
        if ours { self.remove_user(&owner).await } else { Ok(()) }
    }

    async fn remove(&self, bucket: &str) -> Result<Removal, BucketError> {
        let Some(owner) = self.owner(bucket).await? else { return Ok(Removal::Gone) };
        if self.is_key_of(bucket, &owner).await? {
            self.remove_user(&owner).await?;
        }
        self.0.clear(bucket).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_tells_whose_key_a_bucket_was_made_for() {
        let [objects, itself] = use_of("cats", "GK01");
        let policy = json!({"Version": "2012-10-17", "Statement": [objects, itself, public_folders("cats")]}).to_string();
        assert!(is_for(&policy, "GK01"));
        assert!(!is_for(&policy, "GK02"), "somebody else's");
        assert!(!is_for(&policy, "*"), "whom everybody is");
        assert!(!is_for("", "GK01"));
        assert!(is_for(r#"{"Statement": [{"Sid": "Objects", "Principal": {"AWS": "GK01"}}]}"#, "GK01"));
    }
}
