//! Runs of real guests: the kernel from the outside.

mod assembler;
mod bad_arguments;
mod case_guest;
mod chaos;
mod corners;
mod coverage;
mod endings;
mod evidence;
mod faults;
mod guests;
mod harness;
mod hunt;
mod linear;
mod model;
mod model_check;
mod records;
mod repeatability;
mod storm;
mod truth;
mod wait_semantics;
