// MCP servers in flotilla.config.ts: where each is, who it takes us for, and how far it is trusted.
//
// What their tools are is not here: names, schemas and descriptions are pinned in a lock file (lock.ts).
import { z } from 'zod'
import type { Json } from '../../../schemas/json.ts'
import { termsMistakes, type ApprovalDefinition } from '../approvals.ts'
import { toolPart } from './names.ts'

/** A header's value, or the environment variable that holds it, behind a prefix such as `Bearer `. */
export type McpHeader = string | { env: string; prefix?: string }

/** Credentials of the fleet for an HTTP server, by OAuth. Tokens are renewed before they expire, and after a 401. */
export type McpAuth =
  | { type: 'client_credentials'; issuer: string; clientId: string; clientSecretEnv: string; scope?: string }
  | {
      type: 'refresh_token'
      issuer: string
      clientId: string
      clientSecretEnv?: string
      refreshTokenEnv: string
      scope?: string
    }

export const mcpHints = ['readOnlyHint', 'idempotentHint', 'destructiveHint', 'openWorldHint'] as const
export type McpHint = (typeof mcpHints)[number]

/** Overrides of one tool, by its name on the server. */
export interface McpToolSettings {
  idempotent?: boolean
  /** True: each call waits for a person. An object: its rule and terms, also those of questions of the server. */
  requiresApproval?: boolean | ApprovalDefinition<{ [argument: string]: Json }>
  /** What becomes of a call whose outcome nobody knows, as of any tool. Only if it is not idempotent. */
  inDoubt?: 'tell' | 'hold'
  timeoutMs?: number
  cacheTtlMs?: number
  cacheScope?: 'user' | 'shared'
  reads?: 'private' | 'untrusted' | 'nothing' | ('private' | 'untrusted')[]
  sends?: boolean
}

export interface McpServerDefinition {
  /** Program of a server that this process starts and speaks to on stdin and stdout. Either this or `url`. */
  command?: string
  args?: string[]
  /** Directory in which it runs. Default: the working directory. */
  cwd?: string
  /** Variables that it gets, beside PATH and HOME. Nothing else passes. */
  env?: string[]
  /** Address of a server that speaks streamable HTTP. It may be private: it is the operator's choice. */
  url?: string
  headers?: Record<string, McpHeader>
  auth?: McpAuth
  /**
   * Credentials of one user, by the task's userId: headers for an HTTP server, variables for a program. Each user
   * gets a connection, and a program a process, of their own. Asked again when a connection is opened, and
   * after a 401. Tasks without a userId can't use the server.
   */
  perUser?: (userId: string) => Record<string, string> | Promise<Record<string, string>>
  tools?: {
    /** Names on the server; `*` at the end of one matches the rest. Default: all. */
    allow?: string[]
    /** Taken from what is allowed. */
    deny?: string[]
    /** Beginning of their names here. Default: the server's name and an underscore. */
    prefix?: string
    /** By name on the server: the operator's word against the server's hints. */
    settings?: Record<string, McpToolSettings>
  }
  /** Whether its resources can be read, by a tool `read_resource`. Default true, if it has some. */
  resources?: boolean
  /**
   * Hints of the server that are believed: true means all. Default: none, so that its tools are never run twice
   * and their results are marked as somebody else's text.
   */
  trust?: boolean | McpHint[]
  limits?: Partial<McpLimits>
}

export interface McpLimits {
  /** To start it, or to connect, and agree on a protocol. Default 15,000. */
  connectMs: number
  /** One request. A call that the server continues as a task may last until its task's deadline. Default 60,000. */
  timeoutMs: number
  /** One message of a program, one answer of an HTTP server, unpacked. Default 4,000,000. */
  maxBytes: number
  /** Calls at once, in one process. Default 8. */
  concurrent: number
  /** After this time a call looks first whether the tool is still the pinned one. Default 60,000. */
  checkMs: number
  /** Users with a connection at once, in one process. Default 50. */
  users: number
}

/** An McpServerDefinition with its name and its limits. */
export interface McpServer extends Omit<McpServerDefinition, 'limits'> {
  readonly name: string
  readonly limits: Readonly<McpLimits>
}

const defaultLimits: McpLimits = {
  connectMs: 15_000,
  timeoutMs: 60_000,
  maxBytes: 4_000_000,
  concurrent: 8,
  checkMs: 60_000,
  users: 50,
}

