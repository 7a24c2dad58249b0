// The judge of a chaos run. It knows nothing of the fleet's insides: it reads the evidence, which is what stood on the topics, the
// logs of the counting model and tool servers, what clients were told, and what was done to the fleet.
//
// 1. Lost: a task that was submitted (acknowledged, or on tasks.submitted) and has no result. Duplicated: more than one.
// 2. Repeated: a call that was answered again though its first answer was surely journalled: a record that carries the outcome was
//    on a topic before the second one began, or nothing that makes such calls was killed so soon after the answer that it may not
//    have been recorded yet. That time is taken from the run itself: the longest from an answer to its record while nothing was
//    disturbed; while Redis is away, and until those who wait for it try again, nothing can be recorded at all. Where it is not
//    sure, the call is in doubt, and counted apart; and so is one that was under way when its caller was killed: its first
//    answer came to nobody.
// 3. A turn of a task that was answered under two call ids is repeated too: the id is what makes a repeat recognisable.
// 4. A tool that is not idempotent has arrived at most once for each call id, and here for each task: each makes one.
// 5. A code step has restarted from scratch when it asked twice for the same tool call, or did not finish: the scripted Python
//    of these runs never fails by itself.
// 6. Trees, calls that wait for people and sessions have checks of their own (checks/).
import type { LoggedCall } from '../../runtime/scripted-model/call-log.ts'
import type { ToolEvent } from '../support/tool-server.ts'
import {
  allRows,
  evidenceIn,
  rowsOf,
  type ClientEvent,
  type Happening,
  type TopicRecord,
} from './evidence.ts'
import { checkApprovals, type ApprovalVerdict } from './checks/approvals.ts'
import { checkSessions, type SessionVerdict } from './checks/conversations.ts'
import { delegationsIn, type Delegations } from './checks/marks.ts'
import { checkTrees, type TreeVerdict } from './checks/trees.ts'
import { isExpected } from './tasks.ts'

/** Who makes calls of either kind; kills of `all` count for both. */
export interface Callers {
  readonly model: string
  readonly tool: string
}

export interface Verdict {
  readonly submitted: number
  readonly completed: number
  readonly lost: string[]
  readonly duplicated: string[]
  /** Ended otherwise than tasks of their kind can, or with another output. */
  readonly unexpected: string[]
  readonly modelCalls: number
  readonly toolCalls: number
  readonly repeatedModelCalls: string[]
  readonly repeatedToolCalls: string[]
  /** Answered before a kill, which may have come before the outcome was recorded. */
  readonly inDoubt: string[]
  /** Answered after a kill: the caller was dead. */
  readonly cutOff: string[]
  readonly ranTwice: string[]
  readonly codeSteps: number
  readonly restartedSteps: string[]
  readonly deadLetters: number
  /** The longest that an answer took to be recorded; within it of a kill, a repetition is in doubt. */
  readonly settleMs: number
  readonly trees: TreeVerdict
  readonly approvals: ApprovalVerdict
  readonly sessions: SessionVerdict
}

