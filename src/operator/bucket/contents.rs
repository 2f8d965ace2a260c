//! What lies in a bucket: how much it is, and how all of it is taken away.

use reqwest::{Method, StatusCode};

use super::s3::{Ask, S3, between, encoded};
use super::{BucketError, Removal, Size};

/// What S3 lists and deletes at a time.
const PAGE: usize = 1000;
/// Pages that one call takes away, so that a caller with other things to do gets its turn.
const PAGES: usize = 10;

/// A page of a listing.
#[derive(Debug, PartialEq, Eq)]
struct Page {
    objects: Vec<Object>,
    more: bool,
}

/// One object.
#[derive(Debug, PartialEq, Eq)]
struct Object {
    key: String,
    bytes: u64,
}

impl S3 {
    async fn page(&self, bucket: &str, after: Option<&str>) -> Result<Page, BucketError> {
        // After a key and not by token: that works the same on every server, and goes on where the last key was deleted.
        let after = after.map(|key| format!("&start-after={}", encoded(key).replace('/', "%2F"))).unwrap_or_default();
        let ask = Ask::new("list a bucket", Method::GET, format!("{bucket}?list-type=2&max-keys={PAGE}{after}"));
        Ok(read_page(&self.demand(ask, &[]).await?.text()))
    }

    /// Counts what lies in a bucket, by listing all of it.
    pub async fn measure(&self, bucket: &str) -> Result<Size, BucketError> {
        let mut size = Size { objects: 0, bytes: 0 };
        let mut after = None;
        loop {
            let Page { objects, more } = self.page(bucket, after.as_deref()).await?;
            size.objects += u64::try_from(objects.len()).unwrap_or(u64::MAX);
            size.bytes += objects.iter().map(|object| object.bytes).sum::<u64>();
            match objects.into_iter().next_back() {
                Some(last) if more => after = Some(last.key),
                Some(_) | None => return Ok(size),
            }
        }
    }

    /// The keys that begin with `prefix`: of a bucket in which that is a handful, else the first thousand.
    pub async fn keys(&self, bucket: &str, prefix: &str) -> Result<Vec<String>, BucketError> {
        let prefix = encoded(prefix).replace('/', "%2F");
        let ask = Ask::new("list a bucket", Method::GET, format!("{bucket}?list-type=2&max-keys={PAGE}&prefix={prefix}"));
        let page = read_page(&self.demand(ask, &[]).await?.text());
        Ok(page.objects.into_iter().map(|object| object.key).collect())
    }

