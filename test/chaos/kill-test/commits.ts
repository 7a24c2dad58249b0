// Sees lanes commit from outside: a kcat on each state topic, which reads what is committed as it comes.
import { spawn, type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { note } from '../evidence.ts'
import { installedProgram } from '../../infra/tool.ts'

/** The row that every opening of a lane commits first. */
const OPENED_KEY = '$opened'
const PAUSE_MS = 500

export interface CommitWatch {
  stop(): void
}

export async function watchCommits(
  bootstrap: string,
  prefix: string,
  stages: readonly string[],
  file: string,
): Promise<CommitWatch> {
  const program = await installedProgram('kcat', 'kcat')
  const running = new Map<string, ChildProcess>()
  let stopped = false
  const watch = (stage: string): void => {
    if (stopped) return
    const topic = `${prefix}.${stage}.state`
    const options = ['-C', '-u', '-q', '-b', bootstrap, '-t', topic, '-o', 'beginning', '-f', '%p %o %k\n']
    const committed = [
      '-X',
      'isolation.level=read_committed',
      '-X',
      'topic.metadata.refresh.interval.ms=2000',
    ]
    const child = spawn(program, [...options, ...committed], { stdio: ['ignore', 'pipe', 'ignore'] })
    running.set(stage, child)
    createInterface({ input: child.stdout }).on('line', (line) => {
      const [lane = '', offset = '', key] = line.split(' ')
      const opening = key === OPENED_KEY
      note(file, { stage, lane: Number(lane), offset: Number(offset), opening, seenMs: Date.now() })
    })
    // It gives up when it finds no broker: another begins anew, and what comes again is known by its offset.
    child.once('exit', () => setTimeout(() => watch(stage), PAUSE_MS).unref())
  }
  for (const stage of stages) watch(stage)
  return {
    stop: () => {
      stopped = true
      for (const child of running.values()) child.kill()
    },
  }
}
