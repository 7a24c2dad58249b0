/** Runs `work` at the first call; later calls get the same promise, and so wait for it too. */
export function once<T>(work: () => Promise<T>): () => Promise<T> {
  let result: Promise<T> | null = null
  return () => (result ??= work())
}
