# OpenAI's own package for Python against a gateway: create, the stream helpers, parse, background, errors.
# Prints one JSON object: what it saw.
import json
import sys

import openai
from pydantic import BaseModel


class Price(BaseModel):
    price: float


def main(base_url: str) -> dict:
    client = openai.OpenAI(base_url=base_url, api_key="none", max_retries=0)
    model = "flotilla/default"
    say = lambda text: [{"role": "user", "content": text}]
    seen = {"models": [each.id for each in client.models.list()]}

    whole = client.chat.completions.create(model=model, messages=say("hello"))
    seen["chat"] = whole.choices[0].message.content

    pieces = client.chat.completions.create(
        model=model, messages=say("hello"), stream=True, stream_options={"include_usage": True}
    )
    chunks = list(pieces)
    seen["streamed"] = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    seen["usage"] = chunks[-1].usage.total_tokens > 0

    with client.chat.completions.stream(model=model, messages=say("hello")) as stream:
        seen["events"] = sorted({event.type for event in stream})
        seen["helper"] = stream.get_final_completion().choices[0].message.content

    parsed = client.chat.completions.parse(model=model, messages=say("price"), response_format=Price)
    seen["parsed"] = parsed.choices[0].message.parsed.price

    response = client.responses.create(model=model, input="hello", instructions="Be brief.")
    seen["response"] = response.output_text
    then = client.responses.create(model=model, input="again", previous_response_id=response.id)
    seen["then"] = then.output_text
    with client.responses.stream(model=model, input="hello") as stream:
        seen["response events"] = [event.type for event in stream if event.type != "response.output_text.delta"]
        seen["response helper"] = stream.get_final_response().output_text
    seen["response parsed"] = client.responses.parse(model=model, input="price", text_format=Price).output_parsed.price

    background = client.responses.create(model=model, input="hello", background=True)
    events = list(client.responses.retrieve(background.id, stream=True, starting_after=0))
    seen["resumed"] = [events[0].sequence_number, events[-1].type]
    seen["background"] = client.responses.retrieve(background.id).status
    slow = client.responses.create(model=model, input="hello latency=60000", background=True)
    seen["cancelled"] = client.responses.cancel(slow.id).status

    for name, call in {
        "unsupported": lambda: client.chat.completions.create(model=model, messages=say("x"), n=2),
        "unknown model": lambda: client.chat.completions.create(model="none", messages=say("x")),
    }.items():
        try:
            call()
        except openai.APIStatusError as error:
            seen[name] = [type(error).__name__, error.status_code, error.code, error.param]
    return seen


print(json.dumps(main(sys.argv[1])))
