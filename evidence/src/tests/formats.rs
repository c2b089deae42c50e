//! The archive: what is refused, and that its form never changes.

use tar::{EntryType, Header};

use super::sample::{compress, entries, expand, joined};
use crate::archive::{Limits, read, write};
use crate::{Files, sha256};

fn said(bytes: &[u8], limits: Limits) -> Vec<String> {
    read(bytes, limits).problems.iter().map(ToString::to_string).collect()
}

fn one(name: &str, content: &[u8]) -> Files {
    Files::from([(name.to_owned(), content.to_vec())])
}

/// An entry with a header that nothing of ours would write.
fn entry(change: impl FnOnce(&mut Header)) -> Vec<u8> {
    let mut header = Header::new_ustar();
    header.set_path("a/b").unwrap();
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(0);
    header.set_mtime(0);
    header.set_entry_type(EntryType::Regular);
    change(&mut header);
    header.set_cksum();
    compress(&joined(&[("a/b".to_owned(), header.as_bytes().to_vec())]))
}

/// The bytes of an archive are the same on every machine and in every version: bundles are verified years later. If this fails
/// after an update of the compressor, keep the old one.
#[test]
fn the_canonical_form_never_changes() {
    let numbers = (0..20_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) % 1000).to_string());
    let text = numbers.collect::<Vec<_>>().join(" ") + " ";
    let files = Files::from([
        ("run/one.txt".to_owned(), text.into_bytes()),
        ("run/two.txt".to_owned(), vec![b'x'; 100_000]),
        ("zero".to_owned(), Vec::new()),
    ]);
    let bytes = write(&files).unwrap();
    assert_eq!(read(&bytes, Limits::BUNDLE).files, files);
    assert_eq!(said(&bytes, Limits::BUNDLE), Vec::<String>::new());
    assert_eq!(sha256(&bytes), GOLDEN);
}

const GOLDEN: &str = "ac89576655aa7cbfa7c94ad6d4c378468abb7089df8788cf497f2ce1e4034212";

#[test]
fn paths_and_types_that_reach_elsewhere_are_refused() {
    for name in ["/etc/passwd", "../up", "a/../../up", "a//b", "./a", "a/.", "a\\b", "a\u{7}b", ""] {
        assert!(write(&one(name, b"x")).is_err(), "{name:?}");
        let named = entry(|header| {
            let bytes = header.as_mut_bytes();
            bytes[..100].fill(0);
            bytes[..name.len()].copy_from_slice(name.as_bytes());
        });
        let found = read(&named, Limits::BUNDLE);
        assert!(found.files.is_empty(), "{name:?} was read");
        assert!(!found.problems.is_empty(), "{name:?}");
    }
    for kind in [
        EntryType::Symlink,
        EntryType::Link,
        EntryType::Char,
        EntryType::Fifo,
        EntryType::Directory,
        EntryType::XHeader,
    ] {
        let found = read(&entry(|header| header.set_entry_type(kind)), Limits::BUNDLE);
        assert!(found.files.is_empty());
        assert!(found.problems[0].to_string().starts_with("a/b: refused: type "), "{:?}", found.problems);
    }
}

#[test]
fn fields_of_a_header_are_named() {
    let mode = said(&entry(|header| header.set_mode(0o4755)), Limits::BUNDLE);
    assert_eq!(mode, ["a/b: header was altered: mode, checksum"]);
    let owner = said(&entry(|header| header.set_username("root").unwrap()), Limits::BUNDLE);
    assert_eq!(owner, ["a/b: header was altered: checksum, user name"]);
}

#[test]
fn bombs_end_at_the_limit() {
    let limits = Limits { bytes: 1 << 20, files: 3 };
    let bomb = compress(&vec![0; 8 << 20]);
    assert!(bomb.len() < 10_000);
    assert_eq!(said(&bomb, limits), ["gzip: refused: it expands to more than 1 MiB"]);
    let many: Files = (0..5).map(|n| (format!("f{n}"), Vec::new())).collect();
    assert_eq!(said(&write(&many).unwrap(), limits), ["tar: refused: more than 3 files"]);
    // A size that no file has.
    let huge = said(&entry(|header| header.set_size(u64::MAX >> 8)), Limits::BUNDLE);
    assert!(huge[0].starts_with("a/b: "), "{huge:?}");
}

#[test]
fn what_is_no_archive_is_refused() {
    for bytes in [&b""[..], b"x", b"PK\x03\x04 a zip file", &[0x1f, 0x8b], &[0; 4096], "text ".repeat(900).as_bytes()] {
        assert!(!said(bytes, Limits::BUNDLE).is_empty());
        assert!(read(bytes, Limits::BUNDLE).files.is_empty());
    }
    assert_eq!(said(&compress(&[]), Limits::BUNDLE), ["gzip: there is nothing in it"]);
    let long = "x".repeat(300);
    assert!(write(&one(&long, b"x")).is_err());
}

#[test]
fn entries_behind_a_damaged_one_are_still_read() {
    let files: Files = (0..4).map(|n| (format!("f{n}"), vec![n; 700])).collect();
    let mut parts = entries(&expand(&write(&files).unwrap()));
    parts[1].1[124..136].fill(b'9');
    let found = read(&compress(&joined(&parts)), Limits::BUNDLE);
    assert_eq!(found.files.keys().collect::<Vec<_>>(), ["f0", "f2", "f3"]);
    assert!(found.problems[0].to_string().starts_with("f1: header was altered"), "{:?}", found.problems);
}
