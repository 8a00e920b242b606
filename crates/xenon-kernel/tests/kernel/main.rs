//! Runs of real guests: the kernel from the outside.

mod assembler;
mod bad_arguments;
mod endings;
mod evidence;
mod faults;
mod guests;
mod harness;
mod hunt;
mod records;
mod repeatability;
mod storm;
mod truth;
mod wait_semantics;
