//! Tests of the crate from outside. One program, so that its parts share [`common`].

mod access;
mod backchain;
mod common;
mod elf;
mod float;
mod flow;
mod integer;
mod memory;
mod random;
mod selftest;
mod symbols;
