// How large the prompt of a step is, and when that is too large. Sizes are bytes of text; tokens are estimated
// from them by what the model's last answer reported.
import { jsonBytes } from '../../../runtime/json/written.ts'
import type { Fleet } from '../../../runtime/config/fleet.ts'
import { defaultCompaction, type Compaction } from '../../../runtime/config/long-tasks.ts'
import { sizeOf } from '../../../runtime/models/sizes.ts'
import type { Message, ModelReply, ModelRequest, ModelTool } from '../call.ts'
import { wholeConversation, currentModel, type Compacted, type Situation } from '../rows.ts'

export type Policy = Required<Pick<Compaction, 'strategy' | 'at' | 'keepRecent'>> & {
  readonly atTokens: number
}

export function policyOf(from: Situation, { agents, compaction }: Fleet): Policy {
  const own = agents[from.task.agent]?.compaction
  return { atTokens: Infinity, ...defaultCompaction, ...compaction, ...own }
}

/** Roles and separators of a message. */
const FRAME_BYTES = 24

function messageBytes(message: Message): number {
  const calls = message.role === 'assistant' ? (message.tool_calls ?? []) : []
  const asked = calls.reduce((sum, call) => sum + Buffer.byteLength(call.function.arguments) + FRAME_BYTES, 0)
  return Buffer.byteLength(message.content ?? '') + asked + FRAME_BYTES
}

export const messagesBytes = (messages: readonly Message[]): number =>
  messages.reduce((sum, message) => sum + messageBytes(message), 0)

export function promptBytes(messages: readonly Message[], tools: readonly ModelTool[]): number {
  return messagesBytes(messages) + (tools.length > 0 ? jsonBytes(tools) : 0)
}

export const compactedOf = ({ run }: Pick<Situation, 'run'>): Compacted => run.compacted ?? wholeConversation

/** Prompts so short that roles and separators make up most of them tell nothing. */
const LEAST_BYTES = 1_000

/** The figures after an answer: most tokenizers make between 0.1 and 1 tokens of a byte. */
export function learnt(from: Situation, request: ModelRequest, reply: ModelReply): Compacted {
  const compacted = compactedOf(from)
  const bytes = promptBytes(request.messages, request.tools ?? [])
  if (reply.usageIsEstimate || reply.inputTokens <= 0 || bytes < LEAST_BYTES) return compacted
  const tokensPerByte = Math.min(1, Math.max(0.1, reply.inputTokens / bytes))
  return { ...compacted, tokensPerByte }
}

/** Tokens of a prompt beyond which the policy compacts it; null if nothing says so. */
export function limitTokens(from: Situation, policy: Policy, fleet: Pick<Fleet, 'models'>): number | null {
  const model = currentModel(from)
  const { contextTokens } = sizeOf(model, fleet.models.sizes)
  const refusedAt = compactedOf(from).refusedAt[model]
  const most = Math.min(
    policy.atTokens,
    contextTokens === null ? Infinity : contextTokens * policy.at,
    refusedAt === undefined ? Infinity : refusedAt * policy.at,
  )
  return Number.isFinite(most) ? Math.floor(most) : null
}
