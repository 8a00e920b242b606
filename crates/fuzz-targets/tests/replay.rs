//! Every file of every corpus, on stable, in the ordinary test run.

use std::fs;
use std::path::Path;

use fuzz_targets::TARGETS;

#[test]
fn every_corpus_replays() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    for (name, target) in TARGETS {
        let files: Vec<_> = fs::read_dir(corpora.join(name))
            .unwrap_or_else(|error| panic!("the corpus of {name}: {error}"))
            .map(|file| file.expect("the folder can be listed").path())
            .collect();
        assert!(!files.is_empty(), "the corpus of {name} is empty");
        for file in files {
            eprintln!("{}", file.display());
            target(&fs::read(&file).expect("a corpus file can be read"));
        }
    }
}

#[test]
fn every_target_takes_noise() {
    for (_, target) in TARGETS {
        let mut state = 0x9E37_79B9_7F4A_7C15u64;
        for length in 0..512 {
            let mut byte = || {
                state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
                (state >> 56) as u8
            };
            let data: Vec<u8> = (0..length).map(|_| byte()).collect();
            target(&data);
        }
    }
}
