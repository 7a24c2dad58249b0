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
  /** Serves TLS too. */
  readonly tls?: { readonly cert: string; readonly key: string }
}

export interface Registry extends Server {
  readonly port: number
  /** For `SCHEMA_REGISTRY_URL`. */
  readonly url: string
  /** The same by TLS, where it was asked for. */
  readonly tlsUrl: string | null
}

const version = '2.6.13.Final'
const artefact = `io.apicurio:apicurio-registry-app:${version}:tar.gz:all`

export async function startRegistry(options: RegistryOptions = {}): Promise<Registry> {
  const program = await registryProgram()
  const port = await freePort()
  const url = `http://127.0.0.1:${port}/apis/ccompat/v7`
  const tlsPort = options.tls ? await freePort() : null
  const secure = options.tls && {
    QUARKUS_HTTP_SSL_PORT: String(tlsPort),
    QUARKUS_HTTP_SSL_CERTIFICATE_FILES: options.tls.cert,
    QUARKUS_HTTP_SSL_CERTIFICATE_KEY_FILES: options.tls.key,
  }
  const server = await startServer({
    name: 'registry',
    command: java(),
    args: [...quickStart, '-Xmx512m', '-jar', join(program, `apicurio-registry-app-${version}-runner.jar`)],
    env: { ...process.env, QUARKUS_HTTP_HOST: '127.0.0.1', QUARKUS_HTTP_PORT: String(port), ...secure },
    directory: scratch('registry'),
    ready: () => setCompatibility(url, options.compatibility ?? 'FULL_TRANSITIVE'),
    stopSignal: 'SIGKILL',
  })
  return Object.defineProperties(
    server,
    Object.getOwnPropertyDescriptors({
      port,
      url,
      tlsUrl: tlsPort && `https://127.0.0.1:${tlsPort}/apis/ccompat/v7`,
    }),
  ) as Registry
}

async function setCompatibility(url: string, compatibility: string): Promise<boolean> {
  const response = await fetch(`${url}/config`, {
    method: 'PUT',
    headers: { 'content-type': 'application/vnd.schemaregistry.v1+json' },
    body: JSON.stringify({ compatibility }),
  })
  return response.ok
}

/** A directory that holds the registry, which keeps its schemas in memory. */
export function registryProgram(): Promise<string> {
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
