// kafkajs's answer to the question who leads. While one partition has no leader it throws, and learns of no other
// partition's leader, nor of any broker. Here that partition has none (-1), which is an error where it is used (link.ts).

export const METADATA_VERSIONS = [0, 1, 2, 3, 4, 5, 6]

interface Metadata {
  readonly topicMetadata: readonly { readonly topicErrorCode: number }[]
}

/** The part of kafkajs's module that is used. */
export interface MetadataResponse {
  parse: <M extends Metadata>(metadata: M) => Promise<M>
}

/** An error of a topic (it is missing, or may not be read) still throws. */
export function takeLeaderless(response: MetadataResponse, errorOf: (code: number) => Error): void {
  response.parse = async (metadata) => {
    const failed = metadata.topicMetadata.find(({ topicErrorCode }) => topicErrorCode !== 0)
    if (failed !== undefined) throw errorOf(failed.topicErrorCode)
    return metadata
  }
}
