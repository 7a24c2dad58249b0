// npm run bench:sandbox: what a step of code costs in the wasm executor. Latencies are medians on a machine that does other things
// too; the processor time of programs stands beside that of the machine's own python3 in the same run.
import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { TestSession } from '../test/sandbox/suite/session.ts'
import { createWasm, pythonProcesses } from '../test/sandbox/wasm.ts'
import { percentile } from './measure.ts'

const programs = {
  'loops and integers': 'n = 0\nfor i in range(6_000_000): n += i * i % 7\nn',
  'dictionaries and strings':
    'd = {}\nfor i in range(900_000): d[f"k{i % 5000}"] = d.get(f"k{i % 5000}", 0) + i\nlen(d)',
  'objects and methods':
    'class P:\n    def __init__(self, x): self.x = x\n    def double(self): return self.x * 2\nsum(P(i).double() for i in range(2_000_000))',
  'sorting and comprehensions':
    'import random\nrandom.seed(1)\nx = [random.random() for _ in range(900_000)]\nx.sort()\nsum(a for a in x if a > 0.5)',
  'JSON and regular expressions':
    'import json, re\nt = json.dumps([{"id": i, "name": f"item {i}"} for i in range(60_000)])\nlen(re.findall(r"item \\d+", t)) + len(json.loads(t))',
} as const

const median = (values: readonly number[]) => percentile(values, 0.5)

async function timed(work: () => Promise<unknown>): Promise<number> {
  const begunMs = performance.now()
  await work()
  return performance.now() - begunMs
}

async function times(count: number, work: (index: number) => Promise<unknown>): Promise<number[]> {
  const found: number[] = []
  for (let index = 0; index < count; index++) found.push(await timed(() => work(index)))
  return found
}

const line = (what: string, figure: string, aim: string) => console.log(`| ${what} | ${figure} | ${aim} |`)
const ms = (value: number) => `${value.toFixed(1)} ms`

/** User and system time that a process has taken. */
function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) * 10
}

const residentMb = (pid: number) =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1_024

const allCpuMs = () => pythonProcesses().reduce((sum, pid) => sum + cpuMs(pid), 0)

/** Of the machine's own python3, without its start. */
function nativeCpuMs(code: string): number {
  const script = `import time\nb = time.process_time()\nexec(${JSON.stringify(code)})\nprint((time.process_time() - b) * 1000)`
  return Number(execFileSync('python3', ['-c', script], { encoding: 'utf8' }))
}

async function latencies(): Promise<void> {
  const executor = createWasm({ maxChildren: 2, bubblewrap: false })
  const cold = await timed(() => new TestSession(executor).step('1'))
  const session = new TestSession(executor)
  await session.step('1')
  const warm = await times(200, () => session.step('x = 1\nx + 1'))
  const fresh = await times(20, async () => {
    const one = new TestSession(executor)
    await one.step('1')
    await executor.discard(one.id)
  })
  const kept = new TestSession(executor)
  const resumed: number[] = []
  let lostMs = 0
  await kept.step(
    'for i in range(20): search(str(i))',
    () => null,
    async () => {
      if (lostMs > 0) resumed.push(performance.now() - lostMs)
      await executor.discard(kept.id)
      lostMs = performance.now()
    },
  )
  const before = allCpuMs()
  const calls = await timed(() => session.step('for i in range(1000): search(str(i))', () => null))
  line('first step of a process', ms(cold), '–')
  line('warm step', ms(median(warm)), '3 ms beyond its CPU')
  line('first step of a session', ms(median(fresh)), '50 ms')
  line('resume in the middle of a loop after its interpreter is gone', ms(median(resumed)), '100 ms')
  line('1,000 tool calls in one step', `${ms(calls)}, ${allCpuMs() - before} ms of CPU`, '–')
  await executor.close()
}

async function waiting(): Promise<void> {
  const executor = createWasm({ maxChildren: 4, bubblewrap: false })
  const sessions = Array.from({ length: 200 }, () => new TestSession(executor))
  let peakMb = 0
  const gate = Promise.withResolvers<void>()
  let arrived = 0
  await Promise.all(
    sessions.map((session, index) =>
      session.step(
        `x = ${index}\nx + int(search("a"))`,
        () => 1,
        async () => {
          peakMb = Math.max(
            peakMb,
            pythonProcesses().reduce((sum, pid) => sum + residentMb(pid), 0),
          )
          if (++arrived === sessions.length) gate.resolve()
          await gate.promise
        },
      ),
    ),
  )
  line('200 sessions that wait for a tool, evicting', `${peakMb.toFixed(0)} MB`, '1 GB')
  await executor.close()
}

async function ratios(): Promise<void> {
  const executor = createWasm({ maxChildren: 1, warmChildren: 0, bubblewrap: false })
  const session = new TestSession(executor)
  await session.step('1')
  for (const [what, code] of Object.entries(programs)) {
    const native = median([1, 2, 3].map(() => nativeCpuMs(code)))
    const before = allCpuMs()
    const { error } = await session.step(code)
    if (error) throw new Error(error.traceback)
    const taken = allCpuMs() - before
    line(
      `CPU: ${what}`,
      `${taken} ms, python3 ${native.toFixed(0)} ms: ${(taken / native).toFixed(1)}×`,
      '3×',
    )
  }
  await executor.close()
}

if (spawnSync('python3', ['--version']).status !== 0)
  throw new Error('python3 is lacking: install it to compare')
console.log('| wasm executor | figure | aim |\n|---|---|---|')
await latencies()
await waiting()
await ratios()
