//! Every kind of damage and forgery, each refused with a message that names it, by the program and by the reader in Python.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use paddock::archive::canonical::to_canonical;
use paddock::archive::key::MediaKey;
use paddock::archive::manifest::Manifest;
use paddock::archive::secrets::{self, Lock, Secrets, Unlock};
use paddock::archive::signature::SigningKey;
use paddock::archive::verify::verify;
use paddock::archive::watch::Nobody;
use paddock::archive::{Archive, ArchiveError, PartName, tar};

use super::{Folder, ends, noise, paddock, small_archive};

const MEDIA: &str = "media-00001.tar.zst";
const INDEX: &str = "media-00001.sha256";
const DUMP: &str = "database.dump.zst";

/// Changes a file of an archive.
fn change(archive: &Path, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(archive.join(name)).unwrap();
    change(&mut bytes);
    fs::write(archive.join(name), bytes).unwrap();
}

/// Changes what the manifest says, makes sizes and checksums fit the files as they are, and signs with a key of one's own: what somebody
/// who means harm can do.
fn forge(archive: &Path, lie: impl FnOnce(&mut Manifest)) {
    let mut manifest = Manifest::from_bytes(&fs::read(archive.join("manifest.json")).unwrap()).unwrap();
    for part in &mut manifest.parts {
        let bytes = fs::read(archive.join(&part.name)).unwrap();
        part.bytes = u64::try_from(bytes.len()).unwrap();
        part.sha256 = hex::encode(paddock::crypto::sha256(&bytes));
    }
    let key = SigningKey::generate().unwrap();
    manifest.signer = key.public().to_string();
    lie(&mut manifest);
    let bytes = to_canonical(&serde_json::to_value(&manifest).unwrap()).unwrap();
    fs::write(archive.join("manifest.json"), &bytes).unwrap();
    fs::write(archive.join("manifest.sig"), key.sign(&bytes)).unwrap();
}

/// Puts a tar in the place of the media, with an index and counts that fit; the names in the index are those given.
fn forge_media(archive: &Path, names: &[&str], tar: &[u8]) {
    let packed = zstd::encode_all(tar, 3).unwrap();
    fs::write(archive.join(MEDIA), packed).unwrap();
    let hash = hex::encode(paddock::crypto::sha256(b"x"));
    let index: Vec<String> = names.iter().map(|name| format!("{hash}  {name}\n")).collect();
    fs::write(archive.join(INDEX), index.concat()).unwrap();
    let count = u64::try_from(names.len()).unwrap();
    forge(archive, |manifest| {
        manifest.completeness.objects = count;
        for part in &mut manifest.parts {
            if part.name == MEDIA {
                part.unpacked = Some(u64::try_from(tar.len()).unwrap());
            }
            if part.name == MEDIA || part.name == INDEX {
                part.objects = Some(count);
            }
        }
    });
}

/// A tar of files that each hold `x`.
fn tar_of(names: &[&str]) -> Vec<u8> {
    let mut out = Vec::new();
    for name in names {
        tar::write_header(&mut out, &MediaKey::new(name).unwrap(), 1).unwrap();
        out.extend(b"x");
        out.extend(tar::padding(1));
    }
    tar::write_end(&mut out).unwrap();
    out
}

