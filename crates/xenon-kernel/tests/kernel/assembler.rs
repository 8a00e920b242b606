//! Small guests made by the tests themselves: straight-line code that calls exports.

use std::collections::BTreeMap;

use ppc::{Image, Segment, Symbols, Thunk};

use crate::harness::repository;

const TEXT: u32 = 0x8200_0000;
const DATA: u32 = 0x8210_0000;
const DATA_BYTES: u32 = 0x2_0000;
/// Bytes of a function's frame: the header, and room for arguments beyond the eighth.
const FRAME: u16 = 0x60;
const SAVED_LR: u16 = FRAME + 4;

/// An argument of a call.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Arg {
    Value(u32),
    /// What stands at this address when the call is made.
    At(u32),
    /// The KTHREAD of the caller.
    CurrentThread,
}

/// A function that is not written yet, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Function(usize);

/// A guest in the making.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    ordinals: BTreeMap<String, (u8, u32)>,
    /// The imports, 16 bytes each, in front of everything else.
    imports: Vec<String>,
    functions: Vec<Vec<Word>>,
    data: Vec<u8>,
}

/// A word of text, or one that depends on where things will lie.
#[derive(Clone, Copy, Debug)]
enum Word {
    Plain(u32),
    CallImport(usize),
    /// `lis` or `ori` of a function's address into this register.
    High(u32, usize),
    Low(u32, usize),
}

impl Program {
    pub(crate) fn new() -> Self {
        let path = repository().join("guests/exports.tsv");
        let table = std::fs::read_to_string(path).expect("it is part of the repository");
        let line = |line: &str| {
            let mut fields = line.split('\t');
            let module = fields.next()?.parse().ok()?;
            let ordinal = u32::from_str_radix(fields.next()?, 16).ok()?;
            Some((fields.next()?.to_owned(), (module, ordinal)))
        };
        let ordinals = table.lines().filter_map(line).collect();
        Self { ordinals, imports: Vec::new(), functions: Vec::new(), data: Vec::new() }
    }

    /// Room for `words` words of data, zero. Gives its address.
    pub(crate) fn room(&mut self, words: usize) -> u32 {
        let address = DATA + self.data.len() as u32;
        self.data.resize(self.data.len() + 4 * words.next_multiple_of(4), 0);
        address
    }

    /// A doubleword of data. Gives its address.
    pub(crate) fn doubleword(&mut self, value: i64) -> u32 {
        let address = self.room(2);
        let at = (address - DATA) as usize;
        self.data[at..at + 8].copy_from_slice(&value.to_be_bytes());
        address
    }

    /// Text with a zero behind it. Gives its address.
    pub(crate) fn text(&mut self, text: &str) -> u32 {
        let address = self.room(text.len() / 4 + 1);
        let at = (address - DATA) as usize;
        self.data[at..at + text.len()].copy_from_slice(text.as_bytes());
        address
    }

    /// Begins a function; the first one is the entry.
    pub(crate) fn function(&mut self) -> Function {
        let prologue = [stwu(1, 0u16.wrapping_sub(FRAME), 1), MFLR_R0, stw(0, SAVED_LR, 1)];
        self.functions.push(prologue.map(Word::Plain).to_vec());
        Function(self.functions.len() - 1)
    }

    /// The function that was begun first.
    pub(crate) fn entry(&self) -> Function {
        Function(0)
    }

    /// One instruction.
    pub(crate) fn raw(&mut self, function: Function, word: u32) {
        self.push(function, word);
    }

    /// How many instructions a function has so far.
    pub(crate) fn here(&self, function: Function) -> usize {
        self.functions[function.0].len()
    }

    /// Jumps back to where a function had so many instructions.
    pub(crate) fn jump_back(&mut self, function: Function, to: usize) {
        let back = 4 * (self.here(function) - to) as u32;
        self.push(function, 18 << 26 | 0u32.wrapping_sub(back) & 0x03FF_FFFC);
    }

    /// The same, if r3 is zero.
    pub(crate) fn jump_back_if_zero(&mut self, function: Function, to: usize) {
        self.push(function, CMPWI_R3_0);
        let back = 4 * (self.here(function) - to) as u32;
        self.push(function, 16 << 26 | 12 << 21 | 2 << 16 | 0u32.wrapping_sub(back) & 0xFFFC);
    }

    /// Ends it: it returns what r3 holds.
    pub(crate) fn end(&mut self, function: Function) {
        for word in [lwz(0, SAVED_LR, 1), MTLR_R0, addi(1, 1, FRAME), BLR] {
            self.push(function, word);
        }
    }

    /// Calls an export that `exports.tsv` does not have: module and ordinal.
    pub(crate) fn call_ordinal(
        &mut self,
        function: Function,
        (module, ordinal): (u8, u32),
        arguments: &[Arg],
    ) {
        let name = format!("{module}#{ordinal}");
        self.ordinals.insert(name.clone(), (module, ordinal));
        self.call(function, &name, arguments);
    }

    /// Calls an export.
    pub(crate) fn call(&mut self, function: Function, export: &str, arguments: &[Arg]) {
        assert!(self.ordinals.contains_key(export), "{export} is not in exports.tsv");
        for (number, argument) in (0..).zip(arguments) {
            let register = if number < 8 { 3 + number } else { 11 };
            self.load(function, register, *argument);
            if number >= 8 {
                self.push(function, stw(11, (8 + 4 * (number - 8)) as u16, 1));
            }
        }
        let import = self.imports.iter().position(|known| known == export).unwrap_or_else(|| {
            self.imports.push(export.to_owned());
            self.imports.len() - 1
        });
        self.functions[function.0].push(Word::CallImport(import));
    }

