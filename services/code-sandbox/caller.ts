// Makes the stage's calls on the executors of this process.
import { FlotillaError } from '../../runtime/errors.ts'
import type { Caller } from '../../runtime/stage.ts'
import type { CodeCall, DiscardCall } from './calls.ts'
import type { Executor } from './executors/port.ts'

/** `executors` by name. */
export function createCallers(executors: ReadonlyMap<string, Executor>): Readonly<Record<string, Caller>> {
  const code = (call: CodeCall, { signal }: { signal: AbortSignal }) => {
    const executor = executors.get(call.executor)
    if (!executor) throw notConfigured(call.executor, [...executors.keys()])
    const options = { tools: call.tools, limits: call.limits, signal }
    return call.step
      ? executor.run(call.session, call.step, options)
      : executor.resume(call.session, call.results, options)
  }
  const discard = async ({ sessionId }: DiscardCall) => {
    for (const executor of executors.values()) await executor.discard(sessionId)
  }
  return {
    code: async (call: CodeCall, context) => await code(call, context),
    discard: async (call: DiscardCall) => await discard(call),
  }
}

function notConfigured(name: string, known: readonly string[]): FlotillaError {
  return new FlotillaError(
    'EXECUTOR_NOT_CONFIGURED',
    `code executor '${name}' is not available here; available: ${known.join(', ')}`,
  )
}
