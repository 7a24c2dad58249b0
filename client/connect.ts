import { readEnvironment } from '../runtime/config/environment.ts'
import { HttpClient, type HttpClientOptions } from './http/client.ts'
import type { Client } from './types.ts'

/** The options of HttpClient count where a gateway is used. */
export interface ConnectOptions extends HttpClientOptions {
  /** A gateway's base URL. Default: FLOTILLA_URL. */
  url?: string
  /**
   * Environment variables to read: KAFKA_BROKERS, SCHEMA_REGISTRY_URL, FLOTILLA_PREFIX, FLOTILLA_URL,
   * FLOTILLA_API_KEY, PORT.
   * Default: process.env.
   */
  env?: Readonly<Record<string, string | undefined>>
}

/**
 * Connects to a fleet. A URL (or FLOTILLA_URL) means a gateway; else KAFKA_BROKERS means Kafka; else the
 * gateway of this machine at PORT (8000). Rejects with LOG_UNAVAILABLE or REGISTRY_UNAVAILABLE if Kafka or
 * the registry can't be reached; a gateway is contacted by the first call, which may reject with
 * GATEWAY_UNAVAILABLE.
 */
export async function connect(options: ConnectOptions = {}): Promise<Client> {
  const environment = readEnvironment(options.env ?? process.env)
  const url = options.url ?? environment.raw['FLOTILLA_URL']
  const http = { ...options, apiKey: options.apiKey ?? environment.raw['FLOTILLA_API_KEY'] }
  if (url) return new HttpClient(url, http)
  if (environment.kafkaBrokers.length === 0)
    return new HttpClient(`http://127.0.0.1:${environment.port}`, http)
  // Programs that talk to a gateway never load the log's parts.
  return (await import('./log/kafka.ts')).connectKafka(environment)
}
