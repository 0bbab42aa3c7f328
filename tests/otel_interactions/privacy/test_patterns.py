"""What identifies people is found in text, and what only looks like it stays."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_interactions.privacy.patterns import FINDERS
from otel_interactions.privacy.redactor import Redactor

ALL = Redactor(FINDERS)

FOUND = [
    # emails
    ("write to jane.doe+shop@mail.example.co.uk please", "write to [email] please"),
    ("<o'brien@example.com>, and bob@example.org.", "<[email]>, and [email]."),
    ("Größe: müller@bücher.example", "Größe: [email]"),
    ("mailto:a@b.io?subject=x", "mailto:[email]?subject=x"),
    ("我的邮箱是jane@example.com谢谢你的帮助我真的非常感激你能够帮助我解决这个问题", "[email]这个问题"),
    ("x" * 70 + "jane@example.com", "x" * 10 + "[email]"),
    # phones
    ("+33 1 23 45 67 89 or 01 23 45 67 89 or 01.23.45.67.89", "[phone] or [phone] or [phone]"),
    ("0221 1234567 0171 2345678", "[phone] [phone]"),
    ("01 12 34 56 78 01 98 76 54 32", "[phone] [phone]"),
    ("call +49 (0)221 123-4567 now", "call [phone] now"),
    ("call 0049 221 1234567", "call [phone]"),
    ("Tel. 0221/1234567, mobil 0171 2345678", "Tel. [phone], mobil [phone]"),
    ("(212) 555-0187 or 212.555.0187 or 1-212-555-0187", "[phone] or [phone] or [phone]"),
    ("+14155552671", "[phone]"),
    ("020 7946 0958", "[phone]"),
    # cards
    ("card 4111 1111 1111 1111, thanks", "card [card], thanks"),
    ("378282246310005 and 5555-5555-5555-4444", "[card] and [card]"),
    ("4111 1111 1111 1111 12/28, 4111 1111 1111 1111 123", "[card] 12/28, [card] 123"),
    ("on 22 4111 1111 1111 1111", "on 22 [card]"),
    ("4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", "[card]"),
    ("2223 0000 4841 0010", "[card]"),
    # IBAN
    ("DE89 3704 0044 0532 0130 00", "[iban]"),
    ("IBAN DE89370400440532013000 BIC COBADEFF", "IBAN [iban] BIC COBADEFF"),
    ("to GB29 NWBK 6016 1331 9268 19 FROM ME", "to [iban] FROM ME"),
    ("NO93 8601 1117 947", "[iban]"),
    # addresses of the internet
    ("from 203.0.113.77:443", "from [ip]:443"),
    ("2001:db8::8a2e:370:7334 said", "[ip] said"),
    ("::ffff:192.0.2.1", "[ip]"),
    # keys and tokens
    ("key sk-proj-abcdefghijklmnop1234567890 end", "key [token] end"),
    ("Authorization: Bearer abc.def.ghi123", "Authorization: Bearer [token]"),
    ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl", "[token]"),
    ("AKIAIOSFODNN7EXAMPLE", "[token]"),
    ("ghp_0123456789abcdefghij0123456789abcdefgh", "[token]"),
    ("password=hunter2&x=1", "password=[token]&x=1"),
    ("my password is hunter22, ok", "my password is [token], ok"),
    ("api_key: 'abcd1234'", "api_key: '[token]'"),
    ("postgres://joe:s3cret@db.example/x", "postgres://[token]@db.example/x"),
    ("redis://:s3cret@db.example/x POSTGRES://joe:s3cret@db", "redis://[token]@db.example/x POSTGRES://[token]@db"),
    (
        "DB_PASSWORD=hunter22 newPassword=hunter22 password2=hunter22",
        "DB_PASSWORD=[token] newPassword=[token] password2=[token]",
    ),
    ("AWS_SECRET_ACCESS_KEY=wJalr API key: abcd1234", "AWS_SECRET_ACCESS_KEY=[token] API key: [token]"),
    ("CVV: 123, cvc=1234", "CVV: [token], cvc=[token]"),
    ('password: "correct horse battery", x', 'password: "[token]", x'),
    ("Authorization: Basic dXNlcjpwYXNz", "Authorization: Basic [token]"),
    ("Basic dXNlcjpwYXNz", "Basic [token]"),
    (
        "-----BEGIN PRIVATE KEY-----\nDEK-Info: AES-256-CBC,0\n" + "M" * 30_000 + "… [cut after 1 of 2 bytes",
        "[token]… [cut after 1 of 2 bytes",
    ),
    ("-----BEGIN PGP PRIVATE KEY BLOCK-----\nlQd\n-----END PGP PRIVATE KEY BLOCK-----", "[token]"),
    # as a reader sees it
    ("call +49\xa0221\u202f1234567!", "call [phone]!"),
    ("+49 221\u20111234567!", "[phone]!"),
    ("\uff10\uff12\uff12\uff11 \uff11\uff12\uff13\uff14\uff15\uff16\uff17", "[phone]"),  # full width
    ("\u0660\u0662\u0662\u0661 \u0661\u0662\u0663\u0664\u0665\u0666\u0667", "[phone]"),  # Arabic
    ("4111\xa01111\xa01111\xa01111 DE89\xa03704\xa00044\xa00532\xa00130\xa000", "[card] [iban]"),
    ("größe: jane\uff20example.com, ja\u200bne@exa\u200bmple.com \u2013", "größe: [email], [email] \u2013"),
    ("https://x/u/jane%40example.com?tel=%2B492211234567&q=100%25", "https://x/u/[email]?tel=[phone]&q=100%25"),
    (r'in "{\"a\": \"b\", \"password\": \"hunter2\"}"', r'in "{\"a\": \"b\", \"password\": \"[token]\"}"'),
    (r"a\n0221 1234567\tbob\u0040example.com\nsk-abcdefghijklmnop1234567890", r"a\n[phone]\t[email]\n[token]"),
    ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\nrest", "[token]\nrest"),
]

STAYS = [
    "On 2026-11-22 at 10:21:33 we had 1,234,567 visitors",
    "12.05.2026 and 05/12/2026",
    "order 1234567890123456 of 2026",  # sixteen digits whose check digit is wrong
    "model gpt-4-0613, claude-sonnet-4-20250514",
    "version 1.2.3.4.5, build 10.0.19045",
    "DE00 1234 5678 9012 3456 78 has wrong check digits",
    "http://127.0.0.1:4317 and ::1 and 0.0.0.0",
    "12:30:45 is a time; a::b is C++",
    "user@localhost, @handle, a @ b",
    "f47ac10b-58cc-4372-a567-0e02b2c3d479",
    "0.123456789 and 3.14159265358979",
    "the passage is long; a token of love",
    "0x1f 007 0123",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36",
    "the basic principles, basic information, a bearer instrument",
    "the token is invalid or expired, your password is required, token: null",
    "1763806893002, 1763806893123000, 20261122102133, 0000123456, 00012345, RE-2026-0012345678",
    "01866053-c597-4388-8106-240b50444438 f47ac10b-0012-4372-8567-0e02b2c3d479",
    "05.06.26 14:00, 01.02.26-03.02.26, 01-02-03-04, 31.12.2026 08:15:00, 01.02.2026/03.02.2026",
    "1.234.567,89 EUR and 1\xa0234\xa0567,89 € and $1,234,567.00 \u2013 +2,000,000,000",
    r"C:\new\tables\u0041.txt and \alpha + 50%20",
]


@pytest.mark.parametrize(("text", "left"), FOUND)
def test_found(text: str, left: str) -> None:
    """Each is replaced by its kind, and nothing beside it."""
    assert ALL.value("text", text) == left


@pytest.mark.parametrize("text", STAYS)
def test_what_only_looks_like_it(text: str) -> None:
    """Dates, times, versions, ids and numbers stay as they are."""
    assert ALL.value("text", text) == text


@pytest.mark.parametrize("kind", FINDERS)
def test_each_alone(kind: str) -> None:
    """What was not asked for stays."""
    marks = {finder.mark for finder in FINDERS[kind]}
    for text, _ in FOUND:
        found = Redactor([kind]).value("text", text)
        assert {
            mark for mark in ("[email]", "[phone]", "[card]", "[iban]", "[ip]", "[token]") if mark in found
        } <= marks


@given(st.text(max_size=300))
def test_any_text(text: str) -> None:
    """Any text at all has an answer, and an answer has nothing more to take out of it."""
    once = ALL.value("text", text)
    assert ALL.value("text", once) == once


@pytest.mark.parametrize(
    "part",
    [
        "a",
        "1",
        "a.",
        "1 ",
        "+1",
        "a@",
        "@a.",
        "::",
        "A1",
        "eyJ",
        "password",
        "x://",
        "-----BEGIN ",
        "0 1",
        "1.1.",
        "AAAA ",
        "-----BEGIN PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----x-----END ",
        "password='",
        "password is ",
        "bearer aB",
        "4111 ",
        "4111 1111 1111 1111 ",
        "01 ",
        "\\n",
        "\\u0040",
        "\\",
        "4 ",
        "%40a.",
        "\uff11",
        "\u200b",
    ],
)
def test_no_text_takes_long(part: str) -> None:
    """A hundred thousand characters that begin to look like something again and again take no more than others."""
    text = part * (100_000 // len(part))
    started = time.process_time()
    ALL.value("text", text)
    assert time.process_time() - started < 5  # some 0.2 s; minutes where a pattern tries everything again
