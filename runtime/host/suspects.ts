// Which event killed its process: what is known of those that were at work when their lane ended uncleanly, and when that
// is enough to give one up.
//
// 1. A process that is killed from outside leaves events behind that look like the one that killed its own. So a death
//    tells little; a death in an event's *trial* tells more: nothing else was started then, and the age that it reached is
//    known to a step. Evidence is the chance that processes which die as often as this lane's do would have died just then.
// 2. The chance comes from the lane's own past: its unclean ends in which this event was not at work, and how close
//    together they came when they were closest. A fleet whose processes are killed all the time needs more deaths to give
//    an event up than one that never dies. Ends that an event was given up for are no evidence any more.
// 3. An event that gets older in a trial than it was in former ones did not die of its own then: what they told counts for
//    less, and for nothing once it has outlived a whole trial.
// 4. An event is given up after three deaths at the least, two of them in trials.
// 5. Deaths are counted by the next opening of the lane, in its first commit, once for each epoch. A lane that moved while
//    its owner lived on ends uncleanly too: the owner says so in the key-value store, and such an end counts for nothing.

/** Of one opening of a lane: written before anything is handled, and by a lane that closes cleanly. */
export interface LaneLife {
  readonly epoch: number
  readonly open: boolean
  /** Unclean ends of the last month, oldest first. Epoch milliseconds. */
  readonly ends: readonly number[]
}

/** An unclean end of its lane while an event was at work. */
export interface Death {
  readonly epoch: number
  /** In a trial: the age that the event had not reached, in milliseconds. Null: not in one. */
  readonly beforeMs: number | null
}

/** An event that was at work, or may have been, when its lane ended uncleanly. */
export interface Suspect {
  /** The latest ones. */
  readonly deaths: readonly Death[]
  /** Epoch in which it was last begun; null: the end of that one is counted. */
  readonly epoch: number | null
  /** In a trial: the age before which it dies if the process dies now. Null: not in one. */
  readonly diesBeforeMs: number | null
  /** When it was last begun. */
  readonly begunMs: number
}

/** A suspect that did not come again for so long is none any more. */
export const FORGOTTEN_MS = 86_400_000
const MONTH_MS = 30 * FORGOTTEN_MS
const MAX_ENDS = 32
const MAX_DEATHS = 20
const LEAST_DEATHS = 3
const LEAST_TRIALS = 2
/** An innocent event may be given up with this chance, at the most. */
const MAX_CHANCE = 5e-7
/** Ages at which an event in a trial is seen to live. */
const STEPS_MS = [250, 1_000, 4_000, 16_000, 64_000]
const SHORTEST_TRIAL_MS = 10
const FIRST_TRIAL_MS = 500
const LONGEST_TRIAL_MS = 64_000

export interface Reopened {
  readonly life: LaneLife
  /** By event id. */
  readonly suspects: Map<string, Suspect>
  /** Suspects that are kept no longer. */
  readonly forgotten: readonly string[]
  /** The former owner ended uncleanly: whatever it may have had at work is suspect. */
  readonly unclean: boolean
}

/** `survived`: epochs of openings that ended while their process, this one, lived on. */
export function reopen(
  former: LaneLife | null,
  known: ReadonlyMap<string, Suspect>,
  now: { epoch: number; ms: number; survived: ReadonlySet<number> },
): Reopened {
  const unclean = former !== null && former.open && !now.survived.has(former.epoch)
  const recent = (former?.ends ?? []).filter((atMs) => atMs > now.ms - MONTH_MS)
  const ends = (unclean ? [...recent, now.ms] : recent).slice(-MAX_ENDS)
  const life = { epoch: now.epoch, open: true, ends }
  const suspects = new Map<string, Suspect>()
  const forgotten: string[] = []
  for (const [id, suspect] of known) {
    if (suspect.begunMs < now.ms - FORGOTTEN_MS) forgotten.push(id)
    else suspects.set(id, ended(suspect, unclean && suspect.epoch === former.epoch))
  }
  return { life, suspects, forgotten, unclean }
}

