/** SIGKILL. Nothing happens where the process has ended meanwhile, as a child does with the parent that was killed before it. */
export function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
  }
}
