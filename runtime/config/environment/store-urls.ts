// What REDIS_URL, DATABASE_URL and SCHEMA_REGISTRY_URL may not be. Each of these mistakes would otherwise show as a server
// that can't be reached, or lead to another database than the one that is meant.
import { z } from 'zod'

const ENCODE =
  'write reserved characters of user and password percent-encoded (@ as %40, / as %2F, # as %23, ? as %3F, % as %25)'
const USER = /^[^:]+:\/\/([^/?#]*)@/

/** Written in another way, or given twice, they would not count, and a connection that was to have TLS would have none. */
const TLS_PARAMETERS: readonly string[] = ['ssl', 'sslmode', 'sslrootcert', 'sslcert', 'sslkey']

interface Rules {
  readonly protocols: readonly string[]
  /** The variable for the password alone. */
  readonly passwordVariable: string
  readonly more?: (url: URL) => string | null
}

/** What a URL of another protocol is refused with. */
const mustBegin = (protocols: readonly string[]): string =>
  `must be a URL that begins with ${protocols.map((protocol) => `${protocol}//`).join(' or ')}`

const storeUrl = (rules: Rules) =>
  z.string().superRefine((given, context) => {
    const message = problemOf(given.trim(), rules)
    if (message !== null) context.addIssue({ code: 'custom', message })
  })

function problemOf(text: string, { protocols, passwordVariable, more }: Rules): string | null {
  const url = URL.parse(text)
  const begins = mustBegin(protocols)
  if (!protocols.some((protocol) => text.toLowerCase().startsWith(`${protocol}//`))) return begins
  const unread = `can't be read; ${ENCODE}, or set ${passwordVariable}`
  if (url === null ? /:\d+,[^@]*$/.test(text) : url.hostname.includes(','))
    return 'must name one server, or a name that leads to the primary'
  if (url === null) return text.includes('@') ? unread : begins
  // A bare / in the password ends the host: what follows is a path with an @.
  if (url.pathname.includes('@') || url.hash !== '' || !isDecodable(text)) return unread
  return more?.(url) ?? null
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(USER.exec(text)?.[1] ?? '')
    return true
  } catch {
    return false
  }
}

export const redisUrl = storeUrl({
  protocols: ['redis:', 'rediss:'],
  passwordVariable: 'REDIS_PASSWORD',
  more: ({ pathname, search }) => {
    if (!/^\/?\d{0,9}$/.test(pathname))
      return 'must end with the port or the number of a database, such as /0'
    return search === '' ? null : 'takes no parameters (?…): TLS is rediss:// and the REDIS_SSL_ variables'
  },
})

export const databaseUrl = storeUrl({
  protocols: ['postgres:', 'postgresql:'],
  passwordVariable: 'DATABASE_PASSWORD',
  more: ({ searchParams }) => {
    const isMeant = (name: string): boolean =>
      TLS_PARAMETERS.includes(name.toLowerCase().replaceAll(/[_-]/g, ''))
    const given = [...searchParams.keys()].filter(isMeant)
    const unread = given.find((name, at) => !TLS_PARAMETERS.includes(name) || given.indexOf(name) !== at)
    return unread === undefined
      ? null
      : `has ${unread} in a way that does not count: write ${TLS_PARAMETERS.join(', ')} like this, each once`
  },
})

export const registryUrl = storeUrl({
  protocols: ['http:', 'https:'],
  passwordVariable: 'SCHEMA_REGISTRY_PASSWORD',
})
