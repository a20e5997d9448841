"""The daily warehouse of pinter-skuy.

Gathers students, mentors, categories, courses and enrollments of one business day (Asia/Jakarta) into the warehouse and
publishes `dwh` and `datamart`.

**Steps.** `extract` takes each source into the lake → `snapshot` checks references between them → `load` fills the
staging partitions → `build` makes and checks each table in private → `publish` replaces all tables.

**The day.** At 00:30 the day that just ended; in a backfill each day of it; triggered by hand the logical date's day,
or today. The parameter `day` overrides all: `{"day": "2026-11-10", "refresh": false}`.

**When it fails.** The failed task's last log line says what happened, where, and what to do. Nothing of the run is
published then; rejected rows are in `staging.rejected_row`. Fix the source and run the day again, or clear the failed
tasks: a day may be run any number of times, in any order.

---

**Bahasa Indonesia.** Gudang data harian pinter-skuy: mahasiswa, mentor, kategori, kursus, dan pendaftaran satu hari
bisnis (Asia/Jakarta) dikumpulkan, lalu `dwh` dan `datamart` diterbitkan.

**Langkah.** `extract` mengambil tiap sumber ke lake → `snapshot` memeriksa acuan antarsumber → `load` mengisi partisi
staging → `build` membuat dan memeriksa tiap tabel secara tertutup → `publish` mengganti semua tabel.

**Hari.** Pukul 00:30 WIB untuk hari yang baru selesai; backfill untuk tiap harinya; dijalankan dengan tangan untuk
hari logical date, atau hari ini. Parameter `day` mengalahkan semuanya.

**Jika gagal.** Baris terakhir log tugas yang gagal berisi apa yang terjadi, di mana, dan apa yang harus dilakukan.
Tidak ada yang diterbitkan; baris yang ditolak ada di `staging.rejected_row`. Perbaiki sumbernya dan jalankan hari itu
lagi, atau clear tugas yang gagal: sebuah hari boleh dijalankan berapa kali pun, dalam urutan apa pun.
"""

from lumbung_airflow.dag import daily_dag

with daily_dag(
    "enrollment", description="Students, mentors, courses and enrollments of pinter-skuy, daily", doc=__doc__
) as daily:
    daily.take_snapshots()
    daily.finish()
