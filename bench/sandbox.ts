// npm run bench:sandbox: the cost of a step of code in the wasm executor. Latencies are medians on a machine
// that does other things too; the processor time of programs is compared with the machine's own python3 in
// the same run. Then the same steps in other executors, and in smolagents' interpreter if the Python that
// SMOLAGENTS_PYTHON names has it.
import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Executor } from '../services/code-sandbox/executors/port.ts'
import { HttpExecutor } from '../services/code-sandbox/executors/http/http-executor.ts'
import { NativeExecutor } from '../services/code-sandbox/executors/native/native-executor.ts'
import { TOKEN, startServer } from '../test/sandbox/http-server.ts'
import { TestSession } from '../test/sandbox/suite/session.ts'
import { createWasm, pythonProcesses } from '../test/sandbox/wasm.ts'
import { percentile } from './measure.ts'

/** Each with the size at which native Python computes for a few tenths of a second. */
const programs: Readonly<Record<string, readonly [size: number, code: (n: number) => string]>> = {
  'loops and integers': [6_000_000, (n) => `n = 0\nfor i in range(${n}): n += i * i % 7\nn`],
  'dictionaries and strings': [
    900_000,
    (n) => `d = {}\nfor i in range(${n}): d[f"k{i % 5000}"] = d.get(f"k{i % 5000}", 0) + i\nlen(d)`,
  ],
  'objects and methods': [
    2_000_000,
    (n) =>
      `class P:\n    def __init__(self, x): self.x = x\n    def double(self): return self.x * 2\nsum(P(i).double() for i in range(${n}))`,
  ],
  'sorting and comprehensions': [
    900_000,
    (n) =>
      `import random\nrandom.seed(1)\nx = [random.random() for _ in range(${n})]\nx.sort()\nsum(a for a in x if a > 0.5)`,
  ],
  'JSON and regular expressions': [
    60_000,
    (n) =>
      `import json, re\nt = json.dumps([{"id": i, "name": f"item {i}"} for i in range(${n})])\nlen(re.findall(r"item \\d+", t)) + len(json.loads(t))`,
  ],
}
/** Divisor of each size for smolagents: its interpreter is a hundred times slower, and limits operations. */
const PEER_SHARE = 20

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

/** Processor time of the machine's own python3, without its start. */
function nativeCpuMs(code: string): number {
  const script = `import time\nb = time.process_time()\nexec(${JSON.stringify(code)})\nprint((time.process_time() - b) * 1000)`
  return Number(execFileSync('python3', ['-c', script], { encoding: 'utf8' }))
}

const THOUSAND_CALLS = 'for i in range(1000): search(str(i))'
const warmSteps = (session: TestSession) => times(200, () => session.step('x = 1\nx + 1'))
const freshSteps = (executor: Executor) =>
  times(20, async () => {
    const one = new TestSession(executor)
    await one.step('1')
    await executor.discard(one.id)
  })

/** An executor beside wasm: the same steps. */
async function beside(name: string, executor: Executor): Promise<void> {
  await new TestSession(executor).step('1')
  const session = new TestSession(executor)
  await session.step('1')
  const [warm, fresh] = [median(await warmSteps(session)), median(await freshSteps(executor))]
  const calls = await timed(() => session.step(THOUSAND_CALLS, () => null))
  console.log(`| ${name} | ${ms(warm)} | ${ms(fresh)} | ${ms(calls)} |`)
  await executor.close()
}

interface Peer {
  readonly version: string
  readonly coldMs: number
  readonly warmMs: readonly number[]
  readonly freshMs: readonly number[]
  readonly callsMs: number
  /** CPU milliseconds, or why the program was refused. */
  readonly programs: Readonly<Record<string, number | string>>
}

/** Null: it is not installed, which is reported. */
function smolagents(): Peer | null {
  const python = process.env['SMOLAGENTS_PYTHON'] ?? 'python3'
  if (spawnSync(python, ['-c', 'import smolagents']).status !== 0) return null
  const small = Object.entries(programs).map(([what, [size, program]]) => [what, program(size / PEER_SHARE)])
  const input = JSON.stringify({ startedMs: Date.now(), programs: Object.fromEntries(small) })
  const script = fileURLToPath(new URL('./smolagents_steps.py', import.meta.url))
  return JSON.parse(execFileSync(python, [script], { input, encoding: 'utf8' })) as Peer
}

async function others(): Promise<Peer | null> {
  console.log(
    '\n| executor | warm step | first step of a session | 1,000 tool calls in one step |\n|---|---|---|---|',
  )
  await beside('wasm', createWasm({ maxChildren: 2, bubblewrap: false }))
  await beside('native', new NativeExecutor({ memoryMb: 512, maxChildren: 2 }))
  const server = await startServer()
  await beside(
    'http, its server on this machine',
    new HttpExecutor({ memoryMb: 512, maxChildren: 2, url: server.url, token: TOKEN }),
  )
  await server.stop()
  const peer = smolagents()
  if (peer)
    console.log(
      `| smolagents ${peer.version} LocalPythonExecutor: in process, without pauses | ${ms(median(peer.warmMs))} | ${ms(median(peer.freshMs))} (of a process ${ms(peer.coldMs)}) | ${ms(peer.callsMs)} |`,
    )
  else
    console.log(
      '| smolagents: not measured; `pip install smolagents`, and name its Python in SMOLAGENTS_PYTHON | – | – | – |',
    )
  return peer
}

function peerRatios(peer: Peer): void {
  console.log(
    `\n| CPU of programs of a ${PEER_SHARE}th of the size | smolagents ${peer.version} | python3 | |\n|---|---|---|---|`,
  )
  for (const [what, [size, program]] of Object.entries(programs)) {
    const native = median([1, 2, 3].map(() => nativeCpuMs(program(size / PEER_SHARE))))
    const taken = peer.programs[what] ?? 'not run'
    const figures =
      typeof taken === 'number'
        ? `${ms(taken)} | ${ms(native)} | ${(taken / native).toFixed(0)}×`
        : `${taken} | ${ms(native)} | –`
    console.log(`| ${what} | ${figures} |`)
  }
}

async function latencies(): Promise<void> {
  const executor = createWasm({ maxChildren: 2, bubblewrap: false })
  const cold = await timed(() => new TestSession(executor).step('1'))
  const session = new TestSession(executor)
  await session.step('1')
  const warm = await warmSteps(session)
  const fresh = await freshSteps(executor)
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
  const calls = await timed(() => session.step(THOUSAND_CALLS, () => null))
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
  for (const [what, [size, program]] of Object.entries(programs)) {
    const code = program(size)
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
const peer = await others()
if (peer) peerRatios(peer)
