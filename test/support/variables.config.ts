// A fleet whose sessions keep Python variables. Once the file TOOL_GONE is there, `lookup` is no tool any more: Python
// that called it does not come out as before.
import { existsSync } from 'node:fs'
import { defineFleet } from '../../runtime/config/define.ts'
import fleet from './fleet.config.ts'

const isGone = existsSync(process.env['TOOL_GONE'] ?? '')

export default defineFleet({
  ...fleet,
  tools: fleet.tools?.filter(({ spec }) => !(isGone && spec.name === 'lookup')) ?? [],
  agents: {
    default: { mode: 'code' },
    plain: { mode: 'code', keepVariables: false },
    other: { mode: 'code' },
  },
  sessions: { keepVariables: true, variablesChars: 4_000 },
})
