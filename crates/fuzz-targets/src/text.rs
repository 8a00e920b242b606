//! Readers of text that a person writes.

use handle_audit::TraceHandles;

/// Any text as the value of `--trace-handles` and of `XENIA_TRACE_HANDLES`: it is read or refused with the place of
/// the bad item, and what is printed reads back as the same.
pub fn trace_handles_arg(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for read in [text.parse(), TraceHandles::from_variable(&text)] {
        match read {
            Ok(trace) => assert_eq!(trace.to_string().parse(), Ok::<TraceHandles, _>(trace)),
            Err(bad) => {
                assert!((1..=text.split(',').count()).contains(&bad.item));
                let item: String = text.chars().skip(bad.column - 1).take(bad.text.chars().count()).collect();
                assert_eq!(item, bad.text, "the column points at the item");
            }
        }
    }
}

/// Any text as a symbol list: it is read or refused with a line that exists, and every symbol that was read is found
/// at its own address.
pub fn symbols(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match ppc::parse_symbols(&text) {
        Ok(symbols) => {
            for symbol in symbols.entries() {
                assert!(symbols.lookup(symbol.address).is_some(), "{symbol:?}");
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
