//! A bundle altered in 200 seeded random ways: every one is found, and named by file, field or signature.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::{Compression, GzBuilder};
use serde_json::Value;

use super::sample::{
    RECORD, RUN, bundle, compress, entries, expand, joined, key, record, run_files, with_documents, with_manifest,
};
use crate::bundle::Bundle;
use crate::document::EVIDENCE;
use crate::envelope::Envelope;
use crate::keys::VerifyingKey;
use crate::statement::{STATEMENT, statement, to_bytes};
use crate::{Files, archive, verify};

/// Numbers that look random and are the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % limit as u64) as usize
    }

    /// Flips one bit.
    fn flip(&mut self, bytes: &mut [u8]) -> usize {
        let at = self.below(bytes.len());
        bytes[at] ^= 1 << self.below(8);
        at
    }
}

/// An altered bundle, and what a message must name.
type Altered = (Vec<u8>, Vec<String>);

fn any_place() -> Vec<String> {
    let places = ["gzip", "tar", STATEMENT, RUN];
    places.map(str::to_owned).to_vec()
}

fn files_of(bytes: &[u8]) -> Files {
    archive::read(bytes, archive::Limits::BUNDLE).files
}

/// The whole bundle made again of other run files, as a forger without the key would: the statement is that of the files, and the
/// signatures are the old ones.
fn forged(original: &[u8], run: Files) -> Vec<u8> {
    let old: Envelope = serde_json::from_slice(&files_of(original)[STATEMENT]).unwrap();
    let mut files: Files = run.into_iter().map(|(file, content)| (format!("{RUN}/{file}"), content)).collect();
    let made = Envelope::sign(&old.payload_type, &to_bytes(&statement(&files)), &[]);
    files.insert(STATEMENT.to_owned(), Envelope { signatures: old.signatures, ..made }.to_bytes());
    archive::write(&files).unwrap()
}

fn with_statement(original: &[u8], change: impl FnOnce(&mut Envelope)) -> Vec<u8> {
    let mut files = files_of(original);
    let mut envelope: Envelope = serde_json::from_slice(&files[STATEMENT]).unwrap();
    change(&mut envelope);
    files.insert(STATEMENT.to_owned(), envelope.to_bytes());
    archive::write(&files).unwrap()
}

/// Changes some leaf of a document.
fn change_leaf(random: &mut Random, value: &mut Value) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            let at = random.below(map.len());
            change_leaf(random, map.values_mut().nth(at).unwrap());
        }
        Value::Array(list) if !list.is_empty() => {
            let at = random.below(list.len());
            change_leaf(random, &mut list[at]);
        }
        Value::Bool(truth) => *truth = !*truth,
        Value::Number(number) => *value = (number.as_f64().unwrap() + 1.0).into(),
        Value::String(text) => text.push('!'),
        other => *other = "changed".into(),
    }
}

const WAYS: usize = 18;

fn alter(way: usize, random: &mut Random, original: &[u8]) -> Altered {
    match way {
        0..10 => alter_archive(way, random, original),
        10..16 => alter_contents(way, random, original),
        _ => (pack_again(way, random, original), vec!["gzip: the compressed form differs".to_owned()]),
    }
}

/// The same files in another compressed form: they read back unchanged, and a gzip reader notices nothing.
fn pack_again(way: usize, random: &mut Random, original: &[u8]) -> Vec<u8> {
    let tape = expand(original);
    let level = if way == 16 { [0, 1, 2, 9][random.below(4)] } else { 6 };
    let mut encoder = GzBuilder::new().mtime(0).operating_system(255).write(Vec::new(), Compression::new(level));
    let (first, rest) = tape.split_at(random.below(tape.len()));
    encoder.write_all(first).unwrap();
    if way == 17 {
        // An empty block in between: room for a hidden message.
        encoder.flush().unwrap();
    }
    encoder.write_all(rest).unwrap();
    let mut bytes = encoder.finish().unwrap();
    // The extra flags tell some levels.
    bytes[8] = original[8];
    assert_eq!(expand(&bytes), tape);
    bytes
}

