// The fleet as a client of MCP servers, by the scenarios of the conformance suite that its tests run, and those that it
// does not pass, each with its reason. One scenario at a time: they measure time, and a client is a process of its own.
import { fileURLToPath } from 'node:url'
import type { Revision } from './expected.ts'

const program = fileURLToPath(new URL('../mcp-client.ts', import.meta.url))
export const command = `${process.execPath} ${program}`

export interface ClientScenario {
  readonly name: string
  /** Revision of the server; null: it is an extension, of no revision. */
  readonly revision: Revision | null
}

const of = (revision: Revision | null, ...names: readonly string[]): ClientScenario[] =>
  names.map((name) => ({ name, revision }))

export const passed: readonly ClientScenario[] = [
  ...of('2026-07-28', 'tools_call', 'request-metadata', 'http-standard-headers', 'http-custom-headers'),
  ...of('2026-07-28', 'http-invalid-tool-headers', 'json-schema-ref-no-deref'),
  ...of('2026-07-28', 'sep-2322-client-request-state'),
  ...of('2025-11-25', 'initialize', 'tools_call', 'sse-retry'),
  ...of(null, 'auth/client-credentials-basic'),
]

/** Scenarios that are not run, as the report names them. */
export const notPassed: readonly { readonly names: string; readonly why: string }[] = [
  {
    names: '`auth/*` except those that are named here',
    why: 'They need somebody who signs in on a page; nobody signs in at a fleet.',
  },
  {
    names:
      '`auth/client-credentials-jwt`, `auth/dpop`, `auth/dpop-nonce`, `auth/enterprise-managed-authorization`, `auth/wif-jwt-bearer`',
    why: 'These ways to authenticate are not offered.',
  },
  {
    names: '`elicitation-sep1034-client-defaults`',
    why: 'A server of 2025-11-25 asks in the middle of a call, which can not wait for a person for days; it is not offered to ask.',
  },
  {
    names: '`json-schema-2020-12-preservation`',
    why: 'The client has to send the schema of a tool back as an argument, which no fleet does by itself.',
  },
  {
    names: '`sep-2640-client-*`',
    why: 'Skills of servers are not read.',
  },
]
