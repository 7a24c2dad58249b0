// The sandbox server of deploy/, started as its users start it.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { installedProgram } from '../infra/tool.ts'
import { killIfThere } from '../support/kill.ts'
import { eventually } from '../conformance/waiting.ts'
import { sessionProcesses } from './session-processes.ts'

const script = fileURLToPath(new URL('../../deploy/sandbox-http/server.py', import.meta.url))
export const TOKEN = 'the token of the tests'

export interface Described {
  readonly protocol: string
  readonly sessions: number
  readonly computing: number
}

export interface ServerProcess {
  readonly url: string
  readonly pid: number
  described(): Promise<Described>
  /** Ends the processes of its sessions as the system would. Resolves when it knows. */
  crashSessions(): Promise<void>
  stop(): Promise<void>
}

export async function startServer(settings: Record<string, string> = {}): Promise<ServerProcess> {
  const python = await installedProgram('python3', 'python3')
  const child = spawn(python, ['-s', '-P', '-B', script], {
    env: { PATH: process.env['PATH'], PORT: '0', FLOTILLA_SANDBOX_TOKEN: TOKEN, ...settings },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  const pid = child.pid ?? 0
  const line = await Promise.race([
    once(createInterface(child.stdout), 'line').then(([text]) => String(text)),
    exited.then(([code]) => Promise.reject(new Error(`the sandbox server ended (${code})`))),
  ])
  const url = /http:\S+/.exec(line)?.[0] ?? ''
  const described = async (): Promise<Described> => {
    const answer = await fetch(`${url}/v1`, { headers: { authorization: `Bearer ${TOKEN}` } })
    return (await answer.json()) as Described
  }
  return {
    url,
    pid,
    described,
    async crashSessions() {
      if ((await described()).sessions === 0) return
      for (const one of sessionProcesses(pid)) killIfThere(one)
      await eventually('its sessions are gone', async () => (await described()).sessions === 0)
    },
    async stop() {
      child.kill('SIGKILL')
      await exited
    },
  }
}
