// The fleet of `npm run demo`: data tools on examples/data, and a custom tool.
//   FLOTILLA_CONFIG=examples/flotilla.config.ts npx flotilla run "Which product in products.csv costs most?"
import { fileURLToPath } from 'node:url'
import { defineFleet } from '../runtime/config/define.ts'
import { queryTable, readJson } from '../services/tool-executor/tools/index.ts'
import { warehouseStock } from './tools.ts'

const directory = fileURLToPath(new URL('./data', import.meta.url))

export default defineFleet({
  tools: [queryTable({ directory }), readJson({ directory }), warehouseStock],
})