export async function judge(directory: string, callers: Callers): Promise<Verdict> {
  const files = evidenceIn(directory)
  const happenings = await allRows<Happening>(files.happenings)
  const delegations = await delegationsIn(files.topics)
  const topics = await readTopics(files.topics, delegations)
  for await (const { event, taskId } of rowsOf<ClientEvent>(files.clients))
    if (event === 'submitted') topics.submitted.add(taskId)
  const tools = await allRows<ToolEvent>(files.tools)
  const modelAnswers = answersOf(await allRows<LoggedCall>(files.model))
  const toolAnswers = toolAnswersOf(tools)
  const disturbances = happenings.filter(({ what }) => what !== 'phase')
  const settleMs = settlingMs([...modelAnswers, ...toolAnswers], topics.recorded, disturbances)
  const outages = happenings.filter(({ what }) => what === 'redis')
  const repeats = (answers: readonly Answer[], caller: string) =>
    repeatsOf(answers, {
      kills: happenings.filter(({ what, name }) => what === 'kill' && (name === caller || name === 'all')),
      outages,
      recorded: topics.recorded,
      settleMs,
    })
  const [model, tool] = [repeats(modelAnswers, callers.model), repeats(toolAnswers, callers.tool)]
  const those = (of: readonly Repeat[], kind: Repeat['kind']) =>
    of.filter((repeat) => repeat.kind === kind).map(({ text }) => text)
  return {
    ...resultsOf(topics, delegations),
    modelCalls: modelAnswers.length,
    toolCalls: tools.filter(({ event }) => event === 'answered').length,
    repeatedModelCalls: those(model, 'repeated'),
    repeatedToolCalls: those(tool, 'repeated'),
    inDoubt: those([...model, ...tool], 'in doubt'),
    cutOff: those([...model, ...tool], 'cut off'),
    ranTwice: ranTwice(tools),
    codeSteps: topics.codeSteps,
    restartedSteps: topics.restartedSteps,
    deadLetters: topics.deadLetters,
    settleMs,
    trees: await checkTrees(files, delegations),
    approvals: await checkApprovals(files),
    sessions: await checkSessions(files),
  }
}

interface Topics {
  readonly submitted: Set<string>
  /** Status and output of each result of a task. */
  readonly results: Map<string, { status: string; output: unknown }[]>
  /** When the first record with the outcome of a call was written, by what was called. */
  readonly recorded: Map<string, number>
  readonly restartedSteps: string[]
  codeSteps: number
  deadLetters: number
}

const modelTurn = (turn: number, task: string): string => `model turn ${turn} of ${task}`
const toolCall = ({ tool, turn, item, task }: Pick<ToolEvent, 'tool' | 'turn' | 'item' | 'task'>): string =>
  `${tool} ${turn}.${item} of ${task}`

async function readTopics(file: string, { markOf }: Delegations): Promise<Topics> {
  const found: Topics = {
    submitted: new Set(),
    results: new Map(),
    recorded: new Map(),
    restartedSteps: [],
    codeSteps: 0,
    deadLetters: 0,
  }
  const requested = new Map<string, string>()
  const completed: { readonly callId: string; readonly atMs: number }[] = []
  const inCode = new Set<string>()
  const record = (what: string, atMs: number) =>
    found.recorded.set(what, Math.min(atMs, found.recorded.get(what) ?? Number.POSITIVE_INFINITY))
  for await (const { type, data, topic, timestampMs } of rowsOf<TopicRecord>(file)) {
    if (topic === 'dead-letters') found.deadLetters++
    if (type === 'TaskSubmitted') found.submitted.add(data.taskId ?? '')
    if (type === 'TaskCompleted')
      found.results.set(data.taskId, [...(found.results.get(data.taskId) ?? []), data])
    if (type === 'TaskProgressed' && data.kind === 'model_called')
      record(modelTurn(data.step ?? 0, markOf(data.taskId)), timestampMs)
    if (type === 'ToolCompleted') completed.push({ callId: data.callId, atMs: timestampMs })
    if (type === 'ToolRequested') {
      const what = toolCall({ tool: data.tool, ...argumentsOf(data.arguments) })
      requested.set(data.callId, what)
      if (data.requester !== 'code-sandbox') continue
      if (inCode.has(what)) found.restartedSteps.push(`${what} was asked for twice`)
      inCode.add(what)
    }
    if (type !== 'CodeCompleted') continue
    found.codeSteps++
    if (data.status !== 'finished')
      found.restartedSteps.push(`step ${data.step} of ${data.taskId} ${data.status}: ${data.error?.message}`)
  }
  for (const { callId, atMs } of completed) record(requested.get(callId) ?? callId, atMs)
  return found
}

function argumentsOf(value: unknown): Pick<ToolEvent, 'turn' | 'item' | 'task'> {
  const { task = '', turn = 1, item = 0 } = value as Partial<ToolEvent>
  return { task, turn, item }
}

