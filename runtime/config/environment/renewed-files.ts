// Certificates, keys and secrets in files.
//
// 1. They are read again for every connection: what an operator renews is used from the next connection on,
//    without a restart.
// 2. A file that has become unreadable, or that is half written, leaves what was read last in force.
// 3. A password is registered as a secret when it is read.
// 4. A file without the certificate that it should have is a mistake: Node takes an empty authority for none, and
//    then trusts those of the system.
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import { messageOf } from '../../errors.ts'
import { keepPassingSecrets } from '../../text/redaction.ts'

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
    checkTls,
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

/** Throws if these can't make a connection: what OpenSSL refuses, and what it takes without a word. */
function checkTls(options: TlsOptions): void {
  createSecureContext(options)
  const { ca, cert } = options
  if (ca !== undefined) {
    const authorities = certificatesIn(ca, 'CA')
    if (authorities.every(isOver)) throw expired('CA', authorities[0])
  }
  const [own] = cert === undefined ? [] : certificatesIn(cert, 'CERT')
  if (own && isOver(own)) throw expired('CERT', own)
}

/** At least one. Throws if there is none, or one that is damaged. */
function certificatesIn(pem: string, what: string): X509Certificate[] {
  const blocks = pem.split(/(?=-----BEGIN [A-Z0-9 ]*CERTIFICATE-----)/).filter((text) => beginning.test(text))
  if (blocks.length === 0) throw new Error(`${what} has no certificate`)
  return blocks.map((block, index) => {
    try {
      return new X509Certificate(block)
    } catch (cause) {
      throw new Error(`certificate ${index + 1} of ${what} is damaged`, { cause })
    }
  })
}

const beginning = /^-----BEGIN [A-Z0-9 ]*CERTIFICATE-----/
const isOver = ({ validToDate }: X509Certificate): boolean => validToDate.getTime() < Date.now()

function expired(what: string, certificate: X509Certificate | undefined): Error {
  return new Error(`the certificate of ${what} expired at ${certificate?.validToDate.toISOString()}`)
}

function unreadable(name: string, path: string): string[] {
  // A key may stand there by mistake, and this message is printed.
  if (/-----BEGIN|[\r\n]/.test(path)) return [`  ${name}: must be the path of a PEM file, not its content`]
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
