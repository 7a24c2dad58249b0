// The code executors that may be configured besides wasm, which always is. One is configured by the
// environment, or by `sandbox` in flotilla.config.ts. Every process of a fleet must have the same setting:
// router admits tasks by it. services/code-sandbox/executors/open.ts opens them.
import { z } from 'zod'

/** Naming an executor configures it, even by `{}`. Steps may import `packages`. */
export interface SandboxDefinition {
  /** CPython of this machine. Default: python3. */
  native?: { python?: string; packages?: string[] }
  /** Image of deploy/sandbox.Dockerfile. Default: flotilla-sandbox. */
  docker?: { image?: string; packages?: string[] }
  /** Default: E2B's base template. */
  e2b?: { template?: string; packages?: string[] }
  /** A server that speaks the protocol of docs/sandbox-http.md. Its token: FLOTILLA_SANDBOX_TOKEN. */
  http?: { url?: string }
}

export type ExecutorName = keyof SandboxDefinition
type SettingsOf<Name extends ExecutorName> = Required<NonNullable<SandboxDefinition[Name]>>

interface ExecutorKind<Settings> {
  readonly settings: { readonly [Name in keyof Settings]: z.ZodType<Settings[Name]> }
  /** Variables that win over the file, by setting; one that is set configures the executor. */
  readonly variables: { readonly [Name in keyof Settings]?: string }
  /** A setting that it can't do without. */
  readonly needs?: keyof Settings & string
  /** A variable that configures it, though it is no setting. */
  readonly key?: string
  /** What to do if a task needs it and it is not configured. */
  readonly remedy: string
  /** True: its sessions do not use this machine's memory. */
  readonly isRemote: boolean
}

const name = z.string().min(1)
const packages = z.array(z.string().regex(/^[A-Za-z_]\w*$/, 'must be the name that Python imports'))
const httpUrl = z.url({ protocol: /^https?$/, error: 'must be a URL that begins with http:// or https://' })

const executorKinds: { readonly [Name in ExecutorName]-?: ExecutorKind<SettingsOf<Name>> } = {
  native: {
    settings: { python: name, packages },
    variables: { python: 'FLOTILLA_PYTHON', packages: 'FLOTILLA_PYTHON_PACKAGES' },
    remedy: 'Set FLOTILLA_EXECUTORS=native (Linux with python3)',
    isRemote: false,
  },
  docker: {
    settings: { image: name, packages },
    variables: { image: 'FLOTILLA_DOCKER_IMAGE', packages: 'FLOTILLA_DOCKER_PACKAGES' },
    remedy: 'Build its image (deploy/sandbox.Dockerfile) and set FLOTILLA_EXECUTORS=docker',
    isRemote: false,
  },
  e2b: {
    settings: { template: name, packages },
    variables: { template: 'FLOTILLA_E2B_TEMPLATE' },
    key: 'E2B_API_KEY',
    remedy: 'Set E2B_API_KEY',
    isRemote: true,
  },
  http: {
    settings: { url: httpUrl },
    variables: { url: 'FLOTILLA_SANDBOX_URL' },
    needs: 'url',
    remedy: 'Set FLOTILLA_SANDBOX_URL to a sandbox server',
    isRemote: true,
  },
}

type Settings = Readonly<Record<string, unknown>>
type Raw = Readonly<Record<string, string | undefined>>

const kinds = Object.entries(executorKinds) as unknown as readonly [ExecutorName, ExecutorKind<Settings>][]
/** Executors that need nothing configured. */
const builtIn = ['default', 'wasm'] as const
export const knownExecutors: readonly string[] = [...builtIn, ...kinds.map(([executor]) => executor)]

export const sandboxSchema = z.strictObject(
  Object.fromEntries(kinds.map(([executor, { settings }]) => [executor, fileSchema(settings)])),
)

function fileSchema(settings: Readonly<Record<string, z.ZodType>>) {
  const optional = Object.entries(settings).map(([setting, type]) => [setting, type.optional()] as const)
  return z.strictObject(Object.fromEntries(optional)).optional()
}

export const executorKind = (executor: string): ExecutorKind<Settings> | undefined =>
  kinds.find(([known]) => known === executor)?.[1]

/** Packages that steps on this executor may import besides the standard library. */
export function packagesOf(executor: string, sandbox: SandboxDefinition = {}): readonly string[] {
  const settings: Settings = sandbox[executor as ExecutorName] ?? {}
  return (settings['packages'] as readonly string[] | undefined) ?? []
}

const listOf = (text: string | undefined): string[] => text?.split(/[\s,]+/).filter(Boolean) ?? []

/** Settings that variables give, by name. */
function fromVariables({ settings, variables }: ExecutorKind<Settings>, raw: Raw): Settings {
  return Object.fromEntries(
    Object.entries(variables).flatMap(([setting, variable = '']) => {
      const text = raw[variable]?.trim()
      if (!text) return []
      return [[setting, settings[setting] instanceof z.ZodArray ? listOf(text) : text]]
    }),
  )
}

/** Variables win over the file; an executor is configured when either names it. */
export function completeSandbox(given: SandboxDefinition, raw: Raw): SandboxDefinition {
  const wanted = listOf(raw['FLOTILLA_EXECUTORS'])
  return Object.fromEntries(
    kinds.flatMap(([executor, kind]) => {
      const set = fromVariables(kind, raw)
      const isNamed = wanted.includes(executor) || given[executor] !== undefined
      const isSet = Object.keys(set).length > 0 || Boolean(raw[kind.key ?? '']?.trim())
      return isNamed || isSet ? [[executor, { ...given[executor], ...set }]] : []
    }),
  )
}

export const executorNames = (sandbox: SandboxDefinition): string[] => [...builtIn, ...Object.keys(sandbox)]

/** Mistakes that the file alone does not show: those of variables, and settings that neither gives. */
export function executorMistakes(sandbox: SandboxDefinition, raw: Raw): string[] {
  const unknown = listOf(raw['FLOTILLA_EXECUTORS'])
    .filter((executor) => !knownExecutors.includes(executor))
    .map(
      (executor) =>
        `FLOTILLA_EXECUTORS: there is no executor ${executor}; there are: ${knownExecutors.join(', ')}`,
    )
  return [...unknown, ...kinds.flatMap(([executor, kind]) => mistakesOf(executor, kind, sandbox, raw))]
}

function mistakesOf(
  executor: ExecutorName,
  { settings, variables, needs, ...kind }: ExecutorKind<Settings>,
  sandbox: SandboxDefinition,
  raw: Raw,
): string[] {
  const wrong = Object.entries(fromVariables({ settings, variables, ...kind }, raw)).flatMap(
    ([setting, value]) => {
      const issue = settings[setting]?.safeParse(value).error?.issues[0]
      return issue ? [`${variables[setting]}: ${issue.message}`] : []
    },
  )
  const own: Settings | undefined = sandbox[executor]
  if (needs === undefined || own === undefined || own[needs]) return wrong
  return [...wrong, `sandbox.${executor}.${needs}: is needed; give it or set ${variables[needs]}`]
}
