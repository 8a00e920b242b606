//! Verdicts, their near misses, and reports as a user sees them. Every snapshot is folded by a real audit from the
//! records of a scene.

mod clues;
mod confidence;
mod golden;
mod grades;
mod limits;
mod needs;
mod pages;
mod properties;
mod scene;
mod scenes;
mod threads;
mod traps;
mod verdicts;
