"""What identifies people or opens doors, found in text: `[email]` stands where an address stood.

Each finder is a regular expression whose repeats are bounded, so that no text takes long, and where a shape alone says
little, a check: a card number and an IBAN have check digits, an address is one for `ipaddress`.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
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
        return self.pattern.sub(self._replacement, text) if self.hint.search(text) else text

    def _replacement(self, match: re.Match[str]) -> str:
        kept = match.groupdict().get("kept") or ""
        found = match.group()[len(kept) :]
        length = self.length(found)
        return f"{kept}{self.mark}{found[length:]}" if length else match.group()


def card(text: str) -> int:
    """Return the length of a card number: 13 to 19 digits that pass the check of ISO/IEC 7812-1."""
    digits = [int(each) for each in text if each.isdigit()]
    doubled = (sum(divmod(2 * digit, 10)) for digit in digits[-2::-2])
    is_one = len(digits) in _CARD_DIGITS and any(digits) and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0
    return len(text) if is_one else 0


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
    return 0 if is_short or found.is_unspecified or found.is_loopback else len(text)


def phone(text: str) -> int:
    """Return the length of a phone number: as many digits as ITU-T E.164 has it, and no date."""
    digits = sum(each.isdigit() for each in text)
    return len(text) if digits in _PHONE_DIGITS and not _DATE.fullmatch(text.strip()) else 0


_V6: Final = 6
_SHORT: Final = 6
_CARD_DIGITS: Final = range(13, 20)
_PHONE_DIGITS: Final = range(8, 16)
_IBANS: Final = """
    AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20
    EG29 ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30
    KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23
    PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26
    UA29 VA22 VG24 XK20
"""
_IBAN_LENGTHS: Final = {each[:2]: int(each[2:]) for each in _IBANS.split()}
"""How long an IBAN is, by country (SWIFT's IBAN registry)."""

_DATE: Final = re.compile(r"\d{4}[-./ ]\d{1,2}[-./ ]\d{1,2}(?:[ T].*)?|\d{1,2}[-./ ]\d{1,2}[-./ ]\d{4}(?:[ T].*)?")
_DIGITS: Final = re.compile(r"\d{3}")

_KEPT_BACK: Final = (
    r"(?:pass(?:word|wd|phrase|code)?|pwd|secret|client[_-]?secret|api[_-]?key|apikey|access[_-]?key|private[_-]?key"
    r"|auth(?:orization)?|(?:access|refresh|id|auth|bearer|session)?[_-]?token|credentials?|otp|cvv|cvc|pin)"
)
SECRET_NAME: Final = re.compile(rf"(?i)(?:.*[_\-.])?{_KEPT_BACK}")
"""The name of a field whose value is a secret whatever it looks like."""

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
                r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----.{0,20000}?(?:-----END [A-Z ]{0,30}PRIVATE KEY-----|$)",
                re.DOTALL,
            ),
            re.compile("-----BEGIN "),
        ),
        Finder("[token]", re.compile(rf"(?<![\w-])(?:{_TOKENS})"), re.compile(r"eyJ|[-_.]|AIza|AKIA|ASIA")),
        Finder(
            "[token]",
            re.compile(r"(?P<kept>\b(?i:bearer|basic) {1,4})[\w.~+/=-]{8,4000}"),
            re.compile("(?i:bearer|basic) "),
        ),
        Finder(
            "[token]",
            re.compile(
                rf"(?i)(?P<kept>\b{_KEPT_BACK}[\"']?\s{{0,4}}(?:[=:]|\bis\b)\s{{0,4}}[\"']?)"
                r"(?!\[token\]|bearer |basic )[^\s\"',;&]{4,4000}"
            ),
            re.compile(r"(?i)pass|pwd|secret|key|auth|token|credential|otp|cvv|cvc|pin"),
        ),
        Finder(
            "[token]",
            re.compile(r"(?P<kept>\b[a-z][a-z0-9+.-]{1,20}://)[^\s/@:]{1,200}:[^\s/@]{1,200}(?=@)"),
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
    "cards": (Finder("[card]", re.compile(r"(?<![\w.])\d(?:[ -]?\d){12,18}(?![\w])"), _DIGITS, card),),
    "emails": (
        Finder(
            "[email]",
            re.compile(r"(?<![\w.+%-])[\w.+%'-]{1,64}@(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24}(?![\w])"),
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
            "[phone]", re.compile(r"(?<![\w+])(?:\+|00)[ (]{0,2}\d(?:[ ().\-/]{0,3}\d){6,14}(?![\w])"), _DIGITS, phone
        ),
        Finder(
            "[phone]",
            re.compile(r"(?<![\w.+\-/])\(?0\d{1,5}\)?[ ./-]{0,3}\d{2,}(?:[ ./-]{1,2}\d{2,}){0,5}(?![\w]|[./-]\d)"),
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
