import { defineFleet, defineTool } from 'flotilla'
import { z } from 'zod'

const eurosPerKilo: Record<string, number> = { Norway: 4.2, Portugal: 3.1 }

const shippingCost = defineTool({
  name: 'shipping_cost',
  description: 'Price in euros of sending a parcel to a country.',
  input: z.object({ country: z.string(), kilos: z.number().positive() }),
  output: z.number(),
  idempotent: true, // safe to repeat: retried on failure, and asked again after a crash
  cacheTtlMs: 60_000,
  run: ({ country, kilos }) => {
    const price = eurosPerKilo[country]
    if (price === undefined)
      throw new Error(`no price for ${country}; there are: ${Object.keys(eurosPerKilo)}`)
    return price * kilos
  },
})

export default defineFleet({
  tools: [shippingCost],
  agents: {
    shipping: {
      mode: 'tools',
      instructions: 'You answer questions about parcels.',
      tools: ['shipping_cost'],
    },
  },
})
