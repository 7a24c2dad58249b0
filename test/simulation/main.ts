// npm run simulate -- --seeds 10000 [--from 1]: many seeds, each a run of its own; a failing one is printed with the
// command that repeats it.
import { parseArgs } from 'node:util'
import { simulate } from './simulate.ts'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '200' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
  },
})
const first = Number(values.seed ?? values.from)
const count = values.seed === undefined ? Number(values.seeds) : 1
const totals = { kills: 0, calls: 0, inDoubt: 0, tasks: 0, failed: 0 }
const startedMs = performance.now()

for (let seed = first; seed < first + count; seed++) {
  const report = await simulate(seed)
  totals.kills += report.kills
  totals.calls += report.calls
  totals.inDoubt += report.inDoubt
  totals.tasks += report.tasks
  if (report.violations.length === 0) continue
  totals.failed++
  console.log(`seed ${seed} FAILED (${report.kills} kills, ${report.steps} steps)`)
  for (const violation of report.violations.slice(0, 10)) console.log(`  ${violation}`)
  console.log(`  repeat: npm run simulate -- --seed ${seed}`)
}

const seconds = (performance.now() - startedMs) / 1_000
console.log(
  `${count} seeds in ${seconds.toFixed(1)} s (${(count / seconds).toFixed(1)}/s): ${totals.tasks} tasks, ${totals.kills} kills, ` +
    `${totals.calls} calls, ${totals.inDoubt} repeated in doubt, ${totals.failed} seeds failed`,
)
process.exit(totals.failed === 0 ? 0 : 1)
