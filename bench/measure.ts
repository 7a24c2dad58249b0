// Measures every contestant in the same way: latency one at a time, then throughput at 64, with the processor
// time of the process.
import { readFileSync } from 'node:fs'

export interface Figures {
  readonly name: string
  readonly tasks: number
  /** One task at a time, milliseconds. */
  readonly p50Ms: number
  readonly p99Ms: number
  /** Tasks a second with 64 in flight. */
  readonly perSecond: number
  /** User and system time of this process per task of the throughput phase, without the model server. */
  readonly cpuMs: number
  /** The same of the processes that BROKER_PIDS lists. */
  readonly serversCpuMs?: number
  readonly rssMb: number
}

export interface Load {
  /** Tasks one at a time. Default 200. */
  readonly single?: number
  /** Tasks of the throughput phase. Default 3,000. */
  readonly many?: number
  readonly concurrency?: number
  readonly warmUp?: number
}

export async function measure(
  name: string,
  runTask: (id: string) => Promise<void>,
  load: Load = {},
): Promise<Figures> {
  const { single = 200, many = 3_000, concurrency = 64, warmUp = 100 } = load
  await inFlight(warmUp, 8, (index) => runTask(`warm${index}`))
  const latencies: number[] = []
  for (let index = 0; index < single; index++) {
    const startedMs = performance.now()
    await runTask(`one${index}`)
    latencies.push(performance.now() - startedMs)
  }
  const servers = (process.env['BROKER_PIDS'] ?? '').split(',').filter((pid) => pid !== '')
  const serversBefore = processorMs(servers)
  const cpu = process.cpuUsage()
  const startedMs = performance.now()
  await inFlight(many, concurrency, (index) => runTask(`many${index}`))
  const seconds = (performance.now() - startedMs) / 1_000
  const { user, system } = process.cpuUsage(cpu)
  return {
    name,
    tasks: single + many,
    p50Ms: percentile(latencies, 0.5),
    p99Ms: percentile(latencies, 0.99),
    perSecond: many / seconds,
    cpuMs: (user + system) / 1_000 / many,
    serversCpuMs: (processorMs(servers) - serversBefore) / many,
    rssMb: residentMb(),
  }
}

async function inFlight(
  count: number,
  concurrency: number,
  run: (index: number) => Promise<void>,
): Promise<void> {
  let next = 0
  const worker = async () => {
    while (next < count) await run(next++)
  }
  await Promise.all(Array.from({ length: concurrency }, worker))
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
}

/** Clock ticks of /proc, of which Linux counts 100 a second. */
const TICK_MS = 10

/** Processor time of other processes since they began; 0 for one that is gone. */
export function processorMs(pids: readonly string[]): number {
  return pids.reduce((sum, pid) => sum + ticksOf(pid) * TICK_MS, 0)
}

function ticksOf(pid: string): number {
  try {
    // The name, in brackets, may hold spaces.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ')
    return Number(fields[11]) + Number(fields[12])
  } catch {
    return 0
  }
}

function residentMb(): number {
  const status = readFileSync('/proc/self/status', 'utf8')
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1_024)
}
