//! The address of a server: a name under the host's own domain, or a domain that the customer brings. It is in every handle and in
//! the memory of every other server, so it can never change; what is wrong with it must be told before anything is paid.

mod endings;
mod look_alike;
mod problem;

use std::collections::HashSet;
use std::fmt;
use std::net::IpAddr;
use std::sync::LazyLock;

use idna::AsciiDenyList;
use idna::uts46::{DnsLength, Hyphens, Uts46};

pub use problem::{AddressFault, AddressField, AddressProblem, Severity};

/// Characters of a name under the host's domain: short ones are kept for the host, long ones don't fit into handles.
const NAME_LENGTH: std::ops::RangeInclusive<usize> = 3..=30;
/// A domain name has at most 253 characters (RFC 1035 with the dots written out) and media is at `files.` in front of it.
const MOST: usize = 253 - "files.".len();
/// RFC 1035 §2.3.4.
const MOST_IN_LABEL: usize = 63;
/// No address is longer, and nothing longer is looked at.
const MOST_INPUT: usize = 1024;

static RESERVED: LazyLock<Vec<&str>> = LazyLock::new(|| {
    let lines = include_str!("reserved.txt").lines().map(str::trim);
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
});
/// Without hyphens, so that `ad-min` is `admin`.
static RESERVED_SKELETONS: LazyLock<HashSet<String>> =
    LazyLock::new(|| RESERVED.iter().map(|name| look_alike::skeleton(&name.replace('-', ""))).collect());

/// What the host's settings say about addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressRules {
    /// The domain under which names are given away, in ASCII form: `paddock.social`.
    pub hosts_domain: String,
    /// Other domains of the host, the control plane's own for one: no customer's server can be at or below them.
    pub other_domains: Vec<String>,
    /// Whether domains that end in `.test` do. Only a demo says yes.
    pub allow_test: bool,
}

impl AddressRules {
    /// The rules of a host with this domain, as production has them.
    pub fn new(hosts_domain: impl Into<String>) -> Self {
        Self { hosts_domain: hosts_domain.into(), other_domains: Vec::new(), allow_test: false }
    }

    /// The name in `name.paddock.social`, whichever way an internationalised host's domain is written.
    fn without_hosts_domain<'a>(&self, text: &'a str) -> &'a str {
        let (display, _) = idna::domain_to_unicode(&self.hosts_domain);
        let under = |domain: &str| text.strip_suffix(domain).and_then(|rest| rest.strip_suffix('.'));
        under(&self.hosts_domain).or_else(|| under(&display)).unwrap_or(text)
    }

    fn ours<'a>(&'a self, domain: &str) -> Option<&'a str> {
        std::iter::once(&self.hosts_domain)
            .chain(&self.other_domains)
            .map(String::as_str)
            .find(|ours| is_at_or_below(domain, ours))
    }
}

/// Whose domain an address is under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AddressKind {
    /// A name under the host's domain.
    Hosted,
    /// A domain that the customer brings.
    Own,
}

/// An address that a server may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    domain: String,
    display: String,
    kind: AddressKind,
    warnings: Vec<AddressProblem>,
}

impl Address {
    /// A name under the host's domain, with or without that domain behind it. Letters, digits and hyphens only: a handle is read
    /// out and typed by people whose keyboards differ.
    ///
    /// The error holds every problem that can be told apart, warnings among them; so it does for [`Self::parse_own`].
    pub fn parse_name(input: &str, rules: &AddressRules) -> Result<Self, Vec<AddressProblem>> {
        let field = AddressField::Address;
        let cleaned = clean(input);
        structure(&cleaned, field)?;
        let name = rules.without_hosts_domain(&cleaned);
        let mut faults = Vec::new();
        if !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-') {
            faults.push(AddressFault::NameCharacters);
        }
        let length = name.chars().count();
        if length < *NAME_LENGTH.start() {
            faults.push(AddressFault::NameTooShort { least: *NAME_LENGTH.start() });
        }
        if length > *NAME_LENGTH.end() {
            faults.push(AddressFault::NameTooLong { most: *NAME_LENGTH.end() });
        }
        if name.starts_with('-') || name.ends_with('-') || name.contains("--") {
            faults.push(AddressFault::NameHyphens);
        }
        if name.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') {
            faults.push(AddressFault::NameDigits);
        }
        if RESERVED.contains(&name) {
            faults.push(AddressFault::Reserved(name.to_owned()));
        } else if RESERVED_SKELETONS.contains(&look_alike::skeleton(&name.replace('-', ""))) {
            faults.push(AddressFault::LooksReserved(name.to_owned()));
        }
        let domain = format!("{name}.{}", rules.hosts_domain);
        let (display, _) = idna::domain_to_unicode(&domain);
        let warnings = trademark(name).into_iter().map(|fault| AddressProblem { field, fault }).collect();
        Self { domain, display, kind: AddressKind::Hosted, warnings }.unless(faults, field)
    }

    /// A domain that the customer brings.
    pub fn parse_own(input: &str, rules: &AddressRules) -> Result<Self, Vec<AddressProblem>> {
        own_domain(input, rules, AddressField::Address)
    }

    fn unless(self, faults: Vec<AddressFault>, field: AddressField) -> Result<Self, Vec<AddressProblem>> {
        if faults.is_empty() {
            return Ok(self);
        }
        Err(faults.into_iter().map(|fault| AddressProblem { field, fault }).chain(self.warnings).collect())
    }

    /// `LOCAL_DOMAIN`: the domain in ASCII form (`xn--…` where needed), as Mastodon, the DNS and our database keep it.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The domain as people read it, in its own alphabet.
    pub fn display(&self) -> &str {
        &self.display
    }

    /// Whose domain it is under.
    pub fn kind(&self) -> AddressKind {
        self.kind
    }

    /// What the customer should be told before going on.
    pub fn warnings(&self) -> &[AddressProblem] {
        &self.warnings
    }

    /// What it looks like: two addresses with equal skeletons are hard to tell apart. Kept in the database beside the domain and
    /// unique among hosted names; two customers' *own* domains may look alike, for a registry has told them apart already.
    pub fn skeleton(&self) -> String {
        look_alike::skeleton(&self.display)
    }

    /// Whether the domain is one that a registry sells (`example.org`, `example.co.uk`) and not a part of one. There the DNS
    /// allows no CNAME.
    pub fn is_apex(&self) -> bool {
        is_apex(&self.domain)
    }
}

