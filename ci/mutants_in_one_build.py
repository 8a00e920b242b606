"""Mutation testing with one build: every mutant that cargo-mutants lists is written into a copy of the repository behind a
switch, and the environment variable MUTANT says which one is on. So a mutant costs a run of the tests and no build.
ci/mutants.sh calls it; the packages tree-sitter and tree-sitter-rust are needed.

What does not compile is left out by the line of the compiler's error, and the rest is built again. What stands in a
constant, in a macro or in a chain of `let` cannot be switched; cargo-mutants itself can try it.
"""

import argparse
import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import tree_sitter
import tree_sitter_rust

PARSER = tree_sitter.Parser(tree_sitter.Language(tree_sitter_rust.language()))
SWITCH = """
/// Whether this mutant is on.
pub fn mutant_on(number: u32) -> bool {
    static ON: std::sync::OnceLock<u32> = std::sync::OnceLock::new();
    *ON.get_or_init(|| std::env::var("MUTANT").map_or(0, |text| text.parse().unwrap())) == number
}
"""
# So long every thread of a test sleeps before it counts as hung; no test of ours sleeps for a second. One that looks and
# sleeps in turn counts as hung after so long in all: the tests of a crate take a second or two of processor time.
HUNG_SECONDS = 8
PATIENCE_SECONDS = 60
DATA_BYTES = 6 << 30


def on(number):
    return f"crate::mutant_on({number})"


