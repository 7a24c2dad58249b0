// Processor time of a task, of the main thread and of the process: 600 tasks of warm-up, then 2,000, 64 at once.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { loadServices, stageNames } from '../services/index.ts'
import { LogClient } from '../client/log/client.ts'
import { defineTool } from '../runtime/config/define.ts'
import { readEnvironment } from '../runtime/config/environment.ts'
import { completeFleet } from '../runtime/config/load.ts'
import { startProcess } from '../runtime/host/process.ts'
import { openTelemetry } from '../runtime/telemetry/open.ts'
const echo = defineTool({ name: 'echo', description: 'Echo', input: z.object({ text: z.string() }), idempotent: true, run: ({ text }: { text: string }) => text })
const dataDir = mkdtempSync(join(tmpdir(), 'flotilla-bench-'))
const environment = readEnvironment({ ...process.env, FLOTILLA_DATA: dataDir, FLOTILLA_PREFIX: `bench${process.pid}`, FLOTILLA_SCRIPTED_URL: process.env['MODEL_URL'], LOG_LEVEL: 'error', FLOTILLA_ALLOW_VOLATILE_STORE: '1' } as any)
const plenty = 1_000_000_000
const limits = { rates: { userRequests: plenty, userTokens: plenty }, budgets: { fleetTokens: plenty, userTokens: plenty, modelTokens: plenty } }
const fleet = completeFleet({ tools: [echo], agents: { default: { mode: 'tools' } }, limits } as any, environment, 'bench')
const telemetry = openTelemetry(environment, 'bench', { records: false, fleet })
const stages = await loadServices(stageNames)
const running = await startProcess({ name: 'bench', services: stages, environment, fleet, telemetry, http: false })
const until = Date.now() + 60_000
while (!(await running.readiness()).ready && Date.now() < until) await new Promise((resume) => setTimeout(resume, 50))
const client = new LogClient({ log: running.log, codec: running.codec, blobs: running.stores.blobs })
async function runTask(id: string): Promise<void> {
  const { taskId } = await client.submit({ text: `task=${id} hi` })
  const { status, output, error } = await client.result(taskId, { timeoutMs: 60_000 })
  if (status !== 'succeeded' || !String(output).startsWith(`done ${id}`)) throw new Error(`${status}: ${String(output)} ${error?.message ?? ''}`)
}
async function many(count: number, at: number, name: string) {
  let next = 0
  await Promise.all(Array.from({ length: at }, async () => { while (next < count) await runTask(`${name}${next++}`) }))
}
await many(600, 32, "w"); await many(100, 1, "s")
await many(1500, 64, 'warm')
const ev: any[] = []; (globalThis as any).__ev = ev
import { readFileSync, readdirSync } from 'node:fs'
const sched = () => readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'utf8').split(' ').map(Number)
const stat = () => readFileSync('/proc/stat', 'utf8').split('\n')[0]!.split(/ +/).slice(1).map(Number)
const s0 = sched(), c0 = stat(), t0 = performance.now()
await many(600, 64, 'x')
const s1 = sched(), c1 = stat(), d = performance.now() - t0
console.log('tasks/s', 600000 / d, 'main run', ((s1[0]! - s0[0]!) / 1e6 / d).toFixed(3), 'main waits for cpu', ((s1[1]! - s0[1]!) / 1e6 / d).toFixed(3), 'idle share', (c1[3]! - c0[3]!) / c1.map((v, i) => v - c0[i]!).reduce((a, b) => a + b, 0))
const open = new Map<string, number>(); const d2 = new Map<string, number[]>()
const add = (k: string, v: number) => d2.set(k, [...(d2.get(k) ?? []), v])
for (const [t, w] of ev) {
  let m
  if ((m = /^commit begin (\S+)\[(\d+)\]/.exec(w))) open.set(m[1] + '.' + m[2], t)
  else if ((m = /^commit end (\S+)\[(\d+)\]/.exec(w))) { add('commit ' + m[1], t - open.get(m[1] + '.' + m[2])!) ; const wr = open.get('w' + m[1] + '.' + m[2]); if (wr) add('end ' + m[1], t - wr) }
  else if ((m = /^  (produced|offsets|written) \w+?\.(.+)$/.exec(w))) { const b = open.get(m[2]!); if (b) { add(m[1] + ' ' + m[2]!.replace(/\.\d+$/, ''), t - b); if (m[1] === 'written') open.set('w' + m[2], t) } }
  else if ((m = /RETRY (\S+)/.exec(w))) add('RETRY ' + m[1], 1)
  else if ((m = /^call (begin|end) (\w+)/.exec(w))) add('call ' + m[2], 0)
}
for (const [k, v] of [...d2].sort()) { v.sort((a, b) => a - b); console.log(k.padEnd(28), 'n', String(v.length).padStart(5), 'p50', v[v.length >> 1]!.toFixed(1), 'p90', v[Math.floor(v.length * .9)]!.toFixed(1)) }
await client.close()
await running.stop()
rmSync(dataDir, { recursive: true, force: true })
process.exit(0)
