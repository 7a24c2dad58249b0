import os, sys
from agents import Agent, Runner, function_tool, set_default_openai_api, set_tracing_disabled

set_default_openai_api("chat_completions")
set_tracing_disabled(True)

@function_tool
def shipping_cost(country: str, kilos: float) -> float:
    """Price in euros of sending a parcel to a country."""
    return round({"Norway": 4.2, "Portugal": 3.1}[country] * kilos, 2)

agent = Agent(
    name="clerk",
    instructions="Answer in one sentence, with the price in euros.",
    model=os.environ.get("OPENAI_MODEL", "gpt-4o-mini"),
    tools=[shipping_cost],
)
print(Runner.run_sync(agent, sys.argv[1], max_turns=10).final_output)