class Source:
    """A file and its mutants, each a number and what cargo-mutants says of it."""

    def __init__(self, path, mutants):
        self.path, self.bytes = path, path.read_bytes()
        self.lines = self.bytes.split(b"\n")
        self.starts = [0]
        for line in self.lines:
            self.starts.append(self.starts[-1] + len(line) + 1)
        self.at = defaultdict(lambda: defaultdict(list))
        for number, mutant in mutants:
            self.at[mutant["genre"]][self.offset(mutant["span"]["start"])].append((number, mutant["replacement"]))
        self.written = set()

    def offset(self, place):
        line = self.lines[place["line"] - 1].decode()
        return self.starts[place["line"] - 1] + len(line[: place["column"] - 1].encode())

    def text(self, node):
        return self.bytes[node.start_byte : node.end_byte].decode()

    def rewrite(self):
        self.path.write_text(self.render(PARSER.parse(self.bytes).root_node))

    def choose(self, mutants, otherwise, tail=""):
        """One branch for each mutant, each on lines of its own, so that errors can be told apart. Only one mutant is
        on at a time, so what a branch holds is the code as it was."""
        for number, text in mutants:
            self.written.add(number)
            otherwise = f"if {on(number)} {{\n{text}{tail}\n}} else {{ {otherwise}{tail} }}"
        return otherwise

    def join(self, node, children, begin=None):
        """The node with these children rendered, and what stands between them as it was."""
        out, place = [], node.start_byte if begin is None else begin
        for child in children:
            out.append(self.bytes[place : child.start_byte].decode())
            out.append(self.render(child))
            place = child.end_byte
        return "".join(out) + self.bytes[place : node.end_byte].decode()

    def render(self, node):
        if node.child_count == 0:
            return self.text(node)
        special = getattr(self, node.type, None)
        return special(node) if special else self.join(node, node.children)

    def binary_expression(self, node):
        operator = node.child_by_field_name("operator")
        plain = self.join(node, node.children)
        mutants = self.at["BinaryOperator"].get(operator.start_byte)
        if not mutants or holds_let(node):
            return plain
        left, right = (self.text(node.child_by_field_name(side)) for side in ("left", "right"))
        return "(" + self.choose([(n, f"{left} {new} {right}") for n, new in mutants], plain) + ")"

    def compound_assignment_expr(self, node):
        operator = node.child_by_field_name("operator")
        plain = self.join(node, node.children)
        mutants = self.at["BinaryOperator"].get(operator.start_byte)
        if not mutants:
            return plain
        left, right = (self.text(node.child_by_field_name(side)) for side in ("left", "right"))
        return "{" + self.choose([(n, f"{left} {new} {right}") for n, new in mutants], plain, ";") + "}"

    def unary_expression(self, node):
        plain = self.join(node, node.children)
        mutants = self.at["UnaryOperator"].get(node.start_byte)
        if not mutants:
            return plain
        return "(" + self.choose([(n, self.text(node.children[-1])) for n, _ in mutants], plain) + ")"

    def struct_expression(self, node):
        plain = self.join(node, node.children)
        fields = node.child_by_field_name("body").children
        mutants = []
        for field, comma in zip(fields, fields[1:]):
            for number, _ in self.at["StructField"].get(field.start_byte, []):
                end = comma.end_byte if comma.type == "," else field.end_byte
                less = self.bytes[node.start_byte : field.start_byte] + self.bytes[end : node.end_byte]
                mutants.append((number, less.decode()))
        return "(" + self.choose(mutants, plain) + ")" if mutants else plain

    def match_pattern(self, node):
        guard = node.child_by_field_name("condition")
        mutants = guard and self.at["MatchArmGuard"].get(guard.start_byte)
        if not mutants or holds_let(guard):
            return self.join(node, node.children)
        head = self.bytes[node.start_byte : guard.start_byte].decode()
        return head + "(" + self.choose(mutants, self.render(guard)) + ")"

    def match_arm(self, node):
        mutants = self.at["MatchArm"].get(node.start_byte)
        pattern = node.child_by_field_name("pattern")
        guard = pattern.child_by_field_name("condition")
        if not mutants or (guard and holds_let(guard)):
            return self.join(node, node.children)
        self.written.update(number for number, _ in mutants)
        off = " && ".join(f"!{on(number)}" for number, _ in mutants)
        head = self.render(pattern) if guard is None else self.bytes[pattern.start_byte : guard.start_byte].decode()
        condition = f" if {off}" if guard is None else f"{off} && ({self.render(guard)})"
        after = [child for child in node.children if child.start_byte >= pattern.end_byte]
        return head + condition + self.join(node, after, pattern.end_byte)

    def function_item(self, node):
        body = node.child_by_field_name("body")
        inside = body.start_byte, body.end_byte
        entry = ""
        for place, mutants in self.at["FnValue"].items():
            if inside[0] < place < inside[1] and owner(body, place) == node:
                for number, value in mutants:
                    self.written.add(number)
                    entry += f"if {on(number)} {{\nreturn {value};\n}}\n"
        head = self.bytes[node.start_byte : body.start_byte].decode()
        text = "{" + entry + self.render(body)[1:]
        # What asks for a switch is no constant.
        return (re.sub(r"\bconst (?=(unsafe )?fn)", "", head) if "mutant_on(" in text else head) + text


def holds_let(node):
    return node.type in ("let_condition", "let_chain") or any(map(holds_let, node.children))


def owner(node, place):
    """The function that a byte is in."""
    node = node.descendant_for_byte_range(place, place + 1)
    while node.type != "function_item":
        node = node.parent
    return node


def write(tree, package, mutants, left_out):
    """Writes the copy anew with all mutants but those, and returns which could be written."""
    files = defaultdict(list)
    for number, mutant in enumerate(mutants, 1):
        if number not in left_out:
            files[mutant["file"]].append((number, mutant))
    written = set()
    for name in {mutant["file"] for mutant in mutants}:
        (tree / name).write_bytes(Path(name).read_bytes())
    for name, own in files.items():
        source = Source(tree / name, own)
        source.rewrite()
        written |= source.written
    library = Path("crates") / package / "src/lib.rs"
    text = (tree / library).read_text() if str(library) in files else library.read_text()
    place = text.index("#![") if "#![" in text else text.index("\n\n")
    (tree / library).write_text(text[:place] + "#![allow(warnings)]\n" + text[place:] + SWITCH)
    return written


