"""Synthetic sources of any size, in the shape of `data-source/`.

Everything is drawn in blocks of students, and no student is in two blocks, so that pairs are kept apart within a block
only and memory stays flat. Only exact arithmetic takes part: a seed gives the same bytes on every machine.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from openpyxl import Workbook

from lumbung.core.errors import LumbungError
from lumbung.sources.synthetic import replaced

Ids = NDArray[np.uint8]  # one id of 36 ASCII bytes per row

FILES = ("student.json", "mentor.csv", "course_category.csv", "course.json", "course_enrollment.csv", "campus.xlsx")
ENROLLMENTS_PER = {"student": 10, "mentor": 500, "course": 100}
# Few courses would leave too few pairs for a student to be in many of them.
LEAST = {"student": 10, "mentor": 5, "course": 40}
BLOCK_STUDENTS = 10_000
BLOCK_ROWS = 10_000
BRANCHES = 12

HEX = np.frombuffer(b"0123456789ABCDEF", np.uint8)
DIGITS = [place for place in range(36) if place not in (8, 13, 18, 23)]
BRANCH_COLUMNS = ("branch_code", "branch_name", "city", "opened_on", "seat_count")
_MOMENT = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
ENTITIES = ("student", "mentor", "course", "course_category")

WORDS = {
    "first_name": """
        Siti Budi Ayu Agus Dewi Rizky Putri Andi Nur Dimas Rina Hendra Wulan Bayu Maya Joko Intan Fajar Laras
        Yohanes Citra Gilang Ratna Made Kirana Teuku Sekar Bagas Nadia Ketut Tari Rangga Melati Arif Éva Wira
        Lintang Nur'aini José Bunga
    """,
    "last_name": """
        Saputra Wijaya Lestari Santoso Hidayat Pratama Siregar Nugroho Wibowo Kusuma Hutabarat Setiawan Ningrum
        Maharani Simanjuntak Halim Permata Suryadi Tanjung Prasetyo Sitompul Rahmawati Gunawan Mahardika Kurniawan
        Anggraini Syahputra Prasojo Darmaputra Siahaan Pangestu Utami Firmansyah Nasution Puspita Iskandar Sihombing
        Adiwangsa Kilikily Batubara
    """,
    "street": "Melati Mawar Anggrek Kenanga Flamboyan Cempaka Merdeka Diponegoro Sudirman Pahlawan Mangga Rambutan",
    "city": """
        Jakarta Surabaya Bandung Medan Semarang Makassar Palembang Tangerang Depok Bekasi Yogyakarta Malang Denpasar
        Bogor Batam Padang Pekanbaru Samarinda Balikpapan Banjarmasin Pontianak Manado Surakarta Cirebon Jambi
        Mataram Kupang Ambon Kendari Palu Bengkulu Jayapura Serang Madiun Kediri Tegal Magelang Ternate Sukabumi
        Gorontalo
    """,
}
FIRST_NAMES, LAST_NAMES, STREETS, TOWNS = (text.split() for text in WORDS.values())
CITIES = [town + part for part in ("", " Selatan", " Timur", " Barat", " Utara") for town in TOWNS]
CATEGORY_TYPES = [
    "rekayasa perangkat lunak", "analitik data", "pemasaran digital", "desain produk", "akuntansi & pajak",
    "bahasa Inggris", "keuangan pribadi", "fotografi", "kewirausahaan", "manajemen proyek",
    "menulis", "musik", "kecerdasan buatan", "keamanan siber", "komputasi awan",
    "bahasa Jepang", "memasak", "pengembangan diri", "ilustrasi", "penyuntingan video",
    "sumber daya manusia", "penjualan", "matematika", "pertanian kota", "jahit & mode",
]  # fmt: skip
TITLES = ["Dasar-dasar", "Praktik", "Studi kasus", "Kelas lanjut:", "Belajar", "Lokakarya"]


def sizes(enrollments: int) -> dict[str, int]:
    """Rows of each source for a number of enrollments: 10 million have 1 million students and 100,000 courses.

    Categories and campus branches do not shrink with the rest.
    """
    scaled = {name: max(LEAST[name], enrollments // per) for name, per in ENROLLMENTS_PER.items()}
    return {**scaled, "course_category": len(CATEGORY_TYPES), "course_enrollment": enrollments, "campus": BRANCHES}


def generate(
    out: Path, *, enrollments: int, seed: int = 1, progress: Callable[[str, int, int], None] | None = None
) -> dict[str, int]:
    """Write the six sources: no dangling reference, no repeat, popular courses and big cities.

    All files are written under temporary names first, so a killed run leaves what was there.

    Args:
        out: the folder; made if it is not there. It may hold these six files, which are replaced, and no other.
        enrollments: rows of course_enrollment.csv.
        seed: the same seed and number give the same bytes.
        progress: is given the file, its rows written so far, and all its rows.

    Returns:
        Rows by file name.

    Raises:
        LumbungError: the folder holds other files or cannot be written, or `enrollments` is less than 1.
    """
    if enrollments < 1:
        raise LumbungError(f"{enrollments} enrollments", where="generate", remedy="ask for at least 1")
    with replaced(out, FILES, room="100 bytes an enrollment") as parts:
        return _write(parts, sizes(enrollments), seed, progress or (lambda _file, _done, _total: None))


def _write(
    parts: dict[str, Path], size: dict[str, int], seed: int, progress: Callable[[str, int, int], None]
) -> dict[str, int]:
    rows = {name: size[Path(name).stem] for name in FILES}

    def stream(name: str, blocks: Iterable[tuple[int, bytes]]) -> None:
        done = 0
        with parts[name].open("wb") as file:
            for count, content in blocks:
                file.write(content)
                done += count
                progress(name, min(done, rows[name]), rows[name])

    stream("student.json", _json(size["student"], lambda start, stop: _students(start, stop, seed)))
    stream("mentor.csv", _csv("id,first_name,last_name", size["mentor"], lambda a, b: _mentors(a, b, seed)))
    stream("course_category.csv", _csv("id,type", len(CATEGORY_TYPES), lambda a, b: _categories(a, b, seed)))
    stream("course.json", _json(size["course"], lambda start, stop: _courses(start, stop, seed, size)))
    stream("course_enrollment.csv", _enrollments(size, seed))
    stream("campus.xlsx", [(size["campus"], workbook(_branches(size["campus"], seed)))])
    return rows


def _blocks(size: int, step: int) -> Iterator[tuple[int, int]]:
    for start in range(0, size, step):
        yield start, min(start + step, size)


def _json(size: int, make: Callable[[int, int], Iterable[dict[str, Any]]]) -> Iterator[tuple[int, bytes]]:
    for start, stop in _blocks(size, BLOCK_ROWS):
        lines = (json.dumps(row, ensure_ascii=False) for row in make(start, stop))
        text = ("[\n  " if start == 0 else ",\n  ") + ",\n  ".join(lines)
        yield stop - start, (text + ("\n]\n" if stop == size else "")).encode()


def _csv(header: str, size: int, make: Callable[[int, int], Iterable[tuple[str, ...]]]) -> Iterator[tuple[int, bytes]]:
    yield 0, f"{header}\n".encode()
    for start, stop in _blocks(size, BLOCK_ROWS):
        yield stop - start, "".join(f"{','.join(row)}\n" for row in make(start, stop)).encode()


def _students(start: int, stop: int, seed: int) -> Iterator[dict[str, Any]]:
    random, count = _random(seed, "student", start), stop - start
    columns = (
        _texts(_ids("student", start, stop, seed)),
        _choose(random, FIRST_NAMES, count, 8),
        _choose(random, LAST_NAMES, count, 8),
        _choose(random, STREETS, count, 20),
        (random.random(count) * 200).astype(int).tolist(),
        _choose(random, CITIES, count, 2),
        (random.random(count) * 10_000).astype(int).tolist(),
    )
    for key, first, last, street, number, city, phone in zip(*columns, strict=True):
        yield {
            "id": key,
            "first_name": first,
            "last_name": last,
            "street_address": f"Jl. {street} No. {number + 1}",
            "country": "Indonesia",
            "city": city,
            "phone_number": f"(0800) 000-{phone:04}",
        }


def _mentors(start: int, stop: int, seed: int) -> Iterator[tuple[str, ...]]:
    random, count = _random(seed, "mentor", start), stop - start
    names = (_choose(random, FIRST_NAMES, count, 8), _choose(random, LAST_NAMES, count, 8))
    yield from zip(_texts(_ids("mentor", start, stop, seed)), *names, strict=True)


def _categories(start: int, stop: int, seed: int) -> Iterator[tuple[str, ...]]:
    yield from zip(_category_ids(seed)[start:stop], CATEGORY_TYPES[start:stop], strict=True)


def _courses(start: int, stop: int, seed: int, size: dict[str, int]) -> Iterator[dict[str, Any]]:
    random, count = _random(seed, "course", start), stop - start
    mentors = _draw(random, _popularity(size["mentor"], 10 + size["mentor"] // 50), count)
    categories = _draw(random, _popularity(len(CATEGORY_TYPES), 4), count).tolist()
    category_ids = _category_ids(seed)
    columns = (
        _texts(_ids("course", start, stop, seed)),
        _choose(random, TITLES, count, 20),
        _texts(_ids("mentor", 0, size["mentor"], seed)[mentors]),
        categories,
    )
    for number, (key, title, mentor, category) in enumerate(zip(*columns, strict=True), start + 1):
        yield {
            "id": key,
            "title": f"{title} {CATEGORY_TYPES[category]} {number}",
            "mentor_id": mentor,
            "course_category_id": category_ids[category],
        }


def _branches(count: int, seed: int) -> Iterator[tuple[Any, ...]]:
    random = _random(seed, "campus", 0)
    columns = (
        _choose(random, STREETS, count, 20),
        _choose(random, CITIES, count, 2),
        (random.random(count) * 2000).astype(int).tolist(),
        (random.random(count) * 20 + 4).astype(int).tolist(),
    )
    for number, (street, city, day, rooms) in enumerate(zip(*columns, strict=True), 1):
        yield f"{number:03}", f"Kampus {street}", city, date(2020, 1, 1) + timedelta(days=day), rooms * 10


def workbook(branches: Iterable[tuple[Any, ...]]) -> bytes:
    """A workbook of campus branches, the same bytes for the same rows: without moments, and not compressed."""
    book = Workbook(write_only=True)
    sheet = book.create_sheet("Cabang")
    for row in (["Cabang kampus (data sintetis)"], [], BRANCH_COLUMNS, *branches):
        sheet.append(list(row))
    packed, content = io.BytesIO(), io.BytesIO()
    book.save(packed)
    with zipfile.ZipFile(packed) as source, zipfile.ZipFile(content, "w") as target:
        for name in source.namelist():
            part = _MOMENT.sub(b"2026-01-01T00:00:00Z", source.read(name))
            target.writestr(zipfile.ZipInfo(name), part)
    return content.getvalue()


def _enrollments(size: dict[str, int], seed: int) -> Iterator[tuple[int, bytes]]:
    students, courses, total = size["student"], size["course"], size["course_enrollment"]
    course_ids, popularity = _ids("course", 0, courses, seed), _popularity(courses, 10)
    yield 0, b"student_id,course_id\n"
    for start, stop in _blocks(students, BLOCK_STUDENTS):
        random = _random(seed, "course_enrollment", start)
        count = total * stop // students - total * start // students
        # The keenest student takes about ten times as many courses as the least keen.
        keenness = np.cumsum(1 / (random.random(stop - start) + 0.1))
        pairs: NDArray[np.int64] = np.empty(0, np.int64)
        while missing := count - pairs.size:  # what was drawn twice is drawn again
            drawn = _draw(random, keenness, missing) * courses + _draw(random, popularity, missing)
            pairs = np.union1d(pairs, drawn)
        random.shuffle(pairs)
        student_ids = _ids("student", start, stop, seed)
        lines = np.empty((count, 74), np.uint8)
        lines[:, :36], lines[:, 36] = student_ids[pairs // courses], ord(",")
        lines[:, 37:73], lines[:, 73] = course_ids[pairs % courses], ord("\n")
        yield count, lines.tobytes()


def _random(seed: int, name: str, block: int) -> np.random.Generator:
    """The numbers of one block of one file, whatever else is drawn."""
    return np.random.default_rng([seed % 2**64, *name.encode(), block])


def _popularity(size: int, offset: int) -> NDArray[np.float64]:
    """Cumulative weights 1/(rank + offset): the smaller the offset, the more the first stand out."""
    return np.cumsum(1 / (np.arange(1, size + 1) + offset))


def _draw(random: np.random.Generator, cumulative: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    places: NDArray[np.int64] = np.searchsorted(cumulative, random.random(count) * cumulative[-1], side="right")
    return places.clip(max=cumulative.size - 1)  # a product may be rounded up to the last sum


def _choose(random: np.random.Generator, values: list[str], count: int, offset: int) -> list[str]:
    return [values[place] for place in _draw(random, _popularity(len(values), offset), count).tolist()]


def _ids(entity: str, start: int, stop: int, seed: int) -> Ids:
    """Ids like upper-case UUIDs; a mix that maps no two numbers to one makes them unique."""
    first = np.arange(start, stop, dtype=np.uint64) + np.uint64(ENTITIES.index(entity) << 56)
    high = _mix(first ^ _mix(np.array([seed % 2**64], np.uint64)))
    octets = np.stack([high, _mix(high)], axis=1).astype(">u8").view(np.uint8)
    ids = np.full((stop - start, 36), ord("-"), np.uint8)
    ids[:, DIGITS] = HEX[np.stack([octets >> 4, octets & 15], axis=2).reshape(-1, 32)]
    return ids


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The splitmix64 step: one to one on 64 bits."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _texts(ids: Ids) -> list[str]:
    return [key.decode() for key in ids.reshape(-1).view("S36").tolist()]


def _category_ids(seed: int) -> list[str]:
    """One of them is not a well-formed UUID, as in the real data."""
    first, *others = _texts(_ids("course_category", 0, len(CATEGORY_TYPES), seed))
    return [first[9:], *others]
