// Fills every default: the task's settings win over its agent's, the agent's over its profile's, the
// profile's over the fleet's.
import { defaultTask } from '../../../runtime/config/defaults.ts'
import { toolNamesOf } from '../../../runtime/config/delegates.ts'
import { withNumberBounds } from '../../../runtime/config/json-schema/number-bounds.ts'
import type { Json } from '../../../runtime/stage.ts'
import type { TaskAdmitted, TaskSubmitted } from '../../../schemas/generated/events.ts'
import type { ToolPolicy } from '../../../runtime/task/recording.ts'
import { historyFor, maxCostOf } from './overrides.ts'
import type { Submitted } from './delegated.ts'
import type { Sources } from './sources.ts'

/** The task with everything but its models. */
export function withDefaults(
  task: Submitted,
  taskId: string,
  submittedAtMs: number,
  { agentName, agent, profileName, profile, fleet }: Sources,
): TaskAdmitted {
  const limits = profile ?? defaultTask
  const own = task.timeoutMs ?? limits.timeoutMs
  // A delegated task has no more time than the one that waits for it.
  const timeoutMs = task.asked ? Math.min(own, Math.max(0, task.asked.deadlineMs - submittedAtMs)) : own
  const tools = toolNamesOf(fleet, agentName)
  const toolPolicy = policyOf(task)
  const isLive = toolPolicy === null || toolPolicy === 'live'
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
    tools: isLive ? tools : [],
    policyTools: isLive ? null : tools,
    toolCacheTtlMs: profile?.toolCacheTtlMs ?? null,
    priority: task.priority ?? defaultTask.priority,
    sessionId: task.sessionId,
    outputSchema: withNumberBounds(task.outputSchema) ?? (agent.outputSchema as Json | undefined) ?? null,
    parent: task.parent,
    submittedAtMs,
    history: historyFor(task, fleet, agent),
    forkedFrom: task.forkedFrom,
    forkedFromStep: task.forkedFrom === null ? null : (task.forkedFromStep ?? 1),
    toolPolicy,
    instructions: task.instructions,
    recording: task.recording,
    askedBy: task.asked?.by ?? null,
    variables: null,
  }
}

/** A task that brings a recording must not touch anything that the recorded one has touched, unless it says so. */
function policyOf({ toolPolicy, forkedFrom, recording }: TaskSubmitted): ToolPolicy | null {
  return toolPolicy ?? (forkedFrom !== null || recording !== null ? 'recorded' : null)
}
