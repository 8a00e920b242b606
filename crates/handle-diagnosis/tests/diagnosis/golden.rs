//! Reports as text, at four widths, one set for each verdict.

use handle_diagnosis::{Layout, diagnose, report, write_json};

use crate::scenes::{ALL, promise_broken};

const WIDTHS: [usize; 4] = [60, 80, 100, 160];

#[test]
fn a_report_for_each_verdict_at_each_width() {
    for staged in ALL {
        for width in WIDTHS {
            let text = (staged.stage)().report(&Layout::new(width));
            assert!(
                text.lines().all(|line| line.chars().count() <= width),
                "{} at {width}:\n{text}",
                staged.code
            );
            insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
                insta::assert_snapshot!(format!("{}_at_{width}", staged.code), text);
            });
        }
    }
}

#[test]
fn no_identifier_is_ever_dropped() {
    for staged in ALL {
        let wide = (staged.stage)().report(&Layout::new(160));
        let identifiers = wide
            .split_whitespace()
            .filter(|word| word.contains("+0x") || word.starts_with("0x") || word.starts_with("Nt"));
        let narrow = (staged.stage)().report(&Layout::new(60));
        for identifier in identifiers {
            assert!(
                narrow.contains(identifier.trim_matches([',', ';', '.', ':'])),
                "{identifier} in\n{narrow}"
            );
        }
    }
}

#[test]
fn an_ascii_report_has_no_other_character() {
    for staged in ALL {
        let layout = Layout::new(80).ascii(true).all(true);
        let text = (staged.stage)().report(&layout);
        assert!(text.is_ascii() && !text.contains('?'), "{text}");
    }
}

#[test]
fn a_quiet_report_is_a_line_for_each_verdict() {
    let layout = Layout::new(100).quiet(true);
    insta::assert_snapshot!(promise_broken().report(&layout));
}

#[test]
fn everything_at_once() {
    let layout = Layout::new(100).all(true);
    insta::assert_snapshot!(promise_broken().report(&layout));
}

#[test]
fn confidence_is_coloured_and_written() {
    let styled = promise_broken().case(|case| report(case, &diagnose(case), &Layout::new(80)));
    assert!(styled.contains("\u{1b}[") && styled.contains("STRONG"));
}

#[test]
fn the_document() {
    let document = promise_broken().case(|case| {
        let mut bytes = Vec::new();
        write_json(case, &diagnose(case), &mut bytes).expect("a vector takes everything");
        bytes
    });
    let value: serde_json::Value = serde_json::from_slice(&document).expect("it is JSON");
    assert_eq!(document.iter().filter(|byte| **byte == b'\n').count(), 1);
    insta::assert_json_snapshot!(value);
}
