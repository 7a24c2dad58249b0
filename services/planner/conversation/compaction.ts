// Makes a conversation shorter that nears the model's context, or that the model has refused as too long.
//
// 1. In order, until the prompt fits: outputs of older steps are cut; older steps are replaced by a summary of
//    the model's, or by a line each; after a refusal the outputs of the newest steps are cut, too.
// 2. The opening (instructions, history, the task's text) and the newest steps stay. A step goes as a whole, so
//    that no call loses its reply.
// 3. The policy compacts once a step and model, and a refusal once more: nothing here repeats without end.
// 4. The rows of what is left out are deleted, and the row of the last step that goes has its replacement: the
//    rows are the conversation as the model sees it. What happened stays in the task's history and its steps.
// 5. A summary is data from a model that has read data of others: it is bounded, marked, and taken only if it
//    is shorter than what it replaces. Else a line for each step takes its place.
// 6. A summary costs what every model call does: the task's usage, limits and maxCost count it.
import type { Fleet } from '../../../runtime/config/fleet.ts'
import { merge } from '../../../runtime/decisions.ts'
import type { CallFailure, CallOutcome } from '../../../runtime/stage.ts'
import type { Message, ModelReply, ModelRequest } from '../call.ts'
import { cutOutputs, leftOut, replaceSteps, stepBytes, summaryOf, transcriptOf } from './compacted-rows.ts'
import { compactedOf, limitTokens, policyOf, promptBytes, type Policy } from './context-size.ts'
import { progressEvent } from '../events.ts'
import { askForSummary, summaryPrompt } from '../prompts/compaction.ts'
import {
  change,
  conversation,
  currentModel,
  type Changes,
  type Compacted,
  type RowChanges,
  type Situation,
} from '../rows.ts'
import type { ToolBook } from '../tools/catalogue.ts'

export type Compaction =
  | { readonly do: 'nothing' }
  /** These changes come before the model call. */
  | { readonly do: 'change'; readonly to: Situation; readonly changes: Changes }
  | { readonly do: 'summarise'; readonly request: ModelRequest }

/** Share of the limit that the newest steps may take. */
const RECENT_SHARE = 0.5
/** Cutting outputs is enough if it brings the prompt below this share of the limit. */
const RELIEF_SHARE = 0.75
/** Older steps that take less than this share of the limit are not worth a call. */
const LEAST_SHARE = 0.1
/** Share of the limit for the text of which a summary is made, and for the summary. */
const TRANSCRIPT_SHARE = 0.7
const SUMMARY_SHARE = 0.1
const MOST_SUMMARY_TOKENS = 2_000
const LEAST_SUMMARY_TOKENS = 200
/** Longest output of an older step that is kept, and of a newest one after a refusal. Characters. */
const STUB_CHARS = 400
const LEAST_RECENT_CHARS = 200

/** What a compaction is measured by. */
interface Sizes {
  readonly policy: Policy
  readonly compacted: Compacted
  /** Tokens of the prompt now, and those that it is to have at most. */
  readonly tokens: number
  readonly limit: number
  /** The model refused the prompt. */
  readonly isSqueezed: boolean
  /** Older steps: from `compacted.from` through this one. */
  readonly through: number
}

export function compact(from: Situation, book: ToolBook, fleet: Fleet): Compaction {
  const sizes = sizesOf(from, book, fleet)
  if (sizes === null) return { do: 'nothing' }
  const { policy, compacted, limit, isSqueezed, through } = sizes
  const oldTokens = toTokens(stepBytes(from.rows, compacted.from, through), compacted)
  const hasOld = through >= compacted.from && (isSqueezed || oldTokens >= limit * LEAST_SHARE)
  if (!hasOld) return isSqueezed ? cutRecent(from, sizes) : { do: 'nothing' }
  const cut = cutOutputs(from.rows, Math.max(compacted.from, compacted.trimmed + 1), through, STUB_CHARS)
  const saved = toTokens(cut.bytes, compacted)
  if (saved > 0 && sizes.tokens - saved <= limit * RELIEF_SHARE)
    return changed(from, sizes, cut.rows, { how: 'trimmed', saved, through }, { trimmed: through })
  if (policy.strategy === 'summarise') return { do: 'summarise', request: summaryRequest(from, sizes) }
  return replaced(from, sizes, through, null)
}

