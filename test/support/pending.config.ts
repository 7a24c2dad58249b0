// Agents whose tasks wait when a test kills the fleet: for people, for other tasks, for retries, and with payloads that
// are too large for the log. Each run of a tool is a line of a file.
import { appendFileSync } from 'node:fs'
import { z } from 'zod'
import { defineFleet, defineTool } from '../../runtime/config/define.ts'
import { FlotillaError } from '../../client/index.ts'

const LARGE_CHARS = 600_000

const note = (line: string): void => appendFileSync(process.env['TOOL_RUNS'] as string, `${line}\n`)

const pay = defineTool({
  name: 'pay',
  description: 'Pays.',
  input: z.object({ to: z.string() }),
  requiresApproval: { approvers: { users: ['ann'] } },
  run: ({ to }) => {
    note(`pay ${to}`)
    return `paid ${to}`
  },
})

const tip = defineTool({
  name: 'tip',
  description: 'Pays a little, if somebody says so in time.',
  input: z.object({ to: z.string() }),
  requiresApproval: { approvers: { users: ['ann'] }, expiresMs: 20_000, onExpiry: 'refuse' },
  run: ({ to }) => {
    note(`tip ${to}`)
    return `tipped ${to}`
  },
})

const look = defineTool({
  name: 'look',
  description: 'Out of reach while FAILING is set, and then tried again.',
  input: z.object({ at: z.string() }),
  idempotent: true,
  run: ({ at }) => {
    note(`look ${at}`)
    if (process.env['FAILING']) throw new FlotillaError('TOOL_UNAVAILABLE', 'not there yet')
    return `saw ${at}`
  },
})

const fetchAll = defineTool({
  name: 'fetch_all',
  description: 'Answers more than the log takes.',
  input: z.object({ of: z.string() }),
  maxOutputBytes: 2 * LARGE_CHARS,
  run: ({ of }) => {
    note(`fetch_all ${of}`)
    return `${of} `.padEnd(LARGE_CHARS, '.')
  },
})

const profile = {
  models: ['scripted/any'],
  temperature: 0,
  maxSteps: 4,
  timeoutMs: 600_000,
  executor: 'wasm',
}

export default defineFleet({
  tools: [pay, tip, look, fetchAll],
  agents: {
    lead: { mode: 'tools', tools: [], delegates: ['clerk'] },
    coder: { mode: 'code', tools: [], delegates: ['clerk'] },
    clerk: { mode: 'tools' },
  },
  defaultAgent: 'clerk',
  models: { profiles: { only: profile } },
})