def build(tree, target, arguments):
    """What cargo says when it builds: test programs with the directory each runs in, or the errors of the compiler."""
    command = ["cargo", *arguments, "--message-format=json", "--target-dir", target]
    run = subprocess.run(command, cwd=tree, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    messages = [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]
    errors = [m["message"] for m in messages if m["reason"] == "compiler-message" and m["message"]["level"] == "error"]
    programs = [
        (m["executable"], Path(m["manifest_path"]).parent)
        for m in messages
        if m["reason"] == "compiler-artifact" and m["executable"] and m["profile"]["test"]
    ]
    if run.returncode and not errors:
        sys.exit(run.stderr)
    return programs, errors


def always_compiles(mutant):
    """What cannot be what an error is about: one truth value in place of another."""
    return mutant["genre"] in ("UnaryOperator", "MatchArmGuard") or mutant["replacement"] in ("&&", "||", "==", "!=")


def arms_left_out(path, span):
    """The mutants that leave out an arm of the match that an error is about."""
    node = PARSER.parse(path.read_bytes()).root_node.descendant_for_byte_range(span["byte_start"], span["byte_end"])
    while node.type != "match_expression":
        node = node.parent
    patterns = (arm.child_by_field_name("pattern") for arm in node.child_by_field_name("body").named_children)
    return {
        int(number)
        for pattern in patterns
        if pattern
        for number in re.findall(r"!crate::mutant_on\((\d+)\)", pattern.text.decode())
    }


def culprits(tree, errors, mutants):
    """The mutants that errors point at; and those of functions that must stay constant."""
    found, constant = set(), set()
    for error in errors:
        called = re.search(r"cannot call non-const .*`(?:.*::)?(\w+)(?:::<.*>)?`", error["message"])
        if called and called[1] != "mutant_on":
            constant |= {
                number
                for number, mutant in enumerate(mutants, 1)
                if mutant["function"] and mutant["function"]["function_name"].split("::")[-1] == called[1]
            }
            continue
        for span in error["spans"]:
            path = tree / span["file_name"]
            if not path.is_file():
                continue
            if error["message"].startswith("non-exhaustive patterns"):
                if span["is_primary"]:
                    found |= arms_left_out(path, span)
                continue
            for line in reversed(path.read_text().splitlines()[: span["line_start"]]):
                numbers = [int(number) for number in re.findall(r"mutant_on\((\d+)\)", line)]
                if numbers and (called or not always_compiles(mutants[numbers[-1] - 1])):
                    (constant if called else found).add(numbers[-1])
                    break
    return found, constant


class Hung(Exception):
    pass


def sleeps(pid):
    """Processor time of a process, if all its threads sleep."""
    ticks = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        fields = (task / "stat").read_text().rsplit(")", 1)[1].split()
        if fields[0] != "S":
            return None
        ticks += int(fields[11]) + int(fields[12])
    return ticks


def run(program, directory, options, number, seconds):
    """What came of a test program with a mutant on, and its processor time."""
    limits = {resource.RLIMIT_CPU: seconds, resource.RLIMIT_DATA: DATA_BYTES, resource.RLIMIT_CORE: 0}

    def limit():
        for which, value in limits.items():
            resource.setrlimit(which, (value, value))

    quick = {"PROPTEST_CASES": os.environ.get("PROPTEST_CASES", "64"), "PROPTEST_MAX_SHRINK_ITERS": "0"}
    quick |= {"PROPTEST_DISABLE_FAILURE_PERSISTENCE": "true", "RUST_BACKTRACE": "0", "MUTANT": str(number)}
    process = subprocess.Popen(
        [program, *options], cwd=directory, env=os.environ | quick, preexec_fn=limit, start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    began = time.monotonic()
    still, since = None, began
    try:
        while True:
            try:
                _, status, usage = os.wait4(process.pid, os.WNOHANG)
                if _:
                    break
                ticks = sleeps(process.pid)
            except (FileNotFoundError, ProcessLookupError):
                continue
            now = time.monotonic()
            if ticks is None or ticks != still:
                still, since = ticks, now
            if now - since > HUNG_SECONDS or number and now - began > PATIENCE_SECONDS:
                os.killpg(process.pid, signal.SIGKILL)
                _, status, usage = os.wait4(process.pid, 0)
                return "hung", usage.ru_utime + usage.ru_stime
            time.sleep(0.02)
    finally:
        process.returncode = 0
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    spent = usage.ru_utime + usage.ru_stime
    if os.WIFSIGNALED(status):
        return "hung" if os.WTERMSIG(status) in (signal.SIGXCPU, signal.SIGKILL) else "caught", spent
    return "passed" if os.WEXITSTATUS(status) == 0 else "caught", spent


def attempt(programs, options, number):
    for program, directory, seconds in programs:
        outcome, _ = run(program, directory, options, number, seconds)
        if outcome != "passed":
            return outcome
    return "missed"


class Outcomes:
    """What came of each mutant, in a file with one a line, so that a run that broke off goes on."""

    def __init__(self, path, mutants):
        self.path, self.mutants, self.of = path, mutants, {}
        numbers = {mutant["name"]: number for number, mutant in enumerate(mutants, 1)}
        for line in path.read_text().splitlines() if path.exists() else []:
            outcome, name = line.split(" ", 1)
            if name in numbers:
                self.of[numbers[name]] = outcome

    def add(self, outcome, number):
        self.of[number] = outcome
        with self.path.open("a") as file:
            print(outcome, self.mutants[number - 1]["name"], file=file)

    def numbers(self, *outcomes):
        return {number for number, outcome in self.of.items() if outcome in outcomes}

    def counts(self):
        return Counter(self.of.values())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("package")
    parser.add_argument("list", help="what cargo mutants --list --json printed")
    parser.add_argument("tree", type=Path, help="the copy")
    parser.add_argument("output", type=Path, help="outcomes; those of an earlier run are kept")
    parser.add_argument("tests", nargs=argparse.REMAINDER, help="arguments of cargo test")
    given = parser.parse_args()
    split = given.tests.index("--") if "--" in given.tests else len(given.tests)
    arguments, options = given.tests[:split], given.tests[split + 1 :]
    mutants = json.loads(Path(given.list).read_text())
    done = Outcomes(given.output, mutants)
    # Not where the repository is built: cargo would take the one for the other.
    target = os.path.abspath(os.environ.get("CARGO_TARGET_DIR", "target")) + "/mutants"
    while True:
        left_out = done.numbers("unviable", "constant")
        written = write(given.tree, given.package, mutants, left_out)
        programs, errors = build(given.tree, target, ["check", "--lib", "-p", given.package])
        if not errors:
            programs, errors = build(given.tree, target, ["test", "--no-run", *arguments])
        if not errors:
            break
        found, constant = culprits(given.tree, errors, mutants)
        if found | constant <= left_out:
            sys.exit("\n".join(error["rendered"] for error in errors))
        for outcome, numbers in ("unviable", found - left_out), ("constant", constant - found - left_out):
            for number in numbers:
                done.add(outcome, number)
        print(f"left out: {done.counts()}", flush=True)

    timed = []
    for program, directory in programs:
        outcome, spent = run(program, directory, options, 0, 600)
        print(f"{spent:6.2f} s of CPU  {Path(program).name}: {outcome}", flush=True)
        if outcome != "passed":
            sys.exit("the tests fail without a mutant")
        timed.append((program, directory, int(3 * spent) + 3))
    timed.sort(key=lambda each: each[2])

    todo = sorted(written - done.numbers("caught", "hung", "missed"))
    with ThreadPoolExecutor(int(os.environ.get("JOBS", "2"))) as pool:
        for number, outcome in zip(todo, pool.map(lambda number: attempt(timed, options, number), todo)):
            done.add(outcome, number)
    counts = done.counts()
    caught = counts["caught"] + counts["hung"]
    tried = caught + counts["missed"]
    print(f"{given.package}: {len(mutants)} listed, {counts['unviable']} do not compile,"
          f" {len(mutants) - counts['unviable'] - tried} cannot be switched, {tried} tried,"
          f" {caught} caught ({100 * caught / max(1, tried):.1f} %, {counts['hung']} by hanging),"
          f" {counts['missed']} missed")


if __name__ == "__main__":
    main()
