// Calls that wait for people: the list, and decisions about them.
import { setTimeout as pause } from 'node:timers/promises'
import type { Command } from 'commander'
import type { ApprovalInput } from '../../client/types.ts'
import { usingOperator } from '../../operator/connect.ts'
import type { ApprovalView, Operator } from '../../operator/index.ts'
import { FlotillaError } from '../../runtime/errors.ts'
import type { Json } from '../../schemas/json.ts'
import { jsonFile, jsonOrText, taskId, wholeNumber } from '../program/arguments.ts'
import { defaultSubcommand } from '../program/default-subcommand.ts'
import { decisionsBefore, outcomeOf } from '../fleet/decision-outcome.ts'
import { AT_NEXT_START, withClient } from '../fleet/client.ts'
import { print, printJson, say } from '../output/output.ts'
import { shorten } from '../output/render.ts'
import { printTable, type Column } from '../output/table.ts'
import { elapsed } from '../output/units.ts'

export function defineApprovals(command: Command): void {
  command.description('calls that wait for a person: approvals, questions, calls in doubt')
  defaultSubcommand(command, 'list')
    .description('calls that wait, the longest first')
    .option('--all', 'also those that are over, the latest first')
    .option('--user <id>', "of this user's tasks")
    .option('--limit <n>', 'how many at most (default: 100)', wholeNumber)
    .option('--json', 'JSON on stdout')
    .action(list)
  decision(command, 'approve', 'let a call run, or answer its question')
    .option('--edit <file>', 'arguments to run it with instead: a file with a JSON object', jsonFile)
    .option('--answer <json>', 'the answer, or the result of a call in doubt: JSON, or else text', jsonOrText)
    .action((taskId: string, callId: string | undefined, flags: Flags) => decide(taskId, callId, true, flags))
  decision(command, 'deny', 'decline a call, or to answer its question').action(
    (taskId: string, callId: string | undefined, flags: Flags) => decide(taskId, callId, false, flags),
  )
}

const decision = (command: Command, name: string, description: string): Command =>
  command
    .command(name)
    .description(description)
    .argument('<taskId>', 'task of the call', taskId)
    .argument('[callId]', 'needed if several calls of the task wait')
    .option('--reason <text>', 'why; the model is told it')
    .option('--by <name>', 'who decides; a gateway with keys takes the name of the key instead')
    .option('--took-effect', 'of a call in doubt: it took effect; give its result with approve --answer')
    .option('--no-effect', 'of a call in doubt: it took none; approve makes it again')
    .option('--json', 'JSON on stdout')

const LEDGER_LAG_MS = 3_000
const LEDGER_PAUSE_MS = 300

interface Flags {
  reason?: string
  by?: string
  edit?: Json
  answer?: Json
  tookEffect?: boolean
  /** False: --no-effect. */
  effect?: boolean
  json?: boolean
}

async function list(flags: { all?: boolean; user?: string; limit?: number; json?: boolean }): Promise<void> {
  const { all = false, user, limit, json = false } = flags
  const query = {
    status: all ? ('all' as const) : ('waiting' as const),
    ...(user === undefined ? {} : { user }),
    ...(limit === undefined ? {} : { limit }),
  }
  const found = await usingOperator((operator) => operator.approvals.list(query), { needs: 'database' })
  if (json) printJson(found)
  else if (found.length === 0) print(all ? 'No call has waited for a person.' : 'No call waits for a person.')
  else show(found)
  process.exit(0)
}

/** A decision names the call only if several of its task wait. */
const columnsOf = (found: readonly ApprovalView[]): Column[] => [
  { name: 'task', keep: true },
  { name: 'call', keep: true, ...(hasSeveral(found) ? {} : { optional: 'first' }) },
  { name: 'tool' },
  { name: 'what' },
  { name: 'state', optional: true },
  { name: 'since' },
  { name: 'arguments' },
  { name: 'agent', optional: true },
  { name: 'user', optional: true },
]

function hasSeveral(found: readonly ApprovalView[]): boolean {
  const waiting = found.filter(({ status }) => status === 'waiting')
  return new Set(waiting.map(({ taskId }) => taskId)).size < waiting.length
}

const ARGUMENT_CHARS = 60

function show(found: readonly ApprovalView[]): void {
  const nowMs = Date.now()
  const rows = found.map((call) => [
    call.taskId,
    call.callId,
    call.tool,
    call.why,
    stateOf(call),
    elapsed(Math.max(0, (call.endedAtMs ?? nowMs) - call.heldAtMs)),
    shorten(JSON.stringify(call.arguments), ARGUMENT_CHARS),
    call.agent ?? '–',
    call.userId ?? '–',
  ])
  printTable(columnsOf(found), rows, (index) => (found[index]?.status === 'waiting' ? null : 'dim'))
}

function stateOf({ status, terms, agreed }: ApprovalView): string {
  const { needed = 1 } = (terms ?? {}) as { needed?: number }
  return status === 'waiting' && needed > 1 ? `waiting, ${agreed} of ${needed}` : status
}

