// Secrets of the environment: the variables that hold one, and those that are read from files.
import { readFileSync } from 'node:fs'
import { secretVariable as channelVariable } from '../alerts.ts'
import type { Fleet } from '../fleet.ts'
import { mcpSecretVariables } from '../mcp/servers.ts'
import { secretsOfHeader, secretsOfUrl } from '../../text/redaction.ts'

type Variables = Readonly<Record<string, string | undefined>>

const secretVariable =
  /(^|_)(KEYS?|TOKEN|CREDENTIALS?|CREDS?|PASSPHRASE|JWT|BEARER|COOKIE|PEM)$|_(PASS|PWD|PAT)$|APIKEY$|SECRET|PASSW(OR)?D|^PGPASS/i
/** `Server=db;Password=…`, `host=db password='…'`, `AccountKey=…`: of databases, storage, brokers. */
const SETTING =
  /(?<![A-Za-z])(?:[A-Za-z_]{0,20}(?:password|secret|token)|(?:account|api|access|private|client|shared ?access)[ _]?key|signature|pwd|pass)["']?\s*[=:]\s*(?:"([^"]*)"|'([^']*)'|([^;,\s&"'}]+))/gi
/** Longer values are certificates and the like. */
const MAX_SETTINGS_CHARS = 10_000
/** Their values are paths. */
const paths = /_FILE$|_PATH$|^(KAFKA|REDIS|DATABASE|SCHEMA_REGISTRY)_SSL_/

/** Every secret in the values of these variables: by their names, and inside URLs and lists of headers. */
export function environmentSecrets(variables: Variables): string[] {
  const names = ['KAFKA_SASL_USERNAME', 'SCHEMA_REGISTRY_USERNAME', 'REDIS_USERNAME', 'FLOTILLA_PREFIX']
  const isPublic = new Set(['flotilla', ...names.map((name) => variables[name])])
  return Object.entries(variables)
    .flatMap(([name, value]) => (value?.trim() ? secretsOf(name, value.trim()) : []))
    .filter((secret) => !isPublic.has(secret))
}

/** Whether this variable's value is a secret as a whole. */
export const holdsSecret = (name: string): boolean => secretVariable.test(name) && !paths.test(name)

function secretsOf(name: string, value: string): string[] {
  const found = value.includes('://') ? urlSecrets(name, value) : []
  if (/_HEADERS$/.test(name)) found.push(...headerSecrets(value))
  if (!paths.test(name)) found.push(...settingSecrets(value))
  return holdsSecret(name) ? [value, ...found] : found
}

/** Those among the settings that a value lists, such as a connection string, or JSON. */
function settingSecrets(value: string): string[] {
  if (value.length > MAX_SETTINGS_CHARS) return []
  return [...value.matchAll(SETTING)].map(([, double, single, bare]) => double ?? single ?? bare ?? '')
}

/** The path of a webhook is its secret. */
function webhookSecrets(value: string): string[] {
  const path = URL.parse(value)?.pathname ?? ''
  return [path.slice(1), ...path.split('/').slice(-1)]
}

function urlSecrets(name: string, value: string): string[] {
  const found = value.split(/[\s,]+/).flatMap(secretsOfUrl)
  return /WEBHOOK_URL$/.test(name) ? [...found, ...webhookSecrets(value)] : found
}

type Settings = Readonly<Record<string, string | string[]>>

/** Secrets that a configuration names or holds: keys of providers and channels, and those in its URLs. */
export function fleetSecrets(
  fleet: Pick<Fleet, 'models' | 'alerts' | 'sandbox' | 'mcpServers'> & Partial<Pick<Fleet, 'gateway'>>,
  env: Variables,
): string[] {
  const providers = Object.values(fleet.models.providers)
  const channels = Object.values(fleet.alerts.channels)
  const variables = [
    ...providers.flatMap(({ keyEnv }) => keyEnv ?? []),
    ...channels.map(channelVariable),
    ...mcpSecretVariables(fleet.mcpServers ?? []),
  ]
  const headers = (fleet.mcpServers ?? []).flatMap((server) => Object.entries(server.headers ?? {}))
  const given = headers.flatMap(([name, value]) =>
    typeof value === 'string' ? secretsOfHeader(name, value) : [],
  )
  const sandboxes = Object.values(fleet.sandbox ?? {}).flatMap((settings: Settings) =>
    Object.values(settings).flat(),
  )
  const urls = [...providers.map(({ baseUrl }) => baseUrl), ...sandboxes]
  const secrets = variables.flatMap((name) => secretsOfValue(env[name]?.trim() ?? ''))
  const addresses = channels.flatMap((channel) => ('url' in channel ? [channel.url] : []))
  const clientSecret = [fleet.gateway?.jwt?.signIn?.clientSecret ?? []].flat()
  return [...secrets, ...given, ...clientSecret, ...[...urls, ...addresses].flatMap(secretsOfUrl)]
}

