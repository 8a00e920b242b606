#!/usr/bin/env python3
"""Reads a capture, to prove that docs/capture-format.md is enough: prints its records, one JSON object a line.

usage: read_capture.py FILE.htrail

It follows segments and rings, and drops what stands in both. It does not read checkpoints.
"""

import json
import struct
import sys

MASK = (1 << 64) - 1
K = [0x243F6A8885A308D3, 0x13198A2E03707345, 0xA4093822299F31D1,
     0x082EFA98EC4E6C89, 0x452821E638D01377, 0xBE5466CF34E90C6D]
MAGIC = int.from_bytes(b"HTRAILCP", "little")
FRAME = int.from_bytes(b"FRAM", "little")
HEADER, RING, NOTES, SEGMENT = 1, 2, 3, 4
OPERATIONS = ("create signal signal_attempt_ghost wait wake satisfied reset pulse close alias promise stub thread "
              "timer apc").split()


def fold(a, b):
    return (a * b & MASK) ^ (a * b >> 64)


def digest(salt, words):
    m = salt ^ K[0]
    for i, word in enumerate(words, 1):
        m = fold(m ^ word, K[1]) ^ i
    return fold(m ^ K[2], len(words) ^ K[3])


def rotl(x, n):
    return (x << n | x >> (64 - n)) & MASK


def words_at(data, at, count):
    chunk = data[at:at + 8 * count]
    return struct.unpack(f"<{len(chunk) // 8}Q", chunk[:len(chunk) // 8 * 8])


def block(data, at):
    w = words_at(data, at, 16)
    return w if len(w) == 16 and w[0] == MAGIC and w[15] == digest(MAGIC, w[:15]) else None


def frames(data, salt, at, end):
    at, end, number = at + 128, min(end, len(data)), 0
    while at + 40 <= end:
        head = words_at(data, at, 4)
        if head[0] & 0xFFFFFFFF == FRAME and head[1] <= 8187 and head[2] >= number:
            w = words_at(data, at, head[1] + 5)
            if len(w) == head[1] + 5 and w[-1] == digest(salt, w[:-1]):
                yield w[0] >> 32, w[4:-1]
                at, number = at + 8 * len(w), head[2] + 1
                continue
        at += 8


def text(words):
    return struct.pack(f"<{len(words) - 1}Q", *words[1:])[:words[0]].decode()


def ring_slots(data, start, size, ring, salt):
    control = words_at(data, start + 4096 - 512, 64)
    for line in range(size):
        p, a, b, c, d, e, zero, check = words_at(data, start + 4096 + 64 * line, 8)
        seal = salt ^ fold(p ^ salt ^ K[0], a ^ K[1])
        seal ^= rotl(fold(b ^ K[2], c ^ K[3]), 21) ^ rotl(fold(d ^ K[4], e ^ K[5]), 42)
        if check == seal and zero == 0 and control[16] <= p < control[0]:
            yield (ring, p, a, b, c, d, e)


def stamp_order(slot):
    return ((slot[3] >> 32) * 0x9E3779B1 & 0xFFFFFFFF) >> 24, slot[2], slot[0]


def read(data):
    head = next(filter(None, (block(data, at) for at in range(0, len(data), 4096))), None)
    if head is None or head[1] & 0xFFFFFFFF != 1:
        sys.exit("not a capture of format 1")
    salt = lambda x: digest(head[2], [x])
    rings, size = head[3] & 0xFFFFFFFF, head[4]
    ring_bytes = -(-(4096 + 64 * size) // 4096) * 4096
    ring_data = data
    if head[3] >> 32:
        length = words_at(data, 2048, 1)[0]
        ring_data = open(data[2056:2056 + length], "rb").read()
    notes = 8192 + (0 if head[3] >> 32 else rings * ring_bytes)
    labels = {body[0]: text(body[1:]) for kind, body in frames(data, salt(0), notes, notes + head[6]) if kind == 8}
    found = [block(data, notes + head[6] + i * head[7]) for i in range(head[8])]
    order = sorted((b[11], i) for i, b in enumerate(found) if b and b[2] == head[2] and b[1] >> 32 & 0xFF == SEGMENT)
    slots = []
    for generation, i in order:
        at = notes + head[6] + i * head[7]
        for kind, body in frames(data, salt(generation + (1 << 32)), at, at + head[7]):
            if kind == 1:
                slots += [body[j:j + 7] for j in range(0, len(body), 7)]
    seen = {slot[:2] for slot in slots}
    rest = [s for r in range(rings)
            for s in ring_slots(ring_data, 8192 + r * ring_bytes, size, r, salt(0x100000 + r)) if s[:2] not in seen]
    for slot in slots + sorted(rest, key=stamp_order):
        ring, position, stamp, meta, cycle, thread, aux = slot
        if 1 <= meta & 0xFF <= 15:
            yield {"ring": ring, "position": position, "cycle": cycle, "operation": OPERATIONS[(meta & 0xFF) - 1],
                   "handle": f"0x{meta >> 32:08x}", "tid": thread & 0xFFFFFFFF, "lr": f"0x{thread >> 32:08x}",
                   "source": labels.get(meta >> 8 & 0xFFF), "aux": hex(aux)}


if __name__ == "__main__":
    for record in read(open(sys.argv[1], "rb").read()):
        print(json.dumps(record))
