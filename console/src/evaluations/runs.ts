// Runs of evaluations as the pages show them.
import { figure } from '../format.ts'
import { ask, get, pathWith, type Got } from '../api/client.ts'

export type Run = Got<'/v1/evaluations/:id'>
export type RunComparison = Got<'/v1/evaluations/:id/compare/:before'>[number]

interface Interval {
  readonly mean: number
  readonly low: number
  readonly high: number
}

/** A line of the summary that the command stores with a run; all of it is checked, because any client may store one. */
export interface ModelSummary {
  readonly model: string
  readonly score: Interval | null
  readonly passed: Interval | null
  readonly scored: number
  readonly unscored: number
  readonly cost: number
  readonly p95Ms: number
}

export function summaryOf({ summary }: Run): ModelSummary[] {
  return Array.isArray(summary) ? summary.flatMap(modelOf) : []
}

function modelOf(value: unknown): ModelSummary[] {
  const { model, score, passed, scored, unscored, cost, latencyMs } = fields(value)
  if (typeof model !== 'string') return []
  const p95Ms = number(fields(latencyMs)['p95'])
  const counts = { scored: number(scored), unscored: number(unscored), cost: number(cost), p95Ms }
  return [{ model, score: interval(score), passed: interval(passed), ...counts }]
}

const fields = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}

const number = (value: unknown): number => (typeof value === 'number' ? value : 0)

function interval(value: unknown): Interval | null {
  const { mean, low, high } = fields(value)
  return typeof mean === 'number' ? { mean, low: number(low), high: number(high) } : null
}

export interface Case {
  readonly caseId: string
  readonly model: string
  readonly epoch: number
  readonly taskId: string
  readonly passed: boolean
  readonly score: number | null
  readonly scores: readonly {
    readonly scorer: string
    readonly score: number
    readonly reason: string | null
  }[]
  readonly problem: string | null
  readonly input: string
  readonly cost: number
  readonly latencyMs: number
}

/** More would take the page's memory; the export has them all. */
export const MOST_CASES = 5_000

export interface Cases {
  readonly cases: readonly Case[]
  readonly isCut: boolean
}

/** The scored cases, those that did not pass first. */
export async function casesOf(id: string, signal: AbortSignal): Promise<Cases> {
  const response = await ask(pathWith('/v1/evaluations/:id/export', { id }), { signal })
  const cases: Case[] = []
  let rest = ''
  let isCut = false
  const text = response.body?.pipeThrough(new TextDecoderStream()) as unknown as AsyncIterable<string>
  for await (const piece of text) {
    const lines = (rest + piece).split('\n')
    rest = lines.pop() ?? ''
    for (const each of lines) if (each !== '') cases.push(JSON.parse(each) as Case)
    if (cases.length >= MOST_CASES) {
      isCut = true
      break
    }
  }
  const order = ({ passed, score }: Case): number => (passed ? 2 : score === null ? 0 : 1)
  return { cases: cases.toSorted((a, b) => order(a) - order(b)), isCut }
}

export const runs = (signal: AbortSignal): Promise<readonly Run[]> => get('/v1/evaluations', { signal })

/** `0.83 [0.71, 0.91]`. */
export const withInterval = (value: Interval | null): string =>
  value === null ? '–' : `${figure(value.mean)} [${figure(value.low)}, ${figure(value.high)}]`