function resultsOf({ submitted, results }: Topics, { tasks, markOf }: Delegations) {
  const unexpected = [...results].flatMap(([id, same]) =>
    same
      .filter(({ status, output }) => !isExpected(markOf(id), status, output))
      .map(({ status, output }) => `${markOf(id)}: ${status}, ${JSON.stringify(output)}`),
  )
  const ofUsers = (ids: Iterable<string>) => [...ids].filter((id) => !tasks.has(id))
  return {
    submitted: ofUsers(submitted).length,
    completed: ofUsers(results.keys()).length,
    lost: ofUsers(submitted).filter((id) => !results.has(id)),
    duplicated: [...results].filter(([, same]) => same.length > 1).map(([id]) => id),
    unexpected,
  }
}

/** An answer that left the server whole. */
interface Answer {
  readonly callId: string
  /** What must be answered under one id only. */
  readonly what: string
  readonly begunMs: number
  readonly atMs: number
}

const answersOf = (calls: readonly LoggedCall[]): Answer[] =>
  calls
    .filter(({ outcome, status }) => outcome === 'answered' && status === 200)
    .map(({ callId, task, turn, receivedMs, endedMs }) => ({
      callId: callId ?? 'none',
      what: modelTurn(turn, task ?? ''),
      begunMs: receivedMs,
      atMs: endedMs,
    }))

/** Of these each call arrives once at most, and each task makes one. */
const once: ReadonlySet<string> = new Set(['charge'])
/** Judged by their arrivals: these, and those that wait for a person. */
const judgedByArrival: ReadonlySet<string> = new Set([...once, 'refund', 'payout', 'fleeting'])

/** Of tools that may run again. */
function toolAnswersOf(events: readonly ToolEvent[]): Answer[] {
  const arrivals = new Map<string, number>()
  const answers: Answer[] = []
  for (const event of events) {
    const { callId, tool, atMs } = event
    if (judgedByArrival.has(tool)) continue
    if (event.event === 'arrived') arrivals.set(callId, atMs)
    if (event.event === 'answered')
      answers.push({ callId, what: toolCall(event), begunMs: arrivals.get(callId) ?? atMs, atMs })
  }
  return answers
}

/** How long a server may take to notice that a connection was cut. */
const NOTICE_MS = 50
/** Bounds of the time from an answer on the wire to the journal: a machine under load takes long to read it, a bug longer. */
const SETTLE_LEAST_MS = 300
const SETTLE_MOST_MS = 3_000
/** After Redis is back, a journal that was waiting tries again within this. */
const JOURNAL_RETRY_MS = 5_000
/** After a broker or Redis was away, answers take longer than otherwise; a kill holds up those that it meets. */
const UNSETTLED_MS = 15_000

function settlingMs(
  answers: readonly Answer[],
  recorded: ReadonlyMap<string, number>,
  disturbances: readonly Happening[],
): number {
  const calm = answers.flatMap(({ what, atMs }) => {
    const next = recorded.get(what) ?? 0
    const disturbed = disturbances.some(
      ({ what, atMs: fromMs, untilMs }) =>
        fromMs <= next && atMs <= untilMs + (what === 'kill' ? 0 : UNSETTLED_MS),
    )
    return next > atMs && !disturbed ? [next - atMs] : []
  })
  return Math.min(
    SETTLE_MOST_MS,
    calm.reduce((most, ms) => Math.max(most, ms), SETTLE_LEAST_MS),
  )
}

interface Background {
  readonly kills: readonly Happening[]
  readonly outages: readonly Happening[]
  readonly recorded: ReadonlyMap<string, number>
  readonly settleMs: number
}

interface Repeat {
  readonly text: string
  readonly kind: 'repeated' | 'in doubt' | 'cut off'
}

