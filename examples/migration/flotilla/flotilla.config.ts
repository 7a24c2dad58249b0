import { defineFleet, defineTool, type AgentDefinition } from 'flotilla'

const eurosPerKilo: Readonly<Record<string, number>> = { Norway: 4.2, Portugal: 3.1 }

const shippingCost = defineTool<{ country: string; kilos: number }, number>({
  name: 'shipping_cost',
  description: 'Price in euros of sending a parcel to a country.',
  input: {
    type: 'object',
    properties: { country: { type: 'string' }, kilos: { type: 'number' } },
    required: ['country', 'kilos'],
  },
  output: { type: 'number' },
  // It changes nothing, so it may be called again after a crash.
  idempotent: true,
  run: ({ country, kilos }) => {
    const price = eurosPerKilo[country]
    if (price === undefined) throw new Error(`no price for ${country}`)
    return Math.round(100 * price * kilos) / 100
  },
})

const clerk: AgentDefinition = {
  mode: 'tools',
  instructions: 'Answer in one sentence, with the price in euros.',
  tools: ['shipping_cost'],
}

export default defineFleet({ agents: { clerk }, tools: [shippingCost] })
