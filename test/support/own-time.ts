// Processor time, for what must not take long: a busy machine does not change it.
export function ownMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1_000
}
