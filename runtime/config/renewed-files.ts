// Certificates, keys and secrets in files.
//
// 1. They are read again for every connection: what an operator renews is used from the next connection on,
//    without a restart.
// 2. A file that has become unreadable, or that is half written, leaves what was read last in force.
// 3. A password is registered as a secret when it is read.
import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import { messageOf } from '../errors.ts'
import { keepPassingSecrets } from '../redaction.ts'

/** Options of `tls.connect`. Absent: the system's authorities, no client certificate, the host's name. */
export interface TlsOptions {
  /** PEM. */
  readonly ca?: string
  /** PEM of the client's certificate. */
  readonly cert?: string
  /** PEM of its key. */
  readonly key?: string
  /** The name that the server's certificate must have, instead of the host of its address. */
  readonly servername?: string
}

/** TLS as of now; for each connection. */
export type Tls = () => TlsOptions

/** A password or token as of now; for each connection. */
export type Secret = () => string

type Variables = Readonly<Record<string, string | undefined>>

const pemParts = { ca: 'CA', cert: 'CERT', key: 'KEY' } as const

/**
 * `<server>_SSL_CA`, `_CERT`, `_KEY` and `_SERVER_NAME`. Null if none is set. Mistakes are lines of the
 * report about the environment.
 */
export function readTls(server: string, given: Variables): { tls: Tls | null; mistakes: string[] } {
  const nameOf = (part: string): string => `${server}_SSL_${part}`
  const paths = Object.entries(pemParts).flatMap(([part, suffix]) => {
    const path = given[nameOf(suffix)]?.trim()
    return path ? [{ part, name: nameOf(suffix), path }] : []
  })
  const servername = given[nameOf('SERVER_NAME')]?.trim()
  const mistakes = paths.flatMap(({ name, path }) => unreadable(name, path))
  if (!given[nameOf('CERT')] !== !given[nameOf('KEY')])
    mistakes.push(`  ${nameOf('CERT')}: is needed together with ${nameOf('KEY')}`)
  if (paths.length === 0 && !servername) return { tls: null, mistakes }
  if (mistakes.length > 0) return { tls: null, mistakes }
  const tls = renewed(
    (): TlsOptions => ({
      ...Object.fromEntries(paths.map(({ part, path }) => [part, readFileSync(path, 'utf8')])),
      ...(servername ? { servername } : {}),
    }),
    (options) => void createSecureContext(options),
  )
  const [first, ...others] = paths
  try {
    tls()
  } catch (error) {
    const names = [first?.name, ...others.map(({ name }) => name.slice(server.length + 5))].join(', ')
    mistakes.push(
      `  ${names}: can't be used (${messageOf(error)}); PEM files are needed, the key that of the certificate`,
    )
  }
  return { tls, mistakes }
}

function unreadable(name: string, path: string): string[] {
  try {
    readFileSync(path)
    return []
  } catch (error) {
    return [`  ${name}: ${path} can't be read (${(error as NodeJS.ErrnoException).code})`]
  }
}

/** What `read` gives, or gave last when it fails now. Throws if it has never succeeded. */
function renewed<T>(read: () => T, check: (value: T) => void): () => T {
  let last: T | undefined
  return () => {
    try {
      const value = read()
      check(value)
      last = value
    } catch (error) {
      if (last === undefined) throw error
    }
    return last
  }
}

/** The value of a variable, or of the file that `<name>_FILE` names. Undefined if neither is set. */
export function readSecret(name: string, given: Variables): Secret | undefined {
  const value = given[name]?.trim()
  const path = given[`${name}_FILE`]?.trim()
  if (!value) return undefined
  if (!path) return () => value
  return fileSecret(path, name)
}

/** A file's text, without white space around it. */
export function fileSecret(path: string, name: string): Secret {
  return renewed(
    () => readFileSync(path, 'utf8').trim(),
    (text) => {
      if (text === '') throw new Error(`${name}: ${path} is empty`)
      keepPassingSecrets([text])
    },
  )
}
