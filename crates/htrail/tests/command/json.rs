//! The names in the JSON document, for every guest of the spine. Scripts depend on them, so this is written from their
//! description and not from the code that prints them.

use serde_json::Value;

use crate::support::run;

const ENDS: [&str; 6] = ["finished", "deadlock", "watchdog", "interrupted", "fault", "limit"];
const CONFIDENCES: [&str; 5] = ["UNKNOWN", "HINT", "LIKELY", "STRONG", "PROVEN"];

#[test]
fn every_guest_has_a_document_with_all_its_names() {
    for (name, arguments) in [
        ("pingpong", &["--trace-handles"][..]),
        ("pool", &["--arg", "2000", "--trace-handles"]),
        ("boot_hang", &["--trace-handles=0x101c"]),
        ("deadlock", &["--trace-handles"]),
        ("ghost", &["--arg", "1", "--trace-handles=0x82010040,0x82010060"]),
        ("reuse", &["--arg", "100", "--trace-handles"]),
        ("storm", &["--arg", "20", "--trace-handles"]),
    ] {
        let ran = run(name, &[arguments, &["--json"]].concat());
        let document = ran.json();
        check(&document);
        assert_eq!(document["run"]["guest"], format!("{name}.elf"));
        assert!(!list(&document["trails"]).is_empty(), "{name}");
        let hangs = matches!(name, "boot_hang" | "deadlock" | "ghost");
        assert_eq!(document["run"]["ended"], if hangs { "deadlock" } else { "finished" }, "{name}");
        assert_eq!(ran.exit, i32::from(hangs), "{name}: {}", ran.err);
    }
}

#[test]
fn an_untraced_run_has_the_same_names() {
    let document = run("boot_hang", &["--json"]).json();
    check(&document);
    assert_eq!(list(&document["trails"]).len(), 0);
    assert!(!list(&document["threads"]).is_empty());
}

fn check(document: &Value) {
    assert_eq!(document["schema"], 1);
    let run = &document["run"];
    text(&run["guest"]);
    assert!(ENDS.contains(&text(&run["ended"])), "{run}");
    for name in ["instructions", "cycles", "context_switches", "migrations", "events"] {
        count(&run[name]);
    }
    assert!(run["seconds"].is_f64(), "{run}");

    let losses = &document["losses"];
    for name in ["attempted", "recorded", "rejected", "unmatched"] {
        count(&losses[name]);
    }
    for ring in list(&losses["rings"]) {
        count(&ring["ring"]);
        count(&ring["rejected"]);
    }
    list(&document["trails"]).iter().for_each(check_trail);
    for ghost in list(&document["ghosts"]) {
        address(&ghost["handle"]);
        check_entries(&ghost["signals"]);
    }
    list(&document["threads"]).iter().for_each(check_thread);
    for (index, verdict) in list(&document["verdicts"]).iter().enumerate() {
        assert_eq!(count(&verdict["rank"]), index as u64 + 1, "{verdict}");
        check_verdict(verdict);
    }
}

fn check_trail(trail: &Value) {
    address(&trail["handle"]);
    assert!(count(&trail["generation"]) >= 1, "{trail}");
    text(&trail["kind"]);
    optional(trail, "name", is_text);
    check_entry(&trail["created"]);
    list(&trail["aliases"]).iter().for_each(address);
    optional(trail, "previous", |previous| assert!(previous.is_object(), "{previous}"));
    list(&trail["created_stack"]).iter().for_each(check_frame);
    for name in ["signals", "waits", "wakes", "others"] {
        check_entries(&trail[name]);
    }
}

fn check_entries(entries: &Value) {
    let total = count(&entries["total"]);
    for name in ["first", "last"] {
        let kept = list(&entries[name]);
        assert!(kept.len() as u64 <= total, "{entries}");
        kept.iter().for_each(check_entry);
        let numbers: Vec<_> = kept.iter().map(|entry| count(&entry["seq"])).collect();
        assert!(numbers.is_sorted(), "{numbers:?}");
    }
    assert!(list(&entries["first"]).len() <= 8 && list(&entries["last"]).len() <= 32, "{entries}");
}

fn check_entry(entry: &Value) {
    for name in ["seq", "cycle", "tid", "ring"] {
        count(&entry[name]);
    }
    text(&entry["op"]);
    text(&entry["source"]);
    address(&entry["lr"]);
    optional(entry, "at", is_text);
    assert!(text(&entry["aux"]).starts_with("0x"), "{entry}");
}

fn check_frame(frame: &Value) {
    address(&frame["frame"]);
    address(&frame["lr"]);
    optional(frame, "at", is_text);
}

fn check_thread(thread: &Value) {
    assert!(count(&thread["tid"]) >= 1, "{thread}");
    assert!(thread["main"].is_boolean() && thread["all"].is_boolean(), "{thread}");
    text(&thread["state"]);
    list(&thread["on"]).iter().for_each(address);
    optional(thread, "deadline", is_count);
    address(&thread["pc"]);
    optional(thread, "at", is_text);
    list(&thread["stack"]).iter().for_each(check_frame);
}

fn check_verdict(verdict: &Value) {
    assert!(text(&verdict["id"]).starts_with("HT"), "{verdict}");
    text(&verdict["name"]);
    optional(verdict, "handle", address);
    optional(verdict, "generation", is_count);
    optional(verdict, "confidence", |confidence| assert!(CONFIDENCES.contains(&text(confidence))));
    optional(verdict, "culprit", is_text);
    for name in ["threads", "blocks"] {
        list(&verdict[name]).iter().for_each(is_count);
    }
    assert!(!text(&verdict["summary"]).is_empty() && !text(&verdict["next"]).is_empty(), "{verdict}");
    list(&verdict["evidence"]).iter().for_each(is_text);
}

/// The key is there, and what it holds is null or as it should be.
fn optional(object: &Value, name: &str, check: impl Fn(&Value)) {
    let value = object.get(name).unwrap_or_else(|| panic!("{name} is missing in {object}"));
    if !value.is_null() {
        check(value);
    }
}

/// Handles and guest addresses are strings of eight hexadecimal digits.
fn address(value: &Value) {
    let digits = text(value).strip_prefix("0x").unwrap_or_else(|| panic!("no 0x in {value}"));
    assert!(digits.len() == 8 && u32::from_str_radix(digits, 16).is_ok(), "{value}");
}

fn count(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("not a count: {value}"))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}"))
}

fn is_count(value: &Value) {
    count(value);
}

fn is_text(value: &Value) {
    text(value);
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("not a list: {value}"))
}
