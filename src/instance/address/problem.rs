//! What can be wrong with an address. The words are in `locales/<language>/address.ftl`, under [`AddressProblem::key`].

/// Which field of a form or an API body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AddressField {
    /// `LOCAL_DOMAIN`, what stands in handles.
    Address,
    /// `WEB_DOMAIN`.
    WebDomain,
}

impl AddressField {
    /// The field's name in forms and in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::WebDomain => "web_domain",
        }
    }
}

/// Whether a problem ends the matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Severity {
    /// It can't be used.
    Refuse,
    /// It can be used; the customer is told something first.
    Warn,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum AddressFault {
    /// Nothing was given.
    Required,
    /// A scheme other than http or https: the scheme.
    Scheme(String),
    /// A user name or password before an `@`.
    UserInfo,
    /// A port.
    Port,
    /// A path, query or fragment.
    Path,
    /// An IP address.
    IpAddress,
    /// Something that can't stand in a domain: the part with it.
    Characters(String),
    /// Two dots in a row, or one in front.
    EmptyLabel,
    /// Longer than can be served: the length and the most.
    TooLong {
        /// Its characters, in ASCII form.
        length: usize,
        /// How many there may be.
        most: usize,
    },
    /// A part between dots of more than 63 characters: that part.
    LabelTooLong(String),
    /// A hyphen at the start or end of a part, or two at its third place: that part.
    Hyphens(String),
    /// One part only: it.
    SingleLabel(String),
    /// An ending that does not exist in the public DNS: it.
    SpecialUse(String),
    /// An ending under which people register, as such: it.
    PublicSuffix(String),
    /// The host's own domain or something below it: the host's domain.
    HostsDomain(String),
    /// Looks like the host's own domain: it.
    LooksLikeHost(String),
    /// The letters of one part come from alphabets that don't go together: that part.
    MixedScripts(String),
    /// Characters of a name under the host's domain.
    NameCharacters,
    /// A name that is too short.
    NameTooShort {
        /// How many characters there must be.
        least: usize,
    },
    /// A name that is too long.
    NameTooLong {
        /// How many characters there may be.
        most: usize,
    },
    /// Hyphens of a name.
    NameHyphens,
    /// A name of digits alone.
    NameDigits,
    /// A name that is kept back.
    Reserved(String),
    /// A name that looks like one that is kept back.
    LooksReserved(String),
    /// Somebody has it.
    Taken(String),
    /// It looks like one that somebody has.
    LooksTaken(String),
    /// The word "mastodon", which is a trademark.
    NeedsPermission,
    /// A web domain that is the address itself.
    SameAsAddress,
}

/// One problem of one field.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AddressProblem {
    /// Where.
    pub field: AddressField,
    /// What.
    pub fault: AddressFault,
}

impl AddressProblem {
    /// The message in `address.ftl`.
    pub fn key(&self) -> &'static str {
        match self.fault {
            AddressFault::Required => "address-required",
            AddressFault::Scheme(_) => "address-scheme",
            AddressFault::UserInfo => "address-user-info",
            AddressFault::Port => "address-port",
            AddressFault::Path => "address-path",
            AddressFault::IpAddress => "address-ip-address",
            AddressFault::Characters(_) => "address-characters",
            AddressFault::EmptyLabel => "address-empty-label",
            AddressFault::TooLong { .. } => "address-too-long",
            AddressFault::LabelTooLong(_) => "address-label-too-long",
            AddressFault::Hyphens(_) => "address-hyphens",
            AddressFault::SingleLabel(_) => "address-single-label",
            AddressFault::SpecialUse(_) => "address-special-use",
            AddressFault::PublicSuffix(_) => "address-public-suffix",
            AddressFault::HostsDomain(_) => "address-hosts-domain",
            AddressFault::LooksLikeHost(_) => "address-looks-like-host",
            AddressFault::MixedScripts(_) => "address-mixed-scripts",
            AddressFault::NameCharacters => "address-name-characters",
            AddressFault::NameTooShort { .. } => "address-name-too-short",
            AddressFault::NameTooLong { .. } => "address-name-too-long",
            AddressFault::NameHyphens => "address-name-hyphens",
            AddressFault::NameDigits => "address-name-digits",
            AddressFault::Reserved(_) => "address-reserved",
            AddressFault::LooksReserved(_) => "address-looks-reserved",
            AddressFault::Taken(_) => "address-taken",
            AddressFault::LooksTaken(_) => "address-looks-taken",
            AddressFault::NeedsPermission => "address-needs-permission",
            AddressFault::SameAsAddress => "address-same-as-address",
        }
    }

    /// What the message is filled with; `field` is always among it.
    pub fn args(&self) -> Vec<(&'static str, String)> {
        let mut args = vec![("field", self.field.as_str().to_owned())];
        match &self.fault {
            AddressFault::Scheme(part)
            | AddressFault::Characters(part)
            | AddressFault::LabelTooLong(part)
            | AddressFault::Hyphens(part)
            | AddressFault::SingleLabel(part)
            | AddressFault::SpecialUse(part)
            | AddressFault::PublicSuffix(part)
            | AddressFault::HostsDomain(part)
            | AddressFault::LooksLikeHost(part)
            | AddressFault::MixedScripts(part)
            | AddressFault::Reserved(part)
            | AddressFault::LooksReserved(part)
            | AddressFault::Taken(part)
            | AddressFault::LooksTaken(part) => args.push(("part", part.clone())),
            AddressFault::TooLong { length, most } => args.extend([("length", length.to_string()), ("most", most.to_string())]),
            AddressFault::NameTooShort { least } => args.push(("least", least.to_string())),
            AddressFault::NameTooLong { most } => args.push(("most", most.to_string())),
            AddressFault::Required
            | AddressFault::UserInfo
            | AddressFault::Port
            | AddressFault::Path
            | AddressFault::IpAddress
            | AddressFault::EmptyLabel
            | AddressFault::NameCharacters
            | AddressFault::NameHyphens
            | AddressFault::NameDigits
            | AddressFault::NeedsPermission
            | AddressFault::SameAsAddress => {}
        }
        args
    }

    /// Whether it ends the matter.
    pub fn severity(&self) -> Severity {
        match self.fault {
            AddressFault::NeedsPermission | AddressFault::MixedScripts(_) => Severity::Warn,
            _ => Severity::Refuse,
        }
    }
}
