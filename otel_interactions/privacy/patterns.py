"""What identifies people or opens doors, found in text: `[email]` stands where an address stood.

Each finder is a regular expression whose repeats are bounded, so that no text takes long, and where a shape alone says
little, a check: a card number and an IBAN have check digits, an address is one for `ipaddress`.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Finder:
    """One kind of thing that is taken out of texts.

    Attributes:
        mark: what stands in its place.
        pattern: its shape; where it has a group `kept`, that stays before the mark.
        hint: a cheaper test of a text: without a match there is none of these in it.
        length: how much of what has the shape is one, in characters from its start; 0 for nothing.
    """

    mark: str
    pattern: re.Pattern[str]
    hint: re.Pattern[str]
    length: Callable[[str], int] = len

    def replaced(self, text: str) -> str:
        """Return `text` with the mark in place of each."""
        return self.put(text, self.spans(text)) if self.hint.search(text) else text

    def put(self, text: str, spans: Iterable[tuple[int, int]]) -> str:
        """Return `text` with the mark in place of these parts of it: (start, end), in order."""
        parts, done = [], 0
        for start, end in spans:
            parts += [text[done:start], self.mark]
            done = end
        return "".join((*parts, text[done:])) if parts else text

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield where each is: (start, end). What only has the shape may hold one that begins later."""
        at = 0 if self.hint.search(text) else len(text) + 1
        has_kept = "kept" in self.pattern.groupindex
        while match := self.pattern.search(text, at):
            start = max(match.start(), match.end("kept")) if has_kept else match.start()
            length = self.length(text[start : match.end()])
            if length:
                yield start, start + length
            at = start + length if length else max(match.start() + 1, match.end() if start == match.end() else 0)


def card(text: str) -> int:
    """Return the length of the card number a text begins with; an expiry date may follow.

    That is one an issuer of cards may have given, and that passes the check of ISO/IEC 7812-1. The shape alone is that
    of times in milliseconds, too, of which every tenth passes.
    """
    digits = text.replace(" ", "").replace("-", "")
    ends = [at for at, each in enumerate(text) if each in " -"]
    for between, end in [*enumerate((*ends, len(text)))][::-1]:
        number = digits[: end - between]
        if len(number) < _CARD_DIGITS:
            return 0
        if _CARD.fullmatch(number) and _passes(number):
            return end
    return 0


def _passes(digits: str) -> bool:
    return sum(map(int, digits[-1::-2] + digits[-2::-2].translate(_DOUBLED))) % 10 == 0


def iban(text: str) -> int:
    """Return the length of the IBAN a text begins with: as long as its country has it, its check digits right."""
    wanted = _IBAN_LENGTHS.get(text[:2].upper(), 0)
    plain = "".join(text.split()).upper()[:wanted]
    if not wanted or len(plain) < wanted:
        return 0
    if int("".join(str(int(each, 36)) for each in plain[4:] + plain[:4])) % 97 != 1:
        return 0
    ends = [end for end, each in enumerate(text, 1) if not each.isspace()][wanted - 1]
    return ends if not text[ends : ends + 1].isalnum() else 0


def address(text: str) -> int:
    """Return the length of an IPv4 or IPv6 address of somebody: not the unspecified one, not loopback."""
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return 0
    is_short = found.version == _V6 and len(text) < _SHORT  # `a::b` is more likely a name
    is_short |= text.endswith(".0.0.0")  # the version of a browser
    return 0 if is_short or found.is_unspecified or found.is_loopback else len(text)


def phone(text: str) -> int:
    """Return the length of a phone number: as many digits as ITU-T E.164 has it, and no date. A second may follow."""
    ends = [len(text), *(each.start() for each in _ANOTHER.finditer(text))]
    return next((end for end in ends if _has_enough(text[:end])), 0)


def _has_enough(text: str) -> bool:
    if _DATE.fullmatch(text.strip()):
        return False
    digits = sum(each.isdecimal() for each in text)
    return digits == _FRENCH if _PAIRS.fullmatch(text) else digits in _PHONE_DIGITS


