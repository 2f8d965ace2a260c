//! `.env.production`, and what it says about database and media. (Names and defaults: Mastodon's "Configuring your environment",
//! `config/database.yml` and `config/initializers/paperclip.rb`.)

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::super::error::ArchiveError;
use super::super::media::S3Address;
use super::super::postgres::Address;

/// The variables of a server.
pub type Variables = BTreeMap<String, String>;

/// Where media lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MediaPlace {
    /// In a folder.
    Folder(PathBuf),
    /// In a bucket.
    Bucket(S3Address),
}

/// Reads the lines of an `.env` file as dotenv does: comments, `export`, quotes of either kind.
pub fn parse(text: &str) -> Variables {
    let mut found = Variables::new();
    for line in text.lines() {
        let line = line.trim();
        let line = line.strip_prefix("export ").unwrap_or(line);
        if line.starts_with('#') {
            continue;
        }
        if let Some((name, value)) = line.split_once('=') {
            found.insert(name.trim().to_owned(), unquoted(value.trim()));
        }
    }
    found
}

fn unquoted(value: &str) -> String {
    if let Some((inside, _)) = value.strip_prefix('\'').and_then(|rest| rest.split_once('\'')) {
        return inside.to_owned();
    }
    if let Some(rest) = value.strip_prefix('"') {
        let (mut inside, mut escaped) = (String::new(), false);
        for letter in rest.chars() {
            match letter {
                'n' if escaped => inside.push('\n'),
                letter if escaped => inside.push(letter),
                '\\' => {
                    escaped = true;
                    continue;
                }
                '"' => break,
                letter => inside.push(letter),
            }
            escaped = false;
        }
        return inside;
    }
    value.split_once(" #").map_or(value, |(before, _)| before).trim_end().to_owned()
}

fn get<'a>(variables: &'a Variables, name: &str) -> Option<&'a str> {
    variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
}

/// The database that a server uses.
///
/// # Errors
/// Its variables don't say one.
pub fn database(variables: &Variables) -> Result<Address, ArchiveError> {
    if let Some(url) = get(variables, "DATABASE_URL") {
        return Address::from_url(url);
    }
    let or = |name: &str, other: &str| get(variables, name).unwrap_or(other).to_owned();
    let port = or("DB_PORT", "5432");
    let port = port.parse().map_err(|_| ArchiveError::Given(format!("DB_PORT={port} is no port")))?;
    Ok(Address {
        host: or("DB_HOST", "localhost"),
        port,
        user: or("DB_USER", "mastodon"),
        password: or("DB_PASS", "").into(),
        database: or("DB_NAME", "mastodon_production"),
        ssl_mode: or("DB_SSLMODE", "prefer"),
        root_certificate: None,
    })
}

/// Where a server keeps its media; nothing where that is a folder that the variables don't name.
///
/// # Errors
/// Its variables say that it is a bucket, and not which.
pub fn media(variables: &Variables) -> Result<Option<MediaPlace>, ArchiveError> {
    if get(variables, "S3_ENABLED") != Some("true") {
        return Ok(get(variables, "PAPERCLIP_ROOT_PATH").map(|path| MediaPlace::Folder(path.into())));
    }
    let need = |name: &str| {
        let missing = || ArchiveError::Given(format!("S3_ENABLED is true, and {name} is not set"));
        get(variables, name).map(str::to_owned).ok_or_else(missing)
    };
    let region = get(variables, "S3_REGION").unwrap_or("us-east-1").to_owned();
    let endpoint = match (get(variables, "S3_ENDPOINT"), get(variables, "S3_HOSTNAME")) {
        (Some(endpoint), _) => endpoint.to_owned(),
        (None, Some(host)) => format!("{}://{host}", get(variables, "S3_PROTOCOL").unwrap_or("https")),
        (None, None) => format!("https://s3.{region}.amazonaws.com"),
    };
    Ok(Some(MediaPlace::Bucket(S3Address {
        endpoint: endpoint.parse().map_err(|error| ArchiveError::Given(format!("S3_ENDPOINT={endpoint}: {error}")))?,
        region,
        bucket: need("S3_BUCKET")?,
        prefix: get(variables, "S3_KEY_PREFIX").map(|prefix| format!("{}/", prefix.trim_matches('/'))).unwrap_or_default(),
        access_key: need("AWS_ACCESS_KEY_ID")?,
        secret_key: need("AWS_SECRET_ACCESS_KEY")?.into(),
        acl: get(variables, "S3_PERMISSION").map(str::to_owned),
    })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret as _;

    #[test]
    fn lines_are_read_as_dotenv_reads_them() {
        let found = parse("# note\n A=1 # one\nexport B='x # y' # z\nC=\"q\\\"\\n\"\n\nD=\nE=a=b#c\nnonsense");
        let expected = [("A", "1"), ("B", "x # y"), ("C", "q\"\n"), ("D", ""), ("E", "a=b#c")];
        assert_eq!(found, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    }

    #[test]
    fn database_and_media_are_where_mastodon_looks_for_them() {
        let address = database(&parse("DB_USER=m\nDB_PASS=p w\nDB_NAME=n\nDB_HOST=/var/run/postgresql")).unwrap();
        assert_eq!((address.host.as_str(), address.port, address.user.as_str()), ("/var/run/postgresql", 5432, "m"));
        assert_eq!(address.password.expose_secret(), "p w");
        assert_eq!(database(&parse("DATABASE_URL=postgres://u:p%20w@h:5433/d\nDB_USER=x")).unwrap().database, "d");
        assert!(database(&parse("DB_PORT=x")).is_err());

        assert_eq!(media(&parse("S3_ENABLED=false")).unwrap(), None);
        let folder = media(&parse("PAPERCLIP_ROOT_PATH=/srv/system")).unwrap();
        assert_eq!(folder, Some(MediaPlace::Folder("/srv/system".into())));
        let s3 = "S3_ENABLED=true\nS3_BUCKET=b\nAWS_ACCESS_KEY_ID=k\nAWS_SECRET_ACCESS_KEY=s\n";
        let Some(MediaPlace::Bucket(bucket)) = media(&parse(&format!("{s3}S3_HOSTNAME=h.example\nS3_KEY_PREFIX=/p/"))).unwrap()
        else {
            panic!("a bucket")
        };
        assert_eq!((bucket.endpoint.as_str(), bucket.prefix.as_str()), ("https://h.example/", "p/"));
        let Some(MediaPlace::Bucket(bucket)) = media(&parse(&format!("{s3}S3_REGION=eu-west-1"))).unwrap() else {
            panic!("a bucket")
        };
        assert_eq!((bucket.endpoint.as_str(), bucket.prefix.as_str()), ("https://s3.eu-west-1.amazonaws.com/", ""));
        assert!(media(&parse("S3_ENABLED=true")).unwrap_err().to_string().contains("S3_BUCKET"));
    }
}
