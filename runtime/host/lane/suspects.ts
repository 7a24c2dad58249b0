// Finds the event that killed its process: the evidence about events that ran when their lane ended
// uncleanly, and when that is enough to give one up.
//
// 1. A process that is killed from outside leaves events behind that look like the one that killed its own.
//    So a death proves little; a death in an event's *trial* proves more: nothing else was started then, and
//    the age that it reached is known to a step. After an unclean end some event is nearly always in its
//    first trial, so that one proves nothing either.
// 2. Before each further trial the event is held back, longer each time, while everything else is done. A
//    process that dies meanwhile died of something else. One that lives through it and dies at the start of
//    the trial proves much: a kill from outside would have had to come just then. Evidence is that chance:
//    the age over the time that the process lived. So an event is given up on what was seen since it became a
//    suspect, never on how long processes usually live.
// 3. If many were running, those that died once are started together, so that a kill from outside delays
//    nothing. Those that died more often have their trials in groups, a sixteenth of them at a time, until
//    they are few.
// 4. An event that gets older in a trial than it was in former ones did not die of its own then: those deaths
//    count for less, and for nothing once it has outlived a whole trial.
// 5. An event is given up after three deaths at the least, two of them in trials.
// 6. Deaths are counted by the next opening of the lane, in its first commit, once for each epoch. A lane
//    that moved while its owner lived on ends uncleanly too: the owner says so in the key-value store, and
//    such an end counts for nothing. An owner that is paused or cut off says so too late: it counts as dead.

/** One opening of a lane: written before anything is handled, and by a lane that closes cleanly. */
export interface LaneLife {
  readonly epoch: number
  readonly open: boolean
  /** Name of what the key-value store held (store-identity.ts). Absent: not known, as in rows of earlier releases. */
  readonly store?: string
}

/** An unclean end of its lane while an event ran. */
export interface Death {
  readonly epoch: number
  /** In a trial: the age that the event had not reached, in milliseconds. Null: not in one. */
  readonly beforeMs: number | null
  /** How long the lane had been open when the trial began, in milliseconds. */
  readonly livedMs: number
}

/** An event that ran, or may have, when its lane ended uncleanly. */
export interface Suspect {
  /** The latest ones. */
  readonly deaths: readonly Death[]
  /** Epoch in which it was last begun; null: the end of that one is counted. */
  readonly epoch: number | null
  /** In a trial: the age before which it dies if the process dies now. Null: not in one. */
  readonly diesBeforeMs: number | null
  /** How long the lane had been open when it was last begun. */
  readonly livedMs: number
  /** When it was last begun. */
  readonly begunMs: number
}

/** A suspect that has not come again for this long is dropped. */
export const FORGOTTEN_MS = 86_400_000
const MAX_DEATHS = 20
const LEAST_DEATHS = 3
const LEAST_TRIALS = 2
/** Highest probability of giving up an event that died in its trials by chance. */
const MAX_CHANCE = 1e-3
/** Ages at which an event in a trial is noted as alive. Most that kill their process do so at once. */
const STEPS_MS = [10, 100, 1_000, 4_000, 16_000, 64_000]
const FIRST_HOLD_MS = 10_000
const LONGEST_HOLD_MS = 640_000
const SHORTEST_TRIAL_MS = 10
const FIRST_TRIAL_MS = 500
const LONGEST_TRIAL_MS = 64_000
/** Most suspects with their own trials. If more died once, all start together; others in as many groups. */
const FEW = 16

export interface Reopened {
  readonly life: LaneLife
  /** By event id. */
  readonly suspects: Map<string, Suspect>
  /** Suspects that are kept no longer. */
  readonly forgotten: readonly string[]
  /** The former owner ended uncleanly: whatever it may have been running is suspect. */
  readonly unclean: boolean
}

/** `hasMoved`: the former opening ended while its process lived on. */
export function reopen(
  former: LaneLife | null,
  known: ReadonlyMap<string, Suspect>,
  now: { epoch: number; ms: number; hasMoved: boolean },
): Reopened {
  const unclean = former !== null && former.open && !now.hasMoved
  const life = { epoch: now.epoch, open: true }
  const suspects = new Map<string, Suspect>()
  const forgotten: string[] = []
  for (const [id, suspect] of known) {
    if (suspect.begunMs < now.ms - FORGOTTEN_MS) forgotten.push(id)
    else suspects.set(id, endOpening(suspect, unclean && suspect.epoch === former.epoch))
  }
  return { life, suspects, forgotten, unclean }
}

