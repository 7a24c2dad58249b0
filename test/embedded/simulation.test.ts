// Every stage that needs no socket, on real hosts, under seeded faults in virtual time: no invariant of
// test/simulation/invariants.ts may fail. A failing seed repeats with: npm run simulate -- --seed N
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { abilities } from '../simulation/abilities.ts'
import { mutants } from '../simulation/mutants.ts'
import { runSeeds } from '../simulation/pool.ts'
import { elementsOf, shrink } from '../simulation/shrink.ts'
import { simulate, type SimulationReport } from '../simulation/simulate.ts'
import { Totals } from '../simulation/totals.ts'
import { faultKinds } from '../../runtime/testing/simulator/fate.ts'

/** `npm run simulate -- --seeds 20000` is the long form. */
const SEEDS = 200
const THREADS = 2

test(`${SEEDS} seeds: every invariant holds`, async (t) => {
  const begun = performance.now()
  const totals = new Totals()
  const failed: string[] = []
  const onReport = (report: SimulationReport): void => {
    totals.add(report)
    for (const { invariant, text } of report.violations.slice(0, 3))
      failed.push(`seed ${report.seed}: ${invariant}: ${text}`)
  }
  await runSeeds({ from: 1, count: SEEDS, threads: THREADS, onReport })
  const { tasks, calls, crashes, repeated } = totals
  const seconds = (performance.now() - begun) / 1_000
  t.diagnostic(
    `${tasks} tasks, ${crashes} crashes, ${calls} calls, ${repeated} in doubt, ${seconds.toFixed(1)} s`,
  )
  assert.deepEqual(failed.slice(0, 10), [])
  assert.equal(totals.seeds, SEEDS)
  assert.deepEqual(
    faultKinds.filter((kind) => !totals.faults.has(kind)),
    [],
    'every kind of fault struck',
  )
  assert.deepEqual(
    abilities.filter((ability) => !totals.abilities.has(ability)),
    [],
    'every ability was drawn',
  )
  for (const ending of ['BUDGET_EXCEEDED', 'BUDGET_EXCEEDED, midway'])
    assert.ok((totals.endings.get(ending) ?? 0) > SEEDS / 10, `${ending}: budgets were met`)
  assert.ok(repeated > 0 && repeated < crashes * 10, 'crashes left calls in doubt')
})

test('the same seed is the same run, byte for byte, in whichever thread', async () => {
  const seeds = [11, 12, 13, 14]
  const here = new Map<number, string>()
  for (const seed of seeds.toReversed()) here.set(seed, (await simulate(seed, { trace: true })).digest)
  const there = new Map<number, string>()
  const onReport = ({ seed, digest }: SimulationReport): unknown => there.set(seed, digest)
  await runSeeds({ from: 11, count: seeds.length, threads: 1, onReport })
  assert.deepEqual([...there].sort(), [...here].sort())
  assert.equal(new Set(here.values()).size, seeds.length, 'other seeds are other runs')
})

test('a run that is given its own faults and deeds is the same run', async () => {
  const report = await simulate(21)
  assert.ok(report.faults.length > 0)
  const again = await simulate(21, { only: new Set(elementsOf(report)) })
  assert.equal(again.digest, report.digest)
})

test('a failing run shrinks to a few elements that still fail', async () => {
  const mutation = mutants['each process has a journal of its own']
  assert.ok(mutation)
  const failed = await simulate(5, { mutation })
  assert.ok(failed.violations.length > 0)
  const { kept } = await shrink(failed, mutation)
  assert.ok(kept.length <= 6 && kept.length < elementsOf(failed).length, kept.join(', '))
  const report = await simulate(5, { mutation, only: new Set(kept) })
  assert.ok(report.violations.some(({ invariant }) => invariant === failed.violations[0]?.invariant))
})
