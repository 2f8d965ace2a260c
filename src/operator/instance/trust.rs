//! What is written down for the operator that comes next, so that a start writes nothing where nothing has changed: one hash over all
//! that was applied. Pure.
//!
//! It stands for what each object says of our last apply and for who owns its fields, never for their values: whoever sets a field
//! takes it from us, so that another hash comes of it. It is taken only when every object is as our own write has left it; what somebody
//! changed in between is never blessed.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::operator::kind::Kind;
use crate::operator::seen::{Key, Seen, hash};

/// Grows when something else goes into the hash: that costs a round of applies, and no two that differ are ever taken for the same.
const EDITION: &str = "1";

/// The hash over all that was applied; nothing unless all of it is as we have left it.
pub fn note(seen: &BTreeMap<Key, Seen>) -> Option<String> {
    sum(seen, |seen| seen.accepted.filter(|accepted| *accepted == seen.ours))
}

/// Whether all that was applied is as it was when this was noted.
pub fn holds(noted: Option<&str>, seen: &BTreeMap<Key, Seen>) -> bool {
    noted.is_some() && sum(seen, |seen| Some(seen.ours)).as_deref() == noted
}

fn sum(seen: &BTreeMap<Key, Seen>, fields: impl Fn(&Seen) -> Option<u64>) -> Option<String> {
    let mut all = Vec::new();
    for ((kind, name), seen) in seen {
        // What is done or made once is never applied again.
        let (Some(applied), false) = (seen.applied, matches!(kind, Kind::Job | Kind::Backup)) else { continue };
        if seen.deleting {
            if kind.swept() {
                continue;
            }
            return None;
        }
        all.push(json!([kind.as_str(), name, fields(seen)?, applied]));
    }
    (!all.is_empty()).then(|| format!("{EDITION}:{:016x}", hash(&Value::Array(all))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::seen::State;

    fn object(ours: u64, accepted: Option<u64>) -> Seen {
        Seen { ours, accepted, applied: Some(9), ..Seen::bare(State::None) }
    }

    fn server(changes: impl FnOnce(&mut BTreeMap<Key, Seen>)) -> BTreeMap<Key, Seen> {
        let mut all = BTreeMap::from([
            ((Kind::Deployment, "web".to_owned()), object(1, Some(1))),
            ((Kind::HttpRoute, "mastodon".to_owned()), object(2, Some(2))),
            ((Kind::Job, "seed".to_owned()), object(3, None)),
            ((Kind::Secret, "made-once".to_owned()), Seen { applied: None, ..object(0, None) }),
        ]);
        changes(&mut all);
        all
    }

    fn web(all: &mut BTreeMap<Key, Seen>) -> &mut Seen {
        all.get_mut(&(Kind::Deployment, "web".to_owned())).unwrap()
    }

    #[test]
    fn only_what_our_own_writes_have_left_is_noted() {
        let noted = note(&server(|_| {})).unwrap();
        assert!(noted.starts_with("1:") && noted.len() == 18, "{noted}");
        assert_eq!(note(&server(|all| web(all).accepted = None)), None, "nobody knows what was changed before");
        assert_eq!(note(&server(|all| web(all).ours = 7)), None, "somebody has changed it");
        assert_eq!(note(&server(|all| web(all).deleting = true)), None);
        assert_eq!(note(&BTreeMap::new()), None);
        // What was swept is on its way out, and what is made anew has another UID: neither makes a difference.
        let swept = server(|all| all.get_mut(&(Kind::HttpRoute, "mastodon".to_owned())).unwrap().deleting = true);
        assert_eq!(note(&swept), note(&server(|all| drop(all.remove(&(Kind::HttpRoute, "mastodon".to_owned()))))));
        assert_eq!(note(&server(|all| web(all).uid = "later".into())).unwrap(), noted);
    }

    type Change = fn(&mut BTreeMap<Key, Seen>);

    #[test]
    fn whatever_was_changed_meanwhile_is_not_trusted() {
        let noted = note(&server(|_| {}));
        let noted = noted.as_deref();
        let forgotten = |all: &mut BTreeMap<Key, Seen>| all.values_mut().for_each(|seen| seen.accepted = None);
        assert!(holds(noted, &server(forgotten)), "nobody remembers, and all is the same");
        let changes: [(&str, Change); 5] = [
            ("a field was taken or added", |all| web(all).ours = 7),
            ("another release has applied it", |all| web(all).applied = Some(8)),
            ("it is gone", |all| drop(all.remove(&(Kind::Deployment, "web".to_owned())))),
            ("it is going", |all| web(all).deleting = true),
            ("there is one more", |all| drop(all.insert((Kind::ConfigMap, "more".to_owned()), object(1, None)))),
        ];
        for (what, change) in changes {
            assert!(!holds(noted, &server(change)), "{what}");
        }
        assert!(!holds(None, &server(|_| {})));
        assert!(!holds(Some("2:0000000000000000"), &server(|_| {})));
    }
}
