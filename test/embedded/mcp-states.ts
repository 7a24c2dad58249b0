import type { Scope } from '../../api/scopes.ts'
import { openParts, directTasks } from '../../operator/direct/index.ts'
import { readEnvironment } from '../../runtime/config/environment.ts'
import { completeFleet } from '../../runtime/config/load.ts'
import { waitingCalls } from '../../services/gateway/mcp/waiting.ts'
import type { TestFleet } from '../support/fleet.ts'

const submitter: readonly Scope[] = ['tasks:submit', 'tasks:read', 'tasks:cancel']

export const taskStates = {
  submitter,
  decider: [...submitter, 'approvals:decide'] as readonly Scope[],

  /** Ids of the calls of a task that wait for a person; none if there is no such task. */
  async waiting({ process: { log, codec, stores } }: TestFleet, taskId: string): Promise<string[]> {
    const environment = readEnvironment({})
    const fleet = completeFleet({}, environment, 'test')
    const tasks = await directTasks(openParts({ log, codec, ...stores, environment, fleet }))
    const events = await tasks.get(taskId).then(
      (found) => found.events,
      () => [],
    )
    return waitingCalls(events).map(({ callId }) => callId)
  },
}