function endOpening(suspect: Suspect, died: boolean): Suspect {
  const off = { ...suspect, epoch: null, diesBeforeMs: null }
  if (!died) return off
  const { diesBeforeMs: beforeMs, livedMs } = suspect
  const death = { epoch: suspect.epoch ?? 0, beforeMs, livedMs }
  return { ...off, deaths: [...suspect.deaths, death].slice(-MAX_DEATHS) }
}

/** Suspicion of an event that was unfinished at an unclean end, and of which nothing else is known. */
export function firstSuspicion(formerEpoch: number, ms: number): Suspect {
  const deaths = [{ epoch: formerEpoch, beforeMs: null, livedMs: 0 }]
  return { deaths, epoch: null, diesBeforeMs: null, livedMs: 0, begunMs: ms }
}

/** Those of its deaths that were in trials. */
function trialsOf({ deaths }: Suspect): (Death & { beforeMs: number })[] {
  return deaths.filter((death): death is Death & { beforeMs: number } => death.beforeMs !== null)
}

/** How long it is held back before its next trial. */
export function holdMs(suspect: Suspect): number {
  const trials = trialsOf(suspect).length
  return trials === 0 ? 0 : Math.min(LONGEST_HOLD_MS, FIRST_HOLD_MS * 4 ** (trials - 1))
}

export function isGuilty(suspect: Suspect): boolean {
  const trials = trialsOf(suspect)
  if (suspect.deaths.length < LEAST_DEATHS || trials.length < LEAST_TRIALS) return false
  const chances = trials.slice(1).map(({ beforeMs, livedMs }) => beforeMs / (beforeMs + livedMs))
  return chances.reduce((product, chance) => product * chance, 1) <= MAX_CHANCE
}

/** Order of trials: the most suspicious first. */
export function rankOf(suspect: Suspect): number {
  return trialsOf(suspect).length * 1_000 + suspect.deaths.length
}

/** How many of `count` events of one rank are started together. */
export function groupSize(suspect: Suspect, count: number): number {
  if (trialsOf(suspect).length > 0) return 1
  if (suspect.deaths.length === 1) return count > FEW ? count : 1
  return Math.max(1, Math.ceil(count / FEW))
}

/**
 * Longest time that others wait for a trial of `size` events, if `waiting` of the same kind follow. Nobody
 * waits for a group that died once. For an event that died in a trial it is an eighth of its hold, or twice
 * the age that it had not reached then, if that is more.
 */
export function trialMs(suspect: Suspect, size: number, waiting: number): number {
  const deaths = suspect.deaths.length
  if (deaths === 1 && size > 1) return 0
  const ages = trialsOf(suspect).map(({ beforeMs }) => beforeMs)
  if (ages.length > 0) return Math.min(LONGEST_TRIAL_MS, Math.max(holdMs(suspect) / 8, 2 * Math.max(...ages)))
  const wholeMs = Math.min(LONGEST_TRIAL_MS, FIRST_TRIAL_MS * 4 ** Math.floor(deaths / 2))
  return Math.max(SHORTEST_TRIAL_MS, (wholeMs * size) / (waiting + size))
}

/** It is started `livedMs` after the opening. Only ages of an event alone in its trial mean anything. */
export function startSuspect(
  suspect: Suspect,
  opening: { epoch: number; livedMs: number },
  now: { ms: number; isAlone: boolean },
): Suspect {
  return {
    ...suspect,
    ...opening,
    begunMs: now.ms,
    diesBeforeMs: now.isAlone ? (STEPS_MS[0] as number) : null,
  }
}

/** In a trial, and not yet known to have lived through its first step. */
export const isAtBeginning = ({ diesBeforeMs }: Suspect): boolean => diesBeforeMs === STEPS_MS[0]

/** It has reached the age of the next step, or the end of its trial; notes the step after that. */
export function ageSuspect(suspect: Suspect, limitMs: number): Suspect {
  const reachedMs = suspect.diesBeforeMs ?? limitMs
  if (reachedMs >= limitMs) return { ...raiseAges(suspect, null), diesBeforeMs: null }
  const diesBeforeMs = STEPS_MS.find((stepMs) => stepMs > reachedMs) ?? LONGEST_TRIAL_MS
  return { ...raiseAges(suspect, diesBeforeMs), diesBeforeMs }
}

/** Raises the age in its former deaths to one that it has now survived; null: they prove nothing any more. */
function raiseAges(suspect: Suspect, leastMs: number | null): Suspect {
  const age = (beforeMs: number | null) =>
    leastMs === null || beforeMs === null ? null : Math.max(beforeMs, leastMs)
  return {
    ...suspect,
    deaths: suspect.deaths.map((death) => ({ ...death, beforeMs: age(death.beforeMs) })),
  }
}
