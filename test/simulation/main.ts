// npm run simulate -- --seeds 10000 [--from 1] [--threads 2]: many seeds, each its own run.
// npm run simulate -- --seed 42 [--keep 0,7,12] [--trace]: one of them, or only these elements of it.
// --abilities 'floods,any size': these instead of what each seed draws (abilities.ts); '' for none.
//
// A seed that fails is shrunk, and printed with its trace and the command that repeats it.
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { abilities as known, type Ability } from './abilities.ts'
import { runSeeds, type SeedOptions } from './pool.ts'
import { elementsOf, shrink } from './shrink.ts'
import { simulate, type SimulationReport } from './simulate.ts'
import { Totals } from './totals.ts'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '200' },
    from: { type: 'string', default: '1' },
    threads: { type: 'string', default: String(Math.min(8, availableParallelism())) },
    seed: { type: 'string' },
    keep: { type: 'string' },
    trace: { type: 'boolean', default: false },
    abilities: { type: 'string' },
  },
})

/** Lines shown of a run that was not shrunk; `--trace` shows all of it. */
const MAX_TRACE_LINES = 120
/** Characters shown of one violation. */
const MAX_TEXT = 1_000
/** Failed seeds that are shrunk; the others are only listed. */
const MAX_SHRUNK = 3

const options: SeedOptions =
  values.abilities === undefined ? {} : { abilities: abilitiesOf(values.abilities) }
const totals = new Totals()
const startedMs = performance.now()
if (values.seed === undefined) await runMany()
else await runOne(number('seed', values.seed))
printTotals()
process.exit(totals.failed === 0 ? 0 : 1)

async function runMany(): Promise<void> {
  const failed: SimulationReport[] = []
  await runSeeds({
    from: number('from', values.from),
    count: number('seeds', values.seeds),
    threads: number('threads', values.threads),
    options,
    onReport: (report) => {
      totals.add(report)
      if (report.violations.length === 0) return
      failed.push(report)
      console.log(`seed ${report.seed} FAILED: ${violationsOf(report)}`)
    },
  })
  for (const report of failed.sort((a, b) => a.seed - b.seed).slice(0, MAX_SHRUNK)) await explain(report)
}

async function runOne(seed: number): Promise<void> {
  const whole = await simulate(seed, { ...options, trace: values.trace })
  const elements = elementsOf(whole)
  const kept = values.keep?.split(',').map((index) => elements[number('keep', index)] ?? '')
  const report = kept ? await simulate(seed, { ...options, only: new Set(kept), trace: values.trace }) : whole
  totals.add(report)
  for (const line of report.trace) console.log(line)
  console.log(
    `seed ${seed}: ${report.deeds.length} deeds, ${report.faults.length} faults, digest ${report.digest}`,
  )
  if (report.violations.length === 0) return
  console.log(`seed ${seed} FAILED: ${violationsOf(report)}`)
  if (!kept) await explain(report)
}

/** Shrinks the run and prints the result. */
async function explain(failed: SimulationReport): Promise<void> {
  const { seed } = failed
  const elements = elementsOf(failed)
  const { kept, runs } = await shrink(failed)
  const report = await simulate(seed, { ...options, only: new Set(kept), trace: true })
  console.log(
    `\nseed ${seed}: ${elements.length} deeds and faults, shrunk to ${kept.length} in ${runs} runs:`,
  )
  for (const element of kept) console.log(`  ${element}`)
  console.log(`  ${violationsOf(report)}`)
  for (const line of report.trace.slice(-MAX_TRACE_LINES)) console.log(`  ${line}`)
  const indices = kept.map((element) => elements.indexOf(element))
  const restriction = values.abilities === undefined ? '' : ` --abilities '${values.abilities}'`
  console.log(`  repeat the whole: npm run simulate -- --seed ${seed}${restriction}`)
  console.log(
    `  repeat this part: npm run simulate -- --seed ${seed}${restriction} --keep ${indices.join(',')} --trace`,
  )
}

function violationsOf({ violations }: SimulationReport): string {
  const more = violations.length > 3 ? `\n  and ${violations.length - 3} more` : ''
  return (
    violations
      .slice(0, 3)
      .map(({ invariant, text }) => `${invariant}: ${text.slice(0, MAX_TEXT)}`)
      .join('\n  ') + more
  )
}

function abilitiesOf(text: string): Ability[] {
  const names = text.split(',').filter((name) => name !== '')
  const wrong = names.filter((name) => !known.some((ability) => ability === name))
  if (wrong.length === 0) return names as Ability[]
  console.error(`--abilities has '${wrong.join(', ')}'; there are ${known.join(', ')}`)
  process.exit(2)
}

function number(name: string, text: string): number {
  const value = Number(text)
  if (Number.isSafeInteger(value) && value >= 0) return value
  console.error(`--${name} is '${text}'; give a whole number`)
  process.exit(2)
}

function printTotals(): void {
  const table = (title: string, counts: Iterable<readonly [string, number]>): void => {
    console.log(title)
    for (const [kind, count] of [...counts].sort((a, b) => b[1] - a[1]))
      console.log(`  ${kind.padEnd(24)}${count.toLocaleString('en').padStart(9)}`)
  }
  table('faults injected', totals.faults)
  table('seeds by what else they had', totals.abilities)
  table('calls repeated in doubt, by what explains them', totals.inDoubt)
  table('how tasks ended', totals.endings)
  const seconds = (performance.now() - startedMs) / 1_000
  const { seeds, tasks, calls, crashes, repeated, failed } = totals
  const figure = (value: number): string => value.toLocaleString('en')
  console.log(
    `${figure(seeds)} seeds in ${seconds.toFixed(1)} s (${(seeds / seconds).toFixed(1)} seeds/s): ${figure(tasks)} tasks, ` +
      `${figure(crashes)} crashes, ${figure(calls)} calls, ${figure(repeated)} repeated in doubt, ${failed} seeds failed`,
  )
}
