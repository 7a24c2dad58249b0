// Makes the calls that a tool's definition answers besides its run: whether arguments need a person, and
// whether a call in doubt took effect.
import { performance } from 'node:perf_hooks'
import type { Reconciled } from '../../runtime/config/approvals.ts'
import type { Fleet } from '../../runtime/config/fleet.ts'
import { FlotillaError, messageOf } from '../../runtime/errors.ts'
import type { CallContext } from '../../runtime/stage.ts'
import type { ReconcileCall, RuleCall } from './call.ts'
import { jsonOutput } from './output.ts'

/** A rule that blocks its process for longer counts as one that could not say. */
const SLOW_MS = 1_000

export function createPeopleCallers({ tools }: Pick<Fleet, 'tools'>) {
  const installed = new Map(tools.map((tool) => [tool.spec.name, tool]))
  return {
    rule: async ({ tool, arguments: args }: RuleCall): Promise<boolean> => {
      const rule = installed.get(tool)?.needsApproval
      if (!rule) return true
      const began = performance.now()
      // A copy: what is approved is what was asked for.
      const needed: unknown = await ofUser(`rule of ${tool}`, () => rule(structuredClone(args)))
      if (typeof needed !== 'boolean' || performance.now() - began > SLOW_MS) return true
      return needed
    },
    reconcile: async (request: ReconcileCall, context: CallContext): Promise<Reconciled> => {
      const found = installed.get(request.tool)
      const reconcile = found?.reconcile
      if (!reconcile) return null
      const { taskId, userId, agent, idempotencyKey } = request
      const { signal, traceparent } = context
      const known = { signal, taskId, userId, agent, idempotencyKey, traceparent }
      const answer: unknown = await ofUser(`reconcile of ${request.tool}`, () =>
        reconcile(structuredClone(request.arguments), known),
      )
      return checked(request.tool, answer, found.spec.maxOutputBytes)
    },
  }
}

/** Users' code may throw anything. */
async function ofUser<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    if (cause instanceof FlotillaError) throw cause
    throw new FlotillaError('TOOL_FAILED', `${what} failed: ${messageOf(cause)}`, { cause })
  }
}

/** Users' code may return anything. */
function checked(tool: string, answer: unknown, maxBytes: number): Reconciled {
  if (answer === null || answer === undefined) return null
  const { tookEffect, output } = answer as { tookEffect?: unknown; output?: unknown }
  if (tookEffect === false) return { tookEffect }
  if (tookEffect === true) return { tookEffect, output: jsonOutput(tool, output ?? null, maxBytes).output }
  throw new FlotillaError(
    'TOOL_OUTPUT_INVALID',
    `reconcile of ${tool} must return { tookEffect: true, output }, { tookEffect: false } or null`,
  )
}
