// A session of Python under test: requests, replies of tools, and what an executor answers.
import { completeAlerts } from '../../../runtime/config/alerts.ts'
import { defaultLimits } from '../../../runtime/config/defaults.ts'
import { defaultTiers } from '../../../runtime/models/strategies.ts'
import type { Fleet, Tool } from '../../../runtime/config/fleet.ts'
import type { CodeRequested, ToolCompleted } from '../../../schemas/generated/events.ts'
import { drive, type StageDriver } from '../../../runtime/testing/stage-driver.ts'
import type { CodeCall } from '../../../services/code-sandbox/call.ts'
import type { Finished, Paused, PendingCall } from '../../../services/code-sandbox/executors/port.ts'
import { createCodeSandboxStage } from '../../../services/code-sandbox/stage.ts'

export const NOW = 1_750_000_000_000
const searchTool: Tool = {
  spec: {
    name: 'search',
    description: 'Finds pages.',
    input: { type: 'object', properties: { query: { type: 'string' } }, required: ['query'] },
    output: null,
    timeoutMs: 1_000,
    cacheTtlMs: 0,
    idempotent: true,
    requiresApproval: false,
    retries: 0,
    maxOutputBytes: 1_000,
  },
  run: () => Promise.resolve('never'),
}
export const fleet: Fleet = {
  agents: {},
  tools: [searchTool],
  models: {
    default: null,
    strategy: null,
    tiers: defaultTiers,
    profiles: {},
    providers: {},
    prices: [],
    sizes: [],
  },
  limits: { ...defaultLimits, codeMemoryMb: 256 },
  metering: { retentionDays: 400 },
  alerts: completeAlerts({}),
  executors: ['wasm'],
}

export function driver(): StageDriver {
  return drive(createCodeSandboxStage(fleet), { now: NOW })
}

export function request(step: number, code = `x = ${step}`): CodeRequested {
  return {
    taskId: 't',
    requestId: `t.${step}`,
    step,
    code,
    executor: 'default',
    tools: ['search', 'unheard_of'],
    toolCacheTtlMs: 7,
    agent: 'finder',
    userId: 'u',
    timeoutMs: 30_000,
    deadlineMs: NOW + 600_000,
    toolPolicy: null,
    policyTools: null,
    recording: null,
    prior: null,
    keepLog: false,
    delegation: null,
  }
}

export function reply(callId: string, more: Partial<ToolCompleted> = {}): ToolCompleted {
  return {
    taskId: 't',
    callId,
    tool: 'search',
    requester: 'code-sandbox',
    step: 1,
    status: 'succeeded',
    output: `result of ${callId}`,
    error: null,
    startedAtMs: NOW,
    durationMs: 12,
    cached: false,
    approval: null,
    child: null,
    ...more,
  }
}

const call = (seq: number): PendingCall => ({
  seq,
  name: 'search',
  arguments: { query: `q${seq}` },
  argsHash: `h${seq}`,
})
export const paused = (...seqs: number[]): Paused => ({
  status: 'paused',
  calls: seqs.map(call),
  computeMs: 5,
})
export const done = (more: Partial<Finished> = {}): Finished => ({
  status: 'finished',
  value: 42,
  isFinal: false,
  finalAnswer: null,
  prints: 'printed\n',
  error: null,
  outputHash: 'out',
  lost: 'nothing',
  computeMs: 9,
  ...more,
})

export const pending = (d: StageDriver) => d.pendingCall?.request as CodeCall
export const kinds = (d: StageDriver) => pending(d).session.log.map((entry) => `${entry.kind}${entry.n}`)
