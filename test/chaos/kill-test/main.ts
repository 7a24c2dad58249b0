// npm run chaos -- [--minutes 1] [--tasks N] [--rate PER_SECOND] [--seed N] [--out DIR] [--into FILE.md]
//
// The kill test: a fleet on three brokers, every service a process of its own, under a load that it holds when nothing
// happens, while services and brokers are killed, Redis is restarted and instances come and go. A checker that reads only
// the topics and the logs of the model and tool servers gives the verdict, and the exit code. --into replaces the last
// table in a document. `npm run chaos -- --judge DIR` judges the evidence of an earlier run again.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { judge } from '../checker.ts'
import { compress } from '../evidence.ts'
import { faults, report, type RunFacts } from './report.ts'
import { run } from './run.ts'
import { timingOf } from './timing.ts'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '1' },
    tasks: { type: 'string' },
    rate: { type: 'string' },
    seed: { type: 'string' },
    out: { type: 'string', default: '.flotilla/chaos' },
    into: { type: 'string' },
    judge: { type: 'string' },
  },
})

const FACTS = 'run.json'
const [BEGIN, END] = ['<!-- kill test: begin -->', '<!-- kill test: end -->']

async function conclude(directory: string): Promise<number> {
  const facts = JSON.parse(readFileSync(join(directory, FACTS), 'utf8')) as RunFacts
  const verdict = await judge(directory, { model: 'planner', tool: 'tool-executor' })
  const text = report(facts, verdict, await timingOf(directory))
  writeFileSync(join(directory, 'table.md'), text)
  console.log(`\n${text}`)
  if (values.into !== undefined) replaceTable(values.into, text)
  const wrong = faults(verdict, facts)
  for (const fault of wrong.slice(0, 50)) console.log(`FAILED ${fault}`)
  console.log(wrong.length === 0 ? 'The kill test holds.' : `The kill test found ${wrong.length} faults.`)
  console.log(`Evidence and table: ${directory}`)
  return wrong.length === 0 ? 0 : 1
}

function replaceTable(file: string, text: string): void {
  const [before, rest] = readFileSync(file, 'utf8').split(BEGIN)
  const after = rest?.split(END)[1]
  if (before === undefined || after === undefined)
    throw new Error(`${file} has no lines '${BEGIN}' and '${END}' between which the table stands`)
  writeFileSync(file, `${before}${BEGIN}\n\n${text}\n${END}${after}`)
}

function number(name: 'minutes' | 'tasks' | 'rate' | 'seed'): number | undefined {
  const text = values[name]
  if (text === undefined) return undefined
  const value = Number(text)
  if (text !== '' && Number.isFinite(value) && value > 0) return value
  console.error(`--${name} is '${text}'; give a number above 0`)
  process.exit(2)
}

async function main(): Promise<number> {
  if (values.judge !== undefined) return conclude(resolve(values.judge))
  const out = resolve(values.out)
  const minutes = number('minutes') ?? 1
  const [tasks, rate] = [number('tasks'), number('rate')]
  const seed = number('seed') ?? 1 + Math.floor(Math.random() * 1_000_000)
  mkdirSync(out, { recursive: true })
  const offered = rate ?? (tasks === undefined ? undefined : tasks / (minutes * 60))
  const ran = await run({ out, minutes, seed, ...(offered !== undefined && { ratePerSecond: offered }) })
  const given = [
    ['minutes', minutes],
    ['tasks', tasks],
    ['rate', rate],
    ['seed', seed],
  ] as const
  const options = given.flatMap(([name, value]) => (value === undefined ? [] : [`--${name} ${value}`]))
  const facts: RunFacts = {
    command: `npm run chaos -- ${options.join(' ')}`,
    date: new Date().toISOString().slice(0, 10),
    seed,
    ...ran,
  }
  writeFileSync(join(out, FACTS), JSON.stringify(facts, null, 2))
  const code = await conclude(out)
  await compress(out)
  return code
}

process.exit(await main())
