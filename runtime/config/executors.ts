// Decides which code executors are configured here: wasm always, the others by the environment or by
// `sandbox` in flotilla.config.ts. Every process of a fleet must have the same setting: router admits tasks
// by it.
import { z } from 'zod'
import type { SandboxDefinition } from './fleet.ts'

/** Executors that need nothing configured. */
const builtIn = ['default', 'wasm'] as const
const optional = ['native', 'docker', 'e2b', 'http'] as const
export const knownExecutors = [...builtIn, ...optional] as const
type Optional = (typeof optional)[number]

const name = z.string().min(1)
const packages = z
  .array(z.string().regex(/^[A-Za-z_]\w*$/, 'must be the name that Python imports'))
  .optional()
const httpUrl = z.url({ protocol: /^https?$/, error: 'must be a URL that begins with http:// or https://' })
export const sandboxSchema = z.strictObject({
  native: z.strictObject({ python: name.optional(), packages }).optional(),
  docker: z.strictObject({ image: name.optional(), packages }).optional(),
  e2b: z.strictObject({ template: name.optional(), packages }).optional(),
  http: z.strictObject({ url: httpUrl.optional() }).optional(),
})

type Raw = Readonly<Record<string, string | undefined>>

const listOf = (text: string | undefined): string[] => text?.split(/[\s,]+/).filter(Boolean) ?? []

/** Variables win over the file; an executor is configured when either names it. */
export function completeSandbox(given: SandboxDefinition, raw: Raw): SandboxDefinition {
  const wanted = listOf(raw['FLOTILLA_EXECUTORS'])
  const settings = {
    native: { python: raw['FLOTILLA_PYTHON']?.trim(), packages: raw['FLOTILLA_PYTHON_PACKAGES'] },
    docker: { image: raw['FLOTILLA_DOCKER_IMAGE']?.trim(), packages: raw['FLOTILLA_DOCKER_PACKAGES'] },
    e2b: { template: raw['FLOTILLA_E2B_TEMPLATE']?.trim() },
    http: { url: raw['FLOTILLA_SANDBOX_URL']?.trim() },
  }
  const isWanted = (executor: Optional) =>
    wanted.includes(executor) ||
    given[executor] !== undefined ||
    Object.values(settings[executor]).some(Boolean) ||
    (executor === 'e2b' && Boolean(raw['E2B_API_KEY']?.trim()))
  return Object.fromEntries(
    optional.filter(isWanted).map((executor) => {
      const { packages: named, ...rest } = { packages: undefined, ...settings[executor] }
      const set = Object.entries(rest).filter(([, value]) => value)
      const more = named ? { packages: listOf(named) } : {}
      return [executor, { ...given[executor], ...Object.fromEntries(set), ...more }]
    }),
  )
}

export const executorNames = (sandbox: SandboxDefinition): string[] => [...builtIn, ...Object.keys(sandbox)]

export function executorMistakes({ http }: SandboxDefinition, raw: Raw): string[] {
  const unknown = listOf(raw['FLOTILLA_EXECUTORS'])
    .filter((executor) => !(knownExecutors as readonly string[]).includes(executor))
    .map(
      (executor) =>
        `FLOTILLA_EXECUTORS: there is no executor ${executor}; there are: ${knownExecutors.join(', ')}`,
    )
  const url = raw['FLOTILLA_SANDBOX_URL']?.trim()
  if (url && !httpUrl.safeParse(url).success)
    return [...unknown, 'FLOTILLA_SANDBOX_URL: must be a URL that begins with http:// or https://']
  if (http && !http.url)
    return [...unknown, 'sandbox.http.url: is needed; give it or set FLOTILLA_SANDBOX_URL']
  return unknown
}