    /// Whether there is a key that begins with `prefix`.
    pub async fn has(&self, bucket: &str, prefix: &str) -> Result<bool, BucketError> {
        match self.keys(bucket, prefix).await {
            Ok(keys) => Ok(!keys.is_empty()),
            Err(error) if error.is_no_bucket() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Takes some objects away. Returns how many; none means that the bucket is empty.
    pub async fn take_away(&self, bucket: &str) -> Result<u64, BucketError> {
        let mut removed = 0;
        for _ in 0..PAGES {
            let Page { objects, more } = self.page(bucket, None).await?;
            if objects.is_empty() {
                break;
            }
            let what = "delete what is in a bucket";
            let ask = Ask::new(what, Method::POST, format!("{bucket}?delete")).checked_body(deletion(&objects));
            let answer = self.demand(ask, &[]).await?;
            if let Some(error) = between(&answer.text(), "<Error>", "</Error>").next() {
                let code = between(error, "<Code>", "</Code>").next().map(super::s3::plain_word).unwrap_or_default();
                return Err(BucketError::Refused { what, status: answer.status.as_u16(), code });
            }
            removed += u64::try_from(objects.len()).unwrap_or(u64::MAX);
            if !more {
                break;
            }
        }
        Ok(removed)
    }

    /// Gives up uploads that were begun and never ended.
    async fn abort_uploads(&self, bucket: &str) -> Result<(), BucketError> {
        let ask = Ask::new("list unfinished uploads", Method::GET, format!("{bucket}?uploads"));
        let text = self.demand(ask, &[]).await?.text();
        for upload in between(&text, "<Upload>", "</Upload>") {
            let inside = |name: &str| {
                let (open, close) = (format!("<{name}>"), format!("</{name}>"));
                between(upload, &open, &close).next().map(unescaped).unwrap_or_default()
            };
            let path = format!("{bucket}/{}?uploadId={}", encoded(&inside("Key")), encoded(&inside("UploadId")));
            self.demand(Ask::new("give up an upload", Method::DELETE, path), &[StatusCode::NOT_FOUND]).await?;
        }
        Ok(())
    }

    /// Empties a bucket a little more; deletes it once it is empty.
    pub async fn clear(&self, bucket: &str) -> Result<Removal, BucketError> {
        match self.take_away(bucket).await {
            Ok(0) => {}
            Ok(removed) => return Ok(Removal::Emptying { removed }),
            Err(error) if error.is_no_bucket() => return Ok(Removal::Gone),
            Err(error) => return Err(error),
        }
        self.abort_uploads(bucket).await?;
        self.delete_bucket(bucket).await?;
        Ok(Removal::Gone)
    }

    /// Deletes a bucket that is empty; one that is not stays, and that is an error.
    pub async fn delete_bucket(&self, bucket: &str) -> Result<(), BucketError> {
        let ask = Ask::new("remove an empty bucket", Method::DELETE, bucket);
        self.demand(ask, &[StatusCode::NOT_FOUND]).await.map(drop)
    }
}

fn read_page(text: &str) -> Page {
    let read = |object: &str| Object {
        key: between(object, "<Key>", "</Key>").next().map(unescaped).unwrap_or_default(),
        bytes: between(object, "<Size>", "</Size>").next().and_then(|size| size.trim().parse().ok()).unwrap_or(0),
    };
    Page {
        objects: between(text, "<Contents>", "</Contents>").map(read).collect(),
        more: between(text, "<IsTruncated>", "</IsTruncated>").next().is_some_and(|more| more.trim() == "true"),
    }
}

fn deletion(objects: &[Object]) -> String {
    let mut text = "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>true</Quiet>".to_owned();
    for Object { key, bytes: _ } in objects {
        text.push_str("<Object><Key>");
        text.push_str(&escaped(key));
        text.push_str("</Key></Object>");
    }
    text.push_str("</Delete>");
    text
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\r', "&#13;").replace('\n', "&#10;")
}

/// A text of XML with its entities resolved.
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let resolved = after.split_once(';').and_then(|(name, after)| Some((entity(name)?, after)));
        let (letter, after) = resolved.unwrap_or(('&', after));
        out.push(letter);
        rest = after;
    }
    out.push_str(rest);
    out
}

fn entity(name: &str) -> Option<char> {
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        other => {
            let number = other.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)?
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_is_read_with_names_of_any_kind() {
        let text = "<?xml version=\"1.0\"?><ListBucketResult><IsTruncated>true</IsTruncated>\
                    <Contents><Key>a/b &amp; c&#39;s &lt;1&gt;.png</Key><Size>12</Size></Contents>\
                    <Contents><Size>3</Size><Key>&#x65E5;&bogus;&</Key></Contents></ListBucketResult>";
        let object = |key: &str, bytes| Object { key: key.to_owned(), bytes };
        let page = read_page(text);
        assert_eq!(page, Page { objects: vec![object("a/b & c's <1>.png", 12), object("日&bogus;&", 3)], more: true });
        assert_eq!(read_page("<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>").objects, []);
        let deletion = deletion(&page.objects);
        let keys: Vec<_> = between(&deletion, "<Key>", "</Key>").map(unescaped).collect();
        assert_eq!(keys, ["a/b & c's <1>.png", "日&bogus;&"], "what is deleted is what was listed");
    }
}
