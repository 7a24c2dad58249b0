import { defineTool } from 'flotilla'

const eurosPerKilo: Readonly<Record<string, number>> = { Norway: 4.2, Portugal: 3.1 }

/** Euros, to the cent. */
export function priceOf({ country, kilos }: { country: string; kilos: number }): number {
  const price = eurosPerKilo[country]
  if (price === undefined)
    throw new Error(`no price for ${country}; there are: ${Object.keys(eurosPerKilo).join(', ')}`)
  return Math.round(100 * price * kilos) / 100
}

export const shippingCost = defineTool<{ country: string; kilos: number }, number>({
  name: 'shipping_cost',
  description: 'Price in euros of sending a parcel to a country.',
  // A JSON Schema, or an object of zod (npm install zod).
  input: {
    type: 'object',
    properties: { country: { type: 'string' }, kilos: { type: 'number', exclusiveMinimum: 0 } },
    required: ['country', 'kilos'],
  },
  output: { type: 'number' },
  // Safe to repeat: retried after a failure, and called again after a crash.
  idempotent: true,
  run: priceOf,
})
