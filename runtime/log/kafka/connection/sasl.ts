// How connections to Kafka sign in.
import type { KafkaSecurity } from '../../../config/environment/server-security.ts'
import { tokenProvider } from './oauth-token.ts'

/** What kafkajs gives to a mechanism: one exchange with the broker. */
interface Connection {
  readonly saslAuthenticate: (exchange: {
    readonly request: { encode(): Buffer }
    readonly response: { decode(bytes: Buffer): Buffer; parse(bytes: Buffer): string }
  }) => Promise<string | void>
}

/** For kafkajs, which asks for the password or the token whenever a connection authenticates. */
export function saslOptions(sasl: NonNullable<KafkaSecurity['sasl']>): object {
  if (sasl.mechanism === 'oauthbearer') return bearer(tokenProvider(sasl))
  const { mechanism, username, password } = sasl
  return {
    mechanism,
    username,
    get password() {
      return password()
    },
  }
}

const LENGTH_BYTES = 4

function lengthOf(message: Buffer): Buffer {
  const length = Buffer.alloc(LENGTH_BYTES)
  length.writeInt32BE(message.length)
  return length
}

/** SASL/OAUTHBEARER (RFC 7628). kafkajs's own takes the broker's refusal for its consent. */
function bearer(token: () => Promise<string>): object {
  return {
    mechanism: 'oauthbearer',
    authenticationProvider: ({ saslAuthenticate }: Connection) => ({
      authenticate: async () => {
        const message = Buffer.from(`n,,\u0001auth=Bearer ${await token()}\u0001\u0001`)
        const refusal = await saslAuthenticate({
          request: { encode: () => Buffer.concat([lengthOf(message), message]) },
          response: {
            decode: (bytes) => bytes.subarray(LENGTH_BYTES),
            parse: (bytes) => bytes.toString('utf8'),
          },
        })
        if (refusal) throw new Error(`SASL OAUTHBEARER authentication failed: ${refusal.slice(0, 200)}`)
      },
    }),
  }
}
