"""The public surface."""
# ruff: noqa: ANN202  functions written as users write them

import inspect

import otel_interactions as oi


def test_all_is_sorted_and_complete():
    """`__all__` lists exactly what the package offers, sorted as ruff sorts it."""
    offered = {name for name, value in vars(oi).items() if not name.startswith("_") and not inspect.ismodule(value)}
    assert set(oi.__all__) == offered
    assert list(oi.__all__) == sorted(oi.__all__, key=lambda name: (not name.isupper(), not name[0].isupper(), name))


def test_every_public_function_says_what_it_takes():
    """Each public function has a docstring that names each of its parameters."""
    for name in oi.__all__:
        function = getattr(oi, name)
        if not inspect.isfunction(function):
            continue
        said = inspect.getdoc(function) or ""
        unsaid = [parameter for parameter in inspect.signature(function).parameters if f"{parameter}:" not in said]
        assert not unsaid or name in {"audio_output", "current_session"}, (name, unsaid)


def test_the_ten_lines(grpc_receiver, capsys):
    """The ten lines of the README record a session that arrives whole, each part in its place."""

    @oi.tool_call
    def weather(city: str) -> dict:
        return {"city": city, "celsius": 21}

    def llm():
        yield from ["It is ", "21 degrees."]

    oi.configure(service_name="coach", endpoint=grpc_receiver.endpoint)
    with oi.session(user_id="u-1", model="gpt-5", mode="text") as s:
        oi.user_message("Weather in Paris?")
        weather("Paris")
        with oi.assistant_response(model="gpt-5") as answer:
            for chunk in answer.stream(llm()):
                print(chunk)
            answer.set(input_tokens=12, output_tokens=30, finish_reason="stop")
    oi.shutdown()

    assert capsys.readouterr().out == "It is \n21 degrees.\n"
    assert sorted(grpc_receiver.names()) == [
        "assistant_response",
        "session_end",
        "session_start",
        "tool_call weather",
        "user_message",
    ]
    assert {span.trace_id for span in grpc_receiver.spans} == {s.trace_id}
    assert {span.attributes["session.id"] for span in grpc_receiver.spans} == {s.id}
    assert {span.attributes["user.id"] for span in grpc_receiver.spans} == {"u-1"}
    assert {span.resource["service.name"] for span in grpc_receiver.spans} == {"coach"}
    numbers = sorted(span.attributes["interaction.sequence"] for span in grpc_receiver.spans)
    assert numbers == list(range(numbers[0], numbers[0] + 5))
    answer_span = grpc_receiver.wait_for("assistant_response")
    assert answer_span.attributes["gen_ai.response.finish_reasons"] == ["stop"]
    assert answer_span.attributes["gen_ai.output.messages"] == (
        '[{"role":"assistant","parts":[{"type":"text","content":"It is 21 degrees."}],"finish_reason":"stop"}]'
    )
