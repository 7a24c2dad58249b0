// A custom tool, as users write them. It stands for a service that fails now and then: here always for K-200.
import { z } from 'zod'
import { defineTool } from '../runtime/config/define.ts'

const shelves: Readonly<Record<string, number>> = { 'K-100': 112, 'K-300': 31, 'K-400': 198, 'K-500': 49 }

export const warehouseStock = defineTool({
  name: 'warehouse_stock',
  description: 'Pieces of a product in the warehouse now (a demonstration: it does not answer for K-200).',
  input: z.object({ product: z.string().describe('product number, for example K-100') }),
  output: z.object({ product: z.string(), pieces: z.int() }),
  idempotent: true,
  retries: 0,
  run: ({ product }) => {
    const pieces = shelves[product]
    if (pieces === undefined)
      throw new Error(`the warehouse does not answer for ${product}: its scanner is offline`)
    return { product, pieces }
  },
})