    /// Stores r3 at `address`.
    pub(crate) fn store(&mut self, function: Function, address: u32) {
        self.load(function, 11, Arg::Value(address));
        self.push(function, stw(3, 0, 11));
    }

    /// Puts a value into r3.
    pub(crate) fn load_value(&mut self, function: Function, value: u32) {
        self.load(function, 3, Arg::Value(value));
    }

    /// Puts what stands at `address` into r3.
    pub(crate) fn load_word(&mut self, function: Function, address: u32) {
        self.load(function, 3, Arg::At(address));
    }

    /// Puts what stands `offset` bytes behind the address that stands at `address` into r3.
    pub(crate) fn load_through(&mut self, function: Function, address: u32, offset: u16) {
        self.load(function, 3, Arg::At(address));
        self.push(function, lwz(3, offset, 3));
    }

    /// Adds what stands at `address` to r3.
    pub(crate) fn add_word(&mut self, function: Function, address: u32) {
        self.load(function, 11, Arg::At(address));
        self.push(function, ADD_R3_R3_R11);
    }

    /// Stores the address of another function at `address`, so that it can be an argument.
    pub(crate) fn store_address_of(&mut self, function: Function, of: Function, address: u32) {
        self.functions[function.0].extend([Word::High(3, of.0), Word::Low(3, of.0)]);
        self.store(function, address);
    }

    fn load(&mut self, function: Function, register: u32, argument: Arg) {
        let value = match argument {
            Arg::Value(value) | Arg::At(value) => value,
            Arg::CurrentThread => return self.push(function, lwz(register, 0x100, 13)),
        };
        self.push(function, lis(register, (value >> 16) as u16));
        self.push(function, ori(register, register, value as u16));
        if matches!(argument, Arg::At(_)) {
            self.push(function, lwz(register, 0, register));
        }
    }

    fn push(&mut self, function: Function, word: u32) {
        self.functions[function.0].push(Word::Plain(word));
    }

    /// The guest.
    pub(crate) fn image(&self) -> Image {
        let first = TEXT + 16 * self.imports.len() as u32;
        let mut starts = Vec::new();
        let mut next = first;
        for function in &self.functions {
            starts.push(next);
            next += 4 * function.len() as u32;
        }
        let mut text: Vec<u32> = self.imports.iter().flat_map(|name| self.thunk(name)).collect();
        let mut thunks = Vec::new();
        for (address, name) in (TEXT..).step_by(16).zip(&self.imports) {
            let (module, ordinal) = self.ordinals[name];
            thunks.push(Thunk { address, module, ordinal });
        }
        for word in self.functions.iter().flatten() {
            let here = TEXT + 4 * text.len() as u32;
            text.push(match *word {
                Word::Plain(word) => word,
                Word::CallImport(import) => bl(here, TEXT + 16 * import as u32),
                Word::High(register, function) => lis(register, (starts[function] >> 16) as u16),
                Word::Low(register, function) => ori(register, register, starts[function] as u16),
            });
        }
        let bytes: Vec<u8> = text.iter().flat_map(|word| word.to_be_bytes()).collect();
        let segments = vec![
            Segment { address: TEXT, memory_size: bytes.len() as u32, bytes, executable: true },
            Segment { address: DATA, memory_size: DATA_BYTES, bytes: self.data.clone(), executable: false },
        ];
        Image { entry: first, segments, symbols: Symbols::default(), thunks }
    }

    fn thunk(&self, name: &str) -> [u32; 4] {
        let (module, ordinal) = self.ordinals[name];
        [0x4400_0042, BLR, u32::from(module) << 24 | ordinal, 0x6000_0000]
    }
}

const MFLR_R0: u32 = 0x7C08_02A6;
const MTLR_R0: u32 = 0x7C08_03A6;
const BLR: u32 = 0x4E80_0020;
const CMPWI_R3_0: u32 = 11 << 26 | 3 << 16;
const ADD_R3_R3_R11: u32 = 31 << 26 | 3 << 21 | 3 << 16 | 11 << 11 | 266 << 1;

fn d_form(opcode: u32, d: u32, a: u32, immediate: u16) -> u32 {
    opcode << 26 | d << 21 | a << 16 | u32::from(immediate)
}

fn addi(d: u32, a: u32, immediate: u16) -> u32 {
    d_form(14, d, a, immediate)
}

fn lis(d: u32, immediate: u16) -> u32 {
    d_form(15, d, 0, immediate)
}

fn ori(a: u32, s: u32, immediate: u16) -> u32 {
    d_form(24, s, a, immediate)
}

fn lwz(d: u32, offset: u16, a: u32) -> u32 {
    d_form(32, d, a, offset)
}

fn stw(s: u32, offset: u16, a: u32) -> u32 {
    d_form(36, s, a, offset)
}

fn stwu(s: u32, offset: u16, a: u32) -> u32 {
    d_form(37, s, a, offset)
}

fn bl(from: u32, to: u32) -> u32 {
    18 << 26 | to.wrapping_sub(from) & 0x03FF_FFFC | 1
}
