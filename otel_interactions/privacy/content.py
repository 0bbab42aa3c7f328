"""Which attributes of other instrumentations hold what was said, in every dialect: where content is not to be captured.

Sources: OpenTelemetry's GenAI conventions (today's and those up to 1.36), OpenInference, OpenLLMetry, Logfire,
Langfuse, Vercel's AI SDK, OpenLIT, Google ADK, LiveKit, Pipecat.
"""

from __future__ import annotations

import re
from typing import Final

CONTENT: Final = re.compile(
    "|".join(  # noqa: FLY002  one a line
        (
            r"gen_ai\.(?:input|output)\.messages",
            r"gen_ai\.system_instructions",
            r"gen_ai\.tool\.(?:definitions|call\.(?:arguments|result))",
            r"gen_ai\.(?:prompt|completion|tool\.message|system\.message|user\.message|assistant\.message|choice)(?:\..*)?",
            r"gen_ai\.(?:event\.content|evaluation\.explanation)",
            r"gen_ai\.(?:content|request\.messages|response\.(?:text|message))(?:\..*)?",
            r"gen_ai\.retrieval\.(?:documents|query\.text)",
            r"llm\.(?:input_messages|output_messages|prompts|completions|prompt_template|tools)(?:\..*)?",
            r"llm\.(?:request|response)\.(?:messages|content)(?:\..*)?",
            r"(?:input|output)\.value",
            r"(?:retrieval|reranker|embedding)\.(?:documents|embeddings|query|input_documents|output_documents)(?:\..*)?",
            r"(?:tool|message)\.(?:parameters|content|contents|tool_calls)(?:\..*)?",
            r"traceloop\.entity\.(?:input|output)",
            r"langfuse\.(?:trace|observation)\.(?:input|output)",
            r"ai\.(?:prompt|response\.(?:text|object|toolCalls|reasoning)|toolCall\.(?:args|result)|values?)(?:\..*)?",
            r"(?:prompt|all_messages_events|pydantic_ai\.all_messages|final_result|events|request_data|response_data)",
            r"tool_(?:arguments|response)",
            r"gcp\.vertex\.agent\.(?:llm_request|llm_response|tool_call_args|tool_response|data)",
            r"lk\.(?:user_input|user_transcript|response\.text|chat_ctx|function_tool\.(?:arguments|output)|input_text)",
            r"(?:stt|tts|llm)\.(?:transcript|text|output|input)",
        )
    )
)
"""Names of attributes that are left out, whole."""


def is_content(name: str) -> bool:
    """Tell whether an attribute of this name holds what was said."""
    return CONTENT.fullmatch(name) is not None
