// Statistics of evaluations. Pure; each formula names its source.
//
// 1. The unit is the case: epochs of one case are not independent, so a case counts once, with the mean of its
//    epochs (E. Miller, Adding Error Bars to Evals, arXiv:2411.00640, section 2.2).
// 2. The same input gives the same figures: where a test draws at random, the seed is fixed.

/** 97.5th percentile of the normal distribution. */
const Z = 1.959963984540054

export interface Interval {
  readonly mean: number
  /** Bounds of the 95 % interval. */
  readonly low: number
  readonly high: number
  /** Cases that it is made of. */
  readonly cases: number
}

export const meanOf = (values: readonly number[]): number =>
  values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length

/** Nearest rank. `share` from 0 to 1. */
export function quantileOf(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0
}

/**
 * Mean of values from 0 to 1 with Wilson's score interval (E. B. Wilson, JASA 22, 1927; recommended for small samples
 * by Brown, Cai and DasGupta, Statistical Science 16, 2001). It is exact in kind for values that are 0 or 1. No other
 * values from 0 to 1 with the same mean vary more (Bhatia and Davis, 2000), so for graded scores it is at most too
 * wide. Null without values.
 */
export function wilson(values: readonly number[]): Interval | null {
  const cases = values.length
  if (cases === 0) return null
  const mean = meanOf(values)
  const share = Z ** 2 / cases
  const centre = (mean + share / 2) / (1 + share)
  const reach = (Z / (1 + share)) * Math.sqrt((mean * (1 - mean)) / cases + share / (4 * cases))
  return { mean, low: Math.max(0, centre - reach), high: Math.min(1, centre + reach), cases }
}

/** Passed epochs of a case, out of all of its epochs. */
export interface Passes {
  readonly passed: number
  readonly epochs: number
}

/**
 * Chance that k attempts at a case all pass, as a mean over cases: C(c, k) / C(n, k) for c of n passed (S. Yao et al.,
 * tau-bench, arXiv:2406.12045). Null if a case has fewer than k epochs.
 */
export function passHat(cases: readonly Passes[], k: number): number | null {
  if (cases.length === 0 || cases.some(({ epochs }) => epochs < k)) return null
  return meanOf(cases.map(({ passed, epochs }) => chosen(passed, k) / chosen(epochs, k)))
}

/** Binomial coefficient; 0 if k > n. */
function chosen(n: number, k: number): number {
  if (k > n) return 0
  let product = 1
  for (let index = 0; index < k; index += 1) product = (product * (n - index)) / (index + 1)
  return product
}

export interface PairedTest {
  /** Mean of the differences. */
  readonly difference: number
  /** Two-sided. */
  readonly p: number
  readonly method: 'exact McNemar' | 'exact permutation' | 'permutation'
  /** Pairs that differ. */
  readonly different: number
}

/** 65,536 patterns of signs. */
const EXACT_PAIRS = 16
const DRAWS = 20_000
const SEED = 20_260_601

/**
 * Paired test that the mean difference is 0: the signs of the differences are exchanged (R. A. Fisher, The Design of
 * Experiments, 1935, section 21). Where all differences have one size, as those of passed and failed have, this is
 * McNemar's exact test. With more than 16 different sizes 20,000 patterns are drawn, and p is (b + 1) / (m + 1)
 * (Phipson and Smyth, 2010). Null without pairs.
 */
export function pairedTest(differences: readonly number[]): PairedTest | null {
  if (differences.length === 0) return null
  const difference = meanOf(differences)
  const unequal = differences.filter((each) => each !== 0)
  const facts = { difference, different: unequal.length }
  const [first = 0] = unequal
  if (unequal.every((each) => Math.abs(each) === Math.abs(first))) {
    const up = unequal.filter((each) => each > 0).length
    return { ...facts, p: mcNemar(up, unequal.length - up), method: 'exact McNemar' }
  }
  if (unequal.length <= EXACT_PAIRS)
    return { ...facts, p: exactPermutation(unequal), method: 'exact permutation' }
  return { ...facts, p: drawnPermutation(unequal), method: 'permutation' }
}

/** Two-sided exact binomial test of b against c at one half (Q. McNemar, Psychometrika 12, 1947). */
export function mcNemar(b: number, c: number): number {
  const n = b + c
  let tail = 0
  for (let k = 0; k <= Math.min(b, c); k += 1) tail += Math.exp(logChosen(n, k) - n * Math.LN2)
  return Math.min(1, 2 * tail)
}

function logChosen(n: number, k: number): number {
  let sum = 0
  for (let index = 0; index < k; index += 1) sum += Math.log((n - index) / (index + 1))
  return sum
}

/** Sums that differ only by rounding count as equal. */
const isAtLeast = (sum: number, observed: number): boolean => Math.abs(sum) >= observed * (1 - 1e-12)

function exactPermutation(differences: readonly number[]): number {
  const observed = Math.abs(sumOf(differences))
  const patterns = 2 ** differences.length
  let extreme = 0
  for (let pattern = 0; pattern < patterns; pattern += 1) {
    let sum = 0
    for (const [index, each] of differences.entries()) sum += (pattern >> index) & 1 ? each : -each
    if (isAtLeast(sum, observed)) extreme += 1
  }
  return extreme / patterns
}

function drawnPermutation(differences: readonly number[]): number {
  const observed = Math.abs(sumOf(differences))
  const draw = generator(SEED)
  let extreme = 0
  for (let drawn = 0; drawn < DRAWS; drawn += 1) {
    let sum = 0
    for (const each of differences) sum += draw() < 0.5 ? each : -each
    if (isAtLeast(sum, observed)) extreme += 1
  }
  return (extreme + 1) / (DRAWS + 1)
}

const sumOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0)

/** Mulberry32: uniform numbers from 0 to 1 of a seed. */
function generator(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