/// Changes bytes or files of the archive.
fn alter_archive(way: usize, random: &mut Random, original: &[u8]) -> Altered {
    let mut bytes = original.to_vec();
    let tape = expand(original);
    let mut parts = entries(&tape);
    let at = random.below(parts.len());
    let named = parts[at].0.clone();
    match way {
        0 => {
            random.flip(&mut bytes);
            (bytes, any_place())
        }
        1 => {
            random.flip(&mut parts[at].1[..512]);
            // A damaged name hides which file it was: the manifest then misses it.
            (compress(&joined(&parts)), vec![named])
        }
        2 => {
            let (named, content) = parts.iter_mut().filter(|(_, bytes)| bytes.len() > 512).nth(at % 3).unwrap();
            random.flip(&mut content[512..]);
            let named = named.clone();
            (compress(&joined(&parts)), vec![named])
        }
        3 => {
            parts.remove(at);
            (compress(&joined(&parts)), vec![named])
        }
        4 => {
            parts.insert(at, parts[at].clone());
            (compress(&joined(&parts)), vec![named])
        }
        5 => {
            let other = (at + 1 + random.below(parts.len() - 1)) % parts.len();
            let places = vec![named, parts[other].0.clone()];
            parts.swap(at, other);
            (compress(&joined(&parts)), places)
        }
        6 => {
            let mut files = files_of(original);
            let content = files.remove(&named).unwrap();
            files.insert(format!("{named}.bak"), content);
            (archive::write(&files).unwrap(), vec![named])
        }
        7 => {
            bytes.truncate(random.below(bytes.len()));
            (bytes, any_place())
        }
        8 => {
            let count = 1 + random.below(600);
            bytes.extend((0..count).map(|_| random.below(256) as u8));
            (bytes, vec!["gzip".to_owned()])
        }
        _ => {
            let mut tape = tape;
            tape.extend(vec![0; 512 * (1 + random.below(3))]);
            (compress(&tape), vec!["tar".to_owned()])
        }
    }
}

/// Changes what the files say, and makes again what a forger without the key can.
fn alter_contents(way: usize, random: &mut Random, original: &[u8]) -> Altered {
    match way {
        10 => {
            let mut run = run_files(&record());
            let file = ["scorecard.json", EVIDENCE][random.below(2)];
            let mut value: Value = serde_json::from_slice(&run[file]).unwrap();
            change_leaf(random, &mut value);
            run.insert(file.to_owned(), serde_json::to_vec_pretty(&value).unwrap());
            (forged(original, with_manifest(run)), vec![format!("{RUN}/{file}")])
        }
        11 => {
            let mut run = run_files(&record());
            run.insert(RECORD.to_owned(), super::forged::without_a_sample(random.below(100)).into_bytes());
            (forged(original, with_documents(run)), vec![format!("{STATEMENT}: signatures[0].sig")])
        }
        12 => {
            let lines = record();
            let mut lines: Vec<&str> = lines.lines().collect();
            lines.remove(1 + random.below(lines.len() - 2));
            let mut run = run_files(&record());
            run.insert(RECORD.to_owned(), (lines.join("\n") + "\n").into_bytes());
            (forged(original, with_manifest(run)), vec![format!("{RUN}/{RECORD}")])
        }
        13 => {
            let byte = random.below(64);
            let changed = with_statement(original, |envelope| {
                let mut sig = envelope.signatures[0].bytes().unwrap();
                sig[byte] ^= 4;
                envelope.signatures[0].sig = STANDARD.encode(sig);
            });
            (changed, vec![format!("{STATEMENT}: signatures[0].sig")])
        }
        14 => {
            let changed = with_statement(original, |envelope| match random.below(3) {
                0 => envelope.signatures[0].keyid.push('0'),
                1 => envelope.signatures.clear(),
                _ => envelope.payload_type.push('x'),
            });
            (changed, vec![format!("{STATEMENT}: signatures"), format!("{STATEMENT}: payloadType")])
        }
        _ => {
            let changed = with_statement(original, |envelope| {
                let mut value: Value = serde_json::from_slice(&envelope.payload().unwrap()).unwrap();
                change_leaf(random, &mut value);
                let made = Envelope::sign(&envelope.payload_type, &to_bytes(&value), &[]);
                envelope.payload = made.payload;
            });
            (changed, vec![STATEMENT.to_owned()])
        }
    }
}

