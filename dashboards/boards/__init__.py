"""The boards, in the order in which people are likely to want them."""

from __future__ import annotations

from typing import Final

from dashboards.boards import conversations, health, models, product, session, sre, voice
from dashboards.model import Board

ALL: Final[tuple[Board, ...]] = (
    conversations.BOARD,
    session.BOARD,
    sre.BOARD,
    models.BOARD,
    product.BOARD,
    voice.BOARD,
    health.BOARD,
)
