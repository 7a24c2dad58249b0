import { defineFleet } from 'flotilla'
import { httpTool } from 'flotilla/tools'

const address = process.env['TOOLS_URL'] ?? 'http://127.0.0.1:8100'

// A function: the key is read for each call, and never shown in logs.
const headers = () => ({ authorization: `Bearer ${process.env['TOOLS_KEY'] ?? ''}` })

const parcel = {
  type: 'object',
  properties: { country: { type: 'string' }, kilos: { type: 'number', exclusiveMinimum: 0 } },
  required: ['country', 'kilos'],
}

const shippingCost = httpTool({
  name: 'shipping_cost',
  description: 'Price in euros of sending a parcel to a country.',
  url: `${address}/shipping_cost`,
  headers,
  input: parcel,
  output: { type: 'number' },
  // It changes nothing: retried when the server fails, and asked again after a crash.
  idempotent: true,
  cacheTtlMs: 60_000,
})

const bookParcel = httpTool({
  name: 'book_parcel',
  description: 'Books a parcel to a country, and charges for it.',
  url: `${address}/book_parcel`,
  headers,
  input: parcel,
  output: {
    type: 'object',
    properties: { parcel: { type: 'string' }, euros: { type: 'number' } },
    required: ['parcel', 'euros'],
  },
  // The server knows a repeated call by its Idempotency-Key, so that it books once. Without that, leave this out: the
  // call is then never made twice, and after a crash the model is told that its outcome is unknown.
  idempotent: true,
})

export default defineFleet({
  tools: [shippingCost, bookParcel],
  agents: {
    clerk: {
      mode: 'tools',
      instructions: 'Answer in one sentence, with the price in euros.',
      tools: ['shipping_cost', 'book_parcel'],
    },
  },
})