fn found(bytes: &[u8], keys: &[VerifyingKey]) -> Vec<String> {
    verify::bundle(bytes, keys).problems.iter().map(ToString::to_string).collect()
}

#[test]
fn an_unaltered_bundle_is_intact_and_the_same_each_time() {
    let (signer, public) = key();
    let bytes = bundle(std::slice::from_ref(&signer));
    assert_eq!(bytes, bundle(&[signer]));
    let found = verify::bundle(&bytes, &[public]);
    assert_eq!(found.problems, []);
    assert_eq!((found.signers, found.runs.len(), found.files), (vec![public.id()], 1, 9));
    assert_eq!(verify::run_directory(RUN, &run_files(&record())).problems, []);
    let unsigned = verify::bundle(&bundle(&[]), &[]);
    assert!(unsigned.is_intact() && unsigned.signers.is_empty());
}

#[test]
fn two_hundred_alterations_are_found_and_named() {
    let (signer, public) = key();
    let original = bundle(&[signer]);
    let mut random = Random(20_261_128);
    for number in 0..200 {
        let way = number % WAYS;
        let (bytes, places) = alter(way, &mut random, &original);
        assert_ne!(bytes, original, "alteration {number} ({way}) changes nothing");
        let problems = found(&bytes, &[public]);
        let named = problems.iter().any(|problem| places.iter().any(|place| problem.contains(place.as_str())));
        assert!(named, "alteration {number} (way {way}) must name {places:?}: {problems:#?}");
    }
}

#[test]
fn every_single_byte_of_the_compressed_form_counts() {
    let original = bundle(&[]);
    // All of the header, the trailer, and a part of the rest.
    let rest = (10..original.len() - 8).step_by(original.len() / 150);
    for at in (0..10).chain(original.len() - 8..original.len()).chain(rest) {
        let mut bytes = original.clone();
        bytes[at] ^= 1;
        assert!(!found(&bytes, &[]).is_empty(), "byte {at} of {}", original.len());
    }
    for at in [1, 9, 10, 11, 500, original.len() - 8, original.len() - 1] {
        assert!(!found(&original[..at], &[]).is_empty(), "truncated to {at}");
    }
    assert_eq!(found(b"", &[])[0], "gzip: the file is empty");
}

#[test]
fn every_given_key_must_have_signed() {
    let ((one, one_public), (other, other_public), (_, stranger)) = (key(), key(), key());
    let bytes = bundle(&[one, other]);
    assert_eq!(found(&bytes, &[one_public, other_public]), Vec::<String>::new());
    assert_eq!(verify::bundle(&bytes, &[one_public]).unchecked, [other_public.id()]);
    let said = found(&bytes, &[one_public, stranger]);
    assert_eq!(
        said,
        [format!("{STATEMENT}: signatures: no signature of key {}: not signed with it, or dropped", stranger.id())]
    );
    let reordered = with_statement(&bytes, |envelope| envelope.signatures.reverse());
    assert_eq!(found(&reordered, &[]), [format!("{STATEMENT}: signatures: was altered: the signatures are reordered")]);
}

#[test]
fn an_altered_run_is_no_evidence() {
    let mut files = run_files(&record());
    files.insert("report.md".to_owned(), b"# better\n".to_vec());
    let refused = Bundle::default().add(RUN, files).unwrap_err().to_string();
    assert!(refused.contains("report.md: was altered"), "{refused}");
    let mut bundle = Bundle::default();
    bundle.add(RUN, run_files(&record())).unwrap();
    assert!(bundle.add(RUN, run_files(&record())).unwrap_err().to_string().contains("name each once"));
    for name in ["..", ".", "", "a/b", "a\\b", "a\nb", STATEMENT] {
        assert!(bundle.add(name, run_files(&record())).is_err(), "{name:?}");
    }
}