/// As people read it; parsing it gives the same address.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.display)
    }
}

/// `WEB_DOMAIN`: where the pages of a server are when that is not the domain of its handles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebDomain(Address);

impl WebDomain {
    /// A web domain as somebody typed it: a domain of their own, other than the address. It may be below the address
    /// (`social.example.org` for `example.org`), which is the usual case.
    pub fn parse(input: &str, address: &Address, rules: &AddressRules) -> Result<Self, Vec<AddressProblem>> {
        let web = own_domain(input, rules, AddressField::WebDomain)?;
        if web.domain == address.domain {
            return Err(vec![AddressProblem { field: AddressField::WebDomain, fault: AddressFault::SameAsAddress }]);
        }
        Ok(Self(web))
    }

    /// The domain in ASCII form.
    pub fn domain(&self) -> &str {
        &self.0.domain
    }

    /// The domain as people read it.
    pub fn display(&self) -> &str {
        &self.0.display
    }

    /// What the customer should be told before going on.
    pub fn warnings(&self) -> &[AddressProblem] {
        &self.0.warnings
    }

    /// See [`Address::is_apex`].
    pub fn is_apex(&self) -> bool {
        self.0.is_apex()
    }
}

impl fmt::Display for WebDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.display())
    }
}

/// What somebody meant who pasted the address of a page or a handle: without white space, `https://`, `@user@`, the slash or dot
/// behind it, and in small letters. Shown back to them. What can't be cleaned stays for the rules to name.
pub fn clean(input: &str) -> String {
    let lower = input.to_ascii_lowercase();
    let mut text = lower.as_str();
    loop {
        // Byte order marks and zero-width spaces come along when people copy out of chat programs.
        let shorter = text.trim_matches(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '\u{feff}' | '\u{200b}'));
        let shorter = shorter.strip_prefix("https://").or_else(|| shorter.strip_prefix("http://")).unwrap_or(shorter);
        let shorter = match shorter.strip_prefix('@') {
            Some(handle) => handle.split_once('@').map_or(handle, |(_, domain)| domain),
            None => shorter,
        };
        let shorter = shorter.trim_end_matches(['/', '.', '。', '．', '｡']);
        if shorter.len() == text.len() {
            return text.to_owned();
        }
        text = shorter;
    }
}

/// Whatever is not a domain alone: the parts of a URL, an IP address, or far too much. Told apart from what is wrong inside a domain,
/// for until they are gone nobody can say where the domain begins.
fn structure(cleaned: &str, field: AddressField) -> Result<(), Vec<AddressProblem>> {
    let mut faults = Vec::new();
    let bracketed = cleaned.split(['/', '?', '#']).next().unwrap_or_default();
    if cleaned.is_empty() {
        faults.push(AddressFault::Required);
    } else if cleaned.len() > MOST_INPUT {
        faults.push(AddressFault::TooLong { length: cleaned.chars().count(), most: MOST });
    } else if cleaned.parse::<IpAddr>().is_ok() || bracketed.starts_with('[') {
        faults.push(AddressFault::IpAddress);
    } else {
        let (scheme, rest) = cleaned.split_once("://").map_or((None, cleaned), |(scheme, rest)| (Some(scheme), rest));
        faults.extend(scheme.map(|scheme| AddressFault::Scheme(scheme.to_owned())));
        let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
        if authority.len() != rest.len() {
            faults.push(AddressFault::Path);
        }
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        if host.len() != authority.len() {
            faults.push(AddressFault::UserInfo);
        }
        let (name, port) = host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port)));
        if port.is_some() {
            faults.push(AddressFault::Port);
        }
        if is_ipv4(name) {
            faults.push(AddressFault::IpAddress);
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(faults.into_iter().map(|fault| AddressProblem { field, fault }).collect()) }
}

