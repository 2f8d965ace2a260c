#!/usr/bin/env python3
"""A second reader of the archive format, written from docs/archive-format.md alone: python3 reader.py FOLDER [SIGNER]

Verifies everything that can be verified without a database, and prints what the archive holds. Exit code 3: damaged or forged.
Standard library only; what it has not everywhere (zstd, before Python 3.14) is left to the program zstd."""
import base64, hashlib, json, os, re, subprocess, sys

P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P


def add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(n, p):
    q = (0, 1, 1, 0)
    while n:
        q, p, n = (add(q, p) if n & 1 else q), add(p, p), n >> 1
    return q


def point(data):
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (1 << 255) - 1
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(x2, (P + 3) // 8, P)
    if (x * x - x2) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if y >= P or (x * x - x2) % P or (x == 0 and sign):
        return None
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


def signed(key, signature, message):
    """Ed25519, RFC 8032 section 5.1.7."""
    a, r, s = point(key), point(signature[:32]), int.from_bytes(signature[32:], "little")
    if len(key) != 32 or len(signature) != 64 or a is None or r is None or s >= L:
        return False
    h = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % L
    base = point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))
    one, other = times(s, base), add(r, times(h, a))
    return all((one[i] * other[2] - other[i] * one[2]) % P == 0 for i in (0, 1))


def need(true, why):
    if not true:
        print(f"damaged or forged: {why}", file=sys.stderr)
        sys.exit(3)


def unzstd(path):
    """The content of a compressed part, as a file."""
    try:
        from compression import zstd
        return zstd.open(path), lambda: True
    except ImportError:
        child = subprocess.Popen(["zstd", "-dcq", "--memory=8MB", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        return child.stdout, lambda: child.wait() == 0


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_key(key):
    return 0 < len(key.encode()) <= 1024 and not re.search(r"[\x00-\x1f\x7f-\x9f\\]", key) and not any(
        piece in ("", ".", "..") or len(piece.encode()) > 255 for piece in key.split("/"))


def tar_files(stream):
    """Name, size and SHA-256 of each file; reads to the end of the stream."""
    def block(size):
        data = stream.read(size)
        need(len(data) == size, "a tar is cut off")
        return data
    while any(head := block(512)):
        path, text = None, lambda data: data.split(b"\0")[0].decode()
        if head[156:157] == b"x":
            size = int(head[124:135], 8)
            record = block(-(-size // 512) * 512)[:size].decode()
            match = re.fullmatch(r"(\d+) path=([^\n]+)\n", record)
            need(match and int(match[1]) == size, "a pax header with something else than one path")
            path, head = match[2], block(512)
        need(head[156:157] == b"0" and head[257:265] == b"ustar\x0000", "something that is no file in a tar")
        check = head[:148] + b" " * 8 + head[156:]
        need(sum(check) == int(head[148:154], 8) and not any(head[157:257]) and not any(head[265:345]), "a header of a tar")
        size = int(head[124:135], 8)
        path = path or "/".join(filter(None, (text(head[345:500]), text(head[:100]))))
        need(is_key(path), f"the name {path!r}")
        left, sha256 = size, hashlib.sha256()
        while left:
            sha256.update(data := block(min(left, 1 << 20)))
            left -= len(data)
        need(not any(block(-size % 512)), "padding of a tar")
        yield path, size, sha256.hexdigest()
    need(not any(block(512)) and not stream.read(1), "something behind the end of a tar")


def main(folder, signer=None):
    place = lambda name: os.path.join(folder, name)
    need(os.path.isfile(place("manifest.sig")), "there is no manifest.sig: never finished, or no archive")
    raw = open(place("manifest.json"), "rb").read(16 << 20)
    head, key, signature, rest = open(place("manifest.sig")).read(4096).split("\n")
    need(head == "paddock-archive-signature-v1" and rest == "", "manifest.sig")
    need(signed(base64.b64decode(key), base64.b64decode(signature), b"paddock-archive/1\n" + raw), "the signature")
    need(signer in (None, key), f"it is signed by {key}")
    manifest = json.loads(raw)
    canonical = json.dumps(manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    need(canonical == raw and (manifest["format"], manifest["version"]) == ("paddock-archive", 1), "manifest.json")
    need(manifest["signer"] == key, "the manifest names another signer")
    parts = {part["name"]: part for part in manifest["parts"]}
    need(list(parts) == sorted(parts) and len(parts) == len(manifest["parts"]), "the list of parts")
    names = r"database\.dump\.zst|media-\d{5}\.(tar\.zst|sha256)|secrets\.age|RESTORE\.md|compose\.yaml|restore\.sh|SHA256SUMS"
    for name, part in parts.items():
        need(re.fullmatch(names, name, re.A), f"{name!r} is not the name of a part")
        need(os.path.isfile(place(name)) and not os.path.islink(place(name)), f"{name} is missing")
        need(os.path.getsize(place(name)) == part["bytes"], f"{name} has another size")
        need(digest(place(name)) == part["sha256"], f"{name} has another checksum")
    objects, size_of_all, last = 0, 0, b""
    for name in [name for name in parts if name.endswith(".tar.zst")]:
        stream, ended = unzstd(place(name))
        index = open(place(name[:-len("tar.zst")] + "sha256"), encoding="utf-8", newline="\n")
        for path, size, sha256 in tar_files(stream):
            need(index.readline() == f"{sha256}  {path}\n", f"{name}: {path} is not what its index says")
            need(last < path.encode(), f"{name}: {path} is out of order")
            last, objects, size_of_all = path.encode(), objects + 1, size_of_all + size
        need(index.read() == "" and ended(), f"{name} and its index differ")
    complete = manifest["completeness"]
    need((objects, size_of_all) == (complete["objects"], complete["object_bytes"]), "the number of files")
    stream, ended = unzstd(place("database.dump.zst"))
    dump = 0
    need(stream.read(5) == b"PGDMP", "the dump of the database")
    while data := stream.read(1 << 20):
        dump += len(data)
    need(dump + 5 == parts["database.dump.zst"]["unpacked"] and ended(), "the size of the dump")
    rows = sum(manifest["database"]["tables"].values())
    print(json.dumps({"domain": manifest["source"]["domain"], "signer": key, "rows": rows, "objects": objects, "parts": len(parts)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
