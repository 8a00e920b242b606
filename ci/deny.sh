#!/usr/bin/env bash
# Licences, bans and sources of all dependencies, and advisories if the database can be had. Needs cargo-deny
# (cargo install --locked cargo-deny: four minutes on two cores, which is why no gate does it).
set -euo pipefail
cd "$(dirname "$0")/.."
command -v cargo-deny > /dev/null || { echo "cargo-deny is not installed"; exit 1; }
cargo deny check licenses bans sources
# The fuzzers are nobody's dependency: only where theirs come from matters.
cargo deny --manifest-path fuzz/Cargo.toml --config deny.toml check sources
if cargo deny fetch db > /dev/null 2>&1; then
    cargo deny check advisories
else
    echo "advisories: the database cannot be had here"
fi
