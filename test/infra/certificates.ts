// An authority of our own, and certificates that it signs. Made by openssl, with elliptic keys: fast.
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { scratch } from './server.ts'
import { installedProgram, runTool } from './tool.ts'

/** Paths of PEM files. */
export interface Certificate {
  readonly cert: string
  readonly key: string
  /** Key and certificates in one file, as Kafka's PEM key stores have them. */
  readonly both: string
}

export interface Authority {
  readonly directory: string
  readonly ca: string
  /** `names`: such as `DNS:localhost` or `IP:127.0.0.1`. */
  issue(name: string, names: readonly string[]): Promise<Certificate>
}

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']

export async function createAuthority(name = 'flotilla-test'): Promise<Authority> {
  const directory = scratch('authority')
  const ca = join(directory, 'ca.pem')
  const caKey = join(directory, 'ca.key')
  await openssl('req', '-x509', ...newKey, '-subj', `/CN=${name}`, '-keyout', caKey, '-out', ca)
  return {
    directory,
    ca,
    issue: async (subject, names) => {
      const [cert, key, both] = ['pem', 'key', 'both.pem'].map((end) =>
        join(directory, `${subject}.${end}`),
      ) as [string, string, string]
      const signed = ['-CA', ca, '-CAkey', caKey, '-addext', `subjectAltName=${names.join(',')}`]
      await openssl(
        'req',
        '-x509',
        ...newKey,
        ...signed,
        '-subj',
        `/CN=${subject}`,
        '-keyout',
        key,
        '-out',
        cert,
      )
      writeFileSync(both, readFileSync(key, 'utf8') + readFileSync(cert, 'utf8'))
      for (const file of [cert, key, both, ca]) chmodSync(file, 0o644)
      chmodSync(directory, 0o755)
      return { cert, key, both }
    },
  }
}

async function openssl(...args: string[]): Promise<void> {
  await runTool(await installedProgram('openssl', 'openssl'), args)
}