/** Every answer but the first of the same work. */
function repeatsOf(answers: readonly Answer[], background: Background): Repeat[] {
  const byWork = Map.groupBy(answers, ({ what }) => what)
  return [...byWork].flatMap(([what, same]) => {
    const inOrder = same.toSorted((a, b) => a.atMs - b.atMs)
    return inOrder
      .slice(1)
      .map((answer, index) => repeatOf(what, inOrder[index] as Answer, answer, background))
  })
}

function repeatOf(
  what: string,
  first: Answer,
  second: Answer,
  { kills, outages, recorded, settleMs }: Background,
): Repeat {
  let doubtUntilMs = first.atMs + settleMs
  for (const { atMs, untilMs } of outages)
    if (atMs <= doubtUntilMs && first.atMs <= untilMs + JOURNAL_RETRY_MS)
      doubtUntilMs = Math.max(doubtUntilMs, untilMs + JOURNAL_RETRY_MS + settleMs)
  const kill = kills.find(({ atMs, goneMs }) => first.atMs <= goneMs + NOTICE_MS && atMs <= doubtUntilMs)
  const apart = second.callId !== first.callId
  const wasRecorded = (recorded.get(what) ?? Number.POSITIVE_INFINITY) < second.begunMs
  const under = apart ? ', under another id' : ''
  const used = wasRecorded ? ', and its outcome was on a topic' : ''
  const text = `${what}${under}: answered again after ${second.atMs - first.atMs} ms, ${whenOf(kill, first)}${used}`
  if (kill === undefined || apart || wasRecorded) return { text, kind: 'repeated' }
  return { text, kind: kill.atMs <= first.atMs ? 'cut off' : 'in doubt' }
}

function whenOf(kill: Happening | undefined, first: Answer): string {
  if (!kill) return 'no kill near'
  const ms = kill.atMs - first.atMs
  return ms > 0 ? `a kill ${ms} ms after the first` : `the first ${-ms} ms after a kill`
}

function ranTwice(tools: readonly ToolEvent[]): string[] {
  const arrived = tools.filter(({ event, tool }) => event === 'arrived' && judgedByArrival.has(tool))
  const often = (name: 'callId' | 'task', of: readonly ToolEvent[]) =>
    [...Map.groupBy(of, (call) => call[name])].filter(([, same]) => same.length > 1)
  return [
    ...often('callId', arrived),
    ...often(
      'task',
      arrived.filter(({ tool }) => once.has(tool)),
    ),
  ].map(([id, same]) => `${same[0]?.tool} ${id} arrived ${same.length} times`)
}

/** What must be empty, with its evidence. */
export function violations(verdict: Verdict): string[] {
  const told = (what: string, of: readonly string[]) => of.map((text) => `${what}: ${text}`)
  return [
    ...told('lost', verdict.lost),
    ...told('more than one result', verdict.duplicated),
    ...told('not the result that it should be', verdict.unexpected),
    ...told('repeated', [...verdict.repeatedModelCalls, ...verdict.repeatedToolCalls]),
    ...told('not idempotent, and twice', verdict.ranTwice),
    ...told('restarted from scratch', verdict.restartedSteps),
    ...told('tree', verdict.trees.wrong),
    ...told('approval', verdict.approvals.wrong),
    ...told('session', verdict.sessions.wrong),
    ...(verdict.deadLetters > 0 ? [`${verdict.deadLetters} records went to dead-letters`] : []),
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
    'journalled calls repeated': verdict.repeatedModelCalls.length + verdict.repeatedToolCalls.length,
    [`calls in doubt (${verdict.settleMs} ms)`]: verdict.inDoubt.length,
    'calls under way at a kill': verdict.cutOff.length,
    'not idempotent, ran twice': verdict.ranTwice.length,
    'code steps from scratch': `${verdict.restartedSteps.length} of ${verdict.codeSteps}`,
    ...more,
  }
  const lines = Object.entries(rows).map(([name, value]) => `  ${name.padEnd(28)}${String(value)}`)
  return [title, ...lines].join('\n')
}
