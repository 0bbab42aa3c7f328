"""A function of any of the four kinds, wrapped round a scope: sync, async, generator, async generator.

A scope is something that is entered, is current while the function's code runs, hears what the function yields and
returns, and is left. Between two values of a generator its scope is not current: what the consumer does in its loop is
not the generator's, and a context is never left in another task than the one that entered it.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterator
from contextlib import AbstractContextManager, suppress
from contextvars import Token
from types import TracebackType
from typing import Any, Protocol, TypeVar, cast

from opentelemetry.context import Context, attach, detach

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


class Scope(Protocol):
    """What a function is wrapped round. None of the methods raises."""

    def enter(self) -> None:
        """Begin, before the function's first line."""

    def active(self) -> AbstractContextManager[None]:
        """Be current inside the block, without beginning or ending."""

    def yielded(self, item: Any) -> None:
        """Hear one value of a generator."""

    def returned(self, value: Any) -> Any:
        """Hear the value returned and end; return what the caller gets."""

    def leave(self, error: BaseException | None) -> None:
        """End; `error` is what passes through, a GeneratorExit when a generator was abandoned."""


Opener = Callable[[tuple[Any, ...], dict[str, Any]], Scope]
"""Makes the scope of one call from its arguments; does not raise."""


class Active:
    """Make a Context current inside a `with` block; leaving it in another thread or task is harmless."""

    __slots__ = ("_context", "_token")

    def __init__(self, context: Context) -> None:
        self._context = context
        self._token: Token[Context] | None = None

    def __enter__(self) -> None:
        self._token = attach(self._context)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        token, self._token = self._token, None
        if isinstance(token, Token):
            # What detach() does, without its log line: an abandoned generator is closed in another Context than ours.
            with suppress(ValueError, RuntimeError):
                token.var.reset(token)
        elif token is not None:
            detach(token)


def wrap(function: F, opener: Opener, is_off: Callable[[], bool] = lambda: False) -> F:
    """Return `function` with each call inside a scope of its own; name, signature and kind stay.

    Args:
        function: what is called.
        opener: makes the scope of a call.
        is_off: asked at each call of a plain function or coroutine, which is called as it is where this is true.
    """
    if inspect.isasyncgenfunction(function):
        wrapper: Callable[..., Any] = _async_generator(function, opener)
    elif inspect.isgeneratorfunction(function):
        wrapper = _generator(function, opener)
    elif inspect.iscoroutinefunction(function):
        wrapper = _coroutine(function, opener, is_off)
    else:
        wrapper = _plain(function, opener, is_off)
    return cast("F", functools.wraps(function)(wrapper))


def _plain(function: Callable[..., Any], opener: Opener, is_off: Callable[[], bool]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        if is_off():
            return function(*args, **kwargs)
        scope = opener(args, kwargs)
        scope.enter()
        try:
            with scope.active():
                value = function(*args, **kwargs)
        except BaseException as error:
            scope.leave(error)
            raise
        return scope.returned(value)

    return call


def _coroutine(
    function: Callable[..., Awaitable[Any]], opener: Opener, is_off: Callable[[], bool]
) -> Callable[..., Any]:
    async def call(*args: Any, **kwargs: Any) -> Any:
        if is_off():
            return await function(*args, **kwargs)
        scope = opener(args, kwargs)
        scope.enter()
        try:
            with scope.active():
                value = await function(*args, **kwargs)
        except BaseException as error:
            scope.leave(error)
            raise
        return scope.returned(value)

    return call


def _generator(function: Callable[..., Iterator[T]], opener: Opener) -> Callable[..., Generator[T, Any, Any]]:
    def generate(*args: Any, **kwargs: Any) -> Generator[T, Any, Any]:
        scope = opener(args, kwargs)
        scope.enter()
        try:
            with scope.active():
                iterator = function(*args, **kwargs)
            value = yield from _steps(iterator, scope)
        except BaseException as error:
            scope.leave(error)
            raise
        return scope.returned(value)

    return generate


def _async_generator(
    function: Callable[..., AsyncIterator[T]], opener: Opener
) -> Callable[..., AsyncGenerator[T, Any]]:
    async def generate(*args: Any, **kwargs: Any) -> AsyncGenerator[T, Any]:
        scope = opener(args, kwargs)
        scope.enter()
        try:
            with scope.active():
                iterator = function(*args, **kwargs)
            step: Callable[[], Awaitable[T]] = functools.partial(anext, iterator)
            while True:
                try:
                    with scope.active():
                        item = await step()
                except StopAsyncIteration:
                    break
                scope.yielded(item)
                try:
                    sent = yield item
                except GeneratorExit:
                    with scope.active():
                        await _aclose(iterator)
                    raise
                except BaseException as error:
                    if not isinstance(iterator, AsyncGenerator):
                        raise
                    step = functools.partial(iterator.athrow, error)
                else:
                    step = functools.partial(_asend, iterator, sent)
        except BaseException as error:
            scope.leave(error)
            raise
        scope.returned(None)

    return generate


def drive(source: Callable[[], Iterator[T]], scope: Scope) -> Generator[T, Any, Any]:
    """Yield what the iterator made by `source` yields, its code running inside `scope`; send, throw and close pass."""
    return _generator(source, lambda _args, _kwargs: scope)()


def adrive(source: Callable[[], AsyncIterator[T]], scope: Scope) -> AsyncGenerator[T, Any]:
    """Yield what the async iterator made by `source` yields, as `drive` does."""
    return _async_generator(source, lambda _args, _kwargs: scope)()


def _steps(iterator: Iterator[T], scope: Scope) -> Generator[T, Any, Any]:
    step: Callable[[], T] = functools.partial(next, iterator)
    while True:
        try:
            with scope.active():
                item = step()
        except StopIteration as stop:
            return stop.value
        scope.yielded(item)
        try:
            sent = yield item
        except GeneratorExit:
            with scope.active():
                _close(iterator)
            raise
        except BaseException as error:
            if not isinstance(iterator, Generator):
                raise
            step = functools.partial(iterator.throw, error)
        else:
            step = functools.partial(_send, iterator, sent)


def _send(iterator: Iterator[T], sent: Any) -> T:
    if sent is not None and isinstance(iterator, Generator):
        return cast("T", iterator.send(sent))
    return next(iterator)


def _close(iterator: Any) -> None:
    close = getattr(iterator, "close", None)
    if callable(close):
        close()


async def _asend(iterator: AsyncIterator[T], sent: Any) -> T:
    if sent is not None and isinstance(iterator, AsyncGenerator):
        return cast("T", await iterator.asend(sent))
    return await anext(iterator)


async def _aclose(iterator: Any) -> None:
    close = getattr(iterator, "aclose", None) or getattr(iterator, "close", None)
    if callable(close):
        closing = close()
        if inspect.isawaitable(closing):
            await closing
