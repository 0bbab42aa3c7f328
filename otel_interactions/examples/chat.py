"""A chat for two users at once: streamed answers, tool calls (one fails), a critical error."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import otel_interactions as oi
from otel_interactions.examples import report

MODEL = "gpt-5-mini"


@oi.tool_call
async def weather(city: str, days: int = 1) -> dict[str, object]:
    """Look up a forecast."""
    await asyncio.sleep(0.02)
    return {"city": city, "days": days, "sky": "rain", "celsius": 14}


@oi.tool_call(name="book_table")
def book(restaurant: str, people: int) -> str:
    """Book a table; tonight the other side does not answer."""
    raise TimeoutError(f"{restaurant} did not answer for a table of {people}")


async def model(answer: str) -> AsyncIterator[str]:
    """Stand in for a model that streams."""
    await asyncio.sleep(0.03)
    for word in answer.split(" "):
        await asyncio.sleep(0.002)
        yield word + " "


async def say(answer: str, prompt_tokens: int) -> None:
    """Stream an answer to the user, recorded with its tokens and its time to the first one."""
    async with oi.assistant_response(model=MODEL, provider="openai") as response:
        async for _chunk in response.astream(model(answer)):
            pass  # the application would show the chunk
        response.set(input_tokens=prompt_tokens, output_tokens=len(answer.split()), finish_reason="stop")


async def ask_for_weather() -> None:
    """Talk with one user; everything in the block belongs to her session."""
    async with oi.session("demo-chat-anna", user_id="anna", model=MODEL, mode="text"):
        oi.user_message("Do I need an umbrella in Paris tomorrow?")
        await weather("Paris", days=2)
        await say("Yes, take one: rain is forecast in Paris, at 14 degrees.", prompt_tokens=42)
        oi.user_message("Merci 🙏")
        await say("Bon voyage!", prompt_tokens=71)


async def book_a_table() -> None:
    """Talk with another user at the same time; his tool fails, and so does the payment."""
    async with oi.session("demo-chat-bilal", user_id="bilal", model=MODEL, mode="text"):
        oi.user_message("Book a table for four at Chez Amis tonight.")
        try:
            book("Chez Amis", people=4)
        except TimeoutError:
            await say("Chez Amis does not answer. Shall I try again in ten minutes?", prompt_tokens=38)
        refused = ConnectionError("payment provider closed the connection")
        oi.error(refused, critical=True, component="payments", show_to_user=True, user_message="Payment failed.")


async def main() -> None:
    """Run both conversations at once."""
    await asyncio.gather(ask_for_weather(), book_a_table())


if __name__ == "__main__":
    oi.configure(service_name="concierge")
    asyncio.run(main())
    report()
    oi.shutdown()
