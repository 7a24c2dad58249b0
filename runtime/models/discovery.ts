// Which models can be used, found in the environment. Pure: the same variables give the same answer.
//
// 1. FLOTILLA_MODEL names the default. Else the first provider of the table below whose key (or URL, for a
//    private server) is set gives it; else FLOTILLA_SCRIPTED_URL, the scripted model. Else there is none, and
//    tasks that need it are rejected.
// 2. A server on this machine is asked for its model (`…/default`), because only it knows which one it has
//    loaded.
// 3. A variable that is set but empty counts as not set.
// 4. A key named by FLOTILLA_KEYS_ELSEWHERE counts as set, though this process does not have it: only the planner
//    calls models, the others only choose them.
import type { ProviderDefinition } from '../config/fleet.ts'
import { isSendable } from '../text/sendable.ts'
import { fullName, parseModel, SCRIPTED_MODEL, SERVED_MODEL } from './names.ts'

type Variables = Readonly<Record<string, string | undefined>>
type Providers = Readonly<Record<string, ProviderDefinition>>

export interface Discovered {
  readonly default: string | null
  /** Every provider that needs only a key, and servers whose URL is set; with the environment's base URLs. */
  readonly providers: Providers
}

interface Hosted {
  readonly provider: string
  readonly baseUrl: string
  readonly defaultModel: string
}

/** Hosted: key in `<PROVIDER>_API_KEY`, endpoint in `<PROVIDER>_BASE_URL`. In order of preference. */
const hosted: readonly Hosted[] = [
  { provider: 'openai', baseUrl: 'https://api.openai.com/v1', defaultModel: 'gpt-4o' },
  { provider: 'groq', baseUrl: 'https://api.groq.com/openai/v1', defaultModel: 'llama-3.3-70b-versatile' },
  { provider: 'anthropic', baseUrl: 'https://api.anthropic.com/v1', defaultModel: 'claude-sonnet-4-5' },
  { provider: 'mistral', baseUrl: 'https://api.mistral.ai/v1', defaultModel: 'mistral-large-latest' },
  { provider: 'openrouter', baseUrl: 'https://openrouter.ai/api/v1', defaultModel: 'openai/gpt-4o' },
]

interface Served {
  readonly provider: string
  /** The first variable that is set gives the URL. */
  readonly urlVariables: readonly string[]
  readonly port: number
}

/** Own servers need only a URL. `<PROVIDER>_API_KEY` is sent if set, `<PROVIDER>_MODEL` names the model. */
const served: readonly Served[] = [
  { provider: 'local', urlVariables: ['LOCAL_BASE_URL'], port: 8080 },
  { provider: 'ollama', urlVariables: ['OLLAMA_BASE_URL', 'OLLAMA_HOST'], port: 11434 },
]

/** Whether the environment may name a server for this provider. */
export const isServed = (provider: string): boolean => served.some((row) => row.provider === provider)

/** Whether a model of this provider may exist: it is configured, or the environment of another process has its server. */
export const isPossible = (provider: string, providers: Providers): boolean =>
  Object.hasOwn(providers, provider) || isServed(provider) || provider === parseModel(SCRIPTED_MODEL).provider

/** Names of keys that another process of the fleet has. */
export const keysElsewhere = ({ FLOTILLA_KEYS_ELSEWHERE: names }: Variables): string[] =>
  names?.split(/[\s,]+/).filter(Boolean) ?? []

export function discoverModels(variables: Variables): Discovered {
  const elsewhere = keysElsewhere(variables)
  const env = (name: string) =>
    variables[name]?.trim() || (elsewhere.includes(name) ? 'elsewhere' : undefined)
  const providers: Record<string, ProviderDefinition> = {}
  const candidates: string[] = []
  for (const row of hosted) discoverHosted(row, env, providers, candidates)
  for (const row of served) discoverServed(row, env, providers, candidates)
  const scripted = env('FLOTILLA_SCRIPTED_URL')
  if (scripted !== undefined) {
    providers['scripted'] = { baseUrl: endpoint(scripted, 80) }
    candidates.push(SCRIPTED_MODEL)
  }
  const named = env('FLOTILLA_MODEL') ?? candidates[0]
  return { default: named === undefined ? null : fullName(named), providers }
}

