// npm run soak -- [embedded|kafka] [--tasks N] [--in-flight 64]: many tasks through one process of the whole
// fleet, and the effect on it. Default 200,000 tasks on the embedded log, 50,000 on Kafka. A row per tenth:
// memory, open files, disk, time of a task (of the processor too); the last line compares the last tenth with the
// second (in the first one code is still compiled). The model and the tools answer at once, from this process.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { execFileSync } from 'node:child_process'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { HttpClient } from '../client/index.ts'
import { startScriptedModel } from '../runtime/scripted-model/server.ts'
import { startKafka } from '../test/infra/kafka.ts'
import { startRedis } from '../test/infra/redis.ts'
import { startServices } from '../test/support/service-process.ts'
import { percentile, processorMs } from './measure.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { tasks: { type: 'string' }, 'in-flight': { type: 'string', default: '64' } },
})
const onKafka = positionals[0] === 'kafka'
const tasks = Number(values.tasks ?? (onKafka ? 50_000 : 200_000))
const inFlight = Number(values['in-flight'])
const TENTHS = 10

interface Sample {
  readonly tasks: number
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** Processor time of the fleet's process, per task. */
  readonly cpuMs: number
  readonly rssMb: number
  readonly heapMb: number
  readonly files: number
  readonly handles: number
  readonly diskMb: number
}

const directory = mkdtempSync(join(tmpdir(), 'flotilla-soak-'))
const model = await startScriptedModel()
const servers = onKafka ? await Promise.all([startKafka({ forLoad: true }), startRedis()]) : null
const disks = servers ? [dirname(servers[0].logFile), directory] : [directory]
const fleet = await startServices([], {
  env: {
    FLOTILLA_DATA: directory,
    FLOTILLA_SCRIPTED_URL: model.url,
    // On Kafka: the ledger in a file. This process is the only one.
    ...(servers && {
      KAFKA_BROKERS: servers[0].bootstrap,
      REDIS_URL: servers[1].url,
      FLOTILLA_ALLOW_VOLATILE_STORE: '1',
    }),
  },
})
const client = new HttpClient(fleet.url)
try {
  await fleet.ready()
  const samples: Sample[] = []
  console.log(`${tasks} tasks on ${onKafka ? 'Kafka' : 'the embedded log'}, ${inFlight} in flight\n`)
  console.log(
    '| tasks | tasks/s | p50, ms | p99 | CPU ms/task | RSS, MB | heap, MB | open files | handles | disk, MB |',
  )
  console.log('|---|---|---|---|---|---|---|---|---|---|')
  for (let tenth = 0; tenth < TENTHS; tenth++) {
    const sample = await runTenth(tenth)
    samples.push(sample)
    const { perSecond, p50Ms, p99Ms, cpuMs, rssMb, heapMb, files, handles, diskMb } = sample
    const whole = [rssMb, heapMb, files, handles, diskMb].map((n) => n.toFixed(0))
    const cells = [...[perSecond, p50Ms, p99Ms].map((n) => n.toFixed(0)), cpuMs.toFixed(2), ...whole]
    console.log(`| ${sample.tasks} | ${cells.join(' | ')} |`)
  }
  compare(samples[1] as Sample, samples.at(-1) as Sample)
} finally {
  await client.close()
  await fleet.kill9()
  await Promise.all([model.stop(), ...(servers ?? []).map((server) => server.stop())])
  rmSync(directory, { recursive: true, force: true })
}
process.exit(0)

async function runTenth(tenth: number): Promise<Sample> {
  const first = Math.floor((tenth * tasks) / TENTHS)
  const end = Math.floor(((tenth + 1) * tasks) / TENTHS)
  const latencies: number[] = []
  const processorBefore = processorMs([String(fleet.pid)])
  const startedMs = performance.now()
  let next = first
  const worker = async (): Promise<void> => {
    while (next < end) {
      const id = `soak${next++}`
      const { taskId } = await client.submit({ text: `task=${id} hi` })
      const { status, executionTime } = await client.result(taskId, { timeoutMs: 120_000 })
      if (status !== 'succeeded') throw new Error(`${id} ${status}`)
      latencies.push(executionTime)
    }
  }
  await Promise.all(Array.from({ length: inFlight }, worker))
  const seconds = (performance.now() - startedMs) / 1_000
  return {
    tasks: end,
    perSecond: (end - first) / seconds,
    p50Ms: percentile(latencies, 0.5),
    p99Ms: percentile(latencies, 0.99),
    cpuMs: (processorMs([String(fleet.pid)]) - processorBefore) / (end - first),
    ...(await sizes()),
  }
}

async function sizes() {
  const metrics = await (await fetch(`${fleet.url}/metrics`)).text()
  const metric = (name: string) =>
    Number(new RegExp(`^${name}(?:\\{.*\\})? (\\S+)$`, 'm').exec(metrics)?.[1] ?? 0)
  const status = readFileSync(`/proc/${fleet.pid}/status`, 'utf8')
  const disk = execFileSync('du', ['-skc', ...disks], { encoding: 'utf8' })
  return {
    rssMb: Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1_024,
    heapMb: metric('nodejs_heap_size_used_bytes') / 2 ** 20,
    files: readdirSync(`/proc/${fleet.pid}/fd`).length,
    handles: metric('nodejs_active_resources_total'),
    diskMb: Number(/(\d+)\s+total/.exec(disk)?.[1] ?? 0) / 1_024,
  }
}

/** Reports figures that must not grow, and the growth of data kept for each task. */
function compare(before: Sample, after: Sample): void {
  const between = after.tasks - before.tasks
  const perTask = (mb: number) => `${((mb * 1_024) / between).toFixed(2)} KB`
  const times = (field: 'p50Ms' | 'cpuMs' | 'perSecond') => `× ${(after[field] / before[field]).toFixed(2)}`
  console.log(
    `\nLast tenth to second: p50 ${times('p50Ms')}, processor time ${times('cpuMs')}, throughput ${times('perSecond')}.`,
  )
  console.log(
    `For each task in between: RSS ${perTask(after.rssMb - before.rssMb)}, heap ${perTask(after.heapMb - before.heapMb)}, ` +
      `disk ${perTask(after.diskMb - before.diskMb)}. Open files ${before.files} → ${after.files}, handles ${before.handles} → ${after.handles}.`,
  )
}
