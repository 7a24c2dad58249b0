/** What a check of `doctor` found of a part that can be used; one that can't be used throws. */
export interface Found {
  /** warn: it works, but with a weaker guarantee. skipped: nothing was tried. */
  readonly result: 'ok' | 'warn' | 'skipped'
  readonly reason: string
  /** What to do about it; absent: nothing, or the reason says so. */
  readonly remedy?: string
}

export const ok = (reason: string): Found => ({ result: 'ok', reason })
export const warn = (reason: string, remedy?: string): Found => ({
  result: 'warn',
  reason,
  ...(remedy === undefined ? {} : { remedy }),
})
export const skipped = (reason: string, remedy: string): Found => ({ result: 'skipped', reason, remedy })