_V6: Final = 6
_DOUBLED: Final = str.maketrans("0123456789", "0246813579")  # the digits of twice a digit, added up
_SHORT: Final = 6
_CARD_DIGITS: Final = 13  # at least
_PHONE_DIGITS: Final = range(8, 16)
_FRENCH: Final = 10  # where they come in pairs, as the parts of dates and times do
_IBANS: Final = """
    AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20
    EG29 ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30
    KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23
    PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26
    UA29 VA22 VG24 XK20
"""
_IBAN_LENGTHS: Final = {each[:2]: int(each[2:]) for each in _IBANS.split()}
"""How long an IBAN is, by country (SWIFT's IBAN registry)."""

_CARD: Final = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|5[1-5]\d{14}|3[47]\d{13}|3[035689]\d{12,17}|(?:5[06-9]|6\d)\d{11,17}"
    r"|2(?:20[0-4]|2[3-9]\d|22[1-9]|[3-6]\d\d|7[01]\d|720)\d{12}"
)
"""What issuers give: Visa, Mastercard, American Express, Diners and JCB, Maestro with Discover and UnionPay, Mir."""
_ANOTHER: Final = re.compile(r"[ ./-]{1,2}(?=0)")
_DATE: Final = re.compile(r"\d{4}[-./ ]\d{1,2}[-./ ]\d{1,2}(?:[ T/-].*)?|\d{1,2}[-./ ]\d{1,2}[-./ ]\d{4}(?:[ T/-].*)?")
_PAIRS: Final = re.compile(r"\d\d(?:[ ./-]{1,3}\d\d)+")
_DIGITS: Final = re.compile(r"\d[ ().\-/]{0,3}\d")
_UUID: Final = r"(?P<kept>(?<!\w)[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}(?!\w))|"
"""Before the shape of a number: a group of a UUID is none."""

_KEPT_BACK: Final = (
    r"(?:pass(?:[_ -]?(?:word|wd|phrase|code))?|pwd|pw|(?:client[_ -]?)?secret"
    r"|(?:api|(?:secret[_ -]?)?access|private|secret)[_ -]?key|auth(?:orization)?"
    r"|(?:(?:access|refresh|id|auth|bearer|session)[_ -]?)?token|credentials?|otp|cvv|cvc|pin)"
    r"(?:[_-]?(?:\d|confirm(?:ation)?|repeat|again))?"
)
_BEGINS: Final = r"(?:(?<![^\W_])|(?<=[a-z0-9])(?=[A-Z]))"  # a word: `password`, `DB_PASSWORD`, `newPassword`
SECRET_NAME: Final = re.compile(rf"(?s:.*){_BEGINS}(?i:{_KEPT_BACK}|(?:set-)?cookies?)")
"""The name of a field whose value is a secret whatever it looks like."""

_SAID_OF_ONE: Final = (
    r"(?!\s{0,4}(?:an?|the|not|no|now|too|in|on|set|reset|wrong|incorrect|correct|invalid|valid|expired|required|missing|empty"
    r"|needed|used|weak|strong|sent|stored|hashed|encrypted|only|still|always|never|already)\b)"
)
"""What is said of a secret: "the token is invalid"."""

_TOKENS: Final = "|".join(  # noqa: FLY002  one a line
    (
        r"eyJ[\w-]{8,2000}\.[\w-]{8,4000}\.[\w-]{0,2000}",  # JSON Web Tokens
        r"(?:sk|pk|rk)[-_][\w-]{16,300}",  # OpenAI, Anthropic, Stripe
        r"gh[pousr]_\w{30,255}|github_pat_\w{30,255}|glpat-[\w-]{20,80}",
        r"xox[abeprs]-[\w-]{10,250}",  # Slack
        r"AIza[\w-]{35}|ya29\.[\w-]{20,500}",  # Google
        r"(?:AKIA|ASIA)[0-9A-Z]{16}",  # AWS
        r"(?:hf|npm|dop_v1|pypi)[_-]\w{30,300}",
        r"SG\.[\w-]{16,64}\.[\w-]{16,64}",  # SendGrid
        r"oi_[\w-]{6,40}_[\w-]{20,80}",  # ours
    )
)

