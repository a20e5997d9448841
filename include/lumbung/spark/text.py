"""What tweets' texts say: cleaned, in which language, and the instruments they name; column by column.

The engines' own functions would not do: Java's and Rust's regular expressions differ on word boundaries and Unicode's
classes, and neither engine decodes HTML or normalises. So each runs this on its Arrow batches. What most texts need is
done by Arrow's kernels, which leave Python's lock; what few need, by Python. It runs on Dataproc's Python 3.12 as well.
"""

from __future__ import annotations

import importlib.resources
import re
from collections.abc import Callable
from functools import cache
from html import unescape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

# White space that is not the plain space; and any of it.
_SPACES = r"\t-\r\x1c-\x1f\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}"
_GAP = rf"[ {_SPACES}]{{2,}}|[{_SPACES}]"

# Control characters other than white space, and Unicode's format characters that show nothing: soft hyphen, zero-width
# spaces and joiners, bidirectional controls, byte order mark, tags. Signs of Arabic that are format characters show.
_CONTROLS = (
    "\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e007f"
)
# Kept of them are a joiner between two emoji, as in a family, and the tags that make a black flag a region's. An emoji
# is a picture, an arrow or a symbol that has an emoji form, or a skin tone.
_EMOJI = "\u2190-\u21ff\u2300-\u23ff\u2600-\u27bf\u2900-\u297f\u2b00-\u2bff\U0001f000-\U0001faff"
_HIDDEN = re.compile(
    f"(\U0001f3f4[\U000e0020-\U000e007e]+\U000e007f|(?<=[{_EMOJI}\ufe0f])\u200d(?=[{_EMOJI}]))|[{_CONTROLS}]"
)

_WORD = r"\p{L}\p{N}_"
# A URL has a scheme or begins with www., and ends before the punctuation that follows it. X's own short ones are of
# letters and digits only, so what is written right behind one is text. An e-mail address is not a mention; it goes as a
# whole.
_URL_REST = r"(?:[{}.~:/?#\[\]@!$&'()*+,;=%-]*[{}/=%&#~-])?"
_URL = rf"(?i:https?://(?:t\.co/[a-z0-9]+|{_URL_REST.replace('{}', _WORD)}))"
_WWW = re.compile(rf"(?<![\w@.])(?i:www\.){_URL_REST.replace('{}', r'\w')}")
_MENTION = rf"(^|[^{_WORD}])(?:[@\x{{ff20}}][A-Za-z0-9_]+)+"
_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]++@[\w-]+(?:\.[\w-]+)+")

# A hashtag of several words: a word begins at a capital after a small letter or a digit, and at the last capital of
# several before a small letter.
_CAMEL_TAG = rf"[#\x{{ff03}}][{_WORD}]+[A-Z]"
_TAG = re.compile(r"[#\uff03]\w+")
_CAMEL = re.compile(r"(?<=[^\W_A-Z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
# A reduplicated word is found by either half.
_NAMES = {
    name: rf"(?:^|[^{_WORD}]){pattern}(?:ku|mu|nya|lah|kah|pun)?(?:[^{_WORD}]|$)"
    for name, pattern in (("reksadana", "reksa[ -]?dana"), ("saham", "saham"), ("sukuk", "sukuk"))
}

# X's field knows no Malay and no Javanese: `in` covers them. So does detection, the more so as it takes much short
# Indonesian for either. The others are what else people tweet in, for such a text to be likelier than these.
_INDONESIAN = ("id", "ms", "jv")
_OTHERS = ("en", "es", "pt", "fr", "de", "nl", "it", "tr", "tl", "vi", "th", "ja", "ko", "zh", "ar", "hi", "ru", "pl")


def clean(texts: pa.StringArray) -> pa.StringArray:
    """Make each one line of plain text: HTML decoded once, NFC; without URLs, e-mail addresses, mentions and controls.

    Emoji stay whole, also those joined of several. White space of any kind becomes one space.
    """
    import pyarrow.compute as pc

    texts = _where(pc.match_substring(texts, "&"), texts, unescape)
    texts = _where(pc.match_substring_regex(texts, f"[{_CONTROLS}]"), texts, lambda one: _HIDDEN.sub(r"\1", one))
    texts = pc.utf8_normalize(texts, "NFC")
    texts = pc.replace_substring_regex(texts, _URL, " ")
    texts = _where(pc.match_substring(texts, "www.", ignore_case=True), texts, lambda one: _WWW.sub(" ", one))
    texts = pc.replace_substring_regex(texts, _MENTION, r"\1 ")
    texts = _where(pc.match_substring(texts, "@"), texts, lambda one: _EMAIL.sub(" ", one))
    texts = pc.replace_substring_regex(texts, _GAP, " ")
    return pc.utf8_trim(texts, " ")


def instruments(texts: pa.StringArray) -> pa.ListArray:
    """The instruments that each cleaned text names, sorted: of `reksadana`, `saham` and `sukuk`.

    A name is a whole word in any case, maybe with one clitic; camel-case hashtags are split into words first.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    def split(one: str) -> str:
        return _TAG.sub(lambda tag: _CAMEL.sub(" ", tag[0]), one)

    lower = pc.utf8_lower(_where(pc.match_substring_regex(texts, _CAMEL_TAG), texts, split))
    named = np.stack(
        [pc.match_substring_regex(lower, pattern).to_numpy(zero_copy_only=False) for pattern in _NAMES.values()],
        axis=1,
    )
    offsets = np.concatenate([[0], np.cumsum(named.sum(axis=1))])
    names = pa.array(list(_NAMES)).take(pa.array(np.nonzero(named)[1]))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), names)


def is_indonesian(text: str) -> bool:
    """Whether a cleaned text is likeliest Indonesian; one without a letter is not."""
    return any(map(str.isalpha, text)) and _detector().classify(text)[0] in _INDONESIAN


def _where(mask: pa.BooleanArray, texts: pa.StringArray, change: Callable[[str], str]) -> pa.StringArray:
    """The texts, with those of the mask changed."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not mask.true_count:
        return texts
    return pc.replace_with_mask(texts, mask, pa.array(map(change, texts.filter(mask).to_pylist()), pa.string()))


@cache
def _detector() -> Any:
    from py3langid.langid import LanguageIdentifier

    # As a file: on a Spark worker the package lies in a zip.
    with importlib.resources.as_file(importlib.resources.files("py3langid") / "data" / "model.npz.xz") as model:
        detector = LanguageIdentifier.from_modelpath(model)
    detector.set_languages((*_INDONESIAN, *_OTHERS))
    return detector