/** Null: the prompt is not too long, or nothing more is to be done about it. */
function sizesOf(from: Situation, book: ToolBook, fleet: Fleet): Sizes | null {
  const policy = policyOf(from, fleet)
  if (policy.strategy === 'off' || from.run.step === 1) return null
  const compacted = compactedOf(from)
  const limit = compacted.squeezeTo ?? limitTokens(from, policy, fleet)
  const isSqueezed = compacted.squeezeTo !== null
  if (limit === null || (!isSqueezed && compacted.done === turnOf(from))) return null
  const tools = from.task.mode === 'tools' ? book.forModel(from.task) : []
  const tokens = toTokens(promptBytes(conversation(from), tools), compacted)
  if (tokens <= limit) return null
  return { policy, compacted, tokens, limit, isSqueezed, through: oldThrough(from, policy, limit) }
}

/** One compaction of each kind for each step and model. */
const turnOf = (from: Situation): string => `${from.run.step} ${currentModel(from)}`

const toTokens = (bytes: number, { tokensPerByte }: Compacted): number => Math.ceil(bytes * tokensPerByte)

/** The last step that is not one of the newest. The newest one always stays. */
function oldThrough(from: Situation, { keepRecent }: Policy, limit: number): number {
  const compacted = compactedOf(from)
  let kept = 0
  let step = from.run.step - 1
  for (; step >= compacted.from && from.run.step - 1 - step < keepRecent; step--) {
    kept += toTokens(stepBytes(from.rows, step, step), compacted)
    if (kept > limit * RECENT_SHARE && step < from.run.step - 1) break
  }
  return step
}

function summaryRequest(from: Situation, { compacted, limit, through }: Sizes): ModelRequest {
  const { task, run, rows } = from
  const summaryTokens = Math.floor(
    Math.min(
      MOST_SUMMARY_TOKENS,
      task.maxOutputTokens,
      Math.max(LEAST_SUMMARY_TOKENS, limit * SUMMARY_SHARE),
    ),
  )
  const toChars = (tokens: number) => Math.floor(tokens / compacted.tokensPerByte)
  const transcript = transcriptOf(rows, compacted.from, through, toChars(limit * TRANSCRIPT_SHARE))
  const messages: Message[] = [
    { role: 'system', content: summaryPrompt },
    { role: 'user', content: askForSummary(task.text, transcript, toChars(summaryTokens)) },
  ]
  return {
    model: currentModel(from),
    messages,
    temperature: task.temperature,
    maxOutputTokens: summaryTokens,
    stream: false,
    userId: task.userId,
    step: run.step,
    summarises: { fromStep: compacted.from, throughStep: through },
  }
}

/** The answer to a summary's request. */
export function takeSummary(
  from: Situation,
  request: ModelRequest,
  outcome: CallOutcome & { ok: true },
  cost: number,
  book: ToolBook,
  fleet: Fleet,
): Changes {
  const { text, inputTokens, outputTokens } = outcome.value as ModelReply
  const durationMs = outcome.endedMs - outcome.startedMs
  const spent = { inputTokens, outputTokens, cost, durationMs }
  return concludeSummary(from, request, { text, spent }, book, fleet)
}

/** Failures that another try, or a wait, would not help: the steps are left out instead. */
const hopeless = new Set([
  'MODEL_CONTEXT_TOO_LONG',
  'MODEL_REQUEST_REFUSED',
  'MODEL_CONTENT_FILTERED',
  'MODEL_ANSWER_MALFORMED',
])

/** Null: the failure is that of any model call. */
export function withoutSummary(
  from: Situation,
  request: ModelRequest,
  { code, message }: CallFailure,
  book: ToolBook,
  fleet: Fleet,
): Changes | null {
  if (!hopeless.has(code)) return null
  return concludeSummary(from, request, { text: null, why: `${code}: ${message}` }, book, fleet)
}

interface Summary {
  readonly text: string | null
  readonly why?: string
  readonly spent?: { inputTokens: number; outputTokens: number; cost: number; durationMs: number }
}

function concludeSummary(
  from: Situation,
  { summarises }: ModelRequest,
  { text, why, spent = undefined }: Summary,
  book: ToolBook,
  fleet: Fleet,
): Changes {
  const sizes = sizesOf(from, book, fleet)
  const timers = { turn: from.atMs }
  if (sizes === null || summarises === undefined) return { timers }
  const isUntrusted = book.isUntrusted(null, from.task)
  const { throughStep } = summarises
  const mostChars = Math.floor((sizes.limit * SUMMARY_SHARE * 2) / sizes.compacted.tokensPerByte)
  const replacement =
    text === null
      ? { why: why ?? '' }
      : summaryOf(text, { rows: from.rows, from: sizes.compacted.from, throughStep, isUntrusted, mostChars })
  const { changes } = replaced(from, sizes, throughStep, { ...replacement, ...(spent && { spent }) })
  return merge(changes, { timers })
}