function ended(suspect: Suspect, died: boolean): Suspect {
  const off = { ...suspect, epoch: null, diesBeforeMs: null }
  if (!died) return off
  const death = { epoch: suspect.epoch ?? 0, beforeMs: suspect.diesBeforeMs }
  return { ...off, deaths: [...suspect.deaths, death].slice(-MAX_DEATHS) }
}

/** One that was unfinished at an unclean end, of which nothing else is known. */
export function firstSuspicion(formerEpoch: number, ms: number): Suspect {
  return { deaths: [{ epoch: formerEpoch, beforeMs: null }], epoch: null, diesBeforeMs: null, begunMs: ms }
}

/** Ages that it had not reached when it died in a trial. */
export function trialsOf({ deaths }: Suspect): number[] {
  return deaths.flatMap(({ beforeMs }) => beforeMs ?? [])
}

/** `assumedLifeMs`: what is assumed of a lane of which nothing is known (parts.ts). */
export function isGuilty(suspect: Suspect, { ends }: LaneLife, assumedLifeMs: number): boolean {
  const deaths = suspect.deaths.length
  const trials = trialsOf(suspect)
  if (deaths < LEAST_DEATHS || trials.length < LEAST_TRIALS) return false
  const perMs = Math.max(1 / assumedLifeMs, fastest(ends.slice(0, Math.max(0, ends.length - deaths + 1))))
  return trials.reduce((chance, ageMs) => chance * Math.min(1, perMs * ageMs), 1) <= MAX_CHANCE
}

/** Ends a millisecond, where they came closest: over two gaps, because one restart may follow another for any reason. */
function fastest(ends: readonly number[]): number {
  return ends
    .slice(2)
    .reduce((most, atMs, i) => Math.max(most, 2 / Math.max(1, atMs - (ends[i] as number))), 0)
}

/** The lane's life without the deaths of an event that is given up. */
export function without(life: LaneLife, { deaths }: Suspect): LaneLife {
  return { ...life, ends: life.ends.slice(0, Math.max(0, life.ends.length - deaths.length)) }
}

/** How long its trial lasts at most, where `waiting` others want one. One that died in a trial gets all the time. */
export function trialMs(suspect: Suspect, waiting: number): number {
  const wholeMs = Math.min(LONGEST_TRIAL_MS, FIRST_TRIAL_MS * 4 ** (suspect.deaths.length - 1))
  return trialsOf(suspect).length > 0 ? wholeMs : Math.max(SHORTEST_TRIAL_MS, wholeMs / (waiting + 1))
}

export function begun(suspect: Suspect, epoch: number, nowMs: number): Suspect {
  return { ...suspect, epoch, begunMs: nowMs, diesBeforeMs: STEPS_MS[0] as number }
}

/** It has reached the age of the next step, or the end of its trial; and its age at the step after that. */
export function aged(suspect: Suspect, limitMs: number): Suspect {
  const reachedMs = suspect.diesBeforeMs ?? limitMs
  if (reachedMs >= limitMs) return { ...older(suspect, null), diesBeforeMs: null }
  const diesBeforeMs = STEPS_MS.find((stepMs) => stepMs > reachedMs) ?? LONGEST_TRIAL_MS
  return { ...older(suspect, diesBeforeMs), diesBeforeMs }
}

/** What it died of in former trials was not younger than this; null: it was not the event itself. */
function older(suspect: Suspect, leastMs: number | null): Suspect {
  const age = (beforeMs: number | null) =>
    leastMs === null || beforeMs === null ? null : Math.max(beforeMs, leastMs)
  return {
    ...suspect,
    deaths: suspect.deaths.map(({ epoch, beforeMs }) => ({ epoch, beforeMs: age(beforeMs) })),
  }
}
