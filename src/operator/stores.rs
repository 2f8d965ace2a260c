//! What the operator is told of Postgres and Valkey beside the images of new servers.

use serde::Deserialize;

use super::settings::{BadSetting, Settings};

/// Postgres and Valkey of servers that run.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Stores {
    /// Of all servers, in hundredths: how many may have Postgres or Valkey exchanged at a time for a newer one of the same major
    /// release. One always may.
    pub percent_at_once: u8,
    /// How long the place of one whose Postgres or Valkey was exchanged is kept at least, in seconds: whoever exchanges the pods has to
    /// have begun before it can be seen that they answer again.
    pub settle_seconds: u32,
    /// How much of a database's volume may be used before it grows, in hundredths.
    pub grow_at_percent: u8,
    /// How much it grows by at a time, in hundredths of what it has; by one GiB at least.
    pub grow_by_percent: u8,
    /// How often that is measured, in seconds.
    pub measure_seconds: u32,
    /// More images of Postgres: of older major releases that servers still run, or of one that some are to go to.
    pub postgres_images: Vec<String>,
    /// The same of Valkey.
    pub valkey_images: Vec<String>,
}

impl Default for Stores {
    fn default() -> Self {
        Self {
            percent_at_once: 2,
            settle_seconds: 60,
            grow_at_percent: 80,
            grow_by_percent: 25,
            measure_seconds: 6 * 3600,
            postgres_images: Vec::new(),
            valkey_images: Vec::new(),
        }
    }
}

/// What holds a server's data and has an image of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    /// Postgres.
    Postgres,
    /// Valkey.
    Valkey,
}

impl Store {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Postgres, Self::Valkey];

    /// Its name, as people write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Postgres => "PostgreSQL",
            Self::Valkey => "Valkey",
        }
    }

    /// The image of new servers.
    pub fn image_of_new(self, settings: &Settings) -> &str {
        match self {
            Self::Postgres => &settings.postgres_image,
            Self::Valkey => &settings.valkey_image,
        }
    }

    /// Every image that there is of it, that of new servers first.
    pub fn images(self, settings: &Settings) -> impl Iterator<Item = &str> {
        let more = match self {
            Self::Postgres => &settings.stores.postgres_images,
            Self::Valkey => &settings.stores.valkey_images,
        };
        std::iter::once(self.image_of_new(settings)).chain(more.iter().map(String::as_str))
    }

    /// The image of a major release.
    pub fn image_of(self, settings: &Settings, wanted: u16) -> Option<&str> {
        self.images(settings).find(|image| major(image) == Some(wanted))
    }

    /// The setting with more images of it, in `stores`.
    pub fn more_images(self) -> &'static str {
        match self {
            Self::Postgres => "postgres_images",
            Self::Valkey => "valkey_images",
        }
    }

    /// The setting that an image of it comes from, by its place among [`Self::images`].
    fn field(self, place: usize) -> &'static str {
        match (self, place) {
            (Self::Postgres, 0) => "postgres_image",
            (Self::Postgres, _) => "stores.postgres_images",
            (Self::Valkey, 0) => "valkey_image",
            (Self::Valkey, _) => "stores.valkey_images",
        }
    }
}

/// The major release that an image's tag begins with: 17 of `name:17.6-standard@sha256:…`.
pub fn major(image: &str) -> Option<u16> {
    let name = image.split('@').next().unwrap_or_default();
    // A colon before the last slash is that of a port.
    let (_, tag) = name.rsplit('/').next()?.split_once(':')?;
    tag.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
}

/// Every image of Postgres and Valkey, with the setting that it comes from.
pub fn named_images(settings: &Settings) -> impl Iterator<Item = (&'static str, &str)> {
    let of = move |store: Store| store.images(settings).enumerate().map(move |(place, image)| (store.field(place), image));
    Store::ALL.into_iter().flat_map(of)
}

/// Everything that types can't check and that is wrong.
pub fn faults(settings: &Settings) -> Vec<BadSetting> {
    let mut faults = Vec::new();
    let mut fault = |field: &str, message: String| faults.push(BadSetting { field: field.to_owned(), message });
    if !(1..=100).contains(&settings.stores.percent_at_once) {
        fault("stores.percent_at_once", "must be between 1 and 100; one server at a time may always be exchanged".to_owned());
    }
    if !(1..=95).contains(&settings.stores.grow_at_percent) {
        fault("stores.grow_at_percent", "must be between 1 and 95; what has to grow needs some room meanwhile".to_owned());
    }
    if !(1..=100).contains(&settings.stores.grow_by_percent) {
        fault("stores.grow_by_percent", "must be between 1 and 100; 100 doubles a volume at each step".to_owned());
    }
    if settings.stores.measure_seconds == 0 {
        fault("stores.measure_seconds", "must be 1 or more; each time is a Job for a moment, so think of hours".to_owned());
    }
    for store in Store::ALL {
        let mut known = Vec::new();
        for (place, image) in store.images(settings).enumerate() {
            match major(image) {
                None => fault(
                    store.field(place),
                    format!("must carry the version as its tag, such as name:17.6@sha256:…, not {image:?}"),
                ),
                Some(major) if known.contains(&major) => {
                    let message = format!("names a second image of {} {major}; keep one of each major release", store.as_str());
                    fault(store.field(place), message);
                }
                Some(major) => known.push(major),
            }
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_release_is_read_off_the_tag() {
        assert_eq!(major("registry.example:5000/postgres:17.6-standard-trixie@sha256:aa"), Some(17));
        assert_eq!(major("valkey:8@sha256:aa"), Some(8));
        for other in ["registry.example:5000/postgres@sha256:aa", "postgres:latest@sha256:aa", "postgres"] {
            assert_eq!(major(other), None, "{other}");
        }
    }
}
