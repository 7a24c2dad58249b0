// The fleet as the MCP server sees it, on behalf of one client. The gateway has it on the log (gateway-fleet.ts);
// `flotilla mcp` through a client (client-fleet.ts).
import type { AgentTool } from '../../../api/agents.ts'
import type { Scope } from '../../../api/scopes.ts'
import type { ApprovalInput, StreamedEvent, TaskInput, TaskResult } from '../../../client/types.ts'
import type { TaskDetail } from '../../../operator/index.ts'

export type TaskState = Pick<
  TaskDetail,
  'taskId' | 'status' | 'phase' | 'detail' | 'step' | 'sinceMs' | 'submittedAtMs' | 'agent' | 'textHash'
> & { readonly events: TaskDetail['events'] }

export interface McpFleet {
  /** The agents that the client may use, in the order of the configuration. */
  tools(): Promise<readonly AgentTool[]>
  /** Resolves with its id when the task is durable. With a `taskId` that was submitted before, nothing runs again. */
  submit(task: TaskInput & { readonly agent: string }): Promise<string>
  /** Counts a request that waits for the task; what it returns ends that, and says whether no other waits. */
  hold(taskId: string): () => boolean
  /** What happens to a task, from its beginning to its result. */
  events(taskId: string): AsyncIterable<StreamedEvent> & AsyncDisposable
  /** Null: there is none yet. */
  find(taskId: string): Promise<TaskResult | null>
  /** Rejects with TASK_UNKNOWN, also for tasks that the client may not read. */
  state(taskId: string): Promise<TaskState>
  cancel(taskId: string, reason: string): Promise<void>
  /** Rejects with FORBIDDEN for a client without the scope approvals:decide. */
  decide(decision: ApprovalInput): Promise<void>
  /** Whether the client has the scope. */
  may(scope: Scope): boolean
}