type Read = (name: string) => string | undefined

function discoverHosted(
  row: Hosted,
  env: Read,
  providers: Record<string, ProviderDefinition>,
  candidates: string[],
) {
  const prefix = row.provider.toUpperCase()
  const keyEnv = `${prefix}_API_KEY`
  const override = env(`${prefix}_BASE_URL`)
  const baseUrl = override === undefined ? row.baseUrl : endpoint(override, 80)
  const onThisMachine = isLoopback(baseUrl)
  const keyed = env(keyEnv) !== undefined
  providers[row.provider] = onThisMachine && !keyed ? { baseUrl } : { baseUrl, keyEnv }
  if (!keyed && !onThisMachine) return
  const model = env(`${prefix}_MODEL`) ?? (onThisMachine ? SERVED_MODEL : row.defaultModel)
  const bare = row.provider === 'openai' && model !== SERVED_MODEL && !model.includes('/')
  candidates.push(bare ? model : `${row.provider}/${model}`)
}

function discoverServed(
  row: Served,
  env: Read,
  providers: Record<string, ProviderDefinition>,
  candidates: string[],
) {
  const url = row.urlVariables.map(env).find((value) => value !== undefined)
  if (url === undefined) return
  const prefix = row.provider.toUpperCase()
  const keyEnv = `${prefix}_API_KEY`
  const baseUrl = endpoint(url, row.port)
  providers[row.provider] = env(keyEnv) === undefined ? { baseUrl } : { baseUrl, keyEnv }
  candidates.push(`${row.provider}/${env(`${prefix}_MODEL`) ?? SERVED_MODEL}`)
}

/**
 * Tells people what to set before this model can be called; null when nothing is missing. The one source for
 * the router (which rejects), the model caller and doctor.
 */
export function missingSetting(model: string, providers: Providers, variables: Variables): string | null {
  const { provider } = parseModel(model)
  const found = Object.hasOwn(providers, provider) ? providers[provider] : undefined
  if (found === undefined) return unknownProvider(provider, providers)
  if (found.keyEnv === undefined) return null
  const key = variables[found.keyEnv]?.trim()
  if (!key) return `Set ${found.keyEnv} to a key for provider "${provider}".`
  if (isSendable(key)) return null
  return `Set ${found.keyEnv} to a key for provider "${provider}": its value holds a line end, or a character that no header can carry.`
}

function unknownProvider(provider: string, providers: Providers): string {
  const server = served.find((row) => row.provider === provider)
  if (server !== undefined) {
    return `Set ${server.urlVariables[0]} to the URL of the server, for example http://127.0.0.1:${server.port}/v1.`
  }
  if (provider === 'scripted')
    return 'Start the fleet with FLOTILLA_MODEL=scripted, or set FLOTILLA_SCRIPTED_URL to the URL of a scripted model server.'
  const known = Object.keys(providers).sort().join(', ')
  return `Add models.providers.${provider} (baseUrl, keyEnv) to flotilla.config.ts; providers known here: ${known || 'none'}.`
}

/** Without brackets, so without a port. */
const IPV6 = /^[\da-f]*:[\da-f]*:[\da-f:.]*$/i

/**
 * Accepts what people write: `127.0.0.1:11434`, `0.0.0.0`, `http://host:8000`, `http://host/v1/`. A URL
 * without a path gets `/v1`, where every server of this kind answers; one without a port and scheme gets the
 * server's usual port.
 */
function endpoint(value: string, defaultPort: number): string {
  const bare = !/^[a-z]+:\/\//i.test(value)
  const url = URL.parse(bare ? `http://${IPV6.test(value) ? `[${value}]` : value}` : value)
  if (url === null) return value
  if (bare && url.port === '') url.port = String(defaultPort)
  // A listener's wildcard address can't be called.
  if (url.hostname === '0.0.0.0') url.hostname = '127.0.0.1'
  if (url.hostname === '[::]') url.hostname = '[::1]'
  if (url.pathname === '/') url.pathname = '/v1'
  return url.toString().replace(/\/+$/, '')
}

function isLoopback(baseUrl: string): boolean {
  if (!URL.canParse(baseUrl)) return false
  const host = new URL(baseUrl).hostname
  return host === 'localhost' || host === '[::1]' || host.startsWith('127.')
}
