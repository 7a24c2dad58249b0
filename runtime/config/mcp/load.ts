// MCP servers of a configuration, with what is pinned of them.
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { FlotillaError, messageOf } from '../../errors.ts'
import { keepSecrets } from '../../text/redaction.ts'
import { collectToolMistakes } from '../define.ts'
import { findDefinition, importDefinition } from '../project/definition-file.ts'
import type { Environment } from '../environment.ts'
import { mistakesOf } from '../issues.ts'
import {
  completeMcpServers,
  mcpSecretVariables,
  mcpServersSchema,
  type McpServer,
  type McpServerDefinition,
} from './servers.ts'
import { LOCK_FILE, readMcpLock } from './lock.ts'
import { mcpTools } from './tools.ts'
import { isObject } from '../references.ts'
import { shownPath } from '../project/source-place.ts'

/** Beside the configuration, unless FLOTILLA_MCP_LOCK names another place. */
function lockPath({ raw }: Environment, source: string): string {
  const named = raw['FLOTILLA_MCP_LOCK']?.trim()
  if (named) return resolve(named)
  return join(source.startsWith('file:') ? dirname(fileURLToPath(source)) : process.cwd(), LOCK_FILE)
}

/** Tools of the servers, from the lock file of the configuration that `source` names. */
export function toolsOfServers(
  servers: readonly McpServer[],
  environment: Environment,
  source: string,
): ReturnType<typeof mcpTools> {
  if (servers.length === 0) return { servers: [], tools: [], mistakes: [] }
  try {
    return mcpTools(servers, readMcpLock(lockPath(environment, source)))
  } catch (error) {
    return { servers: [], tools: [], mistakes: [`mcpServers: ${messageOf(error)}`] }
  }
}

/** MCP servers of the configuration, and the path of their lock file, which need not exist. Throws CONFIG_INVALID. */
export async function loadMcpServers(
  environment: Environment,
  directory: string = process.cwd(),
): Promise<{ servers: readonly McpServer[]; lock: string }> {
  const file = findDefinition(environment, directory)
  const [value] = await collectToolMistakes(() => importDefinition(file))
  const given = isObject(value) ? value['mcpServers'] : undefined
  const parsed = mcpServersSchema.safeParse(given ?? {})
  const lock = lockPath(environment, file)
  if (parsed.success) {
    const servers = completeMcpServers(parsed.data as Record<string, McpServerDefinition>)
    keepSecrets(mcpSecretVariables(servers).flatMap((name) => environment.raw[name]?.trim() || []))
    return { servers, lock }
  }
  const mistakes = parsed.error.issues.flatMap((issue) =>
    mistakesOf({ ...issue, path: ['mcpServers', ...issue.path] }),
  )
  throw new FlotillaError('CONFIG_INVALID', `${shownPath(fileURLToPath(file))}:\n  ${mistakes.join('\n  ')}`)
}
