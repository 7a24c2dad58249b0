// Fills every default: the task's settings win over its agent's, the agent's over its profile's, the
// profile's over the fleet's.
import { defaultTask } from '../../../runtime/config/defaults.ts'
import type { Json } from '../../../runtime/stage.ts'
import type { TaskAdmitted, TaskSubmitted } from '../../../schemas/generated/events.ts'
import { historyFor, maxCostOf } from './overrides.ts'
import type { Sources } from './sources.ts'

/** The task with everything but its models. */
export function withDefaults(
  task: TaskSubmitted,
  taskId: string,
  submittedAtMs: number,
  { agentName, agent, profileName, profile, fleet }: Sources,
): TaskAdmitted {
  const limits = profile ?? defaultTask
  const timeoutMs = task.timeoutMs ?? limits.timeoutMs
  return {
    taskId,
    text: task.text.trim(),
    userId: task.userId,
    agent: agentName,
    mode: task.mode ?? agent.mode ?? defaultTask.mode,
    profile: profileName,
    models: [],
    modelReason: '',
    temperature: task.temperature ?? limits.temperature,
    maxSteps: task.maxSteps ?? limits.maxSteps,
    timeoutMs,
    deadlineMs: submittedAtMs + timeoutMs,
    maxCost: maxCostOf(task, fleet, agent),
    estimatedTokens: task.estimatedTokens,
    maxOutputTokens: task.maxOutputTokens ?? limits.maxOutputTokens ?? defaultTask.maxOutputTokens,
    executor: limits.executor,
    tools: agent.tools ?? fleet.tools.map((tool) => tool.spec.name),
    toolCacheTtlMs: profile?.toolCacheTtlMs ?? null,
    priority: task.priority ?? defaultTask.priority,
    sessionId: task.sessionId,
    outputSchema: task.outputSchema ?? (agent.outputSchema as Json | undefined) ?? null,
    parent: task.parent,
    submittedAtMs,
    history: historyFor(task, fleet, agent),
  }
}
