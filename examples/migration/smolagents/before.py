import os, sys
from smolagents import OpenAIServerModel, ToolCallingAgent, tool

@tool
def shipping_cost(country: str, kilos: float) -> float:
    """Price in euros of sending a parcel to a country.

    Args:
        country: The country, in English.
        kilos: Weight of the parcel.
    """
    return round({"Norway": 4.2, "Portugal": 3.1}[country] * kilos, 2)

model = OpenAIServerModel(
    model_id=os.environ.get("OPENAI_MODEL", "gpt-4o-mini"),
    api_base=os.environ.get("OPENAI_BASE_URL"),
    api_key=os.environ["OPENAI_API_KEY"],
)
agent = ToolCallingAgent(tools=[shipping_cost], model=model, max_steps=10, verbosity_level=0)
print(agent.run(sys.argv[1]))
