// The judge of a chaos run. It knows nothing of the fleet's insides: it reads what is on tasks.completed, and the logs of
// the counting model and tool servers.
//
// 1. Lost: a task that was submitted (its submission was acknowledged) and has no result. Duplicated: more than one.
// 2. Repeated: a call that was answered again though its first answer was surely journalled: what follows from it had been
//    seen at a server by then, or no process that makes such calls was killed so soon after the answer that it may not have
//    read it yet. That time is taken from the run itself: the longest from an answer to what follows from it, where no
//    kill fell between. Where it is not sure, the call is in doubt, and counted apart.
// 3. A turn of a task that was answered under two call ids is repeated too: the id is what makes a repeat recognisable.
// 4. A tool that is not idempotent has arrived at most once for each call id, and here for each task: each makes one.
import { readFileSync } from 'node:fs'
import type { LoggedCall } from '../../runtime/testing/scripted-model/call-log.ts'
import type { ToolEvent } from '../support/tool-server.ts'

export interface Kill {
  readonly service: string
  /** When the signal was sent. */
  readonly atMs: number
  /** When the process was gone: until then its connections stood, and answers went to nobody. */
  readonly goneMs: number
}

export interface Evidence {
  /** Ids whose submission was acknowledged. */
  readonly submitted: readonly string[]
  /** One entry for each record on tasks.completed. */
  readonly completed: readonly { readonly taskId: string; readonly status: string }[]
  readonly kills: readonly Kill[]
  /** Call logs, as JSONL files. */
  readonly modelLog: string
  readonly toolLog: string
  /** Who makes calls of either kind; `all` kills count for both. */
  readonly callers: { readonly model: string; readonly tool: string }
}

export interface Verdict {
  readonly submitted: number
  readonly completed: number
  readonly lost: string[]
  readonly duplicated: string[]
  readonly unsuccessful: string[]
  readonly modelCalls: number
  readonly toolCalls: number
  readonly repeated: string[]
  readonly inDoubt: string[]
  readonly ranTwice: string[]
  /** The longest that an answer took to be of use; within it of a kill, a repetition is in doubt. */
  readonly settleMs: number
}

/** An answer with 200 that left the server whole. */
interface Answer {
  readonly callId: string
  /** What must be answered under one id only. */
  readonly what: string
  readonly atMs: number
}

export function judge(evidence: Evidence): Verdict {
  const { submitted, completed, callers } = evidence
  const results = Map.groupBy(completed, ({ taskId }) => taskId)
  const tools = readLines<ToolEvent>(evidence.toolLog)
  const model = answersOf(readLines<LoggedCall>(evidence.modelLog))
  const lookups = tools
    .filter(({ event, tool }) => event === 'answered' && tool === 'lookup')
    .map(({ callId, task, atMs }) => ({ callId, what: `lookup of ${task}`, atMs }))
  const followed = consequences(readLines<LoggedCall>(evidence.modelLog), tools)
  const settleMs = settlingMs(model, followed, evidence.kills)
  const repeats = [
    ...repeatsOf(model, { kills: killsOf(evidence, callers.model), followed, settleMs }),
    ...repeatsOf(lookups, { kills: killsOf(evidence, callers.tool), followed, settleMs }),
  ]
  return {
    submitted: submitted.length,
    completed: results.size,
    lost: submitted.filter((id) => !results.has(id)),
    duplicated: [...results].filter(([, records]) => records.length > 1).map(([id]) => id),
    unsuccessful: completed.filter(({ status }) => status !== 'succeeded').map(({ taskId }) => taskId),
    modelCalls: model.length,
    toolCalls: tools.filter(({ event }) => event === 'answered').length,
    repeated: repeats.filter(({ inDoubt }) => !inDoubt).map(({ text }) => text),
    inDoubt: repeats.filter(({ inDoubt }) => inDoubt).map(({ text }) => text),
    ranTwice: ranTwice(tools),
    settleMs,
  }
}

const readLines = <T>(file: string): T[] =>
  readFileSync(file, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as T)

const answersOf = (calls: readonly LoggedCall[]): Answer[] =>
  calls
    .filter(({ outcome, status }) => outcome === 'answered' && status === 200)
    .map(({ callId, task, turn, endedMs }) => ({
      callId: callId ?? 'none',
      what: `model turn ${turn} of ${task}`,
      atMs: endedMs,
    }))

const killsOf = ({ kills }: Evidence, service: string): Kill[] =>
  kills.filter((kill) => kill.service === service || kill.service === 'all')

