//! The command as its users see it: arguments in, two streams and an exit code out.

mod bad_input;
mod capture_endings;
mod elf;
mod faults;
mod json;
mod reading;
mod readme;
mod report;
mod run;
mod signals;
mod support;
