//! Names of addresses and the files that they come from.

use ppc::{Symbol, Symbols, SymbolsError, parse_symbols};

fn symbols(list: &[(u32, u32, &str)]) -> Symbols {
    let symbol = |&(address, size, name): &(u32, u32, &str)| Symbol { address, size, name: name.to_owned() };
    Symbols::new(list.iter().map(symbol).collect())
}

#[test]
fn a_sized_name_ends_where_it_ends() {
    let symbols = symbols(&[(0x8200_0400, 0x40, "boot"), (0x8200_0500, 8, "idle")]);
    assert_eq!(symbols.lookup(0x8200_043F), Some(("boot", 0x3F)));
    assert_eq!(symbols.lookup(0x8200_0440), None);
    assert_eq!(symbols.lookup(0x8200_03FF), None);
    assert_eq!(symbols.display(0x8200_0400).to_string(), "boot");
    assert_eq!(symbols.display(0x8200_043C).to_string(), "boot+0x3c");
    assert_eq!(symbols.display(0x8200_0440).to_string(), "0x82000440");
    assert_eq!(format!("[{:>8}]", symbols.display(0x8200_0500)), "[    idle]");
}

#[test]
fn an_unsized_name_reaches_to_the_next_but_not_for_ever() {
    let symbols = symbols(&[(0x8200_0000, 0, "start"), (0x8200_0100, 0, "end")]);
    assert_eq!(symbols.lookup(0x8200_00FC), Some(("start", 0xFC)));
    assert_eq!(symbols.lookup(0x8200_0104), Some(("end", 4)));
    assert_eq!(symbols.lookup(0x8300_0000), None);
}

#[test]
fn one_name_an_address_and_the_later_source_wins() {
    let mut first = symbols(&[(16, 0, "label"), (16, 4, "function"), (16, 4, "alias"), (32, 4, "other")]);
    assert_eq!(first.lookup(16), Some(("function", 0)));
    first.merge(symbols(&[(16, 0, "renamed"), (64, 0, "new")]));
    let names: Vec<&str> = first.entries().iter().map(|symbol| symbol.name.as_str()).collect();
    assert_eq!(names, ["renamed", "other", "new"]);
    assert_eq!(first.address_of("other"), Some(32));
}

#[test]
fn lists_are_read() {
    let text = "# names of the game\n0x82000400 boot\n\n82000500 idle # loops\n82000600 T worker\n0X82000700\tspawn\r\n";
    let symbols = parse_symbols(text).unwrap();
    assert_eq!(symbols.len(), 4);
    assert_eq!(symbols.address_of("worker"), Some(0x8200_0600));
    assert_eq!(symbols.address_of("spawn"), Some(0x8200_0700));
}

#[test]
fn a_wrong_line_of_a_list_is_named() {
    for (line, text) in [
        (2, "0x82000400 boot\nboot 0x82000400\n"),
        (1, "+82000400 boot"),
        (1, "0x182000400 boot"),
        (3, "#\n1 a\n2"),
    ] {
        let Err(SymbolsError::Line { line: found, .. }) = parse_symbols(text) else { panic!("{text:?}") };
        assert_eq!(found, line, "{text:?}");
    }
    let error = parse_symbols("82000400 boot loader").unwrap_err();
    assert_eq!(
        error.to_string(),
        "line 1: \"82000400 boot loader\" is not a symbol; expected `ADDRESS NAME` with a hexadecimal address of 32 \
         bits, such as `0x82000400 boot`, or a comment after `#`"
    );
    assert_eq!(parse_symbols("# nothing\n"), Err(SymbolsError::Empty { lines: 1 }));
}

#[test]
fn a_map_of_gnu_ld_is_read() {
    let text = "\
Memory Configuration

Linker script and memory map

LOAD boot.o
                0x82000000                . = 0x82000000

.text           0x82000000      0x1c0
 *(.text .text.*)
 .text          0x82000000      0x180 boot.o
                0x82000000                main
                0x0000000082000040                worker
                0x820001c0                . = ALIGN (0x10)
                0x820001c0                PROVIDE (end = .)
";
    let symbols = parse_symbols(text).unwrap();
    let found: Vec<_> =
        symbols.entries().iter().map(|symbol| (symbol.address, symbol.name.as_str())).collect();
    assert_eq!(found, [(0x8200_0000, "main"), (0x8200_0040, "worker")]);
}

#[test]
fn a_map_of_the_consoles_linker_is_read() {
    let text = "\
 game

 Preferred load address is 82000000

 Start         Length     Name                   Class
 0001:00000000 00001234H .rdata                  DATA

  Address         Publics by Value              Rva+Base     Lib:Object

 0005:00000000       ?Boot@@YAXXZ               82010000 f   boot.obj
 0005:00000040       worker                     82010040 f   pool.obj

 entry point at        0005:00000000
";
    let symbols = parse_symbols(text).unwrap();
    let found: Vec<_> =
        symbols.entries().iter().map(|symbol| (symbol.address, symbol.name.as_str())).collect();
    assert_eq!(found, [(0x8201_0000, "?Boot@@YAXXZ"), (0x8201_0040, "worker")]);
}