FINDERS: Final[Mapping[str, tuple[Finder, ...]]] = {
    "tokens": (
        Finder(
            "[token]",
            re.compile(
                r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----[^-…]{0,40000}(?:-(?!----)[^-…]{0,40000}){0,30}"
                r"(?:-----END [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----)?"
            ),
            re.compile("-----BEGIN "),
        ),
        Finder("[token]", re.compile(rf"(?<![\w-])(?:{_TOKENS})"), re.compile(r"eyJ|[-_.]|AIza|AKIA|ASIA")),
        Finder(
            "[token]",
            re.compile(  # a digit, or letters as in no word: "basic information" stays
                r"(?P<kept>\b(?i:bearer|basic) {1,4})"
                r"(?=[\w.~+/=-]{0,400}[\d=]|(?:[A-Za-z]{0,100}?[a-z][A-Z]){2})[\w.~+/=-]{8,4000}"
            ),
            re.compile("(?i:bearer|basic) "),
        ),
        Finder(
            "[token]",
            re.compile(
                rf"(?P<kept>{_BEGINS}(?i:{_KEPT_BACK}[\"']?\s{{0,4}}(?:[=:]|\bis\b{_SAID_OF_ONE})\s{{0,4}}"
                r"(?P<quote>[\"'])?(?:(?:bearer|basic) {1,4})?+))(?!\[token\]|(?i:none|null|true|false)\b)"
                r"(?:(?(quote)(?:\\.|(?!(?P=quote))[^\n\\]){1,400}(?=(?P=quote))|(?!))"
                r"|[^\s\"',;&]{4,4000}|\d{3}(?!\w))"
            ),
            re.compile(r"(?i)pass|pwd|pw|secret|key|auth|token|credential|otp|cvv|cvc|pin"),
        ),
        Finder(
            "[token]",
            re.compile(r"(?P<kept>\b(?i:[a-z][a-z0-9+.-]{1,20})://)[^\s/@:]{0,200}:[^\s/@]{1,200}(?=@)"),
            re.compile("://"),
        ),
    ),
    "iban": (
        Finder(
            "[iban]",
            re.compile(r"(?<!\w)[A-Za-z]{2}\d{2}(?: ?[A-Za-z0-9]{4}){2,7}(?: ?[A-Za-z0-9]{1,3})?(?!\w)"),
            _DIGITS,
            iban,
        ),
    ),
    "cards": (Finder("[card]", re.compile(_UUID + r"(?<![\w.])[2-6](?:[ -]?\d){12,18}(?![\w])"), _DIGITS, card),),
    "emails": (
        Finder(
            "[email]",
            re.compile(r"[\w.+%'-]{1,64}@(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24}"),
            re.compile("@"),
        ),
    ),
    "ips": (
        Finder(
            "[ip]",
            re.compile(
                r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}(?:[0-9A-Fa-f]{1,4}|(?:\d{1,3}\.){3}\d{1,3})?(?![\w:]|\.\d)"
            ),
            re.compile(":[0-9A-Fa-f]{0,4}:"),
            address,
        ),
        Finder(
            "[ip]",
            re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d)"),
            re.compile(r"\d\.\d"),
            address,
        ),
    ),
    "phones": (
        Finder(
            "[phone]",
            re.compile(
                _UUID + r"(?<![\w+])(?:\+|(?<!\d[-./])00)[ (]{0,2}[1-9](?:[ ().\-/]{0,3}\d){6,14}(?![\w])",
            ),
            _DIGITS,
            phone,
        ),
        Finder(
            "[phone]",
            re.compile(
                _UUID + r"(?<![\w.+\-/])\(?0[1-9]\d{0,4}\)?[ ./-]{0,3}\d{2,}(?:[ ./-]{1,2}\d{2,}){0,5}(?![\w]|[./-]\d)"
            ),
            _DIGITS,
            phone,
        ),
        Finder(
            "[phone]",
            re.compile(r"(?<![\w.+\-/])(?:1[ .-])?(?:\(\d{3}\) ?|\d{3}[ .-])\d{3}[ .-]\d{4}(?![\w]|[.-]\d)"),
            _DIGITS,
            phone,
        ),
    ),
}
"""What can be asked for by name, in the order in which it is looked for."""
