//! DNS records of a customer's own domain: which, and what is found. Against a list, and against a real server over UDP.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::proto::op::{Message, OpCode, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, CNAME, MX, TXT};
use hickory_resolver::proto::rr::{Name, RData, Record as DnsRecord, RecordType};
use paddock::instance::address::{Address, AddressRules, WebDomain};
use paddock::instance::dns::{
    DnsResolver, DnsTarget, LookupFailed, Purpose, RecordKind, RecordState, Resolver, ScriptedResolver, compare, look,
    wanted_records,
};
use tokio::net::UdpSocket;

fn rules() -> AddressRules {
    AddressRules::new("paddock.social")
}

fn address(input: &str) -> Address {
    Address::parse_own(input, &rules()).or_else(|_| Address::parse_name(input, &rules())).expect(input)
}

fn target() -> DnsTarget {
    DnsTarget {
        host: "gate.paddock.social".to_owned(),
        ipv4: vec!["192.0.2.1".parse().expect("v4"), "192.0.2.2".parse().expect("v4")],
        ipv6: vec!["2001:db8::1".parse().expect("v6")],
    }
}

/// `name kind value purpose` of each wanted record.
fn lines(address: &Address, web: Option<&WebDomain>) -> Vec<String> {
    let records = wanted_records(address, web, &target());
    records.iter().map(|record| format!("{} {} {} {:?}", record.name, record.kind, record.value, record.purpose)).collect()
}

#[test]
fn the_records_to_set() {
    assert!(lines(&address("garden"), None).is_empty());
    let below = ["social.example.org CNAME gate.paddock.social Web", "files.social.example.org CNAME gate.paddock.social Media"];
    assert_eq!(lines(&address("social.example.org"), None), below);
    let apex = [
        "example.org A 192.0.2.1 Web",
        "example.org A 192.0.2.2 Web",
        "example.org AAAA 2001:db8::1 Web",
        "files.example.org CNAME gate.paddock.social Media",
    ];
    assert_eq!(lines(&address("example.org"), None), apex);
    let example = address("example.org");
    let web = WebDomain::parse("social.example.org", &example, &rules()).expect("a web domain");
    let both = lines(&example, Some(&web));
    assert_eq!(both[..2], below);
    assert_eq!(
        both[2..],
        ["example.org A 192.0.2.1 Handles", "example.org A 192.0.2.2 Handles", "example.org AAAA 2001:db8::1 Handles"]
    );
    assert!(!Purpose::Handles.is_required() && Purpose::Web.is_required() && Purpose::Media.is_required());
    let alias: Vec<bool> = wanted_records(&example, None, &target()).iter().map(|record| record.or_alias_to.is_some()).collect();
    assert_eq!(alias, [true, true, true, false]);
    assert_eq!(lines(&address("bücher.org"), None)[3], "files.xn--bcher-kva.org CNAME gate.paddock.social Media");
}

async fn states(resolver: &ScriptedResolver, address: &Address, target: &DnsTarget) -> Vec<RecordState> {
    let wanted = wanted_records(address, None, target);
    compare(&wanted, &look(resolver, &wanted).await)
}

fn different(seen: &[&str]) -> RecordState {
    RecordState::Different(seen.iter().map(ToString::to_string).collect())
}

#[tokio::test]
async fn a_name_below_a_domain() {
    let (resolver, social, target) = (ScriptedResolver::default(), address("social.example.org"), target());
    assert_eq!(states(&resolver, &social, &target).await, [RecordState::Missing, RecordState::Missing]);
    resolver.set("social.example.org", RecordKind::Cname, &["Gate.Paddock.Social"]);
    resolver.set("files.social.example.org", RecordKind::Cname, &["gate.elsewhere.org"]);
    assert_eq!(states(&resolver, &social, &target).await, [RecordState::Found, different(&["gate.elsewhere.org"])]);
    // The provider resolves the name itself.
    resolver.set("files.social.example.org", RecordKind::Cname, &[]);
    resolver.set("files.social.example.org", RecordKind::A, &["192.0.2.2"]);
    assert_eq!(states(&resolver, &social, &target).await, [RecordState::Found, RecordState::Found]);
    resolver.set("files.social.example.org", RecordKind::Aaaa, &["2001:db8::99"]);
    assert_eq!(states(&resolver, &social, &target).await[1], different(&["192.0.2.2", "2001:db8::99"]));
    resolver.fail("files.social.example.org", RecordKind::Aaaa, LookupFailed::ServerFailed);
    assert_eq!(states(&resolver, &social, &target).await[1], RecordState::Unknown(LookupFailed::ServerFailed));
    resolver.fail("social.example.org", RecordKind::Cname, LookupFailed::Timeout);
    assert_eq!(states(&resolver, &social, &target).await[0], RecordState::Unknown(LookupFailed::Timeout));
}

