// A codec of one run that decodes the bytes of each record once: many processes read a record, and nobody changes
// an event.
import type { Codec, Decoded } from '../../runtime/codec/port.ts'
import type { TopicName } from '../../schemas/topics.ts'

export function decodedOnce(codec: Codec): Codec {
  const known = new Map<Uint8Array, { readonly topic: TopicName; readonly decoded: Decoded }>()
  return {
    ...codec,
    decode: (value, topic) => {
      const found = known.get(value)
      if (found?.topic === topic) return found.decoded
      const decoded = codec.decode(value, topic)
      if (!(decoded instanceof Promise)) known.set(value, { topic, decoded })
      return decoded
    },
  }
}
