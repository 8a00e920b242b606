//! What an import thunk calls.

use handle_audit::Label;
use ppc::Thunk;

use crate::exports::{EXPORTS, Handler};

/// Names of xboxkrnl's exports, implemented or not: calls of them read better in a trail.
const XBOXKRNL: &str = include_str!("xboxkrnl.txt");

/// The few of xam's that a guest without a user interface may call (Xenia, `src/xenia/kernel/xam/xam_table.inc`).
const XAM: [(u32, &str); 2] = [(0x01, "NetDll_WSAStartup"), (0x1F, "NetDll_WSASetEvent")];

const MODULE_XBOXKRNL: u8 = 1;
const MODULE_XAM: u8 = 2;

/// One import of the guest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Import {
    /// The export's name, or module and ordinal if it has none here.
    pub(crate) name: &'static str,
    pub(crate) label: Label,
    /// What it does; none for a stub.
    pub(crate) handler: Option<Handler>,
}

impl Import {
    pub(crate) fn new(thunk: Thunk) -> Self {
        let (module, ordinal) = (thunk.module, thunk.ordinal);
        let is_it = |export: &&crate::exports::Export| module == MODULE_XBOXKRNL && export.ordinal == ordinal;
        let export = EXPORTS.iter().find(is_it);
        let label = match export.map(|export| export.name).or_else(|| known_name(module, ordinal)) {
            Some(name) => Label::new(name),
            None => Label::from_data(&number(module, ordinal)),
        };
        Self { name: label.as_str(), label, handler: export.map(|export| export.handler) }
    }
}

fn known_name(module: u8, ordinal: u32) -> Option<&'static str> {
    let in_module = |(known, name): (u32, &'static str)| (known == ordinal).then_some(name);
    match module {
        MODULE_XBOXKRNL => xboxkrnl().find_map(in_module),
        MODULE_XAM => XAM.into_iter().find_map(in_module),
        _ => None,
    }
}

/// Ordinals and names of xboxkrnl.
fn xboxkrnl() -> impl Iterator<Item = (u32, &'static str)> {
    let runs = XBOXKRNL.lines().filter_map(|line| line.split_once(' '));
    let run = |(first, names): (&str, &'static str)| {
        let first = u32::from_str_radix(first, 16).ok()?;
        Some((first..).zip(names.split(' ')))
    };
    runs.filter_map(run).flatten()
}

/// `xboxkrnl#1A3`.
fn number(module: u8, ordinal: u32) -> String {
    match module {
        MODULE_XBOXKRNL => format!("xboxkrnl#{ordinal:X}"),
        MODULE_XAM => format!("xam#{ordinal:X}"),
        other => format!("module{other}#{ordinal:X}"),
    }
}

/// Whether this host knows an export of that name.
pub(crate) fn is_export_name(name: &str) -> bool {
    xboxkrnl().chain(XAM).any(|(_, known)| known == name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn import(module: u8, ordinal: u32) -> Import {
        Import::new(Thunk { address: 0, module, ordinal })
    }

    #[test]
    fn imports_have_names() {
        assert_eq!(import(1, 0xF6).name, "NtSetEvent");
        assert!(import(1, 0xF6).handler.is_some());
        assert_eq!(import(1, 0xF7).name, "NtSetInformationFile");
        assert!(import(1, 0xF7).handler.is_none());
        assert_eq!(import(2, 0x1F).name, "NetDll_WSASetEvent");
        assert!(import(2, 0xF6).handler.is_none(), "xam's ordinals are its own");
        assert_eq!(import(1, 0x1A4).name, "xboxkrnl#1A4");
        assert_eq!(import(9, 1).name, "module9#1");
    }

    /// What a host of this kind must implement: ordinals (hexadecimal) and names, by family.
    const CONTRACT: &str = "
        D1 NtCreateEvent F6 NtSetEvent E2 NtPulseEvent CE NtClearEvent 70 KeInitializeEvent 9D KeSetEvent
        7F KePulseEvent 8F KeResetEvent
        D5 NtCreateSemaphore F3 NtReleaseSemaphore 74 KeInitializeSemaphore 88 KeReleaseSemaphore
        D4 NtCreateMutant F2 NtReleaseMutant
        D7 NtCreateTimer FA NtSetTimerEx CD NtCancelTimer
        0D ExCreateThread 19 ExTerminateThread F5 NtResumeThread FC NtSuspendThread 92 KeResumeThread
        97 KeSetAffinityThread 99 KeSetBasePriorityThread 5A KeDelayExecutionThread 101 NtYieldExecution
        FD NtWaitForSingleObjectEx FE NtWaitForMultipleObjectsEx B0 KeWaitForSingleObject
        AF KeWaitForMultipleObjects FB NtSignalAndWaitForSingleObjectEx
        12E RtlInitializeCriticalSection 12F RtlInitializeCriticalSectionAndSpinCount
        125 RtlEnterCriticalSection 141 RtlTryEnterCriticalSection 130 RtlLeaveCriticalSection
        D2 NtCreateFile F0 NtReadFile FF NtWriteFile D9 NtDeviceIoControlFile D3 NtCreateIoCompletion
        F8 NtSetIoCompletion F4 NtRemoveIoCompletion
        6D KeInitializeApc 7A KeInsertQueueApc E3 NtQueueApcThread
        DA NtDuplicateObject CF NtClose 110 ObReferenceObjectByHandle 105 ObDereferenceObject
        66 KeGetCurrentProcessType 83 KeQueryPerformanceFrequency 03 DbgPrint";

    #[test]
    fn every_export_of_the_contract_is_implemented_and_no_other() {
        let words: Vec<_> = CONTRACT.split_whitespace().collect();
        let promised: BTreeSet<_> = words
            .chunks(2)
            .map(|pair| (u32::from_str_radix(pair[0], 16).expect("an ordinal"), pair[1]))
            .collect();
        let implemented: BTreeSet<_> = EXPORTS.iter().map(|export| (export.ordinal, export.name)).collect();
        assert_eq!(implemented, promised);
        assert_eq!(implemented.len(), EXPORTS.len(), "each once");
    }

    #[test]
    fn guests_import_by_the_same_numbers() {
        let table = include_str!("../../../guests/exports.tsv");
        let lines: Vec<Vec<_>> = table
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(|line| line.split('\t').collect())
            .collect();
        let mut imported = 0;
        for fields in lines.iter().filter(|fields| fields.len() == 3) {
            let module = fields[0].parse().expect("a module");
            let ordinal = u32::from_str_radix(fields[1], 16).expect("an ordinal");
            assert_eq!(import(module, ordinal).name, fields[2]);
            imported += usize::from(import(module, ordinal).handler.is_some());
        }
        assert_eq!(imported, EXPORTS.len(), "guests can call each");
    }

    #[test]
    fn the_exports_and_the_table_of_names_agree() {
        for export in EXPORTS {
            assert_eq!(known_name(1, export.ordinal), Some(export.name), "{:#x}", export.ordinal);
        }
    }

    #[test]
    fn the_runs_of_ordinals_do_not_meet() {
        let mut ordinals: Vec<_> = xboxkrnl().map(|(ordinal, _)| ordinal).collect();
        assert!(ordinals.is_sorted() && ordinals.len() > 300, "{} names", ordinals.len());
        let count = ordinals.len();
        ordinals.dedup();
        assert_eq!(ordinals.len(), count);
    }
}