/** The value; of a URL, only its secret parts. */
const secretsOfValue = (value: string): string[] =>
  !value.includes('://')
    ? [value]
    : /^https?:/.test(value)
      ? [...secretsOfUrl(value), ...webhookSecrets(value)]
      : secretsOfUrl(value)

/** `name=value,name=value`, as OpenTelemetry writes them. */
function headerSecrets(list: string): string[] {
  return list.split(',').flatMap((pair) => {
    const at = pair.indexOf('=')
    return at < 0 ? [] : secretsOfHeader(pair.slice(0, at).trim(), decoded(pair.slice(at + 1).trim()))
  })
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** Variables that may be given as `<name>_FILE`. Others of that form belong to other programs. */
export const fromFileVariable =
  /^((KAFKA_SASL|SCHEMA_REGISTRY|REDIS|DATABASE)_PASSWORD|KAFKA_SASL_OAUTHBEARER_CLIENT_SECRET|(SCHEMA_REGISTRY|REDIS|DATABASE|SMTP|SLACK_WEBHOOK)_URL|FLOTILLA_SANDBOX_TOKEN|FLOTILLA_ADMIN_KEY|PAGERDUTY_ROUTING_KEY|ALERT_WEBHOOK_SECRET|[A-Z0-9_]+_API_KEY)$/

/** Variables whose value is the path of a certificate or key. */
export const pathVariable = /^(KAFKA|SCHEMA_REGISTRY|REDIS|DATABASE)_SSL_(CA|CERT|KEY)$|^NODE_EXTRA_CA_CERTS$/

/** The variable that `<name>_FILE` stands for; null if it is not one of ours. */
function namedByFile(variable: string): string | null {
  const name = variable.endsWith('_FILE') ? variable.slice(0, -'_FILE'.length) : ''
  return fromFileVariable.test(name) ? name : null
}

const MAX_BYTES = 100_000

export interface WithFiles {
  readonly variables: Variables
  readonly mistakes: readonly string[]
}

/**
 * The variables, with the files that `<name>_FILE` names read in: secrets as Docker and Kubernetes mount
 * them.
 */
export function withFiles(given: Variables): WithFiles {
  const mistakes: string[] = []
  const read = Object.entries(given).flatMap(([variable, path]) => {
    const name = namedByFile(variable)
    if (!path?.trim() || name === null) return []
    if (given[name]?.trim()) mistakes.push(`  ${variable}: ${name} is set too; unset one of them`)
    const content = contentOf(path.trim())
    if (typeof content === 'string') return [[name, content] as const]
    // Not the path: the secret itself may stand there by mistake.
    mistakes.push(`  ${variable}: the file that it names ${content.problem}`)
    return []
  })
  return { variables: read.length === 0 ? given : { ...given, ...Object.fromEntries(read) }, mistakes }
}

/** A file's text without a byte order mark and the trailing line break: some editors write both. */
function contentOf(path: string): string | { problem: string } {
  try {
    const text = readFileSync(path, 'utf8').replace(/^\uFEFF|\r?\n$/g, '')
    if (text.trim() === '') return { problem: 'is empty' }
    return text.length <= MAX_BYTES ? text : { problem: `is longer than ${MAX_BYTES} characters` }
  } catch (error) {
    return { problem: `can't be read (${(error as NodeJS.ErrnoException).code ?? String(error)})` }
  }
}