/** When what follows from some work was first seen: the tools of a first turn, the second turn after the tools. */
function consequences(
  calls: readonly LoggedCall[],
  tools: readonly ToolEvent[],
): ReadonlyMap<string, number> {
  const first = new Map<string, number>()
  const note = (what: string, atMs: number) =>
    first.set(what, Math.min(atMs, first.get(what) ?? Number.POSITIVE_INFINITY))
  for (const { task, atMs } of tools) note(`model turn 1 of ${task}`, atMs)
  for (const { task, turn, receivedMs } of calls) if (turn > 1) note(`lookup of ${task}`, receivedMs)
  return first
}

/** How long a server may take to notice that a connection was cut. */
const NOTICE_MS = 50

interface Background {
  readonly kills: readonly Kill[]
  readonly followed: ReadonlyMap<string, number>
  readonly settleMs: number
}

/** Bounds of the time from an answer on the wire to the journal: a machine under load takes long to read it, a bug longer. */
const SETTLE_LEAST_MS = 300
const SETTLE_MOST_MS = 3_000

function settlingMs(
  model: readonly Answer[],
  followed: ReadonlyMap<string, number>,
  kills: readonly Kill[],
): number {
  const undisturbed = model.flatMap(({ what, atMs }) => {
    const next = followed.get(what) ?? 0
    const disturbed = kills.some((kill) => kill.goneMs >= atMs - NOTICE_MS && kill.atMs <= next)
    return next > atMs && !disturbed ? [next - atMs] : []
  })
  return Math.min(SETTLE_MOST_MS, Math.max(SETTLE_LEAST_MS, ...undisturbed))
}

/** Every answer but the first of the same work. */
function repeatsOf(
  answers: readonly Answer[],
  { kills, followed, settleMs }: Background,
): { text: string; inDoubt: boolean }[] {
  const byWork = Map.groupBy(answers, ({ what }) => what)
  return [...byWork].flatMap(([what, same]) => {
    const inOrder = same.toSorted((a, b) => a.atMs - b.atMs)
    return inOrder.slice(1).map((answer, index) => {
      const before = inOrder[index] as Answer
      const kill = kills.find(
        ({ atMs, goneMs }) => before.atMs <= goneMs + NOTICE_MS && atMs <= before.atMs + settleMs,
      )
      const apart = answer.callId === before.callId ? '' : ', under another id'
      const wasUsed = (followed.get(what) ?? Number.POSITIVE_INFINITY) < answer.atMs
      const used = wasUsed ? ', and what follows had been seen' : ''
      const nearest = kill ? `a kill ${kill.atMs - before.atMs} ms after the first` : 'no kill near'
      const text = `${what}${apart}: answered again after ${answer.atMs - before.atMs} ms, ${nearest}${used}`
      return { text, inDoubt: kill !== undefined && apart === '' && !wasUsed }
    })
  })
}

function ranTwice(tools: readonly ToolEvent[]): string[] {
  const charges = tools.filter(({ event, tool }) => event === 'arrived' && tool === 'charge')
  const often = (name: 'callId' | 'task') =>
    [...Map.groupBy(charges, (charge) => charge[name])].filter(([, same]) => same.length > 1)
  return [...often('callId'), ...often('task')].map(
    ([id, same]) => `charge ${id} arrived ${same.length} times`,
  )
}

/** What must be empty, with its evidence. */
export function violations(verdict: Verdict): string[] {
  const { lost, duplicated, unsuccessful, repeated, ranTwice: twice } = verdict
  return [
    ...lost.map((id) => `lost: ${id}`),
    ...duplicated.map((id) => `more than one result: ${id}`),
    ...unsuccessful.map((id) => `did not succeed: ${id}`),
    ...repeated.map((text) => `repeated: ${text}`),
    ...twice.map((text) => `not idempotent, and twice: ${text}`),
  ]
}

export function table(title: string, verdict: Verdict, more: Readonly<Record<string, unknown>>): string {
  const rows = {
    submitted: verdict.submitted,
    completed: verdict.completed,
    lost: verdict.lost.length,
    duplicated: verdict.duplicated.length,
    'model calls answered': verdict.modelCalls,
    'tool calls answered': verdict.toolCalls,
    'journalled calls repeated': verdict.repeated.length,
    [`calls in doubt (${verdict.settleMs} ms)`]: verdict.inDoubt.length,
    'not idempotent, ran twice': verdict.ranTwice.length,
    ...more,
  }
  const lines = Object.entries(rows).map(([name, value]) => `  ${name.padEnd(28)}${String(value)}`)
  return [title, ...lines].join('\n')
}