#[tokio::test]
async fn a_bare_domain() {
    let (resolver, example, target) = (ScriptedResolver::default(), address("example.org"), target());
    let set = |kind, values: &[&str]| resolver.set("example.org", kind, values);
    set(RecordKind::A, &["192.0.2.1"]);
    set(RecordKind::Aaaa, &["2001:DB8:0::1"]);
    let found = states(&resolver, &example, &target).await;
    assert_eq!(found, [RecordState::Found, RecordState::Missing, RecordState::Found, RecordState::Missing]);
    set(RecordKind::A, &["192.0.2.1", "192.0.2.2", "198.51.100.7"]);
    let foreign = different(&["192.0.2.1", "192.0.2.2", "198.51.100.7"]);
    assert_eq!(states(&resolver, &example, &target).await[..2], [foreign.clone(), foreign]);
    // Without IPv6 of ours, an address left over from before takes visitors away.
    let only_v4 = DnsTarget { ipv6: Vec::new(), ..target.clone() };
    set(RecordKind::A, &["192.0.2.1", "192.0.2.2"]);
    assert_eq!(states(&resolver, &example, &only_v4).await[0], different(&["2001:DB8:0::1"]));
    set(RecordKind::Aaaa, &[]);
    assert_eq!(states(&resolver, &example, &only_v4).await[..2], [RecordState::Found, RecordState::Found]);
    resolver.fail("example.org", RecordKind::Aaaa, LookupFailed::Refused);
    assert_eq!(states(&resolver, &example, &only_v4).await[0], RecordState::Unknown(LookupFailed::Refused));
    // What was not asked is not known.
    let wanted = wanted_records(&example, None, &target);
    assert!(compare(&wanted, &paddock::instance::dns::Seen::new()).iter().all(|state| matches!(state, RecordState::Unknown(_))));
}

/// A name server on the loopback: answers, refuses, fails or stays silent by the first part of the name. Ends with the test.
pub async fn name_server() -> SocketAddr {
    let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").await.expect("a port"));
    let address = socket.local_addr().expect("bound");
    tokio::spawn(async move {
        let mut buffer = [0u8; 2048];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            let request = Message::from_vec(&buffer[..length]).expect("a request");
            if let Some(reply) = reply(&request) {
                socket.send_to(&reply.to_vec().expect("a reply"), from).await.expect("sent");
            }
        }
    });
    address
}

fn reply(request: &Message) -> Option<Message> {
    let query = request.queries[0].clone();
    let text = query.name().to_ascii().to_ascii_lowercase();
    let mut reply = Message::response(request.metadata.id, OpCode::Query);
    reply.metadata.recursion_desired = true;
    reply.metadata.recursion_available = true;
    let name = |text: &str| Name::from_ascii(text).expect("a name");
    let data = match (text.split('.').next().unwrap_or_default(), query.query_type()) {
        ("silent", _) => return None,
        ("broken", _) => {
            reply.metadata.response_code = ResponseCode::ServFail;
            vec![]
        }
        ("closed", _) => {
            reply.metadata.response_code = ResponseCode::Refused;
            vec![]
        }
        ("gone", _) => {
            reply.metadata.response_code = ResponseCode::NXDomain;
            vec![]
        }
        ("pointing", RecordType::CNAME) => vec![RData::CNAME(CNAME(name("Gate.Paddock.Social.")))],
        // What `paddock preflight` asks for: any name under the wildcard of the rig's Gateway.
        (any, RecordType::A) if any.starts_with("preflight-") => vec![RData::A(A::new(127, 0, 0, 1))],
        ("here", RecordType::A) => {
            vec![RData::A(A::new(192, 0, 2, 2)), RData::A(A::new(192, 0, 2, 1)), RData::A(A::new(192, 0, 2, 1))]
        }
        ("here", RecordType::TXT) => vec![RData::TXT(TXT::new(vec!["one ".to_owned(), "two".to_owned()]))],
        ("here", RecordType::MX) => vec![RData::MX(MX::new(10, name("Mail.Example.org.")))],
        _ => vec![],
    };
    reply.add_answers(data.into_iter().map(|data| DnsRecord::from_rdata(query.name().clone(), 60, data)));
    reply.add_query(query);
    Some(reply)
}

#[tokio::test]
async fn a_real_server_over_udp() {
    let resolver = DnsResolver::new(&[name_server().await], Duration::from_millis(300)).expect("a resolver");
    let ask = |name: &'static str, kind| resolver.records(name, kind);
    assert_eq!(ask("here.example.org", RecordKind::A).await, Ok(vec!["192.0.2.1".to_owned(), "192.0.2.2".to_owned()]));
    assert_eq!(ask("here.example.org.", RecordKind::Txt).await, Ok(vec!["one two".to_owned()]));
    assert_eq!(ask("here.example.org", RecordKind::Mx).await, Ok(vec!["10 mail.example.org".to_owned()]));
    assert_eq!(ask("pointing.example.org", RecordKind::Cname).await, Ok(vec!["gate.paddock.social".to_owned()]));
    assert_eq!(ask("here.example.org", RecordKind::Aaaa).await, Ok(vec![]), "no such record is an answer");
    assert_eq!(ask("gone.example.org", RecordKind::A).await, Ok(vec![]), "no such name is an answer");
    assert_eq!(ask("broken.example.org", RecordKind::A).await, Err(LookupFailed::ServerFailed));
    assert_eq!(ask("closed.example.org", RecordKind::A).await, Err(LookupFailed::Refused));
    assert_eq!(ask("silent.example.org", RecordKind::A).await, Err(LookupFailed::Timeout));
    assert_eq!(ask("not a name", RecordKind::A).await, Err(LookupFailed::BadName));
}

#[tokio::test]
async fn a_second_server_answers_when_the_first_is_silent() {
    let silent = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
    let servers = [silent.local_addr().expect("bound"), name_server().await];
    let resolver = DnsResolver::new(&servers, Duration::from_millis(300)).expect("a resolver");
    assert_eq!(resolver.records("here.example.org", RecordKind::A).await.map(|values| values.len()), Ok(2));
}