async function decide(
  taskId: string,
  given: string | undefined,
  approved: boolean,
  flags: Flags,
): Promise<void> {
  const call = await usingOperator((operator) => callOf(operator, taskId, given), { needs: 'database' })
  assertFits(call, flags)
  const input = inputOf(call, approved, flags)
  if (call.why === 'doubt' && input.tookEffect === undefined)
    throw new FlotillaError(
      'REQUEST_INVALID',
      `call ${call.callId} is in doubt: say --took-effect or --no-effect`,
    )
  if (call.why === 'question' && approved && input.answer === undefined)
    throw new FlotillaError('REQUEST_INVALID', `call ${call.callId} is a question: give --answer`)
  if (approved && input.arguments === undefined && call.why === 'approval') noteEdits(call)
  const became = await sent(input)
  if (flags.json) printJson(input)
  else print(`${approved ? 'approved' : 'declined'}: ${call.tool} ${input.callId} of task ${taskId}${became}`)
  process.exit(0)
}

/** Sends it, and says what else there is to know of it. */
async function sent(input: ApprovalInput): Promise<string> {
  const before = await usingOperator((operator) => decisionsBefore(operator, input), { needs: 'database' })
  const isRunning = await withClient(
    async (client, isRunning) => {
      await client.approve(input)
      return isRunning
    },
    { offline: true },
  )
  if (!isRunning) return `; ${AT_NEXT_START}`
  return usingOperator((operator) => outcomeOf(operator, input, before), { needs: 'database' })
}

/** An option of another kind of wait would be left out without a word. */
function assertFits({ callId, why }: ApprovalView, { edit, answer, tookEffect, effect }: Flags): void {
  const wrong = [
    why === 'question' && edit !== undefined ? '--edit' : null,
    why === 'approval' && answer !== undefined ? '--answer' : null,
    why !== 'doubt' && tookEffect !== undefined ? '--took-effect' : null,
    why !== 'doubt' && effect === false ? '--no-effect' : null,
  ].filter((flag) => flag !== null)
  if (wrong.length === 0) return
  const waits = { approval: 'for an approval', question: 'for an answer', doubt: 'in doubt' }[why]
  throw new FlotillaError(
    'REQUEST_INVALID',
    `call ${callId} waits ${waits}, which takes no ${wrong.join(', ')}`,
  )
}

/** Who agrees without arguments agrees to what was asked for, not to what others made of it. */
function noteEdits({ votes }: ApprovalView): void {
  const given = (Array.isArray(votes) ? votes : []) as { by?: string | null; arguments?: Json }[]
  for (const { by, arguments: edited } of given.filter((vote) => vote.arguments != null))
    say(`${by ?? 'Somebody'} agreed to other arguments, which --edit takes: ${JSON.stringify(edited)}`)
}

/** The call that is meant: the one that is named, or the only one that waits. */
async function callOf(
  { approvals, tasks }: Operator,
  taskId: string,
  given: string | undefined,
): Promise<ApprovalView> {
  const untilMs = Date.now() + LEDGER_LAG_MS
  for (;;) {
    const calls = await approvals.list({ task: taskId, status: 'all' })
    const named = given === undefined ? onlyOne(taskId, calls) : calls.find(({ callId }) => callId === given)
    if (named?.status === 'waiting') return named
    if (named)
      throw new FlotillaError(
        'CALL_NOT_WAITING',
        `call ${named.callId} no longer waits: it was ${named.status}`,
      )
    // The ledger may be a moment behind what the caller has seen.
    if (Date.now() > untilMs) {
      await tasks.get(taskId)
      throw calls[0] !== undefined && given === undefined ? allOver(taskId, calls[0]) : noCall(taskId, given)
    }
    await pause(LEDGER_PAUSE_MS)
  }
}

function onlyOne(taskId: string, calls: readonly ApprovalView[]): ApprovalView | undefined {
  const [only, ...others] = calls.filter(({ status }) => status === 'waiting')
  if (others.length === 0) return only
  const names = [only, ...others].map((call) => `${call?.callId} (${call?.tool})`).join(', ')
  throw new FlotillaError('REQUEST_INVALID', `several calls of task ${taskId} wait; name one: ${names}`)
}

const allOver = (taskId: string, { tool, status }: ApprovalView): FlotillaError =>
  new FlotillaError('CALL_NOT_WAITING', `no call of task ${taskId} waits any more: ${tool} was ${status}`)

const noCall = (taskId: string, given: string | undefined): FlotillaError =>
  new FlotillaError(
    'CALL_UNKNOWN',
    given === undefined
      ? `no call of task ${taskId} waits for a person`
      : `task ${taskId} has no call ${given} that waits for a person; flotilla approvals lists those that do`,
  )

/** It is about this wait of the call and no later one. */
function inputOf({ taskId, callId, heldAtMs }: ApprovalView, approved: boolean, flags: Flags): ApprovalInput {
  const { reason, by, edit, answer, tookEffect, effect } = flags
  const took = tookEffect === true ? true : effect === false ? false : undefined
  return {
    taskId,
    callId,
    heldAtMs,
    approved,
    ...(reason === undefined ? {} : { reason }),
    ...(by === undefined ? {} : { decidedBy: by }),
    ...(edit === undefined ? {} : { arguments: edit }),
    ...(answer === undefined ? {} : { answer }),
    ...(took === undefined ? {} : { tookEffect: took }),
  }
}
