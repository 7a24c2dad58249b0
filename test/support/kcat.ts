// kcat: a Kafka client that nobody here wrote, and without our partitioner.
import { spawn } from 'node:child_process'
import { installedProgram } from '../infra/tool.ts'

interface Produced {
  readonly key?: string
  /** Default: kcat's own choice. */
  readonly partition?: number
}

/** Publishes one value as it is. */
export async function publish(
  broker: string,
  topic: string,
  value: string,
  { key, partition }: Produced = {},
): Promise<void> {
  const place = partition === undefined ? [] : ['-p', String(partition)]
  const named = key === undefined ? [] : ['-k', key]
  await kcat(['-P', '-b', broker, '-t', topic, ...place, ...named], value)
}

/** Keys of every committed record of a topic. */
export async function keysOf(broker: string, topic: string): Promise<string[]> {
  const committed = ['-X', 'isolation.level=read_committed']
  const all = ['-C', '-b', broker, '-t', topic, '-o', 'beginning', '-e', '-q']
  const read = await kcat([...all, ...committed, '-f', '%k\n'])
  return read.split('\n').filter(Boolean)
}

/** What it wrote. Rejects when it ended with an error. */
export async function kcat(args: readonly string[], input = ''): Promise<string> {
  const child = spawn(await installedProgram('kcat', 'kcat'), args, { stdio: 'pipe' })
  const said = { out: '', err: '' }
  child.stdout.on('data', (text: Buffer) => (said.out += text.toString()))
  child.stderr.on('data', (text: Buffer) => (said.err += text.toString()))
  child.stdin.end(input)
  const code = await new Promise((resolve, reject) => child.once('error', reject).once('close', resolve))
  if (code !== 0) throw new Error(`kcat ${args.join(' ')} ended with ${String(code)}: ${said.err}`)
  return said.out
}
