// Finds credentials that would cross a network in clear.
import { shownUrl } from '../../text/redaction.ts'
import { discoverModels } from '../../models/discovery.ts'
import type { Environment } from '../environment.ts'

export function isLoopback(host: string): boolean {
  const name = host.replace(/^\[|\]$/g, '').toLowerCase()
  return (
    name === 'localhost' || name.endsWith('.localhost') || name === '::1' || /^127(\.\d{1,3}){3}$/.test(name)
  )
}

/** Brokers beyond this machine. */
export const remoteBrokers = (brokers: readonly string[]): string[] =>
  brokers.filter((broker) => !isLoopback(broker.slice(0, broker.lastIndexOf(':'))))

type Given = Pick<
  Environment,
  'kafkaBrokers' | 'security' | 'redisUrl' | 'databaseUrl' | 'schemaRegistryUrl' | 'raw'
>

/** One warning each, for the log at start and for doctor. SASL PLAIN is refused earlier (../environment.ts). */
export function transportWarnings(environment: Given): string[] {
  const { kafkaBrokers, security, redisUrl, databaseUrl, schemaRegistryUrl, raw } = environment
  const brokers = security.kafka.sasl && !security.kafka.tls ? remoteBrokers(kafkaBrokers) : []
  return [
    ...brokers.slice(0, 1).map((broker) => `KAFKA_SASL_… is used without TLS to ${broker}: set KAFKA_SSL=1`),
    ...inClear('REDIS_URL', redisUrl, 'redis:', 'use rediss://', raw['REDIS_PASSWORD']),
    ...(withTls(databaseUrl) || security.database.tls
      ? []
      : inClear(
          'DATABASE_URL',
          databaseUrl,
          /^postgres/,
          'set DATABASE_SSL_CA or add ?sslmode=verify-full',
          raw['DATABASE_PASSWORD'] ?? raw['PGPASSWORD'],
        )),
    ...inClear(
      'SCHEMA_REGISTRY_URL',
      schemaRegistryUrl,
      'http:',
      'use https://',
      raw['SCHEMA_REGISTRY_PASSWORD'],
    ),
    ...inClear(
      'FLOTILLA_SANDBOX_URL',
      raw['FLOTILLA_SANDBOX_URL'],
      'http:',
      'use https://',
      raw['FLOTILLA_SANDBOX_TOKEN'],
    ),
    ...inClear('FLOTILLA_URL', raw['FLOTILLA_URL'], 'http:', 'use https://', raw['FLOTILLA_API_KEY']),
    ...providersInClear(raw),
  ]
}

const withTls = (url: string | null): boolean =>
  /^(require|verify-ca|verify-full|no-verify)$/.test(URL.parse(url ?? '')?.searchParams.get('sslmode') ?? '')

/** `secret`: credentials sent in addition to those of the URL. */
function inClear(
  name: string,
  text: string | null | undefined,
  protocol: string | RegExp,
  remedy: string,
  secret?: string,
): string[] {
  const url = URL.parse(text?.trim() ?? '')
  if (url === null || isLoopback(url.hostname)) return []
  const isClear = typeof protocol === 'string' ? url.protocol === protocol : protocol.test(url.protocol)
  const isSecret = url.password !== '' || Boolean(secret?.trim())
  return isClear && isSecret ? [`${name} sends credentials without TLS to ${url.host}: ${remedy}`] : []
}

function providersInClear(raw: Environment['raw']): string[] {
  return Object.entries(discoverModels(raw).providers).flatMap(([provider, { baseUrl, keyEnv }]) => {
    const url = URL.parse(baseUrl)
    const isSent = keyEnv !== undefined && Boolean(raw[keyEnv]?.trim())
    if (url?.protocol !== 'http:' || isLoopback(url.hostname) || !isSent) return []
    return [`${keyEnv} goes without TLS to ${provider} at ${shownUrl(url)}: use https://`]
  })
}

/** Warns of private hosts of which tools may reach every port. */
export function openHostWarnings({ raw }: Pick<Environment, 'raw'>): string[] {
  const hosts = (raw['FLOTILLA_ALLOW_PRIVATE_HOSTS'] ?? '').split(',').map((host) => host.trim())
  return hosts
    .filter((host) => host !== '' && !/^(\[[^\]]*\]|[^:]+):\d+$/.test(host))
    .map((host) => `FLOTILLA_ALLOW_PRIVATE_HOSTS opens every port of ${host} to tools: write ${host}:PORT`)
}
