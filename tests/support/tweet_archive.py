"""Synthetic tweets in all shapes that an archive mixes."""

from datetime import UTC, datetime

from support.tweet_harness import tweet


def v1(number, text, at, user, **more):
    made = datetime.fromisoformat(f"{at}:00+07:00").astimezone(UTC)
    time = made.strftime("%a %b %d %H:%M:%S +0000 %Y")
    return {"id": number, "id_str": f"{number}", "created_at": time, "user": {"screen_name": user}, "lang": "in",
            "full_text": text, **more}  # fmt: skip


def page(*given):
    """A v2 answer: authors beside the tweets."""
    users = {post["author"]["username"] for post in given}
    data = [{**{k: v for k, v in post.items() if k != "author"}, "author_id": post["author"]["username"]}
            for post in given]  # fmt: skip
    return {"data": data, "includes": {"users": [{"id": name, "username": name} for name in sorted(users)]}}


GIVEN = [
    tweet(1, "Saham naik, sahamku hijau", "2026-11-21T00:00", "sintetis_a"),
    v1(2, "beli #sukuk dan reksa dana", "2026-11-21T23:59", "sintetis_a"),
    page(tweet(3, "SAHAM-SAHAM bank https://saham.example", "2026-11-22T12:30", "sintetis_b"),
         tweet(4, "reksadanaku tumbuh", "2026-11-24T12:00", "sintetis_b")),
    v1(5, "RT @sintetis_a: saham naik", "2026-11-21T09:00", "sintetis_c"),
    v1(6, "saham", "2026-11-21T09:00", "sintetis_c", retweeted_status={"id": 1}),
    tweet(7, "saham is an Indonesian word", "2026-11-21T09:00", "sintetis_c", lang="en"),
    tweet(8, "suku bunga naik, @sahamgain", "2026-11-22T09:00", "sintetis_a"),
    tweet(9, "saham saham saham", "2026-11-22T12:59", "sintetis_c"),
    # An edit counts by its newest version, here about something else, on the next day.
    tweet(10, "saham lagi", "2026-11-22T23:50", "sintetis_d"),
    tweet(11, "maaf, maksudnya sukuk", "2026-11-23T00:10", "sintetis_d", edit_history_tweet_ids=["10", "11"]),
]  # fmt: skip