/// Whether a browser would read it as an IPv4 address: several parts, the last of them a number (WHATWG URL, "ends in a number").
fn is_ipv4(host: &str) -> bool {
    host.rsplit_once('.').is_some_and(|(_, last)| {
        let hexadecimal = last.strip_prefix("0x").is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        hexadecimal || (!last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit()))
    })
}

fn own_domain(input: &str, rules: &AddressRules, field: AddressField) -> Result<Address, Vec<AddressProblem>> {
    let refuse = |fault: AddressFault| vec![AddressProblem { field, fault }];
    let cleaned = clean(input);
    structure(&cleaned, field)?;
    let domain = to_ascii(&cleaned).map_err(|part| refuse(AddressFault::Characters(part)))?;
    let domain = domain.trim_end_matches('.').to_owned();
    if domain.is_empty() {
        return Err(refuse(AddressFault::Required));
    }
    if is_ipv4(&domain) {
        return Err(refuse(AddressFault::IpAddress));
    }
    let (display, _) = Uts46::new().to_unicode(domain.as_bytes(), AsciiDenyList::STD3, Hyphens::Allow);
    let display = display.into_owned();
    let mut faults = labels(&domain);
    if domain.len() > MOST {
        faults.push(AddressFault::TooLong { length: domain.len(), most: MOST });
    }
    if !domain.contains('.') {
        faults.push(AddressFault::SingleLabel(domain.clone()));
    } else if let Some(ours) = rules.ours(&domain) {
        faults.push(AddressFault::HostsDomain(ours.to_owned()));
    } else if let Some(ending) = endings::special_use(&domain, rules.allow_test) {
        faults.push(AddressFault::SpecialUse(ending.to_owned()));
    } else if endings::is_public_suffix(&domain) {
        faults.push(AddressFault::PublicSuffix(display.clone()));
    } else {
        let (ours, _) = idna::domain_to_unicode(&rules.hosts_domain);
        if is_at_or_below(&look_alike::skeleton(&display), &look_alike::skeleton(&ours)) {
            faults.push(AddressFault::LooksLikeHost(rules.hosts_domain.clone()));
        }
    }
    let mixed = display.split('.').filter(|label| look_alike::mixes_scripts(label));
    let mixed = mixed.map(|label| AddressFault::MixedScripts(label.to_owned()));
    let warnings = mixed.chain(trademark(&display)).map(|fault| AddressProblem { field, fault }).collect();
    Address { domain, display, kind: AddressKind::Own, warnings }.unless(faults, field)
}

/// UTS 46 processing, non-transitional, with the rules for host names (STD 3). The error is the part that does not pass.
fn to_ascii(domain: &str) -> Result<String, String> {
    let process = |text: &str| {
        Uts46::new().to_ascii(text.as_bytes(), AsciiDenyList::STD3, Hyphens::Allow, DnsLength::Ignore).map(String::from)
    };
    process(domain).map_err(|_| {
        let part = domain.split('.').find(|label| process(label).is_err()).unwrap_or(domain);
        part.chars().take(MOST_IN_LABEL).collect()
    })
}

fn labels(domain: &str) -> Vec<AddressFault> {
    let mut faults = Vec::new();
    if domain.split('.').any(str::is_empty) {
        faults.push(AddressFault::EmptyLabel);
    }
    for label in domain.split('.') {
        if label.len() > MOST_IN_LABEL {
            faults.push(AddressFault::LabelTooLong(label.to_owned()));
        }
        // RFC 5891 §4.2.3.1: two hyphens at the third place belong to encoded names alone.
        let encoded_look = label.get(2..4) == Some("--") && !label.starts_with("xn--");
        if label.starts_with('-') || label.ends_with('-') || encoded_look {
            faults.push(AddressFault::Hyphens(label.to_owned()));
        }
    }
    faults
}

fn trademark(text: &str) -> Option<AddressFault> {
    look_alike::contains_look_alike(text, "mastodon").then_some(AddressFault::NeedsPermission)
}

fn is_at_or_below(domain: &str, parent: &str) -> bool {
    domain.strip_suffix(parent).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// See [`Address::is_apex`].
pub(super) fn is_apex(domain: &str) -> bool {
    domain.split_once('.').is_some_and(|(_, parent)| endings::is_public_suffix(parent))
}
