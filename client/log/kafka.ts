import { openCodec } from '../../runtime/codec/open.ts'
import type { Environment } from '../../runtime/config/environment.ts'
import { FlotillaError } from '../../runtime/errors.ts'
import { openKafkaLog } from '../../runtime/log/kafka/open.ts'
import { sharedBlobs } from '../../runtime/store/open.ts'
import { LogClient } from './client.ts'
import type { Client } from '../types.ts'

/** A client with connections of its own. Rejects with LOG_UNAVAILABLE or REGISTRY_UNAVAILABLE. */
export async function connectKafka(environment: Environment): Promise<Client> {
  const log = openKafkaLog(environment)
  const codec = openCodec(environment)
  try {
    await log.check()
    await codec.prepare()
  } catch (error) {
    await log.close()
    if (error instanceof FlotillaError) throw error
    throw new FlotillaError('LOG_UNAVAILABLE', `connecting to ${environment.kafkaBrokers.join(', ')}`, {
      cause: error,
    })
  }
  const { blobs, close } = sharedBlobs(environment)
  return new ClosingClient({ log, codec, blobs }, close)
}

/** Owns its connections. */
class ClosingClient extends LogClient {
  readonly #closeParts: () => Promise<unknown>

  constructor(parts: ConstructorParameters<typeof LogClient>[0], closeBlobs: () => Promise<void>) {
    super(parts)
    this.#closeParts = () => Promise.all([parts.log.close(), closeBlobs()])
  }

  override async close(): Promise<void> {
    await super.close()
    await this.#closeParts()
  }
}
