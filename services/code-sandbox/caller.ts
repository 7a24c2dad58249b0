// Makes the stage's calls on the executors of this process.
import type { Caller } from '../../runtime/stage.ts'
import type { CodeCall, DiscardCall } from './call.ts'
import type { Executors } from './executors/open.ts'

export function createCallers(executors: Executors): Readonly<Record<string, Caller>> {
  return {
    code: async (call: CodeCall, { signal }: { signal: AbortSignal }) => {
      const executor = await executors.get(call.executor)
      const options = { tools: call.tools, limits: call.limits, signal, user: call.userId }
      return call.step
        ? await executor.run(call.session, call.step, options)
        : await executor.resume(call.session, call.results, options)
    },
    discard: async ({ sessionId }: DiscardCall) => {
      for (const executor of await executors.used()) await executor.discard(sessionId)
    },
  }
}
