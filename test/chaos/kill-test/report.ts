// The outcome of a kill test as Markdown, and whether it holds.
import { cpus, totalmem } from 'node:os'
import { violations, type Verdict } from '../checker.ts'
import { percentile } from '../world.ts'
import type { Ran } from './run.ts'
import { NEAR_MS, type Phase, type Timing } from './timing.ts'

export interface RunFacts extends Ran {
  readonly command: string
  readonly date: string
  readonly seed: number
}

const IN_DOUBT_OF = 1_000
/** A run of few calls can't show a rate: Redis or the planner may happen to end just behind an answer. */
const IN_DOUBT_LEAST = 3
const RECOVERY_AIM_MS = 10_000

const inDoubtAim = (verdict: Verdict): number =>
  Math.max(IN_DOUBT_LEAST, Math.floor(calls(verdict) / IN_DOUBT_OF))

/** What is wrong, with its evidence; empty when the run holds. */
export function faults(verdict: Verdict, { readersAgree, aborted }: Ran): string[] {
  const { inDoubt } = verdict
  const tolerated = inDoubtAim(verdict)
  return [
    ...violations(verdict),
    ...(inDoubt.length > tolerated ? inDoubt.map((text) => `too many in doubt: ${text}`) : []),
    ...(aborted ? [`the run could not go on: ${aborted}`] : []),
    ...(readersAgree ? [] : ['kcat sees other results on tasks.completed than the checker']),
  ]
}

const calls = ({ modelCalls, toolCalls }: Verdict): number => modelCalls + toolCalls

export function report(facts: RunFacts, verdict: Verdict, timing: Timing): string {
  const rows = [...promises(verdict), ...figures(facts, timing)]
  const lines = rows.map((cells) => `| ${cells.join(' | ')} |`)
  return [
    ...introduction(facts, timing),
    '',
    '| | found | aim |',
    '|---|---|---|',
    ...lines,
    '',
    ...doubts(verdict),
  ].join('\n')
}

function introduction({ command, date, seed }: RunFacts, { happenings, phases }: Timing): string[] {
  const count = (what: string) => happenings.filter((one) => one.what === what).length
  const machine = `${cpus().length} cores (${cpus()[0]?.model.trim()}), ${Math.round(totalmem() / 2 ** 30)} GB`
  const done = [
    `${count('kill')} services killed (${byName(happenings, 'kill')})`,
    `${count('broker')} brokers killed`,
    `${count('redis')} restarts of Redis`,
    `${count('added')} instances added and ${count('removed')} removed`,
  ]
  const minutes = ((phases.get('chaos')?.seconds ?? 0) / 60).toFixed(1)
  return [
    '```sh',
    command,
    '```',
    '',
    `${date}, seed ${seed}, ${machine}, Node ${process.versions.node}. In ${minutes} minutes: ${done.join(', ')}.`,
  ]
}

function byName(happenings: Timing['happenings'], what: string): string {
  const same = Map.groupBy(
    happenings.filter((one) => one.what === what),
    ({ name }) => name,
  )
  return [...same]
    .toSorted(([a], [b]) => a.localeCompare(b))
    .map(([name, of]) => `${name} ${of.length}`)
    .join(', ')
}

type Row = readonly [what: string, found: string | number, aim: string]

function promises(verdict: Verdict): Row[] {
  return [
    ['tasks submitted', verdict.submitted, ''],
    ['tasks completed', verdict.completed, 'all'],
    ['tasks lost', verdict.lost.length, '0'],
    ['results duplicated', verdict.duplicated.length, '0'],
    ['results other than expected', verdict.unexpected.length, '0'],
    ['model calls answered', verdict.modelCalls, ''],
    ['tool calls answered', verdict.toolCalls, ''],
    ['journalled model calls repeated', verdict.repeatedModelCalls.length, '0'],
    ['journalled tool calls repeated', verdict.repeatedToolCalls.length, '0'],
    ['calls in doubt repeated', verdict.inDoubt.length, `≤ ${inDoubtAim(verdict)} (1 in ${IN_DOUBT_OF})`],
    ['calls under way when their caller was killed, made again', verdict.cutOff.length, ''],
    ['non-idempotent tools run twice', verdict.ranTwice.length, '0'],
    ['code steps run', verdict.codeSteps, ''],
    ['code steps restarted from scratch', verdict.restartedSteps.length, '0'],
    ['tasks that agents delegated', verdict.trees.delegated, ''],
    ['calls delegated twice, or not ended, and trees above their ceiling', verdict.trees.wrong.length, '0'],
    ['waits for a person that ended', verdict.approvals.decided, ''],
    ['calls not made once as decided', verdict.approvals.wrong.length, '0'],
    ['turns of sessions', verdict.sessions.turns, ''],
    ['turns out of order, or two at once', verdict.sessions.wrong.length, '0'],
    ['records in dead-letters', verdict.deadLetters, '0'],
  ]
}

function figures({ ratePerSecond }: RunFacts, timing: Timing): Row[] {
  const { recoveryMs, recoveryNearMs, unclear, workMs, phases } = timing
  const [full, calm, chaos] = ['full', 'calm', 'chaos'].map((name) => phases.get(name))
  const perSecond = (phase: Phase | undefined) => phase?.perSecond.toFixed(1) ?? '–'
  return [
    [
      'recovery, kill to the lane’s next commit, p50 / p99',
      pair(recoveryMs),
      `p99 < ${RECOVERY_AIM_MS / 1_000} s`,
    ],
    [`… where a broker was killed too, from ${NEAR_MS / 1_000} s before`, pair(recoveryNearMs), ''],
    ['… unknown: the service changed again meanwhile', unclear, ''],
    ['… to its first commit of work that came meanwhile, calls included', pair(workMs), ''],
    ['tasks/s calm, as fast as it goes', perSecond(full), ''],
    [`tasks/s calm, ${ratePerSecond.toFixed(1)} offered`, perSecond(calm), ''],
    [`tasks/s during the chaos, ${ratePerSecond.toFixed(1)} offered`, perSecond(chaos), 'as calm'],
    ['time of a task calm, p50 / p99', pair(calm?.latenciesMs ?? []), ''],
    ['time of a task during the chaos, p50 / p99', pair(chaos?.latenciesMs ?? []), ''],
  ]
}

const seconds = (ms: number): string => (ms / 1_000).toFixed(1)
const pair = (ms: readonly number[]): string =>
  ms.length === 0
    ? '–'
    : `${seconds(percentile(ms, 0.5))} / ${seconds(percentile(ms, 0.99))} s (of ${ms.length})`

function doubts({ inDoubt, settleMs }: Verdict): string[] {
  if (inDoubt.length === 0) return []
  const which = inDoubt.map((text) => `- ${text}`)
  return [`In doubt (an answer may take ${settleMs} ms from the wire into the journal):`, '', ...which, '']
}
