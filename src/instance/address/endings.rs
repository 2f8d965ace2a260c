//! Endings of domains: those that do not exist in public, and those under which many people register.

/// Top-level names that no public DNS serves: RFC 6761, 6762, 7686, 8375, 9476, ICANN's `internal` (2024), and what home routers and offices use.
const SPECIAL_USE: [&str; 15] = [
    "alt",
    "arpa",
    "corp",
    "example",
    "home",
    "internal",
    "intranet",
    "invalid",
    "lan",
    "local",
    "localdomain",
    "localhost",
    "onion",
    "private",
    "test",
];

/// Second-level names under which registries sell names. A small part of the Public Suffix List: the registries that people here are
/// likely to meet and the largest hosts of sites. One that is missing does no harm: nobody can set the DNS records of a suffix that
/// is not theirs, so such an order never gets past the DNS check.
const SUFFIXES: &str = include_str!("suffixes.txt");

/// The last label when it does not exist in public. `.test` does for a demo.
pub(super) fn special_use(domain: &str, allow_test: bool) -> Option<&str> {
    let last = domain.rsplit('.').next()?;
    (SPECIAL_USE.contains(&last) && !(allow_test && last == "test")).then_some(last)
}

/// Whether people register below `domain`, so that it can be nobody's own.
pub(super) fn is_public_suffix(domain: &str) -> bool {
    !domain.contains('.') || SUFFIXES.lines().map(str::trim).filter(|line| !line.starts_with('#')).any(|line| line == domain)
}
