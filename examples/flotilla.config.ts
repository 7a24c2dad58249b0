// The fleet of `npm run demo` and of examples/evaluation: data tools on examples/data, and a custom tool.
//   FLOTILLA_CONFIG=examples/flotilla.config.ts npx flotilla run "Which product in products.csv costs most?"
import { fileURLToPath } from 'node:url'
import { defineFleet } from '../runtime/config/define.ts'
import { queryTable, readJson } from '../services/tool-executor/tools/index.ts'
import { warehouseStock } from './tools.ts'

const directory = fileURLToPath(new URL('./data', import.meta.url))

export default defineFleet({
  tools: [queryTable({ directory }), readJson({ directory }), warehouseStock],
  overrides: { mode: true, model: true },
  agents: {
    default: { mode: 'code' },
    tools: { mode: 'tools' },
    // Two specialists, and one that asks them: docs/delegation.md.
    lead: { mode: 'tools', tools: [], delegates: ['sales', 'stock'] },
    sales: { mode: 'tools', tools: ['query_table'], description: 'Knows the orders.' },
    stock: { mode: 'tools', tools: ['query_table', 'warehouse_stock'], description: 'Knows the warehouse.' },
    // Grades answers of evaluations: without tools, so that what it reads can make it call none.
    judge: { mode: 'tools', tools: [] },
  },
})
