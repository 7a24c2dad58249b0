// A real schema registry (Apicurio 2.6) on loopback, spoken to by Confluent's API. It keeps its schemas in memory.
import { join } from 'node:path'
import { cached } from './cache.ts'
import { java, maven, quickStart } from './java.ts'
import { freePort } from './port.ts'
import { scratch, startServer, type Server } from './server.ts'
import { runTool } from './tool.ts'

export interface RegistryOptions {
  /** The rule for every subject; FULL_TRANSITIVE unless given. The registry's own default is NONE. */
  readonly compatibility?: string
}

export interface Registry extends Server {
  readonly port: number
  /** For `SCHEMA_REGISTRY_URL`. */
  readonly url: string
}

const version = '2.6.13.Final'
const artefact = `io.apicurio:apicurio-registry-app:${version}:tar.gz:all`

export async function startRegistry(options: RegistryOptions = {}): Promise<Registry> {
  const program = await registryProgram()
  const port = await freePort()
  const url = `http://127.0.0.1:${port}/apis/ccompat/v7`
  const server = await startServer({
    name: 'registry',
    command: java(),
    args: [...quickStart, '-Xmx512m', '-jar', join(program, `apicurio-registry-app-${version}-runner.jar`)],
    env: { ...process.env, QUARKUS_HTTP_HOST: '127.0.0.1', QUARKUS_HTTP_PORT: String(port) },
    directory: scratch('registry'),
    ready: () => setCompatibility(url, options.compatibility ?? 'FULL_TRANSITIVE'),
    readyTimeoutMs: 90_000,
    stopSignal: 'SIGKILL',
  })
  return Object.defineProperties(server, Object.getOwnPropertyDescriptors({ port, url })) as Registry
}

async function setCompatibility(url: string, compatibility: string): Promise<boolean> {
  const response = await fetch(`${url}/config`, {
    method: 'PUT',
    headers: { 'content-type': 'application/vnd.schemaregistry.v1+json' },
    body: JSON.stringify({ compatibility }),
  })
  return response.ok
}

function registryProgram(): Promise<string> {
  return cached('registry', [artefact], async (directory) => {
    const quiet = ['-q', '-B']
    await runTool(maven(), [...quiet, 'dependency:get', '-Dtransitive=false', `-Dartifact=${artefact}`])
    const copy = ['dependency:copy', `-Dartifact=${artefact}`, `-DoutputDirectory=${directory}`]
    await runTool(maven(), [...quiet, ...copy], { cwd: directory })
    const archive = `apicurio-registry-app-${version}-all.tar.gz`
    await runTool('tar', ['xzf', archive], { cwd: directory })
    await runTool('rm', [archive], { cwd: directory })
  })
}