interface Replacement {
  readonly note?: string
  readonly summary?: string
  /** Why there is no summary. */
  readonly why?: string
  readonly spent?: Summary['spent']
}

/** Replaces the older steps by a summary, or by a line each. */
function replaced(from: Situation, sizes: Sizes, through: number, given: Replacement | null) {
  const { compacted } = sizes
  const { note, summary, why, spent } = given ?? {}
  const text = note ?? leftOut(from.rows, compacted.from, through)
  const { rows, bytes } = replaceSteps(from.rows, compacted.from, through, text)
  const how = note === undefined ? ('left_out' as const) : ('summarised' as const)
  const saved = toTokens(bytes, compacted)
  const facts = { how, saved, through, ...(summary && { summary }), ...(why && { reason: why }), ...spent }
  return changed(from, sizes, rows, facts, { from: through + 1, trimmed: through })
}

/** Cuts the outputs of the newest steps so far that they fit. */
function cutRecent(from: Situation, sizes: Sizes): Compaction {
  const { compacted, tokens, limit } = sizes
  const [first, last] = [compacted.from, from.run.step - 1]
  const mostTokens = Math.max(0, limit - (tokens - toTokens(stepBytes(from.rows, first, last), compacted)))
  const messages = Math.max(1, conversation(from).length)
  const chars = Math.max(LEAST_RECENT_CHARS, Math.floor(mostTokens / compacted.tokensPerByte / messages))
  const cut = cutOutputs(from.rows, first, last, chars)
  const saved = toTokens(cut.bytes, compacted)
  if (saved <= 0) return unsqueezed(from)
  return changed(from, sizes, cut.rows, { how: 'trimmed', saved, through: last }, { squeezeTo: null })
}

/** Nothing is left to cut: the prompt goes out as it is. */
function unsqueezed(from: Situation): Compaction {
  const compacted = { ...compactedOf(from), squeezeTo: null }
  const { to, rows } = change(from, { run: { ...from.run, compacted } })
  return { do: 'change', to, changes: { rows } }
}

interface Facts {
  readonly how: 'trimmed' | 'summarised' | 'left_out'
  readonly saved: number
  readonly through: number
  readonly [detail: string]: string | number
}

function changed(
  from: Situation,
  { compacted, tokens, limit, isSqueezed }: Sizes,
  changes: RowChanges,
  { saved, through, ...facts }: Facts,
  next: Partial<Compacted>,
): Compaction & { do: 'change' } {
  const fits = tokens - saved <= limit
  const after: Compacted = {
    ...compacted,
    ...(isSqueezed ? (fits ? { squeezeTo: null } : {}) : { done: turnOf(from) }),
    ...next,
  }
  const { to, rows } = change(from, { ...changes, run: { ...from.run, compacted: after } })
  const detail = {
    ...facts,
    fromStep: 1,
    throughStep: through,
    tokensBefore: tokens,
    tokensAfter: tokens - saved,
    because: isSqueezed ? 'refused' : 'limit',
    model: currentModel(from),
  }
  return { do: 'change', to, changes: { rows, emit: [progressEvent(from, 'compacted', detail)] } }
}

/** The prompt is taken to have been refused at no less than this. */
const REFUSED_SHARE = 0.9
/** What a refused prompt must come down to. */
const SQUEEZE_SHARE = 0.5

/** After the model refused the prompt as too long: null if nothing can be done about it, or has been done. */
export function squeeze(from: Situation, request: ModelRequest, fleet: Fleet): Changes | null {
  const policy = policyOf(from, fleet)
  const compacted = compactedOf(from)
  const turn = turnOf(from)
  if (policy.strategy === 'off' || from.run.step === 1 || compacted.squeezed === turn) return null
  const tokens = toTokens(promptBytes(request.messages, request.tools ?? []), compacted)
  const known = limitTokens(from, policy, fleet) ?? Infinity
  const squeezeTo = Math.floor(Math.min(tokens * SQUEEZE_SHARE, known))
  const refusedAt = { ...compacted.refusedAt, [currentModel(from)]: Math.floor(tokens * REFUSED_SHARE) }
  const next: Compacted = { ...compacted, squeezeTo, squeezed: turn, refusedAt }
  const { rows } = change(from, { run: { ...from.run, compacted: next } })
  return { rows, timers: { turn: from.atMs } }
}