const text = z.string().min(1)
const variable = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'must be the name of an environment variable')
const whole = (least: number, most = 2_147_483_647) => z.number().int().min(least).max(most)
const httpUrl = z.string().refine((value) => {
  const url = URL.parse(value)
  return url !== null && ['http:', 'https:'].includes(url.protocol) && url.username === ''
}, 'must be a URL that begins with https:// or http://, without user and password (use headers or auth)')
const header = z.union([text, z.strictObject({ env: variable, prefix: z.string().optional() })], {
  error: 'must be a text, or { env, prefix } for the value of an environment variable',
})
const oauth = { issuer: httpUrl, clientId: text, scope: text.optional() }
const auth = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('client_credentials'), ...oauth, clientSecretEnv: variable }),
  z.strictObject({
    type: z.literal('refresh_token'),
    ...oauth,
    clientSecretEnv: variable.optional(),
    refreshTokenEnv: variable,
  }),
])
const data = z.enum(['private', 'untrusted'])
const approval = z.unknown().superRefine((given, context) => {
  if (given === undefined || typeof given === 'boolean') return
  for (const message of termsMistakes(given, 'requiresApproval'))
    context.addIssue({ code: 'custom', message })
})
const settings = z.strictObject({
  idempotent: z.boolean().optional(),
  requiresApproval: approval.optional(),
  inDoubt: z.enum(['tell', 'hold']).optional(),
  timeoutMs: whole(1).optional(),
  cacheTtlMs: whole(0).optional(),
  cacheScope: z.enum(['user', 'shared']).optional(),
  reads: z.union([data, z.literal('nothing'), z.array(data)]).optional(),
  sends: z.boolean().optional(),
})

const server = z
  .strictObject({
    command: text.optional(),
    args: z.array(z.string()).optional(),
    cwd: text.optional(),
    env: z.array(variable).optional(),
    url: httpUrl.optional(),
    headers: z.record(text, header).optional(),
    auth: auth.optional(),
    perUser: z
      .custom<NonNullable<McpServerDefinition['perUser']>>(
        (value) => typeof value === 'function',
        'must be a function of the user id',
      )
      .optional(),
    tools: z
      .strictObject({
        allow: z.array(text).optional(),
        deny: z.array(text).optional(),
        prefix: z
          .string()
          .regex(/^[A-Za-z_][A-Za-z0-9_]{0,31}$/, 'must be up to 32 letters, digits and _')
          .optional(),
        settings: z.record(text, settings).optional(),
      })
      .optional(),
    resources: z.boolean().optional(),
    trust: z.union([z.boolean(), z.array(z.enum(mcpHints))]).optional(),
    limits: z
      .strictObject({
        connectMs: whole(1).optional(),
        timeoutMs: whole(1).optional(),
        maxBytes: whole(1_000, 100_000_000).optional(),
        concurrent: whole(1, 1_000).optional(),
        checkMs: whole(0).optional(),
        users: whole(1, 1_000).optional(),
      })
      .optional(),
  })
  .superRefine((given, context) => {
    const add = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message })
    if ((given.command === undefined) === (given.url === undefined))
      context.addIssue({
        code: 'custom',
        message: 'needs either command (a program) or url (streamable HTTP)',
      })
    const ofPrograms = ['args', 'cwd', 'env'] as const
    const ofHttp = ['headers', 'auth'] as const
    if (given.url !== undefined)
      for (const path of ofPrograms) if (given[path] !== undefined) add(path, 'is for servers with a command')
    if (given.command !== undefined)
      for (const path of ofHttp) if (given[path] !== undefined) add(path, 'is for servers with a url')
    if (given.auth !== undefined && given.perUser !== undefined)
      add('auth', 'is the credential of the fleet, perUser that of each user: give one of them')
  })

export const mcpServersSchema = z.record(text, server).superRefine((given, context) => {
  for (const name of Object.keys(given))
    if (toolPart(name) !== name || name.length > 32)
      context.addIssue({
        code: 'custom',
        path: [name],
        message: 'the name of a server is up to 32 letters, digits and _, because tools are named after it',
      })
})

export function completeMcpServers(given: Readonly<Record<string, McpServerDefinition>>): McpServer[] {
  return Object.entries(given).map(([name, { limits, ...rest }]) => ({
    ...rest,
    name,
    limits: { ...defaultLimits, ...limits },
  }))
}

/** Variables of the environment whose whole value is a secret for a server. */
export function mcpSecretVariables(servers: readonly McpServer[]): string[] {
  return servers.flatMap(({ headers = {}, auth: oauth }) => [
    ...Object.values(headers).flatMap((value) => (typeof value === 'string' ? [] : [value.env])),
    ...(oauth?.clientSecretEnv === undefined ? [] : [oauth.clientSecretEnv]),
    ...(oauth?.type === 'refresh_token' ? [oauth.refreshTokenEnv] : []),
  ])
}

/** Whether the filter of a server lets this tool of it through. */
export function isAllowedTool({ tools }: Pick<McpServer, 'tools'>, name: string): boolean {
  const matches = (patterns: readonly string[]) =>
    patterns.some((pattern) =>
      pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern,
    )
  return (tools?.allow === undefined || matches(tools.allow)) && !matches(tools?.deny ?? [])
}