/// The first header of a tar, changed, with a checksum that fits.
fn with_header(mut tar: Vec<u8>, change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    change(&mut tar[..512]);
    tar[148..156].copy_from_slice(b"        ");
    let sum: u32 = tar[..512].iter().map(|byte| u32::from(*byte)).sum();
    tar[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    tar
}

/// What the program says of an archive.
fn said(archive: &Path) -> String {
    match Archive::open(archive, None).and_then(|archive| verify(&archive, &Nobody)) {
        Ok(()) => "nothing is wrong".to_owned(),
        Err(error) => {
            assert_eq!(error.exit_code(), 3, "{error}");
            error.to_string()
        }
    }
}

type Damage = fn(&Path);

#[test]
fn each_kind_of_damage_is_named() {
    let cases: Vec<(&str, Damage)> = vec![
        ("database.dump.zst is not what was written", |at| change(at, DUMP, |bytes| bytes[3000] ^= 1)),
        ("media-00001.tar.zst is not what was written", |at| change(at, MEDIA, |bytes| bytes[3000] ^= 0x80)),
        ("media-00001.sha256 is not what was written", |at| change(at, INDEX, |bytes| *bytes.last_mut().unwrap() ^= 1)),
        ("RESTORE.md is not what was written", |at| change(at, "RESTORE.md", |bytes| bytes[0] ^= 1)),
        ("database.dump.zst has ", |at| change(at, DUMP, |bytes| bytes.truncate(9000))),
        ("media-00001.tar.zst has ", |at| change(at, MEDIA, |bytes| bytes.push(0))),
        ("database.dump.zst is missing", |at| fs::remove_file(at.join(DUMP)).unwrap()),
        ("media-00001.tar.zst is missing", |at| fs::remove_file(at.join(MEDIA)).unwrap()),
        ("restore.sh is missing", |at| fs::remove_file(at.join("restore.sh")).unwrap()),
        ("never finished", |at| fs::remove_file(at.join("manifest.sig")).unwrap()),
        ("manifest.json is missing", |at| fs::remove_file(at.join("manifest.json")).unwrap()),
        ("manifest.sig: the manifest is not what", |at| change(at, "manifest.json", |bytes| bytes[20] ^= 1)),
        ("manifest.sig: the manifest is not what", |at| change(at, "manifest.json", |bytes| bytes.truncate(100))),
        ("manifest.sig: it does not have the form", |at| change(at, "manifest.sig", |bytes| bytes.truncate(40))),
        ("manifest.sig: the manifest is not what", |at| {
            let other = SigningKey::generate().unwrap().sign(b"another manifest");
            fs::write(at.join("manifest.sig"), other).unwrap();
        }),
        ("restore.sh is no ordinary file", |at| {
            fs::rename(at.join("restore.sh"), at.join("elsewhere")).unwrap();
            symlink(at.join("elsewhere"), at.join("restore.sh")).unwrap();
        }),
        ("compose.yaml is no ordinary file", |at| {
            fs::remove_file(at.join("compose.yaml")).unwrap();
            fs::create_dir(at.join("compose.yaml")).unwrap();
        }),
    ];
    refused("damage", &cases);
}

#[test]
fn each_kind_of_forgery_is_named() {
    let cases: Vec<(&str, Damage)> = vec![
        ("\"../../etc/cron.d/x\" is not the name of a part", |at| forge(at, |m| m.parts[0].name = "../../etc/cron.d/x".into())),
        ("\"/etc/passwd\" is not the name of a part", |at| forge(at, |m| m.parts[0].name = "/etc/passwd".into())),
        ("is listed twice or out of order", |at| forge(at, |m| m.parts.insert(0, m.parts[0].clone()))),
        ("unpacks to more than the 5000 bytes", |at| forge(at, |m| m.parts[3].unpacked = Some(5000))),
        ("unpacks to less than the 90000 bytes", |at| forge(at, |m| m.parts[3].unpacked = Some(90_000))),
        ("claims to unpack from", |at| forge(at, |m| m.parts[3].unpacked = Some(i64::MAX.unsigned_abs()))),
        ("and at most 50000000 are read", |at| {
            forge(at, |m| {
                (m.parts[4].objects, m.parts[5].objects) = (Some(60_000_000), Some(60_000_000));
                m.completeness.objects = 60_000_000;
            });
        }),
        ("it names another signer", |at| forge(at, |m| m.signer = SigningKey::generate().unwrap().public().to_string())),
        ("its format has version 2", |at| forge(at, |m| m.version = 2)),
        ("it is no dump of pg_dump", |at| {
            fs::write(at.join(DUMP), zstd::encode_all(&b"drop table users;"[..], 3).unwrap()).unwrap();
            forge(at, |m| m.parts[3].unpacked = Some(17));
        }),
        ("can't be unpacked", |at| {
            fs::write(at.join(DUMP), noise(1, 5000)).unwrap();
            forge(at, |_| {});
        }),
        ("can't be unpacked", |at| {
            change(at, DUMP, |bytes| bytes.extend(b"trailing"));
            forge(at, |_| {});
        }),
        ("unpacks to more than the ", |at| {
            // A bomb: 256 MiB of nothing behind a claim that is modest.
            let mut packer = zstd::Encoder::new(Vec::new(), 3).unwrap();
            packer.write_all(b"PGDMP").unwrap();
            (0..256).for_each(|_| packer.write_all(&[0; 1 << 20]).unwrap());
            fs::write(at.join(DUMP), packer.finish().unwrap()).unwrap();
            forge(at, |_| {});
        }),
        ("the name \"../evil\" in it leads out of the folder", |at| {
            let tar = with_header(tar_of(&["aaaaaaa"]), |header| header[..7].copy_from_slice(b"../evil"));
            forge_media(at, &["../evil"], &tar);
        }),
        ("the name \"/etc/x\" in it leads out of the folder", |at| {
            let tar = with_header(tar_of(&["aaaaaa"]), |header| header[..6].copy_from_slice(b"/etc/x"));
            forge_media(at, &["aaaaaa"], &tar);
        }),
        ("a symbolic link", |at| {
            let tar = with_header(tar_of(&["a"]), |header| {
                header[156] = b'2';
                header[157..168].copy_from_slice(b"/etc/passwd");
            });
            forge_media(at, &["a"], &tar);
        }),
        ("a hard link", |at| forge_media(at, &["a"], &with_header(tar_of(&["a"]), |header| header[156] = b'1'))),
        ("a device", |at| forge_media(at, &["a"], &with_header(tar_of(&["a"]), |header| header[156] = b'3'))),
        ("a pipe", |at| forge_media(at, &["a"], &with_header(tar_of(&["a"]), |header| header[156] = b'6'))),
        ("pax header", |at| forge_media(at, &["a"], &with_header(tar_of(&["a"]), |header| header[156] = b'x'))),
        ("a size that is no octal number", |at| {
            forge_media(at, &["a"], &with_header(tar_of(&["a"]), |header| header[124..136].copy_from_slice(&[0xff; 12])));
        }),
        ("can't be unpacked", |at| {
            forge_media(at, &["a"], &with_header(tar_of(&["a"]), |header| header[124..135].copy_from_slice(b"77777777777")));
        }),
        ("a is in it twice or out of order", |at| forge_media(at, &["a", "a"], &tar_of(&["a", "a"]))),
        ("a is in it twice or out of order", |at| forge_media(at, &["b", "a"], &tar_of(&["b", "a"]))),
        ("it has b where its index has a", |at| forge_media(at, &["a"], &tar_of(&["b"]))),
        ("count its files differently", |at| forge_media(at, &["a", "b"], &tar_of(&["a"]))),
        ("count its files differently", |at| forge_media(at, &["a"], &tar_of(&["a", "b"]))),
        ("there is something behind the end", |at| {
            forge_media(at, &["a"], &[tar_of(&["a"]), b"more".to_vec()].concat());
        }),
        ("there is something where nothing may be", |at| {
            let mut tar = tar_of(&["a"]);
            tar[600] = 1;
            forge_media(at, &["a"], &tar);
        }),
        ("the file a in it differs from its checksum", |at| {
            let mut tar = tar_of(&["a"]);
            tar[512] = b'y';
            forge_media(at, &["a"], &tar);
        }),
        ("a line is no checksum and name", |at| {
            fs::write(at.join(INDEX), "nonsense\n").unwrap();
            forge(at, |_| {});
        }),
        ("a line does not end, or is too long", |at| {
            fs::write(at.join(INDEX), "0".repeat(5000)).unwrap();
            forge(at, |_| {});
        }),
    ];
    refused("forgery", &cases);
}

/// The program names each; the reader in Python refuses each as well.
fn refused(kind: &str, cases: &[(&str, Damage)]) {
    let reader = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/archive/reader.py");
    for (at, (expected, damage)) in cases.iter().enumerate() {
        let folder = Folder::new(&format!("{kind}-{at}"));
        small_archive(&folder);
        let archive = folder.join("archive");
        assert_eq!(said(&archive), "nothing is wrong");
        damage(&archive);
        let said = said(&archive);
        assert!(said.contains(expected), "{kind} {at}, {expected}: {said}");
        let read = Command::new("python3").args(["-B", reader]).arg(&archive).output().unwrap();
        assert!(!read.status.success(), "the reader in Python lets it pass: {expected}");
    }
}

#[test]
fn an_archive_of_somebody_else_is_refused_where_a_signer_is_named() {
    let folder = Folder::new("signer");
    let (_, key) = small_archive(&folder);
    let archive = folder.join("archive");
    let path = archive.to_str().unwrap();
    ends(&paddock(&["verify", path, "--signer", &key.public().to_string()]), 0);
    forge(&archive, |manifest| manifest.source.domain = "evil.example".into());
    let (_, said) = ends(&paddock(&["verify", path, "--signer", &key.public().to_string()]), 3);
    assert!(said.contains("it is signed by ") && said.contains(&format!("not by {}", key.public())), "{said}");
    let (_, said) = ends(&paddock(&["verify", path, "--signer", "nonsense"]), 2);
    assert!(said.contains("no public key of a signer"), "{said}");
}

#[test]
fn secrets_that_do_not_open_say_why() {
    let folder = Folder::new("secrets");
    small_archive(&folder);
    let archive = folder.join("archive");
    let passphrase = |text: &str| text.to_owned().into();
    let variables = [("LOCAL_DOMAIN".to_owned(), "birds.example".to_owned())].into();
    let sealed = secrets::seal(&Secrets::pick(&variables), Lock::Passphrase(passphrase("the right passphrase"))).unwrap();
    fs::write(archive.join("secrets.age"), &sealed).unwrap();
    let add = |manifest: &mut Manifest| {
        let sha256 = hex::encode(paddock::crypto::sha256(&sealed));
        let part = paddock::archive::manifest::Part {
            name: PartName::Secrets.to_string(),
            bytes: u64::try_from(sealed.len()).unwrap(),
            sha256,
            unpacked: None,
            objects: None,
        };
        manifest.parts.push(part);
        manifest.completeness.secrets = true;
    };
    forge(&archive, add);
    let path = archive.to_str().unwrap();
    let (right, wrong) = (folder.write("right", "the right passphrase\n"), folder.write("wrong", "the wrong passphrase\n"));
    let (verified, _) = ends(&paddock(&["verify", path, "--passphrase-file", right.to_str().unwrap()]), 0);
    assert_eq!(verified["secrets_opened"].as_bool(), Some(true));
    let (_, said) = ends(&paddock(&["verify", path, "--passphrase-file", wrong.to_str().unwrap()]), 4);
    assert!(said.contains("secrets.age does not open: the passphrase is another one"), "{said}");
    change(&archive, "secrets.age", |bytes| *bytes.last_mut().unwrap() ^= 1);
    let (_, said) = ends(&paddock(&["verify", path, "--passphrase-file", right.to_str().unwrap()]), 3);
    assert!(said.contains("secrets.age is not what was written"), "{said}");
    let damaged =
        secrets::open(&fs::read(archive.join("secrets.age")).unwrap(), &Unlock::Passphrase(passphrase("the right passphrase")));
    assert!(matches!(damaged, Err(ArchiveError::Locked("it is damaged"))), "{damaged:?}");
}
