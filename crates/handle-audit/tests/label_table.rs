//! More names than a process can have labels. One test in this file, since the table is the process's.

use handle_audit::{AuditConfig, HandleAudit, HandleAuditEntry, HandleKind, Label, MAX_LABELS, label};

#[test]
fn names_beyond_the_table_read_as_such_and_records_under_them_count() {
    let early = label!("NtSetEvent");
    // The call site's name is interned by its first record, not where it is written.
    assert_eq!(early.id(), Label::new("NtSetEvent").id());
    let names: Vec<String> = (0..MAX_LABELS + 10).map(|number| format!("Export{number}")).collect();
    let labels: Vec<Label> = names.iter().map(|name| Label::from_data(name)).collect();
    let kept = labels.iter().filter(|label| **label != Label::OVERFLOW).count();
    assert!(kept < MAX_LABELS && kept > MAX_LABELS - 32, "{kept} besides the fixed ones");
    for (label, name) in labels.iter().zip(&names).take(kept) {
        assert_eq!((label.as_str(), Label::from_data(name)), (name.as_str(), *label));
    }
    assert_eq!(early.as_str(), "NtSetEvent");

    let audit = HandleAudit::new(AuditConfig::default().rings(1).manual().enabled(true)).unwrap();
    let mut recorder = audit.claim(0).unwrap();
    let entry = |cycle, source| HandleAuditEntry::new(cycle, 1, 0x8200_0040, source, 0);
    recorder.record_create(4, HandleKind::host(label!("my kind")), entry(1, early));
    // Twice from one place: the second record takes the short path.
    for cycle in 2..4 {
        recorder.record_signal(4, entry(cycle, label!("a late export")));
    }
    audit.flush().unwrap();
    let trail = audit.trail(4).unwrap();
    assert_eq!((trail.kind.to_string().as_str(), trail.signals.total()), ("(label table full)", 2));
    assert_eq!(trail.created.entry.source.as_str(), "NtSetEvent");
    assert!(trail.signals.iter().all(|each| each.entry.source.as_str() == "(label table full)"));
}
